"""A task closes by evidence alone, opens again without it, and what cannot be read proves neither."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import pytest

from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.programme import SqlProgramme
from services.alerts import sources
from services.alerts.models import AlertKind
from services.container import open_control_room
from services.inventory.models import GovernedModel, Owner, RegistrySnapshot
from services.inventory.owners import DUTIES, Orphan, duty_of, orphans
from services.kernel.errors import InputError
from services.kernel.health import Health
from services.programme.models import Phase, TaskState
from services.programme.raci import CONTROLS, matrix
from services.programme.service import CLOSED, REOPENED, ProgrammeCatalog, ProgrammeService, judged
from services.programme.tasks import TASKS, Facts
from services.settings import Settings
from tests.builders import MODEL, NOON, World, a_model, a_version, a_world

DONE = Facts(
    model=MODEL, supplied=False, tier=2, missing_metadata=(), versions=3, with_run=3, newest="3", measured=True,
    tables=2, broken_rules=0, policy="tier-2 version 1", lineage=True, evaluated=True, live="3", promise=True,
    falls_back=True, monitor=1, drift_n=500, reviewed=90, drafts=1, approved=2, benefit=True, cost_days=30,
    on_call="Sam", orphans=0, duties=7,
)  # fmt: skip
GONE: dict[str, dict[str, Any]] = {
    "use-case": {"missing_metadata": ("Label definition",)},
    "owners": {"orphans": 1},
    "registry": {"with_run": 2},
    "tables": {"broken_rules": 1},
    "gates": {"policy": ""},
    "baseline": {"measured": False},
    "harness": {"evaluated": False},
    "served": {"live": ""},
    "way-back": {"falls_back": False},
    "monitoring": {"drift_n": 0},
    "feedback": {"reviewed": 0},
    "retraining": {"drafts": 0},
    "value": {"benefit": False},
    "agreement": {"on_call": ""},
}
UNREAD: dict[str, str] = {
    "use-case": "missing_metadata", "owners": "orphans", "registry": "versions", "tables": "tables", "gates": "lineage",
    "baseline": "measured", "harness": "evaluated", "served": "live", "way-back": "falls_back", "monitoring": "monitor",
    "feedback": "reviewed", "retraining": "approved", "value": "benefit", "agreement": "on_call",
}  # fmt: skip


def _unread(field: str) -> dict[str, Any]:
    return {field: None}


def state(facts: Iterable[Facts], task: str) -> TaskState:
    return next(item for item in judged(list(facts), "case", {}) if item.id == task).state


def test_with_all_evidence_every_task_of_every_phase_is_closed() -> None:
    found = judged([DONE], "case", {})

    assert {task.state for task in found} == {TaskState.CLOSED}
    assert {task.phase for task in found} == set(Phase)
    assert set(GONE) == set(UNREAD) == {task.id for task in TASKS}


@pytest.mark.parametrize("task", GONE)
def test_each_task_opens_when_its_own_evidence_is_missing_and_says_where_to_mend_it(task: str) -> None:
    found = {item.id: item for item in judged([DONE, replace(DONE, model="other", **GONE[task])], "case", {})}

    assert found[task].state is TaskState.OPEN
    (missing,) = found[task].missing
    assert (missing.model, bool(missing.sentence)) == ("other", True)
    assert "other" in missing.fix or missing.fix.startswith("policies?tier=")


@pytest.mark.parametrize("task", UNREAD)
def test_what_cannot_be_read_is_unknown_and_never_closed(task: str) -> None:
    assert state([replace(DONE, **_unread(UNREAD[task]))], task) is TaskState.UNKNOWN


def test_facts_of_nothing_close_nothing() -> None:
    blank = Facts(model="m", supplied=False, tier=1)

    assert {task.state for task in judged([blank], "case", {})} <= {TaskState.UNKNOWN, TaskState.OPEN}
    assert {item.name for item in fields(Facts) if getattr(blank, item.name) is True} == set()


def test_a_supplied_model_is_not_asked_what_only_its_supplier_can_do() -> None:
    supplied = replace(DONE, supplied=True, versions=0, with_run=0)

    assert state([supplied, DONE], "registry") is TaskState.CLOSED
    assert state([supplied], "registry") is TaskState.UNKNOWN


@dataclass
class Programme:
    world: World
    service: ProgrammeService
    facts: list[Facts]

    def task(self, ident: str) -> Any:
        return next(task for task in self.service.board("cover").tasks if task.id == ident)


@pytest.fixture
def programme(tmp_path: Path) -> Programme:
    world, given = a_world(tmp_path), [DONE]
    world.inventory._models = {MODEL: a_model(use_case_id="cover")}
    world.inventory.use_cases = lambda: ()  # type: ignore[attr-defined]

    def orphaned(name: str) -> tuple[Orphan, ...]:
        return orphans([world.inventory.model(name)], stands=lambda _subject: True)

    service = ProgrammeService(
        catalog=cast(ProgrammeCatalog, world.inventory), facts=lambda _model: given[0], orphans=orphaned,
        store=SqlProgramme(world.database), ledger=world.ledger, mark=str, clock=world.clock,
    )  # fmt: skip
    return Programme(world, service, given)


def test_closing_and_opening_again_are_entries_once_and_unknown_changes_nothing(programme: Programme) -> None:
    service, world = programme.service, programme.world
    programme.facts[0] = replace(DONE, reviewed=0)
    assert service.refresh() == len(TASKS) - 1

    programme.facts[0] = DONE
    assert service.refresh() == 1
    assert service.refresh() == 0
    assert programme.task("feedback").state is TaskState.CLOSED

    programme.facts[0] = replace(DONE, reviewed=None)
    assert service.refresh() == 0
    assert programme.task("feedback").state is TaskState.UNKNOWN

    programme.facts[0] = replace(DONE, reviewed=0)
    assert service.refresh() == 1
    again = programme.task("feedback")
    assert (again.state, again.reopened) == (TaskState.REOPENED, 1)
    assert world.entries(f"event:{CLOSED}") == len(TASKS)
    assert world.entries(f"event:{REOPENED}") == 1

    programme.facts[0] = DONE
    assert service.refresh() == 1
    assert world.entries(f"event:{CLOSED}") == len(TASKS) + 1


def test_a_whole_control_room_answers_every_query_and_its_worker_tasks_run(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    store = SqlInventory(world.database)
    store.put_catalog((a_governed(),))
    store.apply(RegistrySnapshot(versions=(a_version("1"),), aliases=()), NOON)
    settings = Settings(home=tmp_path)
    room = open_control_room(settings, clock=world.clock, registry=world.registry, serving=world.platform)  # type: ignore[arg-type]

    for refresh in (room.corrections.refresh, room.training_sets.refresh, room.retraining.refresh):
        refresh()
    room.programme.refresh()
    (case,) = room.programme.use_cases()
    board = room.programme.board(case[0])
    states = {task.id: (task.state, task.answers[0].sentence) for task in board.tasks}
    room.database.dispose()

    assert states["owners"][0] is TaskState.OPEN, "its owners are no people here"
    assert [ident for ident, (found, _) in states.items() if found is TaskState.UNKNOWN] == []
    assert states["feedback"] == (TaskState.OPEN, "Nobody reviewed a prediction in 60 days.")


def test_a_use_case_nobody_has_is_refused(programme: Programme) -> None:
    with pytest.raises(InputError):
        programme.service.board("nothing")


# ownership

OWNED = tuple(Owner(role=duty.role, subject=f"{duty.role}.1", name=duty.title) for duty in DUTIES)


def a_governed(**changes: Any) -> GovernedModel:
    return a_model(owners=OWNED, **changes)


def test_every_control_has_one_accountable_duty() -> None:
    for control in CONTROLS:
        assert list(control.letters.values()).count("A") == 1, control.id
        assert set(control.letters) <= {duty.role for duty in DUTIES}


def test_a_control_whose_accountable_person_is_gone_is_unanswered() -> None:
    lines = {line.control.id: line for line in matrix(a_governed(), orphaned=["sre"])}

    assert lines["release"].unanswered is True
    assert lines["incident"].unanswered is True
    assert lines["approval"].unanswered is False
    assert all(line.unanswered for line in matrix(a_model(owners=()), orphaned=[]))


def test_an_owner_who_is_disabled_raises_an_alert_that_ends_with_a_new_name() -> None:
    model = a_governed()
    gone = orphans([model], stands=lambda subject: subject not in {"sre.1", "platform.1"})

    found = {item.key.subject: item for item in sources.ownership([model], gone)}

    assert found["sre"].key.kind is AlertKind.OWNERSHIP
    assert (found["sre"].state, found["platform"].state) == (Health.BREACH, Health.WATCH)
    assert found["business_owner"].state is Health.HEALTHY
    assert duty_of("sre").title in found["sre"].title
    after = {item.key.subject: item for item in sources.ownership([model], ())}
    assert after["sre"].state is Health.HEALTHY
    assert after["sre"].window != found["sre"].window
