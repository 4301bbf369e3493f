"""Data health, pipelines, months and endpoints of the fake room, judged by the real rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from services.data_health import impact, pipelines
from services.data_health.judging import judge, unknown_day
from services.data_health.models import (
    ColumnFact,
    Family,
    HealthDay,
    Hurt,
    PipelineHealth,
    PipelineRun,
    TableDay,
    TableHealth,
    Zones,
)
from services.data_health.rules import ColumnRule, TableRules
from services.data_health.service import ChangeRules
from services.data_health.standing import standings
from services.inventory.models import ServiceLevel
from services.kernel.errors import InputError
from services.kernel.health import Health, Signal
from services.kernel.identity import Actor
from services.reliability import months as by_month
from services.reliability.latency import bucket_of
from services.reliability.models import MonthsView, RequestSlot, Traffic
from services.reliability.slots import traffic
from tests.fakes.room_sample import HOSTILE, NOW, an_explanation

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

TODAY = NOW.date()
_COLUMNS = (
    ColumnRule(name="prediction_id", family=Family.TEXT),
    ColumnRule(
        name="birth_year", family=Family.NUMBER, most_missing=0.01, low=1920, high=2010, most_outside=0, stated=True
    ),
    ColumnRule(name="region", family=Family.TEXT, most_missing=0.05),
    ColumnRule(name="visits", family=Family.NUMBER, most_missing=0.02, low=0, high=120),
)
_TABLES = (
    ("claims_features", "Claims features", ("claims_triage",)),
    ("route_features", "Route features", ("delay_claim_score", "payout_forecast")),
    ("plan_features", "Plan features", ("plan_utilisation",)),
)


def _rules(table: str, typed: str) -> TableRules:
    return TableRules(
        table=table, time_column="event_at", zone="UTC", fresh_hours=36, deviations=4, columns=_COLUMNS,
        key=("prediction_id",), source="Derived from the first 28 days with rows.",
        revision=2, reason=typed or "Older members are insured since October.", changed_by=typed or "Dana Petrov",
        changed_at=NOW - timedelta(days=12),
    )  # fmt: skip


def _facts(table: str, day: date) -> TableDay:
    """A month of rows: one table loses a region on two days, another stopped two days ago."""
    n = 900 + 31 * (day.toordinal() % 7) + (day.toordinal() * 37 % 40)
    gone = 700 if table == "claims_features" and day >= TODAY - timedelta(days=2) else 4
    late = 300 if table == "claims_features" and day.day == 8 else n
    columns = (
        ColumnFact(name="prediction_id", family=Family.TEXT, type="VARCHAR", missing=0),
        ColumnFact(name="birth_year", family=Family.NUMBER, type="DOUBLE", missing=0, low=1931, high=2001),
        ColumnFact(name="region", family=Family.TEXT, type="VARCHAR", missing=gone),
        ColumnFact(
            name="visits", family=Family.NUMBER, type="DOUBLE", missing=0, low=0, high=80, outside=12 * (day.day == 3)
        ),
    )
    newest = NOW - (TODAY - day) * 1 - timedelta(hours=2)
    return TableDay(
        day=day, rows=late, all_rows=late, newest=newest, future=0, undated=0, zones=Zones.STATED, columns=columns,
        repeated=0,
    )  # fmt: skip


class FakeDataHealth:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self._judged: dict[str, tuple[HealthDay, ...]] = {}
        self.tables = room.measured(self._tables)
        self.days = room.measured(self._days)
        self.rules = room.measured(self._newest)
        self.revisions = room.measured(self._rules)
        self.pipelines = room.measured(self._pipelines)
        self.hurt = room.measured(self._hurt)
        self.signal = room.measured(self._signal)

    def change_rules(self, command: ChangeRules, *, actor: Actor) -> Any:
        return self._room.write(command)

    def _newest(self, table: str) -> TableRules:
        return self._rules(table)[0]

    @property
    def _typed(self) -> str:
        return HOSTILE if self._room.hostile else ""

    def _rules(self, table: str) -> tuple[TableRules, ...]:
        if table not in {name for name, *_ in _TABLES}:
            raise InputError(f"There is no feature table called {table!r}.")
        newest = _rules(table, self._typed)
        first = replace(newest, revision=1, reason="Derived when the table was first read.", changed_by="Countersign")
        return (newest, replace(first, changed_at=NOW - timedelta(days=90)))

    def _days(self, table: str, *, back: int = 60) -> tuple[HealthDay, ...]:
        if table not in self._judged:
            rules, start = self._rules(table)[0], TODAY - timedelta(days=100)
            stop = TODAY - timedelta(days=3 if table == "route_features" else 0)
            known = {day: _facts(table, day) for n in range(101) if (day := start + timedelta(days=n)) <= stop}
            span = [start + timedelta(days=n) for n in range(40, 101)]
            found = [judge(rules, day, known.get(day), known=known, now=NOW) for day in span]
            if table == "plan_features":
                found[-20:-17] = [unknown_day(rules, item.day, "The rows were not there.") for item in found[-20:-17]]
            self._judged[table] = tuple(found)
        return tuple(item for item in self._judged[table] if item.day >= TODAY - timedelta(days=back))

    def _tables(self) -> tuple[TableHealth, ...]:
        if self._room.mode == "empty":
            return ()
        return tuple(
            TableHealth(
                name=name,
                title=self._typed or title,
                owner="Dana Petrov",
                models=models,
                revision=2,
                standings=standings(self._days(name), self._rules(name)[0].kinds),
                last_day=max(item.day for item in self._days(name) if item.rows),
                checked_at=NOW - timedelta(minutes=3),
            )
            for name, title, models in _TABLES
        )

    def _runs(self) -> tuple[PipelineRun, ...]:
        if self._room.mode == "empty":
            return ()
        hours = range(1, 300)
        batch = [
            PipelineRun(
                pipeline="claims_triage/score", title="score claims", kind="batch job", run_id=f"c{n}",
                started_at=NOW - timedelta(hours=2 * n),
                finished_at=NOW - timedelta(hours=2 * n) + timedelta(minutes=4),
                ok=n != 40, on_time=n not in {40, 41, 90}, error="input file was empty" if n == 40 else "",
                models=("claims_triage",),
            )
            for n in hours
        ]  # fmt: skip
        built = [
            PipelineRun(
                pipeline="databricks:77:job:901", title=self._typed or "build route features", kind="job",
                run_id=f"r{n}", started_at=NOW - timedelta(hours=24 * n + 9),
                finished_at=NOW - timedelta(hours=24 * n + 8), ok=n > 1, on_time=None,
                error="run_execution_error" if n <= 1 else "", writes=("route_features",),
            )
            for n in range(28)
        ]  # fmt: skip
        return (*batch, *built)

    def _pipelines(self, *, days: int = 60) -> tuple[PipelineHealth, ...]:
        return pipelines.judged(self._runs(), days=days, now=NOW)

    def _hurt(self, model: str = "", *, tables: tuple[TableHealth, ...] | None = None) -> tuple[Hurt, ...]:
        edges = {(name, target) for name, _, models in _TABLES for target in models}
        last = {run.pipeline: run for run in sorted(self._runs(), key=lambda run: run.started_at)}
        found = impact.hurt(
            tables or self._tables(), self._pipelines(), runs=last, edges=edges, models={b for _, b in edges}
        )
        return tuple(item for item in found if not model or item.model == model)

    def _signal(self, model: str) -> Signal:
        first = next(iter(self._hurt(model)), None)
        if first is None:
            return Signal(state=Health.HEALTHY, value=0, unit="broken", sentence="Every rule of its tables is kept.")
        return Signal(state=first.state, value=1, unit="broken", sentence=first.sentence)


def _slots(back: int, version: str, slow: float) -> list[RequestSlot]:
    spread = [bucket_of(20 + n * slow) for n in range(100)]
    return [
        RequestSlot(
            start=NOW.replace(hour=0, minute=0) - timedelta(days=n), version=version, requests=2000,
            errors=60 if n == 33 else 3, injected=0, buckets=tuple(sorted(dict.fromkeys(spread, 19).items())),
        )
        for n in range(back)
    ]  # fmt: skip


def months(room: FakeRoom, model: str, back: int) -> MonthsView:
    level = ServiceLevel(p95_ms=120.0, error_rate=0.01)
    slots = [] if room.mode == "empty" else [*_slots(80, "3", 0.7), *_slots(12, "4", 1.4)]
    found = by_month.of_requests(slots, level, NOW)[:back]
    return MonthsView(
        model=model, level=level, months=found, explanation=an_explanation("Kept when p95 and errors are")
    )


def endpoints(room: FakeRoom, days: int) -> tuple[Traffic, ...]:
    if room.mode == "empty":
        return ()
    minutes = days * 1440.0
    name = HOSTILE if room.hostile else "delay_claim_score"
    old, new = _slots(days, "3", 0.7), _slots(days, "4", 1.4)
    return (
        traffic(name, "", [*old, *new], minutes=minutes, busiest=410),
        traffic(name, "3", old, minutes=minutes, busiest=None),
        traffic(name, "4", new, minutes=minutes, busiest=None),
    )
