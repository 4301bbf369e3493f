"""Service levels as served: latency quantiles from mergeable buckets, never averages of quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.inventory.models import ServiceLevel
from services.kernel.health import Explanation, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaPoint:
    """Requests of one version in one time slot. Latencies in milliseconds; None when no request succeeded."""

    start: datetime
    version: str
    requests: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    injected: int = 0
    """Requests made under an injected fault, labelled as such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaView:
    model: str
    deployment: str
    slot_minutes: int
    points: tuple[SlaPoint, ...]
    level: ServiceLevel | None
    latency: Signal
    errors: Signal
    adherence: float | None
    """Share of slots with traffic that kept the promise, between 0 and 1."""
    slots: int
    explanation: Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSlot:
    """Requests of one version in one slot. `buckets` are (logarithmic bucket, requests) of those that succeeded."""

    start: datetime
    version: str
    requests: int
    errors: int
    injected: int
    buckets: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRuns:
    """Batch runs of a window, counted."""

    runs: int
    failed: int
    late: int
    last_finished: datetime | None
