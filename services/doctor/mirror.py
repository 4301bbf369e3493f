"""Copies of system tables: switched on or not, able to be made or not, and how each stands. Read only."""

from __future__ import annotations

from collections.abc import Iterator

from services.adapters.files.billing import BillingFile
from services.adapters.sql.database import Database
from services.adapters.sql.mirror import SqlMirror
from services.doctor.models import Result, State
from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Health
from services.mirror import rules
from services.mirror.sources import chosen
from services.settings import Settings

_STATES = {
    Health.HEALTHY: State.OK,
    Health.WATCH: State.WARNING,
    Health.BREACH: State.FAULT,
    Health.UNKNOWN: State.UNKNOWN,
}
_FIX = (
    "Check that the worker runs, that its principal may SELECT the table, and COUNTERSIGN_DATABRICKS_WAREHOUSE. "
    "`docs/databricks-system-tables.md` has the grants."
)


def mirror(settings: Settings, database: Database, clock: Clock) -> Iterator[Result]:
    """Raises StorageUnavailableError."""
    if not settings.mirrored:
        yield Result(
            name="system tables",
            state=State.UNUSED,
            found="None is copied; cost is what was measured here.",
        )
        return
    if not settings.databricks_warehouse:
        yield Result(
            name="system tables",
            state=State.FAULT,
            found="Copies are asked for, but no SQL warehouse is named: nothing is copied, and the platform deletes.",
            fix="Set COUNTERSIGN_DATABRICKS_WAREHOUSE, or empty COUNTERSIGN_DATABRICKS_MIRROR.",
        )
        return
    yield _owners(settings)
    store, now = SqlMirror(database), clock.now()
    states, gaps, late = store.states(), store.gaps(), store.late()
    for source in chosen(settings.mirrored):
        found = rules.standing(source, states.get(source.name), gaps, now=now, late=late.get(source.name))
        state = _STATES[found.state]
        yield Result(
            name=f"copy of {source.table}", state=state, found=found.sentence, fix="" if state is State.OK else _FIX
        )


def _owners(settings: Settings) -> Result:
    if "billing" not in settings.mirrored:
        return Result(name="owners of cost", state=State.UNUSED, found="The bill is not copied.")
    if settings.databricks_billing_file is None:
        return Result(
            name="owners of cost",
            state=State.WARNING,
            found="No file says whose endpoints and jobs are whose: only tags and endpoints of one model name an "
            "owner, and list prices are used.",
            fix="Set COUNTERSIGN_DATABRICKS_BILLING_FILE if cost stays without an owner.",
        )
    try:
        said = BillingFile(settings.databricks_billing_file).said()
    except TelemetryUnavailableError as wrong:
        return Result(name="owners of cost", state=State.FAULT, found=wrong.message, fix=wrong.hint)
    named = f"{len(said.endpoints)} endpoints, {len(said.jobs)} jobs and {len(said.prices)} prices"
    return Result(name="owners of cost", state=State.OK, found=f"The file of owners can be read: {named}.")
