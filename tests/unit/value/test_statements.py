"""Baselines are signed before go-live and change by signature only; what finance stands for is not what is claimed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from services.adapters.sql.public_keys import SqlPublicKeys
from services.adapters.sql.schema.value import value_period, value_statement
from services.adapters.sql.value import SqlValue
from services.adapters.sql.value_portfolio import SqlPortfolio
from services.adapters.sql.value_statements import SqlStatementsInForce
from services.attestation import documents
from services.attestation.models import Receipt
from services.kernel.errors import (
    AlreadyDecidedError,
    ConflictError,
    ControlRoomError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    PassphraseError,
    RefusalError,
    RoleMissingError,
    SelfApprovalError,
)
from services.kernel.health import Health
from services.kernel.secret import Secret
from services.ledger.attempts import RecordingDesk
from services.ledger.verify import verify_log
from services.rollout.attested import CheckedEntries
from services.value import periods, statements
from services.value.agreed import Agreed
from services.value.models import Baseline, BenefitRule, Rates, Tally, UsageDay, ValueConfig
from services.value.periods import Act, AttestPeriod, PeriodState, ProposePeriod
from services.value.portfolio import Totals
from services.value.portfolio_service import PortfolioService
from services.value.service import ValueService
from services.value.statement_service import StatementService
from services.value.statements import SignStatement
from tests.builders import MODEL, World, a_world
from tests.contract.conftest import database_url, postgres

__all__ = ["database_url", "postgres"]

BEN, FIONA, OTTO = "ben.business", "fiona.finance", "otto.auditor"
MONTH = "2029-12"
CONFIG = ValueConfig(
    model=MODEL,
    benefits=(
        BenefitRule(
            id="rework", title="Rework avoided", quantity="avoided_rework", unit_value=Decimal(40),
            unit_low=Decimal(30), unit_high=Decimal(50), assumed="40 USD each, stated by Ben Okafor", source="Finance",
        ),
    ),
    baselines=(
        Baseline(
            id="override_rate", title="Rework", before=Decimal(15), unit="%", lower_is_better=True, source="2029 report"
        ),
    ),
    setup_cost=Decimal(9_000),
    cost_source="Project ledger",
)  # fmt: skip


class Reviewed(SqlValue):
    """The real store, on which a test says what was reviewed."""

    corrected = 20

    def reviews(self, model: str, start: date, end: date) -> Tally:
        return Tally(n=400, hits=self.corrected)

    def tallies(self, *_: Any, **__: Any) -> dict[date, Tally]:
        return {date(2029, 12, 3): Tally(n=400, hits=self.corrected)}

    def usage(self, model: str, start: date, end: date) -> tuple[UsageDay, ...]:
        return (
            UsageDay(
                day=date(2029, 12, 3), version="1", component="serving", cpu_seconds=3_600, bytes=0, wall_seconds=1
            ),
        )


@dataclass
class Desk:
    world: World
    store: Reviewed
    values: ValueService
    service: StatementService
    live: dict[str, str] = field(default_factory=dict)

    def totals(self) -> Totals:
        made = PortfolioService(
            values=self.values,
            statements=self.service,
            store=SqlPortfolio(self.world.database),
            clock=self.world.clock,
        )
        made.refresh()
        return made.page().totals

    def sign(self, config: ValueConfig = CONFIG, *, by: str = BEN, **changes: Any) -> Receipt:
        newest = self.service.view(config.model).newest
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4),
            "config": config,
            "based_on": newest.version if newest else 0,
            "reason": "Agreed with finance in December.",
            "passphrase": self.world.secret(by),
        }
        return self.service.sign(SignStatement(**(values | changes)), actor=self.world.actor(by))

    def propose(self, month: str = MONTH, *, by: str = BEN, **changes: Any) -> Receipt:
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4),
            "model": MODEL,
            "period": month,
            "seen": documents.digest(periods.document(self.service.claim(MODEL, month))),
            "passphrase": self.world.secret(by),
        }
        return self.service.propose(ProposePeriod(**(values | changes)), actor=self.world.actor(by))

    def attest(self, amount: str, *, by: str = FIONA, **changes: Any) -> Receipt:
        proposal = self.month().proposal
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4),
            "model": MODEL,
            "period": MONTH,
            "seen": proposal.sha256 if proposal else "",
            "amount": amount,
            "passphrase": self.world.secret(by),
        }
        return self.service.attest(AttestPeriod(**(values | changes)), actor=self.world.actor(by))

    def month(self) -> PeriodState:
        found = self.service.months(MODEL)
        return found[0] if found else PeriodState(period=MONTH, proposal=None, decision=None, attested=None)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    world = a_world(tmp_path)
    attested = CheckedEntries(
        reader=world.book,
        service_key=world.desk.service_key,
        person_keys=SqlPublicKeys(world.database),
        machine_key=world.desk.machine_key,
    )
    store = Reviewed(world.database)
    values = ValueService(
        facts=None,  # type: ignore[arg-type]  # nothing is read anew here
        store=store,
        catalog=world.inventory,
        rates=Rates(currency="USD", cpu_hour=Decimal("0.05"), gb_month=Decimal("0.03")),
        clock=world.clock,
        agreed=Agreed(newest=SqlStatementsInForce(world.database).newest, entries=attested),
    )
    live: dict[str, str] = {}
    service = StatementService(
        units=world.units,
        catalog=world.inventory,
        values=values,
        people=world.people,
        ledger=world.ledger,
        desk=RecordingDesk(world.desk, world.ledger),
        attestations=attested,
        live=lambda model: live.get(model, ""),
        clock=world.clock,
    )
    yield Desk(world=world, store=store, values=values, service=service, live=live)
    world.database.dispose()


# the statement


def test_a_baseline_signed_before_go_live_says_so_and_is_what_figures_are_computed_with(desk: Desk) -> None:
    assert desk.values.model(MODEL).statement == 0
    assert "Nobody has signed" in desk.service.view(MODEL).sentence

    receipt = desk.sign()

    view, value = desk.service.view(MODEL), desk.values.model(MODEL)
    assert "Version 1, signed by Ben Okafor" in view.sentence
    assert "before go-live" in view.sentence
    assert (view.versions[0].item.seq, view.versions[0].problem) == (receipt.seq, "")
    assert (value.statement, value.benefit) == (1, Decimal("1600.00"))
    assert desk.world.entries("event:value-statement-signed") == 1
    report = verify_log(desk.world.book.entries(), checkpoints=desk.world.book.checkpoints())
    assert [item for item in report.problems if item.severity != "note"] == []


def test_moving_the_baseline_after_go_live_is_a_new_version_that_says_what_moved(desk: Desk) -> None:
    desk.sign()
    desk.live[MODEL] = "3"

    desk.sign(replace(CONFIG, baselines=(replace(CONFIG.baselines[0], before=Decimal(25)),)), reason="Audit of 2029.")

    newest, first = desk.service.view(MODEL).versions
    assert (newest.item.version, newest.item.live, newest.item.reason) == (2, "3", "Audit of 2029.")
    assert [(item.what, item.before, item.after) for item in newest.changes] == [
        ("Before: Rework", "15 %; 2029 report", "25 %; 2029 report")
    ]
    assert first.item.config == CONFIG
    assert "while version 3 was live" in desk.service.view(MODEL).sentence


def test_a_what_if_changes_nothing_until_it_is_signed(desk: Desk) -> None:
    desk.sign()
    other = replace(CONFIG, setup_cost=Decimal(120_000))
    before = desk.values.model(MODEL)

    tried = desk.values.what_if(other)

    assert tried.setup_cost == 120_000
    assert desk.values.model(MODEL) == before
    assert len(desk.service.view(MODEL).versions) == 1
    desk.sign(other)
    assert desk.values.model(MODEL).payback_months == tried.payback_months


@pytest.mark.parametrize("subject", [FIONA, OTTO, "dana.datascience", "clara.compliance", "ada.admin"])
def test_only_a_business_owner_signs_and_other_attempts_are_recorded(desk: Desk, subject: str) -> None:
    with pytest.raises(RoleMissingError):
        desk.sign(by=subject)

    assert desk.service.view(MODEL).versions == ()
    assert desk.world.entries("event:permission-refused") == 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (replace(CONFIG, setup_cost=Decimal(-1)), "setup cost is negative"),
        (replace(CONFIG, setup_cost=Decimal("Infinity")), "not a number"),
        (replace(CONFIG, monthly_cost_fixed=Decimal("NaN")), "not a number"),
        (replace(CONFIG, monthly_budget=Decimal(0)), "budget of zero"),
        (replace(CONFIG, monthly_budget=Decimal(10**13)), "check the digits"),
        (replace(CONFIG, budget_alerts=(Decimal("0.01"),)), "Budget alerts"),
        (replace(CONFIG, cost_source=" "), "names its source"),
        (replace(CONFIG, decision_threshold=2.0), "between 0 and 1"),
        (replace(CONFIG, benefits=(replace(CONFIG.benefits[0], unit_low=Decimal(45)),)), "between its low and its"),
        (replace(CONFIG, benefits=(replace(CONFIG.benefits[0], source=""),)), "where the value of one unit"),
        (replace(CONFIG, benefits=CONFIG.benefits * 2), "is there twice"),
        (replace(CONFIG, baselines=(replace(CONFIG.baselines[0], source=""),)), "before the model comes from"),
        (replace(CONFIG, note="x" * 501), "longer than 500"),
    ],
)
def test_a_statement_with_a_fault_says_which_and_is_not_signed(config: ValueConfig, words: str) -> None:
    assert words in " ".join(statements.problems(config))


def test_a_fault_is_refused_by_the_service_too_and_nothing_is_written(desk: Desk) -> None:
    with pytest.raises(InputError, match="negative"):
        desk.sign(replace(CONFIG, setup_cost=Decimal(-1)))
    with pytest.raises(MissingReasonError):
        desk.sign(reason=" ")
    with pytest.raises(PassphraseError):
        desk.sign(passphrase=Secret("wrong"))

    assert desk.service.view(MODEL).versions == ()


def test_a_double_click_signs_once_and_a_stale_look_signs_nothing(desk: Desk) -> None:
    first = desk.sign(command_id="c-1", based_on=0)
    again = desk.sign(command_id="c-1", based_on=0)

    assert (again.seq, again.repeated) == (first.seq, True)
    with pytest.raises(ConflictError, match="you looked at version 0"):
        desk.sign(replace(CONFIG, note="Later."), based_on=0)
    with pytest.raises(ConflictError, match="in force already"):
        desk.sign()


def test_a_row_that_was_changed_is_red_and_nothing_is_counted_with_it(desk: Desk) -> None:
    desk.sign()
    richer = statements.document(replace(CONFIG, baselines=(replace(CONFIG.baselines[0], before=Decimal(90)),)))
    with desk.world.database.write() as connection:
        connection.execute(update(value_statement).values(text=richer, sha256=documents.digest(richer)))

    value = desk.values.model(MODEL)

    assert "is not what entry" in desk.service.view(MODEL).sentence
    assert (value.state, value.benefit) == (Health.BREACH, None)
    assert "is not what entry" in value.sentence
    with pytest.raises(RefusalError, match="is not what entry"):
        desk.service.claim(MODEL, MONTH)


def test_go_live_cannot_be_moved_behind_the_signature(desk: Desk) -> None:
    desk.live[MODEL] = "3"
    desk.sign()
    with desk.world.database.write() as connection:
        connection.execute(update(value_statement).values(live=""))

    assert desk.service.view(MODEL).versions[0].problem != ""


def test_what_was_signed_is_read_back_letter_by_letter() -> None:
    odd = replace(
        CONFIG, monthly_budget=Decimal("120.50"), budget_alerts=(Decimal("0.5"), Decimal("0.9")), note="Grüße 💶"
    )

    assert statements.read(statements.document(odd)) == odd
    for broken in ("{}", "[]", "x", statements.document(odd).replace("statement/1", "statement/9")):
        with pytest.raises(ControlRoomError):
            statements.read(broken)


# months


def test_a_month_is_claimed_by_its_owner_and_attested_by_finance(desk: Desk) -> None:
    desk.sign()
    desk.propose()
    assert (desk.month().claimed, desk.month().attested, desk.month().waits) == (Decimal("1600.00"), None, True)

    desk.attest("1600.00")

    assert (desk.month().claimed, desk.month().attested) == (None, Decimal("1600.00"))
    assert desk.month().decision is not None
    assert desk.world.entries("event:value-period-attested") == 1
    totals = desk.totals()
    assert (totals.attested, totals.claimed) == (Decimal("1600.00"), Decimal(0))


def test_finance_cuts_with_a_reason_and_never_attests_more_than_was_claimed(desk: Desk) -> None:
    desk.sign()
    desk.propose()
    with pytest.raises(InputError, match="at most what was claimed"):
        desk.attest("1600.01")
    with pytest.raises(MissingReasonError):
        desk.attest("900")
    for odd in ("much", "1.234", "NaN", "-5"):
        with pytest.raises(InputError):
            desk.attest(odd, reason="Half of it was seasonal.")

    desk.attest("900", reason="Half of it was seasonal.")

    decision = desk.month().decision
    assert decision is not None
    assert (decision.act, decision.amount, decision.reason) == (Act.CUT, Decimal(900), "Half of it was seasonal.")
    with pytest.raises(AlreadyDecidedError, match="Fiona Abara decided"):
        desk.attest("800", reason="Even less.")


def test_nobody_attests_what_they_proposed_themselves(desk: Desk) -> None:
    desk.sign()
    desk.propose()
    ben = desk.world.actor(BEN)
    with pytest.raises(RoleMissingError):
        desk.attest("1600.00", by=BEN)
    with pytest.raises(SelfApprovalError):
        periods.require_decidable(
            desk.month(), MONTH, issuer=ben.issuer, subject=ben.subject, seen=desk.month().proposal.sha256  # type: ignore[union-attr]
        )  # fmt: skip


def test_totals_keep_claimed_and_attested_apart_while_a_new_proposal_waits(desk: Desk) -> None:
    desk.sign()
    desk.propose()
    desk.attest("1000", reason="Volume of one week is doubtful.")
    desk.store.corrected = 10
    with pytest.raises(MissingReasonError):
        desk.propose()

    desk.propose(reason="Late reviews arrived.")

    totals = desk.totals()
    assert (totals.attested, totals.claimed, totals.waiting_months) == (Decimal(1000), Decimal("2000.00"), 1)


def test_a_month_that_is_not_over_cannot_be_claimed(desk: Desk) -> None:
    desk.sign()

    with pytest.raises(IllegalTransitionError, match="not over"):
        desk.propose("2030-01")
    assert "2030-01" not in desk.service.proposable(MODEL)
    assert MONTH in desk.service.proposable(MODEL)


def test_without_a_signed_statement_there_is_nothing_to_claim(desk: Desk) -> None:
    with pytest.raises(RefusalError, match="Nobody has signed"):
        desk.service.claim(MODEL, MONTH)


def test_a_claim_is_what_was_looked_at_or_it_is_refused(desk: Desk) -> None:
    desk.sign()
    seen = documents.digest(periods.document(desk.service.claim(MODEL, MONTH)))
    desk.store.corrected = 0

    with pytest.raises(ConflictError, match="figures changed"):
        desk.propose(seen=seen)
    assert desk.service.months(MODEL) == ()


def test_a_benefit_record_that_was_changed_counts_for_nothing(desk: Desk) -> None:
    desk.sign()
    desk.propose()
    desk.attest("1600.00")
    with desk.world.database.write() as connection:
        connection.execute(update(value_period).where(value_period.c.number == 2).values(amount="99999"))

    totals = desk.totals()

    assert totals.attested == 0
    assert "is not what entry" in totals.problems[0]


def test_each_click_counts_once(desk: Desk) -> None:
    desk.sign()
    first = desk.propose(command_id="p")
    assert (desk.propose(command_id="p").seq, desk.propose(command_id="p").repeated) == (first.seq, True)
    done = desk.attest("1600.00", command_id="a")
    assert desk.attest("1600.00", command_id="a").seq == done.seq
    assert desk.world.entries("event:value-period-proposed") == 1


@pytest.mark.parametrize("text", ["", "2030", "2030-1", "2030-13", "x" * 300, "2030-01-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a month"):
        periods.days_of(text)


def test_months_know_their_last_day() -> None:
    assert periods.days_of("2028-02") == (date(2028, 2, 1), date(2028, 2, 29))
    assert periods.ended(date(2030, 1, 31), back=2) == ("2029-12", "2029-11")
