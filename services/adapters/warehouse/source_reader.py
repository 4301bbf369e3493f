"""A look at a table of another estate before it is watched: aggregates, a few masked rows, what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa

from services.adapters.warehouse.source_sql import day, moment, number, said, shown
from services.adapters.warehouse.sources import Estates, OpenTable, SourceRefusedError
from services.adapters.warehouse.statements.zones import is_silent, is_zoned
from services.inventory.access import HIDDEN, Mask
from services.monitoring.monitor_rules import ColumnKind, Problem
from services.monitoring.monitors import ColumnMapping, Source
from services.monitoring.sources import MOST_SAMPLES, ColumnSummary, Places, Preview, SourceColumn

_MOST_COLUMNS, _MOST_SAMPLED = 2000, 12


class EstateReader:
    """Implements monitoring.sources.SourceReader."""

    def __init__(self, estates: Estates) -> None:
        self._estates = estates

    def places(self) -> Places:
        return self._estates.places()

    def columns(self, source: Source) -> tuple[SourceColumn, ...]:
        with self._estates.open(source) as table:
            return tuple(table.columns.values())

    def history(self, source: Source, mapping: ColumnMapping) -> tuple[date | None, date | None]:
        with self._estates.open(source) as table:
            if not _has_time(table, mapping):
                return None, None
            on = day(table, mapping.timestamp)
            [(first, last)] = table.rows(sa.select(sa.func.min(on), sa.func.max(on)))
            return as_day(first), as_day(last)

    def preview(self, source: Source, mapping: ColumnMapping, masks: Mapping[str, Mask]) -> Preview:
        with self._estates.open(source) as table:
            [(total,)] = table.rows(sa.select(sa.func.count()).select_from(table.table))
            faults = [*_empty(total, source), *(_zones(table, mapping) if total else ())]
            first, last, days = _span(table, mapping) if total and not faults else (None, None, 0)
            if total and not faults and first is None and _has_time(table, mapping):
                faults.append(_timeless(mapping))
            sampled = _sampled(table, mapping)
            return Preview(
                rows=int(total),
                first=first,
                last=last,
                days=days,
                columns=_summaries(table, masks, int(total)),
                sampled=sampled,
                samples=_samples(table, sampled, masks),
                faults=tuple(faults),
                notes=tuple(_notes(table, mapping)) if not faults else (),
            )


def as_day(value: Any) -> date | None:
    """SQLite answers text, and None for a text that is no time."""
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    return value.date() if isinstance(value, datetime) else date.fromisoformat(str(value)[:10])


def _has_time(table: OpenTable, mapping: ColumnMapping) -> bool:
    return mapping.timestamp in table.columns and table.kind(mapping.timestamp) in {ColumnKind.TIME, ColumnKind.TEXT}


def _empty(total: int, source: Source) -> Iterator[Problem]:
    if not total:
        yield Problem(
            field="source",
            what=f"There are no rows in {source.words}.",
            why="Nothing can be compared with nothing.",
            next="Choose another source, or come back when it has rows.",
        )


def _timeless(mapping: ColumnMapping) -> Problem:
    return Problem(
        field="timestamp",
        what=f"No row has a time in `{mapping.timestamp}`.",
        why="Rows without a time belong to no day, so there is nothing to compare.",
        next="Choose the column that says when the prediction was made.",
    )


def _zones(table: OpenTable, mapping: ColumnMapping) -> Iterator[Problem]:
    """Times with and without a zone in one column: hours would be off by the zone for some rows, and nobody sees it."""
    if not _has_time(table, mapping):
        return
    name = mapping.timestamp
    mixed = Problem(
        field="timestamp",
        what=f"`{name}` holds times with a zone and times without one.",
        why="The ones without cannot be placed, and a day would mix rows of two days.",
        next="Write all of them with their zone, or all in UTC.",
    )
    if table.files and table.kind(name) is ColumnKind.TIME:
        listed: sa.ColumnElement[Any] = sa.literal_column(
            "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in table.files) + "]"
        )
        schema = sa.func.parquet_schema(listed).table_valued("name", "logical_type")
        found = table.rows(sa.select(schema.c.logical_type).where(schema.c.name == name).distinct())
        zones = {"isadjustedtoutc=1" in str(logical).lower().replace(" ", "") for (logical,) in found if logical}
        if len(zones) > 1:
            yield mixed
        return
    if table.kind(name) is not ColumnKind.TEXT and table.dialect != "sqlite":
        return
    zoned, silent, written = _written(table, name)
    if zoned and silent:
        yield mixed
    elif not written or zoned + silent < written or _unreadable(table, name):
        yield Problem(
            field="timestamp",
            what=f"`{name}` is text, and not every value is a time.",
            why="Rows without a time belong to no day.",
            next="Choose another column, or write times as 2026-01-31T12:00:00Z.",
        )


def _written(table: OpenTable, name: str) -> tuple[int, int, int]:
    """(values that name their zone, that name none, all): what is in neither is not written as a time."""
    value = sa.cast(table.column(name), sa.String)
    kinds = (sa.func.sum(sa.case((kind, 1), else_=0)) for kind in (is_zoned(value), is_silent(value)))
    [(zoned, silent, written)] = table.rows(sa.select(*(sa.func.coalesce(n, 0) for n in kinds), sa.func.count(value)))
    return int(zoned), int(silent), int(written)


def _unreadable(table: OpenTable, name: str) -> bool:
    """Whether a written value is no time. SQLite says NULL where others raise."""
    value = table.column(name)
    if table.dialect != "sqlite":
        try:
            table.rows(sa.select(sa.func.min(moment(table, name))))
        except SourceRefusedError:
            return True
        return False
    [(broken,)] = table.rows(
        sa.select(sa.func.count()).select_from(table.table).where(value.is_not(None), day(table, name).is_(None))
    )
    return bool(broken)


def _span(table: OpenTable, mapping: ColumnMapping) -> tuple[datetime | None, datetime | None, int]:
    if not _has_time(table, mapping):
        return None, None, 0
    at, on = moment(table, mapping.timestamp), day(table, mapping.timestamp)
    [(first, last, days)] = table.rows(sa.select(sa.func.min(at), sa.func.max(at), sa.func.count(on.distinct())))
    return _moment(first), _moment(last), int(days)


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    at: datetime = value if isinstance(value, datetime) else datetime.combine(value, time())
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _sampled(table: OpenTable, mapping: ColumnMapping) -> tuple[str, ...]:
    mapped = (mapping.timestamp, mapping.prediction, mapping.label, mapping.version, mapping.entity)
    names = dict.fromkeys([*(name for name in mapped if name in table.columns), *table.columns])
    return tuple(name for name in names if table.kind(name) is not ColumnKind.OTHER)[:_MOST_SAMPLED]


def _samples(table: OpenTable, names: tuple[str, ...], masks: Mapping[str, Mask]) -> tuple[tuple[str, ...], ...]:
    """Masked in the statement: a hidden value never leaves the source."""
    if not names:
        return ()
    chosen = [(name, _mask(table, name, masks)) for name in names]
    columns = [shown(table, name, mask).label(f"c{place}") for place, (name, mask) in enumerate(chosen)]
    found = table.rows(sa.select(*columns).select_from(table.table).limit(MOST_SAMPLES))
    return tuple(tuple(said(value, mask) for value, (_, mask) in zip(row, chosen, strict=True)) for row in found)


def _mask(table: OpenTable, name: str, masks: Mapping[str, Mask]) -> Mask:
    """A band or a limit over something that is no number hides it."""
    mask = masks.get(name, HIDDEN)
    counted = table.kind(name) in {ColumnKind.NUMBER, ColumnKind.BOOLEAN}
    return mask if counted or mask.kind.value in {"none", "hide"} else HIDDEN


def _summaries(table: OpenTable, masks: Mapping[str, Mask], total: int) -> tuple[ColumnSummary, ...]:
    columns = list(table.columns.values())[:_MOST_COLUMNS]
    asked: list[Any] = [sa.func.count(table.column(item.name)) for item in columns]
    clear = [item for item in columns if item.kind is ColumnKind.NUMBER and not _mask(table, item.name, masks).masks]
    for item in clear:
        x = number(table, item.name)
        asked += [sa.func.min(x), sa.func.max(x)]
    found = list(table.rows(sa.select(*(value.label(f"a{place}") for place, value in enumerate(asked))))[0])
    extremes = {
        item.name: (found[len(columns) + 2 * place], found[len(columns) + 2 * place + 1])
        for place, item in enumerate(clear)
    }
    return tuple(
        ColumnSummary(
            name=item.name, kind=item.kind, type=item.type, missing=1 - int(written) / total if total else None,
            low=_figure(extremes.get(item.name, (None, None))[0]),
            high=_figure(extremes.get(item.name, (None, None))[1]), mask=_mask(table, item.name, masks).words,
        )
        for item, written in zip(columns, found, strict=False)
    )  # fmt: skip


def _figure(value: Any) -> str:
    return "" if value is None else f"{float(value):.6g}"


def _notes(table: OpenTable, mapping: ColumnMapping) -> Iterator[Problem]:
    name = mapping.timestamp
    if not _has_time(table, mapping):
        return
    if table.kind(name) is ColumnKind.TEXT or table.dialect == "sqlite":
        plain = not _written(table, name)[0]
    else:
        plain = "TIME ZONE" not in table.columns[name].type.upper()
    if plain:
        yield Problem(
            field="timestamp",
            what=f"The times in `{name}` name no zone.",
            why="They are read as UTC; local times would move rows across midnight.",
            next="Go on if they are UTC, else write them with their zone.",
        )
    [(missing,)] = table.rows(sa.select(sa.func.count()).select_from(table.table).where(table.column(name).is_(None)))
    if missing:
        yield Problem(
            field="timestamp",
            what=f"{missing:,} rows have no time.",
            why="They belong to no day and are left out.",
            next="Go on if that is right.",
        )
