"""Service levels as served: latency quantiles from mergeable buckets, never averages of quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

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
    estimated: int | None = None
    """As in RequestSlot."""

    @property
    def volume(self) -> int:
        return self.requests if self.estimated is None else self.estimated


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
    notice: str = ""
    """What these figures are, where they are not those of our own log; empty where they are."""
    latency_interval: Estimate | None = None
    """95 % of `latency`: milliseconds, or for batch models the share of runs on time."""
    errors_interval: Estimate | None = None
    """95 % of `errors`, as a share."""
    adherence_interval: Estimate | None = None
    complete_until: datetime | None = None
    """Later slots may still grow and are not judged; None where a request is recorded when it is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSlot:
    """Requests of one version in one slot. `buckets` are (logarithmic bucket, requests) of those that succeeded."""

    start: datetime
    version: str
    requests: int
    errors: int
    injected: int
    buckets: tuple[tuple[int, int], ...]
    estimated: int | None = None
    """Requests that these rows stand for, where the platform writes a sample of them; None where it writes each."""

    @property
    def volume(self) -> int:
        return self.requests if self.estimated is None else self.estimated


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSource:
    """A log of requests that is not ours: what its figures mean and what it may not know yet."""

    words: str
    """What it is called, for example `inference table main.claims.score_payload`."""
    late: timedelta
    """Rows may arrive so long after their request."""
    stale: timedelta
    """When it was not read for so long, nobody can say how the service is."""
    failures_logged: bool = False
    """Every failed request is known to be in it. Else a failure rate is the least it can be."""
    model_time: bool = True
    """Latency is the time of the model, without network, queue and the checks before it."""


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
    estimated: int | None = None
    """As in RequestSlot."""


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
