"""Recorded requests and runs judged against what was promised. Few requests are "too few", never green or red."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import sqrt

from services.inventory.models import ServiceLevel
from services.kernel.health import Health, Signal
from services.kernel.interval import Z_95, Estimate, share_of
from services.reliability.latency import merged, quantile
from services.reliability.models import BatchRuns, RequestSlot

LEAST_FOR_P95 = 20
"""Below 20 requests the 95th percentile is simply the slowest one."""
LEAST_RECENT = 20
NEAR_LIMIT = 0.8
RECENT = timedelta(hours=2)
"""Covers the slot that is filling now and at least one full hour before it."""


def latency(
    slots: Sequence[RequestSlot], level: ServiceLevel | None, now: datetime, *, recently: str = "In the last two hours"
) -> Signal:
    buckets = merged(slot.buckets for slot in slots)
    n, value = sum(count for _, count in buckets), quantile(buckets, 0.95)
    as_of = slots[-1].start if slots else None
    limit = level.p95_ms if level else None
    if value is None or n < LEAST_FOR_P95:
        sentence = f"Too few successful requests to judge latency ({n})." if n else "No successful request is recorded."
        return Signal(state=Health.UNKNOWN, value=value, unit="ms p95", sentence=sentence, n=n, as_of=as_of)
    if limit is None:
        sentence = f"p95 {value:,.0f} ms over {n:,} requests; no latency was promised."
        return Signal(state=Health.UNKNOWN, value=value, unit="ms p95", sentence=sentence, n=n, as_of=as_of)
    sentence = f"p95 {value:,.0f} ms over {n:,} requests, promised {limit:,.0f} ms."
    state = Health.BREACH if value > limit else Health.WATCH if value > NEAR_LIMIT * limit else Health.HEALTHY
    recent = merged(slot.buckets for slot in slots if slot.start > now - RECENT)
    recent_n, recent_value = sum(count for _, count in recent), quantile(recent, 0.95)
    if recent_value is not None and recent_n >= LEAST_RECENT and recent_value > limit:
        state = Health.BREACH
        sentence = f"{recently} p95 is {recent_value:,.0f} ms over {recent_n:,} requests. In all: {sentence}"
    return Signal(state=state, value=value, unit="ms p95", sentence=sentence, n=n, as_of=as_of)


def latency_interval(slots: Sequence[RequestSlot], share: float = 0.95) -> Estimate | None:
    """A quantile with its 95 % interval, from the requests whose rank could have been it (Hahn and Meeker 1991).

    The number of requests under the true quantile is binomial: ranks within 1.96 standard deviations of n times share.
    """
    buckets = merged(slot.buckets for slot in slots)
    n, value = sum(count for _, count in buckets), quantile(buckets, share)
    if value is None or n < LEAST_FOR_P95:
        return None
    half = Z_95 * sqrt(n * share * (1 - share))
    low, high = (quantile(buckets, min(1.0, max(0.0, (n * share + sign * half) / n))) for sign in (-1, 1))
    return Estimate(value=value, low=value if low is None else low, high=value if high is None else high)


def errors_interval(slots: Sequence[RequestSlot]) -> Estimate | None:
    """The share that failed; each request counts as one of its own, so faults that come together make it too narrow."""
    return share_of(sum(slot.errors for slot in slots), sum(slot.requests for slot in slots))


def errors(
    slots: Sequence[RequestSlot], level: ServiceLevel | None, now: datetime, *, recently: str = "In the last two hours"
) -> Signal:
    n, failed = sum(slot.requests for slot in slots), sum(slot.errors for slot in slots)
    as_of = slots[-1].start if slots else None
    whole = _rate(failed, n, level.error_rate if level else None, "requests failed")
    recent = [slot for slot in slots if slot.start > now - RECENT]
    recent_n, recent_failed = sum(slot.requests for slot in recent), sum(slot.errors for slot in recent)
    state, sentence = whole
    if level and recent_n >= LEAST_RECENT:
        recent_state, recent_sentence = _rate(recent_failed, recent_n, level.error_rate, "requests failed")
        if recent_state is Health.BREACH:
            state, sentence = Health.BREACH, f"{recently} {recent_sentence} In all: {sentence}"
    injected = sum(slot.injected for slot in slots)
    if injected:
        sentence += f" {injected:,} requests were made under an injected fault."
    return Signal(
        state=state, value=100 * failed / n if n else None, unit="% errors", sentence=sentence, n=n, as_of=as_of
    )


def on_time(runs: BatchRuns, level: ServiceLevel | None, days: int) -> Signal:
    """Watch while the share is under the promise; breach when its interval excludes the promise."""
    if not runs.runs:
        return Signal(
            state=Health.UNKNOWN, value=None, unit="% on time", sentence=f"No run in the last {days} days.", n=0
        )
    promised = level.on_time_share if level else None
    state, sentence = _rate(runs.late, runs.runs, None if promised is None else 1 - promised, "runs were late")
    return Signal(
        state=state, value=100 * (runs.runs - runs.late) / runs.runs, unit="% on time", sentence=sentence, n=runs.runs,
        as_of=runs.last_finished,
    )  # fmt: skip


def failures(runs: BatchRuns, level: ServiceLevel | None, days: int) -> Signal:
    if not runs.runs:
        return Signal(
            state=Health.UNKNOWN, value=None, unit="% failed runs", sentence=f"No run in the last {days} days.", n=0
        )
    state, sentence = _rate(runs.failed, runs.runs, level.error_rate if level else None, "runs failed")
    return Signal(
        state=state, value=100 * runs.failed / runs.runs, unit="% failed runs", sentence=sentence, n=runs.runs,
        as_of=runs.last_finished,
    )  # fmt: skip


def _rate(bad: int, n: int, limit: float | None, what: str) -> tuple[Health, str]:
    estimate = share_of(bad, n)
    if estimate is None:
        return Health.UNKNOWN, f"Nothing is recorded, so it is not known how many {what}."
    counted = f"{bad:,} of {n:,} {what} ({estimate.value:.2%})"
    if limit is None:
        return Health.UNKNOWN, f"{counted}; nothing was promised."
    if estimate.value > limit:
        clearly = estimate.low > limit
        state = Health.BREACH if clearly else Health.WATCH
        doubt = "" if clearly else ", but so few may be chance"
        return state, f"{counted}, more than the promised {limit:.2%}{doubt}."
    if n * limit < 1:
        return Health.UNKNOWN, f"{counted}: too few to show that the promised {limit:.2%} is kept."
    return Health.HEALTHY, f"{counted}, within the promised {limit:.2%}."


def adherence(slots: Sequence[RequestSlot], level: ServiceLevel | None) -> tuple[float | None, int]:
    """Share of slots with traffic that kept both promises, over all versions together, and how many slots."""
    if level is None:
        return None, 0
    by_start: dict[datetime, list[RequestSlot]] = defaultdict(list)
    for slot in slots:
        if slot.requests:
            by_start[slot.start].append(slot)
    kept = sum(1 for group in by_start.values() if _kept(group, level))
    return (kept / len(by_start) if by_start else None), len(by_start)


def _kept(group: list[RequestSlot], level: ServiceLevel) -> bool:
    value = quantile(merged(slot.buckets for slot in group), 0.95)
    fast = level.p95_ms is None or (value is not None and value <= level.p95_ms)
    requests, failed = sum(slot.requests for slot in group), sum(slot.errors for slot in group)
    # One error among a hundred requests of an hour is noise: only a rate clearly over the promise breaks the slot.
    estimate = share_of(failed, requests)
    return fast and (estimate is None or estimate.low <= level.error_rate)
