"""The state of the control room as far as somebody should hear about it; read models and services fill it in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """A promotion request in as many words as a notice about it needs."""

    request_id: str
    model: str
    title: str
    version: str
    tier: int
    revision: int
    state: str
    purpose: str
    requester: str
    requester_issuer: str
    requester_subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStep:
    """A role that somebody still has to sign for now. `escalate_to` is empty when the policy names nobody."""

    request: RequestFacts
    stage: int
    role: str
    opened_at: datetime
    due_at: datetime
    escalate_to: str = ""
    escalate_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidSignature:
    request: RequestFacts
    seq: int
    signer: str
    issuer: str
    subject: str
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRequest:
    """A request whose approval became complete, or fell after it was complete."""

    request: RequestFacts
    at: datetime
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingApproval:
    """The newest approval of a version that serves."""

    model: str
    version: str
    tier: int
    valid_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedChange:
    model: str
    tier: int
    finding: str
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJobFinding:
    """A version that was approved outside, or whose deployment job is not sent on."""

    model: str
    version: str
    tier: int
    sentence: str
    stuck: bool
    """Approved and all the same not deployed; nothing unsigned happened."""
    key: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedKey:
    issuer: str
    subject: str
    name: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReview:
    """An emergency release that uninvolved people still have to look at."""

    review_id: str
    model: str
    version: str
    by: str
    by_issuer: str
    by_subject: str
    at: datetime
    review_by: datetime
    seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningException:
    exception_id: str
    model: str
    gate: str
    state: str
    """`proposed` or `active`."""
    owner_issuer: str
    owner_subject: str
    until: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """Something that is wrong in production. `on_call` is (issuer, subject) of a stand-in who is no engineer."""

    incident_id: str
    model: str
    version: str
    severity: int
    detected_at: datetime
    late_at: datetime | None
    """When somebody else has to hear that nobody took it up; None while there is time, or once somebody did."""
    on_call: tuple[str, str] | None
    seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlert:
    """Alerts of one model and kind that wait for an acknowledgement, as one. `owner` is (issuer, subject)."""

    thread: str
    model: str
    tier: int
    severity: int
    wakes: bool
    """Told also in quiet hours."""
    title: str
    sentence: str
    target: str
    since: datetime
    late_at: datetime | None
    """When somebody else has to hear that nobody took it up; None while there is time."""
    owner: tuple[str, str] | None
    owner_role: str
    at_risk: str = ""
    """Money a day and who pays, in words; empty where money was never asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingAccess:
    issuer: str
    subject: str
    name: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that stands at one moment. `unreadable` names the families of facts nobody could find out about."""

    now: datetime
    steps: tuple[OpenStep, ...] = ()
    returned: tuple[RequestFacts, ...] = ()
    """Requests sent back for changes."""
    completed: tuple[EndedRequest, ...] = ()
    fallen: tuple[EndedRequest, ...] = ()
    voided: tuple[VoidSignature, ...] = ()
    approvals: tuple[ServingApproval, ...] = ()
    changes: tuple[UnsignedChange, ...] = ()
    jobs: tuple[OpenJobFinding, ...] = ()
    locked: tuple[LockedKey, ...] = ()
    reviews: tuple[OpenReview, ...] = ()
    exceptions: tuple[RunningException, ...] = ()
    access: tuple[EndingAccess, ...] = ()
    incidents: tuple[OpenIncident, ...] = ()
    alerts: tuple[OpenAlert, ...] = ()
    unreadable: frozenset[str] = frozenset()
