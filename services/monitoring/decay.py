"""Is the model getting worse? A verdict from mature cohorts, or an early warning from an estimate; else no verdict.

Labels that come early are not a fair sample: the same model without any decay showed a precision of 0.88 from the
labels of the first day and of 0.67 once all were there. So a young cohort never moves this verdict.

A value is out of line when it lies beyond mean plus or minus three standard deviations of what reference cohorts
realised. The deviation is never taken smaller than the sampling error of a cohort, since few cohorts may agree by luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from math import sqrt

from services.kernel.health import Health, Signal
from services.kernel.interval import Z_95, Estimate
from services.monitoring.metrics import WORDS, Metric
from services.monitoring.models import Expectation
from services.monitoring.performance_models import Band, Cohort

CONFIRMED, ESTIMATE = "confirmed", "estimate"
FEWEST_CHUNKS, MOST_CHUNKS = 6, 12
SIGMAS = 3.0


def reference_cohorts(cohorts: Sequence[Cohort]) -> tuple[Cohort, ...]:
    """The oldest mature cohorts with a value: up to half of them, never the newest, none if they are too few."""
    valued = [cohort for cohort in cohorts if cohort.confirmed is not None]
    size = max(FEWEST_CHUNKS, min(MOST_CHUNKS, len(valued) // 2))
    return tuple(valued[:size]) if len(valued) > size else ()


def band_of(reference: Sequence[Cohort]) -> Band | None:
    if not reference:
        return None
    found = [cohort.confirmed for cohort in reference if cohort.confirmed is not None]
    mean = sum(item.value for item in found) / len(found)
    spread = sqrt(sum((item.value - mean) ** 2 for item in found) / (len(found) - 1))
    sampling = sum((item.high - item.low) / (2 * Z_95) for item in found) / len(found)
    reach = SIGMAS * max(spread, sampling)
    return Band(
        mean=mean,
        low=mean - reach,
        high=mean + reach,
        chunks=len(found),
        first=reference[0].start,
        last=reference[-1].end,
    )


def judge(
    cohorts: Sequence[Cohort],
    band: Band | None,
    expected: Expectation | None,
    *,
    metric: Metric,
    too_few: str,
    stale_before: date,
) -> tuple[Signal, str]:
    """The signal, and what it rests on. `too_few` says in words what a cohort needs before it counts.

    When the newest cohort that labels could judge ended before `stale_before`, its verdict is history.
    """
    mature = [cohort for cohort in cohorts if cohort.confirmed is not None]
    warning = _warning(cohorts, band, metric, after=mature[-1] if mature else None)
    latest = mature[-1] if mature else None
    if latest is None or latest.confirmed is None:
        return warning or (_not_enough(cohorts, metric, too_few), "")
    if latest.end < stale_before:
        return warning or (_stale(latest, metric, too_few), "")
    state, comparison = _compared(latest.confirmed, band, expected, metric)
    if warning and state is not Health.BREACH:
        return warning
    value = latest.confirmed
    sentence = (
        f"Confirmed by labels: {WORDS[metric].unit} {value.value:.3f} (95 % interval {value.low:.3f} to "
        f"{value.high:.3f}) over {latest.n:,} labelled predictions of {_period(latest)}, the newest whose labels are "
        f"mature. {comparison}"
    )
    return _signal(state, value.value, metric, sentence, latest), CONFIRMED if state is not Health.UNKNOWN else ""


def _warning(
    cohorts: Sequence[Cohort], band: Band | None, metric: Metric, *, after: Cohort | None
) -> tuple[Signal, str] | None:
    """The newest finished cohort that labels cannot judge yet, if its estimate is out of line. It only ever warns."""
    waiting = [
        cohort
        for cohort in cohorts
        if cohort.finished and cohort.estimate is not None and (after is None or cohort.start > after.start)
    ]
    if band is None or not waiting or waiting[-1].estimate is None:
        return None
    newest, value = waiting[-1], waiting[-1].estimate.value
    if not _beyond(value, band, metric):
        return None
    sentence = (
        f"Estimated, not confirmed: {WORDS[metric].unit} {value:.3f} is expected for {_period(newest)} from its scores "
        f"alone, outside {band.low:.3f} to {band.high:.3f}, which is mean and three deviations of {band.chunks} "
        "reference cohorts. Its labels are not mature yet."
    )
    return _signal(Health.WATCH, value, metric, sentence, newest), ESTIMATE


def _compared(value: Estimate, band: Band | None, expected: Expectation | None, metric: Metric) -> tuple[Health, str]:
    """Breach: clearly worse than the simple rule, or out of line. Watch: clearly worse than before release."""
    baseline = expected.baseline if expected else None
    if baseline is not None and _clearly_worse(value, baseline, metric):
        return Health.BREACH, f"That is worse than the simple rule on the hold-out rows ({baseline:.3f})."
    if band is not None and _beyond(value.value, band, metric) and _clearly_worse(value, band.mean, metric):
        return Health.BREACH, (
            f"That is outside {band.low:.3f} to {band.high:.3f}, mean and three deviations of {band.chunks} reference "
            f"cohorts ({band.first:%d %b} to {band.last:%d %b})."
        )
    before = expected.value if expected else None
    if expected is not None and before is not None and _clearly_worse(value, before, metric):
        return Health.WATCH, f"That is worse than version {expected.version} on its hold-out rows ({before:.3f})."
    return _in_line(band, expected)


def _in_line(band: Band | None, expected: Expectation | None) -> tuple[Health, str]:
    if band is not None:
        return Health.HEALTHY, f"That is in line with {band.chunks} reference cohorts (mean {band.mean:.3f})."
    if expected is not None and expected.value is not None:
        return Health.HEALTHY, (
            f"That agrees with version {expected.version} on its hold-out rows ({expected.value:.3f})."
        )
    return Health.UNKNOWN, (
        f"There is nothing to compare it with yet: {FEWEST_CHUNKS + 1} mature cohorts are needed, or a version with "
        "hold-out figures that serves."
    )


def _beyond(value: float, band: Band, metric: Metric) -> bool:
    return value < band.low if WORDS[metric].higher_is_better else value > band.high


def _clearly_worse(value: Estimate, limit: float, metric: Metric) -> bool:
    return value.high < limit if WORDS[metric].higher_is_better else value.low > limit


def _not_enough(cohorts: Sequence[Cohort], metric: Metric, too_few: str) -> Signal:
    most = max((cohort.n for cohort in cohorts), default=0)
    if not cohorts:
        too_few = "no predictions are recorded, so none can have one"
    return Signal(
        state=Health.UNKNOWN,
        value=None,
        unit=WORDS[metric].unit,
        sentence=f"Not enough labels: {too_few} (the best cohort has {most:,}).",
        n=most,
    )


def _stale(latest: Cohort, metric: Metric, too_few: str) -> Signal:
    return Signal(
        state=Health.UNKNOWN,
        value=None,
        unit=WORDS[metric].unit,
        sentence=f"Unknown: the newest predictions that labels could judge are of {_period(latest)}. Newer ones should "
        f"be mature by now, but labels are missing: {too_few}.",
        n=latest.n,
        as_of=datetime.combine(latest.end, time(), UTC),
    )


def _signal(state: Health, value: float, metric: Metric, sentence: str, cohort: Cohort) -> Signal:
    return Signal(
        state=state,
        value=value,
        unit=WORDS[metric].unit,
        sentence=sentence,
        n=cohort.n if cohort.confirmed is not None else cohort.predicted,
        as_of=datetime.combine(cohort.end, time(), UTC),
    )


def _period(cohort: Cohort) -> str:
    if cohort.start == cohort.end:
        return f"{cohort.start:%d %b}"
    return f"{cohort.start:%d %b} to {cohort.end:%d %b}"
