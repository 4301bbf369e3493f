"""The inputs of one recorded answer, masked in the statement that reads them. Implements inventory.rows.InputLog."""

# ruff: noqa: S608 - names are quoted identifiers of the file, everything that anybody chooses is bound.

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, columns_of, rows, table_of
from services.adapters.warehouse.masking import shown
from services.inventory.access import Mask
from services.inventory.rows import LoggedRow


class DuckDbInputLog:
    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def inputs(
        self, model: str, prediction_id: str, columns: Sequence[tuple[str, Mask]]
    ) -> tuple[tuple[str, ...], tuple[LoggedRow, ...]]:
        files = self._parquet.files("predictions", model, self._parquet.days("predictions", model))
        if not files:
            return (), ()
        with asking(f"inputs of {model}") as connection:
            there = columns_of(connection, files[-1:])
            known = [(name, mask) for name, mask in columns if name in there]
            values = "".join(f", {shown(name, mask)}" for name, mask in known)
            answers = rows(
                connection,
                f"SELECT coalesce(CAST(version AS VARCHAR), ''), coalesce(role, ''), epoch_us(event_at){values}"
                f" FROM {table_of('files')} WHERE CAST(prediction_id AS VARCHAR) = $wanted ORDER BY 3, 1, 2",
                {"files": files, "wanted": prediction_id},
            )
        return tuple(name for name, _ in known), tuple(
            LoggedRow(version=version, role=role, event_at=at_microseconds(at), values=tuple(str(item) for item in row))
            for version, role, at, *row in answers
        )
