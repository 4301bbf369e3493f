"""Requests by slot, version and logarithmic latency bucket: additive, so days and versions are sums of slots."""

from __future__ import annotations

from math import log
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, case, cast, extract, func, select

from services.adapters.warehouse.statements.dialects import Number, exact, whole
from services.reliability.latency import FASTEST_MS, GAMMA

NO_LATENCY = -1_000_000
"""Bucket of requests without a latency; NULL as a group key would be one more thing to translate."""


def requests_by_bucket(
    source: FromClause, *, at: str, version: str, ms: str, failed: ColumnElement[bool], slot_minutes: int
) -> Select[Any]:
    """(hour, slot in the hour, version, bucket, requests, errors). Bucket i holds (gamma^(i-1), gamma^i] milliseconds.

    `date_trunc` and minutes, because Spark has neither `time_bucket` nor `epoch`; floor before the cast.
    """
    x = Number(source.c[ms])
    raw = select(
        func.date_trunc("hour", source.c[at]).label("h"),
        cast(func.floor(extract("minute", source.c[at]) / exact(float(slot_minutes))), BigInteger()).label("m"),
        source.c[version].label("v"),
        case((failed, whole(1)), else_=whole(0)).label("failed"),
        x.label("x"),
    ).subquery()
    slow_enough = case((raw.c.x < exact(FASTEST_MS), exact(FASTEST_MS)), else_=raw.c.x)
    bucket = case(
        (raw.c.failed == whole(1), whole(NO_LATENCY)),
        (raw.c.x.is_(None) | func.isnan(raw.c.x), whole(NO_LATENCY)),
        else_=cast(func.ceil(func.ln(slow_enough) / exact(log(GAMMA))), BigInteger()),
    )
    keyed = select(raw.c.h, raw.c.m, raw.c.v, bucket.label("b"), raw.c.failed).subquery()
    keys = (keyed.c.h, keyed.c.m, keyed.c.v, keyed.c.b)
    return select(*keys, func.count(), cast(func.sum(keyed.c.failed), BigInteger())).group_by(*keys)
