"""Performance week by week from labels that have arrived, with interval, coverage, and a verdict that can wait."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from services.kernel.health import Health, Signal
from services.kernel.interval import Estimate
from services.monitoring import statistics
from services.monitoring.models import Expectation, MonitoringConfig, PerformancePoint
from services.monitoring.profile import LabelledDay

_WEEK = timedelta(days=7)


def weekly(days: Sequence[LabelledDay], *, scores: bool, config: MonitoringConfig) -> tuple[PerformancePoint, ...]:
    """Calendar weeks by day of prediction, oldest first. A week with too few labels has no value, and says its n."""
    weeks: dict[date, list[LabelledDay]] = defaultdict(list)
    for day in days:
        weeks[day.day - timedelta(days=day.day.weekday())].append(day)
    return tuple(_week(start, group, scores=scores, config=config) for start, group in sorted(weeks.items()))


def _week(start: date, group: list[LabelledDay], *, scores: bool, config: MonitoringConfig) -> PerformancePoint:
    predicted, labelled = sum(day.predicted for day in group), sum(day.labelled for day in group)
    estimate = None
    if labelled >= config.minimum_labels:
        estimate = _auc(group) if scores else _mae(group)
    return PerformancePoint(
        start=start,
        end=start + _WEEK - timedelta(days=1),
        value=estimate.value if estimate else None,
        low=estimate.low if estimate else None,
        high=estimate.high if estimate else None,
        n=labelled,
        coverage=labelled / predicted if predicted else 0.0,
    )


def _auc(group: list[LabelledDay]) -> Estimate | None:
    sized = [day for day in group if day.positives.size]
    if not sized:
        return None
    return statistics.auc(
        np.sum([day.positives for day in sized], axis=0), np.sum([day.negatives for day in sized], axis=0)
    )


def _mae(group: list[LabelledDay]) -> Estimate | None:
    return statistics.mean_absolute_error(
        sum(day.labelled for day in group),
        sum(day.sum_absolute for day in group),
        sum(day.sum_square for day in group),
    )


def judge(
    points: Sequence[PerformancePoint],
    expected: Expectation | None,
    config: MonitoringConfig,
    *,
    higher: bool,
    unit: str,
    today: date,
) -> Signal:
    """Judges the newest week that is over and whose labels have mostly arrived.

    Early labels are not a fair sample: an immature week flatters or shames a model for nothing.
    """
    mature = [
        point
        for point in points
        if point.end < today and point.value is not None and point.coverage >= config.minimum_coverage
    ]
    if not mature:
        most = max((point.n for point in points), default=0)
        return Signal(
            state=Health.UNKNOWN,
            value=None,
            unit=unit,
            sentence=f"Not enough labels: no finished week has {config.minimum_labels} labels for at least "
            f"{config.minimum_coverage:.0%} of its predictions (the best has {most:,}).",
            n=most,
        )
    latest = mature[-1]
    state, comparison = _compared(latest, expected, higher=higher)
    return Signal(
        state=state,
        value=latest.value,
        unit=unit,
        sentence=f"{unit} {latest.value:.3f} (95 % interval {latest.low:.3f} to {latest.high:.3f}) over {latest.n:,} "
        f"labelled predictions of the week from {latest.start:%d %b}; {latest.coverage:.0%} labelled. {comparison}",
        n=latest.n,
        as_of=datetime.combine(latest.end, time(), UTC),
    )


def _compared(point: PerformancePoint, expected: Expectation | None, *, higher: bool) -> tuple[Health, str]:
    """Breach: clearly no better than the simple rule. Watch: clearly worse than before release."""
    if expected is None or (expected.value is None and expected.baseline is None):
        return Health.UNKNOWN, "No version with hold-out figures serves, so there is nothing to compare with."
    low, high = point.low or 0.0, point.high or 0.0

    def clearly_worse(limit: float) -> bool:
        return high < limit if higher else low > limit

    if expected.baseline is not None and clearly_worse(expected.baseline):
        return Health.BREACH, f"That is worse than the simple rule on the hold-out rows ({expected.baseline:.3f})."
    if expected.value is not None and clearly_worse(expected.value):
        return Health.WATCH, f"That is below version {expected.version} on its hold-out rows ({expected.value:.3f})."
    known = "" if expected.value is None else f" (hold-out of version {expected.version}: {expected.value:.3f})"
    return Health.HEALTHY, f"That agrees with what was measured before release{known}."
