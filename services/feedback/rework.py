"""How often people had to change what a model said: by day of prediction, reason and slice, and never too early. Pure.

    override rate = reviewed predictions that a person changed / reviewed predictions
    rework rate   = predictions that a person changed / all predictions

The first says how often a reviewer disagrees, the second how much work the model leaves. Reviews take days: a cohort
of predictions enters both rates only when it is as old as reviews usually take, or the newest days would look better
than they are. Intervals are Wilson's (1927), 95 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil

from services.kernel.health import Explanation
from services.kernel.interval import Estimate, share_of

ENOUGH = 0.95
"""A cohort is old enough at the age by which this part of all reviews has usually come."""
TOO_FEW = 30
"""With fewer observations a share is shown as unknown."""
_LEARN_FROM, _LEARN_OLDER = 50, 30
LOOK_BACK = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortDay:
    """Reviews of one day about predictions of one day, by version, slice and reason (empty: left as it was)."""

    day: date
    predicted_day: date
    version: str
    slice_key: str
    reason_code: str
    reviewed: int
    corrected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    day: date
    version: str
    slice_key: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Days after which a cohort is judged; None while nobody can know."""

    days: int | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its denominator. `estimate` is None when `n` is too small to say anything."""

    hits: int
    n: int
    estimate: Estimate | None

    @property
    def is_known(self) -> bool:
        return self.estimate is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRates:
    """`slice_key` like `carrier=UA`; empty for the whole."""

    slice_key: str
    override: Rate
    rework: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekRate:
    """Predictions of seven days. `open` weeks are too young to be judged."""

    start: date
    override: Rate
    rework: Rate
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rework:
    """Everything the screen says about one model in one window of predictions."""

    model: str
    start: date
    end: date
    """Last day of prediction that is judged."""
    delay: Delay
    override: Rate
    rework: Rate
    before: Rate
    """Rework in the window of the same length before."""
    reasons: tuple[tuple[str, int], ...]
    slices: tuple[SliceRates, ...]
    weeks: tuple[WeekRate, ...]
    young_predictions: int
    """Predictions left out because their reviews may still come."""
    young_corrected: int
    override_explained: Explanation
    rework_explained: Explanation


def rate(hits: int, n: int) -> Rate:
    """More changed than predicted would be a fault of the record, and is shown as unknown rather than as 100 %."""
    return Rate(hits=hits, n=n, estimate=share_of(hits, n) if n >= TOO_FEW and hits <= n else None)


def learned_delay(cohorts: Iterable[CohortDay], *, today: date, stated_hours: float | None) -> Delay:
    """From reviews of predictions that are old enough to have been reviewed; else what the monitor states."""
    ages: Counter[int] = Counter()
    for item in cohorts:
        if not item.slice_key and (today - item.predicted_day).days >= _LEARN_OLDER:
            ages[max(0, (item.day - item.predicted_day).days)] += item.reviewed
    total = sum(ages.values())
    if total >= _LEARN_FROM:
        came = 0
        for age in sorted(ages):
            came += ages[age]
            if came >= ENOUGH * total:
                return Delay(
                    days=age,
                    sentence=f"Learned from {total:,} reviews: {came / total:.0%} come within {_days(age)} of the "
                    "prediction.",
                )
    if stated_hours is not None:
        age = ceil(stated_hours / 24)
        return Delay(days=age, sentence=f"Too few old reviews to learn from; its monitor says {_days(age)}.")
    return Delay(days=None, sentence="Nobody can say how long reviews take: too few are old, and no monitor states it.")


def rates(
    model: str,
    cohorts: Sequence[CohortDay],
    predicted: Sequence[Predicted],
    *,
    days: int,
    today: date,
    stated_hours: float | None,
) -> Rework:
    """Predictions of `days` days that end where reviews are usually complete."""
    delay = learned_delay(cohorts, today=today, stated_hours=stated_hours)
    # Without a known delay nothing is old enough, and the window is shown as unknown.
    end = today - timedelta(days=(delay.days or 0) + 1)
    start = end - timedelta(days=days - 1)
    earlier = start - timedelta(days=days)
    whole = [item for item in cohorts if not item.slice_key]
    inside = [item for item in whole if start <= item.predicted_day <= end]
    override, rework = _pair(inside, predicted, "", start, end, judged=delay.days is not None)
    _, before = _pair(whole, predicted, "", earlier, start - timedelta(days=1), judged=delay.days is not None)
    reasons: Counter[str] = Counter()
    for item in inside:
        if item.corrected:
            reasons[item.reason_code or "no reason given"] += item.corrected
    keys = sorted({item.slice_key for item in predicted if item.slice_key and start <= item.day <= end})
    return Rework(
        model=model,
        start=start,
        end=end,
        delay=delay,
        override=override,
        rework=rework,
        before=before,
        reasons=tuple(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        slices=tuple(
            SliceRates(slice_key=key, override=pair[0], rework=pair[1])
            for key in keys
            for pair in [_pair(cohorts, predicted, key, start, end, judged=delay.days is not None)]
        ),
        weeks=_weeks(whole, predicted, today=today, end=end, judged=delay.days is not None),
        young_predictions=sum(item.n for item in predicted if not item.slice_key and item.day > end),
        young_corrected=sum(item.corrected for item in whole if item.predicted_day > end),
        override_explained=_explained(
            "Reviewed predictions that a person changed / reviewed predictions", override, (start, end), whole, delay
        ),
        rework_explained=_explained(
            "Predictions that a person changed / all live predictions", rework, (start, end), whole, delay
        ),
    )


def _pair(
    cohorts: Iterable[CohortDay],
    predicted: Iterable[Predicted],
    key: str,
    start: date,
    end: date,
    *,
    judged: bool,
) -> tuple[Rate, Rate]:
    inside = [item for item in cohorts if item.slice_key == key and start <= item.predicted_day <= end]
    corrected, reviewed = sum(item.corrected for item in inside), sum(item.reviewed for item in inside)
    made = sum(item.n for item in predicted if item.slice_key == key and start <= item.day <= end)
    if not judged or not reviewed:
        # What nobody looked at is not right for that reason: without a review there is no rate, and not one of zero.
        return Rate(hits=corrected, n=reviewed, estimate=None), Rate(hits=corrected, n=made, estimate=None)
    return rate(corrected, reviewed), rate(corrected, made)


def _weeks(
    whole: Sequence[CohortDay], predicted: Sequence[Predicted], *, today: date, end: date, judged: bool
) -> tuple[WeekRate, ...]:
    """Whole weeks that end on the last judged day, the oldest first, and after them the weeks still open."""
    first = min((item.day for item in predicted if not item.slice_key), default=None)
    if first is None:
        return ()
    found = []
    start = end - timedelta(days=6)
    while start >= first:
        override, rework = _pair(whole, predicted, "", start, start + timedelta(days=6), judged=judged)
        found.append(WeekRate(start=start, override=override, rework=rework, open=False))
        start -= timedelta(days=7)
    found.reverse()
    start = end + timedelta(days=1)
    while start <= today:
        override, rework = _pair(whole, predicted, "", start, start + timedelta(days=6), judged=False)
        found.append(WeekRate(start=start, override=override, rework=rework, open=True))
        start += timedelta(days=7)
    return tuple(found[-26:])


def _explained(
    formula: str, found: Rate, window: tuple[date, date], whole: Sequence[CohortDay], delay: Delay
) -> Explanation:
    newest = max((item.day for item in whole), default=None)
    if found.estimate:
        interval = f"95 % interval after Wilson {found.estimate.low:.1%} to {found.estimate.high:.1%}."
    elif found.n < TOO_FEW:
        interval = f"Not judged: {found.n:,} observations, and {TOO_FEW} are needed."
    else:
        interval = "Not judged: no prediction of these days was reviewed, or nobody knows how long reviews take."
    return Explanation(
        formula=formula,
        source="Recorded reviews joined to recorded predictions by prediction id; the first review of each counts",
        window=f"Predictions of {window[0]:%d %b %Y} to {window[1]:%d %b %Y}; younger ones wait for their reviews",
        as_of=datetime.combine(newest, time(), UTC) if newest else None,
        n=found.n,
        note=f"{interval} {delay.sentence}",
    )


def _days(age: int) -> str:
    return "1 day" if age == 1 else f"{age} days"
