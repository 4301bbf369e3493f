"""Reviews of returns and their answers; works on the caller's connection. A value.review_service.ReviewStore."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select

from services.adapters.sql.schema.retirements import value_review, value_review_answer
from services.value.gate import Answer, AnswerKind, Review


class SqlReviews:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def reviews(self, model: str = "") -> tuple[Review, ...]:
        query = select(value_review).order_by(value_review.c.seq.desc())
        if model:
            query = query.where(value_review.c.model == model)
        return tuple(Review(**row._mapping) for row in self._connection.execute(query))  # noqa: SLF001 - its documented name

    def review(self, review_id: str) -> Review | None:
        row = self._connection.execute(select(value_review).where(value_review.c.review_id == review_id)).first()
        return Review(**row._mapping) if row else None  # noqa: SLF001 - its documented name

    def answers(self, review_id: str = "") -> tuple[Answer, ...]:
        query = select(value_review_answer).order_by(value_review_answer.c.seq)
        if review_id:
            query = query.where(value_review_answer.c.review_id == review_id)
        return tuple(_answer(row) for row in self._connection.execute(query))

    def add(self, item: Review) -> None:
        names = [column.name for column in value_review.columns]
        self._connection.execute(insert(value_review).values({name: getattr(item, name) for name in names}))

    def add_answer(self, item: Answer) -> None:
        names = [column.name for column in value_review_answer.columns]
        values = {name: getattr(item, name) for name in names} | {"answer": item.answer.value}
        self._connection.execute(insert(value_review_answer).values(values))


def _answer(row: Row[Any]) -> Answer:
    found = dict(row._mapping)  # noqa: SLF001 - its documented name
    return Answer(**found | {"answer": AnswerKind(found["answer"])})
