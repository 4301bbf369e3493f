"""What a monitoring system wants to count, in a few short reads of the governance database.

No name of a person and no free text leaves this module: counts, ages and names of our own tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, select

from services.adapters.sql.database import Database
from services.adapters.sql.schema.alerts import alert
from services.adapters.sql.schema.approvals import promotion_request
from services.adapters.sql.schema.harness import harness_run
from services.adapters.sql.schema.ledger import log_entry
from services.adapters.sql.schema.notices import notice_delivery
from services.adapters.sql.schema.ops import sync_state, worker_heartbeat, worker_lease
from services.adapters.sql.schema.people import person_session
from services.adapters.sql.schema.reliability import request_count
from services.adapters.sql.schema.rollout import deployment, rollout_action

_WAITING = ("open", "changes_requested", "approved")
_MOVING = ("pending", "running")
_QUEUES: Mapping[str, Select[int]] = {
    "actions": select(func.count()).where(rollout_action.c.state.in_(_MOVING)),
    "evaluations": select(func.count()).where(harness_run.c.state.in_(("queued", "running"))),
    "deliveries": select(func.count()).where(notice_delivery.c.state == "waiting"),
    "requests": select(func.count()).where(promotion_request.c.state.in_(_WAITING)),
}
_MOMENTS: Mapping[str, Select[datetime | None]] = {
    "worker_heartbeat": select(func.max(worker_heartbeat.c.at)),
    "outbox_oldest": select(func.min(rollout_action.c.created_at)).where(rollout_action.c.state.in_(_MOVING)),
    "request_oldest": select(func.min(promotion_request.c.created_at)).where(promotion_request.c.state.in_(_WAITING)),
    "telemetry_newest": select(func.max(request_count.c.start)),
    "endpoint_read_oldest": select(func.min(deployment.c.observed_at)),
}
"""A minute or second that an age is counted from; absent while there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One copy or task of the worker."""

    name: str
    last_success: datetime | None
    failing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    queues: tuple[tuple[str, int], ...]
    moments: tuple[tuple[str, datetime], ...]
    alerts: tuple[tuple[int, int], ...]
    """(severity, how many stand)."""
    entries: int
    lease_until: datetime | None
    """None when no worker ever led."""
    sessions: int
    tasks: tuple[Task, ...]


def read(database: Database, *, now: datetime) -> Gauges:
    """Raises StorageUnavailableError."""
    with database.read() as connection:
        moments = {name: connection.execute(query).scalar() for name, query in _MOMENTS.items()}
        return Gauges(
            queues=tuple((name, connection.execute(query).scalar_one()) for name, query in _QUEUES.items()),
            moments=tuple((name, at) for name, at in moments.items() if at is not None),
            alerts=_alerts(connection),
            entries=connection.execute(select(func.coalesce(func.max(log_entry.c.seq) + 1, 0))).scalar_one(),
            lease_until=connection.execute(select(func.max(worker_lease.c.until))).scalar(),
            sessions=connection.execute(
                select(func.count()).where(person_session.c.expires_at > now, person_session.c.ended_at.is_(None))
            ).scalar_one(),
            tasks=tuple(
                Task(name=row.source, last_success=row.last_success, failing=bool(row.error))
                for row in connection.execute(select(sync_state).order_by(sync_state.c.source))
            ),
        )


def _alerts(connection: Connection) -> tuple[tuple[int, int], ...]:
    query = (
        select(alert.c.severity, func.count())
        .where(alert.c.closed_at.is_(None))
        .group_by(alert.c.severity)
        .order_by(alert.c.severity)
    )
    return tuple((int(row[0]), int(row[1])) for row in connection.execute(query))
