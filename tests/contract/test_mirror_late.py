"""Rows of audit and lineage that arrive days after their day: found weekly, counted once, wherever it is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from services.adapters.sql.database import Database
from services.adapters.sql.mirror import SqlMirror
from services.kernel.clock import FrozenClock
from services.kernel.health import Health
from services.mirror.models import Late, Record
from services.mirror.service import MirrorService
from services.mirror.sources import chosen
from tests.contract.test_mirror_storage import Platform, at
from tests.unit.monitoring.facts_on_disk import with_tables

FRIDAY = datetime(2031, 3, 28, 12, tzinfo=UTC)
SUNDAY, MONDAY = FRIDAY + timedelta(days=2), FRIDAY + timedelta(days=3)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = with_tables(Database(database_url))
    yield made
    made.dispose()


def act(platform: Platform, key: str, day: date) -> None:
    values = {
        "day": day, "at": at(day), "workspace_id": "1", "service": "unityCatalog", "action": "setTag", "actor": "a",
        "run_by": "", "run_as": "", "acting_resource": "", "status": 200, "error": "", "parameters": "{}",
    }  # fmt: skip
    platform.held.setdefault("audit", []).append((day, Record(key=key, at=at(day), values=values)))


def copying(database: Database, platform: Platform, now: datetime) -> MirrorService:
    store = SqlMirror(database, at_once=2)
    return MirrorService(tables=platform, store=store, sources=chosen(("audit",)), clock=FrozenClock(now))


def copied(database: Database, late: int = 5) -> Platform:
    """Up to Friday; afterwards some rows arrive for days two to three weeks ago."""
    platform = Platform()
    for back in range(40):
        act(platform, f"r{back}", FRIDAY.date() - timedelta(days=back))
    copying(database, platform, FRIDAY).refresh()
    for number in range(late):
        act(platform, f"late{number}", FRIDAY.date() - timedelta(days=14 + number))
    return platform


def keys(database: Database) -> list[tuple[str, int]]:
    return sorted((row["key"], row["revision"]) for row in SqlMirror(database).newest("audit", 1000))


def test_what_arrived_late_is_found_by_the_first_copy_of_the_next_week_and_said(database: Database) -> None:
    platform = copied(database)
    assert copying(database, platform, SUNDAY).refresh() == 0
    assert SqlMirror(database).late() == {}

    assert copying(database, platform, MONDAY).refresh() == 5

    age = copying(database, platform, MONDAY).standing()[0]
    assert age.late == Late(rows=5, found_at=MONDAY)
    assert "5 rows arrived more than 3 days late, the newest of them found 31 Mar 2031." in age.sentence
    assert age.state is Health.HEALTHY
    assert age.copied.through == MONDAY.date()
    assert len(keys(database)) == 45


def test_the_same_week_reads_deep_once_and_the_next_adds_to_the_count(database: Database) -> None:
    platform = copied(database)
    copying(database, platform, MONDAY).refresh()
    act(platform, "later", FRIDAY.date() - timedelta(days=10))
    assert copying(database, platform, MONDAY + timedelta(hours=6)).refresh() == 0

    next_week = MONDAY + timedelta(days=7)
    assert copying(database, platform, next_week).refresh() == 1

    assert SqlMirror(database).late() == {"audit": Late(rows=6, found_at=next_week)}


def test_a_row_for_a_day_before_the_deep_reading_stays_missed(database: Database) -> None:
    platform = copied(database, late=0)
    act(platform, "too late", FRIDAY.date() - timedelta(days=31))
    assert copying(database, platform, MONDAY).refresh() == 0


def test_rows_of_the_last_days_are_not_late(database: Database) -> None:
    platform = copied(database, late=0)
    act(platform, "yesterday", FRIDAY.date() - timedelta(days=1))
    assert copying(database, platform, MONDAY).refresh() == 1
    assert SqlMirror(database).late() == {}


def killed_at(url: str, platform: Platform, statement: int) -> bool:
    """Whether the copy of Monday was still alive when this many statements had been sent."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            own, left = Database(url), [statement]

            def count(*_: Any) -> None:
                left[0] -= 1
                if left[0] <= 0:
                    os._exit(9)

            event.listen(own.writer_engine, "before_cursor_execute", count)
            copying(own, platform, MONDAY).refresh()
        except BaseException:  # noqa: BLE001 - a forked process must never return into the test run
            code = 1
        os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {0, 9}
    return os.waitstatus_to_exitcode(status) == 9


def test_killed_at_every_statement_of_the_weekly_reading_nothing_is_missed_or_counted_twice(
    database: Database,
) -> None:
    platform, url, kills = copied(database), database.url.render_as_string(hide_password=False), 0
    database.dispose()

    for statement in range(1, 100):
        if not killed_at(url, platform, statement):
            break
        kills += 1

    assert kills > 5
    assert SqlMirror(database).late()["audit"].rows == 5
    assert len(keys(database)) == 45
    assert {revision for _, revision in keys(database)} == {1}
    assert copying(database, platform, MONDAY).refresh() == 0
