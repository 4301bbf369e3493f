"""Feature tables that lie in Unity Catalog: whether each answers, and when its newest rows are from. Read only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from services import inference_tables
from services.adapters.local.estate.declared import DeclaredCatalog
from services.adapters.warehouse.catalog_tables import CatalogTableRows
from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.doctor.models import Result, State
from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.settings import Settings

_LOOKED_BACK = timedelta(days=7)
_RIGHTS = "The app's principal needs CAN_USE on the warehouse, and USE CATALOG, USE SCHEMA and SELECT on the table."


def feature_tables(settings: Settings, clock: Clock, *, warehouse: SqlWarehouse | None = None) -> Iterator[Result]:
    """One line for each declared table of a catalog."""
    declared = DeclaredCatalog(settings.catalog_file) if settings.catalog_file else DeclaredCatalog()
    named = [table for table in declared.tables() if table.table]
    if not named:
        yield Result(name="feature tables", state=State.UNUSED, found="No feature table of Unity Catalog is declared.")
        return
    if warehouse is None and settings.databricks_warehouse:
        warehouse = inference_tables.sql_warehouse(settings)
    read = CatalogTableRows(warehouse, now=clock.now, since=(clock.now() - _LOOKED_BACK).date)
    for table in named:
        name = f"feature table {table.name}"
        try:
            days = read.partitions(table)
        except TelemetryUnavailableError as away:
            yield Result(name=name, state=State.FAULT, found=away.message, fix=f"{away.hint} {_RIGHTS}")
            continue
        newest = max((part.day for part in days), default=None)
        if newest is None:
            yield Result(
                name=name, state=State.WARNING, found=f"{table.table} answers and has no row.",
                fix="Check what writes it. Without rows none of its rules can be judged.",
            )  # fmt: skip
        else:
            said = f"{table.table} answers; its newest rows are of {newest:%d %b %Y}."
            yield Result(name=name, state=State.OK, found=said)
