"""How often the figures of a model were written: what was concluded from them holds while this has not grown."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched
from services.adapters.sql.schema.monitoring import monitoring_head

DRIFT, PERFORMANCE = "drift", "performance"


def moved(connection: Connection, model: str, *parts: str) -> None:
    """In the transaction that writes, so that nobody sees new figures under an old head."""
    table = monitoring_head.c
    for part in parts:
        same = (table.model == model, table.part == part)
        done = connection.execute(update(monitoring_head).where(*same).values(head=table.head + 1))
        if not done.rowcount:
            connection.execute(insert(monitoring_head).values(model=model, part=part, head=1))


def heads(database: Database, part: str, model: str = "") -> Mapping[str, int]:
    """By model, in one question; a model nothing was ever written about is not there."""
    table = monitoring_head.c
    query = select(table.model, table.head).where(table.part == part)
    with database.read() as connection:
        found = fetched(connection, query.where(table.model == model) if model else query)
    return {name: head for name, head in found}  # noqa: C416 - rows are not pairs for dict()
