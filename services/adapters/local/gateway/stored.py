"""The last good scores per entity, for the time in which no version answers: one small SQLite file per deployment.

The worker replaces the file as a whole (`warehouse.last_scores`); here it is only read, one look-up per row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

SUFFIX = ".scores"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredScore:
    score: float
    version: str
    scored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    entities: int
    newest: datetime | None
    written_at: datetime


class StoredScores:
    """Files that appear, change or go are noticed at the next look-up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, tuple[tuple[int, int], sqlite3.Connection]] = {}

    def find(self, deployment: str, entities: Sequence[str]) -> list[StoredScore | None]:
        """One answer per entity, None where nothing is known. Raises OSError for a file that cannot be read."""
        connection = self._connection(deployment)
        if connection is None:
            return [None] * len(entities)
        try:
            return [_score(connection, entity) for entity in entities]
        except sqlite3.Error as broken:
            raise OSError(f"the stored scores of {deployment} cannot be read ({broken})") from broken

    def stock(self, deployment: str) -> Stock | None:
        """What is there, or None without a file or with one that cannot be read."""
        try:
            connection = self._connection(deployment)
            found = connection and connection.execute("SELECT entities, newest, written_at FROM about").fetchone()
        except (sqlite3.Error, OSError):
            return None
        if not found:
            return None
        entities, newest, written_at = found
        return Stock(
            entities=entities,
            newest=datetime.fromisoformat(newest) if newest else None,
            written_at=datetime.fromisoformat(written_at),
        )

    def close(self) -> None:
        for _, connection in self._open.values():
            connection.close()
        self._open.clear()

    def _connection(self, deployment: str) -> sqlite3.Connection | None:
        file = self._folder / f"{quote(deployment, safe='')}{SUFFIX}"
        known = self._open.get(deployment)
        try:
            facts = file.stat()
        except FileNotFoundError:
            facts = None
        stamp = (facts.st_mtime_ns, facts.st_ino) if facts else None
        if known is not None and known[0] == stamp:
            return known[1]
        if known is not None:
            known[1].close()
            del self._open[deployment]
        if stamp is None:
            return None
        # The file is never written in place, so no lock is needed and no journal is looked for.
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        self._open[deployment] = (stamp, connection)
        return connection


def _score(connection: sqlite3.Connection, entity: str) -> StoredScore | None:
    with closing(connection.execute("SELECT score, version, at FROM scores WHERE entity = ?", (entity,))) as found:
        row = found.fetchone()
    if row is None:
        return None
    return StoredScore(score=row[0], version=row[1], scored_at=datetime.fromisoformat(row[2]))
