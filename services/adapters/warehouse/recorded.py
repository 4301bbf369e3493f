"""Recorded inputs of a model: `features` from before it served, then `predictions` with what was really asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from services.adapters.warehouse.duckdb import ParquetFolder

_SOURCES = ("features", "predictions")


def recorded_days(parquet: ParquetFolder, model: str) -> list[date]:
    return sorted({day for source in _SOURCES for day in parquet.days(source, model)})


def recorded_files(parquet: ParquetFolder, model: str, days: Sequence[date]) -> list[str]:
    return [file for source in _SOURCES for file in parquet.files(source, model, days)]
