"""What a managed serving platform needs around it: a way back by hand, pins of batch jobs, requests to send again.

The embedded endpoint needs none of this: it keeps its own table, mirrors live requests and runs the jobs itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from services.rollout.models import Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSnapshot:
    """The whole configuration of a deployment as it was just before a change."""

    deployment: str
    endpoint: str
    config_version: int
    op: str
    """The operation that was about to change it."""
    taken_at: datetime
    document: Mapping[str, Any]
    """Everything the platform said about it."""
    restore: Mapping[str, Any]
    """The body that puts it back, as the platform's own command takes it."""


class ConfigSnapshots(Protocol):
    """Kept outside the platform, so that the way back does not depend on what a change left of it."""

    def keep(self, snapshot: ConfigSnapshot) -> None:
        """Durable when this returns; the same operation on the same configuration is kept once.

        Raises StorageUnavailableError: without a snapshot nothing is changed.
        """
        ...

    def snapshots(self, deployment: str) -> tuple[ConfigSnapshot, ...]:
        """Newest first. Raises StorageUnavailableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedEntity:
    """A version of a model on an endpoint, whoever put it there and whatever its share."""

    endpoint: str
    model: str
    version: str


@runtime_checkable
class ServedEntities(Protocol):
    """A platform that can say in one request what all its endpoints serve."""

    def entities(self) -> tuple[ServedEntity, ...]:
        """Raises ServingUnavailableError."""
        ...


class JobPins(Protocol):
    """The model version a batch job is told to use; it takes effect with the next run."""

    def jobs(self) -> tuple[str, ...]:
        """Deployments that are batch jobs."""
        ...

    def pinned(self, deployment: str) -> Observed:
        """All of the traffic to the pinned version; none while nothing is pinned. Raises ServingUnavailableError."""
        ...

    def pin(self, deployment: str, version: str, *, expect_generation: int, op: str) -> Observed:
        """Pins, and reads it back. Repeating an accepted `op` has no effect.

        Raises ConflictError, InputError, RefusalError, ServingUnavailableError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request callers sent and were answered long ago."""

    position: str
    """Where it stands in the log: sorts as text in the order of the log, unique, never reused."""
    request_id: str
    at: datetime
    body: Mapping[str, Any]
    version: str = ""
    """Which one answered the caller."""
    answer: Mapping[str, Any] | None = None
    """What the caller was answered; None where the log does not have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedAnswer:
    """What a version answers to a logged request when it is asked again; `error` is empty when it answered."""

    request_id: str
    position: str
    version: str
    asked_at: datetime
    replayed_at: datetime
    seconds: float
    answer: Mapping[str, Any] | None
    error: str
    method: str = "replayed requests"
    logged: LoggedRequest | None = None
    """The request as it was logged, with the answer its caller got."""


class LoggedRequests(Protocol):
    def after(self, deployment: str, position: str, limit: int) -> tuple[LoggedRequest, ...]:
        """At most `limit`, oldest first, strictly after `position`. Raises TelemetryUnavailableError."""
        ...


class ReplayedAnswers(Protocol):
    def position(self, deployment: str, version: str) -> str:
        """How far this version has been asked; empty before the first. Raises TelemetryUnavailableError."""
        ...

    def add(self, deployment: str, version: str, answers: tuple[ReplayedAnswer, ...], *, position: str) -> None:
        """Answers and the new position together; an answer to a known request id replaces the one before.

        Raises TelemetryUnavailableError.
        """
        ...
