"""The inference tables named for models: whether each answers, has its columns, and names what served. Read only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from services import inference_tables
from services.adapters.warehouse.duckdb import at_microseconds
from services.adapters.warehouse.payload_tables import (
    UNKNOWN,
    PayloadTable,
    ServedVersions,
    missing_columns,
)
from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.adapters.warehouse.statements import payload
from services.doctor.models import Result, State
from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.settings import Settings

_LOOKED_BACK = timedelta(days=7)
_RIGHTS = "Check the name, and give the app's principal USE CATALOG, USE SCHEMA and SELECT on it."
_ENTITIES = "Give the app's principal SELECT on system.serving.served_entities: it says which version answered."


def inference(
    settings: Settings,
    clock: Clock,
    *,
    warehouse: SqlWarehouse | None = None,
    versions: ServedVersions | None = None,
) -> Iterator[Result]:
    """One line for each named table."""
    named = inference_tables.tables(settings)
    if not named:
        yield Result(name="inference tables", state=State.UNUSED, found="No inference table of an endpoint is named.")
        return
    asked = warehouse or inference_tables.sql_warehouse(settings)
    for table in named.values():
        name = f"inference table of {table.model}"
        try:
            with asked.asking(f"the {table.words}") as ask:
                missing = missing_columns(ask, table)
                found = ask(payload.days(table.rows(ask), _since(clock))) if not missing else []
        except TelemetryUnavailableError as away:
            yield Result(name=name, state=State.FAULT, found=away.message, fix=_RIGHTS)
            continue
        yield _columns(name, table, missing) if missing else _rows(name, table, found, clock)
        if found:
            yield from _served(name, table, asked, versions or ServedVersions(), _since(clock))


def _since(clock: Clock) -> date:
    return (clock.now() - _LOOKED_BACK).date()


def _columns(name: str, table: PayloadTable, missing: tuple[str, ...]) -> Result:
    return Result(
        name=name,
        state=State.FAULT,
        found=f"{'.'.join(table.name)} has no column {', '.join(missing)}.",
        fix="Name the table that AI Gateway writes for the endpoint (PREFIX_payload); older ones have other columns.",
    )


def _rows(name: str, table: PayloadTable, found: list[Sequence[Any]], clock: Clock) -> Result:
    """No row in a week is not healthy: logging may be off."""
    if not found:
        return Result(
            name=name,
            state=State.WARNING,
            found=f"{'.'.join(table.name)} answers and has no row of the last {_LOOKED_BACK.days} days.",
            fix="Check that the endpoint gets requests and that its inference table is enabled in AI Gateway.",
        )
    newest, n = max(int(row[-1]) for row in found), sum(int(row[1]) for row in found)
    age = clock.now() - at_microseconds(newest)
    said = f"{n:,} rows in {_LOOKED_BACK.days} days, the newest {age.total_seconds() / 60:,.0f} minutes old."
    return Result(name=name, state=State.OK, found=said)


def _served(
    name: str, table: PayloadTable, warehouse: SqlWarehouse, versions: ServedVersions, since: date
) -> Iterator[Result]:
    """Whether what answered can be called by its version."""
    try:
        with warehouse.asking("what is served") as ask:
            ids = [str(ident) for (ident,) in ask(payload.entities(table.rows(ask), since))]
            names = versions.of(ask, table.model, ids)

    except TelemetryUnavailableError as away:
        yield Result(name=name, state=State.FAULT, found=away.message, fix=_ENTITIES)
        return
    unknown = sorted(ident for ident, version in names.items() if version == UNKNOWN)
    if unknown:
        yield Result(
            name=name,
            state=State.WARNING,
            found=f"No version is known for {len(unknown)} served entities that answered: {', '.join(unknown[:3])}.",
            fix=_ENTITIES,
        )
