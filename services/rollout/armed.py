"""Whether a release is watched: what has to be there before a request reaches a version nobody has met yet. Pure.

Computed from state, never ticked by hand. What could not be found out is unknown, and unknown lets nothing through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from services.inventory.models import ServiceLevel
from services.kernel.health import Health
from services.rollout.release_models import Check
from services.rollout.signed_plan import SignedPlan
from services.rollout.watch_rules import COOL_DOWN

WATCHER_WITHIN = timedelta(minutes=1)
SCORES_WITHIN = timedelta(days=2)
"""The score monitor works on whole days: yesterday's must be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmedFacts:
    """What was found out about one version of one model. None is "could not be found out"."""

    model: str
    version: str
    realtime: bool
    """A batch model is watched run by run: promises and the worker are what it needs here."""
    level: ServiceLevel | None
    watermark: datetime | None
    telemetry_problem: str
    telemetry_within: timedelta
    score_reference: bool
    scores_until: date | None
    watcher_at: datetime | None
    plan: SignedPlan | None
    plan_is_signed_for: bool
    """A plan was asked for: the policy has rules and there is a version to go back to."""
    machine: str
    """Key id of the machine in use; empty when there is none."""
    rolled_back_at: datetime | None
    """When the machine last brought this model back."""
    recorded_until: date | None = None
    """Newest day whose predictions were read; with a reference and no figures of it, they are being made."""
    making_since: datetime | None = None
    """When the watcher first found them being made."""
    monitor: str = ""
    """Why the monitor in force watches nothing, in a sentence; empty when it does."""
    quarantined: str = ""
    """Why these files may not come back under the approval they have, in words."""


def checks(facts: ArmedFacts, now: datetime) -> tuple[Check, ...]:
    always = (_service_level(facts), _watcher(facts, now), _calm(facts, now))
    return (*always, _telemetry(facts, now), _scores(facts, now), _plan(facts)) if facts.realtime else always


def _check(id_: str, title: str, *, holds: bool, sentence: str, target: str = "", unknown: bool = False) -> Check:
    state = Health.UNKNOWN if unknown else Health.HEALTHY if holds else Health.BREACH
    return Check(id=id_, title=title, state=state, sentence=sentence, target=target)


def _service_level(facts: ArmedFacts) -> Check:
    level, target = facts.level, f"model?name={facts.model}"
    title = "Latency and errors promised"
    if level is None or (facts.realtime and level.p95_ms is None):
        sentence = "No limit for latency and errors is recorded, so nothing could be called a breach."
        return _check("service-level", title, holds=False, sentence=sentence, target=target)
    fast = f"p95 within {level.p95_ms:,.0f} ms, " if level.p95_ms is not None else ""
    sentence = f"Promised: {fast}at most {level.error_rate:.2%} failed."
    return _check("service-level", title, holds=True, sentence=sentence, target=target)


def _telemetry(facts: ArmedFacts, now: datetime) -> Check:
    title, target = "Telemetry arrives", f"rollouts?model={facts.model}"
    if facts.telemetry_problem:
        sentence = f"Telemetry could not be read: {facts.telemetry_problem}"
        return _check("telemetry", title, holds=False, unknown=True, sentence=sentence, target=target)
    if facts.watermark is None:
        sentence = "No request was ever recorded for this deployment."
        return _check("telemetry", title, holds=False, sentence=sentence, target=target)
    age, limit = now - facts.watermark, facts.telemetry_within
    sentence = f"Complete up to {_ago(age)}; it may be {_lasting(limit)} old at most."
    return _check("telemetry", title, holds=age <= limit, sentence=sentence, target=target)


