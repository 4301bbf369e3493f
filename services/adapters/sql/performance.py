"""Cubes of performance in the governance database; a day is replaced whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import delete, func, insert, select, union, update

from services.adapters.sql import heads
from services.adapters.sql.database import Database
from services.adapters.sql.facts import (
    counts_of,
    fetched,
    forget,
    forget_before,
    packed,
    record_attempt,
    remember,
    seen,
    sums_of,
)
from services.adapters.sql.schema.facts import facts_seen
from services.adapters.sql.schema.performance import (
    performance_arrival,
    performance_definition,
    performance_score,
)
from services.inventory.facts import Partition, Vanished
from services.monitoring.cubes import Arrival, ScoreDay, about_days_from

_CONSUMER = "performance"
_OF_SOURCE = {"predictions": (performance_score,), "labels": (performance_arrival,)}
_NEIGHBOUR = timedelta(days=1)


class SqlPerformance:
    """Implements monitoring.ports.PerformanceStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self) -> Mapping[tuple[str, str, date], str]:
        with self._database.read() as connection:
            return seen(connection, _CONSUMER)

    def record_sync(self, source: str, *, at: datetime, error: str) -> None:
        with self._database.write() as connection:
            record_attempt(connection, source, at=at, error=error)

    def renew(self, model: str, definition: str) -> bool:
        table = performance_definition
        with self._database.read() as connection:
            known = connection.scalar(select(table.c.definition).where(table.c.model == model))
        if known == definition:
            return False
        with self._database.write() as connection:
            heads.moved(connection, model, heads.PERFORMANCE)
            for cube in (performance_arrival, performance_score):
                connection.execute(delete(cube).where(cube.c.model == model))
            connection.execute(
                delete(facts_seen).where(facts_seen.c.consumer == _CONSUMER, facts_seen.c.owner == model)
            )
            if known is None:
                connection.execute(insert(table).values(model=model, definition=definition))
            else:
                connection.execute(update(table).where(table.c.model == model).values(definition=definition))
        return True

    def replace_arrivals(
        self, model: str, days: tuple[date, ...], arrivals: tuple[Arrival, ...], read: tuple[Partition, ...]
    ) -> None:
        rows = [
            {
                "model": model, "version": item.version, "slice_key": item.slice_key, "day": item.day,
                **_told(item),
            }
            for item in arrivals
            if len(item.days)
        ]  # fmt: skip
        self._replace(performance_arrival, model, days, rows, read)

    def replace_scores(
        self, model: str, days: tuple[date, ...], scores: tuple[ScoreDay, ...], read: tuple[Partition, ...]
    ) -> None:
        rows = [
            {
                "model": model, "version": item.version, "slice_key": item.slice_key, "day": item.day,
                "predicted": item.predicted, "unscored": item.unscored,
                "cells": packed(np.concatenate([item.bins, item.counts])), "sums": packed(item.sums),
            }
            for item in scores
        ]  # fmt: skip
        self._replace(performance_score, model, days, rows, read)

    def forget_days(self, gone: Vanished) -> None:
        with self._database.write() as connection:
            heads.moved(connection, gone.owner, heads.PERFORMANCE)
            forget(connection, _CONSUMER, gone, *_OF_SOURCE.get(gone.source, ()))

    def forget_before(self, day: date) -> None:
        told, made = performance_arrival.c, performance_score.c
        with self._database.write() as connection:
            older = union(select(told.model).where(told.first_day < day), select(made.model).where(made.day < day))
            for row in fetched(connection, older):
                heads.moved(connection, row.model, heads.PERFORMANCE)
            connection.execute(delete(performance_score).where(made.day < day))
            connection.execute(delete(performance_arrival).where(told.last_day < day))
            for row in fetched(connection, select(performance_arrival).where(told.first_day < day)):
                kept = about_days_from(day, _arrival(row))
                same = [told[key.name] == getattr(row, key.name) for key in performance_arrival.primary_key]
                connection.execute(update(performance_arrival).where(*same).values(**_told(kept)))
            forget_before(connection, _CONSUMER, day)

    def arrivals_about(self, model: str, days: tuple[date, ...]) -> tuple[date, ...]:
        if not days:
            return ()
        table = performance_arrival.c
        first, last = min(days) - _NEIGHBOUR, max(days) + _NEIGHBOUR
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.day, table.days).where(
                    table.model == model, table.slice_key == "", table.last_day >= first, table.first_day <= last
                ),
            )
        near = {day.toordinal() + shift for day in days for shift in (-1, 0, 1)}
        return tuple(sorted({day for day, data in found if near & set(_rows(data)[:, 0].tolist())}))

    def arrivals(self, model: str, since: date, *, before: date, slice_key: str = "") -> tuple[Arrival, ...]:
        table = performance_arrival
        statement = select(table).where(
            table.c.model == model, table.c.slice_key == slice_key, table.c.day >= since, table.c.day < before
        )
        with self._database.read() as connection:
            found = fetched(connection, statement.order_by(table.c.day, table.c.version))
        return tuple(map(_arrival, found))

    def scores(self, model: str, since: date, *, before: date, slice_key: str = "") -> tuple[ScoreDay, ...]:
        table = performance_score
        statement = select(table).where(
            table.c.model == model, table.c.slice_key == slice_key, table.c.day >= since, table.c.day < before
        )
        with self._database.read() as connection:
            found = fetched(connection, statement.order_by(table.c.day, table.c.version))
        return tuple(_score_day(row) for row in found)

    def choices(self, model: str, *, before: date) -> tuple[tuple[str, ...], tuple[str, ...]]:
        table = performance_score.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.version, table.slice_key, func.max(table.day), func.sum(table.predicted))
                .where(table.model == model, table.day < before)
                .group_by(table.version, table.slice_key),
            )
        newest = sorted(
            ((day, int(n), version) for version, key, day, n in found if not key), key=lambda item: item[:2]
        )
        return tuple(version for _, _, version in newest), tuple(sorted({row.slice_key for row in found} - {""}))

    def _replace(
        self, table: Any, model: str, days: Sequence[date], rows: list[dict[str, Any]], read: tuple[Partition, ...]
    ) -> None:
        with self._database.write() as connection:
            heads.moved(connection, model, heads.PERFORMANCE)
            connection.execute(delete(table).where(table.c.model == model, table.c.day.in_(list(days))))
            if rows:
                connection.execute(insert(table), rows)
            remember(connection, _CONSUMER, read)


def _rows(data: bytes) -> Any:
    return counts_of(data).reshape(-1, 3)


def _arrival(row: Any) -> Arrival:
    return Arrival(
        version=row.version, slice_key=row.slice_key, day=row.day, cells=_rows(row.cells), days=_rows(row.days),
        sums=sums_of(row.sums).reshape(-1, 4),
    )  # fmt: skip


def _told(item: Arrival) -> dict[str, Any]:
    days = item.days[:, 0]
    return {
        "first_day": date.fromordinal(int(days.min())), "last_day": date.fromordinal(int(days.max())),
        "cells": packed(item.cells), "days": packed(item.days), "sums": packed(item.sums),
    }  # fmt: skip


def _score_day(row: Any) -> ScoreDay:
    bins, counts = counts_of(row.cells).reshape(2, -1)
    return ScoreDay(
        version=row.version, slice_key=row.slice_key, day=row.day, predicted=row.predicted, unscored=row.unscored,
        bins=bins, counts=counts, sums=sums_of(row.sums),
    )  # fmt: skip
