"""The copy that screens read: catalog, versions of the registry, and a prepared line per model for searching."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, delete, func, insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched, record_attempt
from services.adapters.sql.inventory_documents import (
    model_from,
    model_text,
    signal_from,
    version_from,
)
from services.adapters.sql.schema.inventory import governed_model, model_summary, registry_version
from services.adapters.sql.schema.ledger import ledger_index, log_entry
from services.adapters.sql.schema.ops import sync_state
from services.adapters.sql.stewardship import REGISTRATIONS, SqlStewardship, registration_in, version_row
from services.inventory.governance import UseCase
from services.inventory.models import (
    DeploymentKind,
    GovernedModel,
    InventoryCounts,
    InventoryQuery,
    InventoryRow,
    InventorySort,
    ModelVersion,
    RegistrySnapshot,
    SyncState,
    Tier,
)
from services.inventory.ports import Registration
from services.kernel.health import Health
from services.kernel.page import Page

# Worst is lowest, so that the order people want first is the order of an index.
SEVERITY = {Health.BREACH: 0, Health.WATCH: 1, Health.UNKNOWN: 2, Health.HEALTHY: 3}
_HEALTH = {rank: health for health, rank in SEVERITY.items()}


class SqlInventory:
    """Implements inventory.ports.InventoryStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_catalog(self, models: tuple[GovernedModel, ...]) -> None:
        if not models:
            return
        rows = [
            {"name": model.name, "tier": int(model.tier), "kind": model.kind.value, "document": model_text(model)}
            for model in models
        ]
        with self._database.write() as connection:
            names = [model.name for model in models]
            connection.execute(delete(governed_model).where(governed_model.c.name.in_(names)))
            connection.execute(insert(governed_model), rows)

    def catalog(self) -> tuple[GovernedModel, ...]:
        with self._database.read() as connection:
            found = fetched(connection, select(governed_model.c.document).order_by(governed_model.c.name))
        return tuple(model_from(text) for (text,) in found)

    def registrations(self) -> Mapping[str, Registration]:
        newest = select(func.max(ledger_index.c.seq)).where(ledger_index.c.event.in_(REGISTRATIONS))
        query = select(log_entry.c.seq, log_entry.c.envelope).where(
            log_entry.c.seq.in_(newest.group_by(ledger_index.c.model))
        )
        with self._database.read() as connection:
            found = fetched(connection, query)
        return dict(registration_in(seq, data) for seq, data in found)

    def governed(self, name: str) -> GovernedModel | None:
        with self._database.read() as connection:
            return SqlStewardship(connection).governed(name)

    def use_cases(self) -> tuple[UseCase, ...]:
        with self._database.read() as connection:
            return SqlStewardship(connection).use_cases()

    def put_use_cases(self, use_cases: tuple[UseCase, ...]) -> None:
        with self._database.write() as connection:
            for item in use_cases:
                SqlStewardship(connection).save_use_case(item)

    def first_version_at(self, name: str) -> datetime | None:
        with self._database.read() as connection:
            first: datetime | None = connection.scalar(
                select(func.min(registry_version.c.created_at)).where(registry_version.c.model == name)
            )
        return first

    def registry_names(self) -> tuple[tuple[str, datetime], ...]:
        table = registry_version.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.model, func.min(table.created_at))
                .where(table.deleted_at.is_(None))
                .group_by(table.model)
                .order_by(table.model),
            )
        return tuple((model, first) for model, first in found)

    def apply(self, snapshot: RegistrySnapshot, at: datetime) -> int:
        with self._database.read() as connection:
            if not _differs(connection, snapshot, at):
                return 0  # nearly always: no other writer has to wait for a look
        with self._database.write() as connection:
            return apply_versions(connection, snapshot, at)

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        table = registry_version.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.document)
                .where(table.model == name, table.deleted_at.is_(None))
                .order_by(table.number.desc(), table.version.desc()),
            )
        return tuple(version_from(text) for (text,) in found)

    def version(self, name: str, version: str) -> ModelVersion | None:
        table = registry_version.c
        with self._database.read() as connection:
            text = connection.scalar(
                select(table.document).where(table.model == name, table.version == version, table.deleted_at.is_(None))
            )
        return None if text is None else version_from(text)

    def deleted_at(self, name: str, version: str) -> datetime | None:
        table = registry_version.c
        with self._database.read() as connection:
            at: datetime | None = connection.scalar(
                select(table.deleted_at).where(table.model == name, table.version == version)
            )
        return at

    def search(self, query: InventoryQuery, today: date) -> Page[InventoryRow]:
        wanted = and_(True, *_filters(query))
        with self._database.read() as connection:
            total = connection.scalar(select(func.count()).select_from(model_summary).where(wanted))
            statement: Select[Any] = select(model_summary).where(wanted).order_by(*_order(query))
            found = fetched(connection, statement.offset(max(0, query.offset)).limit(max(1, query.limit)))
        return Page(
            items=tuple(_row(row, today) for row in found),
            total=int(total or 0),
            offset=query.offset,
            limit=query.limit,
        )

    def counts(self, today: date) -> InventoryCounts:
        table = model_summary.c
        overdue = func.sum(case((table.next_review < today, 1), else_=0))
        live = func.sum(case((table.in_production, 1), else_=0))
        with self._database.read() as connection:
            groups = fetched(
                connection,
                select(table.severity, table.tier, func.count(), live, overdue).group_by(table.severity, table.tier),
            )
            owners, teams = _distinct(connection, table.owner), _distinct(connection, table.team)
            use_cases = _distinct(connection, table.use_case)
        by_health: dict[Health, int] = defaultdict(int)
        by_tier: dict[int, int] = defaultdict(int)
        for severity, tier, n, _, _ in groups:
            by_health[_HEALTH[severity]] += n
            by_tier[tier] += n
        return InventoryCounts(
            models=sum(by_tier.values()),
            in_production=sum(int(group[3]) for group in groups),
            by_health=dict(by_health),
            by_tier=dict(sorted(by_tier.items())),
            reviews_overdue=sum(int(group[4]) for group in groups),
            owners=owners,
            teams=teams,
            use_cases=use_cases,
        )

    def sync_state(self, source: str) -> SyncState:
        with self._database.read() as connection:
            found = fetched(connection, select(sync_state).where(sync_state.c.source == source))
        if not found:
            return SyncState(source=source, last_success=None, last_attempt=None)
        row = found[0]
        return SyncState(source=source, last_success=row.last_success, last_attempt=row.last_attempt, error=row.error)

    def record_sync(self, source: str, *, at: datetime, error: str) -> SyncState:
        with self._database.write() as connection:
            record_attempt(connection, source, at=at, error=error)
        return self.sync_state(source)


