"""What people decide about a model, on SQLite and PostgreSQL: one change, one entry, once, and never half."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from typing import cast as cast_type

import pytest
from sqlalchemy import update

from services.adapters.local.estate.catalog import load_catalog
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.public_keys import SqlPublicKeys
from services.adapters.sql.schema.governance import tier_proposal
from services.inventory.classification import ClassificationService
from services.inventory.commands import AssignOwner, FillIn, MarkReviewed, RecordRelease, SaveUseCase
from services.inventory.governance import FactorLevel, UseCase, VendorDocument, VendorTerms
from services.inventory.models import DeploymentKind, GovernedModel, ServiceLevel, Tier
from services.inventory.proposals import DecideTier, Proposal, ProposalKind, ProposeTier
from services.inventory.reviews import ReviewFact
from services.inventory.service import InventoryService
from services.inventory.stewardship import StewardshipService
from services.inventory.tiering import FACTORS
from services.kernel.errors import (
    AlreadyDecidedError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    PassphraseError,
    RoleMissingError,
    SelfApprovalError,
    TrustError,
)
from services.kernel.secret import Secret
from services.ledger.attempts import RecordingDesk
from services.rollout.attested import CheckedEntries
from services.workspace import episodes
from services.workspace.cast import Cast
from tests.builders import MODEL, NOON, World, a_model, a_standing, a_world
from tests.unit.inventory.test_inventory import ARegistry

DANA, VERA, CLARA, BEN = "dana.datascience", "vera.validator", "clara.compliance", "ben.business"


@dataclass(slots=True, kw_only=True)
class Room:
    world: World
    inventory: InventoryService
    stewardship: StewardshipService
    classification: ClassificationService

    def model(self, name: str = MODEL) -> GovernedModel:
        return self.inventory.model(name)

    def fill_in(self, field: str, who: str = DANA, command: str = "c1", **given: Any) -> Any:
        return self.stewardship.fill_in(
            FillIn(command_id=command, model=MODEL, field=field, **given), actor=self.world.actor(who)
        )

    def propose(self, who: str = DANA, **changes: Any) -> Proposal:
        values: dict[str, Any] = {
            "command_id": "p1",
            "model": MODEL,
            "kind": ProposalKind.OVERRIDE,
            "reason": "The figures of the supplier are not audited yet.",
            "tier": 2,
            "until": NOON + timedelta(days=30),
            "passphrase": self.world.secret(who),
        }
        self.classification.propose(ProposeTier(**(values | changes)), actor=self.world.actor(who))
        return self.classification.history(MODEL)[0]

    def decide(
        self, item: Proposal, who: str = CLARA, *, confirm: bool = True, reason: str = "", **changes: Any
    ) -> Any:
        values: dict[str, Any] = {"command_id": "d1", "proposal_id": item.proposal_id, "confirm": confirm}
        values |= {"reason": reason, "passphrase": self.world.secret(who)}
        return self.classification.decide(DecideTier(**(values | changes)), actor=self.world.actor(who))

    def later(self, **delta: float) -> None:
        self.world.clock.set(self.world.clock.now() + timedelta(**delta))  # type: ignore[attr-defined]


@pytest.fixture
def room(database_url: str, tmp_path: Path) -> Iterator[Room]:
    world = a_world(tmp_path, url=database_url)
    store = SqlInventory(world.database)
    inventory = InventoryService(registry=ARegistry(), store=store, ledger=world.ledger, clock=world.clock)
    delay = UseCase(id="delay-claims", title="Delay claims", purpose="Pays claims without a letter.", owner=None)
    inventory.register_catalog((a_model(use_case_id=""),), (delay,))
    desk = RecordingDesk(world.desk, world.ledger)
    yield Room(
        world=world,
        inventory=inventory,
        stewardship=StewardshipService(
            inventory=inventory, units=world.units, people=world.people, desk=desk, clock=world.clock
        ),
        classification=ClassificationService(
            inventory=inventory,
            units=world.units,
            people=world.people,
            ledger=world.ledger,
            desk=desk,
            attestations=CheckedEntries(
                reader=world.book,
                service_key=world.desk.service_key,
                person_keys=SqlPublicKeys(world.database),
                machine_key=None,
            ),
            clock=world.clock,
        ),
    )
    world.database.dispose()


# metadata


def test_a_filled_in_field_is_one_entry_however_often_the_command_arrives(room: Room) -> None:
    assert [item.field for item in room.stewardship.completeness(MODEL).missing] == ["use_case"]

    first = room.fill_in("use_case", text="delay-claims")
    again = room.fill_in("use_case", text="delay-claims")

    assert (again.seq, again.repeated) == (first.seq, True)
    assert (room.model().use_case_id, room.model().use_case) == ("delay-claims", "Delay claims")
    assert room.stewardship.completeness(MODEL).percent == 100
    assert room.world.entries("event:model-changed") == 1
    # The entry holds the whole registration: nothing is left to be recorded.
    assert room.inventory.record_registrations() == 0


def test_only_the_data_science_lead_fills_in_and_the_attempt_is_recorded(room: Room) -> None:
    for who in (CLARA, VERA, "otto.auditor"):
        with pytest.raises(RoleMissingError):
            room.fill_in("purpose", who, text="Something else entirely.")

    assert room.model().purpose == a_model().purpose
    assert room.world.entries("event:permission-refused") == 3


def test_two_filled_in_fields_complete_the_forecast_of_the_workspace(room: Room) -> None:
    (forecast,) = [model for model in load_catalog(NOON.date()) if model.name == "payout_forecast"]
    room.inventory.register_catalog((forecast,))
    assert room.stewardship.completeness("payout_forecast").percent == 82

    dana = room.world.actor(DANA)
    level = ServiceLevel(p95_ms=None, error_rate=0.02, on_time_share=0.95, window_hours=3)
    for command in (
        FillIn(command_id="1", model="payout_forecast", field="label_definition", text="Sum the tariff pays per day."),
        FillIn(command_id="2", model="payout_forecast", field="service_level", level=level),
    ):
        room.stewardship.fill_in(command, actor=dana)

    assert room.stewardship.completeness("payout_forecast").percent == 100


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("purpose", {"text": "short"}),
        ("purpose", {"text": "x" * 2001}),
        ("name", {"text": "another_name"}),
        ("owner_sre", {"text": "sam.sre"}),
        ("no_such", {"text": "long enough text"}),
        ("use_case", {"text": "not-written-down"}),
        ("service_level", {"level": ServiceLevel(p95_ms=None, error_rate=0.01)}),
        ("service_level", {"level": ServiceLevel(p95_ms=-1.0, error_rate=0.01)}),
        ("service_level", {"level": ServiceLevel(p95_ms=10.0, error_rate=1.5)}),
        ("audit_right", {"supplier": VendorTerms(contract="c", until=None, audit_right="", exit_plan="", promise="")}),
    ],
)
def test_a_value_without_sense_changes_nothing(room: Room, field: str, given: dict[str, Any]) -> None:
    before = room.model()
    with pytest.raises(InputError):
        room.fill_in(field, **given)

    assert room.model() == before
    assert room.world.entries("event:model-changed") == 0


def test_taking_a_field_back_needs_a_reason(room: Room) -> None:
    with pytest.raises(MissingReasonError):
        room.fill_in("label_definition")
    room.fill_in("label_definition", reason="The tariff changes next month.")

    assert room.model().label_definition == ""


def test_terms_of_a_supplier_come_back_as_they_were_written(room: Room) -> None:
    paper = VendorDocument(title="ISAE 3402 type II", reference="KI-77", day=date(2029, 5, 1), sha256="ab" * 32)
    terms = VendorTerms(
        contract="KI-2024", until=date(2031, 1, 1), audit_right="On site", exit_plan="Export", promise="99.5 %",
        documents=(paper,),
    )  # fmt: skip
    room.inventory.register_catalog((a_model(name="vendor_model", kind=DeploymentKind.VENDOR),))
    room.stewardship.fill_in(
        FillIn(command_id="v", model="vendor_model", field="assessment", supplier=terms), actor=room.world.actor(DANA)
    )

    assert room.model("vendor_model").supplier == terms


def test_a_suppliers_release_is_a_version_that_a_sweep_of_the_registry_leaves_alone(room: Room) -> None:
    terms = VendorTerms(contract="KI-1", until=None, audit_right="", exit_plan="", promise="")
    vendor = a_model(name="vendor_model", kind=DeploymentKind.VENDOR, supplier=terms)
    room.inventory.register_catalog((vendor,))
    command = RecordRelease(command_id="v1", model="vendor_model", label="2030.1", note="Announced in January.")
    dana = room.world.actor(DANA)

    first, again = (room.stewardship.record_release(command, actor=dana) for _ in range(2))
    room.inventory.sync()

    (version,) = room.inventory.versions("vendor_model")
    assert (version.version, version.source, version.author) == ("1", "vendor:KI-1/2030.1", "Dana Petrov")
    assert (again.seq, again.repeated) == (first.seq, True)
    with pytest.raises(InputError):  # the same release twice
        room.stewardship.record_release(replace(command, command_id="v2"), actor=dana)
    with pytest.raises(InputError):  # a model of ours has its versions in the registry
        room.stewardship.record_release(replace(command, command_id="v3", model=MODEL), actor=dana)
    with pytest.raises(RoleMissingError):
        room.stewardship.record_release(replace(command, command_id="v4"), actor=room.world.actor(CLARA))


def test_a_catalog_never_turns_a_model_of_ours_into_a_suppliers(room: Room) -> None:
    room.inventory.register_catalog((a_model(kind=DeploymentKind.VENDOR),))

    assert room.model().kind is DeploymentKind.REALTIME


# owners, reviews, use cases


def test_a_new_owner_takes_the_duty_over_with_a_trail(room: Room) -> None:
    command = AssignOwner(command_id="o", model=MODEL, role="sre", subject="amir.admin", reason="Sam changes team.")
    room.stewardship.assign_owner(command, actor=room.world.actor(CLARA))

    owner = room.model().owner_of("sre")
    assert owner is not None
    assert owner.name == "Amir Haddad"
    assert len(room.model().owners) == len(a_model().owners)
    with pytest.raises(MissingReasonError):
        room.stewardship.assign_owner(replace(command, command_id="x", reason=""), actor=room.world.actor(CLARA))
    with pytest.raises(InputError):
        room.stewardship.assign_owner(replace(command, command_id="y", subject="nobody"), actor=room.world.actor(CLARA))


def test_a_duty_of_somebody_who_is_not_here_is_orphaned(room: Room) -> None:
    assert room.stewardship.orphans() == ()

    gone = a_model(name="left_alone", owners=(replace(a_model().owners[0], subject="gone", name="Gil Oben"),))
    room.inventory.register_catalog((gone,))

    (found,) = room.stewardship.orphans()
    assert (found.model, found.duty.title, found.is_urgent) == ("left_alone", "Business", True)
    assert "Gil Oben" in found.sentence


def test_a_review_starts_the_cadence_again_and_answers_what_called_for_it(room: Room) -> None:
    drift = ReviewFact(model=MODEL, kind="drift", at=NOON, sentence="Drift is red since today.")
    assert room.stewardship.call_reviews([drift]) == 1
    assert room.stewardship.call_reviews([drift]) == 0
    assert room.model().next_review == NOON.date() + timedelta(days=14)

    room.later(days=3)
    room.stewardship.mark_reviewed(
        MarkReviewed(command_id="r", model=MODEL, note="Drift explained by the new season."),
        actor=room.world.actor(VERA),
    )

    model = room.model()
    assert (model.review_calls, model.last_review) == ((), NOON.date() + timedelta(days=3))
    assert model.next_review == model.last_review + timedelta(days=90)
    assert room.stewardship.call_reviews([drift]) == 0  # it lies before the review


def test_a_use_case_is_kept_apart_and_its_models_follow_its_title(room: Room) -> None:
    room.fill_in("use_case", text="delay-claims")
    command = SaveUseCase(
        command_id="u", id="delay-claims", title="Claims for late flights", purpose="Pays without a letter.",
        owner_subject=BEN,
    )  # fmt: skip
    room.stewardship.save_use_case(command, actor=room.world.actor(DANA))

    assert room.model().use_case == "Claims for late flights"
    assert [item.title for item in room.inventory.use_cases()] == ["Claims for late flights"]
    with pytest.raises(InputError):
        room.stewardship.save_use_case(replace(command, command_id="w", id="Has Blanks"), actor=room.world.actor(DANA))


# risk tier


def test_an_override_stands_only_after_a_second_person_in_another_role_confirmed_it(room: Room) -> None:
    item = room.propose()
    assert room.model().tier is Tier.ONE

    room.decide(item)

    model = room.model()
    assert (model.tier, model.review_every_days) == (Tier.TWO, 180)
    assert model.risk is not None
    assert model.risk.override is not None
    assert (model.risk.override.proposed_by, model.risk.override.confirmed_by) == ("Dana Petrov", "Clara Whitfield")
    assert room.world.entries("event:tier-confirmed") == 1
    assert room.classification.history(MODEL)[0].confirmed is True


def test_the_story_of_the_workspace_overrides_a_tier_with_two_people(room: Room) -> None:
    counter = itertools.count()
    cast = cast_type(
        Cast,
        SimpleNamespace(
            room=room, clock=room.world.clock, actor=room.world.actor, passphrase=room.world.secret,
            command=lambda: f"cmd-{next(counter)}",
        ),
    )  # fmt: skip
    episodes.override_tier(cast, MODEL, 2, days=100, reason="Treated as tier 2 until the audit is done.")
    episodes.confirm_tier(cast, MODEL, "Agreed; the audit is planned.")

    assert room.model().tier is Tier.TWO


def test_an_override_ends_by_the_clock_and_the_end_is_recorded_once(room: Room) -> None:
    room.decide(room.propose())
    room.later(days=30)

    assert room.model().tier is Tier.ONE  # before anybody recorded it
    assert room.classification.expire_due() == 1
    assert room.classification.expire_due() == 0
    assert room.model().risk == replace(a_standing(), override=None)


def test_neither_the_proposer_nor_the_same_role_nor_a_reader_confirms(room: Room) -> None:
    item = room.propose(CLARA)

    with pytest.raises(SelfApprovalError):
        room.decide(item, CLARA)
    with pytest.raises(SelfApprovalError):
        room.decide(item, "carl.compliance")
    with pytest.raises(RoleMissingError):
        room.decide(item, DANA)
    assert room.model().tier is Tier.ONE
    assert room.world.entries("event:tier-attempt-refused") == 2
    room.decide(item, VERA)
    assert room.model().tier is Tier.TWO


def test_a_decision_is_made_once_and_repeating_it_gives_the_first_receipt(room: Room) -> None:
    item = room.propose()
    first, again = room.decide(item), room.decide(item)

    assert (again.seq, again.repeated) == (first.seq, True)
    with pytest.raises(AlreadyDecidedError):
        room.decide(item, VERA, command_id="d2")


def test_a_refused_proposal_changes_nothing_and_frees_the_way(room: Room) -> None:
    item = room.propose()
    with pytest.raises(IllegalTransitionError):
        room.propose(command_id="p2")
    with pytest.raises(MissingReasonError):
        room.decide(item, confirm=False)
    room.decide(item, confirm=False, reason="The supplier was audited in March.")

    assert room.model().tier is Tier.ONE
    assert room.propose(command_id="p3").confirmed is None


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "because"},
        {"tier": 1},
        {"tier": 4},
        {"until": None},
        {"until": NOON},
        {"until": NOON + timedelta(days=181)},
        {"kind": ProposalKind.END},
        {"kind": ProposalKind.ASSESSMENT, "levels": ()},
    ],
)
def test_a_proposal_without_reason_end_or_effect_is_refused(room: Room, changes: dict[str, Any]) -> None:
    with pytest.raises((InputError, IllegalTransitionError)):
        room.propose(**changes)

    assert room.classification.history(MODEL) == ()


def test_a_new_score_sheet_gives_the_computed_tier_and_keeps_an_override(room: Room) -> None:
    room.decide(room.propose(tier=3))
    levels = tuple(FactorLevel(factor=item.id, level=2, evidence="Counted in May.") for item in FACTORS)
    higher = tuple(replace(item, level=3) if item.factor == "data" else item for item in levels)
    item = room.propose(command_id="p2", kind=ProposalKind.ASSESSMENT, levels=higher, tier=0, until=None)
    room.decide(item, command_id="d2")

    model = room.model()
    assert model.risk is not None
    assert model.risk.computed == 2
    assert model.tier is Tier.THREE
    room.decide(room.propose(command_id="p3", kind=ProposalKind.END), command_id="d3")
    assert room.model().tier is Tier.TWO


def test_a_wrong_passphrase_leaves_no_proposal(room: Room) -> None:
    with pytest.raises(PassphraseError):
        room.propose(passphrase=Secret("wrong"))

    assert room.classification.history(MODEL) == ()


def test_a_row_edited_after_signing_is_never_confirmed(room: Room) -> None:
    item = room.propose()
    with room.world.database.write() as connection:
        connection.execute(update(tier_proposal).values(until=NOON + timedelta(days=170)))

    with pytest.raises(TrustError):
        room.decide(item)
    assert room.model().tier is Tier.ONE


def test_a_catalog_never_changes_the_tier_of_a_model_that_is_known(room: Room) -> None:
    room.inventory.register_catalog((a_model(tier=Tier.THREE, risk=a_standing(1)),))

    assert room.model().tier is Tier.ONE
