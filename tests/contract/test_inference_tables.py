"""What reliability and value make of an inference table, in DuckDB and on a real Spark: the same, nothing made up."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from services import inference_tables
from services.adapters.sql.database import Database
from services.adapters.warehouse.payload_cubes import PayloadCubes
from services.adapters.warehouse.payload_requests import NEVER, PayloadPredictions, PayloadRequests
from services.adapters.warehouse.payload_tables import UNKNOWN, NotSoOften, PayloadTable, ServedVersions
from services.adapters.warehouse.reliability import DuckDbRequestFacts
from services.adapters.warehouse.routed import RoutedRequests
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.reliability.latency import bucket_of
from services.reliability.models import RequestSlot
from services.reliability.slots import coarser
from services.settings import Settings
from tests.contract.payload_log import ENTITIES, MODEL, NOON, TABLE, PayloadLog, hostile, row
from tests.contract.spark_warehouse import a_spark
from tests.unit.monitoring.facts_on_disk import requests, write

TODAY, YESTERDAY = NOON.date(), NOON.date() - timedelta(days=1)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if shutil.which("java") is None and not os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
        pytest.skip("Spark needs a Java runtime")
    with a_spark() as session:
        yield session


@pytest.fixture(params=["DuckDB", "Spark"])
def log(request: pytest.FixtureRequest) -> PayloadLog:
    session = request.getfixturevalue("spark") if request.param == "Spark" else None
    return PayloadLog(request.param, session)


@pytest.fixture
def duck() -> PayloadLog:
    return PayloadLog("DuckDB")


def requests_of(log: PayloadLog, table: PayloadTable = TABLE, **given: Any) -> PayloadRequests:
    return PayloadRequests(
        log.warehouse, table, versions=ServedVersions(table=ENTITIES), since=lambda: date(2031, 3, 1), **given
    )


def slots_of(log: PayloadLog, *days: date) -> dict[str, RequestSlot]:
    """Whole days by version."""
    found = requests_of(log).slots(MODEL, days or (YESTERDAY, TODAY), slot_minutes=5)
    return {slot.version: slot for slot in coarser([slot for _, slot in found], timedelta(days=10_000))}


# Reliability -------------------------------------------------------------------------------------------------------


def test_requests_are_counted_once_by_version_without_our_own(log: PayloadLog) -> None:
    log.write(hostile())

    found = slots_of(log)

    # 1, 2, 3, 4, 5, 10, 11, 12, 13 and the two without an id; not the probe, the replay, or the row without a time.
    assert {version: slot.requests for version, slot in found.items()} == {"3": 11, UNKNOWN: 2}
    assert {version: slot.errors for version, slot in found.items()} == {"3": 1, UNKNOWN: 1}
    assert dict(found["3"].buckets) == {bucket_of(10): 9, bucket_of(0): 1}


def test_a_sample_stands_for_more_and_is_no_more_evidence(log: PayloadLog) -> None:
    at = [NOON + timedelta(minutes=5 * n) for n in range(30)]
    log.write([row(n, at=moment, sampling_fraction=0.3) for n, moment in enumerate(at)])

    slots = [slot for _, slot in requests_of(log).slots(MODEL, (TODAY,), slot_minutes=5)]

    assert [slot.requests for slot in slots] == [1] * 30
    assert {slot.volume for slot in slots} == {3, 4}
    assert sum(slot.volume for slot in slots) == 100  # and not 90, as thirty times three would be


def test_a_table_without_sampling_estimates_nothing(log: PayloadLog) -> None:
    log.write([row(1), row(2, sampling_fraction=None)])

    (slot,) = slots_of(log).values()

    assert (slot.requests, slot.estimated, slot.volume) == (2, None, 2)


def test_a_version_of_another_model_on_the_endpoint_is_not_mistaken_for_one_of_ours(log: PayloadLog) -> None:
    log.write([row(1), row(2, served_entity_id="se3"), row(3, served_entity_id="se2")])

    assert set(slots_of(log)) == {"3", "4", "main.claims.other/7"}


def test_late_rows_change_their_day_and_a_day_that_did_not_change_keeps_its_mark(log: PayloadLog) -> None:
    log.write([row(1, at=NOON - timedelta(days=1)), row(2)])
    before = {part.day: part.fingerprint for part in requests_of(log).partitions()}
    log.write([row(1, at=NOON - timedelta(days=1)), row(2), row(3, at=NOON - timedelta(hours=1))])
    after = {part.day: part.fingerprint for part in requests_of(log).partitions()}

    assert set(before) == set(after) == {YESTERDAY, TODAY}
    assert before[YESTERDAY] == after[YESTERDAY]
    assert before[TODAY] != after[TODAY]


def test_an_empty_table_is_no_day_and_no_slot(log: PayloadLog) -> None:
    log.write([])

    assert requests_of(log).partitions() == ()
    assert slots_of(log) == {}


def test_the_warehouse_is_asked_every_ten_minutes_and_then_for_the_newest_days_alone(duck: PayloadLog) -> None:
    duck.write([row(1, at=NOON - timedelta(days=20)), row(2)])
    now, facts = [0.0], requests_of(duck)
    facts._seldom = NotSoOften(600.0, elapsed=lambda: now[0])

    first = facts.partitions()
    now[0] = 599.0
    again = facts.partitions()
    now[0] = 601.0
    later = facts.partitions()

    assert (len(first), again, len(later)) == (2, first, 1)
    assert len(duck.duck.asked) == 2


def test_a_table_that_does_not_answer_says_so_and_is_left_alone_for_a_minute(duck: PayloadLog) -> None:
    duck.write([row(1)])
    told: list[tuple[str, str]] = []
    now, facts = [0.0], requests_of(duck, looked=lambda model, error: told.append((model, error)))
    facts._seldom = NotSoOften(600.0, elapsed=lambda: now[0])
    duck.duck.down = "no answer"

    for at in (0.0, 30.0, 61.0):
        now[0] = at
        with pytest.raises(TelemetryUnavailableError, match="no answer"):
            facts.partitions()
    with pytest.raises(TelemetryUnavailableError):
        facts.slots(MODEL, (NEVER,), slot_minutes=5)
    duck.duck.down, now[0] = "", 130.0

    assert len(facts.partitions()) == 1
    assert [error != "" for _, error in told] == [True, True, False]


def test_a_warehouse_that_starts_holds_nobody_up_and_its_answer_is_there_at_the_next_look() -> None:
    answered, asked = Event(), list[int]()

    def ask() -> str:
        asked.append(1)
        answered.wait(10)
        return "counts"

    seldom = NotSoOften(600.0, patience=0.05)
    for _ in range(2):
        with pytest.raises(TelemetryUnavailableError, match="still being asked"):
            seldom("key", ask)
    answered.set()
    patient = replace(seldom, patience=10.0)

    assert (patient("key", ask), seldom("key", ask), len(asked)) == ("counts", "counts", 1)


def test_an_answer_to_less_than_is_asked_is_not_taken() -> None:
    seldom = NotSoOften(600.0, patience=10.0)

    first = seldom("key", lambda: 5)
    more = seldom("key", lambda: 9, still=lambda found: found >= 9)

    assert (first, more, seldom("key", lambda: 0)) == (5, 9, 9)


def test_a_served_entity_gets_its_name_when_the_platform_knows_it(duck: PayloadLog) -> None:
    duck.write([row(1, served_entity_id="new")])
    now = [0.0]
    versions = ServedVersions(table=ENTITIES, elapsed=lambda: now[0])
    facts = PayloadRequests(duck.warehouse, TABLE, versions=versions, since=lambda: date(2031, 3, 1))

    def seen() -> str:
        return facts.slots(MODEL, (TODAY,), slot_minutes=5)[0][1].version

    before = seen()
    duck.duck.connection.execute(f"INSERT INTO served_entities VALUES ('new', '{MODEL}', '9', now())")
    soon = seen()
    now[0] = 61.0

    assert (before, soon, seen()) == (UNKNOWN, UNKNOWN, "9")


def test_only_a_model_whose_table_is_named_is_asked_of_it(duck: PayloadLog, tmp_path: Path) -> None:
    duck.write([row(1)])
    for name in (MODEL, "other"):
        write(tmp_path, "requests", name, TODAY, requests(TODAY, np.full(5, 50.0), deployment=name))
    facts = RoutedRequests(DuckDbRequestFacts(tmp_path), {MODEL: requests_of(duck)})

    def counted(name: str) -> int:
        return sum(slot.requests for _, slot in facts.slots(name, (TODAY,), slot_minutes=60))

    assert sorted((part.owner, part.day) for part in facts.partitions()) == [(MODEL, TODAY), ("other", TODAY)]
    assert (counted(MODEL), counted("other")) == (1, 5)
    duck.duck.down = "no answer"
    away = RoutedRequests(DuckDbRequestFacts(tmp_path), {MODEL: requests_of(duck)})
    assert sorted((part.owner, part.day) for part in away.partitions()) == [(MODEL, NEVER), ("other", TODAY)]


def test_what_reads_the_tables_is_built_without_asking_anybody(tmp_path: Path) -> None:
    named = {MODEL: {"payload": {"table": "main.serving.score_payload", "every_minutes": 30}}}
    settings = Settings(home=tmp_path, databricks_warehouse="abc", databricks_tables=json.dumps(named))
    database, clock = Database(f"sqlite:///{tmp_path / 'governance.db'}"), FrozenClock(NOON)

    built = (
        inference_tables.requests(settings, database, clock), inference_tables.predictions(settings, clock),
        inference_tables.telemetry(settings, clock), inference_tables.answers(settings, clock),
        inference_tables.shadows(settings, database), inference_tables.cubes(settings, database),
        inference_tables.lags(settings),
    )  # fmt: skip

    assert [set(part) for part in built] == [{MODEL}] * 7
    assert inference_tables.sources(settings)[MODEL].stale == timedelta(minutes=80)
    assert inference_tables.lags(settings)[MODEL] == timedelta(minutes=62)
    assert (
        inference_tables.replay(settings, database, object(), clock) is None
    )  # nothing of Databricks answers callers here
    assert inference_tables.replay(Settings(home=tmp_path), database, object(), clock) is None


# Value -------------------------------------------------------------------------------------------------------------


def test_predictions_are_counted_by_day_and_version(log: PayloadLog) -> None:
    log.write(hostile())
    facts = PayloadPredictions(
        log.warehouse, TABLE, versions=ServedVersions(table=ENTITIES), since=lambda: date(2031, 3, 1)
    )

    found = {
        (item.day, item.version): item.predicted for item in facts.labelled_days(MODEL, (YESTERDAY, TODAY), scores=True)
    }

    # Today: three at one in four, one each for two that cannot be read, three, and one each without an id.
    # Yesterday: two, none, and one that cannot be read.
    assert found == {(TODAY, "3"): 12 + 2 + 3 + 2, (TODAY, UNKNOWN): 1, (YESTERDAY, "3"): 2 + 0 + 1}


def test_scores_are_counted_by_day_and_version_for_the_rates_of_reviews(log: PayloadLog) -> None:
    log.write(hostile())
    sketched = {
        ("predictions", MODEL, TODAY): "f",
        ("predictions", "another", TODAY): "f",
        ("labels", MODEL, TODAY): "",
    }
    cubes = PayloadCubes(log.warehouse, TABLE, versions=ServedVersions(table=ENTITIES), sketched=lambda: sketched)

    found = {(item.day, item.version): item for item in cubes.scored(MODEL, (YESTERDAY, TODAY), scores=True, slices=())}

    # Of version 3 today: three scores of request 1, two answers that cannot be read, three that are no numbers, and
    # one score each of the two without an id. Yesterday: two arrays and an answer that cannot be read.
    assert {key: (item.predicted, item.unscored) for key, item in found.items()} == {
        (TODAY, "3"): (10, 5), (TODAY, UNKNOWN): (1, 1), (YESTERDAY, "3"): (3, 3),
    }  # fmt: skip
    assert dict(zip(found[TODAY, "3"].bins.tolist(), found[TODAY, "3"].counts.tolist(), strict=True)) == {
        100: 1, 500: 2, 550: 1, 900: 1,
    }  # fmt: skip
    assert [part.day for part in cubes.partitions()] == [TODAY]
    assert cubes.arrived(MODEL, (TODAY,), scores=True, slices=()) == ()


def test_two_served_entities_of_one_version_are_one(duck: PayloadLog) -> None:
    duck.duck.connection.execute("UPDATE served_entities SET entity_version = '3' WHERE served_entity_id = 'se2'")
    duck.write(
        [row(1), row(2, served_entity_id="se2"), row(3, served_entity_id="se2", response='{"predictions": [0.2]}')]
    )
    cubes = PayloadCubes(duck.warehouse, TABLE, versions=ServedVersions(table=ENTITIES), sketched=dict)

    [day] = cubes.scored(MODEL, (TODAY,), scores=True, slices=())

    assert (day.version, day.predicted, day.bins.tolist(), day.counts.tolist()) == ("3", 3, [200, 500], [1, 2])


def test_predictions_have_no_reference_and_say_why_their_table_cannot_be_read(duck: PayloadLog) -> None:
    duck.write([row(1)])
    facts = PayloadPredictions(
        duck.warehouse, TABLE, versions=ServedVersions(table=ENTITIES), since=lambda: date(2031, 3, 1)
    )

    assert facts.fit_reference(MODEL, "d") is None
    duck.duck.down = "no answer"
    away = PayloadPredictions(
        duck.warehouse, replace(TABLE), versions=ServedVersions(table=ENTITIES), since=lambda: date(2031, 3, 1)
    )
    with pytest.raises(TelemetryUnavailableError, match="no answer"):
        away.fit_reference(MODEL, "d")
