"""Keeps the last good scores at hand for the time in which no version answers: which versions count, and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from services.kernel.clock import Clock
from services.rollout.models import Action, ActionKind, ActionState
from services.rollout.ports import RolloutUnits

_LOOKED_THROUGH = 200


class ScoreShelf(Protocol):
    def write(self, deployment: str, versions: tuple[str, ...], *, now: datetime) -> int:
        """Entities with a score. Raises TelemetryUnavailableError, StorageUnavailableError."""
        ...


def good_versions(approved: Sequence[str], revoked: Sequence[str], newest_first: Sequence[Action]) -> tuple[str, ...]:
    """Approved, not revoked, and not taken back since they last got traffic."""
    taken_back: set[str] = set()
    for action in reversed(newest_first):
        if action.state is ActionState.APPLIED:
            if action.kind is ActionKind.ROLLBACK and action.from_version:
                taken_back.add(action.from_version)
            taken_back -= {version for version, _ in action.routes}
    return tuple(version for version in approved if version not in taken_back | set(revoked))


class LastGood:
    def __init__(self, *, units: RolloutUnits, shelf: ScoreShelf, clock: Clock) -> None:
        self._units = units
        self._shelf = shelf
        self._clock = clock

    def refresh(self) -> int:
        """Entities with a score over all real-time deployments. Batch models have their results already."""
        with self._units.read() as unit:
            wanted = [
                (
                    row.deployment,
                    good_versions(
                        unit.rollouts.approved_versions(row.model),
                        unit.rollouts.revoked_versions(row.model),
                        unit.rollouts.actions(row.model, _LOOKED_THROUGH),
                    ),
                )
                for row in unit.rollouts.deployments()
                if row.kind == "realtime"
            ]
        return sum(self._shelf.write(deployment, versions, now=self._clock.now()) for deployment, versions in wanted)
