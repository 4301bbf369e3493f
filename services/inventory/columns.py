"""Tagging columns: who said what kind of data a column holds, when, and on what ground it is used.

The ledger entry comes first: a tag nobody can trace is no tag. Repeating a command writes the same tag once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from services.attestation.models import Receipt
from services.inventory.access import AccessRuleSource
from services.inventory.models import COLUMN_CATEGORIES, GovernedModel, SensitiveColumn, TagColumn
from services.inventory.ports import InventoryStore
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import InputError
from services.kernel.identity import Actor, Permission
from services.people.models import Person

BASIS_MIN = 10


class Deputies(Protocol):
    def require(self, actor: Actor, permission: Permission) -> Person: ...


class EventRecorder(Protocol):
    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt: ...


class ColumnService:
    def __init__(
        self,
        *,
        inventory: InventoryService,
        store: InventoryStore,
        people: Deputies,
        ledger: EventRecorder,
        clock: Clock,
        access: AccessRuleSource,
    ) -> None:
        self._inventory = inventory
        self._store = store
        self._people = people
        self._ledger = ledger
        self._clock = clock
        self._access = access

    def tag(self, command: TagColumn, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError, UnknownModelError, InputError for an unknown column, category or a missing basis."""
        self._people.require(actor, Permission.TAG_COLUMN)
        model = self._inventory.model(command.model)
        column, basis = command.column.strip(), command.basis.strip()
        _require_sense(command, column, basis, self._columns(model))
        now = self._clock.now()
        tag = SensitiveColumn(name=column, category=command.category, basis=basis, tagged_by=actor.name, tagged_at=now)
        others = tuple(item for item in model.sensitive if item.name != column)
        tagged = replace(model, sensitive=(*others, tag))
        mask = self._access.rules().mask(tagged, column)
        receipt = self._ledger.record_event(
            event="column-tagged",
            actor=actor,
            model=model.name,
            detail={
                "column": column,
                "category": command.category,
                "basis": basis,
                "masked": "yes" if mask.masks else "no",
                "shown": mask.words,
                "sentence": f"{actor.name} tagged the column {column} of {model.name} as {command.category}.",
            },
            idem=f"tag:{actor.subject}:{command.command_id}",
        )
        self._store.put_catalog((tagged,))
        return receipt

    def _columns(self, model: GovernedModel) -> set[str]:
        """Every input of any version, and what was tagged before."""
        found = {item.name for item in model.sensitive}
        for version in self._inventory.versions(model.name):
            found |= {name for name, _ in version.inputs}
        return found


def _require_sense(command: TagColumn, column: str, basis: str, known: set[str]) -> None:
    if column not in known:
        raise InputError(
            f"{command.model} has no input column {column!r}.", hint="Choose one of the inputs of its versions."
        )
    if command.category not in COLUMN_CATEGORIES:
        raise InputError(
            f"{command.category!r} is not a category.", hint=f"Choose one of {', '.join(COLUMN_CATEGORIES)}."
        )
    if len(basis) < BASIS_MIN:
        raise InputError("A tag needs its basis in a sentence.", hint="Say on what ground this column is used.")


def untagged(model: GovernedModel, inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Inputs without any tag, in their order."""
    tagged = {item.name for item in model.sensitive}
    return tuple(name for name in inputs if name not in tagged)
