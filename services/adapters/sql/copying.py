"""A consistent copy of the governance database while it is in use, and the way back into an empty one.

SQLite: the online backup interface, page by page from one snapshot; copying the file of a live database would leave
out what still lies in its write-ahead log. PostgreSQL: `pg_dump` in its own format, which is one snapshot as well.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import URL

from services.adapters.sql.database import Database
from services.kernel.errors import ConflictError, InputError, StorageUnavailableError

_MINUTES = 120
Words = Callable[[str], str]


def copy_out(database: Database, target: Path, *, password: str = "", clean: Words = str) -> None:
    """Writes `target`, which must not exist. Raises StorageUnavailableError, InputError."""
    if database.dialect == "sqlite":
        _copy_file(Path(database.url.database or ""), target)
        return
    tool = _tool("pg_dump")
    _run([tool, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}", _conninfo(database.url)],
         database.url, password, clean)  # fmt: skip
    target.chmod(0o600)


def copy_in(source: Path, database: Database, *, password: str = "", clean: Words = str) -> None:
    """Fills an empty PostgreSQL database from a dump."""
    tool = _tool("pg_restore")
    _run(
        [tool, "--no-owner", "--no-privileges", "--clean", "--if-exists", "--single-transaction", "--exit-on-error",
         f"--dbname={_conninfo(database.url)}", str(source)],
        database.url, password, clean,
    )  # fmt: skip


def readable(source: Path, *, clean: Words = str) -> None:
    """Whether the copy can be read as a whole. Raises StorageUnavailableError."""
    if source.suffix == ".db":
        try:
            with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
                verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.DatabaseError as broken:
            verdict = type(broken).__name__
        if verdict != "ok":
            raise StorageUnavailableError(f"The copy is damaged ({verdict}).", hint="Use an earlier one.")
        return
    # Every table is decompressed and thrown away; a listing alone would not notice a damaged table.
    _run([_tool("pg_restore"), "--file=/dev/null", str(source)], None, "", clean)


def root_in(copy: Path, seq: int) -> str | None:
    """Root of the log at an entry of a SQLite copy, which is not changed by looking: opening it as usual would."""
    with closing(sqlite3.connect(f"{copy.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        found = connection.execute("SELECT root FROM log_entry WHERE seq = ?", (seq,)).fetchone()
    return bytes(found[0]).hex() if found else None


def require_empty(database: Database) -> None:
    """Raises ConflictError when it holds entries of a ledger."""
    with database.read() as connection:
        if not inspect(connection).has_table("log_entry"):
            return
        found = int(connection.execute(text("SELECT count(*) FROM log_entry")).scalar_one())
    if found:
        raise ConflictError(
            f"The database holds a ledger of {found:,} entries; nothing was replaced.",
            hint="Restore into an empty database, then point COUNTERSIGN_DATABASE_URL at it.",
        )


def _copy_file(source: Path, target: Path) -> None:
    if not source.is_file():
        raise StorageUnavailableError(f"There is no database {source.name}.", hint="Check COUNTERSIGN_HOME.")
    try:
        target.touch(mode=0o600, exist_ok=False)
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, that can be moved
    except (OSError, sqlite3.DatabaseError) as broken:
        target.unlink(missing_ok=True)
        raise StorageUnavailableError(
            f"The copy could not be written ({type(broken).__name__}).", hint="Check disk space and permissions."
        ) from broken


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise InputError(
            f"{name} is not installed here.",
            hint="Install the client programs of PostgreSQL, not older than the server.",
        )
    return found


def _conninfo(url: URL) -> str:
    """Without the password: arguments can be read by every account of the machine."""
    return url._replace(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _run(command: list[str], url: URL | None, password: str, clean: Words) -> None:
    secret = password or (str(url.password) if url is not None and url.password else "")
    environment = {**os.environ, **({"PGPASSWORD": secret} if secret else {})}
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            command, env=environment, capture_output=True, text=True, timeout=_MINUTES * 60, check=False
        )
    except subprocess.TimeoutExpired as slow:
        raise StorageUnavailableError(f"{Path(command[0]).name} took longer than {_MINUTES} minutes.") from slow
    if done.returncode:
        said = clean(" ".join(done.stderr.split()))[:600]
        raise StorageUnavailableError(
            f"{Path(command[0]).name} ended with code {done.returncode}. {said}",
            hint="Its client must not be older than the server, and the account must be allowed to read every table.",
        )
