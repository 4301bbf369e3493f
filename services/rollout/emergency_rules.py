"""What break-glass may release, who may review it, and what an unreviewed one holds up: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from services.kernel.errors import (
    AlreadyDecidedError,
    DelegationError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    SelfApprovalError,
)
from services.kernel.identity import Actor
from services.rollout.emergency_models import (
    BREAK_GLASS_REASONS,
    REVIEWERS_NEEDED,
    Asked,
    BreakGlass,
    Conclusion,
    Emergency,
    EmergencyMode,
    EmergencyTarget,
    ReviewState,
)
from services.rollout.models import Deployment

LONGEST_TEXT = 2000
_WORDS_MIN = 10
_STRICTEST_LAST = (Conclusion.ACCEPTED, Conclusion.CORRECTED, Conclusion.ROLL_BACK)
_REMARKS = {
    "rejected": "Its newest request was rejected.",
    "changes_requested": "Its newest request was sent back for changes.",
    "withdrawn": "Its newest request was withdrawn.",
    "expired": "Its newest request expired without a decision.",
    "voided": "Its approval fell.",
}


Pairs = Collection[frozenset[tuple[str, str]]]
"""Pairs of people, each as issuer and subject, of whom one may sign for the other now."""


def mode_for(deployment: Deployment | None, version: str) -> EmergencyMode:
    running = deployment is not None and deployment.candidate == version and bool(deployment.plan)
    return EmergencyMode.SKIP if running else EmergencyMode.FORWARD


def target(
    version: str,
    *,
    deployment: Deployment | None,
    hashed: Mapping[str, str],
    served_as: Mapping[str, str],
    asked: Asked | None,
    revoked: Collection[str],
) -> EmergencyTarget:
    """`hashed`: digest of each version's files as last read. `served_as`: the digest under which it served before."""
    return EmergencyTarget(
        version=version,
        mode=mode_for(deployment, version),
        refusal=_refusal(version, deployment, hashed, served_as, asked, revoked),
        remark=_REMARKS.get(asked.state, "") if asked else "Nobody has asked for its approval.",
    )


def _refusal(  # noqa: PLR0917 - one line per reason; one caller, just above
    version: str,
    deployment: Deployment | None,
    hashed: Mapping[str, str],
    served_as: Mapping[str, str],
    asked: Asked | None,
    revoked: Collection[str],
) -> str:
    if deployment is not None and deployment.desired == ((version, 100),):
        return "it has all traffic already"
    if version in revoked or (asked is not None and asked.state == "revoked"):
        return "its approval was revoked"
    now = hashed.get(version, "")
    if not now:
        return "its files could not be hashed, so nothing could be bound to a signature"
    bound = {digest for digest in (served_as.get(version, ""), asked.manifest_sha256 if asked else "") if digest}
    if bound - {now}:
        return "its files changed since they were hashed"
    return ""


def require_stated(command: BreakGlass) -> None:
    if command.reason_code not in BREAK_GLASS_REASONS or len(command.reason.strip()) < _WORDS_MIN:
        raise MissingReasonError(
            "Break-glass needs a reason code and a sentence that two others can review.",
            hint=f"Choose a code and write at least {_WORDS_MIN} characters.",
        )
    if len(command.reason) > LONGEST_TEXT:
        raise InputError(f"The reason is longer than {LONGEST_TEXT:,} characters.", hint="Shorten it.")
    if command.model_confirmation.strip() != command.model:
        raise InputError("The typed name is not the name of the model.", hint=f"Type {command.model}.")


def state_of(emergency: Emergency, now: datetime) -> ReviewState:
    if emergency.conclusion is not None:
        return ReviewState(emergency.conclusion.value)
    return ReviewState.OVERDUE if now > emergency.review_by else ReviewState.OPEN


def blocks(emergency: Emergency, *, now: datetime, deployment: Deployment | None) -> str:
    """Why nothing new may go live for the model because of this release, as a sentence; empty when it may."""
    state = state_of(emergency, now)
    missing = REVIEWERS_NEEDED - len(emergency.signatures)
    if state is ReviewState.OVERDUE:
        return (
            f"The break-glass release of version {emergency.version} by {emergency.by_name} on {emergency.at:%d %b %Y} "
            f"should have been reviewed by {emergency.review_by:%d %b %Y %H:%M} UTC; "
            f"{missing} of {REVIEWERS_NEEDED} reviewers have not signed."
        )
    serves = deployment is not None and any(version == emergency.version for version, _ in deployment.desired)
    if state is ReviewState.ROLL_BACK and serves and not _released_since(emergency, deployment):
        return (
            f"The review of the break-glass release of version {emergency.version} asks for a rollback, "
            "and the version still serves."
        )
    return ""


def _released_since(emergency: Emergency, deployment: Deployment | None) -> bool:
    """Traffic moved after the review closed: the rollback was done, and what serves now was decided later."""
    since = deployment.live_since if deployment else None
    return since is not None and emergency.closed_at is not None and since > emergency.closed_at


def conclusion_of(signed: Collection[Conclusion]) -> Conclusion | None:
    """None while a reviewer is missing. When two differ, the stricter conclusion stands."""
    if len(signed) < REVIEWERS_NEEDED:
        return None
    return max(signed, key=_STRICTEST_LAST.index)


def require_reviewable(emergency: Emergency, actor: Actor, *, delegates: Pairs) -> None:
    """Raises the refusal that applies to this person."""
    who = (actor.issuer, actor.subject)
    if who == (emergency.by_issuer, emergency.by_subject):
        raise SelfApprovalError(
            "The person who broke the glass may not review it.", hint="Two uninvolved people have to review it."
        )
    if who == (emergency.requester_issuer, emergency.requester_subject):
        raise SelfApprovalError(
            f"You asked for the promotion of version {emergency.version} and may not review its emergency release.",
            hint="Two uninvolved people have to review it.",
        )
    for signed in emergency.signatures:
        if (signed.issuer, signed.subject) == who:
            raise AlreadyDecidedError("You reviewed this release already.", hint=f"See entry {signed.seq}.")
        if frozenset({(signed.issuer, signed.subject), who}) in delegates:
            raise DelegationError(
                f"A delegation stands between you and {signed.name}, who reviewed this release already.",
                hint="The second reviewer must not sign for the first; somebody else has to review it.",
            )
    if frozenset({(emergency.by_issuer, emergency.by_subject), who}) in delegates:
        raise DelegationError(
            f"A delegation stands between you and {emergency.by_name}, who broke the glass.",
            hint="Somebody uninvolved has to review it.",
        )
    if emergency.conclusion is not None:
        raise IllegalTransitionError("This release has been reviewed.", hint="Reload the page.")


def require_comment(comment: str) -> None:
    if len(comment.strip()) < _WORDS_MIN:
        raise MissingReasonError(
            "A review needs a comment.", hint=f"Say what you looked at, in at least {_WORDS_MIN} characters."
        )
    if len(comment) > LONGEST_TEXT:
        raise InputError(f"The comment is longer than {LONGEST_TEXT:,} characters.", hint="Shorten it.")
