"""Reviews of predictions by people: counted by reason, by cohort of predictions, and looked up by id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Date, FromClause, Select, case, cast, func, literal, select

from services.adapters.warehouse.statements.dialects import Microseconds, Number, days_listed, text_of, whole

REVIEWS = (
    "prediction_id", "date", "version", "reviewed_at", "reviewer", "decision", "predicted", "corrected", "reason_code",
)  # fmt: skip
PREDICTIONS = ("prediction_id", "date", "version", "score", "event_at")
UNKNOWN = "unknown"
FILE = "__file"
"""Name of the file or batch that a review was handed in with."""


def by_reason(reviews: FromClause) -> Select[Any]:
    """(day, version, reason, reviews, corrections among them); the reason of what was confirmed is empty."""
    read = select(
        _day(reviews).label("d"), _version(reviews, "").label("v"), _reason(reviews).label("r"), _changed(reviews)
    ).subquery()
    keys = (read.c.d, read.c.v, read.c.r)
    return select(*keys, func.count(), _sum(read.c.changed)).group_by(*keys).order_by(*keys)


def corrections(reviews: FromClause) -> Select[Any]:
    """(day, prediction, version, predicted, decision, reason, reviewer, microseconds), one row per correction."""
    told = reviews.c
    return (
        select(
            _day(reviews),
            told.prediction_id,
            _version(reviews, ""),
            told.predicted,
            told.decision,
            func.coalesce(text_of(told.reason_code), literal("")),
            func.coalesce(text_of(told.reviewer), literal("")),
            Microseconds(told.reviewed_at),
        )
        .where(told.corrected)
        .order_by(told.reviewed_at, told.prediction_id)
    )


def made(predictions: FromClause, ids: Sequence[str]) -> Select[Any]:
    """(prediction, version, score, microseconds) of these; a run that is repeated writes the same again: the last."""
    given = predictions.c
    last = (given.event_at.desc(), given.date.desc())
    numbered = (
        select(
            given.prediction_id.label("i"),
            _version(predictions, "").label("v"),
            Number(given.score).label("s"),
            Microseconds(given.event_at).label("at"),
            func.row_number().over(partition_by=given.prediction_id, order_by=last).label("r"),
        )
        .where(_any_of(given.prediction_id, ids))
        .subquery()
    )
    return select(numbered.c.i, numbered.c.v, numbered.c.s, numbered.c.at).where(numbered.c.r == whole(1))


def reviewed(reviews: FromClause, ids: Sequence[str]) -> Select[Any]:
    """Which of these predictions somebody has reviewed."""
    return select(reviews.c.prediction_id).where(_any_of(reviews.c.prediction_id, ids)).distinct()


def about(reviews: FromClause, days: Sequence[date]) -> Select[Any]:
    """(prediction,) of everything that was reviewed on these days."""
    told = reviews.c
    return (
        select(told.prediction_id).distinct().where(_day(reviews).in_(days_listed(days))).order_by(told.prediction_id)
    )


def labels(reviews: FromClause) -> Select[Any]:
    """(prediction, version, predicted, decision, corrected, reason, microseconds, day, file) by its first review."""
    told = reviews.c
    numbered = select(
        told.prediction_id.label("i"),
        _version(reviews, "").label("v"),
        Number(told.predicted).label("p"),
        Number(told.decision).label("y"),
        told.corrected.label("c"),
        _reason(reviews).label("reason"),
        Microseconds(told.reviewed_at).label("at"),
        _day(reviews).label("day"),
        told[FILE].label("file"),
        _first(reviews),
    ).subquery()
    return select(*(column for column in numbered.c if column.name != "r")).where(numbered.c.r == whole(1))


def cohorts(
    reviews: FromClause, predictions: FromClause, days: Sequence[date], column: str = "", values: Sequence[str] = ()
) -> Select[Any]:
    """(day of review, day of prediction, version, value of the slice or "", reason, reviews, corrections).

    With a column, only rows with one of these values. Of two reviews of a prediction the first counts, once.
    """
    told = select(
        reviews.c.prediction_id.label("i"), _day(reviews).label("d"), _reason(reviews).label("reason"),
        _changed(reviews), _first(reviews),
    ).subquery()  # fmt: skip
    given = predictions.c
    last = (given.event_at.desc(), given.date.desc())
    known = select(
        given.prediction_id.label("i"),
        _day(predictions).label("p"),
        _version(predictions, UNKNOWN).label("v"),
        (text_of(given[column]) if column else literal("")).label("k"),
        func.row_number().over(partition_by=given.prediction_id, order_by=last).label("r"),
    ).subquery()
    joined = (
        select(told.c.d, known.c.p, known.c.v, known.c.k, told.c.reason, told.c.changed)
        .select_from(told.join(known, told.c.i == known.c.i))
        .where(told.c.r == whole(1), known.c.r == whole(1), told.c.d.in_(days_listed(days)))
    )
    if column:
        joined = joined.where(_any_of(known.c.k, values))
    rows = joined.subquery()
    keys = (rows.c.d, rows.c.p, rows.c.v, rows.c.k, rows.c.reason)
    return select(*keys, func.count(), _sum(rows.c.changed)).group_by(*keys).order_by(*keys)


def _day(rows: FromClause) -> ColumnElement[Any]:
    return cast(rows.c.date, Date())


def _version(rows: FromClause, missing: str) -> ColumnElement[str]:
    return func.coalesce(text_of(rows.c.version), literal(missing))


def _reason(reviews: FromClause) -> ColumnElement[str]:
    return case((reviews.c.corrected, func.coalesce(text_of(reviews.c.reason_code), literal(""))), else_=literal(""))


def _changed(reviews: FromClause) -> ColumnElement[int]:
    return case((reviews.c.corrected, whole(1)), else_=whole(0)).label("changed")


def _first(reviews: FromClause) -> ColumnElement[int]:
    order = (reviews.c.reviewed_at, reviews.c.date)
    return func.row_number().over(partition_by=reviews.c.prediction_id, order_by=order).label("r")


def _sum(value: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.sum(value), BigInteger())


def _any_of(column: ColumnElement[str], values: Sequence[str]) -> ColumnElement[bool]:
    return text_of(column).in_([literal(value) for value in values])
