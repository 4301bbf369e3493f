"""Lineage graphs, small cells and feature tables in the governance database."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, or_, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.schema.evidence import evidence_document
from services.adapters.sql.schema.lineage import cell_count, feature_table, version_lineage
from services.inventory.guard import CellCount, Cells
from services.inventory.tables import CheckedTable, FeatureTable, QualityRule, RuleKind, RuleResult
from services.kernel.health import Health


class SqlLineage:
    """Implements the stores of inventory.handling. Every method raises StorageUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lineage(self, model: str, version: str) -> tuple[str, bytes] | None:
        """Digest and document."""
        with self._database.read() as connection:
            row = connection.execute(
                select(version_lineage).where(version_lineage.c.model == model, version_lineage.c.version == version)
            ).first()
        return (row.sha256, row.document.encode()) if row else None

    def digests(self, model: str) -> dict[str, str]:
        with self._database.read() as connection:
            rows = connection.execute(
                select(version_lineage.c.version, version_lineage.c.sha256).where(version_lineage.c.model == model)
            ).all()
        return {row.version: row.sha256 for row in rows}

    def save_lineage(self, model: str, version: str, *, sha256: str, document: bytes, at: datetime) -> None:
        values = {"sha256": sha256, "document": document.decode(), "built_at": at}
        with self._database.write() as connection:
            _put(connection, version_lineage, {"model": model, "version": version}, values)

    def frozen(self, sha256: str) -> tuple[bytes, datetime] | None:
        c = evidence_document.c
        with self._database.read() as connection:
            row = connection.execute(select(c.data, c.kept_at).where(c.sha256 == sha256)).first()
        return (bytes(row.data), row.kept_at) if row else None

    def traced(self, model: str = "") -> frozenset[str]:
        """Models with a graph that says where their data come from: a table or a raw source lies before a version."""
        c = version_lineage.c
        of_data = or_(*(c.document.contains(f'"kind":"{kind}"', autoescape=True) for kind in ("raw", "table")))
        asked = select(c.model).where(of_data).distinct()
        with self._database.read() as connection:
            return frozenset(connection.scalars(asked.where(c.model == model) if model else asked))

    def cells(self, model: str, version: str) -> CellCount | None:
        with self._database.read() as connection:
            row = connection.execute(
                select(cell_count).where(cell_count.c.model == model, cell_count.c.version == version)
            ).first()
        if row is None:
            return None
        given = json.loads(row.document)
        return CellCount(
            people=given["people"],
            as_read=_cells(given["as_read"]),
            as_served=_cells(given["as_served"]),
            counted_at=row.counted_at,
            basis=row.basis,
            rows=given["rows"],
            problem=given["problem"],
        )

    def save_cells(self, model: str, version: str, count: CellCount, *, at: datetime) -> None:
        document = asdict(replace(count, counted_at=None, basis=""))
        values = {"basis": count.basis, "document": json.dumps(document, sort_keys=True), "counted_at": at}
        with self._database.write() as connection:
            _put(connection, cell_count, {"model": model, "version": version}, values)

    def tables(self) -> tuple[CheckedTable, ...]:
        with self._database.read() as connection:
            rows = connection.execute(select(feature_table).order_by(feature_table.c.position)).all()
        return tuple(CheckedTable(table=_table(row.document), results=_results(row.results)) for row in rows)

    def replace_tables(self, tables: tuple[CheckedTable, ...]) -> None:
        """All of them at once: a table that is no longer declared is gone."""
        values = [
            {
                "name": item.table.name,
                "position": position,
                "state": item.state.value,
                "document": json.dumps(asdict(item.table), sort_keys=True),
                "results": json.dumps([_result_document(result) for result in item.results], sort_keys=True),
                "checked_at": item.checked_at,
            }
            for position, item in enumerate(tables)
        ]
        with self._database.write() as connection:
            connection.execute(delete(feature_table))
            if values:
                connection.execute(insert(feature_table), values)


def lineage_text(connection: Connection, model: str, version: str) -> tuple[str, str]:
    """Digest and text on the caller's connection, for keeping them with a request; empty when there is none."""
    row = connection.execute(
        select(version_lineage).where(version_lineage.c.model == model, version_lineage.c.version == version)
    ).first()
    return (row.sha256, row.document) if row else ("", "")


def _put(connection: Connection, table: Table, key: dict[str, str], values: dict[str, Any]) -> None:
    mine = [table.c[name] == value for name, value in key.items()]
    if connection.execute(update(table).where(*mine).values(**values)).rowcount == 0:
        connection.execute(insert(table).values(**key, **values))


def _cells(given: list[dict[str, Any]]) -> tuple[Cells, ...]:
    return tuple(Cells(**{**item, "columns": tuple(item["columns"])}) for item in given)


def _table(text: str) -> FeatureTable:
    given = json.loads(text)
    rules = tuple(
        QualityRule(**{**rule, "kind": RuleKind(rule["kind"]), "columns": tuple(rule["columns"])})
        for rule in given["rules"]
    )
    return FeatureTable(**{**given, "models": tuple(given["models"]), "rules": rules})


def _result_document(result: RuleResult) -> dict[str, Any]:
    return {**asdict(result), "checked_at": result.checked_at.isoformat() if result.checked_at else None}


def _results(text: str) -> tuple[RuleResult, ...]:
    return tuple(
        RuleResult(
            **{
                **item,
                "state": Health(item["state"]),
                "checked_at": datetime.fromisoformat(item["checked_at"]) if item["checked_at"] else None,
            }
        )
        for item in json.loads(text)
    )
