"""Labels by day of arrival and scores by day of prediction, as statements that return counts and sums.

A table of labels has `prediction_id, date, event_at, arrived_at, label`; one of predictions `prediction_id, date,
version, score, event_at` and what it is sliced by. `date` is the day under which a row was filed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Select,
    String,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
)

from services.adapters.warehouse.statements.dialects import (
    Moment,
    Number,
    days_listed,
    exact,
    is_finite,
    text_of,
    whole,
)
from services.monitoring.cubes import UNMATCHED
from services.monitoring.profile import SCORE_BINS

LABELS = ("prediction_id", "date", "event_at", "arrived_at", "label")
PREDICTIONS = ("prediction_id", "date", "version", "score", "event_at")
UNKNOWN = "unknown"


def told(labels: FromClause) -> Select[Any]:
    """(i, arrival, event_day, label, before): the last statement of a day counts, once, beside the one before it.

    Equal times are settled by the value, so every scan agrees. A label that is no number was not stated.
    """
    read = select(
        labels.c.prediction_id.label("i"),
        cast(labels.c.date, Date()).label("arrival"),
        cast(Moment(labels.c.event_at), Date()).label("event_day"),
        Moment(labels.c.arrived_at).label("moment"),
        Number(labels.c.label).label("label"),
    ).subquery()
    of_day = (read.c.i, read.c.arrival)
    latest = (case((read.c.moment.is_(None), whole(1)), else_=whole(0)), read.c.moment.desc(), read.c.label.desc())
    numbered = (
        select(
            *of_day,
            read.c.label,
            func.min(read.c.event_day).over(partition_by=of_day).label("event_day"),
            func.row_number().over(partition_by=of_day, order_by=latest).label("r"),
        )
        .where(is_finite(read.c.label))
        .subquery()
    )
    before = func.lag(numbered.c.label).over(partition_by=numbered.c.i, order_by=numbered.c.arrival)
    # The window is asked over the chosen statements, so they are chosen first.
    once = select(numbered.c.i, numbered.c.arrival, numbered.c.event_day, numbered.c.label, before.label("before"))
    return once.where(numbered.c.r == whole(1))


def made(predictions: FromClause, slices: Sequence[str | None]) -> Select[Any]:
    """(i, day, version, score, s0, s1 ...). A run that is repeated writes the same again: the last counts, once."""
    parts = [
        (null() if name is None else text_of(predictions.c[name])).label(f"s{place}")
        for place, name in enumerate(slices)
    ]
    last = (predictions.c.event_at.desc(), predictions.c.date.desc())
    numbered = select(
        predictions.c.prediction_id.label("i"),
        cast(predictions.c.date, Date()).label("day"),
        func.coalesce(text_of(predictions.c.version), literal(UNKNOWN)).label("version"),
        Number(predictions.c.score).label("score"),
        *parts,
        func.row_number().over(partition_by=predictions.c.prediction_id, order_by=last).label("r"),
    ).subquery()
    kept = [numbered.c[name] for name in made_columns(len(slices))]
    return select(*kept).where(numbered.c.r == whole(1))


def made_columns(slices: int) -> tuple[str, ...]:
    return ("i", "day", "version", "score", *(f"s{place}" for place in range(slices)))


def changes(said: FromClause, known: FromClause, arrivals: Sequence[date], slices: int) -> Select[Any]:
    """(day, arrival, version, score, y, sign, s0 ...): one more with the new value, one less with the old one."""
    parts = [known.c[f"s{place}"] for place in range(slices)]
    wanted: list[Any] = [literal_column(f"DATE '{day}'") for day in sorted(arrivals)]
    joined = (
        select(
            func.coalesce(known.c.day, said.c.event_day, said.c.arrival).label("day"),
            said.c.arrival,
            func.coalesce(known.c.version, literal(UNMATCHED)).label("version"),
            known.c.score,
            said.c.label,
            said.c.before,
            *parts,
        )
        .select_from(said.outerjoin(known, said.c.i == known.c.i))
        .where(said.c.arrival.in_(wanted), said.c.label.is_distinct_from(said.c.before))
        .subquery()
    )
    named = [joined.c[name] for name in ("day", "arrival", "version", "score")]
    cut = [joined.c[part.name] for part in parts]
    now = select(*named, joined.c.label.label("y"), whole(1).label("sign"), *cut)
    past = select(*named, joined.c.before.label("y"), whole(-1).label("sign"), *cut)
    both = union_all(now, past.where(joined.c.before.is_not(None))).subquery()
    return select(*both.c)


def as_stated(rows: FromClause, arrivals: Sequence[date], slices: int) -> Select[Any]:
    """As `changes`, of rows that have their label beside them (`label`, and `filed` when it came) and no id.

    Every row is a prediction of its own, and no older value of its label is known. Slices are `__slice0` and so on,
    as far as they are there.
    """
    named = [(f"s{place}", f"__slice{place}") for place in range(slices)]
    parts = [(text_of(rows.c[name]) if name in rows.c else cast(null(), String())).label(s) for s, name in named]
    read = select(
        cast(rows.c.date, Date()).label("day"),
        rows.c.filed.label("arrival"),
        func.coalesce(text_of(rows.c.version), literal(UNKNOWN)).label("version"),
        Number(rows.c.score).label("score"),
        Number(rows.c.label).label("y"),
        whole(1).label("sign"),
        *parts,
    ).subquery()
    return select(*read.c).where(is_finite(read.c.y), read.c.arrival.in_(days_listed(arrivals)))


def change_columns(slices: int) -> tuple[str, ...]:
    return ("day", "arrival", "version", "score", "y", "sign", *(f"s{place}" for place in range(slices)))


def by_day(rows: FromClause, part: ColumnElement[Any] | None) -> Select[Any]:
    """(version, part, arrival, day, labels, pairs, then sums of error, |error|, error^2, error^4)."""
    cut = _cut(rows, part, ("arrival", "day", "sign", "score", "y"))
    error, good = cut.c.score - cut.c.y, is_finite(cut.c.score)
    square = error * error

    def summed(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.sum(case((good, cut.c.sign * value), else_=exact(0.0)))

    keys = (cut.c.version, cut.c.part, cut.c.arrival, cut.c.day)
    stated = cast(func.sum(cut.c.sign), BigInteger())
    pairs = cast(func.sum(case((good, cut.c.sign), else_=whole(0))), BigInteger())
    sums = (summed(error), summed(func.abs(error)), summed(square), summed(square * square))
    return select(*keys, stated, pairs, *sums).group_by(*keys)


def by_cell(rows: FromClause, part: ColumnElement[Any] | None) -> Select[Any]:
    """(version, part, arrival, day, 2 x score bin + label, change in count), without what cancels out."""
    cut = _cut(rows, part, ("arrival", "day", "sign", "score", "y"))
    positive = case((cut.c.y >= exact(0.5), whole(1)), else_=whole(0))
    named = (cut.c.version, cut.c.part, cut.c.arrival, cut.c.day)
    coded = (
        select(*named, (score_bin(cut.c.score) * whole(2) + positive).label("code"), cut.c.sign)
        .where(is_finite(cut.c.score), cut.c.version != literal(UNMATCHED))
        .subquery()
    )
    keys = (coded.c.version, coded.c.part, coded.c.arrival, coded.c.day, coded.c.code)
    changed = cast(func.sum(coded.c.sign), BigInteger())
    return select(*keys, changed).group_by(*keys).having(func.sum(coded.c.sign) != whole(0))


def by_score(rows: FromClause, part: ColumnElement[Any] | None, *, scores: bool) -> Select[Any]:
    """(version, part, day, score bin or NULL, predictions, those without a finite score, sum of scores)."""
    cut = _cut(rows, part, ("day", "score"))
    good = is_finite(cut.c.score)
    place = case((good, score_bin(cut.c.score)), else_=null()) if scores else cast(null(), BigInteger())
    binned = select(
        cut.c.version,
        cut.c.part,
        cut.c.day,
        place.label("b"),
        case((good, whole(0)), else_=whole(1)).label("lost"),
        case((good, cut.c.score), else_=exact(0.0)).label("total"),
    ).subquery()
    keys = (binned.c.version, binned.c.part, binned.c.day, binned.c.b)
    return select(*keys, func.count(), cast(func.sum(binned.c.lost), BigInteger()), func.sum(binned.c.total)).group_by(
        *keys
    )


def part_of(column: ColumnElement[str], values: Sequence[str]) -> ColumnElement[Any]:
    """The value of a slice, NULL for rows that are in none of these."""
    return case((column.in_([literal(value) for value in values]), column), else_=null())


def score_bin(score: ColumnElement[float]) -> ColumnElement[int]:
    """One of 1,000 equal bins of [0, 1]. Floor first: engines disagree how a cast rounds."""
    return case(
        (score < exact(0.0), whole(0)),
        (score >= exact(1.0), whole(SCORE_BINS - 1)),
        else_=cast(func.floor(score * exact(float(SCORE_BINS))), BigInteger()),
    )


def _cut(rows: FromClause, part: ColumnElement[Any] | None, columns: Sequence[str]) -> FromClause:
    """Rows with the slice they are in: all of them with an empty one, or those that are in one."""
    named = literal("") if part is None else part
    inner = select(rows.c.version, named.label("part"), *(rows.c[name] for name in columns)).subquery()
    return select(*inner.c).where(inner.c.part.is_not(None)).subquery()
