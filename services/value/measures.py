"""Before and after, side by side, as recorded; a measure that nobody takes says so."""

from __future__ import annotations

from datetime import date
from statistics import median

from services.kernel.health import Explanation
from services.kernel.interval import Estimate, share_of
from services.value.calculation import as_share, mean_of, minutes_per_case
from services.value.models import Baseline, BaselineId, Measure, Tally, ValueConfig
from services.value.ports import ValueStore

NOT_MEASURED = "not measured"
_LEAST = 0.001
"""Anything smaller is not read as a number by a person."""
_SHARES = {
    BaselineId.REFERRAL_PRECISION, BaselineId.REFERRAL_RECALL, BaselineId.OVERRIDE_RATE, BaselineId.REWORK_RATE,
}  # fmt: skip
_SOURCES = {
    BaselineId.REFERRAL_PRECISION: "labelled predictions at or above the decision threshold",
    BaselineId.REFERRAL_RECALL: "labelled predictions whose label is positive, at or above the decision threshold",
    BaselineId.OVERRIDE_RATE: "recorded reviews",
    BaselineId.REWORK_RATE: "recorded reviews that changed a prediction, by day of review / predictions of the window",
    BaselineId.FORECAST_ERROR: "labelled forecasts",
    BaselineId.BATCH_WINDOW_HOURS: "recorded batch runs that ended well (median)",
    BaselineId.END_TO_END_HOURS: "recorded batch runs that ended well, from the run before, which a case just missed, "
    "to the result (median of the longest waits)",
    BaselineId.MINUTES_PER_CASE: "recorded reviews x stated minutes of a review / predictions",
    BaselineId.MINUTES_PER_REVIEW: "nothing is recorded for it: it is stated",
}


def measure(
    baseline: Baseline, config: ValueConfig, store: ValueStore, *, start: date, end: date, window: str
) -> Measure:
    known = BaselineId(baseline.id) if baseline.id in set(BaselineId) else None
    after, n = (None, None) if known is None else _after(known, config, store, start, end)
    shares = known in _SHARES or baseline.unit.startswith("%")
    before = as_share(baseline) if shares else float(baseline.before)
    return Measure(
        title=baseline.title,
        before=_shown(before, baseline.unit, shares=shares),
        after=_shown(after.value, baseline.unit, shares=shares) if after else NOT_MEASURED,
        change=_change(before, after, shares=shares) if after else "",
        n=n,
        explanation=Explanation(
            formula="Measured in the window, beside the figure stated for the time before the model",
            source=f"Before: {baseline.source}. After: {_SOURCES[known] if known else 'nothing is recorded for it'}",
            window=window,
            as_of=None,
            n=n,
            note=_note(baseline, after, shares=shares),
        ),
    )


def _after(
    known: BaselineId, config: ValueConfig, store: ValueStore, start: date, end: date
) -> tuple[Estimate | None, int]:
    if known in {BaselineId.BATCH_WINDOW_HOURS, BaselineId.END_TO_END_HOURS}:
        ask = store.hours_between_runs if known is BaselineId.BATCH_WINDOW_HOURS else store.hours_to_decision
        hours = ask(config.model, start, end)
        middle = median(hours) if hours else None
        return (None if middle is None else Estimate(value=middle, low=min(hours), high=max(hours))), len(hours)
    if known is BaselineId.MINUTES_PER_REVIEW:
        return None, 0
    if known is BaselineId.MINUTES_PER_CASE:
        worked = labour(config, store, start, end)
        return minutes_per_case(worked, config.baseline(BaselineId.MINUTES_PER_REVIEW)), worked.n
    if known is BaselineId.FORECAST_ERROR:
        tally = store.errors(config.model, start, end)
        return mean_of(tally), tally.n
    if known is BaselineId.REWORK_RATE:
        changed, made = store.reviews(config.model, start, end), labour(config, store, start, end).n
        # Without one review nobody looked, which is not the same as nothing to change.
        return (share_of(changed.hits, made) if changed.n and changed.hits <= made else None), made
    if known is BaselineId.OVERRIDE_RATE:
        tally = store.reviews(config.model, start, end)
    else:
        ask_for = store.positives if known is BaselineId.REFERRAL_RECALL else store.referrals
        tally = ask_for(config.model, start, end, config.decision_threshold)
    return share_of(tally.hits, tally.n), tally.n


def labour(config: ValueConfig, store: ValueStore, start: date, end: date) -> Tally:
    """Recorded reviews out of predictions."""
    return Tally(
        n=sum(store.predictions(config.model, start, end).values()), hits=store.reviews(config.model, start, end).n
    )


def _shown(value: float, unit: str, *, shares: bool) -> str:
    if shares:
        return f"{value:.1%}"
    return (f"{value:,.4g}" if abs(value) >= _LEAST or not value else f"under {_LEAST}") + (f" {unit}" if unit else "")


def _change(before: float, after: Estimate, *, shares: bool) -> str:
    difference = after.value - before
    if shares:
        return f"{100 * difference:+.1f} points"
    return f"{difference / before:+.0%}" if before else f"{difference:+,.4g}"


def _note(baseline: Baseline, after: Estimate | None, *, shares: bool) -> str:
    stated = baseline.id == BaselineId.MINUTES_PER_REVIEW
    words = [f"The figure {'stated' if stated else 'before'} is an assumption."] if baseline.assumed else []
    if after:
        low, high = (_shown(end, "", shares=shares) for end in (after.low, after.high))
        words.append(f"Measured between {low} and {high}.")
    return " ".join(words)
