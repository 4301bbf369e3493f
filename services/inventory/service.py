"""The inventory: every model with its owner, tier, promise and versions, searched in a read model.

Screens read only the copy; the worker calls `sync`. Wiring:
`InventoryService(registry=MlflowRegistry(...), store=SqlInventory(database), ledger=ledger, clock=clock)`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

from services.inventory import registration, tiering, vendors
from services.inventory.copying import GOVERNED_LATE, CopyState, ModelCopy, judged
from services.inventory.governance import UseCase
from services.inventory.models import (
    DeploymentKind,
    GovernedModel,
    InventoryCounts,
    InventoryQuery,
    InventoryRow,
    ModelVersion,
    SyncState,
    Task,
    Tier,
)
from services.inventory.ports import EventRecorder, InventoryStore, ModelRegistry
from services.inventory.sweeping import Coverage, Sweep
from services.kernel.clock import Clock
from services.kernel.errors import UnavailableError, UnknownModelError, UnknownVersionError
from services.kernel.page import Page

REGISTRY = "registry"
"""Name of the registry in the list of copied sources."""
FIRST_REVIEW_DAYS = 90


class InventoryService:
    def __init__(
        self,
        *,
        registry: ModelRegistry,
        store: InventoryStore,
        ledger: EventRecorder,
        clock: Clock,
        sweep: Sweep | None = None,
        traced: Callable[[str], Collection[str]] = lambda _model: (),
    ) -> None:
        """`sweep` copies model by model, for a registry that is too large to be read at once.

        `traced`: which models have a kept graph that says where their data come from; of all when the name is empty.
        """
        self._sweep = sweep
        self._traced = traced
        self._registry = registry
        self._store = store
        self._ledger = ledger
        self._clock = clock

    def search(self, query: InventoryQuery) -> Page[InventoryRow]:
        return self._store.search(query, self._clock.now().date())

    def counts(self) -> InventoryCounts:
        return self._store.counts(self._clock.now().date())

    def model(self, name: str) -> GovernedModel:
        """Raises UnknownModelError when neither catalog nor registry knows the name."""
        governed = self._store.governed(name)
        if governed is not None:
            return self._followed(tiering.in_force(governed, self._clock.now()), self._traced)
        first = self._store.first_version_at(name)
        if first is None:
            raise UnknownModelError(
                f"There is no model called {name!r}.", hint="Choose one from the inventory; names are exact."
            )
        return self._followed(unclassified(name, first), self._traced)

    def models(self) -> tuple[GovernedModel, ...]:
        """Catalog and registry together, by name."""
        now = self._clock.now()
        governed = {model.name: tiering.in_force(model, now) for model in self._store.catalog()}
        found = {name: unclassified(name, first) for name, first in self._store.registry_names()}
        traced = self._traced("")
        return tuple(self._followed(model, lambda _: traced) for _, model in sorted((found | governed).items()))

    @staticmethod
    def _followed(model: GovernedModel, traced: Callable[[str], Collection[str]]) -> GovernedModel:
        """With what is known of its lineage, where the entry itself states none."""
        return model if model.lineage else replace(model, traced=model.name in traced(model.name))

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Newest first. Raises UnknownModelError."""
        found = self._store.versions(name)
        if not found:
            self.model(name)
        return found

    def version(self, name: str, version: str) -> ModelVersion:
        """Raises UnknownModelError, UnknownVersionError (also for a deleted version, saying when it went)."""
        found = self._store.version(name, version)
        if found is not None:
            return found
        self.model(name)
        gone = self._store.deleted_at(name, version)
        if gone is not None:
            raise UnknownVersionError(
                f"Version {version} of {name} was deleted in the registry (noticed {gone:%Y-%m-%d %H:%M} UTC).",
                hint="The ledger keeps what was decided about it.",
            )
        raise UnknownVersionError(
            f"{name} has no version {version} in the copy of the registry.",
            hint="If it was registered a moment ago, wait for the next synchronisation.",
        )

    def sync(self) -> SyncState:
        """Copies the registry. An unreachable registry is recorded and the last copy stays; it never raises that."""
        at = self._clock.now()
        if self._sweep is not None:
            return self._swept(self._sweep)
        try:
            snapshot = self._registry.snapshot()
        except UnavailableError as missing:
            return self._store.record_sync(REGISTRY, at=at, error=str(missing))
        self._store.apply(snapshot, at)
        return self._store.record_sync(REGISTRY, at=at, error="")

    def _swept(self, sweep: Sweep) -> SyncState:
        """A sweep that is not through yet is neither a success nor a failure: the age of the copy goes on growing."""
        found = sweep.run()
        if found.error or found.complete:
            return self._store.record_sync(REGISTRY, at=self._clock.now(), error=found.error)
        return self.sync_state()

    def coverage(self) -> Coverage | None:
        """How much of the registry is in the copy; None where it is always copied as a whole."""
        return self._sweep.coverage() if self._sweep is not None else None

    def copied(self, name: str) -> ModelCopy:
        """How old the copy of this model's registry facts is; never raises for a name nobody knows."""
        governed, now = self._store.governed(name), self._clock.now()
        if governed is not None and vendors.is_supplied(governed):
            return ModelCopy(state=CopyState.SUPPLIED)
        if self._sweep is None:
            state = self.sync_state()
            if state.last_success is not None and self._store.first_version_at(name) is None:
                return ModelCopy(state=CopyState.ABSENT, error=state.error)
            return judged(state.last_success, state.error, now=now, late_after=GOVERNED_LATE)
        kept = self._sweep.store.reading(name)
        if kept is None:
            return ModelCopy(state=CopyState.ABSENT)
        late_after = GOVERNED_LATE if governed is not None else 2 * self._sweep.full_every
        return judged(kept.read_at, kept.error, now=now, late_after=late_after)

    def sync_state(self) -> SyncState:
        return self._store.sync_state(REGISTRY)

    def use_cases(self) -> tuple[UseCase, ...]:
        """By title."""
        return self._store.use_cases()

    def register_catalog(self, models: tuple[GovernedModel, ...], use_cases: tuple[UseCase, ...] = ()) -> None:
        """Takes over the governance facts of these models; each registration or change becomes a ledger entry.

        The risk tier of a model that is known already stays: only two people change it (`ClassificationService`).
        """
        known = {model.name: model for model in self._store.catalog()}
        self._store.put_use_cases(use_cases)
        self._store.put_catalog(tuple(_with_known_tier(model, known.get(model.name)) for model in models))
        self.record_registrations()

    def record_registrations(self) -> int:
        """Brings the ledger in line with the catalog; the number of new entries. Repeating it adds none.

        Also for a catalog that was taken over before registrations were recorded. Raises StorageUnavailableError.
        """
        known, added, now = self._store.registrations(), 0, self._clock.now()
        for model in (tiering.in_force(item, now) for item in self._store.catalog()):
            earlier = known.get(model.name)
            text = registration.document(model, today=now.date())
            if earlier is not None and earlier.document == text:
                continue
            # The earlier entry is part of the key: a change back to older facts is a change of its own.
            follows = earlier.seq if earlier else -1
            self._ledger.record_event(
                event=registration.CHANGED if earlier else registration.REGISTERED,
                actor=None,
                model=model.name,
                detail=registration.event_detail(model, text, earlier=earlier.document if earlier else ""),
                idem=f"model:{registration.sha256(model.name)[:32]}:{follows}:{registration.sha256(text)}",
            )
            added += 1
        return added


def _with_known_tier(model: GovernedModel, known: GovernedModel | None) -> GovernedModel:
    if known is None:
        return model
    # What cannot be measured at a supplier is set aside: a catalog must not open that way for a model of ours.
    kind = model.kind if vendors.is_supplied(model) == vendors.is_supplied(known) else known.kind
    return replace(model, tier=known.tier, risk=known.risk, kind=kind)


def unclassified(name: str, first_version_at: datetime) -> GovernedModel:
    """A model that is in the registry while nobody wrote down what it is for.

    It gets the strictest tier until somebody classifies it, and a first review within 90 days of its first version.
    """
    return GovernedModel(
        name=name,
        title=name,
        use_case="",
        purpose="",
        tier=Tier.ONE,
        kind=DeploymentKind.BATCH,
        task=Task.CLASSIFICATION,
        team="",
        owners=(),
        review_every_days=FIRST_REVIEW_DAYS,
        last_review=first_version_at.date(),
        service_level=None,
        label="",
        limits_of_use="",
        fallback="",
    )
