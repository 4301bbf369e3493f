"""Requests by slot, version and logarithmic latency bucket: additive, so days and versions are sums of slots."""

from __future__ import annotations

from math import log
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Date, FromClause, Select, and_, case, cast, func, literal, or_, select

from services.adapters.warehouse.statements.dialects import Microseconds, Number, exact, is_finite, text_of, whole
from services.reliability.latency import FASTEST_MS, GAMMA

REQUESTS = ("date", "event_at", "version", "status", "injected", "latency_ms")
NO_LATENCY = -1_000_000
"""Bucket of requests without a latency; NULL as a group key would be one more thing to translate."""
_MINUTE = 60_000_000


def requests_by_bucket(source: FromClause, *, slot_minutes: int) -> Select[Any]:
    """(day, begin of the slot, version, bucket, requests, failed, failed on purpose), the slot in microseconds.

    Bucket i holds (gamma^(i-1), gamma^i] milliseconds. A request fails when the service could not answer it: status 0
    (no answer) or 5xx; a 4xx is the caller's mistake. `injected` marks what a test had fail.
    """
    at = Microseconds(source.c.event_at)
    failed = or_(source.c.status == whole(0), source.c.status >= whole(500))
    raw = (
        select(
            cast(source.c.date, Date()).label("d"),
            (at - at % whole(slot_minutes * _MINUTE)).label("slot"),
            text_of(source.c.version).label("v"),
            case((failed, whole(1)), else_=whole(0)).label("failed"),
            case((func.coalesce(source.c.injected, literal("")) != literal(""), whole(1)), else_=whole(0)).label("i"),
            Number(source.c.latency_ms).label("x"),
        )
        .where(source.c.event_at.is_not(None))
        .subquery()
    )
    bucket = bucket_of(raw.c.x, raw.c.failed == whole(0))
    keyed = select(raw.c.d, raw.c.slot, raw.c.v, bucket.label("b"), raw.c.failed, raw.c.i).subquery()
    keys = (keyed.c.d, keyed.c.slot, keyed.c.v, keyed.c.b)
    failures, injected = (cast(func.sum(column), BigInteger()) for column in (keyed.c.failed, keyed.c.i))
    return select(*keys, func.count(), failures, injected).group_by(*keys).order_by(*keys)


def bucket_of(milliseconds: ColumnElement[Any], counted: ColumnElement[bool]) -> ColumnElement[int]:
    """The logarithmic bucket of a DOUBLE; NO_LATENCY where it is no number or the request does not count."""
    slow_enough = case((milliseconds < exact(FASTEST_MS), exact(FASTEST_MS)), else_=milliseconds)
    return case(
        (
            and_(counted, is_finite(milliseconds)),
            cast(func.ceil(func.ln(slow_enough) / exact(log(GAMMA))), BigInteger()),
        ),
        else_=whole(NO_LATENCY),
    )
