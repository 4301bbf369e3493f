"""The copy of a large registry, model by model. Implements inventory.sweeping.SweepStore."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched
from services.adapters.sql.inventory import apply_versions
from services.adapters.sql.inventory_documents import version_from
from services.adapters.sql.schema.inventory import governed_model, registry_version
from services.adapters.sql.schema.sweeping import registry_model
from services.inventory.models import ModelVersion, RegistrySnapshot
from services.inventory.sweeping import Coverage, Head, Kept, Listed, Reading
from services.rollout.job_evidence import Connection
from services.rollout.job_models import APPROVAL_PREFIX, APPROVED, ApprovalTag

_LONGEST_ERROR = 1000
_NAMED = 3


class SqlSweep:
    def __init__(self, database: Database) -> None:
        self._database = database

    def kept(self) -> Mapping[str, Kept]:
        table = registry_model.c
        query = select(table.name, table.mark, table.read_at, table.error).where(table.gone_at.is_(None))
        with self._database.read() as connection:
            found = fetched(connection, query)
        return {name: Kept(mark=mark, read_at=read_at, error=error) for name, mark, read_at, error in found}

    def watched(self) -> frozenset[str]:
        with self._database.read() as connection:
            return frozenset(name for (name,) in fetched(connection, select(governed_model.c.name)))

    def heads(self, names: tuple[str, ...]) -> Mapping[str, Head]:
        table = registry_model.c
        query = select(table.name, table.document).where(table.name.in_(names), table.read_at.is_not(None))
        with self._database.read() as connection:
            found = fetched(connection, query)
        return {name: _head(text) for name, text in found}

    def known_versions(self, names: tuple[str, ...]) -> Mapping[str, Mapping[str, ModelVersion]]:
        table = registry_version.c
        query = select(table.model, table.version, table.document).where(
            table.model.in_(names), table.deleted_at.is_(None)
        )
        found: dict[str, dict[str, ModelVersion]] = defaultdict(dict)
        with self._database.read() as connection:
            for model, version, text in fetched(connection, query):
                found[model][version] = version_from(text)
        return found

    def note(self, listed: tuple[Listed, ...]) -> None:
        """A name that was gone and is listed again starts anew: it is read as if it had never been."""
        if not listed:
            return
        names = [item.name for item in listed]
        table = registry_model.c
        with self._database.write() as connection:
            known = {name for (name,) in fetched(connection, select(table.name))} & set(names)
            for name in known:
                again = {"gone_at": None, "read_at": None, "mark": ""}
                gone = table.name == name, table.gone_at.is_not(None)
                connection.execute(update(registry_model).where(*gone).values(**again))
            fresh = [
                {"name": name, "mark": "", "read_at": None, "document": "{}", "error": "", "gone_at": None}
                for name in names
                if name not in known
            ]
            if fresh:
                connection.execute(insert(registry_model), fresh)

    def take(self, readings: tuple[tuple[Reading, str], ...], at: datetime) -> None:
        if not readings:
            return
        snapshot = RegistrySnapshot(
            versions=tuple(version for reading, _ in readings for version in reading.versions),
            aliases=tuple(alias for reading, _ in readings for alias in reading.head.aliases),
        )
        with self._database.write() as connection:
            apply_versions(connection, snapshot, at, models=[reading.name for reading, _ in readings])
            for reading, mark in readings:
                connection.execute(
                    update(registry_model)
                    .where(registry_model.c.name == reading.name)
                    .values(mark=mark, read_at=at, document=_text(reading), error="")
                )

    def fail(self, errors: Mapping[str, str]) -> None:
        if not errors:
            return
        with self._database.write() as connection:
            for name, why in errors.items():
                change = update(registry_model).where(registry_model.c.name == name)
                connection.execute(change.values(error=why[:_LONGEST_ERROR]))

    def lose(self, names: tuple[str, ...], at: datetime) -> None:
        if not names:
            return
        with self._database.write() as connection:
            apply_versions(connection, RegistrySnapshot(versions=(), aliases=()), at, models=names)
            connection.execute(update(registry_model).where(registry_model.c.name.in_(names)).values(gone_at=at))

    def coverage(self, *, due_before: datetime) -> Coverage:
        table = registry_model.c
        here, fails = table.gone_at.is_(None), table.error != ""
        query = select(func.count(), func.count(table.read_at), func.min(table.read_at)).where(here)
        failing, due = (select(func.count()).where(here, what) for what in (fails, table.read_at <= due_before))
        named = select(table.name).where(here, fails).order_by(table.name).limit(_NAMED)
        with self._database.read() as connection:
            models, read, oldest = fetched(connection, query)[0]
            bad, old = (int(connection.scalar(count) or 0) for count in (failing, due))
            names = tuple(name for (name,) in fetched(connection, named)) if bad else ()
        return Coverage(
            models=models,
            read=read,
            failing=bad,
            oldest_reading=oldest if read == models else None,
            due=old,
            named=names,
        )

    def reading(self, name: str) -> Kept | None:
        table = registry_model.c
        query = select(table.mark, table.read_at, table.error).where(table.name == name, table.gone_at.is_(None))
        with self._database.read() as connection:
            found = fetched(connection, query)
        return Kept(mark=found[0][0], read_at=found[0][1], error=found[0][2]) if found else None

    def connected(self) -> tuple[str, ...]:
        """Models that a deployment job is connected to."""
        table = registry_model.c
        query = select(table.name, table.document).where(table.gone_at.is_(None)).order_by(table.name)
        with self._database.read() as connection:
            found = fetched(connection, query)
        return tuple(name for name, text in found if json.loads(text).get("deployment_job"))

    def approval_tags(self) -> tuple[ApprovalTag, ...]:
        """Versions of governed models that say `Approved` for an approval task, as they were last read."""
        table = registry_version.c
        query = (
            select(table.document, registry_model.c.read_at)
            .join(governed_model, governed_model.c.name == table.model)
            .join(registry_model, registry_model.c.name == table.model)
            # The key of such a tag is in the document; most documents need not be parsed to know that it is not.
            .where(table.deleted_at.is_(None), func.lower(table.document).contains(f'"{APPROVAL_PREFIX}'))
            .where(registry_model.c.gone_at.is_(None), registry_model.c.read_at.is_not(None))
            .order_by(table.model, table.number)
        )
        with self._database.read() as connection:
            found = [(version_from(text), read_at) for text, read_at in fetched(connection, query)]
        return tuple(
            ApprovalTag(model=item.model, version=item.version, task=key, read_at=read_at)
            for item, read_at in found
            for key, value in item.tags
            if key.casefold().startswith(APPROVAL_PREFIX) and value.casefold() == APPROVED.casefold()
        )

    def connection(self, model: str) -> Connection | None:
        table = registry_model.c
        query = select(table.document, table.read_at).where(table.name == model, table.gone_at.is_(None))
        with self._database.read() as connection:
            found = fetched(connection, query)
        if not found:
            return None
        text, read_at = found[0]
        return Connection(job=json.loads(text).get("deployment_job", ""), read_at=read_at)

    def jobs(self) -> tuple[str, ...]:
        """Jobs that are connected to models somebody governs."""
        table = registry_model.c
        query = (
            select(table.document)
            .join(governed_model, governed_model.c.name == table.name)
            .where(table.gone_at.is_(None), table.read_at.is_not(None))
        )
        with self._database.read() as connection:
            found = {json.loads(text).get("deployment_job", "") for (text,) in fetched(connection, query)}
        return tuple(sorted(found - {""}))


def _text(reading: Reading) -> str:
    head = reading.head
    document = {"tags": dict(head.tags), "deployment_job": head.deployment_job, "aliases": head.aliases}
    return json.dumps(document, sort_keys=True)


def _head(text: str) -> Head:
    """A copy of an earlier release kept no aliases here: it is read whole once more."""
    data = json.loads(text)
    return Head(
        aliases=tuple((model, alias, version) for model, alias, version in data.get("aliases", ())),
        tags=tuple(sorted(data.get("tags", {}).items())),
        deployment_job=data.get("deployment_job", ""),
    )
