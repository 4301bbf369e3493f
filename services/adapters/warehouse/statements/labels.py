"""Predictions of a day beside their labels, as counts by score and sums of errors: two statements, no row returned."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Date, FromClause, Select, case, cast, func, select

from services.adapters.warehouse.statements.counting import DAY
from services.adapters.warehouse.statements.dialects import Moment, Number, exact, is_finite, text_of, whole
from services.monitoring.profile import SCORE_BINS

TOLD = ("prediction_id", "event_at", "arrived_at", "label")
PREDICTIONS = ("prediction_id", "date", "version", "score", "event_at")
SCORE, LABEL, VERSION, KEY, AT = "__score", "__label", "__version", "__key", "__at"


def stated(told: FromClause) -> Select[Any]:
    """(i, label): the number that was stated last for a prediction."""
    read = select(told.c.prediction_id.label("i"), Number(told.c.label).label("label"), told.c.arrived_at).subquery()
    numbered = (
        select(
            read.c.i,
            read.c.label,
            func.row_number().over(partition_by=read.c.i, order_by=read.c.arrived_at.desc()).label("r"),
        )
        .where(read.c.label.is_not(None), read.c.arrived_at.is_not(None))
        .subquery()
    )
    return select(numbered.c.i, numbered.c.label).where(numbered.c.r == whole(1))


def beside(predictions: FromClause, known: FromClause) -> Select[Any]:
    """Predictions with their labels, as `once` takes them."""
    given = predictions.c
    return select(
        cast(given.date, Date()).label(DAY),
        given.score.label(SCORE),
        known.c.label.label(LABEL),
        given.version.label(VERSION),
        given.prediction_id.label(KEY),
        given.event_at.label(AT),
    ).select_from(predictions.outerjoin(known, given.prediction_id == known.c.i))


def event_days(told: FromClause) -> Select[Any]:
    """Days of the predictions that these labels speak about."""
    day = cast(Moment(told.c.event_at), Date()).label("d")
    # Spark orders different values by a column of them alone.
    days = select(day).where(told.c.event_at.is_not(None)).subquery()
    return select(days.c.d).distinct().order_by(days.c.d)


def once(source: FromClause) -> Any:
    """A run that is repeated writes the same predictions again: the last one counts, once."""
    numbered = select(
        source.c[DAY],
        text_of(source.c[VERSION]).label("v"),
        Number(source.c[SCORE]).label("s"),
        Number(source.c[LABEL]).label("y"),
        func.row_number().over(partition_by=source.c[KEY], order_by=source.c[AT].desc()).label("r"),
    ).subquery()
    return (
        select(
            numbered.c[DAY].label("d"),
            numbered.c.v,
            numbered.c.s,
            numbered.c.y,
            (numbered.c.s - numbered.c.y).label("e"),
        )
        .where(numbered.c.r == whole(1))
        .subquery()
    )


def totals(rows: Any) -> Select[Any]:
    """(day, version, predictions, labelled, sum of errors, of their sizes, of their squares)."""
    good = is_finite(rows.c.e)

    def summed(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.sum(case((good, value), else_=exact(0.0)))

    return select(
        rows.c.d,
        rows.c.v,
        func.count(),
        cast(func.sum(case((good, whole(1)), else_=whole(0))), BigInteger()),
        summed(rows.c.e),
        summed(func.abs(rows.c.e)),
        summed(rows.c.e * rows.c.e),
    ).group_by(rows.c.d, rows.c.v)


def by_score(rows: Any) -> Select[Any]:
    """(day, version, score bin, label is positive, labelled). Floor first: engines disagree how a cast rounds."""
    scaled = func.floor(rows.c.s * exact(float(SCORE_BINS)))
    place = case(
        (rows.c.s < exact(0.0), whole(0)),
        (rows.c.s >= exact(1.0), whole(SCORE_BINS - 1)),
        else_=cast(scaled, BigInteger()),
    )
    binned = (
        select(
            rows.c.d,
            rows.c.v,
            place.label("b"),
            case((rows.c.y >= exact(0.5), whole(1)), else_=whole(0)).label("y"),
        )
        .where(is_finite(rows.c.e))
        .subquery()
    )
    keys = (binned.c.d, binned.c.v, binned.c.b, binned.c.y)
    return select(*keys, func.count()).group_by(*keys)
