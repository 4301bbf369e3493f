"""Predictions cut into periods, each measured at equal label age, as known on one day. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from services.kernel.interval import Estimate
from services.monitoring import calibration, decay, estimated
from services.monitoring.cubes import Cube, Known, ScoreDay, Scores, scores_of
from services.monitoring.estimated import ScoreMap
from services.monitoring.maturity import Maturity
from services.monitoring.metrics import FORECAST, Metric, first_bin, measure, share
from services.monitoring.models import MonitoringConfig
from services.monitoring.performance_models import Cohort

_MONDAY = date(2024, 1, 1).toordinal()
_LATE = 0.5
"""A cohort with less than this part of its usual labels is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """Everything that decides how cohorts are measured. `at` is exclusive: labels that arrived before it count."""

    cube: Cube
    days: Sequence[ScoreDay]
    maturity: Maturity
    metric: Metric
    config: MonitoringConfig
    threshold: float | None
    period_days: int
    at: date

    @property
    def scored(self) -> bool:
        return self.metric not in FORECAST

    @property
    def cut(self) -> float:
        return 0.5 if self.threshold is None else self.threshold

    def known(self, first: date, last: date, age: int | None) -> Known:
        return self.cube.known(first, last, at=self.at, age=age)

    def measured(self, known: Known) -> Estimate | None:
        if known.n < self.config.minimum_labels:
            return None
        return measure(self.metric, known, threshold=self.cut)


def cohorts_of(given: Measuring) -> tuple[tuple[Cohort, ...], ScoreMap | None, tuple[Cohort, ...]]:
    """Cohorts with estimates, the calibration of the estimates, and the cohorts that it was fitted on."""
    plain = tuple(_cohort(given, first, last) for first, last in _periods(given))
    plain = _with_peers(given, plain)
    if not given.scored:
        return plain, None, ()
    fitted_on = decay.reference_cohorts(plain) or tuple(cohort for cohort in plain if cohort.confirmed is not None)
    score_map = _fitted(given, fitted_on)
    if score_map is None:
        return plain, None, ()
    return tuple(_with_estimate(given, cohort, score_map) for cohort in plain), score_map, fitted_on


def _periods(given: Measuring) -> Iterator[tuple[date, date]]:
    """Calendar weeks start on Mondays; every period that has predictions before `at`."""
    size = given.period_days
    days = np.array([item.day.toordinal() for item in given.days if item.day < given.at], dtype=np.int64)
    for start in np.unique(days - (days - _MONDAY) % size).tolist():
        yield date.fromordinal(start), date.fromordinal(start + size - 1)


def _cohort(given: Measuring, first: date, last: date) -> Cohort:
    scores = scores_of([item for item in given.days if item.day < given.at], first=first, last=last)
    age = (given.at - last).days - 1
    mature = given.maturity.age is not None and age >= given.maturity.age
    now = given.known(first, last, None)
    equal = given.known(first, last, given.maturity.age) if mature else now
    coverage = equal.labelled / scores.predicted if scores.predicted else 0.0
    usual = _usual(given, first, last)
    confirmed = given.measured(equal) if mature and coverage >= given.config.minimum_coverage else None
    return Cohort(
        start=first,
        end=last,
        predicted=scores.predicted,
        labelled=equal.labelled,
        n=equal.n,
        coverage=coverage,
        usual_coverage=usual,
        age=age,
        mature=mature,
        late=age >= 0 and usual is not None and now.labelled < _LATE * usual * scores.predicted,
        confirmed=confirmed,
        so_far=None,
        peers=None,
        estimate=None,
        referral=_referral(given, scores),
        calibration=calibration.measured(equal, means=scores.means) if given.scored and mature else None,
    )


def _usual(given: Measuring, first: date, last: date) -> float | None:
    """Usual share of labels at the ages that the days of this period have, by number of predictions."""
    total, expected = 0, 0.0
    for item in given.days:
        if first <= item.day <= last and item.day < given.at:
            usual = given.maturity.usual((given.at - item.day).days - 1)
            if usual is None:
                return None
            total, expected = total + item.predicted, expected + item.predicted * usual
    return expected / total if total else None


def _with_peers(given: Measuring, cohorts: tuple[Cohort, ...]) -> tuple[Cohort, ...]:
    """A young cohort is set beside mature ones as they were at its age, and beside nothing else."""
    mature = [cohort for cohort in cohorts if cohort.confirmed is not None]

    def compared(cohort: Cohort) -> Cohort:
        if cohort.mature or not cohort.finished:
            return cohort
        so_far = given.measured(given.known(cohort.start, cohort.end, cohort.age))
        peers = given.measured(given.known(mature[0].start, mature[-1].end, cohort.age)) if mature else None
        return replace(cohort, so_far=so_far, peers=peers)

    return tuple(compared(cohort) for cohort in cohorts)


def _fitted(given: Measuring, cohorts: Sequence[Cohort]) -> ScoreMap | None:
    if not cohorts:
        return None
    first, last = cohorts[0].start, cohorts[-1].end
    means = scores_of(given.days, first=first, last=last).means
    return estimated.fitted(given.known(first, last, given.maturity.age), means=means)


def _with_estimate(given: Measuring, cohort: Cohort, score_map: ScoreMap) -> Cohort:
    scores = scores_of([item for item in given.days if item.day < given.at], first=cohort.start, last=cohort.end)
    if scores.n < given.config.minimum_labels:
        return cohort
    return replace(cohort, estimate=estimated.estimate(given.metric, scores, score_map, threshold=given.cut))


def _referral(given: Measuring, scores: Scores) -> Estimate | None:
    if not given.scored or given.threshold is None:
        return None
    return share(int(scores.counts[first_bin(given.threshold) :].sum()), scores.n)


def estimate_error(cohorts: Sequence[Cohort], fitted_on: Sequence[Cohort]) -> float | None:
    """Mean distance between estimate and confirmed value where the estimate had not seen the labels."""
    seen = {cohort.start for cohort in fitted_on}
    gaps = [
        abs(cohort.estimate.value - cohort.confirmed.value)
        for cohort in cohorts
        if cohort.start not in seen and cohort.estimate and cohort.confirmed
    ]
    return sum(gaps) / len(gaps) if gaps else None
