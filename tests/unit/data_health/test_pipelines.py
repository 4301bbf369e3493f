"""Pipelines by their runs, and the models that a late or failed one, or a broken table, hurts."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from services.adapters.sql.monitoring import SqlMonitoring
from services.data_health.catalog import CatalogLineage
from services.data_health.impact import reached
from services.data_health.models import PipelineRun, RuleKind
from services.data_health.pipelines import judged
from services.kernel.clock import FrozenClock
from services.kernel.health import Health
from services.monitoring.models import JobRun
from tests.unit.data_health.world import World, quiet_weeks, rows
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, a_model

HOUR = timedelta(hours=1)


def a_run(ago: float, *, ok: bool = True, on_time: bool | None = True, took: float = 60, **more: object) -> PipelineRun:
    start = NOON - ago * HOUR
    facts: dict[str, object] = {
        "pipeline": "p", "title": "Nightly build", "kind": "job", "run_id": f"{start:%d%H%M}", "started_at": start,
        "finished_at": start + timedelta(seconds=took), "ok": ok, "on_time": on_time,
        "error": "" if ok else "input file was empty",
    }  # fmt: skip
    return PipelineRun(**{**facts, **more})  # type: ignore[arg-type]


def hourly(n: int = 30, **more: object) -> list[PipelineRun]:
    return [a_run(0.2 + ago, **more) for ago in range(n)]  # type: ignore[arg-type]


def test_runs_on_time_are_a_share_with_its_interval() -> None:
    [line] = judged([*hourly(29), a_run(30, on_time=False)], days=30, now=NOON)

    assert (line.runs, line.late, line.failed, line.state) == (30, 1, 0, Health.HEALTHY)
    assert line.on_time is not None
    assert line.on_time.value == pytest.approx(29 / 30)
    assert line.on_time.low < 0.9
    assert (line.typical_seconds, line.explanation.n) == (60, 30)


def test_few_runs_are_neither_green_nor_red() -> None:
    [line] = judged(hourly(4), days=30, now=NOON)

    assert (line.state, line.expected_by) == (Health.UNKNOWN, None)


def test_a_failed_last_run_is_a_breach_since_the_first_bad_one() -> None:
    [line] = judged([a_run(0.2, ok=False), a_run(1.2, on_time=False), *hourly()[2:]], days=30, now=NOON)

    assert (line.state, line.since) == (Health.BREACH, NOON - 1.2 * HOUR)
    assert line.sentence == "The last run failed: input file was empty."


def test_a_run_that_never_started_shows_as_overdue() -> None:
    [line] = judged([a_run(ago + 5) for ago in range(20)], days=30, now=NOON)

    assert line.state is Health.BREACH
    assert line.since == line.expected_by == NOON - 5 * HOUR + timedelta(minutes=1) + 1.5 * HOUR


def test_without_a_promised_window_the_rhythm_says_what_is_late() -> None:
    gap = [a_run(ago + 4, on_time=None) for ago in range(20)]

    [line] = judged([*gap, a_run(0.1, on_time=None)], days=30, now=NOON)

    assert (line.late, line.state) == (1, Health.WATCH)
    assert "No window is promised" in line.explanation.note


# Records that are behind ----------------------------------------------------------------------------------------------


def copied(ago: float, *, known: float, read: float = 0, **more: object) -> PipelineRun:
    """A run of a platform whose records reach to `known` hours ago and were read `read` hours ago."""
    return a_run(ago, on_time=None, known_to=NOON - known * HOUR, copied_at=NOON - read * HOUR, **more)  # type: ignore[arg-type]


def test_an_hourly_job_whose_records_are_three_hours_behind_is_judged_when_they_end() -> None:
    [line] = judged([copied(3 + ago, known=3) for ago in range(69)], days=30, now=NOON)

    assert (line.state, line.since) == (Health.HEALTHY, None)
    assert line.sentence == (
        "69 of 69 runs ended well and on time. Known up to 31 Mar 2031 09:00 UTC; a run due since then cannot be "
        "seen yet."
    )


def test_a_job_that_stopped_while_others_go_on_is_overdue_once_the_records_pass_its_hour() -> None:
    stopped = [copied(6 + ago, known=6) for ago in range(20)]
    other = [copied(3 + ago, known=3, pipeline="q", title="Other") for ago in range(20)]

    [first, second] = judged([*stopped, *other], days=30, now=NOON)

    assert (first.pipeline, first.state, first.sentence) == (
        "p",
        Health.BREACH,
        "No run has ended well since it was due.",
    )
    assert first.since == first.expected_by == NOON - 4.5 * HOUR + timedelta(minutes=1)
    assert second.state is Health.HEALTHY


def test_records_of_one_kind_say_nothing_about_the_other() -> None:
    jobs = [copied(20 + ago, known=20) for ago in range(20)]
    updates = [copied(1 + ago, known=1, pipeline="q", title="Updates", kind="pipeline") for ago in range(20)]

    assert {line.state for line in judged([*jobs, *updates], days=30, now=NOON)} == {Health.HEALTHY}


def test_a_warehouse_that_is_away_leaves_pipelines_unknown_and_never_overdue() -> None:
    [line] = judged([copied(53 + ago, known=52, read=50) for ago in range(20)], days=30, now=NOON)

    assert (line.state, line.since) == (Health.UNKNOWN, None)
    assert line.sentence.startswith("The records of the platform were last read on 29 Mar 2031 10:00 UTC")


def test_records_without_any_newer_run_leave_it_open_whether_everything_stopped() -> None:
    [line] = judged([copied(53 + ago, known=52) for ago in range(20)], days=30, now=NOON)

    assert line.state is Health.UNKNOWN
    assert "either everything stopped, or they are not written any more" in line.sentence


def test_what_failed_last_is_a_breach_however_far_behind_the_records_are() -> None:
    [line] = judged([copied(53, known=52, ok=False), *(copied(54 + n, known=52) for n in range(9))], days=30, now=NOON)

    assert (line.state, line.sentence) == (Health.BREACH, "The last run failed: input file was empty.")


def test_skipped_and_cancelled_runs_are_counted_apart_and_are_in_no_share() -> None:
    aside = [a_run(0.1 + n / 10, ok=False, on_time=None, aside=True, error="cancelled (user_canceled)") for n in (0, 1)]

    [line] = judged([*hourly(20), *aside], days=30, now=NOON)

    assert (line.state, line.runs, line.failed, line.aside) == (Health.HEALTHY, 20, 0, 2)
    assert line.on_time is not None
    assert line.on_time.value == 1
    assert line.sentence == (
        "20 of 20 runs ended well and on time. 2 more were skipped or cancelled; the newest run was cancelled "
        "(user_canceled)."
    )


def test_a_pipeline_that_was_only_ever_cancelled_is_unknown() -> None:
    [line] = judged(
        [a_run(n, ok=False, on_time=None, aside=True, error="skipped") for n in range(9)], days=30, now=NOON
    )

    assert (line.state, line.runs, line.on_time, line.expected_by) == (Health.UNKNOWN, 0, None, None)


def test_every_pipeline_is_its_own_line_the_worst_first() -> None:
    bad = [a_run(ago, pipeline="q", title="A", ok=False) for ago in range(6)]

    found = judged([*hourly(), *bad], days=30, now=NOON)

    assert [(line.pipeline, line.state) for line in found] == [("q", Health.BREACH), ("p", Health.HEALTHY)]


# Who is hurt -------------------------------------------------------------------------------------------------------


def test_models_are_found_along_the_lineage_with_the_way() -> None:
    edges = [("raw.visits", "features.claims"), ("features.claims", "m"), ("m", "table.scores"), ("table.scores", "n")]

    ways = reached(["raw.visits"], edges, {"m", "n", "other"})

    assert ways == {
        "m": ("raw.visits", "features.claims", "m"),
        "n": ("raw.visits", "features.claims", "m", "table.scores", "n"),
    }


def test_a_circle_in_the_lineage_ends() -> None:
    assert reached(["a"], [("a", "b"), ("b", "a"), ("b", "m")], {"m"}) == {"m": ("a", "b", "m")}


def test_edges_into_a_version_count_for_its_model() -> None:
    model = a_model(lineage=(("features.claims", "m version 3"), ("features.claims", "n version 1")))
    lineage = CatalogLineage(models=lambda: [model], graph_of=lambda _: None, clock=FrozenClock(NOON))

    assert set(lineage.edges()) == {("features.claims", "m"), ("features.claims", "n version 1")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quiet_weeks(tmp_path_factory.mktemp("weeks"))


class Copied:
    name = "elsewhere"

    def __init__(self, *runs: PipelineRun) -> None:
        self._runs = runs

    def runs(self, since: datetime) -> tuple[PipelineRun, ...]:
        return tuple(run for run in self._runs if run.started_at >= since)


def test_a_failed_job_names_the_models_behind_the_table_it_writes(folder: Path, tmp_path: Path) -> None:
    world = World(folder, tmp_path)
    world.edges, world.models = {("lake.visits", "features.claims"), ("features.claims", "n")}, {"m", "n", "far"}
    service = world.at(NOON, Copied(*hourly()[1:], a_run(0.2, ok=False, writes=("lake.visits",))))

    service.refresh_pipelines()

    [hurt] = service.hurt()
    assert (hurt.model, hurt.kind, hurt.state) == ("n", "pipeline", Health.BREACH)
    assert hurt.since == NOON - 0.2 * HOUR
    assert hurt.way == ("Nightly build", "lake.visits", "features.claims", "n")
    assert service.signal("n").state is Health.BREACH
    assert "Nightly build since" in service.signal("n").sentence


def test_a_late_batch_job_of_the_workspace_hurts_its_own_model(folder: Path, tmp_path: Path) -> None:
    world = World(folder, tmp_path)
    runs = [
        JobRun(
            job="score", model="m", version="1", window_start=NOON - n * HOUR, started_at=NOON - n * HOUR,
            finished_at=NOON - n * HOUR + timedelta(minutes=5), rows=10, ok=True, on_time=n != 1,
        )
        for n in range(1, 30)
    ]  # fmt: skip
    SqlMonitoring(world.database).replace_jobs("m", tuple((run.started_at.date(), run) for run in runs), ())

    [line] = world.service.pipelines()
    [hurt] = world.service.hurt("m")

    assert (line.kind, line.late, line.state) == ("batch job", 1, Health.WATCH)
    assert (hurt.subject, hurt.state, hurt.since) == ("m/score", Health.WATCH, NOON - HOUR)


def test_a_stale_table_names_its_models_since_the_first_bad_day(folder: Path, tmp_path: Path) -> None:
    world = World(folder, tmp_path)
    world.service.refresh()
    world.edges, world.models = {("features.claims", "n")}, {"m", "n"}
    service = world.at(NOON + timedelta(days=3))
    service.refresh()

    found = service.hurt()

    assert {item.model for item in found} == {"m", "n"}
    assert {item.since.date() for item in found} == {TODAY}
    assert all(item.kind == "table" and item.state is Health.BREACH for item in found)
    assert service.signal("m").state is Health.BREACH
    assert service.signal("other").state is Health.UNKNOWN


def test_copied_runs_outlive_the_platform_and_are_not_doubled(folder: Path, tmp_path: Path) -> None:
    world = World(folder, tmp_path)
    world.at(NOON, Copied(*hourly(10))).refresh_pipelines()
    world.at(NOON, Copied(*hourly(10))).refresh_pipelines()

    [line] = world.at(NOON + timedelta(days=1)).pipelines()

    assert line.runs == 10


def test_copied_runs_with_records_three_hours_behind_hurt_no_model(folder: Path, tmp_path: Path) -> None:
    world = World(folder, tmp_path)
    world.edges, world.models = {("lake.visits", "n")}, {"n"}
    runs = [
        a_run(3 + ago, on_time=None, writes=("lake.visits",), known_to=NOON - 3 * HOUR) for ago in range(69)
    ]  # fmt: skip
    service = world.at(NOON, Copied(*runs))

    service.refresh_pipelines()

    assert service.hurt("n") == ()
    assert world.at(NOON + timedelta(days=5)).pipelines()[0].state is Health.UNKNOWN
    assert world.at(NOON + timedelta(days=5)).hurt("n") == ()


def test_a_day_is_judged_again_when_its_rows_change(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "inference")
    world = World(tmp_path / "inference", tmp_path)
    assert world.service.refresh() > 0
    assert world.service.refresh() == 0

    yesterday = TODAY - timedelta(days=1)
    world.day(pd.concat([rows(yesterday), rows(yesterday)]))

    assert world.service.refresh() == 1
    assert world.said(RuleKind.UNIQUE).state is Health.BREACH
