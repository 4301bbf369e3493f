"""Data rules, days, runs and promises by month are kept the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.adapters.sql.data_health import SqlDataHealth
from services.adapters.sql.database import Database
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.reliability import SqlReliability
from services.data_health.models import (
    ColumnFact,
    Family,
    HealthDay,
    PipelineRun,
    RuleKind,
    RuleResult,
    TableDay,
    Zones,
)
from services.data_health.rules import ColumnRule, TableRules
from services.inventory.facts import Partition
from services.kernel.health import Health
from services.monitoring.models import JobRun
from services.reliability.models import RequestCount, RequestSlot
from tests.unit.monitoring.facts_on_disk import with_tables

AT = datetime(2031, 3, 31, 12, 0, 0, 123456, tzinfo=UTC)
DAY = date(2031, 3, 31)
RULES = TableRules(
    table="t", time_column="event_at", zone="Europe/Berlin", fresh_hours=36, deviations=None,
    columns=(ColumnRule(name="é", family=Family.NUMBER, most_missing=0.1, low=None, high=3.5, stated=True),),
    key=("é",), source="Derived.", revision=1, reason="First.", changed_by="Dana", changed_at=AT,
)  # fmt: skip


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = with_tables(Database(database_url))
    yield made
    made.dispose()


def test_rules_days_and_results_come_back_as_they_were(database: Database) -> None:
    store = SqlDataHealth(database)
    facts = TableDay(
        day=DAY, rows=3, all_rows=4, newest=AT, future=1, undated=0, zones=Zones.MIXED, repeated=None,
        columns=(ColumnFact(name="é", family=Family.NUMBER, type="DOUBLE", missing=1, low=-1e300, high=0.1),),
    )  # fmt: skip
    told = RuleResult(kind=RuleKind.NULLS, state=Health.WATCH, sentence="é", n=4, value=0.25, settled=False)
    judged = HealthDay(table="t", day=DAY, revision=1, results=(told,), rows=None)

    assert store.add_rules(RULES)
    for _ in range(2):
        store.put_days("t", {DAY: ("f1", facts)})
        store.put_results("t", (judged,), at=AT)
        store.record_check("t", at=AT, problem="none")

    assert store.rules("t") == RULES
    assert (store.days("t", DAY), store.days("t", DAY + timedelta(days=1))) == ((facts,), ())
    assert store.results("t", DAY) == (judged,)
    assert (store.fingerprints("t"), store.checked()) == ({DAY: "f1"}, {"t": (AT, "none")})


def test_a_revision_is_added_once_and_waits_for_its_entry(database: Database) -> None:
    store = SqlDataHealth(database)
    second = replace(RULES, revision=2, reason="Second.")

    assert store.add_rules(RULES)
    assert store.add_rules(second)
    assert not store.add_rules(replace(second, reason="Too late."))
    assert not store.add_rules(RULES)

    assert [item.reason for item in store.revisions("t")] == ["Second.", "First."]
    store.set_entry("t", 1, 7)
    assert store.unrecorded() == (second,)


def test_copied_runs_and_recorded_jobs_are_told_together(database: Database) -> None:
    store = SqlDataHealth(database)
    run = PipelineRun(
        pipeline="p", title="Build", kind="job", run_id="1", started_at=AT, finished_at=AT + timedelta(hours=1),
        ok=False, on_time=None, error="é", aside=True, writes=("a", "b"), models=(), known_to=AT, copied_at=AT,
    )  # fmt: skip
    job = JobRun(
        job="score", model="m", version="1", window_start=AT, started_at=AT, finished_at=AT, rows=1, ok=True,
        on_time=False,
    )  # fmt: skip
    SqlMonitoring(database).replace_jobs("m", ((DAY, job),), ())
    for _ in range(2):
        store.replace_runs("s", AT - timedelta(days=1), (run,), at=AT)
    store.replace_runs("s", AT + timedelta(days=1), (), at=AT)

    own, copied = store.runs(AT - timedelta(days=2))

    assert copied == run
    assert (own.pipeline, own.on_time, own.models) == ("m/score", False, ("m",))
    assert SqlReliability(database).batch_months("m", AT - timedelta(days=40))[0].month == date(2031, 3, 1)


def test_days_hours_and_counters_are_replaced_by_partition(database: Database) -> None:
    store = SqlReliability(database)
    hour = AT.replace(minute=0, second=0, microsecond=0)
    slot = RequestSlot(start=hour, version="1", requests=3, errors=1, injected=0, buckets=((5, 2),))
    day = replace(slot, start=hour.replace(hour=0))
    read = (Partition(source="requests", owner="d", day=DAY, fingerprint="f"),)
    for _ in range(2):
        store.replace_slots(
            "d",
            ((DAY, slot), (DAY, replace(slot, version="2"))),
            read,
            counts=((DAY, RequestCount(start=hour, requests=6, errors=2)),),
            days=((DAY, day), (DAY, replace(day, version="2"))),
        )

    assert store.counts("d", hour, AT) == (RequestCount(start=hour, requests=6, errors=2),)
    assert store.days(day.start, AT) == {"d": (day, replace(day, version="2"))}
    assert store.busiest_hours(day.start, AT) == {"d": 6}
    assert [item.version for item in store.slots("d", hour, AT)] == ["1", "2"]
