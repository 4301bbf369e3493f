"""How often the figures of a model were written: what was concluded from them holds while this has not grown."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched
from services.adapters.sql.schema.monitoring import monitoring_head

DRIFT, PERFORMANCE, VALUE = "drift", "performance", "value"
PORTFOLIO = "portfolio"
"""Of the lines of all models together, under no name."""


def moved(connection: Connection, model: str, *parts: str) -> None:
    """In the transaction that writes, so that nobody sees new figures under an old head."""
    table = monitoring_head.c
    for part in parts:
        same = (table.model == model, table.part == part)
        done = connection.execute(update(monitoring_head).where(*same).values(head=table.head + 1))
        if not done.rowcount:
            connection.execute(insert(monitoring_head).values(model=model, part=part, head=1))


def head(database: Database, part: str, model: str) -> int:
    table = monitoring_head.c
    with database.read() as connection:
        found = connection.scalar(select(table.head).where(table.part == part, table.model == model))
    return int(found or 0)


def heads(database: Database, part: str, model: str = "") -> Mapping[str, int]:
    """By model, in one question; a model nothing was ever written about is not there."""
    table = monitoring_head.c
    query = select(table.model, table.head).where(table.part == part)
    with database.read() as connection:
        found = fetched(connection, query.where(table.model == model) if model else query)
    return {name: head for name, head in found}  # noqa: C416 - rows are not pairs for dict()


def mark(database: Database, model: str = "", *, part: str = "") -> str:
    """Names the state of what was measured about one model or all, in one part or all: another mark, other figures."""
    table = monitoring_head.c
    query = select(func.count(), func.sum(table.head))
    if model:
        query = query.where(table.model == model)
    if part:
        query = query.where(table.part == part)
    with database.read() as connection:
        rows, total = fetched(connection, query)[0]
    return f"{rows} {total or 0}"
