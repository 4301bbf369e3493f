"""Batch runs from job to consumer: held first outputs, quarantine, scoring again, and what consumers ever read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.inventory.models import DeploymentKind, ServiceLevel, Tier
from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    ConflictError,
    IllegalTransitionError,
    MissingReasonError,
    PassphraseError,
    RoleMissingError,
    RollbackTargetError,
    StaleRequestError,
    TelemetryUnavailableError,
)
from services.kernel.secret import Secret
from services.rollout.batch_models import BatchRun, Crossing, DecideRun, Rerun, RunState
from services.rollout.models import Deployment
from tests.builders import MODEL, World, a_model
from tests.fakes.batches import START, a_fact, some_scores


def a_batch_model(world: World, *, tier: Tier = Tier.ONE) -> None:
    """Version 1 was released and has run for 14 mornings."""
    level = ServiceLevel(p95_ms=None, error_rate=0.01, on_time_share=0.98, window_hours=24)
    model = a_model(kind=DeploymentKind.BATCH, service_level=level)
    world.inventory.put_model(model)
    world.release("1")
    world.inventory.put_model(replace(model, tier=tier))
    for day in range(14):
        job(world, day, "1", some_scores(day))
    world.batch.work()


def job(world: World, day: int, version: str, scores: list[float] | None, **changes: object) -> BatchRun | None:
    """The job ran; the clock stands a little later. The run, once the worker looked."""
    fact = a_fact(day, version, rows=len(scores or ()), **changes)
    world.jobs.facts.append(fact)
    if scores is not None:
        world.outputs.logged[fact.window_start, version] = scores
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    clock.set(max(clock.now(), fact.finished_at + timedelta(minutes=10)))
    return None


def runs(world: World, day: int) -> tuple[BatchRun, ...]:
    return tuple(run for run in world.batch.runs(MODEL).runs if run.window_start == START + timedelta(days=day))


def the_run(world: World, day: int) -> BatchRun:
    (found,) = runs(world, day)
    return found


def read(world: World, day: int) -> str | None:
    """The version whose scores consumers read for a morning."""
    handed = world.outputs.published.get((MODEL, START + timedelta(days=day)))
    return handed.version if handed else None


def decide(world: World, run: BatchRun, **changes: object) -> DecideRun:
    command = DecideRun(
        command_id="d-1", run_id=run.run_id, revision=run.revision, reason="I compared ten rows by hand.",
        passphrase=world.secret("sam.sre"),
    )  # fmt: skip
    return replace(command, **changes)  # type: ignore[arg-type]


def a_rerun(world: World, run: BatchRun, version: str, **changes: object) -> Rerun:
    command = Rerun(
        command_id="r-1", run_id=run.run_id, version=version, reason="The output is broken.",
        passphrase=world.secret("sam.sre"),
    )  # fmt: skip
    return replace(command, **changes)  # type: ignore[arg-type]


def released_two(world: World, *, tier: Tier = Tier.ONE) -> None:
    """Version 2 took the place of version 1; it has not run yet."""
    a_batch_model(world, tier=tier)
    with world.units.write() as unit:
        row = unit.rollouts.deployment(MODEL)
        assert row is not None
        unit.rollouts.save_deployment(replace(row, desired=(("2", 100),), champion="2"), at=world.clock.now())


def test_what_ran_before_is_handed_over_as_it_was(world: World) -> None:
    a_batch_model(world)

    view = world.batch.runs(MODEL)

    assert len(view.runs) == 14
    assert {run.state for run in view.runs} == {RunState.PUBLISHED}
    assert (view.pinned, view.next_run, view.overdue) == ("1", START + timedelta(days=14), False)
    assert read(world, 13) == "1"
    assert world.entries("event:batch-run-published") == 0


def test_a_run_of_the_known_version_is_published_at_once_without_an_entry(world: World) -> None:
    a_batch_model(world)
    job(world, 14, "1", some_scores(14))
    world.batch.work()

    assert the_run(world, 14).state is RunState.PUBLISHED
    assert read(world, 14) == "1"
    assert world.entries("event:batch-run-published") == 0


def test_the_first_output_of_a_version_is_held_and_consumers_keep_the_window_before(world: World) -> None:
    released_two(world)
    world.rerunner.answers["1"] = some_scores(14)
    job(world, 14, "2", some_scores(14))
    world.batch.work()

    run = the_run(world, 14)
    assert (run.state, run.first) == (RunState.HELD, True)
    assert {item.crossing for item in run.triggers} == {Crossing.CLEAR}
    assert read(world, 14) is None
    assert world.entries("event:batch-run-held") == 1
    assert [run.run_id for run in world.batch.held()] == [run.run_id]


def test_a_lower_tier_needs_no_person_when_every_trigger_is_clear(world: World) -> None:
    released_two(world, tier=Tier.TWO)
    world.rerunner.answers["1"] = some_scores(14)
    job(world, 14, "2", some_scores(14))
    world.batch.work()

    assert read(world, 14) == "2"
    assert world.entries("event:batch-run-published") == 1


def test_five_rows_are_too_few_and_wait_for_a_person_whatever_the_tier(world: World) -> None:
    released_two(world, tier=Tier.TWO)
    world.rerunner.answers["1"] = some_scores(14, 5)
    for fact in list(world.jobs.facts):
        world.jobs.facts[world.jobs.facts.index(fact)] = replace(fact, rows=5)
    job(world, 14, "2", some_scores(14, 5))
    world.batch.work()

    run = the_run(world, 14)
    assert run.state is RunState.HELD
    assert {item.crossing for item in run.triggers if item.id in {"rows", "scores"}} == {Crossing.TOO_FEW}


def test_a_person_publishes_and_the_version_is_known_from_then_on(world: World) -> None:
    released_two(world)
    world.rerunner.answers["1"] = some_scores(14)
    job(world, 14, "2", some_scores(14))
    job(world, 15, "2", some_scores(15))
    world.batch.work()
    assert read(world, 15) is None

    receipt = world.batch.publish(decide(world, the_run(world, 14)), actor=world.actor("sam.sre"))
    assert read(world, 14) == "2"
    world.batch.work()

    assert read(world, 15) == "2"
    job(world, 16, "2", some_scores(16))
    world.batch.work()
    assert (the_run(world, 16).first, read(world, 16)) == (False, "2")
    assert the_run(world, 14).seq == receipt.seq
    assert world.entries("event:batch-run-published") == 2


def test_a_crossed_trigger_withholds_the_output_and_opens_an_incident(world: World) -> None:
    a_batch_model(world)
    job(world, 14, "1", [0.5] * 300)
    world.batch.work()

    run = the_run(world, 14)
    assert (run.state, [item.id for item in run.crossed]) == (RunState.QUARANTINED, ["scores"])
    assert (read(world, 14), run.incident) == (None, "inc-1")
    (incident,) = world.incident_desk.opened.values()
    assert (incident["severity"], incident["rule"]) == (2, "batch-scores")


def test_scores_outside_zero_to_one_are_invalid_for_a_classification(world: World) -> None:
    a_batch_model(world)
    job(world, 14, "1", [score * 100 for score in some_scores(14)])
    world.batch.work()

    assert {item.id for item in the_run(world, 14).crossed} == {"invalid", "scores"}


def test_a_failed_run_publishes_nothing_and_is_an_incident(world: World) -> None:
    a_batch_model(world)
    job(world, 14, "1", None, ok=False, error="MODEL_FAILED")
    world.batch.work()

    assert the_run(world, 14).state is RunState.FAILED
    assert read(world, 14) is None
    assert [item["rule"] for item in world.incident_desk.opened.values()] == ["batch-failed"]


def test_a_late_run_is_published_and_somebody_is_called(world: World) -> None:
    a_batch_model(world)
    job(world, 14, "1", some_scores(14), on_time=False, finished_at=START + timedelta(days=14, hours=3))
    world.batch.work()

    assert read(world, 14) == "1"
    assert [item["severity"] for item in world.incident_desk.opened.values()] == [4]


def test_a_run_that_does_not_come_is_an_incident_once(world: World) -> None:
    a_batch_model(world)
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    clock.set(START + timedelta(days=14, minutes=29))
    world.batch.work()
    assert world.incident_desk.opened == {}

    clock.set(START + timedelta(days=14, minutes=31))
    world.batch.work()
    world.batch.work()

    assert list(world.incident_desk.opened) == [f"batch-missing:{MODEL}"]
    assert world.batch.runs(MODEL).overdue


def test_a_window_scored_again_with_the_version_before_is_what_consumers_read(world: World) -> None:
    released_two(world)
    job(world, 14, "2", [0.5] * 300)
    world.rerunner.answers["1"] = some_scores(14)
    world.batch.work()
    bad = the_run(world, 14)
    assert bad.state is RunState.QUARANTINED

    world.batch.rerun(a_rerun(world, bad, "1"), actor=world.actor("sam.sre"))
    assert read(world, 14) is None
    world.batch.work()

    assert read(world, 14) == "1"
    assert bad.run_id not in {run_id for _, run_id in world.outputs.history}
    states = {run.version: run.state for run in runs(world, 14)}
    assert states == {"1": RunState.PUBLISHED, "2": RunState.QUARANTINED}
    assert world.entries("event:batch-rerun-ordered") == 1


def test_the_next_run_of_a_version_whose_first_output_was_bad_is_held_again(world: World) -> None:
    released_two(world)
    world.rerunner.answers["1"] = some_scores(14)
    job(world, 14, "2", [0.5] * 300)
    world.batch.work()
    world.batch.rerun(a_rerun(world, the_run(world, 14), "1"), actor=world.actor("sam.sre"))
    world.batch.work()
    job(world, 15, "2", some_scores(15))
    world.batch.work()

    assert the_run(world, 15).state is RunState.HELD
    assert read(world, 15) is None


def test_an_output_already_published_can_be_taken_away_and_the_window_is_then_empty(world: World) -> None:
    a_batch_model(world)
    world.batch.quarantine(decide(world, the_run(world, 13)), actor=world.actor("sam.sre"))

    assert read(world, 13) is None
    assert read(world, 12) == "1"
    assert world.entries("event:batch-run-quarantined") == 1


def test_what_was_signed_while_the_outputs_were_away_is_done_by_the_worker(world: World) -> None:
    a_batch_model(world)
    world.outputs.away = True
    world.batch.quarantine(decide(world, the_run(world, 13)), actor=world.actor("sam.sre"))
    assert read(world, 13) == "1"
    assert not the_run(world, 13).settled
    assert "cannot be reached" in world.batch.runs(MODEL).problem
    with pytest.raises(TelemetryUnavailableError):
        world.batch.work()

    world.outputs.away = False
    world.batch.work()

    assert read(world, 13) is None
    assert the_run(world, 13).settled


def test_the_same_command_twice_is_one_decision(world: World) -> None:
    a_batch_model(world)
    sam, command = world.actor("sam.sre"), decide(world, the_run(world, 13))

    first = world.batch.quarantine(command, actor=sam)
    second = world.batch.quarantine(command, actor=sam)

    assert (second.seq, second.repeated) == (first.seq, True)
    assert world.entries("event:batch-run-quarantined") == 1


def test_refused_decisions_say_why_and_change_nothing(world: World) -> None:
    a_batch_model(world)
    sam, run = world.actor("sam.sre"), the_run(world, 13)

    with pytest.raises(RoleMissingError):
        world.batch.quarantine(decide(world, run), actor=world.actor("dana.datascience"))
    with pytest.raises(MissingReasonError):
        world.batch.quarantine(decide(world, run, reason=" "), actor=sam)
    with pytest.raises(StaleRequestError):
        world.batch.quarantine(decide(world, run, revision=99), actor=sam)
    with pytest.raises(IllegalTransitionError):
        world.batch.publish(decide(world, run), actor=sam)
    with pytest.raises(PassphraseError):
        world.batch.quarantine(decide(world, run, passphrase=Secret("wrong")), actor=sam)
    with pytest.raises(RollbackTargetError, match="never approved"):
        world.batch.rerun(a_rerun(world, run, "3"), actor=sam)

    assert read(world, 13) == "1"
    assert the_run(world, 13) == run
    assert world.entries("event:batch-run-refused") == 3


def test_one_window_is_scored_again_once_at_a_time(world: World) -> None:
    a_batch_model(world)
    sam, run = world.actor("sam.sre"), the_run(world, 13)
    world.rerunner.away = True
    world.batch.rerun(a_rerun(world, run, "1"), actor=sam)

    with pytest.raises(ConflictError):
        world.batch.rerun(a_rerun(world, run, "1", command_id="r-2"), actor=sam)


def test_a_rerun_that_is_bad_too_is_not_published(world: World) -> None:
    a_batch_model(world)
    job(world, 14, "1", [0.5] * 300)
    world.rerunner.answers["1"] = [0.4] * 300
    world.batch.work()
    world.batch.rerun(a_rerun(world, the_run(world, 14), "1"), actor=world.actor("sam.sre"))
    world.batch.work()

    assert {run.state for run in runs(world, 14)} == {RunState.QUARANTINED}
    assert read(world, 14) is None


def test_a_deployment_that_was_never_released_has_no_runs(world: World) -> None:
    world.inventory.put_model(a_model(kind=DeploymentKind.BATCH))
    with world.units.write() as unit:
        unit.rollouts.save_deployment(Deployment(model=MODEL, deployment=MODEL, kind="batch"), at=world.clock.now())
    world.batch.work()

    view = world.batch.runs(MODEL)

    assert (view.runs, view.pinned, view.rerun_versions, view.next_run) == ((), "", (), None)


def test_the_plan_of_a_rollback_says_when_the_next_batch_uses_it(world: World) -> None:
    a_batch_model(world)

    plan = world.rollout.plan_rollback(MODEL, actor=world.actor("sam.sre"))

    assert plan.next_batch.startswith("The next batch run, due 2030-02-15 06:00 UTC, uses it")
    assert plan.consumers == ("claims-portal",)
