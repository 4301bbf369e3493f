"""Skipped months and rounds of retraining in the governance database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.schema.feedback import retraining_round, retraining_skip
from services.feedback.retraining import Cause, Round, Skip
from services.kernel.identity import Actor


class SqlRetrainingWriter:
    """On the caller's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def skip_of(self, model: str, month: str) -> Skip | None:
        table = retraining_skip.c
        query = select(retraining_skip).where(table.model == model, table.month == month)
        row = self._connection.execute(query).first()
        return None if row is None else _skip(row)

    def add_skip(self, model: str, skip: Skip, *, salt: str, actor: Actor) -> None:
        self._connection.execute(
            insert(retraining_skip).values(
                model=model, salt=salt, by_issuer=actor.issuer, by_subject=actor.subject, **asdict(skip)
            )
        )


class SqlRetraining:
    """Implements feedback.retraining_service.RetrainingStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def skips(self, model: str) -> Mapping[str, Skip]:
        with self._database.read() as connection:
            query = select(retraining_skip).where(retraining_skip.c.model == model)
            return {row.month: _skip(row) for row in connection.execute(query)}

    def rounds(self, model: str = "", *, open_only: bool = False) -> tuple[Round, ...]:
        table = retraining_round.c
        query = select(retraining_round).order_by(table.opened_at.desc(), table.id)
        if model:
            query = query.where(table.model == model).limit(50)
        if open_only:
            query = query.where(table.draft_at.is_(None), table.closed_at.is_(None))
        with self._database.read() as connection:
            return tuple(map(_round, connection.execute(query)))

    def open_round(self, item: Round) -> bool:
        table = retraining_round.c
        with self._database.write() as connection:
            if connection.scalar(select(table.id).where(table.id == item.id)) is not None:
                return False
            connection.execute(insert(retraining_round).values(**_values(item)))
        return True

    def save_round(self, item: Round) -> None:
        with self._database.write() as connection:
            connection.execute(update(retraining_round).where(retraining_round.c.id == item.id).values(**_values(item)))


def _values(item: Round) -> dict[str, Any]:
    return {**asdict(item), "cause": item.cause.value}


def _round(row: Any) -> Round:
    return Round(**{**row._mapping, "cause": Cause(row.cause)})  # noqa: SLF001 - SQLAlchemy's public name


def _skip(row: Any) -> Skip:
    return Skip(month=row.month, reason=row.reason, by_name=row.by_name, at=row.at, seq=row.seq)
