"""Open work of every slice, read in a few statements, and the prepared inventory lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, delete, exists, func, insert, or_, select

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched
from services.adapters.sql.inventory import SEVERITY
from services.adapters.sql.inventory_documents import signal_document
from services.adapters.sql.schema.approvals import promotion_request, request_event
from services.adapters.sql.schema.facts import facts_seen
from services.adapters.sql.schema.inventory import governed_model, model_summary, registry_version
from services.adapters.sql.schema.ledger import ledger_index
from services.adapters.sql.schema.ops import sync_state, worker_heartbeat, workspace_fact
from services.adapters.sql.schema.rollout import deployment, rollout_action, served_period, traffic_change
from services.inventory.models import SyncState
from services.oversight.models import ModelSummary, OpenAction, ServedModel, TimelineEvent

_WAITING = ("open", "changes_requested", "approved")
_MOVING = ("pending", "running")
_STUCK = ("failed", "conflict")
_AT_ONCE = 500
_RECORD = tuple(
    f"event:{name}"
    for name in (
        "model-registered",
        "model-changed",
        "column-tagged",
        "tier-proposed",
        "tier-confirmed",
        "tier-refused",
        "vendor-release",
        "vendor-approved",
    )
)
"""What people decide about the record of a model."""


class SqlOversight:
    """Implements oversight.ports.OversightStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_requests(self) -> Mapping[str, int]:
        table = promotion_request.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.model, func.count()).where(table.state.in_(_WAITING)).group_by(table.model),
            )
        return {model: int(number) for model, number in found}

    def served(self) -> tuple[ServedModel, ...]:
        with self._database.read() as connection:
            found = fetched(connection, select(deployment).order_by(deployment.c.model))
        return tuple(
            ServedModel(
                model=row.model, desired=_routes(row.desired), observed=_routes(row.observed),
                observed_at=row.observed_at, champion=row.champion, candidate=row.candidate,
                plan=tuple(json.loads(row.plan)), problem=row.problem, finding=row.finding,
                alias_champion=row.alias_champion, alias_pending=row.alias_pending,
            )
            for row in found
        )  # fmt: skip

    def open_actions(self, since: datetime) -> tuple[OpenAction, ...]:
        table = rollout_action.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(rollout_action)
                .where(or_(table.state.in_(_MOVING), and_(table.state.in_(_STUCK), table.created_at >= since)))
                .order_by(table.created_at),
            )
        return tuple(
            OpenAction(
                action_id=row.action_id, model=row.model, kind=row.kind, state=row.state, to_version=row.to_version,
                requested_by=row.requested_by, detail=row.detail, at=row.created_at,
            )
            for row in found
        )  # fmt: skip

    def unsubmitted(self) -> tuple[tuple[str, str, datetime], ...]:
        table = registry_version.c
        newest = (
            select(table.model, func.max(table.number).label("number"))
            .join(governed_model, governed_model.c.name == table.model)
            .where(table.deleted_at.is_(None))
            .group_by(table.model)
            .subquery()
        )
        asked = exists().where(promotion_request.c.model == table.model, promotion_request.c.version == table.version)
        served = exists().where(served_period.c.model == table.model, served_period.c.version == table.version)
        named = exists().where(deployment.c.model == table.model, deployment.c.champion == table.version)
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.model, table.version, table.created_at)
                .join(newest, and_(newest.c.model == table.model, newest.c.number == table.number))
                .where(table.deleted_at.is_(None), ~asked, ~served, ~named)
                .order_by(table.model),
            )
        return tuple((model, version, at) for model, version, at in found)

    def deleted_but_served(self) -> tuple[tuple[str, str], ...]:
        table = registry_version.c
        with self._database.read() as connection:
            gone = fetched(
                connection,
                select(table.model, table.version, deployment.c.champion, deployment.c.observed)
                .join(deployment, deployment.c.model == table.model)
                .where(table.deleted_at.is_not(None))
                .order_by(table.model, table.number),
            )
        return tuple(
            (model, version)
            for model, version, champion, observed in gone
            if version == champion or dict(_routes(observed)).get(version)
        )

    def version_facts(self) -> Mapping[str, tuple[int, str]]:
        table = registry_version.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.model, func.count(), func.max(table.number))
                .where(table.deleted_at.is_(None))
                .group_by(table.model),
            )
        return {model: (int(count), str(newest)) for model, count, newest in found}

    def watched_models(self) -> frozenset[str]:
        with self._database.read() as connection:
            found = fetched(connection, select(facts_seen.c.owner).where(facts_seen.c.source != "usage").distinct())
        return frozenset(owner for (owner,) in found)

    def put_summaries(self, summaries: tuple[ModelSummary, ...]) -> int:
        table = model_summary.c
        rows = {summary.row.name: _summary_row(summary) for summary in summaries}
        with self._database.read() as connection:
            known = {name: digest for name, digest in fetched(connection, select(table.name, table.digest))}  # noqa: C416
        gone = [name for name in known if name not in rows]
        fresh = [row for name, row in rows.items() if known.get(name) != row["digest"]]
        if not gone and not fresh:
            return 0
        replaced = [*gone, *(row["name"] for row in fresh if row["name"] in known)]
        with self._database.write() as connection:
            for start in range(0, len(replaced), _AT_ONCE):
                connection.execute(delete(model_summary).where(table.name.in_(replaced[start : start + _AT_ONCE])))
            if fresh:
                connection.execute(insert(model_summary), fresh)
        return len(gone) + len(fresh)

    def heartbeat(self) -> datetime | None:
        with self._database.read() as connection:
            at: datetime | None = connection.scalar(select(func.max(worker_heartbeat.c.at)))
        return at

    def syncs(self) -> tuple[SyncState, ...]:
        with self._database.read() as connection:
            found = fetched(connection, select(sync_state).order_by(sync_state.c.source))
        return tuple(
            SyncState(source=row.source, last_success=row.last_success, last_attempt=row.last_attempt, error=row.error)
            for row in found
        )

    def workspace_facts(self) -> Mapping[str, str]:
        with self._database.read() as connection:
            found = fetched(connection, select(workspace_fact.c.name, workspace_fact.c.value))
        return {name: value for name, value in found}  # noqa: C416 - rows are not pairs for dict()

    def timeline(self, model: str, limit: int) -> tuple[TimelineEvent, ...]:
        with self._database.read() as connection:
            requests = fetched(
                connection,
                select(request_event.c.at, request_event.c.sentence, request_event.c.seq, promotion_request.c.version)
                .join(promotion_request, promotion_request.c.request_id == request_event.c.request_id)
                .where(promotion_request.c.model == model)
                .order_by(request_event.c.at.desc())
                .limit(limit),
            )
            traffic = fetched(
                connection,
                select(traffic_change)
                .where(traffic_change.c.model == model)
                .order_by(traffic_change.c.at.desc())
                .limit(limit),
            )
            versions = fetched(
                connection,
                select(registry_version.c.version, registry_version.c.created_at, registry_version.c.deleted_at)
                .where(registry_version.c.model == model)
                .order_by(registry_version.c.created_at.desc())
                .limit(limit),
            )
            record = fetched(
                connection,
                select(ledger_index.c.at, ledger_index.c.sentence, ledger_index.c.seq)
                .where(ledger_index.c.model == model, ledger_index.c.event.in_(_RECORD))
                .order_by(ledger_index.c.seq.desc())
                .limit(limit),
            )
        events = [
            *(_request_event(row) for row in requests),
            *(_traffic_event(row) for row in traffic),
            *(event for row in versions for event in _version_events(row)),
            *(TimelineEvent(at=row.at, kind="record", title=row.sentence, detail="", seq=row.seq) for row in record),
        ]
        return tuple(sorted(events, key=lambda event: event.at, reverse=True)[:limit])


