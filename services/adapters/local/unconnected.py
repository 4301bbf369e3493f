"""A deployment without an endpoint of ours: versions are decided and aliases moved, traffic lies elsewhere.

Nothing is known of traffic then, so nothing is answered about it; every question says how to connect one.
"""

from __future__ import annotations

from typing import NoReturn

from services.kernel.errors import ServingUnavailableError
from services.rollout.models import Capabilities, Observed, Probe


class UnconnectedServing:
    """Implements rollout.ports.ServingPlatform."""

    def deployments(self) -> tuple[str, ...]:
        return ()

    def capabilities(self, deployment: str) -> Capabilities:
        _refuse(deployment)

    def observe(self, deployment: str) -> Observed:
        _refuse(deployment)

    def ensure_ready(self, deployment: str, version: str, *, op: str) -> bool:
        del version, op
        _refuse(deployment)

    def set_routes(
        self, deployment: str, routes: tuple[tuple[str, int], ...], *, expect_generation: int, op: str
    ) -> Observed:
        del routes, expect_generation, op
        _refuse(deployment)

    def set_mirror(
        self, deployment: str, version: str | None, percent: int, *, expect_generation: int, op: str
    ) -> Observed:
        del version, percent, expect_generation, op
        _refuse(deployment)

    def set_mode(self, deployment: str, mode: str, *, expect_generation: int, op: str) -> Observed:
        del mode, expect_generation, op
        _refuse(deployment)

    def probe_routed(self, deployment: str, n: int) -> Probe:
        del n
        _refuse(deployment)

    def probe_version(self, deployment: str, version: str) -> Probe:
        del version
        _refuse(deployment)


def _refuse(deployment: str) -> NoReturn:
    raise ServingUnavailableError(
        f"No endpoint is connected to this deployment, so nothing is known about the traffic of {deployment}.",
        hint="Set COUNTERSIGN_SERVING_URL to an endpoint, or move the traffic where it lies.",
    )
