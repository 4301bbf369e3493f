"""What the watcher needs beside telemetry and incidents: a judge, the signed plan, and the machine that may act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from services.attestation.models import Receipt
from services.policy.models import RollbackRule
from services.rollout.machine import Measured
from services.rollout.models import Deployment
from services.rollout.ports import RolloutStore
from services.rollout.release_models import Analysis, Release, TelemetryBatch
from services.rollout.signed_plan import SignedPlan


class Judge(Protocol):
    """The sequential tests and the limits of the plan; `state` is their memory in their own words."""

    def since(self, release: Release, *, state: str, rules: tuple[RollbackRule, ...], now: datetime) -> datetime:
        """From when on telemetry is needed."""
        ...

    def look(
        self, release: Release, batch: TelemetryBatch, *, state: str, rules: tuple[RollbackRule, ...], now: datetime
    ) -> tuple[Analysis, str]:
        """One look, and the state after it."""
        ...


class MachineRollback(Protocol):
    def __call__(self, model: str, rule: str, measured: Measured, at: datetime) -> Receipt:
        """Raises RefusalError (recorded) when the signed plan does not say exactly this."""
        ...


class Plans(Protocol):
    def of(self, rollouts: RolloutStore, row: Deployment) -> SignedPlan | None: ...


Edges = Callable[[str], tuple[float, ...]]
"""Bins of the scores of a model, frozen by its reference; empty when there is none."""
