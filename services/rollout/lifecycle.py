"""The states of a release, pure: which move leads where, what a step asks for, and what traffic each state means.

    planned ──shadow──▶ shadow                     copies of live requests
    planned, shadow ──expose──▶ canary             first share of the plan
    canary ──expose──▶ canary                      next share
    planned, shadow, canary ──complete──▶ full     everything
    shadow, canary ──hold──▶ paused ──resume──▶ where it came from, nowhere else
    planned, shadow ──abort──▶ aborted             also a paused shadow
    canary, full, failed ──roll-back──▶ rolling-back ──returned──▶ rolled-back     also a paused canary
    canary ──fail──▶ failed                        a change of traffic was begun and could not be verified
    rolling-back ──fail──▶ failed ──returned──▶ rolled-back
    full ──retire──▶ retired

aborted, rolled-back and retired are final. A change already on its way when a release is paused still counts when it
arrives: the share follows what was verified, the release stays paused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from services.kernel.errors import IllegalTransitionError
from services.rollout import plan
from services.rollout.plan import Routes
from services.rollout.release_models import Hold, Release, ReleaseState


class Move(StrEnum):
    SHADOW = "shadow"
    EXPOSE = "expose"
    COMPLETE = "complete"
    HOLD = "hold"
    RESUME = "resume"
    ABORT = "abort"
    ROLL_BACK = "roll-back"
    RETURNED = "returned"
    FAIL = "fail"
    RETIRE = "retire"


S, M = ReleaseState, Move

TABLE: Mapping[tuple[ReleaseState, Move], ReleaseState] = {
    (S.PLANNED, M.SHADOW): S.SHADOW,
    (S.PLANNED, M.EXPOSE): S.CANARY,
    (S.PLANNED, M.COMPLETE): S.FULL,
    (S.PLANNED, M.ABORT): S.ABORTED,
    (S.PLANNED, M.FAIL): S.FAILED,
    (S.SHADOW, M.EXPOSE): S.CANARY,
    (S.SHADOW, M.COMPLETE): S.FULL,
    (S.SHADOW, M.HOLD): S.PAUSED,
    (S.SHADOW, M.ABORT): S.ABORTED,
    (S.SHADOW, M.FAIL): S.FAILED,
    (S.CANARY, M.EXPOSE): S.CANARY,
    (S.CANARY, M.COMPLETE): S.FULL,
    (S.CANARY, M.HOLD): S.PAUSED,
    (S.CANARY, M.ROLL_BACK): S.ROLLING_BACK,
    (S.CANARY, M.FAIL): S.FAILED,
    (S.FULL, M.ROLL_BACK): S.ROLLING_BACK,
    (S.FULL, M.RETIRE): S.RETIRED,
    (S.PAUSED, M.RESUME): S.PAUSED,  # replaced by the state it came from
    (S.PAUSED, M.EXPOSE): S.PAUSED,
    (S.PAUSED, M.COMPLETE): S.FULL,
    (S.PAUSED, M.ABORT): S.ABORTED,
    (S.PAUSED, M.ROLL_BACK): S.ROLLING_BACK,
    (S.PAUSED, M.FAIL): S.FAILED,
    (S.ROLLING_BACK, M.RETURNED): S.ROLLED_BACK,
    (S.ROLLING_BACK, M.FAIL): S.FAILED,
    (S.FAILED, M.ROLL_BACK): S.ROLLING_BACK,
    (S.FAILED, M.RETURNED): S.ROLLED_BACK,
}

WORDS: Mapping[ReleaseState, str] = {
    S.PLANNED: "planned",
    S.SHADOW: "in shadow",
    S.CANARY: "canary",
    S.FULL: "full",
    S.PAUSED: "paused",
    S.ABORTED: "aborted",
    S.ROLLING_BACK: "rolling back",
    S.ROLLED_BACK: "rolled back",
    S.FAILED: "failed: what is served is not verified",
    S.RETIRED: "retired",
}


def allows(release: Release, move: Move) -> bool:
    """Whether the table has this move for the state, seen with what a pause remembers."""
    if (release.state, move) not in TABLE:
        return False
    if move is Move.ABORT:
        return not is_exposed(release)
    if move is Move.ROLL_BACK:
        return is_exposed(release)
    return True


def is_exposed(release: Release) -> bool:
    """Somebody may be answered by the candidate."""
    at = release.resumes_to if release.state is S.PAUSED else release.state
    return at in {S.CANARY, S.FULL, S.ROLLING_BACK, S.FAILED}


def is_mirrored(release: Release) -> bool:
    """Copies of live requests go to the candidate, also while a shadow is paused."""
    at = release.resumes_to if release.state is S.PAUSED else release.state
    return at is S.SHADOW


def routes(release: Release) -> Routes:
    """What the platform should serve in this state: base and candidate only, whole percents that sum to 100."""
    share = release.share if is_exposed(release) and release.state is not S.ROLLING_BACK else 0
    if share == 0 and release.base is None:
        return ()
    if share == 0:
        return plan.require_valid(((str(release.base), 100),))
    return plan.routes_for(base=release.base, candidate=release.candidate, share=share)


# moves


def shadowed(release: Release, *, at: datetime) -> Release:
    """Copies were verified to arrive."""
    return replace(_moved(release, Move.SHADOW, at=at), stage_since=at, shadow_since=at)


def closed(release: Release, entry: tuple[int, str], *, at: datetime, psi: float | None = None) -> Release:
    """The shadow run is over on a person's signature, which covers the shift of the scores it showed.

    Raises IllegalTransitionError unless it is running, and open.
    """
    if release.state is not S.SHADOW or release.shadow_closed is not None:
        raise _illegal(release, "close the shadow run")
    signed = () if psi is None else (("scores", psi),)
    return _next(replace(release, shadow_closed=entry, accepted=(*release.accepted, *signed)), at=at)


def exposed(release: Release, share: int, *, at: datetime) -> Release:
    """The candidate was verified to answer this share. Raises IllegalTransitionError without a finished shadow."""
    if release.shadow is not None and release.shadow_closed is None:
        raise _illegal(release, "answer anybody before its shadow run is closed")
    move = Move.COMPLETE if share == 100 else Move.EXPOSE
    moved = replace(_moved(release, move, at=at), share=share, stage_since=at)
    if moved.state is S.PAUSED:
        return replace(moved, resumes_to=S.CANARY)
    return replace(moved, hold=None, hold_reason="", resumes_to=None)


def held(release: Release, hold: Hold, reason: str, *, at: datetime) -> Release:
    """Traffic stays where it is."""
    return replace(_moved(release, Move.HOLD, at=at), resumes_to=release.state, hold=hold, hold_reason=reason)


def resumed(release: Release, *, at: datetime, accepted: tuple[tuple[str, float], ...] = ()) -> Release:
    """`accepted`: what it was held for and a person signed to go on with; the same is no reason to hold it again."""
    if release.resumes_to is None:
        raise _illegal(release, "go on")
    moved = _moved(release, Move.RESUME, at=at)
    accepted = (*release.accepted, *accepted)
    return replace(moved, state=release.resumes_to, resumes_to=None, hold=None, hold_reason="", accepted=accepted)


def aborted(release: Release, *, at: datetime) -> Release:
    return _ended(_moved(release, Move.ABORT, at=at))


def rolling_back(release: Release, *, at: datetime, latch: bool = False) -> Release:
    """`latch`: the machine did it; it does so at most once per release."""
    moved = _moved(release, Move.ROLL_BACK, at=at)
    return replace(_ended(moved), share=release.share, latched=release.latched or latch)


def returned(release: Release, *, at: datetime) -> Release:
    """The base was verified to answer."""
    return _ended(_moved(release, Move.RETURNED, at=at))


def failed(release: Release, *, at: datetime) -> Release:
    return replace(_ended(_moved(release, Move.FAIL, at=at)), share=release.share)


def retired(release: Release, *, at: datetime) -> Release:
    return _moved(release, Move.RETIRE, at=at)


def overridden(release: Release, *, at: datetime) -> Release:
    """Everything at once by break-glass or an adopted change: outside the table, and reviewed outside of it."""
    if release.state.is_final:
        raise _illegal(release, "be put in charge")
    full = replace(release, state=S.FULL, share=100, stage_since=at, hold=None, hold_reason="", resumes_to=None)
    return _next(full, at=at)


def without_way_back(release: Release, *, at: datetime) -> Release:
    """A first release whose start could not be verified: there is nothing to go back to, so it ends."""
    if release.state is not S.FAILED or release.base is not None:
        raise _illegal(release, "end without going back")
    return replace(release, state=S.ABORTED, share=0, updated_at=at)


def touched(release: Release, *, at: datetime) -> Release:
    """The same release as its next revision, for changes that move nothing."""
    return _next(release, at=at)


def _moved(release: Release, move: Move, *, at: datetime) -> Release:
    if not allows(release, move):
        raise _illegal(release, move.value.replace("-", " "))
    return _next(replace(release, state=TABLE[release.state, move]), at=at)


def _next(release: Release, *, at: datetime) -> Release:
    return replace(release, updated_at=at, revision=release.revision + 1)


def _ended(release: Release) -> Release:
    return replace(release, share=0, hold=None, hold_reason="", resumes_to=None, stage_since=release.updated_at)


def _illegal(release: Release, what: str) -> IllegalTransitionError:
    return IllegalTransitionError(
        f"The release of {release.model} version {release.candidate} is {WORDS[release.state]}; it cannot {what}.",
        hint="Look at the release again.",
    )
