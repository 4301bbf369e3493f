"""Files with the answers to replayed requests in the governance database: the worker writes, the app reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched
from services.adapters.sql.schema.replayed import replayed_file


class SqlReplayed:
    """A shelf of files by their path. Methods raise StorageUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listed(self) -> Mapping[str, datetime]:
        """When each file was last changed."""
        with self._database.read() as connection:
            return dict(map(tuple, fetched(connection, select(replayed_file.c.path, replayed_file.c.at))))

    def get(self, path: str) -> bytes | None:
        with self._database.read() as connection:
            found = connection.execute(select(replayed_file.c.content).where(replayed_file.c.path == path)).scalar()
        return None if found is None else bytes(found)

    def put(self, path: str, content: bytes, *, at: datetime) -> None:
        values = {"content": content, "at": at}
        with self._database.write() as connection:
            done = connection.execute(update(replayed_file).where(replayed_file.c.path == path).values(**values))
            if not done.rowcount:
                connection.execute(insert(replayed_file).values(path=path, **values))

    def forget(self, paths: Sequence[str]) -> None:
        if not paths:
            return
        with self._database.write() as connection:
            connection.execute(delete(replayed_file).where(replayed_file.c.path.in_(list(paths))))
