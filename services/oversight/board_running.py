"""Figures about how a model runs, from the slices that measure it: promise, drift, incidents, reviews, pipelines, lift.

States and formulas are those of the slice that measured; nothing is judged a second time. What could not be read is
shown as not known, with the reason, never as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from services.data_health.models import PipelineHealth
from services.feedback.rework import Rate, Rework, WeekRate
from services.incidents.models import Summary
from services.kernel.errors import UnavailableError
from services.kernel.health import Explanation, Health
from services.kernel.interval import Estimate, share_of
from services.monitoring.models import DriftView, PerformanceView
from services.oversight.board_models import Figure
from services.reliability.models import MonthsView, SlaView

UNKNOWN = "not known"
_SLA_DAYS = 30
_PIPELINE_DAYS = 30
_FEWEST_WINDOWS = 5
_REWORK, _OVERRIDE = "Rework rate", "Override rate"


class Facts(Protocol):
    """Everything is asked about one model. Each may raise UnavailableError."""

    def sla(self, model: str, days: int) -> SlaView: ...
    def months(self, model: str) -> MonthsView: ...
    def drift(self, model: str) -> DriftView: ...
    def incidents(self, model: str) -> Summary: ...
    def reviews(self, model: str) -> Rework: ...
    def pipelines(self, days: int) -> tuple[PipelineHealth, ...]: ...
    def performance(self, model: str) -> PerformanceView: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """Shares before the model, where the value statement names them."""

    override: float | None = None
    rework: float | None = None


def figures(facts: Facts, model: str, *, before: Before, now: datetime) -> tuple[Figure, ...]:
    return (
        *_safe("sla", "Promise kept", lambda: _sla(facts, model)),
        *_safe("drift", "Drift frequency", lambda: _drift(facts.drift(model))),
        *_safe("incidents", "Incidents", lambda: _incidents(facts.incidents(model), now)),
        *_reviews(facts, model, before),
        *_safe("pipelines", "Failures of feature pipelines", lambda: _pipelines(facts, model, now)),
        *_safe("lift", "Lift over the baseline", lambda: _lift(facts.performance(model))),
    )


def _safe(name: str, title: str, ask: Callable[[], Iterable[Figure]]) -> tuple[Figure, ...]:
    try:
        return tuple(ask())
    except UnavailableError as away:
        return (_unknown(name, title, str(away)),)


def _unknown(name: str, title: str, why: str) -> Figure:
    return Figure(
        id=name, title=title, value=None, shown=UNKNOWN, unit="", state=Health.UNKNOWN,
        explanation=Explanation(formula="Not computed", source="", window="", as_of=None, n=None, note=why),
    )  # fmt: skip


def _sla(facts: Facts, model: str) -> Iterable[Figure]:
    view, kept = facts.sla(model, _SLA_DAYS), facts.months(model)
    promised = view.level.on_time_share if view.level else None
    states = [view.latency.state, view.errors.state]
    yield Figure(
        id="sla", title="Promise kept", value=view.adherence,
        shown=UNKNOWN if view.adherence is None else f"{view.adherence:.1%}", unit="share",
        target=f"{promised:.0%} on time" if promised else "latency and errors as promised" if view.level else "",
        state=Health.worst(states) if view.level else Health.UNKNOWN,
        trend=tuple((month.month, 1 - month.bad / month.n if month.n else None) for month in reversed(kept.months)),
        explanation=_with(view.explanation, n=view.slots, note="" if view.level else "Nothing was promised."),
    )  # fmt: skip


def _drift(view: DriftView) -> Iterable[Figure]:
    """Share of windows in which at least one input, or the prediction, was beyond its limit."""
    judged: dict[date, list[Health]] = {}
    for feature in view.features:
        for day, state in feature.history:
            if state is not Health.UNKNOWN:
                judged.setdefault(day, []).append(state)
    moved = sum(Health.BREACH in states for states in judged.values())
    found = share_of(moved, len(judged))
    few = len(judged) < _FEWEST_WINDOWS
    now = view.signal.state
    yield Figure(
        id="drift", title="Drift frequency", value=found.value if found else None,
        low=found.low if found else None, high=found.high if found else None,
        shown=f"{moved} of {len(judged)} windows" if judged else UNKNOWN, unit="share",
        target="none beyond its limit", state=Health.UNKNOWN if few else now,
        trend=tuple(
            (day, sum(state is Health.BREACH for state in states) / len(states))
            for day, states in sorted(judged.items())
        ),
        explanation=Explanation(
            formula="Windows with an input or the prediction beyond its limit / windows judged (Wilson interval)",
            source=f"Daily sketches against {view.reference}", window=f"windows of {view.window_days} days",
            as_of=view.signal.as_of, n=len(judged), note="Too few windows to judge." if few else view.signal.sentence,
        ),
    )  # fmt: skip


def _incidents(summary: Summary, now: datetime) -> Iterable[Figure]:
    recent, before = summary.recent, summary.before
    explanation = Explanation(
        formula="Incidents detected in the window; time to restore is the mean from start of the impact to mitigation",
        source="Signed steps of incidents in the ledger", window="last 30 days, and the 30 days before",
        as_of=now, n=summary.all.count,
        note=f"{recent.open} open now; {summary.all.count} recorded in all.",
    )  # fmt: skip
    earlier, today = (now - timedelta(days=30)).date(), now.date()
    yield Figure(
        id="incidents", title="Incidents", value=float(recent.count), shown=str(recent.count), unit="in 30 days",
        state=Health.WATCH if recent.open else None, target="none open",
        trend=((earlier, float(before.count)), (today, float(recent.count))), explanation=explanation,
    )  # fmt: skip
    mean, past = recent.restore.mean, before.restore.mean
    yield Figure(
        id="mttr", title="Mean time to restore", value=mean.total_seconds() / 60 if mean else None,
        shown=f"{mean.total_seconds() / 60:,.0f} min" if mean else "no incident was restored", unit="minutes",
        trend=tuple(
            (day, span.total_seconds() / 60 if span else None) for day, span in ((earlier, past), (today, mean))
        ),
        explanation=_with(explanation, n=recent.restore.n),
    )  # fmt: skip


def _reviews(facts: Facts, model: str, before: Before) -> tuple[Figure, ...]:
    """Both rates as the screen of corrections states them: same definition, same window, same delay."""
    try:
        found = facts.reviews(model)
    except UnavailableError as away:
        return (_unknown("rework", _REWORK, str(away)), _unknown("override", _OVERRIDE, str(away)))
    return (
        _rate(
            "rework", _REWORK, found.rework, found.rework_explained, before.rework,
            _by_week(found.weeks, lambda week: week.rework),
        ),
        _rate(
            "override", _OVERRIDE, found.override, found.override_explained, before.override,
            _by_week(found.weeks, lambda week: week.override),
        ),
    )  # fmt: skip


def _rate(  # noqa: PLR0917 - two callers, some lines above
    name: str,
    title: str,
    found: Rate,
    explanation: Explanation,
    before: float | None,
    trend: tuple[tuple[date, float | None], ...],
) -> Figure:
    known = found.estimate
    return Figure(
        id=name, title=title, value=known.value if known else None,
        low=known.low if known else None, high=known.high if known else None,
        shown=f"{known.value:.1%}" if known else UNKNOWN, unit="share",
        target=f"below {before:.1%}, as before the model" if before is not None else "",
        state=_against(known, before), trend=trend, explanation=explanation,
    )  # fmt: skip


def _by_week(weeks: Iterable[WeekRate], which: Callable[[WeekRate], Rate]) -> tuple[tuple[date, float | None], ...]:
    """Weeks that are old enough to be judged; one with too few reviews is a gap."""
    judged = ((week.start, which(week).estimate) for week in weeks if not week.open)
    return tuple((start, estimate.value if estimate else None) for start, estimate in judged)


def _against(found: Estimate | None, before: float | None) -> Health:
    if found is None or before is None:
        return Health.UNKNOWN
    if found.low > before:
        return Health.BREACH
    return Health.HEALTHY if found.high < before else Health.WATCH


def _pipelines(facts: Facts, model: str, now: datetime) -> Iterable[Figure]:
    mine = [item for item in facts.pipelines(_PIPELINE_DAYS) if model in item.models]
    both = [item for item in facts.pipelines(2 * _PIPELINE_DAYS) if model in item.models]
    runs, failed = sum(item.runs for item in mine), sum(item.failed for item in mine)
    earlier = sum(item.failed for item in both) - failed
    found = share_of(failed, runs)
    yield Figure(
        id="pipelines", title="Failures of feature pipelines", value=float(failed) if runs else None,
        shown=f"{failed} of {runs} runs" if runs else UNKNOWN, unit="runs", target="none",
        low=found.low * runs if found else None, high=found.high * runs if found else None,
        state=Health.worst([item.state for item in mine]),
        trend=(((now - timedelta(days=_PIPELINE_DAYS)).date(), float(earlier)), (now.date(), float(failed)))
        if runs else (),
        explanation=Explanation(
            formula="Failed runs of jobs and pipelines this model rests on, along the lineage of what they write",
            source=", ".join(item.title for item in mine) or "no pipeline is known for this model",
            window=f"last {_PIPELINE_DAYS} days, and the {_PIPELINE_DAYS} days before", as_of=now, n=runs,
        ),
    )  # fmt: skip


def _lift(view: PerformanceView) -> Iterable[Figure]:
    """Newest labelled period against the rule before, turned so that more is better."""
    known = [point for point in view.points if point.value is not None]
    last, base = (known[-1] if known else None), view.baseline
    sign = 1 if view.higher_is_better else -1
    if last is None or last.value is None or base is None:
        why = "The baseline was not measured." if base is None else "No label has arrived."
        yield _unknown("lift", f"Lift over {view.baseline_name}", why)
        return
    ends = [sign * (end - base) for end in (last.low, last.high) if end is not None]
    lift = sign * (last.value - base)
    yield Figure(
        id="lift", title=f"Lift over {view.baseline_name}", value=lift,
        low=min(ends, default=None), high=max(ends, default=None),
        shown=f"{lift:+.3g}", unit=view.title, target="above zero", state=_above_zero(ends, view.signal.state),
        trend=tuple((point.start, None if point.value is None else sign * (point.value - base)) for point in known),
        explanation=Explanation(
            formula="Metric of the newest labelled period - metric of the baseline on the hold-out rows, turned so "
            "that more is better",
            source=f"{view.title}: {last.value:.4g}; baseline {base:.4g} ({view.baseline_name})",
            window=f"{last.start:%d %b %Y} to {last.end:%d %b %Y}, {last.coverage:.0%} labelled",
            as_of=view.signal.as_of, n=last.n, note=view.signal.sentence,
        ),
    )  # fmt: skip


def _above_zero(ends: list[float], measured: Health) -> Health:
    """Only an interval says which side of zero the lift is on."""
    if not ends or measured is Health.UNKNOWN:
        return Health.UNKNOWN
    if max(ends) < 0:
        return Health.BREACH
    return Health.HEALTHY if min(ends) > 0 else Health.WATCH


def _with(found: Explanation, *, n: int | None, note: str = "") -> Explanation:
    return Explanation(
        formula=found.formula, source=found.source, window=found.window, as_of=found.as_of, n=n,
        note=note or found.note,
    )  # fmt: skip
