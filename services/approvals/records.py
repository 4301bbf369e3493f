"""Requests and decisions as stored. What they say is signed in the ledger; these rows name the entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.approvals.models import (
    ColumnFact,
    Comparison,
    Decision,
    DiffGroup,
    Purpose,
    RequestState,
    RetirementTerms,
    RollbackTerms,
)
from services.people.persons import Account
from services.policy.models import GateReport, QuorumRule, ReleaseTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What a request froze for judgement; kept as text beside its digest, shown as it was."""

    report: GateReport
    changes: tuple[Comparison, ...]
    quorum: tuple[QuorumRule, ...]
    terms: ReleaseTerms
    sensitive: tuple[str, ...]
    benefit: str
    limits: str
    fallback: str
    kind: str = "realtime"
    """How the model runs: `realtime` or `batch`."""
    purpose: Purpose = Purpose.PROMOTION
    parts: tuple[tuple[str, str], ...] = ()
    """Named parts with a digest each; empty for requests of an earlier release."""
    diff: tuple[DiffGroup, ...] = ()
    columns: tuple[ColumnFact, ...] = ()
    rollback: RollbackTerms | None = None
    exceptions: tuple[str, ...] = ()
    retirement: RetirementTerms | None = None
    """Of a retirement only."""
    risk: str = ""
    """Risk score, axes and tier in one or two sentences; empty where nobody filled in a score sheet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRequest:
    """A request as stored. Who is waited for follows from the decisions that stand."""

    request_id: str
    model: str
    title: str
    version: str
    base: str | None
    tier: int
    state: RequestState
    requester: str
    requester_subject: str
    requester_issuer: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    revision: int
    note: str
    evidence_sha256: str
    manifest_sha256: str
    policy_sha256: str
    run_id: str
    frozen: Frozen
    statement_sha256: str
    seq: int
    leaf_hash: str
    approved_at: datetime | None = None
    valid_until: datetime | None = None
    action_id: str | None = None
    purpose: Purpose = Purpose.PROMOTION
    submitted_at: datetime | None = None
    """When this revision was submitted: the first stage opened then."""
    void_cause: str = ""
    """Why what was signed no longer stands, in words; an open request has to be submitted again."""
    escalate_at: datetime | None = None
    escalated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """One signed decision. `void_reason` is set when what it was bound to changed."""

    seq: int
    request_id: str
    decision: Decision
    meaning: str
    signer: str
    subject: str
    issuer: str
    role: str
    at: datetime
    comment: str
    salt: str
    reason_code: str
    key_id: str
    leaf_hash: str
    revision: int
    void_reason: str = ""
    void_at: datetime | None = None
    own_role: str = ""
    """The signer's own role when another one was filled by delegation; empty otherwise."""
    delegation: str = ""
    delegator: str = ""
    delegator_issuer: str = ""
    delegator_subject: str = ""

    @property
    def people(self) -> frozenset[tuple[str, str]]:
        """Everybody this decision speaks for: the signer and, by delegation, the delegator."""
        mine = {(self.issuer, self.subject)}
        return frozenset(mine | ({(self.delegator_issuer, self.delegator_subject)} if self.delegation else set()))

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The same people with the names they are known by."""
        me = Account(issuer=self.issuer, subject=self.subject, name=self.signer)
        if not self.delegation:
            return (me,)
        return (me, Account(issuer=self.delegator_issuer, subject=self.delegator_subject, name=self.delegator))

    @property
    def counts(self) -> bool:
        return not self.void_reason and self.decision in {Decision.APPROVE, Decision.ACKNOWLEDGE}
