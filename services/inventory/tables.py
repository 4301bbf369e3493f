"""Feature tables: who answers for them, what they hold, and whether their rows keep the declared rules. Pure.

A rule that nobody could check is not kept: it is `unknown`, and so is its table. An empty table says nothing about
its ranges either; only its freshness is broken then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from services.kernel.health import Health

ASKED_EVERY = timedelta(minutes=15)
"""A warehouse costs money while it is awake: tables that lie in one are not looked at more often."""


class RuleKind(StrEnum):
    FRESHNESS = "freshness"
    NULLS = "nulls"
    RANGE = "range"
    UNIQUE = "unique"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRule:
    """`limit`: hours for freshness, share of rows for nulls. `low` and `high` bound a range, both included."""

    id: str
    kind: RuleKind
    columns: tuple[str, ...]
    limit: float = 0.0
    low: float | None = None
    high: float | None = None

    @property
    def words(self) -> str:
        column = ", ".join(self.columns)
        if self.kind is RuleKind.FRESHNESS:
            return f"Newest {column} at most {self.limit:g} hours old"
        if self.kind is RuleKind.NULLS:
            return f"{column} missing in at most {self.limit:.0%} of rows" if self.limit else f"{column} never missing"
        if self.kind is RuleKind.RANGE:
            return f"{column} from {_bound(self.low)} to {_bound(self.high)}"
        return f"{column} unique"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTable:
    """Rows are the recorded inputs of model `recorded`, the data file `file`, or the table `table` of Unity Catalog.

    `days`: how far back declared rules look. `time`: column that puts a row of `table` on its day; without one the
    table has no days and is looked at as a whole. `written`: when a row was last written, where its files do not tell
    that, as with a view.
    """

    name: str
    title: str
    owner: str
    documentation: str
    models: tuple[str, ...]
    rules: tuple[QualityRule, ...]
    recorded: str = ""
    days: int = 30
    file: str = ""
    table: str = ""
    """Catalog, schema and table, with dots."""
    time: str = ""
    written: str = ""

    @property
    def is_dated(self) -> bool:
        """Whether rows belong to days, so that their number and age can be judged."""
        return bool(self.recorded or (self.table and self.time))


class FeatureTableSource(Protocol):
    """Embedded: the catalog file. On Databricks: Unity Catalog tables with their owners, comments and monitors."""

    def tables(self) -> tuple[FeatureTable, ...]:
        """Raises UnavailableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the rows say about one rule. `value`: newest time, missing share, rows outside, or rows too many.

    `problem` says why nothing could be measured, for example a column that is not there.
    """

    rule: str
    rows: int
    value: float | None = None
    newest: datetime | None = None
    problem: str = ""


class TableFacts(Protocol):
    def measure(self, table: FeatureTable, *, now: datetime) -> tuple[Measured, ...]:
        """One answer per rule, counted where the rows are. Raises TelemetryUnavailableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    rule: str
    words: str
    state: Health
    sentence: str
    rows: int
    checked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTable:
    """A table with its last results; `state` is the worst of them, unknown when one rule was not checked."""

    table: FeatureTable
    results: tuple[RuleResult, ...]

    @property
    def state(self) -> Health:
        states = {item.state for item in self.results}
        return next((state for state in (Health.BREACH, Health.UNKNOWN) if state in states), _otherwise(states))

    @property
    def checked_at(self) -> datetime | None:
        times = [item.checked_at for item in self.results if item.checked_at]
        return min(times) if times else None

    @property
    def failing(self) -> tuple[RuleResult, ...]:
        return tuple(item for item in self.results if item.state is Health.BREACH)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why somebody should not rely on this table, in words."""
        missing = [] if self.table.owner else ["It has no owner."]
        missing += [] if self.table.documentation else ["It is not documented."]
        missing += [] if self.table.rules else ["It declares no data-quality rule."]
        broken = [f"{item.words}: {item.sentence}" for item in self.failing]
        unknown = [item for item in self.results if item.state is Health.UNKNOWN]
        unchecked = [f"{len(unknown)} of {len(self.results)} rules could not be checked."] if unknown else []
        return (*missing, *broken, *unchecked)


def judge(table: FeatureTable, measured: Sequence[Measured], *, now: datetime) -> tuple[RuleResult, ...]:
    """One result per declared rule, in its order; a rule without an answer is unknown."""
    found: Mapping[str, Measured] = {item.rule: item for item in measured}
    return tuple(_result(rule, found.get(rule.id), now) for rule in table.rules)


def unchecked(table: FeatureTable, sentence: str = "Not checked yet.") -> tuple[RuleResult, ...]:
    return tuple(
        RuleResult(rule=rule.id, words=rule.words, state=Health.UNKNOWN, sentence=sentence, rows=0, checked_at=None)
        for rule in table.rules
    )


def _result(rule: QualityRule, measured: Measured | None, now: datetime) -> RuleResult:
    if measured is None:
        state, sentence = Health.UNKNOWN, "Not checked yet."
    elif measured.problem:
        state, sentence = Health.UNKNOWN, measured.problem
    else:
        state, sentence = _judged(rule, measured, now)
    rows = measured.rows if measured else 0
    return RuleResult(
        rule=rule.id, words=rule.words, state=state, sentence=sentence, rows=rows, checked_at=now if measured else None
    )


def _judged(rule: QualityRule, measured: Measured, now: datetime) -> tuple[Health, str]:
    if rule.kind is RuleKind.FRESHNESS:
        if measured.newest is None:
            return Health.BREACH, "There is no row."
        age = now - measured.newest
        state = Health.BREACH if age > timedelta(hours=rule.limit) else Health.HEALTHY
        return state, f"The newest row is {_hours(age)} old."
    if not measured.rows or measured.value is None:
        return Health.UNKNOWN, "There is no row to check."
    of_rows = f"of {measured.rows:,} rows"
    if rule.kind is RuleKind.NULLS:
        share = measured.value / measured.rows
        return _kept(good=share <= rule.limit), f"Missing in {measured.value:,.0f} {of_rows} ({share:.1%})."
    words = "outside" if rule.kind is RuleKind.RANGE else "repeated"
    return _kept(good=measured.value == 0), f"{measured.value:,.0f} {of_rows} {words}."


def _kept(*, good: bool) -> Health:
    return Health.HEALTHY if good else Health.BREACH


def _otherwise(states: set[Health]) -> Health:
    return Health.HEALTHY if states else Health.UNKNOWN


def _hours(age: timedelta) -> str:
    hours = max(age.total_seconds(), 0.0) / 3600
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
