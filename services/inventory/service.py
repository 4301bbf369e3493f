"""The inventory: every model with its owner, tier, promise and versions, searched in a read model.

Screens read only the copy; the worker calls `sync`. Wiring:
`InventoryService(registry=MlflowRegistry(...), store=SqlInventory(database), clock=clock)`.
"""

from __future__ import annotations

from services.inventory.models import (
    GovernedModel,
    InventoryCounts,
    InventoryQuery,
    InventoryRow,
    ModelVersion,
    SyncState,
)
from services.inventory.ports import InventoryStore, ModelRegistry
from services.kernel.clock import Clock
from services.kernel.page import Page


class InventoryService:
    def __init__(self, *, registry: ModelRegistry, store: InventoryStore, clock: Clock) -> None:
        self._registry = registry
        self._store = store
        self._clock = clock

    def search(self, query: InventoryQuery) -> Page[InventoryRow]:
        raise NotImplementedError

    def counts(self) -> InventoryCounts:
        raise NotImplementedError

    def model(self, name: str) -> GovernedModel:
        raise NotImplementedError

    def models(self) -> tuple[GovernedModel, ...]:
        raise NotImplementedError

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        raise NotImplementedError

    def version(self, name: str, version: str) -> ModelVersion:
        raise NotImplementedError

    def sync(self) -> SyncState:
        raise NotImplementedError

    def sync_state(self) -> SyncState:
        raise NotImplementedError

    def register_catalog(self, models: tuple[GovernedModel, ...]) -> None:
        raise NotImplementedError
