"""What emergency releases need: their store, in the unit of work that also holds ledger and releases."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from services.attestation.ports import LedgerWriter
from services.rollout.emergency_models import Asked, Conclusion, Emergency, ReviewSignature
from services.rollout.ports import RolloutStore
from services.rollout.release_ports import ReleaseStore


class EmergencyStore(Protocol):
    def add(self, emergency: Emergency) -> None: ...

    def get(self, review_id: str) -> Emergency | None: ...

    def all(self, model: str = "", *, open_only: bool = False) -> tuple[Emergency, ...]:
        """Newest first, with the signatures given."""
        ...

    def sign(self, review_id: str, signature: ReviewSignature) -> bool:
        """False when this person has signed it already."""
        ...

    def close(self, review_id: str, conclusion: Conclusion, *, at: datetime) -> None: ...

    def asked(self, model: str, version: str) -> Asked | None:
        """The newest promotion request of the version."""
        ...


class EmergencyUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def rollouts(self) -> RolloutStore: ...
    @property
    def releases(self) -> ReleaseStore: ...
    @property
    def emergencies(self) -> EmergencyStore: ...


class EmergencyUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[EmergencyUnit]: ...

    def read(self) -> AbstractContextManager[EmergencyUnit]: ...


class ReviewTerms(Protocol):
    """How many days the policy gives the reviewers."""

    def __call__(self, model: str) -> int:
        """Raises UnknownModelError, InvalidPolicyError."""
        ...
