"""Runs survive a crash, can be cancelled, are made once, and write one report whose finding again is the same."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from services.evaluation.harness.models import HarnessRun, RunState, Spent, StartEvaluation
from services.evaluation.harness.planner import TITLES
from services.evaluation.harness.service import HarnessService
from services.kernel.clock import FrozenClock
from services.kernel.errors import ConflictError, InputError, RoleMissingError, UnknownVersionError
from services.kernel.ids import new_id
from tests.unit.harness.lab import MODEL, Lab


class PlugPulled(BaseException):
    """The process is gone: nothing below may catch it."""


def another_process(lab: Lab) -> HarnessService:
    """The same deployment in another process: a new owner of runs."""
    kept = lab.harness
    made = object.__new__(HarnessService)
    made.__dict__.update(vars(kept) | {"_owner": new_id("w", lab.world.clock.now())})
    return made


def later(lab: Lab, **delta: float) -> None:
    clock = cast(FrozenClock, lab.world.clock)
    clock.set(clock.now() + timedelta(**delta))


def started(lab: Lab, command: str, subject: str = "dana.datascience") -> str:
    command_id = StartEvaluation(command_id=command, model=MODEL, version=lab.versions["good"])
    return lab.harness.start(command_id, actor=lab.world.actor(subject))


def test_a_run_is_queued_by_a_person_and_worked_on_by_the_worker(lab: Lab) -> None:
    run_id = started(lab, "first")
    assert lab.harness.state(run_id).state is RunState.QUEUED
    assert started(lab, "first") == run_id
    assert started(lab, "another command", "vera.validator") == run_id

    assert lab.harness.work() == 1

    run = lab.harness.state(run_id)
    assert run.state is RunState.DONE
    assert [step.check for step in run.steps] == list(TITLES)
    assert run.share == 1.0
    assert run.entry is not None
    assert lab.harness.work() == 0


def test_a_run_of_the_command_line_is_not_taken_by_a_worker_that_looks_meanwhile(lab: Lab) -> None:
    worker, here, taken = another_process(lab), another_process(lab), list[int]()

    class LookedAt:
        """The store, with a worker that looks for work right after a run was added."""

        def __getattr__(self, name: str) -> Any:
            return getattr(lab.harness._store, name)

        def add(self, run: HarnessRun, *, command: str, owner: str = "") -> HarnessRun:
            kept = lab.harness._store.add(run, command=command, owner=owner)
            taken.append(worker.work())
            return kept

    here._store = LookedAt()
    assert here.run_now(MODEL, lab.versions["good"]).state is RunState.DONE
    assert taken == [0]


def test_what_another_process_works_on_is_not_begun_again(lab: Lab) -> None:
    run_id = started(lab, "elsewhere")
    now = lab.world.clock.now()
    assert lab.harness._store.take(run_id, owner="w-elsewhere", now=now, silent_since=now)

    with pytest.raises(ConflictError, match="by another process"):
        lab.harness.run_now(MODEL, lab.versions["good"])

    assert lab.harness._store.finish(run_id, state=RunState.CANCELLED, at=now)


def test_what_a_run_took_is_told_with_the_processes_that_scored(lab: Lab, told: list[Spent]) -> None:
    here, scoring = time.thread_time(), lab.runner.cpu_seconds()

    run = lab.harness.run_now(MODEL, lab.versions["good"])

    (spent,) = told
    scoring, here = lab.runner.cpu_seconds() - scoring, time.thread_time() - here
    assert spent.attempt.startswith(f"{run.id}:")
    assert (spent.model, spent.version, spent.at) == (MODEL, lab.versions["good"], run.started_at)
    assert scoring > 0.05, "a model that answers hundreds of requests computes"
    assert scoring < spent.cpu_seconds <= scoring + here
    assert spent.wall_seconds > 0


def test_a_run_that_fails_or_is_gone_on_with_elsewhere_was_paid_for_too(
    lab: Lab, told: list[Spent], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(lab, "fails")
    with monkeypatch.context() as patch:
        patch.setattr(lab.files, "log", _broken)
        lab.harness.work()
    again = another_process(lab)
    again.run_now(MODEL, lab.versions["good"])

    assert lab.harness.state(run_id).state is RunState.FAILED
    assert len({spent.attempt for spent in told}) == 2


def test_a_cost_that_cannot_be_kept_does_not_fail_the_evaluation(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_spent: Spent) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(lab.harness, "_spent", full)

    run = lab.harness.run_now(MODEL, lab.versions["good"])

    assert (run.state, run.error) == (RunState.DONE, "")


def _broken(*_args: object, **_named: object) -> None:
    raise InputError("the run is closed")


@pytest.fixture
def told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[Spent]:
    found: list[Spent] = []
    monkeypatch.setattr(lab.harness, "_spent", found.append)
    return found


def test_the_same_files_and_rows_give_the_same_findings(lab: Lab) -> None:
    lab.harness.run_now(MODEL, lab.versions["good"])
    before = lab.report("good")
    lab.harness.run_now(MODEL, lab.versions["good"])
    again = lab.report("good")

    assert again["reproducibility"]["earlier"] != ""
    assert without_time(again) == without_time(before)


def test_an_earlier_report_stays_in_the_run_under_its_digest(lab: Lab) -> None:
    import hashlib

    version = lab.versions["good"]
    before = lab.files.newest(MODEL, version)
    assert before is not None
    lab.harness.run_now(MODEL, version)

    digest = hashlib.sha256(before).hexdigest()
    kept = lab.files.read(MODEL, version, f"countersign/earlier/{digest}.json", largest=10**7)
    assert kept == before
    page = lab.files.read(MODEL, version, "countersign/evaluation.html", largest=10**7)
    assert page is not None
    assert b"<html" in page.lower()


def test_after_a_crash_the_run_goes_on_after_its_finished_checks(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.evaluation.harness import checks

    run_id = started(lab, "crash")
    asked: list[str] = []

    def counted(name: str, check: Any) -> Any:
        def run(material: Any) -> Any:
            asked.append(name)
            if name == "leakage" and asked.count("leakage") == 1:
                raise PlugPulled
            return check(material)

        return run

    for name, check in list(checks.CHECKS.items()):
        monkeypatch.setitem(checks.CHECKS, name, counted(name, check))
    with pytest.raises(PlugPulled):
        lab.harness.work()
    assert lab.harness.state(run_id).state is RunState.RUNNING

    other = another_process(lab)
    assert other.work() == 0, "the first process may still be alive"
    later(lab, seconds=61)
    assert other.work() == 1

    assert lab.harness.state(run_id).state is RunState.DONE
    assert asked.count("performance") == 1
    assert asked.count("leakage") == 2


def test_a_run_whose_basis_changed_starts_over(lab: Lab) -> None:
    run_id = started(lab, "changed")
    lab.store.set_basis(run_id, "00" * 32)
    lab.harness.work()

    assert lab.harness.state(run_id).state is RunState.DONE
    assert lab.store.basis(run_id) != "00" * 32


def test_a_cancelled_run_stops_before_its_next_check_and_writes_no_report(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.evaluation.harness import checks

    before = lab.files.newest(MODEL, lab.versions["good"])
    run_id = started(lab, "cancel")
    performance = checks.CHECKS["performance"]

    def cancelled_meanwhile(material: Any) -> Any:
        lab.harness.cancel(run_id, actor=lab.world.actor("dana.datascience"))
        return performance(material)

    monkeypatch.setitem(checks.CHECKS, "performance", cancelled_meanwhile)
    lab.harness.work()

    run = lab.harness.state(run_id)
    assert (run.state, run.error) == (RunState.CANCELLED, "Cancelled by Dana Petrov.")
    assert {step.check: step.state for step in run.steps}["latency"] == "waiting"
    assert lab.files.newest(MODEL, lab.versions["good"]) == before
    assert lab.harness.work() == 0


def test_who_may_not_evaluate_is_refused_and_the_attempt_is_recorded(lab: Lab) -> None:
    before = lab.world.entries("event:permission-refused")
    with pytest.raises(RoleMissingError):
        started(lab, "not mine", "ben.business")
    assert lab.world.entries("event:permission-refused") == before + 1
    assert lab.harness.work() == 0


def test_an_unknown_version_or_run_is_an_input_fault(lab: Lab) -> None:
    dana = lab.world.actor("dana.datascience")
    with pytest.raises(UnknownVersionError):
        lab.harness.start(StartEvaluation(command_id="x", model=MODEL, version="999"), actor=dana)
    with pytest.raises(InputError):
        lab.harness.state("eva-none")


def test_a_registry_that_is_away_ends_the_run_with_its_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.kernel.errors import RegistryUnavailableError

    def away(*_: object) -> None:
        raise RegistryUnavailableError("The registry does not answer.")

    monkeypatch.setattr(lab.runner, "fetch", away)
    run = lab.harness.run_now(MODEL, lab.versions["good"])

    assert run.state is RunState.FAILED
    assert run.error == "The registry does not answer."


def test_a_check_that_breaks_is_an_error_and_hides_no_other(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.evaluation.harness import checks

    def broken(_material: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setitem(checks.CHECKS, "stability", broken)
        lab.harness.run_now(MODEL, lab.versions["good"])

    states = {check["id"]: check["status"] for check in lab.report("good")["checks"]}
    assert states["stability"] == "error"
    assert states["leakage"] == "done"
    assert "measured" in lab.failing("good")
    lab.harness.run_now(MODEL, lab.versions["good"])
    assert lab.failing("good") == set()


def test_a_narrator_is_told_no_group_and_no_value_and_its_failure_changes_nothing(lab: Lab) -> None:
    from services.evaluation.harness.narrative import MARK
    from services.kernel.errors import ServingUnavailableError

    told: list[Any] = []

    class Talkative:
        def tell(self, findings: Any) -> str:
            told.append(findings)
            return "It ranks well."

    class Silent:
        def tell(self, findings: Any) -> str:
            raise ServingUnavailableError("The endpoint is away.")

    version = lab.versions["good"]
    for narrator, text in ((Talkative(), f"{MARK} It ranks well."), (Silent(), "")):
        harness = another_process(lab)
        harness._narrator = narrator
        assert harness.run_now(MODEL, version).state is RunState.DONE
        assert lab.report("good")["narrative"] == text
    assert "female" not in str(told[0])
    assert told[0]["metrics"]["holdout_n"] == 2000
    assert replace(lab.evaluation.collect(MODEL, version), evaluation_sha256="").checks


def without_time(report: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same: everything but seconds, response times and the earlier digest."""
    kept = {name: value for name, value in report.items() if name not in {"latency", "narrative", "reproducibility"}}
    kept["metrics"] = {name: value for name, value in report["metrics"].items() if not name.startswith("served_")}
    kept["checks"] = [
        {name: value for name, value in check.items() if name not in {"seconds", "sentence"}}
        for check in report["checks"]
    ]
    kept["investigation"] = [
        {name: value for name, value in step.items() if name != "seconds"} for step in report["investigation"]
    ]
    return kept