def _scores(facts: ArmedFacts, now: datetime) -> Check:
    title, target = "Scores are watched", f"drift?model={facts.model}"
    if facts.monitor:
        place = f"monitors?model={facts.model}"
        return _check("score-monitor", title, holds=False, sentence=facts.monitor, target=place)
    if not facts.score_reference:
        sentence = "There is no reference of the scores, so a shift would not be noticed."
        return _check("score-monitor", title, holds=False, sentence=sentence, target=target)
    if _in_the_making(facts, now):
        since = f", since {facts.making_since:%Y-%m-%d %H:%M} UTC" if facts.making_since else ""
        until = f"they reach {facts.scores_until:%Y-%m-%d}" if facts.scores_until else "no day is ready yet"
        sentence = f"The figures of the scores are being made anew{since}: {until}."
        found = _check("score-monitor", title, holds=False, unknown=True, sentence=sentence, target=target)
        return replace(found, in_the_making=True)
    if facts.scores_until is None:
        sentence = "The monitor of the scores has not delivered anything yet."
        return _check("score-monitor", title, holds=False, sentence=sentence, target=target)
    late = now.date() - facts.scores_until > SCORES_WITHIN
    sentence = f"Compared with the reference up to {facts.scores_until:%Y-%m-%d}."
    return _check("score-monitor", title, holds=not late, sentence=sentence, target=target)


def _in_the_making(facts: ArmedFacts, now: datetime) -> bool:
    """Predictions were read and are as new as they have to be, and only their comparison is not: a new reference or an
    upgrade has them all compared again. A monitor that stopped reads no predictions either.
    """
    read, compared, due = facts.recorded_until, facts.scores_until, now.date() - SCORES_WITHIN
    return read is not None and read >= due and (compared is None or compared < due)


def _watcher(facts: ArmedFacts, now: datetime) -> Check:
    title, target = "Watcher alive", "settings"
    if facts.watcher_at is None:
        sentence = "The watcher never looked. Start it: python -m services worker."
        return _check("watcher", title, holds=False, sentence=sentence, target=target)
    age = abs(now - facts.watcher_at)
    sentence = f"The watcher looked {_ago(age)}; a release needs a look every {_lasting(WATCHER_WITHIN)}."
    return _check("watcher", title, holds=age <= WATCHER_WITHIN, sentence=sentence, target=target)


def _plan(facts: ArmedFacts) -> Check:
    title, target = "Automatic rollback armed", f"rollouts?model={facts.model}"
    if not facts.plan_is_signed_for:
        sentence = "No automatic rollback was signed for this version: only people bring it back."
        return _check("rollback-plan", title, holds=True, sentence=sentence, target=target)
    if facts.plan is None:
        sentence = "The signed rollback plan cannot be verified, so the machine may do nothing."
        return _check("rollback-plan", title, holds=False, sentence=sentence, target=target)
    if facts.plan.machine != facts.machine:
        sentence = "The plan was signed for another key of the machine than the one in use; ask for a new approval."
        return _check("rollback-plan", title, holds=False, sentence=sentence, target=target)
    sentence = (
        f"{len(facts.plan.rules)} rules bring traffic back to version {facts.plan.to}, "
        f"signed by {', '.join(facts.plan.signers)}."
    )
    return _check("rollback-plan", title, holds=True, sentence=sentence, target=target)


def _calm(facts: ArmedFacts, now: datetime) -> Check:
    title, target = "No automatic rollback just now", f"rollouts?model={facts.model}"
    if facts.quarantined:
        return _check("cool-down", title, holds=False, sentence=facts.quarantined, target=target)
    if facts.rolled_back_at is not None and timedelta(0) <= now - facts.rolled_back_at < COOL_DOWN:
        until = facts.rolled_back_at + COOL_DOWN
        sentence = (
            f"The machine rolled this model back {_ago(now - facts.rolled_back_at)}; wait until {until:%H:%M} UTC."
        )
        return _check("cool-down", title, holds=False, sentence=sentence, target=target)
    return _check(
        "cool-down", title, holds=True, sentence="Nothing was rolled back automatically lately.", target=target
    )


def _ago(age: timedelta) -> str:
    return f"{_lasting(age)} ago" if age >= timedelta(seconds=1) else "now"


def _lasting(age: timedelta) -> str:
    seconds = round(age.total_seconds())
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{seconds // 60} minutes" if seconds < 7200 else f"{seconds // 3600} hours"