def apply_versions(
    connection: Connection, snapshot: RegistrySnapshot, at: datetime, *, models: Sequence[str] | None = None
) -> int:
    """Writes what differs; the number of changed rows. `models` are those the snapshot is about, all when None."""
    table = registry_version.c
    new, changed, gone = _difference(connection, snapshot, at, models)
    if new:
        connection.execute(insert(registry_version), new)
    for row in changed:
        values = {name: row[name] for name in ("number", "created_at", "digest", "document", "changed_at")}
        connection.execute(
            update(registry_version)
            .where(table.model == row["model"], table.version == row["version"])
            .values(**values, deleted_at=None)
        )
    for model, version in gone:
        connection.execute(
            update(registry_version)
            .where(table.model == model, table.version == version)
            .values(deleted_at=at, changed_at=at)
        )
    return len(new) + len(changed) + len(gone)


_Difference = tuple[list[dict[str, Any]], list[dict[str, Any]], list[tuple[str, str]]]


def _differs(connection: Connection, snapshot: RegistrySnapshot, at: datetime) -> bool:
    return any(_difference(connection, snapshot, at, None))


def _difference(
    connection: Connection, snapshot: RegistrySnapshot, at: datetime, models: Sequence[str] | None
) -> _Difference:
    """(new rows, changed rows, keys that are gone)."""
    table = registry_version.c
    query = select(table.model, table.version, table.digest, table.deleted_at)
    if models is not None:
        query = query.where(table.model.in_(models))
    found = fetched(connection, query)
    kept = select(governed_model.c.name).where(governed_model.c.kind == DeploymentKind.VENDOR.value)
    supplied = frozenset(name for (name,) in fetched(connection, kept))
    current = {(row["model"], row["version"]): row for row in _rows(snapshot, at, supplied)}
    known = {(model, version): (digest, deleted) for model, version, digest, deleted in found if model not in supplied}
    new = [row for key, row in current.items() if key not in known]
    changed = [row for key, row in current.items() if key in known and known[key] != (row["digest"], None)]
    gone = [key for key, (_, deleted) in known.items() if deleted is None and key not in current]
    return new, changed, gone


