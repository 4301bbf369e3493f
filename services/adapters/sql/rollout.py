"""Releases in the governance database; works on the caller's connection. Satisfies rollout.ports.RolloutStore."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, insert, select, update

from services.adapters.sql.emergency import SqlEmergencies
from services.adapters.sql.inventory_documents import aliases_in
from services.adapters.sql.retirements import SqlRetirements
from services.adapters.sql.rollout_actions import SqlActions
from services.adapters.sql.rollout_rows import deployment_from, deployment_values
from services.adapters.sql.rollout_served import SqlServed
from services.adapters.sql.schema import approvals as approval_tables
from services.adapters.sql.schema import rollout as tables
from services.adapters.sql.schema.inventory import governed_model, registry_version
from services.inventory.models import DeploymentKind
from services.rollout.emergency_rules import blocks
from services.rollout.models import Basis, Challenge, Deployment
from services.rollout.retirement_rules import forbids

_RETIREMENT = "retirement"


class SqlRollouts(SqlActions, SqlServed):
    """Actions and served periods come from its two bases; all share one connection."""

    # deployments

    def deployment(self, model: str) -> Deployment | None:
        row = self._connection.execute(select(tables.deployment).where(tables.deployment.c.model == model)).first()
        return deployment_from(row) if row else None

    def deployments(self) -> tuple[Deployment, ...]:
        rows = self._connection.execute(select(tables.deployment).order_by(tables.deployment.c.model))
        return tuple(deployment_from(row) for row in rows)

    def unordered(self, alias: str) -> tuple[tuple[str, str], ...]:
        """One statement whatever the size of the registry; what its pattern finds is read before it is believed."""
        version, governed = registry_version.c, governed_model.c
        found = self._connection.execute(
            select(version.model, governed.kind, version.document)
            .join(governed_model, governed.name == version.model)
            .join(tables.deployment, tables.deployment.c.model == version.model, isouter=True)
            .where(
                tables.deployment.c.model.is_(None),
                version.deleted_at.is_(None),
                governed.kind != DeploymentKind.VENDOR.value,
                version.document.contains(f'"{alias}"', autoescape=True),
            )
            .order_by(version.model)
        )
        return tuple(dict.fromkeys((row.model, row.kind) for row in found if alias in aliases_in(row.document)))

    def save_deployment(self, deployment: Deployment, *, at: datetime) -> None:
        values = deployment_values(deployment) | {"updated_at": at}
        table = tables.deployment
        done = self._connection.execute(update(table).where(table.c.model == deployment.model).values(**values))
        if done.rowcount == 0:
            self._connection.execute(insert(table).values(model=deployment.model, **values))

    # what holds a release up

    def overdue_reviews(self, model: str, *, now: datetime) -> tuple[str, ...]:
        row = self.deployment(model)
        found = (blocks(item, now=now, deployment=row) for item in SqlEmergencies(self._connection).all(model))
        return tuple(sentence for sentence in found if sentence)

    def retiring(self, model: str) -> str:
        return forbids(SqlRetirements(self._connection).of_model(model))

    # what approvals know

    def approved_versions(self, model: str) -> tuple[str, ...]:
        return self._versions_in(model, ("approved", "applied", "apply_failed"))

    def revoked_versions(self, model: str) -> tuple[str, ...]:
        """Versions whose newest approval was taken back."""
        table, decided = approval_tables.promotion_request, approval_tables.request_decision
        revoked = self._connection.execute(
            select(table.c.version, func.max(decided.c.seq).label("at"))
            .join(decided, decided.c.request_id == table.c.request_id)
            .where(table.c.model == model, decided.c.decision == "revoke", table.c.purpose != _RETIREMENT)
            .group_by(table.c.version)
        )
        newest = self._connection.execute(
            select(table.c.version, func.max(table.c.seq).label("at"))
            .where(table.c.model == model, table.c.state.in_(("approved", "applied")), table.c.purpose != _RETIREMENT)
            .group_by(table.c.version)
        )
        approved: dict[str, int] = {row.version: row.at for row in newest}
        return tuple(row.version for row in revoked if approved.get(row.version, -1) < row.at)

    def _versions_in(self, model: str, states: tuple[str, ...]) -> tuple[str, ...]:
        table = approval_tables.promotion_request
        # Who agreed to take a version away did not approve it for anything.
        approved = (table.c.model == model, table.c.state.in_(states), table.c.purpose != _RETIREMENT)
        query = select(table.c.version).where(*approved).distinct()
        return tuple(self._connection.execute(query).scalars())

    def basis(self, request_id: str) -> Basis | None:
        table, decided = approval_tables.promotion_request, approval_tables.request_decision
        row = self._connection.execute(select(table).where(table.c.request_id == request_id)).first()
        if row is None:
            return None
        decisions = self._connection.execute(
            select(decided.c.seq, decided.c.leaf_hash)
            .where(decided.c.request_id == request_id, decided.c.decision.in_(("approve", "acknowledge")))
            .where(decided.c.void_reason == "")
            .order_by(decided.c.seq)
        )
        return Basis(
            request_id=request_id,
            request_sha256=row.statement_sha256,
            request_seq=row.seq,
            policy_sha256=row.policy_sha256,
            decisions=tuple((item.seq, item.leaf_hash) for item in decisions),
        )

    def manifests(self, model: str) -> Mapping[str, str]:
        table = approval_tables.version_evidence
        rows = self._connection.execute(select(table.c.version, table.c.manifest_sha256).where(table.c.model == model))
        return {row.version: row.manifest_sha256 for row in rows if row.manifest_sha256}

    def finish_request(self, request_id: str, *, applied: bool, sentence: str, seq: int, at: datetime) -> None:
        table = approval_tables.promotion_request
        self._connection.execute(
            update(table)
            .where(table.c.request_id == request_id, table.c.state.in_(("approved", "apply_failed", "applied")))
            .values(state="applied" if applied else "apply_failed", updated_at=at)
        )
        self._connection.execute(
            insert(approval_tables.request_event).values(request_id=request_id, at=at, sentence=sentence, seq=seq)
        )

    # challenges

    def add_challenge(self, challenge: Challenge) -> None:
        table = approval_tables.signing_challenge
        self._connection.execute(
            insert(table).values(
                nonce=challenge.nonce,
                purpose=challenge.purpose,
                subject=challenge.subject,
                about=challenge.about,
                revision=challenge.revision,
                shown_sha256=challenge.shown_sha256,
                expires_at=challenge.expires_at,
                used=False,
            )
        )

    def challenge(self, nonce: str) -> Challenge | None:
        table = approval_tables.signing_challenge
        row = self._connection.execute(select(table).where(table.c.nonce == nonce)).first()
        return Challenge(**row._mapping) if row else None  # noqa: SLF001 - public in SQLAlchemy

    def use_challenge(self, nonce: str) -> bool:
        table = approval_tables.signing_challenge
        done = self._connection.execute(
            update(table).where(table.c.nonce == nonce, table.c.used.is_(False)).values(used=True)
        )
        return done.rowcount == 1
