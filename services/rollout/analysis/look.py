"""One look at a running release: counts in, state and verdict out. Pure, and safe to repeat as often as one likes.

    state, analysis = look(State.from_json(release.analysis), batch, release=release, rules=rules, level=level, now=now)

Ask telemetry for everything from `needed_since(...)` on. Cells may come late, twice or in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from services.inventory.models import ServiceLevel
from services.rollout.analysis.evidence import e_value, log_mean
from services.rollout.analysis.intake import exposure_of, take_in
from services.rollout.analysis.limits import impaired, judge_limits
from services.rollout.analysis.readings import ADVANCE, HOLD, ROLL_BACK, judge_tests, known, reading
from services.rollout.analysis.settings import Settings
from services.rollout.analysis.state import Evidence, State, Tally
from services.rollout.analysis.traffic import RECENT, findable, seen_arms
from services.rollout.release_models import Analysis, Reading, Release, StageRules, TelemetryBatch, Verdict

EXPECTED_BUT_NONE = 10
"""Requests the candidate should have had: none at all is then no data, and not zero errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nothing was heard although something should have been. An idle endpoint is not silent."""

    lasted: timedelta = timedelta(0)
    reason: str = ""


def needed_since(state: State, *, release: Release, settings: Settings, now: datetime) -> datetime:
    """From when on telemetry is needed: what is not settled, and the longest window of a rule."""
    window = max((timedelta(minutes=rule.window_minutes) for rule in settings.limits), default=RECENT)
    unsettled = datetime.fromtimestamp(state.settled_until, UTC) if state.settled_until else release.stage_since
    return min(unsettled, now - max(window, RECENT))


def look(
    state: State,
    batch: TelemetryBatch,
    *,
    release: Release,
    rules: StageRules,
    level: ServiceLevel | None,
    now: datetime,
    settings: Settings | None = None,
) -> tuple[State, Analysis]:
    chosen = settings or Settings()
    exposure = exposure_of(release)
    if exposure is None:
        return state, _nothing(release, batch, now)
    state, evidence = take_in(state, batch, release=release, exposure=exposure, level=level, settings=chosen, now=now)
    silence = _silence(state, evidence, batch, now, chosen)
    accepted = _greatest(release.accepted)
    tests = [known(test, accepted) for test in judge_tests(evidence, kind=exposure.kind, level=level, settings=chosen)]
    state = _remembered(state, {test.metric: e_value(test.log_e or 0.0) for test in tests if test.crossing})
    readings = tuple(
        reading(test, peak=None if test.accepted else state.crossed.get(test.metric), silent=silence.reason)
        for test in tests
    )
    minutes = silence.lasted.total_seconds() / 60
    readings += judge_limits(
        chosen,
        batch.cells,
        canary=exposure.canary,
        control=exposure.control,
        until=batch.watermark or now,
        warm_from=datetime.fromtimestamp(state.exposed_since, UTC) + chosen.cold,
        judged={item.metric: item for item in (*readings, *_absent(readings))},
        silent_minutes=minutes,
    )
    going = _going_up(
        evidence,
        lasted=now - datetime.fromtimestamp(state.since, UTC),
        rules=rules,
        level=level,
        settings=chosen,
        silent=bool(silence.reason),
        unsure=batch.failures_missing,
    )
    readings += () if exposure.kind == "full" else (going,)
    verdict, advice, sentence = _together(readings, silence, rules)
    return state, Analysis(
        release_id=release.release_id,
        at=now,
        stage_since=datetime.fromtimestamp(state.since, UTC),
        watermark=batch.watermark,
        verdict=verdict,
        readings=readings,
        sentence=sentence + _segments(state),
        detectable=findable(batch, exposure, level, rules, chosen),
        arms=seen_arms(state, batch, exposure, chosen),
        advice=advice,
        silent_minutes=minutes,
        impaired=impaired(readings),
    )


def _greatest(accepted: Sequence[tuple[str, float]]) -> dict[str, float]:
    """A smaller difference signed later (the closed shadow run has bins of its own) takes nothing back."""
    greatest: dict[str, float] = {}
    for metric, value in accepted:
        greatest[metric] = max(value, greatest.get(metric, value))
    return greatest


def _nothing(release: Release, batch: TelemetryBatch, now: datetime) -> Analysis:
    return Analysis(
        release_id=release.release_id,
        at=now,
        stage_since=release.stage_since,
        watermark=batch.watermark,
        verdict=Verdict.UNDECIDED,
        readings=(),
        sentence=f"The candidate is {release.state}: it gets no requests, so there is nothing to judge.",
    )


def _remembered(state: State, crossing: dict[str, float]) -> State:
    greatest = {name: max(e, state.crossed.get(name, 0.0)) for name, e in crossing.items()}
    return replace(state, crossed={**state.crossed, **greatest})


def _silence(state: State, evidence: Evidence, batch: TelemetryBatch, now: datetime, settings: Settings) -> Silence:
    allowed = settings.stale_ticks * settings.tick + settings.telemetry_lag
    since = datetime.fromtimestamp(state.since, UTC)
    if batch.watermark is None:
        lasted = max(now - since, timedelta(0))
        return Silence(lasted=lasted, reason="Nothing was ever recorded: no data, which is not good news.")
    if now - batch.watermark > allowed:
        lasted = now - max(batch.watermark, since)
        minutes = lasted.total_seconds() / 60
        return Silence(lasted=lasted, reason=f"Telemetry stops {minutes:.1f} minutes ago: no data.")
    last = datetime.fromtimestamp(evidence.last_canary or state.since, UTC)
    # Replayed copies arrive after the requests they copy, so their absence is waited for as long as a watermark is.
    if evidence.expected > EXPECTED_BUT_NONE and now - last >= allowed:
        return Silence(
            lasted=now - last,
            reason=f"The candidate had no request where about {evidence.expected:,.0f} were expected: no data, "
            "not zero errors.",
        )
    return Silence()


def _absent(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """A rule may name a test that has no say in this kind of exposure."""
    if any(item.metric == "latency" for item in readings):
        return ()
    return (
        Reading(
            metric="latency",
            title="Slow answers",
            verdict=Verdict.UNDECIDED,
            action=ROLL_BACK,
            evidence=None,
            limit=None,
            canary_events=0,
            canary_n=0,
            control_events=0,
            control_n=0,
            sentence="Nothing runs beside the version to compare its latency with.",
        ),
    )


def _going_up(
    evidence: Evidence,
    *,
    lasted: timedelta,
    rules: StageRules,
    level: ServiceLevel | None,
    settings: Settings,
    silent: bool,
    unsure: str,
) -> Reading:
    tally, sums = evidence.tallies.get("go", Tally()), evidence.sums.get("go")
    e = e_value(float(log_mean(sums))) if sums else None
    left = rules.min_time - lasted
    missing = []
    if level is None or level.error_rate <= 0:
        missing.append("no error rate was promised to show it against")
    elif e is None or e < settings.go_evidence:
        missing.append(
            f"evidence {0 if e is None else e:.1f} of {settings.go_evidence:g} that errors stay below the promised "
            f"{level.error_rate:.2%}"
        )
    if unsure:
        missing.append(unsure)
    if left > timedelta(0):
        missing.append(f"{left.total_seconds() / 60:,.0f} more minutes")
    if tally.canary_n < rules.min_requests:
        missing.append(f"{rules.min_requests - tally.canary_n:,} more requests")
    counted = f"{tally.canary:,} of {tally.canary_n:,} candidate requests failed in this stage"
    verdict = Verdict.NO_DATA if silent else Verdict.UNDECIDED if missing else Verdict.GO
    wanting = f"; still needed: {', '.join(missing)}." if missing else ": time, requests and evidence suffice."
    return Reading(
        metric="go",
        title="Evidence for going up",
        verdict=verdict,
        action=ADVANCE,
        evidence=e,
        limit=settings.go_evidence,
        canary_events=tally.canary,
        canary_n=tally.canary_n,
        control_events=0,
        control_n=0,
        sentence=counted + wanting,
    )


def _together(readings: Sequence[Reading], silence: Silence, rules: StageRules) -> tuple[Verdict, str, str]:
    """(verdict, advice, sentence) of all readings. A breach stays a breach in silence; nothing else is good news."""
    breaches = [item for item in readings if item.verdict is Verdict.BREACH]
    for action in (ROLL_BACK, HOLD):
        found = next((item for item in breaches if item.action == action), None)
        if found and (action == ROLL_BACK or found.metric.startswith("limit-")):
            return Verdict.BREACH, action, f"{found.title}: {found.sentence}"
    drained = silence.lasted >= rules.drain_after
    wrong_share = None if drained else next((item for item in readings if item.verdict is Verdict.INVALID), None)
    if wrong_share:
        return Verdict.INVALID, HOLD, f"Not what was set, so nothing else can be trusted: {wrong_share.sentence}"
    if silence.reason:
        advice = "drain" if drained else HOLD if silence.lasted >= rules.hold_after else ""
        return Verdict.NO_DATA, advice, silence.reason
    if breaches:
        return Verdict.BREACH, HOLD, f"{breaches[0].title}: {breaches[0].sentence}"
    going = next((item for item in readings if item.metric == "go"), None)
    if going and going.verdict is Verdict.GO:
        return Verdict.GO, ADVANCE, going.sentence
    return Verdict.UNDECIDED, "", going.sentence if going else "Nothing speaks against the version so far."


def _segments(state: State) -> str:
    if not state.backwards:
        return ""
    return " Counters of the source went back once or more; what was counted before stays counted."
