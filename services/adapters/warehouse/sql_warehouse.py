"""A Databricks SQL warehouse as somebody to ask: complete statements in, aggregates out, faults in our language."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import FromClause

from services.adapters.warehouse.statements.dialects import compiled, databricks_dialect, relation
from services.kernel.errors import TelemetryUnavailableError

Connect = Callable[[], Any]
"""Gives a DBAPI connection: of `databricks-sql-connector` in production, of a local Spark in the tests."""


def to_databricks(host: str, http_path: str, credentials: Callable[[], Any]) -> Connect:
    """Connections of the vendor's driver, made when something is asked."""

    def connect() -> Any:
        from databricks import sql

        return sql.connect(
            server_hostname=host, http_path=http_path, credentials_provider=credentials, user_agent_entry="countersign"
        )

    return connect


class SqlWarehouse:
    """Asks Core statements in a session in UTC whose statements end after a while. Raises TelemetryUnavailableError."""

    def __init__(self, connect: Connect, *, timeout_seconds: int = 120) -> None:
        self._connect = connect
        self._timeout = timeout_seconds

    @contextmanager
    def asking(self, about: str) -> Iterator[Session]:
        with _translated(about):
            connection = self._connect()
        try:
            session = Session(connection, about)
            session.run("SET TIME ZONE 'UTC'")
            session.run(f"SET STATEMENT_TIMEOUT = {int(self._timeout)}")
            yield session
        finally:
            connection.close()


class Session:
    def __init__(self, connection: Any, about: str) -> None:
        self._connection = connection
        self._about = about

    def __call__(self, statement: Any) -> list[Sequence[Any]]:
        return self.run(compiled(statement, databricks_dialect()))[0]

    def relation(self, name: tuple[str, ...], columns: tuple[str, ...]) -> FromClause:
        """A table by its one to three names, in the words of this engine."""
        return relation(name, columns, databricks_dialect())

    def kinds(self, statement: Any) -> dict[str, str]:
        """Types of the columns of a statement that returns no row."""
        return {str(name): str(kind) for name, kind, *_ in self.run(compiled(statement, databricks_dialect()))[1]}

    def run(self, sql: str) -> tuple[list[Sequence[Any]], Sequence[Any]]:
        with _translated(self._about):
            cursor = self._connection.cursor()
            try:
                cursor.execute(sql)
                described = tuple(cursor.description or ())
                return (list(cursor.fetchall()) if described else []), described
            finally:
                cursor.close()


@contextmanager
def _translated(about: str) -> Iterator[None]:
    try:
        yield
    except Exception as fault:  # a driver raises what its transport raises
        said = " ".join(str(fault).split())[:200]
        raise TelemetryUnavailableError(
            f"The SQL warehouse did not answer about {about} ({type(fault).__name__}): {said}",
            hint="The last known figures stay. Check that it runs, that this app may use it and SELECT from the table, "
            "and that the mapped columns exist.",
        ) from fault
