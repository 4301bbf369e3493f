"""SQL for a warehouse is built with Core, once for every engine; what is written by hand is named with its reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HAND_MADE = {
    "warehouse/duckdb.py", "warehouse/sources.py", "warehouse/table_rows.py", "warehouse/monitoring.py",
    "warehouse/columns_beside.py", "warehouse/source_columns.py",
    "warehouse/performance.py", "warehouse/inputs.py", "warehouse/small_cells.py", "warehouse/telemetry.py",
    "warehouse/shadow.py", "warehouse/last_scores.py", "warehouse/batch_outputs.py", "local/gateway/stored.py",
    "databricks/lakeflow.py", "databricks/unity.py",
}  # fmt: skip
"""Files with SQL of their own; docs/monitoring.md names each with the reason."""
_SQL = re.compile(r"\bSELECT\b.*\bFROM\b|\bCREATE (OR REPLACE )?TEMP\b", re.DOTALL)


def test_sql_that_is_not_built_is_named_in_the_documentation_with_its_reason() -> None:
    root = Path(__file__).resolve().parents[2]
    adapters = root / "services" / "adapters"
    found = {
        str(file.relative_to(adapters))
        for part in ("warehouse", "databricks", "local")
        for file in (adapters / part).rglob("*.py")
        if any(_SQL.search(text) for text in _texts_of(file))
    }
    said = (root / "docs" / "monitoring.md").read_text()

    assert found == HAND_MADE
    assert [name for name in sorted(found) if f"`{name}`" not in said] == []


def _texts_of(file: Path) -> Iterator[str]:
    """Texts of a file without its docstrings, those of f-strings joined."""
    tree = ast.parse(file.read_text())
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value
