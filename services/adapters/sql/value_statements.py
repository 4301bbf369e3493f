"""Value statements and benefit records in the governance database. Satisfies value.statement_ports.StatementStore."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, func, insert, select

from services.adapters.sql import heads
from services.adapters.sql.database import Database
from services.adapters.sql.schema.value import value_period, value_statement
from services.value.periods import Act, PeriodRecord
from services.value.statements import StatementVersion


class SqlStatements:
    """On the caller's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self, model: str) -> StatementVersion | None:
        row = self._connection.execute(_of_model(model).limit(1)).first()
        return None if row is None else _item(row)

    def history(self, model: str) -> tuple[StatementVersion, ...]:
        return tuple(_item(row) for row in self._connection.execute(_of_model(model)))

    def in_force(self) -> tuple[StatementVersion, ...]:
        table = value_statement.c
        newest = select(table.model, func.max(table.version).label("version")).group_by(table.model).subquery()
        query = (
            select(value_statement)
            .join(newest, (table.model == newest.c.model) & (table.version == newest.c.version))
            .order_by(table.model)
        )
        return tuple(_item(row) for row in self._connection.execute(query))

    def add(self, item: StatementVersion) -> None:
        heads.moved(self._connection, item.model, heads.VALUE)
        self._connection.execute(insert(value_statement).values(_values(value_statement, item)))

    def periods(self, model: str = "") -> tuple[PeriodRecord, ...]:
        table = value_period.c
        query = select(value_period).order_by(table.model, table.period, table.number)
        if model:
            query = query.where(table.model == model)
        return tuple(_record(row) for row in self._connection.execute(query))

    def add_period(self, record: PeriodRecord) -> None:
        heads.moved(self._connection, record.model, heads.VALUE)
        values = _values(value_period, record)
        self._connection.execute(
            insert(value_period).values(values | {"act": record.act.value, "amount": str(record.amount)})
        )


class SqlStatementsInForce:
    """What figures are computed with: read outside any unit of work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, model: str) -> StatementVersion | None:
        with self._database.read() as connection:
            return SqlStatements(connection).newest(model)


def _of_model(model: str) -> Select[Any]:
    table = value_statement.c
    return select(value_statement).where(table.model == model).order_by(table.version.desc())


def _values(table: Table, item: object) -> dict[str, Any]:
    return {name: getattr(item, name) for name in table.c.keys()}  # noqa: SIM118 - not a dict


def _item(row: Row[Any]) -> StatementVersion:
    return StatementVersion(**row._mapping)  # noqa: SLF001 - its documented name


def _record(row: Row[Any]) -> PeriodRecord:
    found = dict(row._mapping)  # noqa: SLF001 - its documented name
    return PeriodRecord(**found | {"act": Act(found["act"]), "amount": Decimal(found["amount"])})
