"""Published policies in the governance database, and the past decisions a proposed one is rehearsed over."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select

from services.adapters.sql.database import Database
from services.adapters.sql.schema.approvals import promotion_request
from services.adapters.sql.schema.evidence import evidence_document
from services.adapters.sql.schema.policy import published_policy
from services.approvals import frozen
from services.audit.pack.models import PackFile
from services.policy.published import PublishedPolicy
from services.policy.rehearsal import PastDecision


class SqlPolicies:
    """Implements policy.published.PolicyStore on the caller's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, item: PublishedPolicy) -> None:
        values = {name: getattr(item, name) for name in published_policy.c.keys()}  # noqa: SIM118 - not a dict
        self._connection.execute(insert(published_policy).values(values))

    def newest(self, tier: int) -> PublishedPolicy | None:
        return self._first(_of_tier(tier).limit(1))

    def by_digest(self, sha256: str) -> PublishedPolicy | None:
        return self._first(select(published_policy).where(published_policy.c.sha256 == sha256))

    def history(self, tier: int) -> tuple[PublishedPolicy, ...]:
        return tuple(_item(row) for row in self._connection.execute(_of_tier(tier)))

    def _first(self, query: Select[Any]) -> PublishedPolicy | None:
        row = self._connection.execute(query).first()
        return None if row is None else _item(row)


class SqlPublishedPolicies:
    """Implements policy.published.PublishedPolicies and audit.pack.ports.PolicyFiles."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, tier: int) -> PublishedPolicy | None:
        with self._database.read() as connection:
            return SqlPolicies(connection).newest(tier)

    def by_digest(self, sha256: str) -> PublishedPolicy | None:
        with self._database.read() as connection:
            return SqlPolicies(connection).by_digest(sha256)

    def history(self, tier: int) -> tuple[PublishedPolicy, ...]:
        with self._database.read() as connection:
            return SqlPolicies(connection).history(tier)

    def files(self) -> tuple[PackFile, ...]:
        """Every version that was ever in force: the digests in requests are those of these bytes."""
        with self._database.read() as connection:
            rows = connection.execute(select(published_policy).order_by(published_policy.c.seq)).all()
        return tuple(
            PackFile(
                path=f"tier-{row.tier}-version-{row.version}.yaml",
                data=row.text.encode(),
                title=f"Policy {row.name} version {row.version}, published at entry {row.seq}",
            )
            for row in rows
        )


class SqlPastDecisions:
    """Implements policy.rehearsal.PastDecisions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_tier(self, tier: int) -> tuple[PastDecision, ...]:
        table = promotion_request
        query = select(table).where(table.c.tier == tier).order_by(table.c.seq.desc())
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            reports = {row.request_id: frozen.from_text(row.document).report for row in rows}
            wanted = {report.evidence_sha256 for report in reports.values()}
            kept = {
                row.sha256: row.data
                for row in connection.execute(
                    select(evidence_document.c.sha256, evidence_document.c.data).where(
                        evidence_document.c.sha256.in_(sorted(wanted))
                    )
                )
            }
        return tuple(
            PastDecision(
                request_id=row.request_id,
                model=row.model,
                version=row.version,
                state=row.state,
                at=row.created_at,
                report=reports[row.request_id],
                evidence=kept.get(reports[row.request_id].evidence_sha256),
            )
            for row in rows
        )


def _of_tier(tier: int) -> Select[Any]:
    return select(published_policy).where(published_policy.c.tier == tier).order_by(published_policy.c.seq.desc())


def _item(row: Row[Any]) -> PublishedPolicy:
    return PublishedPolicy(**row._mapping)  # noqa: SLF001 - its documented name
