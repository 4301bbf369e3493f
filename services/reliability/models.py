"""Service levels as served: latency quantiles from mergeable buckets, never averages of quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from services.inventory.models import ServiceLevel
from services.kernel.health import Explanation, Health, Signal
from services.kernel.interval import Estimate


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
    judged_minutes: int = 60
    """Length of the slots that the promise is held against; charts of long windows have longer ones."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCount:
    """Requests that began in one short slot, all versions together: what an error budget is counted from."""

    start: datetime
    requests: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests to one endpoint or of one version over a window. Quantiles come from merged buckets."""

    deployment: str
    version: str
    """Empty for all versions together."""
    requests: int
    errors: int
    injected: int
    error_rate: Estimate | None
    per_minute: float
    """Mean over the whole window, silent hours included."""
    busiest_hour: int | None
    """Requests in the busiest hour; None where it was not counted by hour."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    last: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMonth:
    """Runs of a batch job whose window began in one calendar month."""

    month: date
    runs: int
    failed: int
    late: int
    bad: int
    """Failed, late or both."""
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthKept:
    """One calendar month (UTC) against the promise: requests of a service, or runs of a batch job.

    `state`: healthy is kept, breach is missed, watch is over the limit by less than the measure can tell, unknown is
    too few to say. `parts` holds one sentence per promise.
    """

    month: date
    n: int
    bad: int
    """Failed requests; failed or late runs."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    state: Health
    parts: tuple[str, ...]
    so_far: bool
    """The month has not ended."""
    days: int
    """Days with a request or a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthsView:
    model: str
    level: ServiceLevel | None
    months: tuple[MonthKept, ...]
    """Newest first; months before the first record are not there."""
    explanation: Explanation

    @property
    def kept(self) -> tuple[int, int]:
        """(kept, judged) among the months that have ended."""
        ended = [item.state for item in self.months if not item.so_far and item.state is not Health.UNKNOWN]
        return sum(state is not Health.BREACH for state in ended), len(ended)
