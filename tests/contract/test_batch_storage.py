"""Batch runs and fallback cards on SQLite and PostgreSQL: what was saved comes back, and the faster one wins."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.adapters.sql.batch_releases import SqlBatches
from services.adapters.sql.fallbacks import SqlFallbacks
from services.kernel.errors import StaleRequestError
from services.rollout.batch_models import BatchRun, Crossing, RunState, TriggerReading
from services.rollout.fallback_models import (
    Drill,
    DrillStep,
    FallbackCard,
    FallbackMode,
    FallbackStep,
    ModeCard,
    Switch,
    SwitchState,
)
from tests.contract.deployment import STARTED, Deployment

READING = TriggerReading(
    id="scores", title="Score shift", crossing=Crossing.TOO_FEW, sentence="Shift 0.3.", value=0.3, limit=0.25, n=5
)


def a_run(run_id: str = "run-1", *, hours: int = 0, **changes: object) -> BatchRun:
    run = BatchRun(
        run_id=run_id,
        model="claims_triage",
        job="claims_triage-scoring",
        version="7",
        window_start=STARTED + timedelta(hours=hours),
        started_at=STARTED + timedelta(hours=hours),
        finished_at=STARTED + timedelta(hours=hours, minutes=1),
        rows=5,
        state=RunState.HELD,
        first=True,
        triggers=(READING,),
        reason="First output of this version.",
        updated_at=STARTED,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def test_a_run_comes_back_as_it_was_saved(deployment: Deployment) -> None:
    with deployment.database.write() as connection:
        saved = SqlBatches(connection).save(a_run())

    with deployment.database.read() as connection:
        assert SqlBatches(connection).run("run-1") == saved == replace(a_run(), revision=1)
        assert SqlBatches(connection).run("run-2") is None


def test_runs_are_listed_newest_window_first_by_model_and_state(deployment: Deployment) -> None:
    with deployment.database.write() as connection:
        store = SqlBatches(connection)
        for number in range(3):
            state = RunState.PUBLISHED if number == 1 else RunState.HELD
            store.save(a_run(f"run-{number}", hours=number, state=state, settled=number != 1))
        store.save(a_run("other", model="payout_forecast", hours=9))

    with deployment.database.read() as connection:
        store = SqlBatches(connection)
        assert [run.run_id for run in store.runs("claims_triage")] == ["run-2", "run-1", "run-0"]
        assert [run.run_id for run in store.runs(states=(RunState.HELD,))] == ["other", "run-2", "run-0"]
        assert [run.run_id for run in store.runs("claims_triage", limit=1)] == ["run-2"]
        assert [run.run_id for run in store.unsettled()] == ["run-1"]
        assert [run.run_id for run in store.of_window("claims_triage", STARTED)] == ["run-0"]


def test_the_slower_of_two_decisions_about_a_run_is_refused(deployment: Deployment) -> None:
    with deployment.database.write() as connection:
        first = SqlBatches(connection).save(a_run())
    with deployment.database.write() as connection:
        SqlBatches(connection).save(replace(first, state=RunState.PUBLISHED))

    with deployment.database.write() as connection, pytest.raises(StaleRequestError):
        SqlBatches(connection).save(replace(first, state=RunState.QUARANTINED))
    with deployment.database.read() as connection:
        found = SqlBatches(connection).run("run-1")
    assert found is not None
    assert (found.state, found.revision) == (RunState.PUBLISHED, 2)


def a_card(revision: int = 1) -> FallbackCard:
    steps = (FallbackStep(text="Tell the reviewers “oldest first”.", owner="sre"),)
    return FallbackCard(
        model="claims_triage",
        modes=(ModeCard(mode=FallbackMode.RULES, consumers_get="Oldest claim first.", steps=steps),),
        consumers=("reviewers",),
        contact="#claims",
        revision=revision,
        edited_by="Sam Lindqvist",
        edited_at=STARTED,
        seq=12,
    )


def test_the_newest_edition_of_a_card_counts_and_none_is_written_twice(deployment: Deployment) -> None:
    with deployment.database.write() as connection:
        store = SqlFallbacks(connection)
        store.add_card(a_card())
        store.add_card(replace(a_card(2), contact="#claims-2"))

    with deployment.database.write() as connection, pytest.raises(StaleRequestError):
        SqlFallbacks(connection).add_card(a_card(2))
    with deployment.database.read() as connection:
        assert SqlFallbacks(connection).card("claims_triage") == replace(a_card(2), contact="#claims-2")
        assert SqlFallbacks(connection).card("unknown") is None


def test_a_drill_comes_back_with_its_ticks(deployment: Deployment) -> None:
    drill = Drill(
        drill_id="drl-1",
        model="claims_triage",
        card_revision=1,
        mode=FallbackMode.BATCH_ONLY,
        started_by="Sam Lindqvist",
        started_at=STARTED,
        steps=(DrillStep(text="a", owner="sre"), DrillStep(text="b", owner="sre")),
        seq=3,
    )
    with deployment.database.write() as connection:
        saved = SqlFallbacks(connection).save_drill(drill)
    done = replace(saved.steps[1], done_by="Sam Lindqvist", done_at=STARTED + timedelta(minutes=1))
    with deployment.database.write() as connection:
        ticked = SqlFallbacks(connection).save_drill(replace(saved, steps=(saved.steps[0], done)))

    with deployment.database.write() as connection, pytest.raises(StaleRequestError):
        SqlFallbacks(connection).save_drill(saved)
    with deployment.database.read() as connection:
        assert SqlFallbacks(connection).drill("drl-1") == ticked
        assert SqlFallbacks(connection).drills("claims_triage") == (ticked,)
        assert ticked.left == 1


def test_open_switches_are_listed_until_they_are_done(deployment: Deployment) -> None:
    switch = Switch(
        switch_id="fbs-1",
        model="claims_triage",
        deployment="claims_triage",
        mode=FallbackMode.LAST_GOOD,
        platform_mode="off",
        state=SwitchState.ORDERED,
        ordered_by="Sam Lindqvist",
        ordered_at=STARTED,
        reason="Scores are wrong.",
        salt="00",
        seq=4,
    )
    with deployment.database.write() as connection:
        saved = SqlFallbacks(connection).save_switch(switch)
        assert SqlFallbacks(connection).open_switches() == (saved,)
        done = SqlFallbacks(connection).save_switch(
            replace(saved, state=SwitchState.DONE, done_at=STARTED, seq_outcome=5)
        )

    with deployment.database.read() as connection:
        assert SqlFallbacks(connection).open_switches() == ()
        assert SqlFallbacks(connection).switch("fbs-1") == done
        assert SqlFallbacks(connection).switches("claims_triage") == (done,)
