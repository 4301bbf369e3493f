"""A deployment as the platform really serves it, version by version; every figure says over which time it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.rollout.models import Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointVersion:
    """One version behind an endpoint. None where the platform does not say."""

    version: str
    state: str
    """`ready`, `loading`, `restarting`, `unreachable`, `failed`, `stopped` or `absent`."""
    reason: str = ""
    role: str = ""
    """`live` (answers callers), `mirror` (gets copies), `warm` (kept ready for the way back), or empty."""
    share: int = 0
    """Percent of the live requests by the routes."""
    pid: int | None = None
    restarts: int | None = None
    memory_bytes: int | None = None
    cpu_percent: float | None = None
    """Of one processor, over the last seconds."""
    requests_per_minute: float | None = None
    """Requests it answered in its role, over `window_seconds`."""
    requests: int | None = None
    """In the window."""
    errors: int | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    window_seconds: float | None = None
    fault: str = ""
    """Label of a disturbance that somebody injected, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReading:
    """What a platform said about one deployment at `observed.at`."""

    observed: Observed
    versions: tuple[EndpointVersion, ...] = ()
    copies: int | None = None
    """Copies of live requests sent since the platform started."""
    copies_dropped: int | None = None
    stored_entities: int | None = None
    """Entities with a score for `batch_only`; None when there is no such file."""
    stored_newest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """Desired and real, with the age of what is known. `problem` says why it could not be read just now."""

    model: str
    """Empty for a deployment that no model of ours has."""
    deployment: str
    kind: str
    """`realtime`, `batch`, or empty when nobody knows."""
    desired: tuple[tuple[str, int], ...]
    routes: tuple[tuple[str, int], ...]
    """As last read; empty when it was never read, or serves nothing."""
    mode: str
    mirror: tuple[str, int] | None
    update: str
    pending: tuple[tuple[str, int], ...]
    versions: tuple[EndpointVersion, ...]
    generation: int | None
    last_op: str
    last_op_words: str
    """Which of our actions that was, or that it was none."""
    read_at: datetime | None
    """When the platform said so; older than now while `problem` stands."""
    problem: str
    differs: bool
    """What was last read is not what was asked for."""
    mirror_kind: str
    """`live`, `replay`, `none`, or empty when the platform did not say."""
    copies: int | None = None
    copies_dropped: int | None = None
    stored_entities: int | None = None
    stored_newest: datetime | None = None

    @property
    def requests_per_minute(self) -> float | None:
        """Of live requests over all versions; None when no version says."""
        known = [item.requests_per_minute for item in self.versions if item.role == "live"]
        return sum(value for value in known if value is not None) if any(v is not None for v in known) else None

    @property
    def errors(self) -> int | None:
        known = [item.errors for item in self.versions if item.role == "live" and item.errors is not None]
        return sum(known) if known else None
