"""Reviews and corrections in the governance database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import delete, insert, select

from services.adapters.sql import heads
from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched, remember, seen
from services.adapters.sql.schema.feedback import correction, review_day
from services.feedback.models import Correction, ReviewDay
from services.inventory.facts import Partition

_CONSUMER = "feedback"


class SqlFeedback:
    """Implements feedback.ports.FeedbackStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self) -> Mapping[tuple[str, str, date], str]:
        with self._database.read() as connection:
            return seen(connection, _CONSUMER)

    def replace_reviews(
        self,
        model: str,
        days: tuple[ReviewDay, ...],
        corrections: tuple[tuple[date, Correction], ...],
        read: tuple[Partition, ...],
    ) -> None:
        positions: dict[date, int] = defaultdict(int)
        rows: list[dict[str, Any]] = []
        for day, item in corrections:
            rows.append({"day": day, "position": positions[day], **asdict(item)})
            positions[day] += 1
        replaced = [partition.day for partition in read]
        with self._database.write() as connection:
            heads.moved(connection, model, heads.VALUE)
            for table in (review_day, correction):
                connection.execute(delete(table).where(table.c.model == model, table.c.day.in_(replaced)))
            if days:
                connection.execute(insert(review_day), [{"model": model, **asdict(day)} for day in days])
            if rows:
                connection.execute(insert(correction), rows)
            remember(connection, _CONSUMER, read)

    def review_days(self, model: str, start: date) -> tuple[ReviewDay, ...]:
        table = review_day.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.day, table.version, table.reason_code, table.reviewed, table.corrected)
                .where(table.model == model, table.day >= start)
                .order_by(table.day, table.version, table.reason_code),
            )
        return tuple(ReviewDay(**row._mapping) for row in found)  # noqa: SLF001 - SQLAlchemy's public name

    def recent(self, model: str, limit: int) -> tuple[Correction, ...]:
        columns = [column for column in correction.c if column.name not in {"day", "position"}]
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(*columns)
                .where(correction.c.model == model)
                .order_by(correction.c.at.desc(), correction.c.prediction_id)
                .limit(limit),
            )
        return tuple(Correction(**row._mapping) for row in found)  # noqa: SLF001 - SQLAlchemy's public name
