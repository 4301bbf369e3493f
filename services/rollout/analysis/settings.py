"""Numbers the tests are run with. The defaults are the ones that were simulated; see docs/releases.md."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from services.policy.models import RollbackRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    tick_seconds: int = 15
    telemetry_lag: timedelta = timedelta(0)
    """How late the platform declares its telemetry to be."""
    limits: tuple[RollbackRule, ...] = ()
    """Rules of the signed plan."""
    error_tolerance: float = 1.5
    error_alpha: float = 0.004
    latency_tolerances: tuple[float, float, float] = (1.1, 1.25, 1.25)
    """For slower than the reference median, its 95th percentile, and the promised limit."""
    latency_alpha: float = 0.004
    share_tolerance: float = 1.05
    share_alpha: float = 0.001
    score_alpha: float = 0.002
    score_psi: float = 0.1
    score_least: int = 100
    """Scores of the candidate before its distance means anything: with fewer than ten to a bin, bins that are empty by
    chance alone make it as large as a real change."""
    business_tolerance: float = 1.0
    business_alpha: float = 0.01
    go_evidence: float = 20.0
    detector_limit: float = 1_000.0
    """Without a control arm: mean ticks between false alarms at the reference rate."""
    reference_ms: tuple[float, float] | None = None
    """Median and 95th percentile of the live version. None: read off the first requests of the control."""
    reference_error_rate: float | None = None
    """For the time after everything moved. None: half of the promised rate."""
    least_events: int = 3
    """Failed requests, from as many different callers, before the machine may roll back on errors."""
    cold: timedelta = timedelta(seconds=60)
    """Left out after the candidate's first request: a process that warms up is not a bad version."""
    late: timedelta = timedelta(minutes=2)
    """Cells of ticks younger than this, seen from the watermark, may still be completed."""
    mirror_share: float = 1.0
    """Copied share of the live requests during shadow."""
    business_title: str = "Business outcome"
    stale_ticks: int = 3
    """Telemetry whose watermark is older than this many ticks is no data."""

    @property
    def tick(self) -> timedelta:
        return timedelta(seconds=self.tick_seconds)
