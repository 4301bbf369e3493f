"""What stands behind the ports for models whose endpoint's inference table is named in the settings. Wiring only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from services.adapters.databricks.statements import workspace
from services.adapters.sql.database import Database
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.ops import SqlOps
from services.adapters.sql.replayed import SqlReplayed
from services.adapters.warehouse.payload_answers import PayloadAnswers
from services.adapters.warehouse.payload_cubes import PayloadCubes
from services.adapters.warehouse.payload_log import PayloadLog
from services.adapters.warehouse.payload_requests import PayloadPredictions, PayloadRequests
from services.adapters.warehouse.payload_tables import PayloadTable, ServedVersions
from services.adapters.warehouse.payload_telemetry import ASKED_SECONDS, PayloadTelemetry
from services.adapters.warehouse.replayed import ReplayedParquet, SharedShadow
from services.adapters.warehouse.routed import WithReplays
from services.adapters.warehouse.shadow import DuckDbShadowFacts
from services.adapters.warehouse.sql_warehouse import SqlWarehouse, to_databricks
from services.adapters.warehouse.telemetry import DuckDbTelemetry
from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring.ports import MonitoringFacts, PerformanceFacts
from services.reliability.models import RequestSource
from services.reliability.ports import RequestFacts
from services.rollout.release_ports import ShadowFacts, Telemetry
from services.settings import Settings

_UNREAD_TWICE = timedelta(minutes=20)
"""Added to twice the time between two readings: one that failed may be tried again before anything is unknown."""
_SOURCE_LENGTH = 120
_REPLAYED = "replayed requests"
_REPLAYED_AT_ONCE = 200
_REPLAY_SECONDS = 20.0
WORKER_WAITS = 20.0
"""One release that waits for a warehouse must not keep the others from being looked at."""
SCREEN_WAITS = 2.0
"""A screen does not wait for a warehouse that starts."""


def sql_warehouse(settings: Settings, *, timeout_seconds: int = 120) -> SqlWarehouse:
    """The SQL warehouse of the settings, with the credentials of the workspace that the environment names."""

    def connect() -> Any:
        found = workspace().config
        path = f"/sql/1.0/warehouses/{settings.databricks_warehouse}"
        return to_databricks(found.hostname, path, lambda: found.authenticate)()

    return SqlWarehouse(connect, timeout_seconds=timeout_seconds)


def tables(settings: Settings) -> dict[str, PayloadTable]:
    """By model."""
    return {
        model: PayloadTable(
            model=model,
            name=tuple(given.table.split(".")),
            score=given.score,
            late_seconds=60.0 * given.late_minutes,
            every_seconds=60.0 * given.every_minutes,
            failures_logged=given.failures_logged,
        )
        for model, mapped in settings.databricks_tables.items()
        if (given := mapped.payload)
    }


def sources(settings: Settings) -> dict[str, RequestSource]:
    """What reliability has to know about each of them."""
    return {
        model: RequestSource(
            words=table.words,
            late=timedelta(seconds=table.late_seconds),
            stale=timedelta(seconds=2 * table.every_seconds) + _UNREAD_TWICE,
            failures_logged=table.failures_logged,
        )
        for model, table in tables(settings).items()
    }


def requests(settings: Settings, database: Database, clock: Clock) -> dict[str, RequestFacts]:
    warehouse, versions, ops = sql_warehouse(settings), ServedVersions(), SqlOps(database)

    def looked(model: str, error: str) -> None:
        ops.record(_source(model), at=clock.now(), error=error)

    return {
        model: PayloadRequests(warehouse, table, versions=versions, since=_since(settings, clock), looked=looked)
        for model, table in tables(settings).items()
    }


def predictions(settings: Settings, clock: Clock) -> dict[str, MonitoringFacts]:
    warehouse, versions = sql_warehouse(settings), ServedVersions()
    return {
        model: PayloadPredictions(warehouse, table, versions=versions, since=_since(settings, clock))
        for model, table in tables(settings).items()
    }


def answers(settings: Settings, clock: Clock) -> dict[str, PayloadAnswers]:
    """Single answers by their id."""
    warehouse, versions = sql_warehouse(settings), ServedVersions()
    return {
        model: PayloadAnswers(warehouse, table, versions=versions, today=lambda: clock.now().date())
        for model, table in tables(settings).items()
    }


def telemetry(settings: Settings, clock: Clock, *, patience: float = WORKER_WAITS) -> dict[str, Telemetry]:
    warehouse, versions = sql_warehouse(settings), ServedVersions()
    replayed = DuckDbTelemetry(settings.replayed_folder, clock=clock)
    return {
        model: WithReplays(
            PayloadTelemetry(warehouse, table, versions=versions, clock=clock, patience=patience), replayed
        )
        for model, table in tables(settings).items()
    }


def shadows(settings: Settings, database: Database) -> dict[str, ShadowFacts]:
    compared = DuckDbShadowFacts(settings.replayed_folder, method=_REPLAYED)
    return dict.fromkeys(tables(settings), SharedShadow(_replayed(settings, database), compared))


def _replayed(settings: Settings, database: Database) -> ReplayedParquet:
    paths = {model: table.score for model, table in tables(settings).items()}
    return ReplayedParquet(settings.replayed_folder, paths=paths, shelf=SqlReplayed(database))


def replay(settings: Settings, database: Database, serving: object, clock: Clock) -> Callable[[], int] | None:
    """Sends logged requests to versions in shadow, for a while; how many. None where nothing can be replayed.

    Raises TelemetryUnavailableError after the others were replayed.
    """
    named = tables(settings)
    if not named:
        return None
    # The SDK is loaded where it is used.
    from services.adapters.databricks.replay import ShadowReplayer
    from services.adapters.databricks.serving import DatabricksServing

    if not isinstance(serving, DatabricksServing):
        return None
    warehouse, versions = sql_warehouse(settings), ServedVersions()
    answers = _replayed(settings, database)
    replayers = {
        model: ShadowReplayer(
            serving=serving,
            requests=PayloadLog(warehouse, table, versions=versions, clock=clock),
            answers=answers,
            now=clock.now,
        )
        for model, table in named.items()
        if model in settings.databricks_serving and settings.databricks_serving[model].endpoint
    }

    def run() -> int:
        sent, broken = 0, list[TelemetryUnavailableError]()
        answers.fetch()  # a worker on a new disk goes on where the one before stopped
        for model, replayer in replayers.items():
            try:
                sent += replayer.replay(model, limit=_REPLAYED_AT_ONCE, seconds=_REPLAY_SECONDS).sent
            except TelemetryUnavailableError as away:
                broken.append(away)
        answers.keep()
        if broken:
            raise broken[0]
        return sent

    return run if replayers else None


def lags(settings: Settings) -> dict[str, timedelta]:
    """How old telemetry may be in normal operation: rows come late, and are asked for by the minute."""
    known = timedelta(seconds=2 * ASKED_SECONDS)
    return {model: timedelta(seconds=table.late_seconds) + known for model, table in tables(settings).items()}


def cubes(settings: Settings, database: Database) -> dict[str, PerformanceFacts]:
    warehouse, versions, sketched = sql_warehouse(settings), ServedVersions(), SqlMonitoring(database).seen
    return {
        model: PayloadCubes(warehouse, table, versions=versions, sketched=sketched)
        for model, table in tables(settings).items()
    }


def read_at(database: Database) -> Callable[[str], datetime | None]:
    """When the inference table of a model answered last."""
    ops = SqlOps(database)
    return lambda model: ops.last_success(_source(model))


def _since(settings: Settings, clock: Clock) -> Callable[[], date]:
    kept = timedelta(days=settings.sketch_days or 1100)
    return lambda: clock.now().date() - kept


def _source(model: str) -> str:
    return f"inference table of {model}"[:_SOURCE_LENGTH]
