"""What deciding needs: a store of requests inside the unit of work that also holds ledger and releases."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from services.approvals.models import QueueQuery, TrailLine
from services.approvals.records import DecisionRecord, PromotionRequest
from services.kernel.identity import Actor
from services.rollout.ports import RetirementUnit


class RequestStore(Protocol):
    def add(self, request: PromotionRequest, *, waiting: dict[str, int], needed: int) -> None: ...

    def get(self, request_id: str) -> PromotionRequest | None: ...

    def save(self, request: PromotionRequest, *, waiting: dict[str, int], signed: int, needed: int) -> bool:
        """Writes the new state. False when the request moved on meanwhile (its revision is not the one read)."""
        ...

    def decisions(self, request_id: str) -> tuple[DecisionRecord, ...]: ...

    def decisions_of(self, request_ids: tuple[str, ...]) -> dict[str, tuple[DecisionRecord, ...]]:
        """Of many requests at once, by request; those without any are left out."""
        ...

    def add_decision(self, decision: DecisionRecord) -> None: ...

    def void_decisions(self, request_id: str, *, reason: str, at: datetime) -> int:
        """Voids everything that still counts; the number of voided decisions."""
        ...

    def void_decision(self, seq: int, *, reason: str, at: datetime) -> None:
        """Voids one decision; the first cause stays."""
        ...

    def add_event(self, request_id: str, sentence: str, *, seq: int | None, at: datetime) -> None: ...

    def trail(self, request_id: str) -> tuple[TrailLine, ...]: ...

    def find(
        self,
        query: QueueQuery,
        *,
        role: str,
        subject: str,
        now: datetime,
        lent: tuple[tuple[str, int], ...] = (),
    ) -> tuple[tuple[PromotionRequest, ...], int]:
        """One page with the total, filtered and sorted in the database: mine first, then due date, tier and age.

        `lent` are (role, riskiest tier) that the person may fill for others.
        """
        ...

    def count_mine(
        self, *, role: str, subject: str, now: datetime, lent: tuple[tuple[str, int], ...] = ()
    ) -> tuple[int, int]:
        """How many requests wait for this person, and how many of them are overdue."""
        ...

    def latest(self, model: str, version: str) -> PromotionRequest | None: ...

    def of_model(self, model: str) -> tuple[PromotionRequest, ...]: ...

    def outlasted(self, request: PromotionRequest) -> bool:
        """Whether another request stands that approved the same version for longer."""
        ...

    def waiting_by_role(self, now: datetime) -> tuple[tuple[str, int, int], ...]:
        """(role, requests that wait for it, of these overdue), by role word."""
        ...

    def ending(self, before: datetime) -> tuple[PromotionRequest, ...]:
        """Approved ones whose approval ends before this moment, earliest first."""
        ...

    def mark_seen(self, request: PromotionRequest, part: str, *, actor: Actor, at: datetime) -> None:
        """Keeps that the person saw this part of this revision; once."""
        ...

    def seen(self, request_id: str, *, actor: Actor) -> dict[str, str]:
        """Each part the person has looked at, with its digest at the newest look."""
        ...

    def resting(self, now: datetime) -> tuple[PromotionRequest, ...]:
        """Requests whose signatures could turn void: undecided ones, and approvals that have not ended."""
        ...

    def expired(self, now: datetime) -> tuple[PromotionRequest, ...]: ...


class EvidenceKeeper(Protocol):
    def keep(self, data: bytes, *, model: str, media_type: str, title: str, at: datetime) -> str:
        """Keeps a document under its SHA-256, which is returned."""
        ...


class ApprovalUnit(RetirementUnit, Protocol):
    @property
    def requests(self) -> RequestStore: ...
    @property
    def evidence(self) -> EvidenceKeeper: ...


class ApprovalUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[ApprovalUnit]: ...

    def read(self) -> AbstractContextManager[ApprovalUnit]: ...
