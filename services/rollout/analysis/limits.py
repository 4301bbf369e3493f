"""Hard limits of the signed plan, read off the cells of a window. Pure.

They are no tests: a limit is what people signed, and a value above it is a breach whatever chance may say. What chance
may not do is make them fire for a common fault, so the control is held against the same limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.policy.models import RollbackRule
from services.reliability.latency import merged, quantile
from services.rollout.analysis.settings import Settings
from services.rollout.release_models import Reading, TelemetryCell, Verdict

Arm = tuple[str, str]
_MEASURED_IN_CELLS = {"error_rate", "p95_ms"}
_TITLES = {
    "error_rate": "Error rate limit",
    "p95_ms": "Latency limit",
    "error_evidence": "Evidence of more errors",
    "latency_evidence": "Evidence of slower answers",
    "silence_minutes": "Silence",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One arm over the window of a rule."""

    value: float | None
    events: int
    n: int


def judge_limits(
    settings: Settings,
    cells: Sequence[TelemetryCell],
    *,
    canary: Arm,
    control: Arm,
    until: datetime,
    warm_from: datetime,
    judged: Mapping[str, Reading],
    silent_minutes: float,
) -> tuple[Reading, ...]:
    """One reading per rule. `judged` are the readings of the tests; `warm_from` leaves the cold start out."""
    found = []
    for rule in settings.limits:
        if rule.measure in _MEASURED_IN_CELLS:
            since = max(until - timedelta(minutes=rule.window_minutes), warm_from)
            arms = [
                measure(rule.measure, cells, arm, since=since, until=until, tick=settings.tick)
                for arm in (canary, control)
            ]
            found.append(_limit(rule, *arms))
        elif rule.measure == "silence_minutes":
            found.append(_silence(rule, silent_minutes))
        else:
            found.append(_evidence(rule, judged["errors" if rule.measure == "error_evidence" else "latency"]))
    return tuple(found)


def impaired(readings: Iterable[Reading]) -> bool:
    return any(reading.metric.startswith("limit-") and reading.action == "hold" for reading in readings)


def measure(
    what: str, cells: Sequence[TelemetryCell], arm: Arm, *, since: datetime, until: datetime, tick: timedelta
) -> Window:
    """Error rate, or 95th percentile of the answered requests, over the ticks that lie whole in the window."""
    mine = _once(cell for cell in cells if (cell.version, cell.role) == arm and since <= cell.tick <= until - tick)
    if what == "error_rate":
        n, failed = sum(cell.requests for cell in mine), sum(cell.errors for cell in mine)
        return Window(value=failed / n if n else None, events=failed, n=n)
    buckets = merged(cell.latency for cell in mine)
    return Window(value=quantile(buckets, 0.95), events=0, n=sum(count for _, count in buckets))


def _once(cells: Iterable[TelemetryCell]) -> list[TelemetryCell]:
    fullest: dict[datetime, TelemetryCell] = {}
    for cell in cells:
        known = fullest.get(cell.tick)
        if known is None or (cell.requests, cell.errors) > (known.requests, known.errors):
            fullest[cell.tick] = cell
    return list(fullest.values())


def _limit(rule: RollbackRule, canary: Window, control: Window) -> Reading:
    above, said = float(rule.above), rule.sentence
    broken = canary.value is not None and canary.n >= rule.min_requests and canary.value > above
    common = control.value is not None and control.n >= rule.min_requests and control.value > above
    if canary.value is None or canary.n < rule.min_requests:
        verdict = Verdict.UNDECIDED
        sentence = f"{canary.n:,} of the {rule.min_requests:,} requests the rule asks for: {said}."
    else:
        verdict = Verdict.BREACH if broken else Verdict.UNDECIDED
        sentence = (
            f"Measured {_shown(rule, canary.value)} over {canary.n:,} requests, {'above' if broken else 'within'} "
            f"the limit of {_shown(rule, above)}."
        )
    if common and control.value is not None:
        sentence += (
            f" The live version breaks it{' too' if broken else ''} ({_shown(rule, control.value)}): serving is "
            "impaired, and going back to it would not mend that."
        )
    return _reading(
        rule,
        verdict=Verdict.BREACH if common else verdict,
        action="hold" if common else "roll-back",
        evidence=canary.value,
        arms=(canary, control),
        sentence=sentence,
    )


def _silence(rule: RollbackRule, minutes: float) -> Reading:
    broken = minutes > float(rule.above)
    nothing = Window(value=None, events=0, n=0)
    return _reading(
        rule,
        verdict=Verdict.BREACH if broken else Verdict.UNDECIDED,
        action="roll-back",
        evidence=minutes,
        arms=(nothing, nothing),
        sentence=f"Nothing was heard for {minutes:.1f} minutes; the limit is {float(rule.above):g}.",
    )


def _evidence(rule: RollbackRule, judged: Reading) -> Reading:
    """What was tested, held against the signed number. A test that asks for more callers first is not overruled."""
    strong = judged.evidence is not None and judged.evidence > float(rule.above)
    return Reading(
        metric=f"limit-{rule.id}",
        title=_TITLES[rule.measure],
        verdict=Verdict.BREACH if strong and judged.verdict is Verdict.BREACH else Verdict.UNDECIDED,
        action="roll-back",
        evidence=judged.evidence,
        limit=float(rule.above),
        canary_events=judged.canary_events,
        canary_n=judged.canary_n,
        control_events=judged.control_events,
        control_n=judged.control_n,
        sentence=judged.sentence,
    )


def _reading(
    rule: RollbackRule,
    *,
    verdict: Verdict,
    action: str,
    evidence: float | None,
    arms: tuple[Window, Window],
    sentence: str,
) -> Reading:
    canary, control = arms
    return Reading(
        metric=f"limit-{rule.id}",
        title=_TITLES[rule.measure],
        verdict=verdict,
        action=action,
        evidence=evidence,
        limit=float(rule.above),
        canary_events=canary.events,
        canary_n=canary.n,
        control_events=control.events,
        control_n=control.n,
        sentence=sentence,
    )


def _shown(rule: RollbackRule, value: float) -> str:
    return f"{value:.2%}" if rule.measure == "error_rate" else f"{value:,.0f} ms"
