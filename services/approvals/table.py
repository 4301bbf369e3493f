"""The states of a promotion request, pure.

    open ──changes──▶ changes_requested ──resubmit──▶ open
    open ──complete──▶ approved ──applied──▶ applied
                       approved ──apply-failed──▶ apply_failed
    open, changes_requested ──reject──▶ rejected
    open, changes_requested ──withdraw──▶ withdrawn
    open, changes_requested ──expire──▶ expired
    approved, applied, apply_failed ──revoke──▶ revoked
    approved, applied, apply_failed ──void──▶ voided    (what was signed changed)
    open ──resubmit──▶ open            (evidence changed: earlier signatures are void)

rejected, withdrawn, expired, revoked and voided are final. Time running out leads to expired, never to approved.
"""

from __future__ import annotations

from enum import StrEnum

from services.approvals.models import RequestState
from services.kernel.errors import IllegalTransitionError


class Step(StrEnum):
    COMPLETE = "complete"
    CHANGES = "changes"
    RESUBMIT = "resubmit"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    APPLIED = "applied"
    APPLY_FAILED = "apply-failed"
    REVOKE = "revoke"
    VOID = "void"


_UNDECIDED = (RequestState.OPEN, RequestState.CHANGES_REQUESTED)
_DECIDED = (RequestState.APPROVED, RequestState.APPLIED, RequestState.APPLY_FAILED)

TRANSITIONS: dict[tuple[RequestState, Step], RequestState] = {
    (RequestState.OPEN, Step.COMPLETE): RequestState.APPROVED,
    (RequestState.OPEN, Step.CHANGES): RequestState.CHANGES_REQUESTED,
    (RequestState.APPROVED, Step.APPLIED): RequestState.APPLIED,
    (RequestState.APPROVED, Step.APPLY_FAILED): RequestState.APPLY_FAILED,
    **{(state, Step.RESUBMIT): RequestState.OPEN for state in _UNDECIDED},
    **{(state, Step.REJECT): RequestState.REJECTED for state in _UNDECIDED},
    **{(state, Step.WITHDRAW): RequestState.WITHDRAWN for state in _UNDECIDED},
    **{(state, Step.EXPIRE): RequestState.EXPIRED for state in _UNDECIDED},
    **{(state, Step.REVOKE): RequestState.REVOKED for state in _DECIDED},
    **{(state, Step.VOID): RequestState.VOIDED for state in _DECIDED},
}

FINAL = frozenset(
    {
        RequestState.REJECTED,
        RequestState.WITHDRAWN,
        RequestState.EXPIRED,
        RequestState.REVOKED,
        RequestState.VOIDED,
    }
)

STATE_WORDS = {
    RequestState.OPEN: "waiting for signatures",
    RequestState.CHANGES_REQUESTED: "waiting for changes",
    RequestState.APPROVED: "approved",
    RequestState.APPLIED: "approved and released",
    RequestState.APPLY_FAILED: "approved, but the release failed",
    RequestState.REJECTED: "rejected",
    RequestState.WITHDRAWN: "withdrawn",
    RequestState.EXPIRED: "expired",
    RequestState.REVOKED: "revoked",
    RequestState.VOIDED: "void: what was signed changed",
}


def after(state: RequestState, step: Step) -> RequestState:
    """The next state. Raises IllegalTransitionError for a step the picture above does not have."""
    found = TRANSITIONS.get((state, step))
    if found is None:
        raise IllegalTransitionError(
            f"The request is {STATE_WORDS[state]}; {step.value} is not possible any more.", hint="Reload the page."
        )
    return found
