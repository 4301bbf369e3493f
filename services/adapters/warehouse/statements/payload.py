"""What is asked of an inference table of Databricks AI Gateway: its columns are the platform's, not ours.

A request that was written twice counts once. Requests this application sent itself (probes, replays) carry its mark
as `client_request_id`. `sampling_fraction` is the chance a request had of being written: a row with the fraction f
stands for 1 / f requests, and one without a usable fraction for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Double,
    FromClause,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from services.adapters.warehouse.statements.dialects import (
    EachOf,
    JsonLength,
    JsonText,
    Microseconds,
    Number,
    days_listed,
    exact,
    is_finite,
    text_of,
    whole,
)
from services.adapters.warehouse.statements.latency import bucket_of

COLUMNS = (
    "databricks_request_id", "request_date", "client_request_id", "request_time", "status_code", "sampling_fraction",
    "execution_duration_ms", "request", "response", "logging_error_codes", "served_entity_id", "requester",
)  # fmt: skip
NEEDED = tuple(name for name in COLUMNS if name not in {"logging_error_codes", "requester"})
"""Columns that a table must have to be read here."""
OURS = "countersign-"
"""What `client_request_id` begins with where this application asked."""
REPLAYED = f"{OURS}replay-"
_MINUTE = 60_000_000
_PREDICTIONS = "$.predictions"


def days(rows: FromClause, first: date) -> Select[Any]:
    """(day, rows, served entities, sum of the status codes, first and last time in microseconds) from a day on.

    Late rows change the count, so a day is known by these.
    """
    c = rows.c
    at = Microseconds(c.request_time)
    status = func.sum(cast(func.coalesce(c.status_code, whole(0)), BigInteger()))
    told = (func.count(), func.count(c.served_entity_id.distinct()), cast(status, BigInteger()), func.min(at))
    return (
        select(c.request_date, *told, func.max(at))
        .where(c.request_date >= days_listed([first])[0], c.request_time.is_not(None))
        .group_by(c.request_date)
    )


def requests_by_bucket(rows: FromClause, on: Sequence[date], *, slot_minutes: int) -> Select[Any]:
    """(day, begin of the slot, served entity, bucket, rows, failed, requests they stand for, rows without a fraction).

    As `latency.requests_by_bucket`: failed is no answer or 5xx; slots in microseconds.
    """
    once = _once(rows, _on(rows, on), ours=False)
    slot = once.c.at - once.c.at % whole(slot_minutes * _MINUTE)
    failed = or_(once.c.status == whole(0), once.c.status >= whole(500))
    raw = select(
        once.c.day, slot.label("slot"), once.c.entity, bucket_of(once.c.ms, ~failed).label("b"),
        _one(failed).label("failed"), once.c.weight, once.c.odd,
    ).subquery()  # fmt: skip
    keys = (raw.c.day, raw.c.slot, raw.c.entity, raw.c.b)
    return (
        select(*keys, func.count(), _total(raw.c.failed), func.sum(raw.c.weight), _total(raw.c.odd))
        .group_by(*keys)
        .order_by(*keys)
    )


def predicted(rows: FromClause, on: Sequence[date]) -> Select[Any]:
    """(day, served entity, answered rows, answered rows whose answer cannot be counted, predictions, rows' weight).

    `predictions` is weighted by the sampling fraction; an answer that cannot be read (NULL because it was too large, or
    no JSON, or without an array `predictions`) counts as one prediction, which is the least it holds.
    """
    once = _once(rows, _on(rows, on), ours=False)
    counted = JsonLength(JsonText(once.c.response, _PREDICTIONS))
    raw = (
        select(once.c.day, once.c.entity, counted.label("n"), once.c.weight)
        .where(once.c.status >= whole(200), once.c.status < whole(300))
        .subquery()
    )
    keys = (raw.c.day, raw.c.entity)
    least = cast(func.coalesce(raw.c.n, whole(1)), BigInteger())
    return (
        select(*keys, func.count(), _total(_one(raw.c.n.is_(None))), func.sum(least * raw.c.weight),
               func.sum(raw.c.weight))
        .group_by(*keys)
        .order_by(*keys)
    )  # fmt: skip


def each(rows: FromClause, on: Sequence[date], path: str) -> Select[Any]:
    """(day, version, score): a row for each prediction, and one without a score for each answer that cannot be read.

    `version` is the served entity. Rows of a sample are counted as they are.
    """
    once = _once(rows, _on(rows, on), ours=False)
    answered = (once.c.status >= whole(200), once.c.status < whole(300))
    given = JsonText(once.c.response, _PREDICTIONS)
    read = select(once.c.day, once.c.entity.label("version"), EachOf(given).label("p")).where(*answered).subquery()
    nothing: Any = cast(null(), Double()).label("score")
    unread = select(once.c.day, once.c.entity.label("version"), nothing).where(*answered, JsonLength(given).is_(None))
    both = union_all(select(read.c.day, read.c.version, _score(read.c.p, path).label("score")), unread).subquery()
    return select(both.c.day, both.c.version, both.c.score)


def ticks(rows: FromClause, since: int, until: int, *, tick_seconds: int) -> Select[Any]:
    """(served entity, replayed, begin of the tick, bucket, rows, not answered well) of [since, until], microseconds.

    Not answered well is everything but 200, as the telemetry of our own endpoint has it: a model that fails may
    answer with a 400.
    """
    once = _once(rows, _between(rows, since, until), ours=None)
    bad = once.c.status != whole(200)
    raw = select(
        once.c.entity, _one(once.c.replayed).label("r"), _tick(once.c.at, tick_seconds).label("tick"),
        bucket_of(once.c.ms, ~bad).label("b"), _one(bad).label("bad"),
    ).subquery()  # fmt: skip
    keys = (raw.c.entity, raw.c.r, raw.c.tick, raw.c.b)
    return select(*keys, func.count(), _total(raw.c.bad)).group_by(*keys).order_by(*keys)


def scores(
    rows: FromClause, since: int, until: int, *, tick_seconds: int, edges: Sequence[float], path: str
) -> Select[Any]:
    """(served entity, replayed, begin of the tick, bin, predictions): n edges make n + 1 bins. `path`: score in one."""
    once = _once(rows, _between(rows, since, until), ours=None)
    each = (
        select(
            once.c.entity, _one(once.c.replayed).label("r"), _tick(once.c.at, tick_seconds).label("tick"),
            EachOf(JsonText(once.c.response, _PREDICTIONS)).label("p"),
        )
        .where(once.c.status == whole(200))
        .subquery()
    )  # fmt: skip
    scored = select(each.c.entity, each.c.r, each.c.tick, _score(each.c.p, path).label("x")).subquery()
    place: Any = whole(0)
    for edge in edges:
        place += case((scored.c.x >= exact(edge), whole(1)), else_=whole(0))
    binned = (
        select(scored.c.entity, scored.c.r, scored.c.tick, place.label("bin")).where(is_finite(scored.c.x)).subquery()
    )
    keys = (binned.c.entity, binned.c.r, binned.c.tick, binned.c.bin)
    return select(*keys, func.count()).group_by(*keys).order_by(*keys)


def entities(rows: FromClause, first: date) -> Select[Any]:
    """(served entity,) of everything that answered from a day on."""
    c = rows.c
    return (
        select(c.served_entity_id)
        .distinct()
        .where(c.request_date >= days_listed([first])[0], c.served_entity_id.is_not(None))
    )


def newest(rows: FromClause, first: date, until: int) -> Select[Any]:
    """(microseconds,) of the newest request that is not in the future, whoever sent it."""
    at = Microseconds(rows.c.request_time)
    return select(func.max(at)).where(rows.c.request_date >= days_listed([first])[0], at <= whole(until))


def served(rows: FromClause, ids: Sequence[str]) -> Select[Any]:
    """(served entity, model, version) as the newest change of each has it."""
    c = rows.c
    at = func.row_number().over(partition_by=c.served_entity_id, order_by=Microseconds(c.change_time).desc())
    ranked = (
        select(c.served_entity_id, c.entity_name, text_of(c.entity_version).label("version"), at.label("place"))
        .where(c.served_entity_id.in_([literal(item) for item in ids]))
        .subquery()
    )
    return select(ranked.c.served_entity_id, ranked.c.entity_name, ranked.c.version).where(ranked.c.place == whole(1))


def made(rows: FromClause, ids: Sequence[str], first: date, path: str) -> Select[Any]:
    """(databricks id, client id, served entity, microseconds, score) of answers with one prediction, oldest first.

    An answer that cannot be read has no score; one with several predictions, or none, is not there.
    """
    wanted = [literal(item) for item in ids]
    named = or_(rows.c.databricks_request_id.in_(wanted), rows.c.client_request_id.in_(wanted))
    once = _once(rows, [rows.c.request_date >= days_listed([first])[0], named], ours=False)
    score = Number(JsonText(once.c.response, f"{_PREDICTIONS}[0]{path}"))
    answered = and_(once.c.status >= whole(200), once.c.status < whole(300))
    alone = func.coalesce(JsonLength(JsonText(once.c.response, _PREDICTIONS)), whole(1)) == whole(1)
    return (
        select(func.coalesce(once.c.id, literal("")), once.c.client, once.c.entity, once.c.at, score.label("score"))
        .where(answered, alone)
        .order_by(once.c.at, once.c.id)
    )


def logged(rows: FromClause, since: int, until: int, after: str, limit: int) -> Select[Any]:
    """(microseconds, id, served entity, request, response) of answered requests of callers, in order.

    Strictly beyond (since, after) and up to `until`, at most `limit`; those whose request was not kept are left out.
    """
    once = _once(rows, _between(rows, since, until), ours=False)
    beyond = or_(once.c.at > whole(since), and_(once.c.at == whole(since), once.c.id > literal(after)))
    return (
        select(once.c.at, once.c.id, once.c.entity, once.c.request, once.c.response)
        .where(beyond, once.c.id.is_not(None), once.c.request.is_not(None), once.c.status == whole(200))
        .order_by(once.c.at, once.c.id)
        .limit(literal_column(str(int(limit))))
    )


def _once(rows: FromClause, where: Sequence[ColumnElement[bool]], *, ours: bool | None) -> Any:
    """Each request once, normalised. `ours`: False leaves our own requests out; None keeps replays and marks them."""
    c = rows.c
    client = func.coalesce(text_of(c.client_request_id), literal(""))
    sent_by_us, replayed = client.like(f"{OURS}%"), client.like(f"{REPLAYED}%")
    fraction = Number(c.sampling_fraction)
    usable = and_(is_finite(fraction), fraction > exact(0.0), fraction <= exact(1.0))
    status, at = cast(func.coalesce(c.status_code, whole(0)), BigInteger()), Microseconds(c.request_time)
    ms = Number(c.execution_duration_ms)
    # Two rows of one request are alike; where they are not, the order must be the same on every engine.
    place = func.row_number().over(
        partition_by=c.databricks_request_id, order_by=(at, status, func.coalesce(ms, exact(-1.0)))
    )
    ranked = (
        select(
            c.databricks_request_id.label("id"), client.label("client"), cast(c.request_date, Date()).label("day"),
            at.label("at"), status.label("status"), ms.label("ms"),
            func.coalesce(text_of(c.served_entity_id), literal("")).label("entity"),
            case((usable, exact(1.0) / fraction), else_=exact(1.0)).label("weight"),
            case((usable, whole(0)), else_=whole(1)).label("odd"),
            replayed.label("replayed"), cast(c.request, String()).label("request"),
            cast(c.response, String()).label("response"), place.label("place"),
        )
        .where(c.request_time.is_not(None), *where, *([~sent_by_us] if ours is False else [or_(~sent_by_us, replayed)]))
        .subquery()
    )  # fmt: skip
    return select(ranked).where(or_(ranked.c.place == whole(1), ranked.c.id.is_(None))).subquery()


def _on(rows: FromClause, on: Sequence[date]) -> list[ColumnElement[bool]]:
    return [rows.c.request_date.in_(days_listed(on))]


def _between(rows: FromClause, since: int, until: int) -> list[ColumnElement[bool]]:
    """Microseconds, both included. By day first: files are ordered by it."""
    first, last = (date.fromordinal(date(1970, 1, 1).toordinal() + at // 86_400_000_000) for at in (since, until))
    at = Microseconds(rows.c.request_time)
    low, high = days_listed([first])[0], days_listed([last])[0]
    return [rows.c.request_date >= low, rows.c.request_date <= high, at >= whole(since), at <= whole(until)]


def _tick(at: ColumnElement[Any], seconds: int) -> ColumnElement[Any]:
    return at - at % whole(seconds * 1_000_000)


def _score(prediction: ColumnElement[Any], path: str) -> Any:
    return Number(JsonText(prediction, f"${path}") if path else prediction)


def _one(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, whole(1)), else_=whole(0))


def _total(column: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(func.sum(column), BigInteger())
