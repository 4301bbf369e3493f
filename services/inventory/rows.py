"""What the model was given for one answer, as the reader may see it: masked in the query, never afterwards.

Wiring: `RowService(log=DuckDbInputLog(folder), access=AccessFile(file), inventory=inventory, people=people)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.inventory.access import AccessRuleSource, Mask
from services.inventory.ports import Catalog
from services.kernel.identity import Actor, Permission
from services.people.models import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownInput:
    """`value` is what this reader may read; `mask` says in words what was done to it."""

    name: str
    value: str
    mask: Mask
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    version: str
    role: str
    event_at: datetime
    inputs: tuple[ShownInput, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRow:
    """Values in the order of the columns that were asked for, already masked."""

    version: str
    role: str
    event_at: datetime
    values: tuple[str, ...]


class InputLog(Protocol):
    def inputs(
        self, model: str, prediction_id: str, columns: Sequence[tuple[str, Mask]]
    ) -> tuple[tuple[str, ...], tuple[LoggedRow, ...]]:
        """The columns that the log has, and the rows, oldest first. The masks are applied where the rows are read.

        Raises TelemetryUnavailableError.
        """
        ...


class Readers(Protocol):
    def require(self, actor: Actor, permission: Permission) -> Person: ...


class RowService:
    def __init__(self, *, log: InputLog, access: AccessRuleSource, inventory: Catalog, people: Readers) -> None:
        self._log = log
        self._access = access
        self._inventory = inventory
        self._people = people

    def inputs(self, model: str, prediction_id: str, *, actor: Actor) -> tuple[ShownRow, ...]:
        """Raises RoleMissingError, UnknownModelError, TelemetryUnavailableError."""
        self._people.require(actor, Permission.VIEW_LEDGER)
        governed, rules = self._inventory.model(model), self._access.rules()
        names = dict.fromkeys(name for version in self._inventory.versions(model) for name, _ in version.inputs)
        masks = {name: rules.mask(governed, name, role=actor.role) for name in names}
        categories = {item.name: item.category for item in governed.sensitive}
        found, rows = self._log.inputs(model, prediction_id, tuple(masks.items()))
        used = {version.version: {name for name, _ in version.inputs} for version in self._inventory.versions(model)}
        return tuple(
            ShownRow(
                version=row.version,
                role=row.role,
                event_at=row.event_at,
                inputs=tuple(
                    ShownInput(name=name, value=value, mask=masks[name], category=categories.get(name, ""))
                    for name, value in zip(found, row.values, strict=True)
                    if name in used.get(row.version, set(found))
                ),
            )
            for row in rows
        )
