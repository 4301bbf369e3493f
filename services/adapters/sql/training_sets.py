"""Retraining sets: the rows beside their ledger entries, with the bytes that were proposed."""

from __future__ import annotations

import zlib
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.schema.facts import facts_seen
from services.adapters.sql.schema.feedback import retraining_set, review_batch
from services.feedback.training_sets import TrainingSet, lineage_of, lineage_text

_COLUMNS = [column for column in retraining_set.c if column.name != "content"]


class SqlTrainingSetWriter:
    """On the caller's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self, model: str) -> TrainingSet | None:
        query = _of(model).limit(1)
        row = self._connection.execute(query).first()
        return None if row is None else _item(row)

    def add(self, item: TrainingSet, content: bytes) -> None:
        values = {field.name: getattr(item, field.name) for field in fields(item)}
        values |= {"lineage": lineage_text(item.lineage), "content": zlib.compress(content)}
        self._connection.execute(insert(retraining_set).values(**values))


class SqlTrainingSets:
    """Implements feedback.training_set_service.SetStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sets(self, model: str, limit: int) -> tuple[TrainingSet, ...]:
        with self._database.read() as connection:
            return tuple(map(_item, connection.execute(_of(model).limit(limit))))

    def waiting(self) -> tuple[TrainingSet, ...]:
        table = retraining_set.c
        query = select(*_COLUMNS).where(table.logged_at.is_(None)).order_by(table.seq)
        with self._database.read() as connection:
            return tuple(map(_item, connection.execute(query)))

    def content(self, model: str, number: int) -> bytes:
        table = retraining_set.c
        with self._database.read() as connection:
            found = connection.scalar(select(table.content).where(table.model == model, table.number == number))
        return zlib.decompress(found or zlib.compress(b""))

    def logged(self, item: TrainingSet, *, run_id: str, at: datetime | None, error: str) -> None:
        table = retraining_set.c
        with self._database.write() as connection:
            connection.execute(
                update(retraining_set)
                .where(table.model == item.model, table.number == item.number)
                .values(run_id=run_id, logged_at=at, error=error)
            )

    def digests(self, model: str) -> dict[str, str]:
        seen, batch = facts_seen.c, review_batch.c
        with self._database.read() as connection:
            days: Any = connection.execute(
                select(seen.day, seen.fingerprint).where(
                    seen.consumer == "feedback-cohorts", seen.source == "reviews", seen.owner == model
                )
            ).all()
            batches: Any = connection.execute(select(batch.id, batch.sha256).where(batch.model == model)).all()
        return {f"reviews of {day.isoformat()}": str(mark) for day, mark in days} | {
            f"batch {ident}": str(sha256) for ident, sha256 in batches
        }


def _of(model: str) -> Any:
    query = select(*_COLUMNS).order_by(retraining_set.c.number.desc())
    return query.where(retraining_set.c.model == model)


def _item(row: Any) -> TrainingSet:
    return TrainingSet(**{**row._mapping, "lineage": lineage_of(row.lineage)})  # noqa: SLF001 - public name
