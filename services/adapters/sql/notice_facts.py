"""What stands now, read from the read models of other slices. Implements notices.ports.StandingFacts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched
from services.adapters.sql.schema.approvals import promotion_request, request_decision, request_waiting
from services.adapters.sql.schema.inventory import governed_model
from services.adapters.sql.schema.people import person, signing_key
from services.adapters.sql.schema.rollout import deployment, rollout_action
from services.approvals import frozen
from services.notices.facts import (
    EndedRequest,
    LockedKey,
    OpenStep,
    RequestFacts,
    ServingApproval,
    UnsignedChange,
    VoidSignature,
)

_GRANTED = ("approved", "applied", "apply_failed")
_LIGHT = tuple(column for column in promotion_request.c if column.name not in {"document", "note"})
_AT_ONCE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stages:
    """What a revision froze about its stages: stage by role; days to sign, role told when late, and days until then."""

    by_role: Mapping[str, int]
    terms: Mapping[int, tuple[int, str, int]]


class SqlNoticeFacts:
    def __init__(self, database: Database) -> None:
        self._database = database
        # A revision never changes what it froze, and reading it is the dear part: once per revision and process.
        self._stages: dict[tuple[str, int], _Stages] = {}

    def request(self, request_id: str) -> RequestFacts | None:
        found = self._requests(promotion_request.c.request_id == request_id)
        return _facts(found[0]) if found else None

    def request_of_action(self, action_id: str) -> RequestFacts | None:
        table = rollout_action.c
        with self._database.read() as connection:
            request_id = connection.execute(
                select(table.request_id).where(table.action_id == action_id, table.kind != "rollback")
            ).scalar()
        return self.request(request_id) if request_id else None

    def steps(self) -> tuple[OpenStep, ...]:
        query = (
            select(*_LIGHT, request_waiting.c.role)
            .join(request_waiting, request_waiting.c.request_id == promotion_request.c.request_id)
            .where(promotion_request.c.state == "open", request_waiting.c.missing > 0)
            .order_by(promotion_request.c.due_at, promotion_request.c.request_id, request_waiting.c.role)
        )
        with self._database.read() as connection:
            rows = fetched(connection, query)
            self._learn(connection, {(row.request_id, row.revision) for row in rows})
        waiting: dict[str, list[Any]] = {}
        for row in rows:
            waiting.setdefault(row.request_id, []).append(row)
        return tuple(step for lines in waiting.values() for step in self._open_steps(lines))

    def _open_steps(self, rows: list[Any]) -> list[OpenStep]:
        """Roles of the earliest stage that still waits; those of later stages are not asked yet."""
        stages = self._stages[rows[0].request_id, rows[0].revision]
        numbers = {row.role: stages.by_role.get(row.role, 1) for row in rows}
        current = min(numbers.values())
        days, told, late = stages.terms.get(current, (0, "", 0))
        steps = []
        for row in rows:
            if numbers[row.role] != current:
                continue
            opened = row.submitted_at or row.created_at
            if row.escalate_at is not None and late:
                opened = row.escalate_at - timedelta(days=late)
            elif days:
                opened = row.due_at - timedelta(days=days)
            steps.append(
                OpenStep(
                    request=_facts(row), stage=current, role=row.role, opened_at=opened, due_at=row.due_at,
                    escalate_to=told, escalate_at=row.escalate_at or (opened + timedelta(days=late) if late else None),
                )
            )  # fmt: skip
        return steps

    def _learn(self, connection: Any, wanted: set[tuple[str, int]]) -> None:
        self._stages = {key: value for key, value in self._stages.items() if key in wanted}
        unknown = sorted({request_id for request_id, _ in wanted - set(self._stages)})
        table = promotion_request.c
        for start in range(0, len(unknown), _AT_ONCE):
            part = unknown[start : start + _AT_ONCE]
            query = select(table.request_id, table.revision, table.document).where(table.request_id.in_(part))
            for row in fetched(connection, query):
                self._stages[row.request_id, row.revision] = _stages(row.document)

    def returned(self) -> tuple[RequestFacts, ...]:
        return tuple(map(_facts, self._requests(promotion_request.c.state == "changes_requested")))

    def completed(self, since: datetime) -> tuple[EndedRequest, ...]:
        rows = self._requests(promotion_request.c.approved_at >= since)
        return tuple(EndedRequest(request=_facts(row), at=row.approved_at) for row in rows)

    def fallen(self, since: datetime) -> tuple[EndedRequest, ...]:
        table = request_decision.c
        fell = (
            select(table.request_id, func.max(table.void_at).label("at"))
            .where(table.void_at.is_not(None))
            .group_by(table.request_id)
            .subquery()
        )
        at = func.coalesce(fell.c.at, promotion_request.c.updated_at)
        query = (
            select(*_LIGHT, at.label("fell_at"))
            .outerjoin(fell, fell.c.request_id == promotion_request.c.request_id)
            .where(promotion_request.c.state == "voided", at >= since)
            .order_by(promotion_request.c.request_id)
        )
        with self._database.read() as connection:
            rows = fetched(connection, query)
        return tuple(EndedRequest(request=_facts(row), at=row.fell_at, cause=row.void_cause) for row in rows)

    def voided(self, since: datetime) -> tuple[VoidSignature, ...]:
        table = request_decision.c
        at = func.coalesce(table.void_at, promotion_request.c.updated_at)
        query = (
            select(
                *_LIGHT,
                table.seq.label("decided"),
                table.signer,
                table.issuer,
                table.subject,
                table.void_reason,
                at.label("fell_at"),
            )
            .join(promotion_request, promotion_request.c.request_id == table.request_id)
            .where(table.void_reason != "", at >= since)
            .order_by(table.seq)
        )
        with self._database.read() as connection:
            rows = fetched(connection, query)
        return tuple(
            VoidSignature(
                request=_facts(row),
                seq=row.decided,
                signer=row.signer,
                issuer=row.issuer,
                subject=row.subject,
                cause=row.void_reason,
                at=row.fell_at,
            )
            for row in rows
        )

    def serving_approvals(self, until: datetime) -> tuple[ServingApproval, ...]:
        table = promotion_request.c
        granted = (
            select(table.model, table.version, table.tier, table.valid_until)
            .where(table.state.in_(_GRANTED), table.valid_until.is_not(None))
            .order_by(table.valid_until)
        )
        with self._database.read() as connection:
            served = {
                (row.model, version)
                for row in fetched(connection, select(deployment.c.model, deployment.c.desired))
                for version, share in json.loads(row.desired or "[]")
                if share
            }
            # In order of their end, so that the latest one of a version is the one that is kept.
            newest = {(row.model, row.version): row for row in fetched(connection, granted)}
        return tuple(
            ServingApproval(model=row.model, version=row.version, tier=row.tier, valid_until=row.valid_until)
            for key, row in newest.items()
            if key in served and row.valid_until < until
        )

    def unsigned_changes(self) -> tuple[UnsignedChange, ...]:
        table = deployment.c
        query = (
            select(table.model, table.finding, table.finding_digest, table.updated_at, governed_model.c.tier)
            .outerjoin(governed_model, governed_model.c.name == table.model)
            .where(table.finding != "", table.finding_digest != "")
            .order_by(table.model)
        )
        with self._database.read() as connection:
            rows = fetched(connection, query)
        return tuple(
            UnsignedChange(
                model=row.model,
                tier=row.tier or 0,
                finding=row.finding,
                digest=hashlib.sha256(row.finding.encode()).hexdigest()[:16],
                at=row.updated_at,
            )
            for row in rows
        )

    def locked_keys(self, now: datetime) -> tuple[LockedKey, ...]:
        query = (
            select(person.c.issuer, person.c.subject, person.c.name, signing_key.c.locked_until)
            .join(signing_key, signing_key.c.key_id == person.c.key_id)
            .where(signing_key.c.locked_until > now)
            .order_by(person.c.name)
        )
        with self._database.read() as connection:
            rows = fetched(connection, query)
        return tuple(
            LockedKey(issuer=row.issuer, subject=row.subject, name=row.name, until=row.locked_until) for row in rows
        )

    def _requests(self, condition: Any) -> list[Any]:
        with self._database.read() as connection:
            query = select(*_LIGHT).where(condition).order_by(promotion_request.c.request_id)
            return list(fetched(connection, query))


def _stages(document: str) -> _Stages:
    kept = frozen.from_text(document)
    return _Stages(
        by_role={rule.role: rule.stage for rule in kept.quorum},
        terms={stage.number: (stage.due_days, stage.escalate_to, stage.escalate_days) for stage in kept.terms.stages},
    )


def _facts(row: Any) -> RequestFacts:
    return RequestFacts(
        request_id=row.request_id,
        model=row.model,
        title=row.title,
        version=row.version,
        tier=row.tier,
        revision=row.revision,
        state=row.state,
        purpose=row.purpose,
        requester=row.requester,
        requester_issuer=row.requester_issuer,
        requester_subject=row.requester_subject,
    )
