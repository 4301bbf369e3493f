"""Labels as they became known: additive deltas by day of prediction, day of arrival, score bin and label.

A label that arrives adds one; a label that is stated anew takes its old value away and adds the new one. Hence what
was known at a time T is the sum over the days of arrival before T, and every past day can be looked at again:

    known(T) = sum of deltas where arrival day < T

The day of arrival is the day under which the label was filed, so a label that claims an earlier time changes nothing
about what could be known then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from services.monitoring.profile import SCORE_BINS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

UNMATCHED = ""
"""Version of labels that speak about a prediction nobody recorded, or not yet."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrival:
    """What the labels of one day of arrival changed, for one version and slice.

    `cells`: rows of (day of prediction as ordinal, 2 x score bin + label, change in count); empty for forecasts.
    `days`: rows of (day of prediction as ordinal, labels, usable pairs), and `sums` beside it the change in error,
    |error|, error^2 and error^4 of those pairs, where error is prediction minus label. Labels of predictions without
    a finite score arrived, but make no pair.
    """

    version: str
    slice_key: str
    day: date
    cells: Ints
    days: Ints
    sums: Floats


def about_days_from(first: date, arrival: Arrival) -> Arrival:
    """What it says about predictions of this day and later."""
    cells, days = (rows[:, 0] >= first.toordinal() for rows in (arrival.cells, arrival.days))
    if cells.all() and days.all():
        return arrival
    return replace(arrival, cells=arrival.cells[cells], days=arrival.days[days], sums=arrival.sums[days])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreDay:
    """Predictions of one day, version and slice: how many, how many without a finite score, and how they scored.

    `bins` are the score bins in use, with `counts` and `sums` of scores in each. Forecasts have none.
    """

    version: str
    slice_key: str
    day: date
    predicted: int
    unscored: int
    bins: Ints
    counts: Ints
    sums: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """Labels of some predictions as known at some time. `positives` and `negatives` are counts by score bin."""

    labelled: int
    n: int
    positives: Ints
    negatives: Ints
    error: float
    absolute: float
    square: float
    fourth: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cube:
    """All deltas of some days as flat columns: `cell_*` by bin and label, `day_*` by day of prediction."""

    cell_day: Ints
    cell_arrival: Ints
    cell_code: Ints
    cell_n: Ints
    day: Ints
    arrival: Ints
    labels: Ints
    pairs: Ints
    sums: Floats
    scored: bool

    def known(self, first: date, last: date, *, at: date, age: int | None = None) -> Known:
        """Predictions of [first, last] with the labels that arrived before `at`.

        With `age`, only labels that came at most so many days after their prediction: cohorts compare at equal age.
        """
        cells = _within(self.cell_day, self.cell_arrival, (first, last), at, age)
        rows = _within(self.day, self.arrival, (first, last), at, age)
        size = 2 * SCORE_BINS if self.scored else 0
        by_code = np.zeros(size, dtype=np.int64)
        if size:
            np.add.at(by_code, self.cell_code[cells], self.cell_n[cells])
        error, absolute, square, fourth = (float(total) for total in self.sums[rows].sum(axis=0))
        return Known(
            labelled=int(self.labels[rows].sum()),
            n=int(self.pairs[rows].sum()),
            positives=by_code[1::2],
            negatives=by_code[0::2],
            error=error,
            absolute=absolute,
            square=square,
            fourth=fourth,
        )

    def arrivals_by_age(self, *, at: date) -> tuple[Ints, Ints, Ints]:
        """(day of prediction, age in days, labels) of everything that arrived before `at`; ages are never negative."""
        chosen = np.maximum(self.arrival, self.day) < at.toordinal()
        day = self.day[chosen]
        return day, np.maximum(self.arrival[chosen] - day, 0), self.labels[chosen]


def _within(day: Ints, arrival: Ints, period: tuple[date, date], at: date, age: int | None) -> NDArray[np.bool_]:
    # A label from before its prediction is known when the prediction is.
    known = np.maximum(arrival, day)
    chosen = (day >= period[0].toordinal()) & (day <= period[1].toordinal()) & (known < at.toordinal())
    return chosen if age is None else chosen & (known - day <= age)


def cube_of(arrivals: Sequence[Arrival], *, scored: bool) -> Cube:
    """Any choice of versions: the deltas are counts, so they add up."""
    cells = _stacked([item.cells for item in arrivals], 3)
    days = _stacked([item.days for item in arrivals], 3)
    return Cube(
        cell_day=cells[:, 0],
        cell_arrival=_repeated(arrivals, [len(item.cells) for item in arrivals]),
        cell_code=cells[:, 1],
        cell_n=cells[:, 2],
        day=days[:, 0],
        arrival=_repeated(arrivals, [len(item.days) for item in arrivals]),
        labels=days[:, 1],
        pairs=days[:, 2],
        sums=np.concatenate([item.sums for item in arrivals]) if arrivals else np.zeros((0, 4)),
        scored=scored,
    )


def _stacked(parts: Sequence[Ints], width: int) -> Ints:
    return np.concatenate(parts) if parts else np.zeros((0, width), dtype=np.int64)


def _repeated(arrivals: Sequence[Arrival], lengths: Sequence[int]) -> Ints:
    return np.repeat(np.array([item.day.toordinal() for item in arrivals], dtype=np.int64), lengths)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Scores of some days added up: everything an estimate without labels needs."""

    predicted: int
    unscored: int
    counts: Ints
    sums: Floats

    @property
    def n(self) -> int:
        return self.predicted - self.unscored

    @property
    def means(self) -> Floats:
        """Mean score per bin; the middle of a bin that nothing fell into."""
        middles = (np.arange(len(self.counts)) + 0.5) / SCORE_BINS
        return np.divide(self.sums, self.counts, out=middles, where=self.counts > 0)


def scores_of(days: Sequence[ScoreDay], *, first: date, last: date) -> Scores:
    counts, sums = np.zeros(SCORE_BINS, dtype=np.int64), np.zeros(SCORE_BINS)
    chosen = [item for item in days if first <= item.day <= last]
    for item in chosen:
        counts[item.bins] += item.counts
        sums[item.bins] += item.sums
    return Scores(
        predicted=sum(item.predicted for item in chosen),
        unscored=sum(item.unscored for item in chosen),
        counts=counts,
        sums=sums,
    )
