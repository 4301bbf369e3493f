"""Retraining sets hold what was reviewed and where it came from; the calendar says what is due, kept or missed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from services.adapters.sql.retraining import SqlRetraining
from services.adapters.sql.training_sets import SqlTrainingSets
from services.adapters.warehouse.corrections import ReviewParquet
from services.attestation.canonical import sha256_hex
from services.feedback.retraining import Cadence, Cause, PeriodState, Skip, Trained, calendar
from services.feedback.retraining_service import (
    DRAFTED,
    FINISHED,
    SKIPPED,
    Draft,
    Drifting,
    RetrainingService,
    SkipMonth,
)
from services.feedback.training_set_service import LOGGED, PROPOSED, TrainingSetService
from services.feedback.training_sets import ProposeSet, TrainingSet
from services.kernel.errors import (
    ConflictError,
    InputError,
    MissingReasonError,
    RegistryUnavailableError,
    RoleMissingError,
)
from tests.builders import MODEL, NOON, World, a_version, a_world
from tests.unit.monitoring.facts_on_disk import write

DANA = "dana.datascience"
MONTHLY = Cadence(months=1, extra_days=14, on_drift=True, stated="the default")


@dataclass
class MemoryRegistry:
    away: bool = False
    held: dict[str, bytes] = field(default_factory=dict)

    def log(self, item: TrainingSet, content: bytes) -> str:
        if self.away:
            raise RegistryUnavailableError("The registry does not answer.")
        self.held[item.name] = content
        return f"run-{item.number}"


def reviews(folder: Path, back: int, corrected: list[bool], *, name: str = "part-0") -> None:
    day = NOON - timedelta(days=back)
    frame = pd.DataFrame(
        {"prediction_id": [f"{name}-{back}-{n}" for n in range(len(corrected))], "version": "1", "reviewed_at": day,
         "reviewer": "r-1", "decision": [1.0 if wrong else 0.2 for wrong in corrected], "predicted": 0.2,
         "corrected": corrected, "reason_code": "CODING"}
    )  # fmt: skip
    write(folder, "reviews", MODEL, day.date(), frame, name=name)


@dataclass
class Sets:
    world: World
    folder: Path
    registry: MemoryRegistry
    service: TrainingSetService

    def propose(self, reason: str = "Codes of the new catalogue", subject: str = DANA) -> object:
        command = ProposeSet(command_id=secrets.token_hex(4), model=MODEL, reason=reason)
        return self.service.propose(command, actor=self.world.actor(subject))


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Sets:
    folder = tmp_path_factory.mktemp("sets")
    world, registry = a_world(folder), MemoryRegistry()
    service = TrainingSetService(
        units=world.units, store=SqlTrainingSets(world.database), facts=ReviewParquet(folder / "inference"),
        registry=registry, catalog=world.inventory, people=world.people, ledger=world.ledger, desk=world.desk,
        clock=world.clock,
    )  # fmt: skip
    return Sets(world, folder / "inference", registry, service)


def test_labels_are_read_after_what_others_handed_in_is_there(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    folder = tmp_path / "inference"
    service = TrainingSetService(
        units=world.units, store=SqlTrainingSets(world.database), facts=ReviewParquet(folder),
        registry=MemoryRegistry(), catalog=world.inventory, people=world.people, ledger=world.ledger, desk=world.desk,
        clock=world.clock, whole=lambda: reviews(folder, 3, [True]),
    )  # fmt: skip

    Sets(world, folder, MemoryRegistry(), service).propose()

    assert service.sets(MODEL)[0].rows == 1


def test_a_set_is_versioned_digested_logged_once_and_knows_where_each_row_came_from(sets: Sets) -> None:
    with pytest.raises(InputError, match="nothing to learn"):
        sets.propose()
    reviews(sets.folder, 3, [True, False])
    reviews(sets.folder, 2, [True], name="corrections-cor-1")

    sets.propose()
    sets.registry.away = True
    with pytest.raises(RegistryUnavailableError):
        sets.service.refresh()
    waits = sets.service.sets(MODEL)[0]
    sets.registry.away = False
    assert sets.service.refresh() == 1
    assert sets.service.refresh() == 0

    (item,) = sets.service.sets(MODEL)
    held = sets.registry.held[item.name]
    assert (waits.run_id, waits.error) == ("", "The registry does not answer.")
    assert (item.number, item.rows, item.run_id, item.logged_at, item.error) == (1, 3, "run-1", NOON, "")
    assert item.sha256 == sha256_hex(held)
    assert [(origin.source.split()[0], origin.rows) for origin in item.lineage] == [("batch", 1), ("reviews", 2)]
    assert held.decode().splitlines()[1].startswith("corrections-cor-1-2-0,1,0.2,1.0,true,CODING,")
    assert (sets.world.entries(f"event:{PROPOSED}"), sets.world.entries(f"event:{LOGGED}")) == (1, 1)

    with pytest.raises(InputError, match="exactly these reviews already"):
        sets.propose()
    reviews(sets.folder, 1, [True])
    sets.propose()
    assert [known.number for known in sets.service.sets(MODEL)] == [2, 1]


def test_a_set_needs_a_person_who_may_and_a_reason_about_no_person(sets: Sets) -> None:
    with pytest.raises(RoleMissingError):
        sets.propose(subject="otto.auditor")
    with pytest.raises(MissingReasonError):
        sets.propose(reason=" ")
    with pytest.raises(InputError, match="an e-mail address"):
        sets.propose(reason="as jane@example.com asked")


# the calendar

TODAY = date(2031, 3, 20)


def trained(*days: tuple[int, int]) -> tuple[Trained, ...]:
    return tuple(
        Trained(version=str(number), at=datetime(2031, month, day, tzinfo=UTC))
        for number, (month, day) in enumerate(days, start=1)
    )


def test_months_are_kept_skipped_missed_or_due() -> None:
    skip = Skip(month="2031-02", reason="No labels yet", by_name="Dana", at=NOON, seq=7)

    found = calendar("m", trained((1, 5)), {"2031-02": skip}, MONTHLY, today=TODAY)
    unexcused = calendar("m", trained((1, 5)), {}, MONTHLY, today=TODAY)

    states = [(period.month, period.state) for period in found.periods]
    assert states == [
        ("2031-03", PeriodState.DUE),
        ("2031-02", PeriodState.SKIPPED),
        ("2031-01", PeriodState.KEPT),
    ]
    assert (found.next_due, found.missed, unexcused.missed) == (date(2031, 3, 31), 0, 1)
    assert "No labels yet" in found.periods[1].sentence


def test_a_kept_month_moves_the_next_day_and_a_policy_may_ask_for_less() -> None:
    monthly = calendar("m", trained((1, 5), (2, 1), (3, 2)), {}, MONTHLY, today=TODAY)
    quarterly = calendar("m", trained((1, 5)), {}, replace(MONTHLY, months=3), today=TODAY)

    assert monthly.next_due == date(2031, 4, 30)
    assert quarterly.next_due == date(2031, 6, 30)
    assert [period.state for period in quarterly.periods] == [PeriodState.KEPT]


def test_a_model_without_a_version_has_no_calendar() -> None:
    found = calendar("m", (), {}, MONTHLY, today=TODAY)

    assert (found.periods, found.next_due, found.last) == ((), None, None)


# rounds


@dataclass
class Rounds:
    world: World
    service: RetrainingService
    drifting: list[Drifting]
    open_runs: set[str]


@pytest.fixture
def rounds(tmp_path: Path) -> Rounds:
    world = a_world(tmp_path)
    # The last version is from long ago, so that this month is due.
    world.inventory._versions = [a_version("1", created_at=NOON - timedelta(days=40))]
    drifting, open_runs = list[Drifting](), {"eva-2"}
    service = RetrainingService(
        units=world.units, store=SqlRetraining(world.database), catalog=world.inventory, people=world.people,
        ledger=world.ledger, desk=world.desk, cadence=lambda _model: MONTHLY, drifting=lambda: tuple(drifting),
        evaluate=lambda _model, version: f"eva-{version}", evaluated=lambda run: run not in open_runs,
        draft=lambda _model, version: Draft(evidence=version * 8, blocked=("Calibration: too far off.",)),
        clock=world.clock,
    )  # fmt: skip
    return Rounds(world, service, drifting, open_runs)


def test_a_new_version_is_evaluated_and_opens_a_draft_that_says_what_blocks_it(rounds: Rounds) -> None:
    service, world = rounds.service, rounds.world
    assert service.refresh() == 1
    assert service.refresh() == 0
    world.inventory._versions.insert(0, a_version("2", created_at=NOON))

    assert service.refresh() == 1
    assert service.refresh() == 0, "the evaluation has not ended"
    rounds.open_runs.clear()
    assert service.refresh() == 1

    (item,) = service.calendar(MODEL).rounds
    assert (item.version, item.evaluation, item.evidence, item.draft_at) == ("2", "eva-2", "22222222", NOON)
    assert item.blocked == "Calibration: too far off."
    assert (world.entries(f"event:{FINISHED}"), world.entries(f"event:{DRAFTED}")) == (1, 1)
    assert world.approvals.requests_of(MODEL) == ()
    assert service.calendar(MODEL).periods[0].state is PeriodState.KEPT


def test_red_drift_calls_for_one_extra_run_and_only_a_later_version_answers_it(rounds: Rounds) -> None:
    rounds.world.inventory._versions.insert(0, a_version("2", created_at=NOON - timedelta(hours=1)))
    rounds.drifting.append(Drifting(model=MODEL, alert="alr-1", sentence="Distance moved."))

    assert rounds.service.refresh() == 1
    assert rounds.service.refresh() == 0
    (item,) = rounds.service.calendar(MODEL).rounds

    assert (item.cause, item.subject, item.version) == (Cause.DRIFT, "alr-1", "")
    assert item.due == NOON.date() + timedelta(days=14)


def test_a_month_is_skipped_with_a_reason_once_and_its_round_ends(rounds: Rounds) -> None:
    service, dana = rounds.service, rounds.world.actor(DANA)
    service.refresh()
    month = service.calendar(MODEL).periods[0].month
    command = SkipMonth(command_id="s", model=MODEL, month=month, reason="Too few labels came in this month.")

    receipt = service.skip(command, actor=dana)

    assert service.skip(command, actor=dana).seq == receipt.seq
    assert rounds.world.entries(f"event:{SKIPPED}") == 1
    found = service.calendar(MODEL)
    assert found.periods[0].state is PeriodState.SKIPPED
    with pytest.raises(ConflictError):
        service.skip(replace(command, command_id="t"), actor=dana)
    assert service.refresh() == 1
    assert service.calendar(MODEL).rounds[0].closed_why == "skipped with a reason"


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"reason": "busy"}, MissingReasonError),
        ({"month": "1999-01"}, InputError),
        ({"month": "'; --"}, InputError),
        ({"reason": "Jane is away, ask jane@example.com"}, InputError),
    ],
)
def test_a_skip_without_sense_is_refused(rounds: Rounds, changes: dict[str, str], refused: type[Exception]) -> None:
    month = rounds.service.calendar(MODEL).periods[0].month
    command = SkipMonth(command_id="s", model=MODEL, month=month, reason="Too few labels came in this month.")

    with pytest.raises(refused):
        rounds.service.skip(replace(command, **changes), actor=rounds.world.actor(DANA))
