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
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import InputError
from services.kernel.identity import Actor, Permission
from services.people.models import Person

BASIS_MIN = 10


class Deputies(Protocol):
    def require(self, actor: Actor, permission: Permission) -> Person: ...


class TagSource(Protocol):
    """Embedded: none. On Databricks: column tags of Unity Catalog, also of the columns an input was made of."""

    def tags(self, model: GovernedModel) -> tuple[SensitiveColumn, ...]:
        """Raises UnavailableError."""
        ...


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
        platform: TagSource | None = None,
    ) -> None:
        """`platform`: where the data platform itself keeps tags."""
        self._inventory = inventory
        self._store = store
        self._people = people
        self._ledger = ledger
        self._clock = clock
        self._access = access
        self._platform = platform

    def tag(self, command: TagColumn, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError, UnknownModelError, InputError for an unknown column, category or a missing basis."""
        self._people.require(actor, Permission.TAG_COLUMN)
        model = self._inventory.model(command.model)
        column, basis = command.column.strip(), command.basis.strip()
        _require_sense(command, column, basis, self._columns(model))
        now = self._clock.now()
        tag = SensitiveColumn(name=column, category=command.category, basis=basis, tagged_by=actor.name, tagged_at=now)
        return self._write(model, tag, actor, idem=f"tag:{actor.subject}:{command.command_id}")

    def take_over(self) -> int:
        """Takes over tags of the data platform that nobody here replaced; how many differed. Run by the worker.

        Raises UnavailableError when the platform cannot be asked: the tags of before stay.
        """
        taken = 0
        for model in self._inventory.models() if self._platform is not None else ():
            columns = self._columns(model)
            for tag in self._platform.tags(model) if self._platform is not None else ():
                held = next((item for item in model.sensitive if item.name == tag.name), None)
                if tag.name not in columns or (held is not None and not _follows(held, tag)):
                    continue
                now = self._clock.now()
                since = utc_text(held.tagged_at) if held is not None and held.tagged_at else "new"
                idem = f"tag:platform:{model.name}:{tag.name}:{since}"
                self._write(model, replace(tag, tagged_at=now), None, idem=idem)
                model = self._inventory.model(model.name)  # noqa: PLW2901 - the tag just written is part of it
                taken += 1
        return taken

    def _write(self, model: GovernedModel, tag: SensitiveColumn, actor: Actor | None, *, idem: str) -> Receipt:
        others = tuple(item for item in model.sensitive if item.name != tag.name)
        tagged = replace(model, sensitive=(*others, tag))
        mask = self._access.rules().mask(tagged, tag.name)
        receipt = self._ledger.record_event(
            event="column-tagged",
            actor=actor,
            model=model.name,
            detail={
                "column": tag.name,
                "category": tag.category,
                "basis": tag.basis,
                "masked": "yes" if mask.masks else "no",
                "shown": mask.words,
                "sentence": f"{tag.tagged_by} tagged the column {tag.name} of {model.name} as {tag.category}.",
            },
            idem=idem,
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


def _follows(held: SensitiveColumn, tag: SensitiveColumn) -> bool:
    """The tag held came from the platform and says something else there now; what a person said here stands."""
    return held.tagged_by == tag.tagged_by and (held.category, held.basis) != (tag.category, tag.basis)


def untagged(model: GovernedModel, inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Inputs without any tag, in their order."""
    tagged = {item.name for item in model.sensitive}
    return tuple(name for name in inputs if name not in tagged)
