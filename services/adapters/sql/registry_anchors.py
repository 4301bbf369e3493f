"""Anchors in the registry: the insert-only record of what was written, and a copy of what was read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.schema.ledger import ledger_index, log_anchor, registry_anchor_copy
from services.attestation.models import Kind
from services.ledger.ports import ReadTag, TagCopy, TagPlace

_KIND = "registry-tags"
_NAME = "registry"


class SqlRegistryAnchors:
    """Implements ledger.ports.RegistryAnchorStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, *, size: int, places: tuple[TagPlace, ...], note: str, at: datetime) -> None:
        table = log_anchor
        named = json.dumps(sorted([place.model, place.version] for place in places))
        with self._database.write() as connection:
            there = select(table.c.size).where(table.c.size == size, table.c.kind == _KIND)
            if connection.execute(there).first() is None:
                connection.execute(insert(table).values(size=size, kind=_KIND, place=named, note=note, at=at))

    def anchored(self) -> Mapping[TagPlace, int]:
        # Few groups: the same places are written until another version serves.
        table = log_anchor
        query = (
            select(table.c.place, func.max(table.c.size).label("size"))
            .where(table.c.kind == _KIND)
            .group_by(table.c.place)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        found: dict[TagPlace, int] = {}
        for row in rows:
            for model, version in json.loads(row.place):
                place = TagPlace(model=model, version=version)
                found[place] = max(row.size, found.get(place, 0))
        return found

    def newest_outcome(self) -> int | None:
        query = select(func.max(ledger_index.c.seq)).where(ledger_index.c.kind == Kind.OUTCOME.value)
        with self._database.read() as connection:
            found: int | None = connection.execute(query).scalar()
        return found

    def keep_copy(self, tags: tuple[ReadTag, ...], *, at: datetime) -> None:
        lines = [[tag.place.model, tag.place.version, tag.text, tag.gone] for tag in tags]
        self._keep(tags=json.dumps(lines), read_at=at, tried_at=at, problem="")

    def keep_problem(self, problem: str, *, at: datetime) -> None:
        self._keep(tried_at=at, problem=problem)

    def copy(self) -> TagCopy:
        with self._database.read() as connection:
            row = connection.execute(select(registry_anchor_copy)).first()
        if row is None:
            return TagCopy()
        tags = tuple(
            ReadTag(place=TagPlace(model=model, version=version), text=text, gone=gone)
            for model, version, text, gone in json.loads(row.tags)
        )
        return TagCopy(tags=tags, read_at=row.read_at, tried_at=row.tried_at, problem=row.problem)

    def _keep(self, **values: Any) -> None:
        table = registry_anchor_copy
        with self._database.write() as connection:
            if connection.execute(update(table).where(table.c.name == _NAME).values(**values)).rowcount == 0:
                connection.execute(insert(table).values(name=_NAME, **{"tags": "[]", **values}))
