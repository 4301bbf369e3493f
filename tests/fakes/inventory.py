"""An inventory in memory with the methods the deciding slices use; aliases as a registry copy would show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from services.attestation.models import Receipt
from services.inventory.models import GovernedModel, ModelVersion, SyncState
from services.kernel.errors import UnknownModelError, UnknownVersionError
from services.kernel.identity import Actor


@dataclass(slots=True)
class Recorded:
    """A ledger that only remembers which events were told to it; keeps each idempotency key once."""

    events: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)

    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt:
        key = idem or f"event:{len(self.events)}"
        repeated = key in self.keys
        if not repeated:
            self.keys[key] = len(self.events)
            self.events.append((event, model, dict(detail)))
        seq = self.keys[key]
        return Receipt(
            seq=seq, leaf_hash="0" * 64, root="0" * 64, size=seq + 1, checkpoint="", key_id="", repeated=repeated
        )


class MemoryInventory:
    def __init__(self, models: tuple[GovernedModel, ...], versions: tuple[ModelVersion, ...]) -> None:
        self._models = {model.name: model for model in models}
        self._versions = list(versions)
        self.sync = SyncState(
            source="registry",
            last_success=datetime(2031, 1, 1, tzinfo=UTC),
            last_attempt=datetime(2031, 1, 1, tzinfo=UTC),
        )

    def model(self, name: str) -> GovernedModel:
        if name not in self._models:
            raise UnknownModelError(f"There is no model {name}.")
        return self._models[name]

    def models(self) -> tuple[GovernedModel, ...]:
        return tuple(self._models.values())

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        return tuple(item for item in self._versions if item.model == name)

    def version(self, name: str, version: str) -> ModelVersion:
        found = next((item for item in self.versions(name) if item.version == version), None)
        if found is None:
            raise UnknownVersionError(f"{name} has no version {version}.")
        return found

    def sync_state(self) -> SyncState:
        return self.sync

    def put_model(self, model: GovernedModel) -> None:
        self._models[model.name] = model

    def put_version(self, version: ModelVersion) -> None:
        self._versions = [
            item for item in self._versions if (item.model, item.version) != (version.model, version.version)
        ] + [version]

    def point_alias(self, model: str, version: str) -> None:
        self._versions = [
            replace(item, aliases=("champion",) if item.version == version else ()) if item.model == model else item
            for item in self._versions
        ]
