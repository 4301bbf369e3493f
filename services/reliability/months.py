"""Was the promise kept, month by month? A month is a census of its requests: no sampling error. Pure.

    error promise    failed / requests <= promised share; grey while one allowed failure does not fit in the month
    latency promise  p95 of the month, from the merged buckets of its days, <= promised milliseconds
    runs on time     runs inside their window / runs >= promised share
    runs failed      failed / runs <= promised share

The p95 is known within 2 % (the width of a bucket): closer to the limit than that is neither kept nor missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime

from services.inventory.models import ServiceLevel
from services.kernel.health import Health
from services.reliability.latency import ACCURACY, merged, quantile
from services.reliability.models import BatchMonth, MonthKept, RequestSlot
from services.reliability.promise import LEAST_FOR_P95

Part = tuple[Health, str]


def of_requests(days: Sequence[RequestSlot], level: ServiceLevel | None, now: datetime) -> tuple[MonthKept, ...]:
    """`days`: one slot per day and version. Newest month first."""
    groups: dict[date, list[RequestSlot]] = defaultdict(list)
    for slot in days:
        groups[slot.start.date().replace(day=1)].append(slot)
    return tuple(_month(month, group, level, now) for month, group in sorted(groups.items(), reverse=True))


def _month(month: date, group: list[RequestSlot], level: ServiceLevel | None, now: datetime) -> MonthKept:
    buckets = merged(slot.buckets for slot in group)
    n, failed = sum(slot.requests for slot in group), sum(slot.errors for slot in group)
    parts = [_errors(failed, n, level), *_latency(buckets, level)]
    return MonthKept(
        month=month,
        n=n,
        bad=failed,
        p50_ms=quantile(buckets, 0.5),
        p95_ms=quantile(buckets, 0.95),
        p99_ms=quantile(buckets, 0.99),
        state=Health.worst([state for state, _ in parts]),
        parts=tuple(words for _, words in parts),
        so_far=(now.year, now.month) == (month.year, month.month),
        days=len({slot.start.date() for slot in group if slot.requests}),
    )


def of_runs(runs: Sequence[BatchMonth], level: ServiceLevel | None, now: datetime) -> tuple[MonthKept, ...]:
    return tuple(_batch_month(item, level, now) for item in sorted(runs, key=lambda item: item.month, reverse=True))


def _batch_month(item: BatchMonth, level: ServiceLevel | None, now: datetime) -> MonthKept:
    promised = level.on_time_share if level else None
    late = _share(item.late, item.runs, None if promised is None else 1 - promised, "runs were late")
    failed = _share(item.failed, item.runs, level.error_rate if level else None, "runs failed")
    return MonthKept(
        month=item.month,
        n=item.runs,
        bad=item.bad,
        p50_ms=None,
        p95_ms=None,
        p99_ms=None,
        # A month of daily runs leaves no room for one allowed failure in a hundred: then being on time decides alone.
        state=Health.worst([late[0], *([failed[0]] if failed[0] is not Health.UNKNOWN else [])]),
        parts=(late[1], failed[1]),
        so_far=(now.year, now.month) == (item.month.year, item.month.month),
        days=item.days,
    )


def _errors(failed: int, n: int, level: ServiceLevel | None) -> Part:
    return _share(failed, n, level.error_rate if level else None, "requests failed")


def _share(bad: int, n: int, limit: float | None, what: str) -> Part:
    if not n:
        return Health.UNKNOWN, f"Nothing is recorded, so it is not known how many {what}."
    counted = f"{bad:,} of {n:,} {what} ({bad / n:.2%})"
    if limit is None:
        return Health.UNKNOWN, f"{counted}; nothing was promised."
    if n * limit < 1 and bad <= 1:
        return Health.UNKNOWN, f"{counted}: too few to hold against the promised {limit:.2%}."
    if bad > n * limit:
        return Health.BREACH, f"{counted}, more than the promised {limit:.2%}."
    return Health.HEALTHY, f"{counted}, within the promised {limit:.2%}."


def _latency(buckets: Sequence[tuple[int, int]], level: ServiceLevel | None) -> list[Part]:
    limit = level.p95_ms if level else None
    if limit is None:
        return []
    n, value = sum(count for _, count in buckets), quantile(buckets, 0.95)
    if value is None or n < LEAST_FOR_P95:
        return [(Health.UNKNOWN, f"Too few answered requests to judge latency ({n}).")]
    words = f"p95 {value:,.0f} ms over {n:,} requests, promised {limit:,.0f} ms"
    if abs(value - limit) <= ACCURACY * limit:
        return [(Health.WATCH, f"{words}: closer to the limit than 2 %, which is how exactly it is known.")]
    return [(Health.BREACH if value > limit else Health.HEALTHY, f"{words}.")]
