"""The last good score of every entity, from the log into the file that the local endpoint reads in `batch_only`.

A new file replaces the old one as a whole; a reader has either. Only answers to callers count, never copies, and only
those of versions that are named: a version that was taken back gave no good score.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, table_of
from services.inventory.facts import by_owner
from services.kernel.errors import StorageUnavailableError

SUFFIX = ".scores"
_ROWS_AT_ONCE = 10_000
_NEWEST = """
SELECT entity, arg_max(TRY_CAST(score AS DOUBLE), event_at), arg_max(CAST(version AS VARCHAR), event_at),
       epoch_us(max(event_at))
FROM {rows}
WHERE role = 'live' AND entity <> '' AND list_contains($versions, CAST(version AS VARCHAR))
      AND isfinite(TRY_CAST(score AS DOUBLE))
GROUP BY entity
"""


class LastScores:
    """`inference` is the folder of the log, `folder` the one the endpoint looks into."""

    def __init__(self, inference: Path, folder: Path) -> None:
        self._parquet = ParquetFolder(inference)
        self._folder = folder

    def write(self, deployment: str, versions: tuple[str, ...], *, now: datetime) -> int:
        """Entities with a score. Nothing is written while neither the log nor the versions changed.

        Raises TelemetryUnavailableError, StorageUnavailableError.
        """
        file = self._folder / f"{quote(deployment, safe='')}{SUFFIX}"
        partitions = by_owner(self._parquet.partitions("predictions")).get(deployment, ())
        facts = [*sorted(versions), *(f"{item.day} {item.fingerprint}" for item in partitions)]
        source = hashlib.sha256("\n".join(facts).encode()).hexdigest()
        with _storing(file):
            known = _about(file)
            if known is not None and known[1] == source:
                return known[0]
            files = self._parquet.files("predictions", deployment, [item.day for item in partitions])
            return self._replace(file, files, versions, source=source, now=now)

    def _replace(self, file: Path, files: list[str], versions: tuple[str, ...], *, source: str, now: datetime) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        entities, newest = 0, ""
        with closing(sqlite3.connect(draft, isolation_level=None)) as out:
            out.execute("PRAGMA journal_mode = OFF")  # nobody sees the file before it is complete
            out.execute("BEGIN")
            out.execute(
                "CREATE TABLE scores (entity TEXT PRIMARY KEY, score REAL, version TEXT, at TEXT) WITHOUT ROWID"
            )
            for part in _last(files, versions, deployment=file.stem):
                out.executemany("INSERT INTO scores VALUES (?, ?, ?, ?)", part)
                entities += len(part)
                newest = max(newest, *(at for *_, at in part))
            out.execute("CREATE TABLE about (entities INTEGER, newest TEXT, written_at TEXT, source TEXT)")
            out.execute("INSERT INTO about VALUES (?, ?, ?, ?)", (entities, newest or None, now.isoformat(), source))
            out.execute("COMMIT")
        draft.replace(file)
        return entities


def _last(
    files: list[str], versions: tuple[str, ...], *, deployment: str
) -> Iterator[list[tuple[str, float, str, str]]]:
    if not files or not versions:
        return
    with asking(f"predictions of {deployment}") as connection:
        answer = connection.execute(
            _NEWEST.format(rows=table_of("files")), {"files": files, "versions": list(versions)}
        )
        while part := answer.fetchmany(_ROWS_AT_ONCE):
            yield [
                (str(entity), float(score), str(version), at_microseconds(at).isoformat())
                for entity, score, version, at in part
            ]


def _about(file: Path) -> tuple[int, str] | None:
    if not file.exists():
        return None
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        try:
            found = connection.execute("SELECT entities, source FROM about").fetchone()
        except sqlite3.DatabaseError:
            return None  # damaged: written anew
    return (int(found[0]), str(found[1])) if found else None


@contextmanager
def _storing(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as broken:
        raise StorageUnavailableError(
            f"The last scores cannot be written to {file} ({type(broken).__name__}).",
            hint="Check the permissions of the folder; the endpoint keeps the file it has.",
        ) from broken
