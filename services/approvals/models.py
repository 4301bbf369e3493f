"""Promotion requests, the decisions on them, and the commands that make both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.kernel.secret import Secret
from services.policy.models import GateReport, QuorumRule, ReleaseTerms


class RequestState(StrEnum):
    OPEN = "open"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    """Quorum complete; the machine has not finished acting yet."""
    APPLIED = "applied"
    APPLY_FAILED = "apply_failed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REVOKED = "revoked"
    """The approval was taken back after the quorum was complete."""


class Decision(StrEnum):
    APPROVE = "approve"
    ACKNOWLEDGE = "acknowledge"
    REQUEST_CHANGES = "request-changes"
    REJECT = "reject"
    ABSTAIN = "abstain"
    WITHDRAW = "withdraw"
    REVOKE = "revoke"

    @property
    def needs_reason(self) -> bool:
        return self in {Decision.REQUEST_CHANGES, Decision.REJECT, Decision.WITHDRAW, Decision.REVOKE}


MEANINGS = {
    Decision.APPROVE: "I reviewed the evidence shown and approve this version for production use.",
    Decision.ACKNOWLEDGE: "I know the stated benefit, cost, limits and fallback of this version and accept them.",
    Decision.REQUEST_CHANGES: "I reviewed the evidence shown and ask for the changes named before I decide.",
    Decision.REJECT: "I reviewed the evidence shown and reject this version.",
    Decision.ABSTAIN: "I take no part in this decision.",
    Decision.WITHDRAW: "I withdraw this request.",
    Decision.REVOKE: "I take back the approval of this version.",
}

REASON_CODES = {
    "METRICS": "Performance not good enough",
    "CALIBRATION": "Scores are not calibrated",
    "FAIRNESS": "Unfair to a group",
    "PHI-TAG": "Sensitive column not tagged or masked",
    "DATA": "Data or lineage unclear",
    "DOCS": "Documentation incomplete",
    "BUSINESS": "Benefit does not justify cost or risk",
    "SUPERSEDED": "A better version is coming",
    "OTHER": "Other, explained in the text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One measure of the candidate beside the live version. Values are text with units; `better` is None if neutral."""

    title: str
    champion: str
    candidate: str
    change: str
    better: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDraft:
    """What would be submitted, computed fresh; nothing is written by looking."""

    model: str
    version: str
    base: str | None
    """The version serving now; the rollback target pinned by the request."""
    report: GateReport
    changes: tuple[Comparison, ...]
    quorum: tuple[QuorumRule, ...]
    terms: ReleaseTerms
    blocked_by: tuple[str, ...]
    """Sentences that say why it cannot be submitted; empty when it can."""
    evidence_sha256: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """Command. `seen_evidence` is the digest of the draft the person looked at."""

    command_id: str
    model: str
    version: str
    note: str
    seen_evidence: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """Command. `challenge` comes from the review that was shown; it is single-use and bound to the person."""

    command_id: str
    request_id: str
    decision: Decision
    reason_code: str
    comment: str
    challenge: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureView:
    """One decision as printed: who, in which role, what it means, when, which key, which entry."""

    decision: Decision
    meaning: str
    signer: str
    subject: str
    role: str
    at: datetime
    comment: str
    reason_code: str
    key_id: str
    seq: int
    leaf_hash: str
    valid: bool
    void_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumProgress:
    rule: QuorumRule
    have: int
    signers: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return self.have >= self.rule.needed


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailLine:
    at: datetime
    sentence: str
    seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    request_id: str
    model: str
    title: str
    version: str
    base: str | None
    tier: int
    state: RequestState
    requester: str
    created_at: datetime
    due_at: datetime
    waiting_on: tuple[str, ...]
    """Role words that still have to act."""
    signed: int
    needed: int
    mine: bool
    """True when the asking actor's role can act now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueQuery:
    text: str = ""
    mine_only: bool = False
    tiers: tuple[int, ...] = ()
    states: tuple[RequestState, ...] = (RequestState.OPEN, RequestState.CHANGES_REQUESTED, RequestState.APPROVED)
    model: str = ""
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    row: QueueRow
    revision: int
    note: str
    report: GateReport
    changes: tuple[Comparison, ...]
    quorum: tuple[QuorumProgress, ...]
    terms: ReleaseTerms
    signatures: tuple[SignatureView, ...]
    trail: tuple[TrailLine, ...]
    manifest_sha256: str
    evidence_sha256: str
    run_id: str
    valid_until: datetime | None
    applied_action: str | None
    sensitive: tuple[str, ...]
    """Sentences about sensitive inputs ("6 sensitive inputs, all tagged")."""
    benefit: str
    limits: str
    fallback: str
    effects: tuple[tuple[Decision, str], ...]
    """Effect on traffic of each decision, stated before the click."""
    allowed: tuple[Decision, ...]
    """Decisions this actor may make now."""
    refused_because: str
    """Why nothing is allowed, in words, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Opened when the page is shown: the challenge binds person, request revision and shown document."""

    request_id: str
    challenge: str
    shown_sha256: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStatus:
    """The answer of `approved MODEL VERSION`. `valid` only when a complete, unexpired, unvoided quorum stands."""

    model: str
    version: str
    valid: bool
    reason: str
    request_id: str | None
    signers: tuple[str, ...]
    valid_until: datetime | None
    manifest_sha256: str
    decision_entries: tuple[int, ...]


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

    @property
    def counts(self) -> bool:
        return not self.void_reason and self.decision in {Decision.APPROVE, Decision.ACKNOWLEDGE}
