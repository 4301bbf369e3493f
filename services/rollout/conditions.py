"""What each step of a release asks for, pure: the sentences why not, and the offers a screen shows.

Steps forward need everything; stopping and going back need nothing but a state in which there is something to stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.kernel.health import Health
from services.rollout import plan
from services.rollout.lifecycle import Move, allows, is_exposed
from services.rollout.release_models import (
    Analysis,
    Check,
    Release,
    ReleaseState,
    ShadowComparison,
    StageRules,
    StepOffer,
    Verdict,
)

DAY = timedelta(days=1)
LABELS = {
    "start-shadow": "Start shadow",
    "close-shadow": "Close shadow",
    "start-canary": "Start canary",
    "advance": "Raise the share",
    "hold": "Hold",
    "resume": "Resume",
    "abort": "Abort",
    "rollback": "Roll back",
}
FORWARD = ("start-shadow", "close-shadow", "start-canary", "advance", "resume")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides about the next step, found out in one moment."""

    now: datetime
    checks: tuple[Check, ...]
    """The checklist: monitors armed, owners and on-call set."""
    rules: StageRules
    frozen: str = ""
    """The freeze window the model is in, with its end; empty outside of all."""
    standing: str = ""
    """Why the approval does not stand; empty when it does."""
    hindered: tuple[str, ...] = ()
    """Overdue reviews, unsigned changes, actions under way."""
    comparison: ShadowComparison | None = None
    comparison_problem: str = ""
    analysis: Analysis | None = None


def offers(release: Release, facts: Facts) -> tuple[StepOffer, ...]:
    """Every step that belongs to the state, each enabled or with the sentence why not; nothing for a final state."""
    return tuple(_offer(release, step, facts) for step in _steps(release))


def _offer(release: Release, step: str, facts: Facts) -> StepOffer:
    share, why = share_of(release, step), why_not(release, step, facts)
    to = f" {'to' if step == 'advance' else 'at'} {share} %" if share else ""
    by_reason = bool(why) and not why_not(release, step, facts, low_evidence="stated")
    return StepOffer(
        step=step,
        label=f"{LABELS[step]}{to}",
        enabled=not why or by_reason,
        reason=why,
        effect=effect(release, step),
        share=share,
        needs_reason=by_reason,
    )


def why_not(release: Release, step: str, facts: Facts, *, low_evidence: str = "") -> str:
    """The first sentence that stands in the way; empty when the step may be taken.

    `low_evidence` is the reason a person gives for going on although the analysis has not decided by the stage limit.
    """
    return next(filter(None, _obstacles(release, step, facts, low_evidence)), "")


def share_of(release: Release, step: str) -> int | None:
    """The share a step leads to. Without a version to go back to, the first step is everything."""
    if step == "start-canary":
        return release.plan[0] if release.base else 100
    if step == "advance":
        return plan.next_share(release.plan, release.share)
    return None


def dwell_until(release: Release, rules: StageRules) -> datetime | None:
    """The earliest time of the next step, as far as time alone decides; None where time decides nothing."""
    if release.state is ReleaseState.SHADOW and release.shadow and release.shadow_closed is None:
        return (release.shadow_since or release.stage_since) + release.shadow.min_days * DAY
    if release.state is ReleaseState.CANARY:
        return release.stage_since + rules.min_time
    return None


def shadow_missing(release: Release, facts: Facts) -> str:
    """What the shadow run still lacks, in one sentence; empty when it may be closed."""
    terms, found = release.shadow, facts.comparison
    if terms is None:
        return ""
    asked = f"Shadow needs {_counted(terms.min_days, 'day')} and {terms.min_records:,} records"
    if release.shadow_since is None:
        return f"{asked}; it has not started."
    days = (facts.now - release.shadow_since) / DAY
    if found is None:
        return f"{asked}; {facts.comparison_problem or 'what it has could not be read'}"
    if days < terms.min_days or found.records < terms.min_records:
        return f"{asked}: {_tenths(days)} and {found.records:,} so far."
    return ""


def effect(release: Release, step: str) -> str:
    base, candidate = release.base, release.candidate
    share = share_of(release, step)
    lines = {
        "start-shadow": f"Version {candidate} gets copies of live requests; version {base} answers all of them.",
        "close-shadow": "The figures of the shadow run are signed. Traffic stays as it is.",
        "hold": "Traffic stays as it is. No step forward until somebody resumes.",
        "resume": "Traffic stays as it is. The next step is possible again.",
        "abort": f"Version {candidate} gets no more copies; version {base} answers everything as before."
        if base
        else f"Version {candidate} is not released.",
        "rollback": f"Version {base} answers everything again." if base else "There is no version to go back to.",
    }
    if step in lines:
        return lines[step]
    if base is None or share == 100:
        return f"Version {candidate} answers everything."
    return f"Version {candidate} answers {share} % of the requests, version {base} the other {100 - (share or 0)} %."


