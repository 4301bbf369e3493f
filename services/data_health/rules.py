"""The rules of one feature table as a document: derived from what the table was, edited by people, kept by revision.

    derived(table, reference)   # sensible limits from the reference rows or the first weeks
    rules.words(RuleKind.NULLS) # the rule as a sentence

How the limits are derived. Missing values: twice the share of the reference and one and a half times the worst of the
first days, plus one point, so that a column that was never empty may be empty in one row of a hundred. Range: the span
seen, widened by twice itself on both sides, because a first winter does not know the summer; a quantity that was never
negative stays so; one row in a hundred may lie outside, and bounds that nobody stated are watched, never a breach.
Freshness: one and a half times the widest gap between days with rows, at least 36 hours. What the catalog declares goes
before what was derived, and is held without tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.data_health.models import ColumnFact, Family, RuleKind, TableDay
from services.inventory import tables as declared
from services.inventory.tables import FeatureTable
from services.kernel.errors import InputError

FIRST_DAYS = 28
"""Days with rows that a table without a reference shows before its rules are derived; fourteen are enough."""
LEAST_FIRST_DAYS = 14
DEVIATIONS = 4.0
"""Robust standard deviations that the rows of a day may be away from those of the same weekday."""
_BOOKKEEPING = frozenset({"date", "model", "deployment"})
_NOT_INPUTS = frozenset(
    {"prediction_id", "request_id", "version", "role", "event_at", "logged_at", "entity", "label", "score"}
)
"""Columns of the record itself: they have to be there, but the limits of inputs are not theirs."""
_MOST_OUTSIDE = 0.01
_ROOM = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRule:
    """`most_missing` and `most_outside` are shares; None means that the column is not held to it."""

    name: str
    family: Family
    most_missing: float | None = None
    low: float | None = None
    high: float | None = None
    most_outside: float = _MOST_OUTSIDE
    stated: bool = False
    """Bounds that somebody stated; derived ones are watched only."""

    @property
    def bounded(self) -> bool:
        return self.low is not None or self.high is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRules:
    """`revision` 0 is not saved yet. `zone`: where the days of the table begin."""

    table: str
    time_column: str
    zone: str
    fresh_hours: float | None
    deviations: float | None
    columns: tuple[ColumnRule, ...]
    key: tuple[str, ...]
    source: str
    """Where the limits come from, in words."""
    revision: int = 0
    reason: str = ""
    changed_by: str = ""
    changed_at: datetime | None = None

    def column(self, name: str) -> ColumnRule | None:
        return next((item for item in self.columns if item.name == name), None)

    @property
    def kinds(self) -> tuple[RuleKind, ...]:
        """The rules that are in force, in the order of `RuleKind`."""
        there = {
            RuleKind.FRESHNESS: self.fresh_hours is not None,
            RuleKind.VOLUME: self.deviations is not None,
            RuleKind.SCHEMA: bool(self.columns),
            RuleKind.NULLS: any(item.most_missing is not None for item in self.columns),
            RuleKind.RANGE: any(item.bounded for item in self.columns),
            RuleKind.UNIQUE: bool(self.key),
        }
        return tuple(kind for kind in RuleKind if there[kind])

    def words(self, kind: RuleKind) -> str:
        if kind is RuleKind.FRESHNESS:
            return f"The newest {self.time_column} is at most {self.fresh_hours or 0:g} hours old."
        if kind is RuleKind.VOLUME:
            return (
                f"The rows of a day are within {self.deviations or 0:g} robust deviations of the median of the same "
                "weekday in the eight weeks before."
            )
        if kind is RuleKind.SCHEMA:
            return f"{len(self.columns)} columns are there with their types, and no other."
        if kind is RuleKind.NULLS:
            limited = [item for item in self.columns if item.most_missing is not None]
            return f"{len(limited)} columns are missing in at most their share of rows."
        if kind is RuleKind.RANGE:
            return f"{sum(item.bounded for item in self.columns)} columns stay within their bounds."
        return f"{', '.join(self.key)} is unique within a day."


def derived(table: FeatureTable, reference: TableDay | None, first: Sequence[TableDay]) -> TableRules | None:
    """None while there is neither a reference nor enough days with rows."""
    days = sorted((item for item in first if item.rows), key=lambda item: item.day)[:FIRST_DAYS]
    dated = table.is_dated
    if reference is None and dated and len(days) < LEAST_FIRST_DAYS:
        return None
    if reference is None and not days:
        return None
    shape = _merged(days or [item for item in (reference,) if item is not None])
    known = reference if reference is not None and reference.rows else None
    columns = tuple(
        _column(fact, known, days, of_record=not table.table)
        for fact in shape.columns
        if table.table or fact.name not in _BOOKKEEPING
    )
    words = "the reference rows of the model and " if known else ""
    words += f"the first {len(days)} days with rows" if days else "nothing else"
    rules = TableRules(
        table=table.name,
        time_column=_time_column(table, columns),
        zone="UTC",
        fresh_hours=_fresh_hours([item.day for item in days]) if dated else None,
        deviations=DEVIATIONS if dated else None,
        columns=columns,
        key=(),
        source=f"Derived from {words}; what the catalog declares goes before.",
    )
    return _with_declared(rules, table)


def _merged(days: Sequence[TableDay]) -> TableDay:
    """All rows of these days as one; columns that are not there every day are left out."""
    names = [fact.name for fact in days[0].columns if all(day.column(fact.name) for day in days)]
    columns = []
    for name in names:
        facts = [fact for day in days if (fact := day.column(name)) is not None]
        # A column that was empty on some day has no type of its own there.
        told = next((f for f, day in zip(facts, days, strict=True) if f.missing < day.all_rows), facts[0])
        lows, highs = [f.low for f in facts if f.low is not None], [f.high for f in facts if f.high is not None]
        columns.append(
            replace(
                told,
                missing=sum(f.missing for f in facts),
                low=min(lows, default=None),
                high=max(highs, default=None),
            )
        )
    return replace(
        days[0],
        rows=sum(day.rows for day in days),
        all_rows=sum(day.all_rows for day in days),
        columns=tuple(columns),
    )


def _column(fact: ColumnFact, reference: TableDay | None, days: Sequence[TableDay], *, of_record: bool) -> ColumnRule:
    """`of_record`: the table is a record of predictions, some columns of which are no inputs."""
    if of_record and fact.name in _NOT_INPUTS:
        return ColumnRule(name=fact.name, family=fact.family)
    known = reference.column(fact.name) if reference else None
    seen = [fact, *([known] if known else [])]
    limits = [0.01 + 2 * known.missing / reference.all_rows] if known and reference else []
    shares = [item.missing / day.all_rows for day in days if (item := day.column(fact.name)) and day.all_rows]
    limits += [0.01 + 1.5 * max(shares)] if shares else []
    always_empty = bool(shares) and min(shares) >= 1
    lows, highs = [f.low for f in seen if f.low is not None], [f.high for f in seen if f.high is not None]
    low = high = None
    if fact.family is Family.NUMBER and lows and highs and max(highs) > min(lows):
        room = _ROOM * (max(highs) - min(lows))
        low = max(min(lows) - room, 0.0) if min(lows) >= 0 else min(lows) - room
        high = max(highs) + room
    return ColumnRule(
        name=fact.name,
        family=fact.family,
        most_missing=None if always_empty or not limits else min(1.0, round(max(limits), 4)),
        low=low,
        high=high,
    )


def _time_column(table: FeatureTable, columns: Sequence[ColumnRule]) -> str:
    named = next((rule.columns[0] for rule in table.rules if rule.kind is declared.RuleKind.FRESHNESS), "")
    times = [item.name for item in columns if item.family is Family.TIME]
    return named or table.time or ("event_at" if table.recorded else next(iter(times), ""))


def _fresh_hours(days: Sequence[date]) -> float:
    gaps = [(later - earlier).days for earlier, later in pairwise(sorted(days))]
    return max(36.0, 24 * 1.5 * max(gaps, default=1))


def _with_declared(rules: TableRules, table: FeatureTable) -> TableRules:
    columns = {item.name: item for item in rules.columns}
    for rule in table.rules:
        first = rule.columns[0]
        known = columns.get(first)
        if rule.kind is declared.RuleKind.FRESHNESS:
            rules = replace(rules, fresh_hours=rule.limit)
        elif rule.kind is declared.RuleKind.UNIQUE:
            rules = replace(rules, key=rule.columns)
        elif known is not None and rule.kind is declared.RuleKind.NULLS:
            columns[first] = replace(known, most_missing=rule.limit)
        elif known is not None and rule.kind is declared.RuleKind.RANGE:
            columns[first] = replace(known, low=rule.low, high=rule.high, most_outside=0.0, stated=True)
    return replace(rules, columns=tuple(columns.values()))


def require_sense(rules: TableRules) -> None:
    """Raises InputError for limits that no table can keep or break."""
    if rules.fresh_hours is not None and not 0 < rules.fresh_hours <= 24 * 400:
        raise InputError("The age limit is a number of hours above zero.", hint="A daily table: 36. A weekly one: 204.")
    if rules.deviations is not None and not 1 <= rules.deviations <= 20:
        raise InputError("Deviations lie between 1 and 20.", hint="4 calls for about one false alarm in many years.")
    try:
        ZoneInfo(rules.zone)
    except (ZoneInfoNotFoundError, ValueError) as unknown:
        raise InputError(f"{rules.zone!r} is not a time zone.", hint="Use a name such as Europe/Berlin.") from unknown
    names = [item.name for item in rules.columns]
    if len(names) != len(set(names)):
        raise InputError("A column is named twice.", hint="One line per column.")
    missing = [name for name in rules.key if name not in names]
    if missing:
        raise InputError(f"The key names {missing[0]!r}, which is not a column.", hint="Choose among the columns.")
    for item in rules.columns:
        _require_column(item)


def _require_column(item: ColumnRule) -> None:
    shares = [item.most_outside, *([item.most_missing] if item.most_missing is not None else [])]
    if not all(0 <= share <= 1 for share in shares):
        raise InputError(f"A share of {item.name} is not between 0 and 1.", hint="5 % is 0.05.")
    if item.low is not None and item.high is not None and item.low > item.high:
        raise InputError(f"The bounds of {item.name} are the wrong way round.", hint="The lower one comes first.")
    if item.bounded and item.family is not Family.NUMBER:
        raise InputError(f"{item.name} is not a number and has no range.", hint="Take the bounds away.")


def changes(before: TableRules, after: TableRules) -> tuple[str, ...]:
    """What differs between two revisions, one sentence each."""
    said = [
        f"{title}: {old if old is not None else 'none'} → {new if new is not None else 'none'}"
        for title, old, new in (
            ("Age limit in hours", before.fresh_hours, after.fresh_hours),
            ("Deviations of the volume", before.deviations, after.deviations),
            ("Time column", before.time_column, after.time_column),
            ("Time zone", before.zone, after.zone),
            ("Key", ", ".join(before.key) or None, ", ".join(after.key) or None),
        )
        if old != new
    ]
    old_columns, new_columns = ({item.name: item for item in rules.columns} for rules in (before, after))
    said += [f"Column {name}: no longer expected" for name in old_columns if name not in new_columns]
    said += [f"Column {name}: expected" for name in new_columns if name not in old_columns]
    said += [
        f"Column {name}: {_limits(old_columns[name])} → {_limits(item)}"
        for name, item in new_columns.items()
        if name in old_columns and old_columns[name] != item
    ]
    return tuple(said)


def _limits(item: ColumnRule) -> str:
    missing = "missing unlimited" if item.most_missing is None else f"missing at most {item.most_missing:.1%}"
    if not item.bounded:
        return f"{item.family}, {missing}"
    low, high = ("any" if bound is None else f"{bound:g}" for bound in (item.low, item.high))
    return f"{item.family}, {missing}, {low} to {high} but for {item.most_outside:.1%}"
