"""Break-glass: a version into service on one signature, and the review by two others that must follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.kernel.secret import Secret


class EmergencyMode(StrEnum):
    FORWARD = "forward"
    """A version that has no complete approval gets all traffic."""
    SKIP = "skip"
    """The running release of an approved version gets all traffic at once; its remaining steps are skipped."""


class Conclusion(StrEnum):
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    """It was wrong or incomplete, and what had to be corrected has been."""
    ROLL_BACK = "roll-back"


class ReviewState(StrEnum):
    OPEN = "open"
    OVERDUE = "overdue"
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    ROLL_BACK = "roll-back"

    @property
    def is_open(self) -> bool:
        return self in {ReviewState.OPEN, ReviewState.OVERDUE}


REVIEWERS_NEEDED = 2

BREAK_GLASS_REASONS = {
    "OUTAGE": "Service is down or cannot keep up",
    "HARM": "The live version harms people or the business",
    "SECURITY": "Security incident",
    "LEGAL": "Order of an authority",
    "DRILL": "Rehearsal",
    "OTHER": "Other, explained in the text",
}

CONCLUSION_MEANINGS = {
    Conclusion.ACCEPTED: "I had no part in this release. I reviewed it and accept that it was necessary.",
    Conclusion.CORRECTED: "I had no part in this release. I reviewed it; what was wrong with it has been corrected.",
    Conclusion.ROLL_BACK: "I had no part in this release. I reviewed it, and it has to be rolled back.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyTarget:
    """A version as a target of break-glass. `refusal` says why it can never be one; empty when it can."""

    version: str
    mode: EmergencyMode
    refusal: str
    remark: str
    """What is known about it that speaks against it, for example a rejected request; or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyPlan:
    """What will happen, shown before the button."""

    model: str
    version: str
    mode: EmergencyMode
    current: tuple[tuple[str, int], ...]
    effect: tuple[str, ...]
    """Sentences: traffic, what is skipped, what follows."""
    review_by: datetime
    reviewers_needed: int
    unchecked: tuple[str, ...]
    challenge: str
    """Single-use nonce bound to the person and this state of traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """Command. `model_confirmation` must repeat the model's name."""

    command_id: str
    model: str
    version: str
    mode: EmergencyMode
    reason_code: str
    reason: str
    model_confirmation: str
    challenge: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SignReview:
    """Command: one reviewer's conclusion on an emergency release."""

    command_id: str
    review_id: str
    conclusion: Conclusion
    comment: str
    challenge: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewing:
    """Opened when the form is shown: what is reviewed, and the challenge that binds it to the person."""

    review_id: str
    challenge: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSignature:
    issuer: str
    subject: str
    name: str
    role: str
    conclusion: Conclusion
    comment: str
    salt: str
    at: datetime
    seq: int
    leaf_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The newest promotion request of a version, as far as an emergency needs it."""

    request_id: str
    requester_issuer: str
    requester_subject: str
    state: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """An emergency release with its review, as stored. `reason` is erasable; the ledger holds its salted digest."""

    review_id: str
    action_id: str
    model: str
    version: str
    mode: EmergencyMode
    manifest_sha256: str
    by_issuer: str
    by_subject: str
    by_name: str
    requester_issuer: str
    """Of the version's newest request; empty when nobody had asked for it."""
    requester_subject: str
    at: datetime
    reason_code: str
    reason: str
    salt: str
    review_by: datetime
    seq: int
    leaf_hash: str
    conclusion: Conclusion | None = None
    closed_at: datetime | None = None
    signatures: tuple[ReviewSignature, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyReview:
    id: str
    action_id: str
    model: str
    version: str
    mode: EmergencyMode
    by_name: str
    by_subject: str
    at: datetime
    reason_code: str
    reason: str
    review_by: datetime
    state: ReviewState
    reviewers: tuple[tuple[str, str, Conclusion, datetime, int], ...]
    """(name, role, conclusion, signed at, entry), in order."""
    comments: tuple[str, ...]
    """The reviewers' words, in the same order."""
    blocks: str
    """What it holds up now, in words; empty when nothing."""
    seq: int
