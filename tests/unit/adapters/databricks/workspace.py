"""A workspace that answers as the SDK does: versions with their dependencies, and statements over small tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from databricks.sdk.service.catalog import Dependency, DependencyList, ModelVersionInfo, TableDependency
from databricks.sdk.service.sql import (
    ColumnInfo,
    ResultData,
    ResultManifest,
    ResultSchema,
    ServiceError,
    StatementParameterListItem,
    StatementResponse,
    StatementState,
    StatementStatus,
)

Cells = list[list[str | None]]


@dataclass
class FakeVersions:
    tables: dict[int, tuple[str, ...]]
    away: bool = False

    def list(self, full_name: str) -> Iterator[ModelVersionInfo]:
        if self.away:
            raise ConnectionError
        return iter([ModelVersionInfo(version=number, model_name=full_name) for number in self.tables])

    def get(self, full_name: str, version: int) -> ModelVersionInfo:
        names = self.tables[version]
        found = [Dependency(table=TableDependency(table_full_name=name)) for name in names]
        # Other things a version may depend on are not tables.
        return ModelVersionInfo(
            version=version,
            model_name=full_name,
            model_version_dependencies=DependencyList(dependencies=[*found, Dependency()]) if names else None,
        )


@dataclass
class FakeStatements:
    """`columns`: (source, column, target, feature). `tags`: (table, column, tag, value)."""

    columns: list[tuple[str, str, str, str]] = field(default_factory=list)
    tags: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    state: StatementState = StatementState.SUCCEEDED
    slow: int = 0
    chunk: int = 2
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    _answers: dict[str, tuple[list[str], Cells]] = field(default_factory=dict)

    def execute_statement(
        self, statement: str, warehouse_id: str, *, parameters: list[StatementParameterListItem], wait_timeout: str
    ) -> StatementResponse:
        assert warehouse_id
        assert wait_timeout.endswith("s")
        named = {item.name: item.value or "" for item in parameters}
        self.asked.append((statement, named))
        tables = named["tables"].split(",")
        if "column_lineage" in statement:
            names = ["source", "column_name", "target", "feature"]
            rows: Cells = [list(row) for row in self.columns if row[2] in tables]
        else:
            names = ["table_name", "column_name", "tag_name", "tag_value"]
            rows = [list(row) for row in self.tags if row[0] in tables]
        key = f"s{len(self.asked)}"
        self._answers[key] = (names, rows)
        return self._response(key)

    def get_statement(self, statement_id: str) -> StatementResponse:
        return self._response(statement_id)

    def get_statement_result_chunk_n(self, statement_id: str, chunk_index: int) -> ResultData:
        _, rows = self._answers[statement_id]
        start = chunk_index * self.chunk
        more = chunk_index + 1 if start + self.chunk < len(rows) else None
        return ResultData(data_array=rows[start : start + self.chunk], next_chunk_index=more)  # type: ignore[arg-type]

    def cancel_execution(self, statement_id: str) -> None:
        self.cancelled.append(statement_id)

    def _response(self, key: str) -> StatementResponse:
        if self.slow:
            self.slow -= 1
            return StatementResponse(statement_id=key, status=StatementStatus(state=StatementState.RUNNING))
        if self.state is not StatementState.SUCCEEDED:
            error = ServiceError(message="no permission on system.access")
            return StatementResponse(statement_id=key, status=StatementStatus(state=self.state, error=error))
        names, _ = self._answers[key]
        return StatementResponse(
            statement_id=key,
            status=StatementStatus(state=StatementState.SUCCEEDED),
            manifest=ResultManifest(schema=ResultSchema(columns=[ColumnInfo(name=name) for name in names])),
            result=self.get_statement_result_chunk_n(key, 0),
        )


@dataclass
class FakeWorkspace:
    model_versions: FakeVersions
    statement_execution: FakeStatements = field(default_factory=FakeStatements)

    def __call__(self) -> Any:
        return self
