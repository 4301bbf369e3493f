"""What is asked about the days of a feature table, and what the answer says: the same for files and for a warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.adapters.warehouse.duckdb import at_microseconds
from services.adapters.warehouse.statements.tables import AskedColumn, AskedTable, TimeKind
from services.data_health.models import ColumnFact, Family, TableDay, Zones
from services.data_health.rules import ColumnRule, TableRules

_AHEAD = timedelta(minutes=5)
"""Clocks of writers may be this far ahead; later times are in the future."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedColumn:
    """`type` as its engine names it; `may_be_nan`: a kind of number that may be NaN or infinite."""

    name: str
    family: Family
    type: str
    may_be_nan: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One statement; `columns` in the order of the answer. `zones`: what the types alone say about zones."""

    table: AskedTable
    columns: tuple[TypedColumn, ...]
    zones: Zones


def asked_of(
    columns: Sequence[TypedColumn],
    rules: TableRules | None,
    *,
    now: datetime,
    time: str,
    time_kind: TimeKind,
    zones: Zones,
    role: str = "",
) -> Asked:
    """`role`: column that says whether a row is live. A key is asked about where all of it is there."""
    there = {column.name for column in columns}
    table = AskedTable(
        columns=tuple(_column(column, rules.column(column.name) if rules else None) for column in columns),
        time=time,
        time_kind=time_kind,
        latest=int((now + _AHEAD - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)),
        key=rules.key if rules and there.issuperset(rules.key) else (),
        role=role,
    )
    return Asked(table=table, columns=tuple(columns), zones=zones)


def _column(column: TypedColumn, rule: ColumnRule | None) -> AskedColumn:
    if column.family is not Family.NUMBER:
        return AskedColumn(name=column.name, number=False)
    low, high = (rule.low, rule.high) if rule else (None, None)
    return AskedColumn(name=column.name, number=True, broken=column.may_be_nan, low=low, high=high)


def counted_day(day: date, answer: Sequence[Any], asked: Asked) -> TableDay:
    """`answer`: a row of `day_facts` without its day."""
    n, live, newest, future, undated, zoned, unzoned, repeated, *cells = answer
    zones = asked.zones
    if zones is Zones.NONE and (zoned or unzoned):
        zones = Zones.MIXED if zoned and unzoned else Zones.STATED if zoned else Zones.SILENT
    columns = tuple(
        ColumnFact(
            name=item.name, family=item.family, type=item.type, missing=int(cells[at] or 0), low=_number(cells[at + 1]),
            high=_number(cells[at + 2]), outside=int(cells[at + 3] or 0),
        )
        for at, item in zip(range(0, len(cells), 4), asked.columns, strict=True)
    )  # fmt: skip
    return TableDay(
        day=day, rows=int(live or 0), all_rows=int(n), newest=None if newest is None else at_microseconds(newest),
        future=int(future or 0), undated=int(undated or 0), zones=zones, columns=columns,
        repeated=None if repeated is None else int(repeated),
    )  # fmt: skip


def empty_day(day: date, asked: Asked) -> TableDay:
    """A table without a row still says which columns it has."""
    columns = tuple(ColumnFact(name=item.name, family=item.family, type=item.type, missing=0) for item in asked.columns)
    return TableDay(
        day=day, rows=0, all_rows=0, newest=None, future=0, undated=0, zones=asked.zones, columns=columns, repeated=None
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
