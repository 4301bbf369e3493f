"""What running a release needs beside traffic: its record, telemetry, comparison, monitors that watch, incidents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from services.rollout.release_models import (
    Analysis,
    Check,
    Release,
    ReleaseEvent,
    ShadowComparison,
    TelemetryBatch,
)


class ReleaseStore(Protocol):
    """Releases inside one unit of work."""

    def release(self, release_id: str) -> Release | None: ...

    def release_of_request(self, request_id: str) -> Release | None: ...

    def running_release(self, model: str) -> Release | None:
        """The newest release of the model that is not final; `full` counts until it is retired."""
        ...

    def releases(self, model: str = "", *, limit: int = 50) -> tuple[Release, ...]:
        """Newest first; all models when `model` is empty."""
        ...

    def running_releases(self, model: str = "") -> tuple[Release, ...]:
        """Everything that is not final, newest first: also the one before, until it is retired."""
        ...

    def save_release(self, release: Release) -> None:
        """Inserts revision 0, or replaces exactly the revision before; `analysis` is left as it is.

        Raises StaleRequestError when somebody was faster.
        """
        ...

    def keep_watch(self, release_id: str, text: str) -> None:
        """Keeps the watcher's memory (`analysis`) without a new revision: a look must not make an open form stale."""
        ...

    def add_release_event(self, release_id: str, event: ReleaseEvent) -> None: ...

    def release_events(self, release_id: str) -> tuple[ReleaseEvent, ...]: ...

    def save_analysis(self, analysis: Analysis) -> None:
        """The newest look, and a thinned history of looks per stage for the charts."""
        ...

    def analysis(self, release_id: str) -> Analysis | None: ...

    def looks(self, release_id: str, limit: int) -> tuple[Analysis, ...]:
        """The newest `limit` looks of the thinned history, oldest first."""
        ...


class Telemetry(Protocol):
    def since(
        self, deployment: str, since: datetime, *, tick_seconds: int, score_edges: tuple[float, ...] = ()
    ) -> TelemetryBatch:
        """Counts per version, role and tick from `since` on. Raises TelemetryUnavailableError."""
        ...


class ShadowFacts(Protocol):
    def compare(
        self,
        deployment: str,
        *,
        live: str,
        candidate: str,
        since: datetime,
        until: datetime,
        threshold: float | None,
        tolerance: float | None,
    ) -> ShadowComparison:
        """Raises TelemetryUnavailableError."""
        ...


Armed = Callable[[str, str], tuple[Check, ...]]
"""(model, version) -> whether service level, telemetry, drift reference, watcher and rollback plan are there."""


class IncidentDesk(Protocol):
    """Opens and moves incidents on behalf of rules. Joining instead of doubling: one open incident per key."""

    def open_by_rule(
        self,
        *,
        key: str,
        model: str,
        severity: int,
        title: str,
        sentence: str,
        version: str,
        rule: str = "",
        measured: str = "",
        action_id: str = "",
        impact_start: datetime | None = None,
        detected_at: datetime | None = None,
    ) -> str:
        """The id of the incident; an open one with the same key is joined. Severity 1 is the gravest of 4."""
        ...

    def mitigated_by_action(self, action_id: str, *, at: datetime, seq: int | None, sentence: str) -> None:
        """Traffic is back, verified: marks the incidents that name this action as mitigated."""
        ...


Frozen = Callable[[str], str]
"""Name of the freeze window a model is in now, with its end in words; empty outside of all."""
