"""Two closed months under the gate open a review; it is kept for a signed reason, or a retirement is asked for."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from services.adapters.sql.public_keys import SqlPublicKeys
from services.adapters.sql.retention import SqlDisposal
from services.adapters.sql.schema.retirements import value_review, value_review_answer
from services.kernel.errors import (
    AlreadyDecidedError,
    InputError,
    MissingReasonError,
    PassphraseError,
    RefusalError,
    RoleMissingError,
)
from services.kernel.health import Explanation, Health
from services.kernel.secret import Secret
from services.ledger.attempts import RecordingDesk
from services.policy.schema import parse
from services.rollout.attested import CheckedEntries
from services.value import gate as rules
from services.value.gate import Gate, KeepModel, RetireModel, Review, Standing
from services.value.models import BenefitLine, CostDay, ModelValue
from services.value.periods import Act, PeriodRecord, PeriodState, states
from services.value.review_service import ReviewService
from tests.builders import DOCUMENTS, MODEL, World, a_world

BEN, FIONA = "ben.business", "fiona.finance"
GATE = Gate(
    amount=Decimal(100), currency="USD", missed_months=2, review_days=30, longest_keep_months=6, source="tier-1"
)
WHY = Explanation(formula="f", source="s", window="w", as_of=None, n=10)


def a_value(start: date, *, benefit: int | None, cost: int = 50, began: date = date(2029, 1, 1)) -> ModelValue:
    lines = () if benefit is None else (
        BenefitLine(
            title="t", quantity="q", unit_value="v", amount=Decimal(benefit), low=Decimal(benefit - 20),
            high=Decimal(benefit + 20), n=40, assumed="", explanation=WHY,
        ),
    )  # fmt: skip
    day = CostDay(day=start, compute=Decimal(cost), storage=Decimal(0), serving=Decimal(0), predictions=10)
    return ModelValue(
        model=MODEL, title="M", currency="USD", window="w", days=(day,) if cost else (), cost=Decimal(cost),
        predictions=10, cost_per_thousand=None, benefits=lines,
        benefit=None if benefit is None else Decimal(benefit), net=None, measures=(), state=Health.UNKNOWN,
        sentence="Nothing was reviewed.", cost_explanation=WHY, first=max(began, start), statement=2,
    )  # fmt: skip


@dataclass
class Room:
    world: World
    service: ReviewService
    benefit: dict[str, int | None] = field(default_factory=dict)
    began: date = date(2029, 1, 1)
    months: list[PeriodState] = field(default_factory=list)
    requests: dict[str, str] = field(default_factory=dict)
    retiring: str = ""
    currency: str = "USD"
    gate: Gate = GATE

    def between(self, _name: str, start: date, end: date) -> ModelValue:
        month = f"{end:%Y-%m}"
        return a_value(start, benefit=self.benefit.get(month), began=self.began)

    def at(self, day: str) -> int:
        self.world.clock.set(datetime.fromisoformat(day).replace(hour=13, tzinfo=UTC))  # type: ignore[attr-defined]
        return self.service.refresh()

    @property
    def review_id(self) -> str:
        return self.service.view(MODEL).reviews[0].review.review_id

    def keep(self, *, by: str = BEN, **changes: Any) -> Any:
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4), "review_id": self.review_id, "reason_code": "SEASON",
            "reason": "January is always slow.", "next_period": "2030-04", "passphrase": self.world.secret(by),
        }  # fmt: skip
        return self.service.keep(KeepModel(**(values | changes)), actor=self.world.actor(by))

    def retire(self, *, by: str = BEN, **changes: Any) -> Any:
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4), "review_id": self.review_id, "reason_code": "ROI",
            "reason": "Checks by hand cost less.", "seen": "x", "passphrase": self.world.secret(by),
        }  # fmt: skip
        return self.service.retire(RetireModel(**(values | changes)), actor=self.world.actor(by))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    world = a_world(tmp_path)
    attested = CheckedEntries(
        reader=world.book, service_key=world.desk.service_key, person_keys=SqlPublicKeys(world.database),
        machine_key=world.desk.machine_key,
    )  # fmt: skip
    built = Room(world=world, service=None)  # type: ignore[arg-type]

    def asked(_command: RetireModel, review: Review, _actor: Any) -> str:
        built.requests["req-1"] = "open"
        assert review.review_id == built.review_id
        return "req-1"

    built.service = ReviewService(
        units=world.units, catalog=world.inventory, values=built, months=lambda _model: tuple(built.months),
        people=world.people, ledger=world.ledger, desk=RecordingDesk(world.desk, world.ledger), attestations=attested,
        gate=lambda _model: built.gate, retire=asked, request_state=lambda name: built.requests.get(name, ""),
        retiring=lambda _model: built.retiring, watched=lambda: (MODEL, "gone"), clock=world.clock,
    )  # fmt: skip
    built.benefit = {"2029-11": 90, "2029-12": 120, "2030-01": 60, "2030-02": 60, "2030-03": 60}
    yield built
    world.database.dispose()


def test_two_closed_months_in_a_row_under_the_gate_open_a_review_with_its_figures_owner_and_due_date(
    room: Room,
) -> None:
    assert room.at("2030-01-31") == 1, "November and December are under 100 after their cost of 50"
    assert room.at("2030-01-31") == 0

    (state,) = room.service.open()
    assert (room.service.open(state.review.model), room.service.open("another_model")) == ((state,), ())
    assert (room.service.open(owner="ben.business"), room.service.open(owner="mei.business")) == ((state,), ())
    assert (state.review.owner_name, state.review.due) == ("Ben Okafor", date(2030, 3, 2))
    figures = state.review.figures
    assert [(item.period, item.net, item.low, item.high) for item in figures.months] == [
        ("2029-12", "70", "50", "90"),
        ("2029-11", "40", "20", "60"),
    ]
    assert (figures.gate, figures.source, figures.statement) == ("100", "tier-1", 2)
    room.benefit = dict.fromkeys(room.benefit, 900)
    assert room.service.open()[0].review.figures == figures, "kept as they were when it was opened"
    assert room.world.entries("event:value-review-opened") == 1


def test_one_missed_month_and_an_open_month_open_nothing(room: Room) -> None:
    room.benefit |= {"2029-11": 200}

    assert room.at("2030-01-31") == 0
    assert "2029-12 under the gate" in room.service.view(MODEL).sentence


@pytest.mark.parametrize("month", ["2029-11", "2029-12"])
def test_a_month_that_cannot_be_computed_is_neither_under_nor_over_and_opens_nothing(room: Room, month: str) -> None:
    room.benefit[month] = None

    assert room.at("2030-01-31") == 0
    view = room.service.view(MODEL)
    found = next(item for item in view.months if item.period == month)
    assert (found.standing, found.net) == (Standing.UNKNOWN, "")
    assert f"{month} cannot be computed, which is neither under the gate nor above it" in view.sentence


def test_a_part_of_a_month_is_not_held_against_the_figure_of_a_month(room: Room) -> None:
    room.began = date(2029, 11, 12)

    assert room.at("2030-01-31") == 0
    assert "not in use for the whole month" in room.service.view(MODEL).months[1].source


def test_what_finance_attested_is_the_benefit_of_the_month_and_a_changed_row_is_not(room: Room) -> None:
    def attested(amount: int, problem: str = "") -> PeriodState:
        record = PeriodRecord(
            model=MODEL, period="2029-12", number=1, act=Act.ATTESTED, amount=Decimal(amount), text="", sha256="",
            at=datetime(2030, 1, 2, tzinfo=UTC), reason="", salt="", seq=1, leaf_hash="", by_issuer="", by_subject="",
            by_name="",
        )  # fmt: skip
        return states([record], problem=problem)[0]

    room.months = [attested(500)]
    assert room.at("2030-01-31") == 0
    december = room.service.view(MODEL).months[0]
    assert (december.net, december.source, december.standing) == ("450", "attested by finance", Standing.OVER)
    room.months = [attested(500, "The benefit of 2029-12 is not what entry 1 of the ledger recorded.")]
    assert room.service.view(MODEL).months[0].standing is Standing.UNKNOWN


def test_keeping_it_needs_a_coded_reason_without_personal_data_and_a_next_month_within_the_policy(room: Room) -> None:
    room.at("2030-01-31")
    with pytest.raises(MissingReasonError):
        room.keep(reason_code="")
    with pytest.raises(MissingReasonError):
        room.keep(reason=" ")
    with pytest.raises(InputError, match="e-mail address"):
        room.keep(reason="Told me by jane@example.com today.")
    for period in ("2029-12", "2030-08", "soon"):
        with pytest.raises(InputError):
            room.keep(next_period=period)
    with pytest.raises(PassphraseError):
        room.keep(passphrase=Secret("wrong"))
    with pytest.raises(RoleMissingError):
        room.keep(by=FIONA)
    assert room.service.open()

    receipt = room.keep()

    assert room.service.open() == ()
    (state,) = room.service.view(MODEL).reviews
    assert state.sentence == "Ben Okafor kept it on 31 Jan 2030; judged again from 2030-04 on."
    assert (state.problem, state.answers[0].seq) == ("", receipt.seq)
    with pytest.raises(AlreadyDecidedError):
        room.keep()


def test_what_was_kept_is_judged_again_from_its_month_on_and_not_before(room: Room) -> None:
    room.at("2030-01-31")
    room.keep(next_period="2030-03")

    assert room.at("2030-02-05") == 0, "January is not judged yet"
    assert room.at("2030-03-05") == 0, "nor is February"
    assert room.at("2030-04-05") == 1, "March is the month that was named"
    assert [item.review.period for item in room.service.view(MODEL).reviews] == ["2030-03", "2029-12"]


def test_asking_to_retire_answers_it_and_a_refused_request_brings_the_question_back(room: Room) -> None:
    room.at("2030-01-31")

    room.retire()

    assert room.service.open() == ()
    assert room.world.entries("event:value-review-retire") == 1
    room.requests["req-1"] = "rejected"
    (state,) = room.service.open()
    assert "req-1, is rejected; Ben Okafor answers again" in state.sentence
    room.keep()
    assert room.service.open() == ()
    assert [item.answer.value for item in room.service.view(MODEL).reviews[0].answers] == ["retire", "keep"]


def test_a_model_on_its_way_out_is_not_reviewed(room: Room) -> None:
    room.retiring = "It is being retired."

    assert room.at("2030-01-31") == 0


def test_the_same_command_twice_is_one_answer(room: Room) -> None:
    room.at("2030-01-31")
    first = room.keep(command_id="twice")

    assert room.keep(command_id="twice") == replace(first, repeated=True)


def test_a_row_that_was_changed_behind_the_ledger_is_said_and_cannot_be_answered(room: Room) -> None:
    room.at("2030-01-31")
    with room.world.database.write() as connection:
        connection.execute(update(value_review).values(due=date(2031, 1, 1)))

    (state,) = room.service.open()
    assert "is not what entry" in state.problem
    with pytest.raises(RefusalError, match="is not what entry"):
        room.keep()


def test_an_answer_that_was_changed_behind_the_ledger_is_said(room: Room) -> None:
    room.at("2030-01-31")
    room.keep()
    with room.world.database.write() as connection:
        connection.execute(update(value_review_answer).values(next_period="2035-01"))

    assert "An answer is not what entry" in room.service.view(MODEL).reviews[0].problem


def test_an_erased_reason_is_no_contradiction_and_words_put_in_its_place_are(room: Room) -> None:
    room.at("2030-01-31")
    room.keep()
    with room.world.database.write() as connection:
        disposal = SqlDisposal(connection)
        (item,) = (item for item in disposal.erasable() if item.kind == "value-review-reason")
        assert item.model == MODEL
        assert disposal.erase((item,), words="[erased on 2038-01-01, entry 9]") == 1
        assert item not in disposal.erasable()

    (state,) = room.service.view(MODEL).reviews
    assert (state.problem, state.last and state.last.reason) == ("", "[erased on 2038-01-01, entry 9]")

    with room.world.database.write() as connection:
        connection.execute(update(value_review_answer).values(reason="I was told to."))
    assert "An answer is not what entry" in room.service.view(MODEL).reviews[0].problem


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_the_shipped_gate_of_each_tier_opens_a_review_of_a_model_that_earns_less(room: Room, tier: int) -> None:
    line = parse((DOCUMENTS / f"tier-{tier}.yaml").read_text(), file="").returns
    assert line
    room.gate = replace(GATE, amount=line.net_per_month_at_least, missed_months=line.missed_months)
    enough = int(line.net_per_month_at_least) + 50
    room.benefit |= {"2029-11": enough, "2029-12": enough}
    assert room.at("2030-01-31") == 0, "at the gate is not under it"

    room.benefit |= {"2029-11": enough - 1, "2029-12": enough - 1}

    assert room.at("2030-01-31") == 1
    assert room.service.open()[0].review.figures.gate == str(line.net_per_month_at_least)


def test_an_overdue_review_says_so(room: Room) -> None:
    room.at("2030-01-31")
    room.world.clock.set(datetime(2030, 3, 3, tzinfo=UTC))  # type: ignore[attr-defined]

    assert room.service.open()[0].late


@pytest.mark.parametrize(
    ("period", "months", "found"), [("2030-12", 1, "2031-01"), ("2030-11", 14, "2032-01"), ("2030-01", 0, "2030-01")]
)
def test_months_are_counted_over_the_end_of_a_year(period: str, months: int, found: str) -> None:
    assert rules.after(period, months) == found