def _steps(release: Release) -> tuple[str, ...]:
    at = release.state
    needs_shadow = release.shadow is not None
    if at is ReleaseState.PLANNED:
        return ("start-shadow", "start-canary", "abort") if needs_shadow else ("start-canary", "abort")
    if at is ReleaseState.SHADOW:
        return ("close-shadow", "start-canary", "hold", "abort")
    if at is ReleaseState.CANARY:
        return ("advance", "hold", "rollback")
    if at is ReleaseState.PAUSED:
        return ("resume", "rollback" if is_exposed(release) else "abort")
    if at in {ReleaseState.FULL, ReleaseState.FAILED}:
        return ("rollback",)
    return ()


_MOVES = {"hold": Move.HOLD, "abort": Move.ABORT, "rollback": Move.ROLL_BACK, "resume": Move.RESUME}


def _obstacles(release: Release, step: str, facts: Facts, low_evidence: str) -> Iterator[str]:
    if step not in _steps(release):
        yield f"The release is {release.state.value}; this step does not belong to it."
        return
    move = _MOVES.get(step)
    if move is not None and not allows(release, move):
        yield f"The release is {release.state.value}; this step does not belong to it."
    if step in {"hold", "abort"}:
        return  # stopping is never held up
    if step == "rollback":
        if release.base is None:
            yield "There is no version to go back to; the fallback of the model is what remains."
        return
    yield from _evidence(release, step, facts, low_evidence)
    yield from _everywhere(step, facts)


def _everywhere(step: str, facts: Facts) -> Iterator[str]:
    """What every step forward asks for. Closing a shadow run moves nothing, so a freeze does not stop it."""
    if facts.standing:
        yield f"The approval does not stand. {facts.standing}"
    if facts.frozen and step != "close-shadow":
        yield f"Nothing new is released now: {facts.frozen}."
    yield from facts.hindered
    if step != "close-shadow":
        for check in facts.checks:
            if check.state is not Health.HEALTHY:
                yield f"{check.title}: {check.sentence}"


def _evidence(release: Release, step: str, facts: Facts, low_evidence: str) -> Iterator[str]:
    if step == "start-canary" and release.shadow is not None and release.shadow_closed is None:
        yield shadow_missing(release, facts) or "The shadow run has to be closed first, with a signature."
    elif step == "close-shadow":
        if release.shadow_closed is not None:
            yield "The shadow run is closed."
        yield shadow_missing(release, facts)
    elif step == "resume":
        yield from _may_resume(facts.analysis)
    elif step == "advance":
        yield from _may_rise(release, facts, low_evidence)


def _may_resume(analysis: Analysis | None) -> Iterator[str]:
    """What holds for a person to judge does not stop that person; what should have come back by itself does."""
    if analysis is None:
        return
    for reading in analysis.readings:
        if reading.verdict is Verdict.BREACH and reading.action == "roll-back":
            yield f"{reading.title}: {reading.sentence} Roll back."


def _may_rise(release: Release, facts: Facts, low_evidence: str) -> Iterator[str]:
    rules, stayed = facts.rules, facts.now - release.stage_since
    if stayed < rules.min_time:
        yield f"This share needs {_lasting(rules.min_time)}: {_lasting(stayed)} so far."
    found = facts.analysis
    if found is None or found.stage_since < release.stage_since:
        yield "Nothing was measured at this share yet."
        return
    if found.verdict is Verdict.GO or found.verdict is Verdict.UNDECIDED:
        yield from _undecided(release, facts, found, low_evidence)
    else:
        yield f"The analysis says {found.verdict.value}. {found.sentence}"


def _undecided(release: Release, facts: Facts, found: Analysis, low_evidence: str) -> Iterator[str]:
    """Too few requests, or no decision: by the stage limit a person may go on, and signs why this is enough."""
    rules, limit = facts.rules, stage_limit(facts.rules)
    seen = max((reading.canary_n for reading in found.readings), default=0)
    lacks = []
    if seen < rules.min_requests:
        lacks.append(
            f"This share needs {rules.min_requests:,} requests to version {release.candidate}: {seen:,} so far."
        )
    if found.verdict is Verdict.UNDECIDED:
        lacks.append(f"The analysis has not decided. {found.sentence}")
    if not lacks or (low_evidence and facts.now - release.stage_since >= limit):
        return
    later = facts.now - release.stage_since < limit
    when = f"After {_lasting(limit)} at this share a person may go on" if later else "A person may go on"
    yield f"{' '.join(lacks)} {when} with a signature and the reason why this evidence is enough."


def stage_limit(rules: StageRules) -> timedelta:
    """After this long without a decision of the analysis a person may go on with a reason, for low evidence."""
    return max(rules.min_time * 4, timedelta(hours=1))


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _tenths(days: float) -> str:
    # Rounded down: "3.0 days so far" beside a button that waits for three would be a riddle.
    shown = int(days * 10) / 10
    return f"{shown:g} {'day' if shown == 1 else 'days'}"


def _lasting(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 2:
        return f"{int(span.total_seconds())} seconds"
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 2880 else f"{minutes // 1440} days"
