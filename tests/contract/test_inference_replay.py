"""Shadow from an inference table: requests of callers reach the version in shadow once, and answers are compared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.adapters.databricks.replay import METHOD, ShadowReplayer
from services.adapters.sql.database import Database
from services.adapters.sql.replayed import SqlReplayed
from services.adapters.warehouse.payload_log import MOST_BEHIND, PAGE, PayloadLog
from services.adapters.warehouse.payload_tables import ServedVersions
from services.adapters.warehouse.payload_telemetry import PayloadTelemetry
from services.adapters.warehouse.replayed import KEPT, ReplayedParquet, SharedShadow, scores_of
from services.adapters.warehouse.routed import WithReplays
from services.adapters.warehouse.shadow import DuckDbShadowFacts
from services.adapters.warehouse.telemetry import DuckDbTelemetry
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.rollout.release_models import ShadowComparison
from services.rollout.serving_ports import LoggedRequest, ReplayedAnswer
from tests.contract.payload_log import ENTITIES, NOON, TABLE, row
from tests.contract.payload_log import MODEL as NAMED
from tests.contract.payload_log import PayloadLog as Table
from tests.contract.spark_warehouse import a_spark
from tests.fakes.databricks import Scene, a_scene
from tests.unit.monitoring.facts_on_disk import with_tables

NOW = NOON + timedelta(minutes=61)
"""Requests of noon are complete."""


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if shutil.which("java") is None and not os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
        pytest.skip("Spark needs a Java runtime")
    with a_spark() as session:
        yield session


@pytest.fixture(params=["DuckDB", "Spark"])
def table(request: pytest.FixtureRequest) -> Table:
    return Table(request.param, request.getfixturevalue("spark") if request.param == "Spark" else None)


@pytest.fixture
def duck() -> Table:
    return Table("DuckDB")


class Log:
    def __init__(self, table: Table) -> None:
        self.clock, self.passed = FrozenClock(NOW), 0.0
        self.requests = PayloadLog(
            table.warehouse, TABLE, versions=ServedVersions(table=ENTITIES), clock=self.clock,
            elapsed=lambda: self.passed,
        )  # fmt: skip

    def ids(self, position: str = "", limit: int = 1000) -> list[str]:
        return [item.request_id for item in self.requests.after(NAMED, position, limit)]


# The log -------------------------------------------------------------------------------------------------------------


def test_requests_come_in_order_with_the_answer_their_callers_got(table: Table) -> None:
    table.write(
        [
            row(2, at=NOON + timedelta(seconds=2), response='{"predictions": [0.7]}'), row(1), row(1),
            row(3, request=None), row(4, status_code=500), row(5, request="it's no JSON", response="neither"),
            row(6, client_request_id="countersign-replay-r1"), row(7, databricks_request_id=None),
        ]
    )  # fmt: skip

    found = Log(table).requests.after(NAMED, "", 10)

    assert [(item.request_id, item.version) for item in found] == [("r1", "3"), ("r5", "3"), ("r2", "3")]
    assert found[0].body == {"dataframe_records": [{"x": 1}]}
    assert (found[1].body, found[1].answer) == ({}, None)
    assert found[2].answer == {"predictions": [0.7]}
    assert sorted(item.position for item in found) == [item.position for item in found]


def test_a_reader_goes_on_after_its_position_and_misses_none_of_the_same_moment(table: Table) -> None:
    table.write([row(n) for n in range(5)])
    log = Log(table)
    first = log.requests.after(NAMED, "", 2)

    assert [item.request_id for item in first] == ["r0", "r1"]
    assert log.ids(first[-1].position) == ["r2", "r3", "r4"]
    assert Log(table).ids(first[-1].position) == ["r2", "r3", "r4"]  # another process, without the page


def test_what_may_still_arrive_is_waited_for(duck: Table) -> None:
    duck.write([row(1), row(2, at=NOON + timedelta(minutes=2))])
    log = Log(duck)
    before = log.requests.after(NAMED, "", 10)
    log.clock.set(NOW + timedelta(minutes=2))

    assert [item.request_id for item in before] == ["r1"]
    assert log.ids(before[-1].position) == ["r2"]


def test_a_long_log_is_read_in_pages_and_its_end_asked_for_once_a_minute(duck: Table) -> None:
    duck.write([row(n, at=NOON + timedelta(milliseconds=n)) for n in range(PAGE + 100)])
    log, position, seen = Log(duck), "", 0
    while found := log.requests.after(NAMED, position, 20):
        position, seen = found[-1].position, seen + len(found)
    asked = len(duck.duck.asked)
    log.passed = 59.0
    log.ids(position)
    early = len(duck.duck.asked)
    log.passed = 61.0
    log.ids(position)

    assert (seen, asked, early, len(duck.duck.asked)) == (PAGE + 100, 3, 3, 4)


def test_a_replay_that_falls_behind_passes_old_requests_over(duck: Table) -> None:
    old = NOON - MOST_BEHIND - timedelta(minutes=10)
    duck.write([row(1, at=old), row(2, at=old + timedelta(seconds=1)), row(3)])
    position = f"{int(old.timestamp() * 1_000_000):017d} r1"

    assert Log(duck).ids(position) == ["r3"]


def test_a_table_that_does_not_answer_sends_nothing(duck: Table) -> None:
    duck.duck.down = "no answer"

    with pytest.raises(TelemetryUnavailableError, match="no answer"):
        Log(duck).ids()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = with_tables(Database(database_url))
    yield opened
    opened.dispose()


# What is kept --------------------------------------------------------------------------------------------------------


def an_answer(number: int, score: Any = 0.5, *, error: str = "", live: Any = 0.5) -> ReplayedAnswer:
    position = f"{int(NOON.timestamp() * 1_000_000) + number:017d} r{number}"
    logged = LoggedRequest(
        position=position, request_id=f"r{number}", at=NOON, body={"dataframe": 1}, version="3",
        answer={"predictions": [live]},
    )  # fmt: skip
    return ReplayedAnswer(
        request_id=f"r{number}", position=position, version="4", asked_at=NOON, replayed_at=NOW, seconds=0.1,
        answer=None if error else {"predictions": [score]}, error=error, logged=logged,
    )  # fmt: skip


def compared(folder: Path, model: str = NAMED, *, live: str = "3", candidate: str = "4") -> ShadowComparison:
    facts = DuckDbShadowFacts(folder, method=METHOD)
    return facts.compare(
        model,
        live=live,
        candidate=candidate,
        since=NOON - timedelta(hours=1),
        until=NOW,
        threshold=0.5,
        tolerance=None,
    )


def test_answers_are_kept_with_their_position_and_compared_with_those_of_callers(tmp_path: Path) -> None:
    kept = ReplayedParquet(tmp_path, paths={})
    answers = [an_answer(1, 0.9, live=0.8), an_answer(2, 0.1, live=0.6), an_answer(3, error="BAD_REQUEST")]

    kept.add(NAMED, "4", tuple(answers[:1]), position=answers[0].position)
    kept.add(NAMED, "4", tuple(answers[1:]), position=answers[2].position)

    assert ReplayedParquet(tmp_path, paths={}).position(NAMED, "4") == answers[2].position
    assert kept.position(NAMED, "5") == kept.position("another", "4") == ""
    found = compared(tmp_path)
    assert (found.records, found.requests, found.agreement, found.candidate_errors) == (2, 3, 0.5, 1)
    assert (found.method, found.live_p95_ms, found.candidate_p95_ms) == ("replayed requests", None, None)


def test_an_answer_given_again_counts_once(tmp_path: Path) -> None:
    kept = ReplayedParquet(tmp_path, paths={})
    kept.add(NAMED, "4", (an_answer(1, 0.9),), position=an_answer(1).position)
    kept.add(NAMED, "4", (an_answer(1, 0.1), an_answer(2)), position=an_answer(2).position)

    found = compared(tmp_path)

    assert (found.records, found.requests, found.agreement) == (2, 2, 0.5)


def test_a_chunk_of_which_nothing_was_sent_moves_the_position(tmp_path: Path) -> None:
    kept = ReplayedParquet(tmp_path, paths={})

    kept.add(NAMED, "4", (), position=an_answer(7).position)

    assert kept.position(NAMED, "4") == an_answer(7).position
    assert compared(tmp_path).requests == 0


def test_inputs_are_never_written_and_old_days_are_forgotten(tmp_path: Path) -> None:
    kept = ReplayedParquet(tmp_path, paths={})
    old = tmp_path / "requests" / f"deployment={NAMED}" / f"date={NOON.date() - KEPT - timedelta(days=1)}"
    old.mkdir(parents=True)

    kept.add(NAMED, "4", (an_answer(1),), position=an_answer(1).position)

    assert not old.exists()
    assert b"dataframe" not in b"".join(file.read_bytes() for file in tmp_path.rglob("*.parquet"))


def test_app_and_worker_need_no_common_disk_and_a_new_disk_goes_on(database: Database, tmp_path: Path) -> None:
    shelf = SqlReplayed(database)
    worker = ReplayedParquet(tmp_path / "worker", paths={}, shelf=shelf)
    app = ReplayedParquet(tmp_path / "app", paths={}, shelf=shelf)
    shared = SharedShadow(app, DuckDbShadowFacts(tmp_path / "app", method=METHOD))

    def seen() -> int:
        return shared.compare(
            NAMED, live="3", candidate="4", since=NOON - timedelta(hours=1), until=NOW, threshold=0.5, tolerance=None
        ).requests

    before = seen()
    worker.add(NAMED, "4", (an_answer(1),), position=an_answer(1).position)
    worker.keep()
    first = seen()
    worker.add(NAMED, "4", (an_answer(2),), position=an_answer(2).position)
    for file in (tmp_path / "worker").rglob("*.parquet"):  # a minute later
        os.utime(file, (file.stat().st_mtime + 60,) * 2)
    worker.keep()
    on_new_disk = ReplayedParquet(tmp_path / "new", paths={}, shelf=shelf)
    on_new_disk.fetch()

    assert (before, first, seen()) == (0, 1, 2)
    assert on_new_disk.position(NAMED, "4") == an_answer(2).position


def test_what_is_newer_here_stays_and_what_is_forgotten_here_goes(database: Database, tmp_path: Path) -> None:
    shelf = SqlReplayed(database)
    worker = ReplayedParquet(tmp_path, paths={}, shelf=shelf)
    worker.add(NAMED, "4", (an_answer(1),), position=an_answer(1).position)
    worker.keep()
    worker.add(NAMED, "4", (an_answer(2),), position=an_answer(2).position)
    worker.fetch()
    shelf.put("../outside.parquet", b"x", at=NOW)
    worker.fetch()

    assert worker.position(NAMED, "4") == an_answer(2).position
    assert not (tmp_path.parent / "outside.parquet").exists()
    shutil.rmtree(tmp_path / "requests")
    worker.keep()
    assert {path.partition("/")[0] for path in shelf.listed()} == {"predictions"}


def test_a_file_that_cannot_be_read_is_no_empty_position(tmp_path: Path) -> None:
    kept = ReplayedParquet(tmp_path, paths={})
    kept.add(NAMED, "4", (an_answer(1),), position=an_answer(1).position)
    [file] = (tmp_path / "requests").rglob("*.parquet")
    file.write_bytes(b"torn")

    with pytest.raises(TelemetryUnavailableError):
        kept.position(NAMED, "4")


@pytest.mark.parametrize(
    ("answer", "path", "scores"),
    [
        ({"predictions": [0.5, 1, True, None, "0.5"]}, "", [0.5, 1.0, None, None, None]),
        ({"predictions": [{"risk": 0.2}, {}, 3]}, ".risk", [0.2, None, None]),
        ({"predictions": [[0.1, 0.9], [0.4]]}, "[1]", [0.9, None]),
        ({"predictions": [{"out": [{"p": 0.3}]}]}, ".out[0].p", [0.3]),
        ({"predictions": {"a": 1}}, "", []),
        (None, "", []),
    ],
)
def test_a_score_lies_where_the_settings_say(answer: Any, path: str, scores: list[float | None]) -> None:
    assert scores_of(answer, path) == scores


# The whole way -------------------------------------------------------------------------------------------------------


def test_a_shadow_run_compares_what_callers_got_with_what_the_version_says(duck: Table, tmp_path: Path) -> None:
    name = "score"
    table = replace(TABLE, model=name)
    duck.duck.connection.execute("UPDATE served_entities SET entity_name = 'score', entity_version = '1'")
    duck.write([row(n, at=NOON + timedelta(milliseconds=n)) for n in range(45)])
    clock, versions = FrozenClock(NOW), ServedVersions(table=ENTITIES)
    with a_scene(tmp_path / "scene", name) as scene:
        scene.platform.endpoints.slow_polls = 0
        scene.ready(name, "1", "2")
        generation = scene.serving.observe(name).generation
        scene.serving.set_mirror(name, "2", 100, expect_generation=generation, op="shadow")
        replayer = ShadowReplayer(
            serving=scene.serving,
            requests=PayloadLog(duck.warehouse, table, versions=versions, clock=clock),
            answers=ReplayedParquet(tmp_path / "replayed", paths={}),
            now=clock.now,
        )

        done = replayer.replay(name, limit=30, seconds=60)
        rest = replayer.replay(name, limit=100, seconds=60)

        sent = _asked(scene, name)
    telemetry = WithReplays(
        PayloadTelemetry(duck.warehouse, table, versions=versions, clock=clock),
        DuckDbTelemetry(tmp_path / "replayed", clock=clock),
    )
    cells = telemetry.since(name, NOON - timedelta(minutes=1), tick_seconds=15).cells

    assert (done.sent, rest.sent, rest.stopped) == (30, 15, "Every logged request was sent.")
    assert [body["client_request_id"] for body in sent] == [f"countersign-replay-r{n}" for n in range(45)]
    assert compared(tmp_path / "replayed", name, live="1", candidate="2").requests == 45
    assert {(cell.version, cell.role, cell.requests) for cell in cells} == {("1", "live", 45), ("2", "mirror", 45)}


def _asked(scene: Scene, name: str) -> list[Any]:
    invoked = scene.platform.endpoints.find(name).invoked
    return [body for _, _, body in invoked if str(body.get("client_request_id")).startswith("countersign-replay-")]
