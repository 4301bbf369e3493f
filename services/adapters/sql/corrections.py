"""Corrections that people handed in, and reviews counted by the day of their prediction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched, remember, seen
from services.adapters.sql.schema.feedback import correction, review_batch, review_cohort, review_day, review_row
from services.adapters.sql.schema.performance import performance_score
from services.feedback.corrections import Batch, Reviewed, Via
from services.feedback.models import Correction
from services.feedback.rework import CohortDay, Predicted
from services.inventory.facts import Partition

_CONSUMER = "feedback-cohorts"
_AT_ONCE = 500


class SqlCorrections:
    """On the caller's connection. Implements feedback.correction_ports.CorrectionStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known(self, model: str, ids: Sequence[str]) -> frozenset[str]:
        table = review_row.c
        found: set[str] = set()
        for part in _parts(ids):
            asked = select(table.prediction_id).where(table.model == model, table.prediction_id.in_(part))
            found |= {str(ident) for (ident,) in self._connection.execute(asked)}
        return frozenset(found)

    def add(self, batch: Batch, rows: Sequence[Reviewed]) -> None:
        self._connection.execute(insert(review_batch).values(**{**asdict(batch), "via": batch.via.value}))
        values = [{"model": batch.model, "batch_id": batch.id, **asdict(row)} for row in rows]
        for start in range(0, len(values), 10 * _AT_ONCE):
            self._connection.execute(insert(review_row), values[start : start + 10 * _AT_ONCE])


class SqlCorrectionReads:
    """Implements feedback.correction_ports.CorrectionReads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def batches(self, model: str, limit: int) -> tuple[Batch, ...]:
        table = review_batch.c
        query = select(review_batch).order_by(table.at.desc(), table.id.desc()).limit(limit)
        with self._database.read() as connection:
            return tuple(map(_batch, connection.execute(query.where(table.model == model) if model else query)))

    def reasons(self, model: str) -> frozenset[str]:
        with self._database.read() as connection:
            asked = select(review_day.c.reason_code).where(review_day.c.model == model).distinct()
            return frozenset(str(code) for (code,) in connection.execute(asked) if code)

    def recent(self, model: str, reason: str, limit: int) -> tuple[Correction, ...]:
        columns = [column for column in correction.c if column.name not in {"day", "position"}]
        query = select(*columns).where(correction.c.model == model).limit(limit)
        if reason:
            query = query.where(correction.c.reason_code == reason)
        query = query.order_by(correction.c.at.desc(), correction.c.prediction_id)
        with self._database.read() as connection:
            return tuple(Correction(**row._mapping) for row in fetched(connection, query))  # noqa: SLF001 - public name

    def unpublished(self) -> tuple[Batch, ...]:
        query = select(review_batch).where(review_batch.c.published_at.is_(None)).order_by(review_batch.c.seq)
        with self._database.read() as connection:
            return tuple(map(_batch, connection.execute(query)))

    def rows(self, batch_id: str) -> tuple[Reviewed, ...]:
        columns = [column for column in review_row.c if column.name not in {"model", "batch_id"}]
        query = select(*columns).where(review_row.c.batch_id == batch_id).order_by(review_row.c.prediction_id)
        with self._database.read() as connection:
            return tuple(Reviewed(**row._mapping) for row in fetched(connection, query))  # noqa: SLF001 - public name

    def published(self, batch_id: str, at: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(update(review_batch).where(review_batch.c.id == batch_id).values(published_at=at))

    def seen_cohorts(self) -> Mapping[tuple[str, str, date], str]:
        with self._database.read() as connection:
            return seen(connection, _CONSUMER)

    def replace_cohorts(self, model: str, found: tuple[CohortDay, ...], read: tuple[Partition, ...]) -> None:
        days = [partition.day for partition in read]
        with self._database.write() as connection:
            for part in _parts(days):
                connection.execute(
                    delete(review_cohort).where(review_cohort.c.model == model, review_cohort.c.day.in_(part))
                )
            if found:
                connection.execute(insert(review_cohort), [{"model": model, **asdict(item)} for item in found])
            remember(connection, _CONSUMER, read)

    def cohorts(self, model: str, since: date) -> tuple[CohortDay, ...]:
        columns = [column for column in review_cohort.c if column.name != "model"]
        query = select(*columns).where(review_cohort.c.model == model, review_cohort.c.predicted_day >= since)
        with self._database.read() as connection:
            return tuple(CohortDay(**row._mapping) for row in fetched(connection, query))  # noqa: SLF001 - public name

    def predicted(self, model: str, since: date) -> tuple[Predicted, ...]:
        table = performance_score.c
        query = (
            select(table.day, table.version, table.slice_key, func.sum(table.predicted))
            .where(table.model == model, table.day >= since)
            .group_by(table.day, table.version, table.slice_key)
        )
        found: dict[tuple[date, str, str], int] = defaultdict(int)
        with self._database.read() as connection:
            for day, version, key, n in fetched(connection, query):
                found[day, version, key] += int(n)
        return tuple(
            Predicted(day=day, version=version, slice_key=key, n=n) for (day, version, key), n in found.items()
        )


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def _batch(row: Any) -> Batch:
    return Batch(**{**row._mapping, "via": Via(row.via)})  # noqa: SLF001 - SQLAlchemy's public name
