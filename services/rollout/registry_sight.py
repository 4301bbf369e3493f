"""What the registry says about versions that serve: from the copy that is seconds old, or asked directly.

The copy only raises suspicion. Before anybody is accused, and before a finding ends, the registry itself is asked.
"""

from __future__ import annotations

from collections.abc import Collection

from services.inventory.models import ModelVersion
from services.inventory.service import InventoryService
from services.kernel.clock import utc_text
from services.kernel.errors import ControlRoomError, UnavailableError, UnknownModelError, UnknownVersionError
from services.rollout.differences import RegistrySeen, SeenVersion
from services.rollout.intents import ALIAS, TAG
from services.rollout.ports import AliasRegistry


class RegistrySight:
    def __init__(self, *, inventory: InventoryService, registry: AliasRegistry) -> None:
        self._inventory = inventory
        self._registry = registry

    def copied(self, model: str, versions: Collection[str]) -> RegistrySeen | None:
        """None while the copy is failing or does not exist yet."""
        try:
            sync = self._inventory.sync_state()
            if sync.error or sync.last_success is None:
                return None
            known = self._inventory.versions(model)
        except UnknownModelError:
            return RegistrySeen(alias=None, versions={})
        except ControlRoomError:
            return None
        return RegistrySeen(
            alias=next((item.version for item in known if ALIAS in item.aliases), None),
            versions={item.version: _seen(item) for item in known if item.version in versions},
        )

    def asked(self, model: str, versions: Collection[str]) -> RegistrySeen | None:
        """None when the registry does not answer."""
        found: dict[str, SeenVersion] = {}
        try:
            for version in versions:
                try:
                    found[version] = _seen(self._registry.get_version(model, version))
                except (UnknownVersionError, UnknownModelError):
                    continue
            try:
                alias = self._registry.alias_target(model, ALIAS)
            except (UnknownVersionError, UnknownModelError):
                alias = None
        except UnavailableError:
            return None
        return RegistrySeen(alias=alias, versions=found)


def _seen(item: ModelVersion) -> SeenVersion:
    return SeenVersion(
        run_id=item.run_id,
        created_at=utc_text(item.created_at),
        source=item.source,
        tag=dict(item.tags).get(TAG),
        author=item.author,
    )
