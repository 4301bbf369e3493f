"""What moving traffic needs from a serving platform. Every call returns quickly and may be repeated."""

from __future__ import annotations

from typing import Protocol

from services.rollout.models import Observed, Probe


class ServingPlatform(Protocol):
    def deployments(self) -> tuple[str, ...]:
        """Names of all deployments (endpoints and batch jobs). Raises ServingUnavailableError."""
        ...

    def observe(self, deployment: str) -> Observed:
        """Raises ServingUnavailableError."""
        ...

    def ensure_ready(self, deployment: str, version: str, *, op: str) -> bool:
        """Starts loading `version` if needed; True once it answers a direct probe.

        Raises ArtifactMissingError when it can never load, ServingUnavailableError.
        """
        ...

    def set_routes(
        self, deployment: str, routes: tuple[tuple[str, int], ...], *, expect_generation: int, op: str
    ) -> Observed:
        """Switches traffic. Repeating an accepted `op` has no effect and returns the state.

        Raises ConflictError for a stale generation, InputError for routes that do not sum to 100 or name an
        unknown version, ServingUnavailableError.
        """
        ...

    def probe_routed(self, deployment: str, n: int) -> Probe:
        """Sends `n` marked probe requests through the normal route (left out of telemetry)."""
        ...
