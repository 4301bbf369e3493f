"""When an exception counts and who may do what with it: pure.

    proposed ──grant──▶ active ──end──▶ ended
    proposed ──refuse──▶ refused
    proposed ──end──▶ ended                    (its proposer takes it back)
    active ──time is over, or the owner left──▶ expired ──end──▶ ended

Only `active` counts. Running out needs nobody: it follows from the clock and the list of people each time it is asked.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from services.exceptions.models import ExceptionState, ExceptionTerms, GateTerms, PolicyException, ProposeException, Who
from services.kernel.errors import (
    AlreadyDecidedError,
    ExceptionRefusedError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    NotExceptableError,
    RoleMissingError,
)
from services.kernel.identity import ROLE_PERMISSIONS, Permission, Role

LONGEST_TEXT = 2000
DECIDE_WITHIN = timedelta(days=3)
_WORDS_MIN = 10

STATE_WORDS = {
    ExceptionState.PROPOSED: "waiting for a compliance officer",
    ExceptionState.ACTIVE: "active",
    ExceptionState.REFUSED: "refused",
    ExceptionState.ENDED: "ended",
    ExceptionState.EXPIRED: "no longer active",
}


def state_of(item: PolicyException, *, now: datetime, owner_stands: bool) -> ExceptionState:
    """`owner_stands`: the owner is an active person now."""
    if item.ended is not None:
        return ExceptionState.ENDED
    if item.granted is False:
        return ExceptionState.REFUSED
    if now >= item.until or (item.granted and not owner_stands):
        return ExceptionState.EXPIRED
    return ExceptionState.ACTIVE if item.granted else ExceptionState.PROPOSED


def is_late(item: PolicyException, state: ExceptionState, *, now: datetime) -> bool:
    if state is ExceptionState.PROPOSED:
        return now - item.proposed.at > DECIDE_WITHIN
    return state is ExceptionState.EXPIRED and bool(item.granted)


def why_it_ended(item: PolicyException, state: ExceptionState, *, now: datetime) -> str:
    """In words, with the time; empty while it may still count."""
    if state is ExceptionState.ENDED and item.ended is not None:
        return f"{item.ended.by.name}: {item.ended.reason}"
    if state is ExceptionState.REFUSED and item.decided is not None:
        return f"{item.decided.by.name}: {item.decided.reason}"
    if state is not ExceptionState.EXPIRED:
        return ""
    if now < item.until:
        return f"{item.owner.name}, who owned it, is no longer an active person here."
    return "Its end date has passed." if item.granted else "Nobody decided before its end date."


def require_words(command: ProposeException) -> None:
    for what, text in (("reason", command.reason), ("compensating control", command.control)):
        words = text.strip()
        if len(words) < _WORDS_MIN:
            raise MissingReasonError(
                f"An exception needs a {what} that somebody else can understand.",
                hint=f"Write at least {_WORDS_MIN} characters.",
            )
        if len(words) > LONGEST_TEXT:
            raise InputError(f"The {what} is longer than {LONGEST_TEXT:,} characters.", hint="Shorten it.")


def require_reason(reason: str, what: str) -> None:
    if len(reason.strip()) < _WORDS_MIN:
        raise MissingReasonError(
            f"{what} needs a reason.",
            hint=f"Write at least {_WORDS_MIN} characters; they are kept with your signature.",
        )
    if len(reason.strip()) > LONGEST_TEXT:
        raise InputError(f"The reason is longer than {LONGEST_TEXT:,} characters.", hint="Shorten it.")


def require_exceptable(terms: ExceptionTerms, command: ProposeException, *, now: datetime) -> GateTerms:
    """The gate, when the policy of the model lets it be excepted until that day."""
    gate = terms.of(command.gate)
    if gate is None:
        raise InputError(
            f"The policy of {command.model} has no gate {command.gate!r}.", hint="Choose one from the gate report."
        )
    if gate.refusal:
        raise NotExceptableError(
            f"{gate.title} can never be excepted. {gate.refusal}", hint="Make the gate pass; there is no way around it."
        )
    if command.until <= now:
        raise InputError("The end date lies in the past.", hint="Choose a later day.")
    longest = now + timedelta(days=terms.longest_days)
    if command.until > longest:
        raise ExceptionRefusedError(
            f"The policy allows at most {terms.longest_days} days, until {longest:%d %b %Y}.",
            hint="Choose an earlier day; a further exception can be asked for then.",
        )
    return gate


def require_decidable(item: PolicyException, state: ExceptionState, who: Who, role: Role) -> None:
    """Grant or refuse: a compliance officer who neither proposed nor owns it."""
    if Permission.GRANT_EXCEPTION not in ROLE_PERMISSIONS[role]:
        raise RoleMissingError(
            f"The role {role.label.lower()} may not decide on an exception.", hint="A compliance officer decides."
        )
    for person, part in ((item.proposed.by, "proposed"), (item.owner, "owns")):
        if who.is_same(person):
            raise ExceptionRefusedError(
                f"{who.name} {part} this exception and may not decide on it.",
                hint="Another compliance officer has to decide.",
            )
    if item.decided is not None:
        raise AlreadyDecidedError(
            f"{item.decided.by.name} decided on this exception already.", hint=f"See entry {item.decided.seq}."
        )
    if state is not ExceptionState.PROPOSED:
        raise IllegalTransitionError(f"The exception is {STATE_WORDS[state]}.", hint="Propose a new one.")


def require_endable(item: PolicyException, state: ExceptionState, who: Who, role: Role) -> None:
    """The proposer or a compliance officer may end it; what ran out may be closed by the same people."""
    if item.ended is not None:
        raise AlreadyDecidedError(
            f"{item.ended.by.name} ended this exception already.", hint=f"See entry {item.ended.seq}."
        )
    if state is ExceptionState.REFUSED:
        raise IllegalTransitionError("The exception was refused; there is nothing to end.", hint="Reload the page.")
    if who.is_same(item.proposed.by) or Permission.GRANT_EXCEPTION in ROLE_PERMISSIONS[role]:
        return
    raise ExceptionRefusedError(
        f"Only {item.proposed.by.name}, who proposed it, or a compliance officer may end this exception.",
        hint="Ask one of them.",
    )
