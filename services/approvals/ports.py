"""What deciding needs: a store of requests inside the unit of work that also holds ledger and releases."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from services.approvals.models import QueueQuery, TrailLine
from services.approvals.records import DecisionRecord, PromotionRequest
from services.attestation.ports import LedgerWriter
from services.kernel.identity import Actor
from services.rollout.ports import RolloutStore


class RequestStore(Protocol):
    def add(self, request: PromotionRequest, *, waiting: dict[str, int], needed: int) -> None: ...

    def get(self, request_id: str) -> PromotionRequest | None: ...

    def save(self, request: PromotionRequest, *, waiting: dict[str, int], signed: int, needed: int) -> bool:
        """Writes the new state. False when the request moved on meanwhile (its revision is not the one read)."""
        ...

    def decisions(self, request_id: str) -> tuple[DecisionRecord, ...]: ...

    def add_decision(self, decision: DecisionRecord) -> None: ...

    def void_decisions(self, request_id: str, *, reason: str) -> int:
        """Voids everything that still counts; the number of voided decisions."""
        ...

    def add_event(self, request_id: str, sentence: str, *, seq: int | None, at: datetime) -> None: ...

    def trail(self, request_id: str) -> tuple[TrailLine, ...]: ...

    def find(
        self, query: QueueQuery, *, role: str, subject: str, now: datetime
    ) -> tuple[tuple[PromotionRequest, ...], int]:
        """One page, filtered, sorted by due date and tier in the database, with the total."""
        ...

    def latest(self, model: str, version: str) -> PromotionRequest | None: ...

    def of_model(self, model: str) -> tuple[PromotionRequest, ...]: ...

    def waiting_by_role(self, now: datetime) -> tuple[tuple[str, int, int], ...]:
        """(role, requests that wait for it, of these overdue), by role word."""
        ...

    def ending(self, before: datetime) -> tuple[PromotionRequest, ...]:
        """Approved ones whose approval ends before this moment, earliest first."""
        ...

    def mark_seen(self, request: PromotionRequest, part: str, *, actor: Actor, at: datetime) -> None:
        """Keeps that the person saw this part of this revision; once."""
        ...

    def expired(self, now: datetime) -> tuple[PromotionRequest, ...]: ...


class ApprovalUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def requests(self) -> RequestStore: ...
    @property
    def rollouts(self) -> RolloutStore: ...


class ApprovalUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[ApprovalUnit]: ...

    def read(self) -> AbstractContextManager[ApprovalUnit]: ...
