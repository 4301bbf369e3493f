"""What follows from one look at a running release. Pure.

Only back by itself, and only as signed: a breach of the plan brings traffic back, everything doubtful holds the
release for a person, and nothing ever moves it forward. No data is never good news.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from services.rollout.machine import shown
from services.rollout.plan_measures import Breach
from services.rollout.release_models import (
    Analysis,
    Check,
    Hold,
    Reading,
    Release,
    ReleaseState,
    StageRules,
    Verdict,
)

BAKE = timedelta(days=1)
"""How long a release is watched after it got everything; afterwards the error budget speaks."""
COOL_DOWN = timedelta(minutes=30)
"""After an automatic rollback no new release of the model begins to answer for this long: no flapping."""
MAKING_WITHIN = timedelta(hours=1)
"""A release goes on this long while the figures of its monitor are made anew, as after an upgrade or a new reference:
the monitor is there and so are the predictions. Then it is held like one without a monitor."""
_HELD_BY = {"scores": Hold.SCORES, "business": Hold.BUSINESS, "share": Hold.SHARE}
_ROLL_BACK = "roll-back"


class Move(StrEnum):
    STAY = "stay"
    CALL = "call"
    """Nothing is moved or held; somebody is called."""
    HOLD = "hold"
    ROLL_BACK = "roll-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything one look rests on."""

    release: Release
    analysis: Analysis
    rules: StageRules
    breaches: tuple[Breach, ...] = ()
    """Rules of the signed plan that are exceeded, gravest first."""
    silent_for: timedelta = timedelta(0)
    silence: Breach | None = None
    """The rule about silence, when the plan has one and it is exceeded."""
    difference: str = ""
    """What is served otherwise than signed, in words."""
    unwatched: tuple[Check, ...] = ()
    """Monitors the release needs that are gone, or whose figures are being made."""
    making_for: timedelta = timedelta(0)
    """How long the watcher has found figures being made."""
    frozen: str = ""
    """The freeze window the model is in, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    move: Move
    sentence: str = ""
    hold: Hold | None = None
    breach: Breach | None = None
    """The rule a rollback is made under; None when nothing that was signed covers it."""
    severity: int = 0
    """Of the incident that is opened, 1 to 4; 0 opens none."""
    topic: str = ""
    """What the incident is about: the same topic of the same release is one incident."""


STAY = Decision(move=Move.STAY)


def decide(facts: Facts) -> Decision:
    """The gravest thing that follows; the first that applies."""
    release = facts.release
    answers = release.share > 0 and _active(release) in {ReleaseState.CANARY, ReleaseState.FULL}
    if release.state is ReleaseState.ROLLING_BACK or release.state.is_final:
        return STAY
    back = _back(facts) if answers else None
    if back is not None:
        return back
    doubt = _doubt(facts)
    if doubt is None:
        return STAY
    if release.state is ReleaseState.PAUSED or _active(release) is ReleaseState.FULL:
        # Held already, or beyond the last step: there is nothing to hold, and somebody should know all the same.
        return Decision(move=Move.CALL, sentence=doubt.sentence, severity=doubt.severity, topic=doubt.topic)
    return doubt


def _back(facts: Facts) -> Decision | None:
    release = facts.release
    own = next(iter(facts.breaches), None)
    silent = (
        facts.silence
        if _active(release) is ReleaseState.CANARY and facts.silent_for >= facts.rules.drain_after
        else None
    )
    breach = own or silent
    if breach is not None and release.latched:
        return Decision(
            move=Move.CALL,
            sentence=f"{_measured(breach)} The machine rolled this release back once and does not do so again.",
            severity=1,
            topic="latched",
        )
    if breach is not None:
        topic = "silence" if breach is silent else "breach"
        return Decision(move=Move.ROLL_BACK, sentence=_measured(breach), breach=breach, severity=2, topic=topic)
    found = _evidence(facts.analysis)
    if found is not None:
        sentence = f"{found.sentence} The signed plan has no rule for it, so the machine may not roll back."
        return Decision(move=Move.HOLD, sentence=sentence, hold=Hold.EVIDENCE, severity=1, topic="outside-plan")
    return None


def _doubt(facts: Facts) -> Decision | None:  # noqa: PLR0911 - one line per reason, the gravest first
    if facts.analysis.impaired:
        sentence = facts.analysis.sentence
        return Decision(move=Move.HOLD, sentence=sentence, hold=Hold.EVIDENCE, severity=1, topic="impaired")
    found = _evidence(facts.analysis)
    if found is not None:  # on copies of requests: nobody got its answers
        return Decision(move=Move.HOLD, sentence=found.sentence, hold=Hold.EVIDENCE, severity=3, topic="evidence")
    if facts.silent_for >= facts.rules.hold_after:
        minutes = facts.silent_for.total_seconds() / 60
        sentence = f"No telemetry for {minutes:.0f} minutes: nobody can say that the release is healthy."
        return Decision(move=Move.HOLD, sentence=sentence, hold=Hold.NO_DATA, severity=2, topic="no-data")
    for reading in facts.analysis.readings:
        limit = reading.metric.startswith("limit-")
        if reading.verdict in {Verdict.BREACH, Verdict.INVALID} and reading.action == "hold" and not limit:
            hold = _HELD_BY.get(reading.metric, Hold.SHARE)
            topic = f"hold-{reading.metric}"
            return Decision(move=Move.HOLD, sentence=reading.sentence, hold=hold, severity=3, topic=topic)
    if facts.difference:
        return Decision(move=Move.HOLD, sentence=facts.difference, hold=Hold.DIFFERENCE, severity=2, topic="difference")
    gone = [check for check in facts.unwatched if not check.in_the_making or facts.making_for >= MAKING_WITHIN]
    if gone:
        sentence = " ".join(check.sentence for check in gone)
        if any(check.in_the_making for check in gone):
            sentence += f" A release waits for them for {MAKING_WITHIN.total_seconds() / 60:.0f} minutes."
        return Decision(move=Move.HOLD, sentence=sentence, hold=Hold.MONITOR, severity=3, topic="monitor")
    if facts.frozen:
        sentence = f"{facts.frozen}: the release stays at its share. Every way back stays open."
        return Decision(move=Move.HOLD, sentence=sentence, hold=Hold.FREEZE, topic="freeze")
    return None


def _active(release: Release) -> ReleaseState:
    """The state it is in, or was in when it was paused."""
    paused = release.state is ReleaseState.PAUSED and release.resumes_to is not None
    return release.resumes_to or release.state if paused else release.state


def _evidence(analysis: Analysis) -> Reading | None:
    """A sequential test that crossed and would bring traffic back; hard limits are judged with the plan's rules."""
    for reading in analysis.readings:
        limit = reading.metric.startswith("limit-")
        if reading.verdict is Verdict.BREACH and reading.action == _ROLL_BACK and not limit:
            return reading
    return None


def _measured(breach: Breach) -> str:
    seen = breach.measured
    measured = f"measured {shown(seen.value)} over {seen.requests:,} requests of version {seen.version}."
    return f"{breach.rule.sentence}: {measured}"