def _routes(text: str | None) -> tuple[tuple[str, int], ...]:
    return tuple((str(version), int(share)) for version, share in json.loads(text or "[]"))


def _request_event(row: Any) -> TimelineEvent:
    return TimelineEvent(at=row.at, kind="request", title=row.sentence, detail=f"Version {row.version}", seq=row.seq)


def _traffic_event(row: Any) -> TimelineEvent:
    shares = ", ".join(f"version {version} {share} %" for version, share in _routes(row.routes)) or "nothing serves"
    reason = f": {row.reason}" if row.reason else ""
    return TimelineEvent(
        at=row.at, kind=row.kind, title=f"Traffic: {shares}", detail=f"{row.actor}{reason}", seq=row.seq
    )


def _version_events(row: Any) -> list[TimelineEvent]:
    made = TimelineEvent(
        at=row.created_at, kind="version", title=f"Version {row.version} registered", detail="", seq=None
    )
    if row.deleted_at is None:
        return [made]
    detail = "Noticed at this time by the synchronisation."
    gone = TimelineEvent(
        at=row.deleted_at,
        kind="version",
        title=f"Version {row.version} deleted in the registry",
        detail=detail,
        seq=None,
    )
    return [made, gone]


def _summary_row(summary: ModelSummary) -> dict[str, Any]:
    row = summary.row
    document = {
        "live": row.live,
        "drift": signal_document(row.drift),
        "drift_trend": row.drift_trend,
        "sla": signal_document(row.sla),
    }
    values: dict[str, Any] = {
        "name": row.name, "title": row.title, "search_text": summary.search_text, "use_case": row.use_case,
        "tier": int(row.tier), "kind": row.kind.value, "team": row.team, "owner": row.owner,
        "severity": SEVERITY[row.health], "in_production": bool(row.live), "live_as_of": row.live_as_of,
        "versions": row.versions, "newest_version": row.newest_version, "drift_value": row.drift.value,
        "open_requests": row.open_requests, "findings": row.findings, "next_review": row.next_review,
        "completeness": row.completeness,
        "document": json.dumps(document, separators=(",", ":")),
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(values, sort_keys=True, default=_moment).encode()).hexdigest()
    return {**values, "digest": digest}


def _moment(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