def _rows(snapshot: RegistrySnapshot, at: datetime, supplied: frozenset[str]) -> list[dict[str, Any]]:
    """One row per version. The snapshot's alias list is the truth: search answers often leave aliases out.

    A registry has no say about models that run at a supplier.
    """
    aliases: dict[tuple[str, str], list[str]] = defaultdict(list)
    for model, alias, version in snapshot.aliases:
        aliases[model, version].append(alias)
    return [
        version_row(item, aliases.get((item.model, item.version), []), at=at)
        for item in snapshot.versions
        if item.model not in supplied
    ]


def _filters(query: InventoryQuery) -> list[ColumnElement[bool]]:
    table = model_summary.c
    filters: list[ColumnElement[bool]] = [
        table.search_text.contains(word, autoescape=True) for word in query.text.casefold().split()
    ]
    if query.tiers:
        filters.append(table.tier.in_([int(tier) for tier in query.tiers]))
    if query.owners:
        filters.append(table.owner.in_(query.owners))
    if query.teams:
        filters.append(table.team.in_(query.teams))
    if query.use_cases:
        filters.append(table.use_case.in_(query.use_cases))
    if query.health:
        filters.append(table.severity.in_([SEVERITY[Health(health)] for health in query.health]))
    return filters


def _order(query: InventoryQuery) -> list[ColumnElement[Any]]:
    """Worst health and most drift come first unless the order is turned round; unknown drift comes last."""
    table = model_summary.c
    column, worst_first = {
        InventorySort.NAME: (table.name, False),
        InventorySort.TIER: (table.tier, False),
        InventorySort.HEALTH: (table.severity, False),
        InventorySort.OWNER: (table.owner, False),
        InventorySort.NEXT_REVIEW: (table.next_review, False),
        InventorySort.DRIFT: (table.drift_value, True),
        InventorySort.COMPLETENESS: (table.completeness, False),
    }[query.sort]
    direction = column.desc() if worst_first is not query.descending else column.asc()
    unknown_last = [column.is_(None)] if query.sort in {InventorySort.DRIFT, InventorySort.COMPLETENESS} else []
    return [*unknown_last, direction, table.name.asc()]


def _row(row: Any, today: date) -> InventoryRow:
    document = json.loads(row.document)
    return InventoryRow(
        name=row.name, title=row.title, use_case=row.use_case, tier=Tier(row.tier), kind=DeploymentKind(row.kind),
        team=row.team, owner=row.owner, health=_HEALTH[row.severity],
        live=tuple((str(version), int(share)) for version, share in document["live"]), live_as_of=row.live_as_of,
        versions=row.versions, newest_version=row.newest_version, drift=signal_from(document["drift"]),
        drift_trend=tuple(document["drift_trend"]), sla=signal_from(document["sla"]),
        open_requests=row.open_requests, findings=row.findings, next_review=row.next_review,
        review_overdue=row.next_review < today, completeness=row.completeness,
    )  # fmt: skip


def _distinct(connection: Connection, column: Any) -> tuple[str, ...]:
    found = fetched(connection, select(column).where(column != "").distinct().order_by(column))
    return tuple(text for (text,) in found)
