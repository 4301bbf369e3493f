"""Promotion requests, the decisions on them, and the commands that make both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.kernel.secret import Secret
from services.policy.models import GateReport, QuorumRule, ReleaseTerms
from services.policy.models import RollbackRule as RollbackRule  # noqa: PLC0414 - part of what a request shows


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
    VOIDED = "voided"
    """The complete approval fell because what it was bound to changed; the cause is named."""


class Purpose(StrEnum):
    PROMOTION = "promotion"
    REATTESTATION = "reattestation"
    """The serving version is approved again before its approval ends; traffic does not change."""
    ADOPTION = "adoption"
    """A change made outside Countersign is taken over with sign-off; traffic does not change."""
    RETIREMENT = "retirement"
    """The model is taken out of service: traffic goes to zero, and it closes when that is proven."""


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

RETIREMENT_MEANINGS = {
    Decision.APPROVE: "I reviewed what is shown and agree that this model is taken out of service.",
    Decision.ACKNOWLEDGE: "I know what the model brought and what is done without it, and accept that it goes.",
    Decision.REQUEST_CHANGES: "I reviewed what is shown and ask for the changes named before the model goes.",
    Decision.REJECT: "I reviewed what is shown and want the model to stay in service.",
    Decision.ABSTAIN: "I take no part in this decision.",
    Decision.WITHDRAW: "I withdraw this request.",
    Decision.REVOKE: "I take back the approval of this retirement.",
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
class DiffGroup:
    """What changed since the last approval, one subject. `sentence` is the one line of the folded form."""

    key: str
    """`metrics`, `data`, `features`, `sensitive`, `policy`, `cost` or `rollback`."""
    title: str
    changed: bool
    sentence: str
    lines: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackTerms:
    """The rollback plan the quorum signs: to what, and when, the machine may roll back by itself."""

    to: str
    manifest_sha256: str
    rules: tuple[RollbackRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetirementTerms:
    """What is signed with a retirement. `consumers` is everything downstream that is recorded."""

    reason_code: str
    consumers: tuple[str, ...]
    consumers_note: str
    """What is not known about them, in a sentence."""
    quiet_days: int
    """Days in which nobody may be answered before it closes."""
    review: str = ""
    """The review of its return that asked for it, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """A stage before anybody signed: who has to act, and within how many days after it opens."""

    number: int
    title: str
    due_days: int
    escalate_to: str
    roles: tuple[QuorumRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationRef:
    """A delegation by which the reader may sign a step for somebody else."""

    id: str
    for_name: str
    role: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One role of one stage. `refusal` says why the reader cannot sign it now; empty when he can."""

    role: str
    decision: str
    needed: int
    have: int
    signers: tuple[str, ...]
    mine: bool
    delegations: tuple[DelegationRef, ...]
    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """`state` is `done`, `open`, `later` or `overdue`. `escalated_to` is a role in words once it was told, or empty."""

    number: int
    title: str
    state: str
    opened_at: datetime | None
    due_at: datetime | None
    escalated_to: str
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFact:
    """One sensitive input, or one that looks sensitive and has no tag (`problem` says so)."""

    name: str
    category: str
    tagged: bool
    masked: bool
    tagged_by: str
    basis: str
    problem: str
    mask: str = ""
    """How people read it, in words; empty in requests of an earlier release."""
    readable: bool | None = None
    """Whether the serving identity reads it as it is; None when nobody stated its rights."""


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
    """Digest of `parts`: the evidence manifest."""
    manifest_sha256: str
    purpose: Purpose = Purpose.PROMOTION
    parts: tuple[tuple[str, str], ...] = ()
    """Named parts of the evidence with a digest each; an empty digest could not be found out."""
    diff: tuple[DiffGroup, ...] = ()
    rollback: RollbackTerms | None = None
    stages: tuple[StagePlan, ...] = ()
    exceptions: tuple[str, ...] = ()
    freeze: str = ""
    """The freeze window of the policy the model is in now, in a sentence, or empty."""
    ahead: str = ""
    """Another release of the model that has to end before the last signature, in a sentence, or empty."""
    retirement: RetirementTerms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """Command. `seen_evidence` is the digest of the draft the person looked at."""

    command_id: str
    model: str
    version: str
    note: str
    seen_evidence: str
    passphrase: Secret
    purpose: Purpose = Purpose.PROMOTION
    zone: str = "UTC"
    reason_code: str = ""
    """Of a retirement."""
    review: str = ""
    """The review of the model's return that a retirement answers, or empty."""


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
    role: str = ""
    """The step to fill; the signer's own role when empty."""
    zone: str = "UTC"
    """IANA zone in which times were shown; signed as text."""
    delegation: str = ""
    """Delegation under which somebody else's role is filled, or empty."""
    passkey: str = ""
    """The browser's answer to `confirm_with_passkey`, where the policy asks for one."""


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
    delegation: str = ""
    """"for Clara Whitfield by delegation", or empty."""
    zone: str = "UTC"
    method: str = ""
    """How the key was opened, for example `passphrase-key`."""
    passkey_of: str = ""
    """Host whose passkey confirmed the same bytes, or empty."""
    since_login_seconds: int | None = None
    revision: int = 1
    bound: tuple[tuple[str, str], ...] = ()
    """What the signature is bound to, as named values: version, run, digests of policy, evidence and each part."""


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
    """True when the asking actor can act now, in the own role or by delegation."""
    purpose: Purpose = Purpose.PROMOTION
    stage_due_at: datetime | None = None
    overdue: bool = False
    escalated: bool = False
    age_days: int = 0
    opens_step: str = ""
    """Role of the reader's next step, or empty."""
    planned: bool = False
    """Approved, and traffic is as before: an engineer starts the release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueQuery:
    text: str = ""
    mine_only: bool = False
    tiers: tuple[int, ...] = ()
    states: tuple[RequestState, ...] = (RequestState.OPEN, RequestState.CHANGES_REQUESTED, RequestState.APPROVED)
    model: str = ""
    offset: int = 0
    limit: int = 50
    purposes: tuple[Purpose, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """Open requests: waiting for the reader, overdue, and (role, waiting, overdue) for each role waited for."""

    mine: int
    overdue: int
    by_role: tuple[tuple[str, int, int], ...]


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
    purpose: Purpose = Purpose.PROMOTION
    stages: tuple[StageView, ...] = ()
    diff: tuple[DiffGroup, ...] = ()
    changed_since_seen: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """Parts of the evidence the reader has not opened as they are now."""
    columns: tuple[ColumnFact, ...] = ()
    rollback: RollbackTerms | None = None
    freeze: str = ""
    """The freeze window of the policy the model is in now, in a sentence, or empty."""
    ahead: str = ""
    """Another release of the model that has to end before the last signature, in a sentence, or empty."""
    exceptions: tuple[str, ...] = ()
    stale: str = ""
    """What changed since it was submitted, in words; nobody can sign until it is submitted again."""
    parts: tuple[tuple[str, str], ...] = ()
    held_because: tuple[str, ...] = ()
    """Sentences that withhold the reader's signature."""
    risk: str = ""
    """Risk score and tier in words, as frozen with the request."""
    retirement: RetirementTerms | None = None


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
    void_cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingApproval:
    """An approval that ends soon, or has ended while its version still serves."""

    model: str
    version: str
    request_id: str
    valid_until: datetime
    ended: bool
    serving: bool
