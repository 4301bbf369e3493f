"""What people decide about models, on the caller's connection: governance facts, use cases, proposals of tiers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from services.adapters.sql.inventory_documents import (
    model_from,
    model_text,
    use_case_from,
    use_case_text,
    version_from,
    version_text,
)
from services.adapters.sql.schema.governance import tier_proposal, tier_step, use_case
from services.adapters.sql.schema.inventory import governed_model, registry_version
from services.adapters.sql.schema.ledger import ledger_index, log_entry
from services.attestation import envelope, statement
from services.inventory import registration
from services.inventory.governance import FactorLevel, UseCase
from services.inventory.models import GovernedModel, ModelVersion
from services.inventory.ports import Registration
from services.inventory.proposals import Proposal, ProposalKind, Step
from services.people.persons import Account

REGISTRATIONS = (f"event:{registration.REGISTERED}", f"event:{registration.CHANGED}")

_HIGHEST_NUMBER = 2**31 - 1


class SqlStewardship:
    """Implements inventory.ports.StewardshipStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def governed(self, name: str) -> GovernedModel | None:
        text = self._connection.scalar(select(governed_model.c.document).where(governed_model.c.name == name))
        return None if text is None else model_from(text)

    def save(self, model: GovernedModel) -> None:
        values = {"tier": int(model.tier), "kind": model.kind.value, "document": model_text(model)}
        done = self._connection.execute(
            update(governed_model).where(governed_model.c.name == model.name).values(**values)
        )
        if not done.rowcount:
            self._connection.execute(insert(governed_model).values(name=model.name, **values))

    def recorded(self, model: str) -> Registration | None:
        newest = select(func.max(ledger_index.c.seq)).where(
            ledger_index.c.event.in_(REGISTRATIONS), ledger_index.c.model == model
        )
        found = self._connection.execute(
            select(log_entry.c.seq, log_entry.c.envelope).where(log_entry.c.seq.in_(newest))
        ).first()
        return None if found is None else registration_in(found.seq, found.envelope)[1]

    def use_cases(self) -> tuple[UseCase, ...]:
        found = self._connection.execute(select(use_case.c.document).order_by(use_case.c.title))
        return tuple(use_case_from(row.document) for row in found)

    def save_use_case(self, item: UseCase) -> None:
        self._connection.execute(delete(use_case).where(use_case.c.use_case_id == item.id))
        self._connection.execute(
            insert(use_case).values(use_case_id=item.id, title=item.title, document=use_case_text(item))
        )

    def models_of(self, use_case_id: str) -> tuple[GovernedModel, ...]:
        found = self._connection.execute(select(governed_model.c.document).order_by(governed_model.c.name))
        models = (model_from(row.document) for row in found)
        return tuple(model for model in models if model.use_case_id == use_case_id)

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        table = registry_version.c
        found = self._connection.execute(
            select(table.document)
            .where(table.model == model, table.deleted_at.is_(None))
            .order_by(table.number.desc(), table.version.desc())
        )
        return tuple(version_from(row.document) for row in found)

    def add_version(self, version: ModelVersion, *, at: datetime) -> None:
        self._connection.execute(insert(registry_version).values(**version_row(version, (), at=at)))

    def proposal(self, proposal_id: str) -> Proposal | None:
        found = self._read(select(tier_proposal).where(tier_proposal.c.proposal_id == proposal_id))
        return found[0] if found else None

    def proposals(self, model: str = "", *, open_only: bool = False) -> tuple[Proposal, ...]:
        query = select(tier_proposal)
        if model:
            query = query.where(tier_proposal.c.model == model)
        if open_only:
            query = query.where(tier_proposal.c.confirmed.is_(None))
        return tuple(sorted(self._read(query), key=lambda item: -item.proposed.seq))

    def add_proposal(self, item: Proposal) -> None:
        document = {
            "levels": [asdict(level) for level in item.levels],
            "is_model": item.is_model,
            "model_reason": item.model_reason,
            "tier": item.tier,
            "was": item.was,
            "computed": item.computed,
            "score": item.score,
        }
        self._connection.execute(
            insert(tier_proposal).values(
                proposal_id=item.proposal_id,
                model=item.model,
                kind=item.kind.value,
                document=json.dumps(document, sort_keys=True, ensure_ascii=False),
                until=item.until,
                confirmed=None,
            )
        )
        self._add_step(item.proposal_id, "proposed", item.proposed)

    def decide_proposal(self, proposal_id: str, step: Step, *, confirmed: bool) -> bool:
        done = self._connection.execute(
            update(tier_proposal)
            .where(tier_proposal.c.proposal_id == proposal_id, tier_proposal.c.confirmed.is_(None))
            .values(confirmed=confirmed)
        )
        if done.rowcount != 1:
            return False
        self._add_step(proposal_id, "decided", step)
        return True

    def _add_step(self, proposal_id: str, word: str, step: Step) -> None:
        self._connection.execute(
            insert(tier_step).values(
                proposal_id=proposal_id,
                step=word,
                by_issuer=step.by.issuer,
                by_subject=step.by.subject,
                by_name=step.by.name,
                by_role=step.role,
                at=step.at,
                reason=step.reason,
                salt=step.salt,
                seq=step.seq,
                leaf_hash=step.leaf_hash,
            )
        )

    def _read(self, query: Select[Any]) -> list[Proposal]:
        rows = list(self._connection.execute(query))
        if not rows:
            return []
        steps: dict[str, dict[str, Step]] = {row.proposal_id: {} for row in rows}
        for row in self._connection.execute(select(tier_step).where(tier_step.c.proposal_id.in_(list(steps)))):
            steps[row.proposal_id][row.step] = _step(row)
        return [_proposal(row, steps[row.proposal_id]) for row in rows]


def version_row(item: ModelVersion, aliases: Sequence[str], *, at: datetime) -> dict[str, Any]:
    """One row of the copy of the registry."""
    text = version_text(item, aliases)
    return {
        "model": item.model,
        "version": item.version,
        "number": min(int(item.version), _HIGHEST_NUMBER) if item.version.isdecimal() else 0,
        "created_at": item.created_at,
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "document": text,
        "first_seen_at": at,
        "changed_at": at,
        "deleted_at": None,
    }


def registration_in(seq: int, data: bytes) -> tuple[str, Registration]:
    """The model a ledger entry is about, and the document it recorded."""
    predicate = statement.read(envelope.read(data).payload).predicate
    return predicate["model"], Registration(seq=seq, document=predicate["detail"].get("document", ""))


def _step(row: Row[Any]) -> Step:
    return Step(
        by=Account(issuer=row.by_issuer, subject=row.by_subject, name=row.by_name),
        role=row.by_role,
        at=row.at,
        reason=row.reason,
        salt=row.salt,
        seq=row.seq,
        leaf_hash=row.leaf_hash,
    )


def _proposal(row: Row[Any], steps: dict[str, Step]) -> Proposal:
    document = json.loads(row.document)
    return Proposal(
        **{**document, "levels": tuple(FactorLevel(**level) for level in document["levels"])},
        proposal_id=row.proposal_id,
        model=row.model,
        kind=ProposalKind(row.kind),
        until=row.until,
        proposed=steps["proposed"],
        confirmed=row.confirmed,
        decided=steps.get("decided"),
    )
