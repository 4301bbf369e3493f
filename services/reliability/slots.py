"""Slots of requests made coarser: counts and latency buckets add up, quantiles are read off at the end. Pure.

A percentile of an hour is that of the hour's requests; it is never the mean of twelve percentiles of five minutes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from services.kernel.interval import share_of
from services.reliability.latency import merged, quantile
from services.reliability.models import RequestCount, RequestSlot, Traffic

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def floor(at: datetime, width: timedelta) -> datetime:
    """The start of the slot that holds `at`, counted from 1970 in UTC: days of UTC whatever the clocks do."""
    return at - (at - _EPOCH) % width


def total(slots: Sequence[RequestSlot], *, start: datetime, version: str = "") -> RequestSlot:
    return RequestSlot(
        start=start,
        version=version,
        requests=sum(slot.requests for slot in slots),
        errors=sum(slot.errors for slot in slots),
        injected=sum(slot.injected for slot in slots),
        buckets=merged(slot.buckets for slot in slots),
        estimated=sum(slot.volume for slot in slots) if any(slot.estimated is not None for slot in slots) else None,
    )


def coarser(slots: Iterable[RequestSlot], width: timedelta) -> tuple[RequestSlot, ...]:
    """One slot per version and `width`, ordered by start and version."""
    groups: dict[tuple[datetime, str], list[RequestSlot]] = defaultdict(list)
    for slot in slots:
        groups[floor(slot.start, width), slot.version].append(slot)
    return tuple(total(group, start=at, version=version) for (at, version), group in sorted(groups.items()))


def coarser_by_day(found: Iterable[tuple[date, RequestSlot]], width: timedelta) -> tuple[tuple[date, RequestSlot], ...]:
    """The same within each partition, so that a partition can be replaced alone."""
    groups: dict[date, list[RequestSlot]] = defaultdict(list)
    for day, slot in found:
        groups[day].append(slot)
    return tuple((day, slot) for day, group in sorted(groups.items()) for slot in coarser(group, width))


def counted(found: Iterable[tuple[date, RequestSlot]]) -> tuple[tuple[date, RequestCount], ...]:
    """Requests and failures per slot over all versions."""
    groups: dict[tuple[date, datetime], list[RequestSlot]] = defaultdict(list)
    for day, slot in found:
        groups[day, slot.start].append(slot)
    return tuple(
        (
            day,
            RequestCount(start=start, requests=sum(s.requests for s in group), errors=sum(s.errors for s in group)),
        )
        for (day, start), group in sorted(groups.items())
    )


def traffic(
    deployment: str, version: str, slots: Sequence[RequestSlot], *, minutes: float, busiest: int | None
) -> Traffic:
    """What went through over a window of `minutes`, read off the merged buckets."""
    whole = total(slots, start=_EPOCH)
    return Traffic(
        deployment=deployment,
        version=version,
        requests=whole.requests,
        errors=whole.errors,
        injected=whole.injected,
        error_rate=share_of(whole.errors, whole.requests),
        per_minute=whole.volume / minutes if minutes > 0 else 0.0,
        busiest_hour=busiest,
        p50_ms=quantile(whole.buckets, 0.5),
        p95_ms=quantile(whole.buckets, 0.95),
        p99_ms=quantile(whole.buckets, 0.99),
        last=max((slot.start.date() for slot in slots), default=None),
        estimated=whole.estimated,
    )
