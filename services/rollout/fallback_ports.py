"""What fallback cards need: their store, in the unit of work that also holds ledger and releases."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from services.attestation.ports import LedgerWriter
from services.rollout.fallback_models import Drill, FallbackCard, Switch
from services.rollout.ports import RolloutStore


class FallbackStore(Protocol):
    def card(self, model: str) -> FallbackCard | None:
        """The newest edition."""
        ...

    def add_card(self, card: FallbackCard) -> None:
        """Raises StaleRequestError when that edition exists already."""
        ...

    def drills(self, model: str, *, limit: int = 20) -> tuple[Drill, ...]:
        """Newest first."""
        ...

    def drill(self, drill_id: str) -> Drill | None: ...

    def save_drill(self, drill: Drill) -> Drill:
        """Inserts, or replaces exactly the revision before. Raises StaleRequestError."""
        ...

    def switches(self, model: str, *, limit: int = 20) -> tuple[Switch, ...]:
        """Newest first."""
        ...

    def switch(self, switch_id: str) -> Switch | None: ...

    def open_switches(self) -> tuple[Switch, ...]:
        """Ordered and not carried out, oldest first."""
        ...

    def save_switch(self, switch: Switch) -> Switch:
        """Inserts, or replaces exactly the revision before. Raises StaleRequestError."""
        ...


class FallbackUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def rollouts(self) -> RolloutStore: ...
    @property
    def fallbacks(self) -> FallbackStore: ...


class FallbackUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[FallbackUnit]: ...

    def read(self) -> AbstractContextManager[FallbackUnit]: ...
