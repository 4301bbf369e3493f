"""What moving traffic needs from a serving platform. Every call returns quickly and may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from services.attestation.ports import LedgerWriter
from services.attestation.statement import Statement
from services.inventory.models import ModelVersion
from services.rollout.models import (
    Action,
    Basis,
    Capabilities,
    Challenge,
    Deployment,
    Observed,
    Probe,
    ServedVersion,
    TrafficChange,
)
from services.rollout.release_ports import ReleaseStore
from services.rollout.retirement_models import RetirementStore


class ServingPlatform(Protocol):
    def deployments(self) -> tuple[str, ...]:
        """Names of all deployments (endpoints and batch jobs). Raises ServingUnavailableError."""
        ...

    def capabilities(self, deployment: str) -> Capabilities:
        """What this platform can do for the deployment, whatever its state. Raises ServingUnavailableError."""
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

        The mode stays. Copies to a version stay too, and end when that version itself is routed: a pair of answers
        of one version with itself says nothing.

        Raises ConflictError for a stale generation, InputError for routes that do not sum to 100 or name an
        unknown version, ServingUnavailableError.
        """
        ...

    def set_mirror(
        self, deployment: str, version: str | None, percent: int, *, expect_generation: int, op: str
    ) -> Observed:
        """Sends copies of `percent` of the live requests to `version`; None ends it. Callers never wait for a copy.

        Repeating an accepted `op` has no effect. Raises ConflictError for a stale generation, InputError for a version
        that is routed already, was never loaded, or for a platform without mirror, ServingUnavailableError.
        """
        ...

    def set_mode(self, deployment: str, mode: str, *, expect_generation: int, op: str) -> Observed:
        """Who answers callers: `live` versions by their routes, `batch_only` the last batch scores, `off` nobody.

        Routes and loaded versions stay, so that the way back is short. Repeating an accepted `op` has no effect.
        Raises ConflictError for a stale generation, InputError for a mode the deployment does not have,
        ServingUnavailableError, also when it shall be `live` and a routed version is not ready.
        """
        ...

    def probe_routed(self, deployment: str, n: int) -> Probe:
        """Sends `n` marked probe requests along the routes, whatever the mode (left out of telemetry)."""
        ...

    def probe_version(self, deployment: str, version: str) -> Probe:
        """One marked request straight to a version, routed or not; one that is not loaded counts as failed."""
        ...


class AliasRegistry(Protocol):
    """The part of the registry an action touches. Slow, sometimes absent; never needed to bring traffic back."""

    def get_version(self, model: str, version: str) -> ModelVersion:
        """Raises UnknownVersionError when the registry says that it does not exist, RegistryUnavailableError."""
        ...

    def alias_target(self, model: str, alias: str) -> str | None:
        """Raises UnknownModelError, RegistryUnavailableError."""
        ...

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Raises RegistryUnavailableError."""
        ...

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None:
        """Raises RegistryUnavailableError."""
        ...

    def version_tag(self, model: str, version: str, key: str) -> str | None:
        """Raises RegistryUnavailableError."""
        ...

    def manifest(self, model: str, version: str) -> bytes:
        """Raises ArtifactMissingError, RegistryUnavailableError."""
        ...


class Attestations(Protocol):
    """Reads signed entries back and checks them: the hand-over between deciding and acting."""

    def require_valid(self, seq: int, leaf_hash: str) -> Mapping[str, Any]:
        """The predicate of entry `seq`. Raises SignatureMismatchError or BrokenChainError when it is not that entry."""
        ...

    def require_cited(self, seq: int, statement_sha256: str) -> Statement:
        """The statement of entry `seq`, where it is cited by the digest of its statement. Raises TrustError."""
        ...


class ApprovalStanding(Protocol):
    """Whether the approval behind a version still stands, asked again before anything moves forward."""

    def __call__(self, model: str, version: str) -> str:
        """Why it does not stand (void, expired, revoked, other files); empty when it does. Raises UnavailableError."""
        ...


class RolloutStore(Protocol):
    """Deployments, actions and the served past, inside one unit of work."""

    def deployment(self, model: str) -> Deployment | None: ...

    def deployments(self) -> tuple[Deployment, ...]: ...

    def unordered(self, alias: str) -> tuple[tuple[str, str], ...]:
        """(model, kind) of governed models of ours that have this alias in the copy of the registry and no row."""
        ...

    def save_deployment(self, deployment: Deployment, *, at: datetime) -> None: ...

    def add_action(self, action: Action) -> None: ...

    def action(self, action_id: str) -> Action | None: ...

    def action_for(self, seq: int) -> Action | None:
        """The action whose intent is entry `seq`."""
        ...

    def actions(self, model: str, limit: int) -> tuple[Action, ...]:
        """Newest first; all models when `model` is empty."""
        ...

    def applied(self, model: str) -> tuple[Action, ...]:
        """The newest action that was carried out for each version, newest first."""
        ...

    def last_outcome(self, model: str) -> int | None:
        """The newest ledger entry that says an action of this model was carried out."""
        ...

    def open_actions(self, model: str = "") -> tuple[Action, ...]:
        """Pending and running, in order of their entries."""
        ...

    def claim(self, action_id: str, *, owner: str, now: datetime, until: datetime) -> bool:
        """Takes or renews the lease. False when it is taken, finished, or an earlier action of the model is open."""
        ...

    def update_action(self, action: Action) -> None: ...

    def add_step(self, action_id: str, step: str, sentence: str, *, at: datetime) -> None:
        """Records a step; a repeated step replaces its sentence."""
        ...

    def steps(self, action_id: str) -> tuple[tuple[str, str], ...]: ...

    def record_served(self, action: Action, *, at: datetime) -> None:
        """Closes the periods that ended and opens those of the action's routes."""
        ...

    def served(self, model: str) -> tuple[ServedVersion, ...]: ...

    def add_change(self, change: TrafficChange, *, action_id: str) -> None: ...

    def changes(self, model: str, limit: int) -> tuple[TrafficChange, ...]: ...

    def approved_versions(self, model: str) -> tuple[str, ...]: ...

    def revoked_versions(self, model: str) -> tuple[str, ...]: ...

    def overdue_reviews(self, model: str, *, now: datetime) -> tuple[str, ...]:
        """A sentence per emergency release that holds up whatever is new: while there is one, nothing goes live."""
        ...

    def retiring(self, model: str) -> str:
        """Why nothing of this model is released: it is being retired, or is. Empty while it is in service."""
        ...

    def basis(self, request_id: str) -> Basis | None:
        """The signed request with its decisions, or None."""
        ...

    def manifests(self, model: str) -> Mapping[str, str]:
        """Digest of each version's files as last read."""
        ...

    def finish_request(self, request_id: str, *, applied: bool, sentence: str, seq: int, at: datetime) -> None: ...

    def add_challenge(self, challenge: Challenge) -> None: ...

    def challenge(self, nonce: str) -> Challenge | None: ...

    def use_challenge(self, nonce: str) -> bool:
        """True for the first caller only."""
        ...


class RolloutUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def rollouts(self) -> RolloutStore: ...
    @property
    def releases(self) -> ReleaseStore: ...


class RetirementUnit(RolloutUnit, Protocol):
    @property
    def retirements(self) -> RetirementStore: ...


class RolloutUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[RolloutUnit]: ...

    def read(self) -> AbstractContextManager[RolloutUnit]: ...
