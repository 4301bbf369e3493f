"""Who should hear about what: announcements worked out by rules, notices as kept, and messages that leave the house.

A notice is a pointer to a fact and to the step where something can be done about it; it decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    RED = "red"
    """Something is wrong or late in a way that cannot wait; also sent during quiet hours."""
    AMBER = "amber"
    """Somebody has to act."""
    INFO = "info"
    """Good to know."""


class NoticeKind(StrEnum):
    STEP_OPEN = "step-open"
    DUE_SOON = "due-soon"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    CHANGES_REQUESTED = "changes-requested"
    REJECTED = "rejected"
    COMPLETE = "complete"
    RELEASED = "released"
    NOT_APPLIED = "not-applied"
    SIGNATURE_VOID = "signature-void"
    APPROVAL_VOID = "approval-void"
    APPROVAL_ENDING = "approval-ending"
    APPROVAL_ENDED = "approval-ended"
    EXCEPTION_PROPOSED = "exception-proposed"
    EXCEPTION_ENDING = "exception-ending"
    EMERGENCY = "emergency"
    REVIEW_OVERDUE = "review-overdue"
    UNSIGNED_CHANGE = "unsigned-change"
    AUTOMATIC_ROLLBACK = "automatic-rollback"
    RELEASE_HELD = "release-held"
    BATCH_HELD = "batch-held"
    BATCH_WITHHELD = "batch-withheld"
    WORKER_AWAY = "worker-away"
    INCIDENT = "incident"
    INCIDENT_UNATTENDED = "incident-unattended"
    ALERT = "alert"
    ALERT_UNATTENDED = "alert-unattended"
    KEY_LOCKED = "key-locked"
    KEY_USED = "key-used"
    KEY_CHANGED = "key-changed"
    DELEGATED = "delegated"
    ACCESS_ENDING = "access-ending"
    LEDGER_UNREADABLE = "ledger-unreadable"
    CHANNEL_FAILING = "channel-failing"
    CHANNEL_TEST = "channel-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """A role or one person, never both."""

    role: str = ""
    issuer: str = ""
    subject: str = ""

    @property
    def word(self) -> str:
        """Part of a notice's key."""
        return f"role/{self.role}" if self.role else f"person/{self.issuer}/{self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What the rules say somebody should hear. The same fact gives the same key, whoever works it out and how often."""

    key: str
    kind: NoticeKind
    severity: Severity
    at: datetime
    audience: Audience
    title: str
    why: str
    target: str
    """The screen and the exact step, as `approvals?request=...&step=...`."""
    model: str = ""
    version: str = ""
    request_id: str = ""
    tier: int = 0
    """0 when the matter belongs to no model."""
    stands_while: str = ""
    """Token of the state that keeps this open; empty for news that need nothing done."""
    not_for: tuple[str, str] | None = None
    """(issuer, subject) of somebody in the role whom it does not concern: the requester cannot sign."""
    seq: int | None = None
    """Ledger entry it comes from."""
    folded: bool = False
    """Already known to the person on screen, such as an own signature: kept and sent, but not counted as unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One announcement as kept, seen by one person."""

    notice_id: str
    kind: NoticeKind
    severity: Severity
    at: datetime
    created_at: datetime
    title: str
    why: str
    target: str
    role: str
    """Empty when it is addressed to this person by name."""
    model: str
    request_id: str
    seq: int | None
    read_at: datetime | None
    done_at: datetime | None
    done_when: str
    """In words, or empty when there is nothing to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeQuery:
    unread_only: bool = False
    done: bool = False
    """The folded ones instead of the current ones."""
    kinds: tuple[NoticeKind, ...] = ()
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What leaves the house: names of model, version and request only, one line each, no markup."""

    title: str
    body: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Local times of day between which only red messages of a tier go out; `start` later than `end` spans midnight."""

    zone: str
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way out for the notices of some roles or people. Its address is a secret and not kept here."""

    name: str
    roles: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    """Subjects."""
    least: Severity = Severity.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message on its way through one channel."""

    key: str
    notice_id: str
    channel: str
    attempts: int
    created_at: datetime
    kind: NoticeKind
    severity: Severity
    target: str
    model: str
    version: str
    request_id: str
    tier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHealth:
    """`failing_since` is the first failure after the last success; None while nothing is wrong or nothing was sent."""

    name: str
    last_success: datetime | None = None
    failing_since: datetime | None = None
    error: str = ""
    waiting: int = 0
    given_up: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    name: str
    transport: str
    """In words: mail, Slack, webhook."""
    whom: tuple[str, ...]
    """Role words and subjects."""
    health: ChannelHealth
    problem: str = ""
    """Why it cannot be used at all, in words."""
