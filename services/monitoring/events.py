"""Unusual days: windows that moved further than this column usually moves. They explain; they do not judge.

A limit and a noise floor assume independent rows. Weather is the same for every flight of a morning, so a column of
weather is beyond any limit most weeks. What is usual is therefore taken from the column's own past (as NannyML does):
mean plus three standard deviations of the same statistic over the eight weeks of windows that end before this one
begins. An unusual window exceeds that, and the noise floor.

The first weeks of a record have no such past. They are held against the eight weeks that follow, once those are there,
and the event says that this was known in hindsight only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from services.monitoring import floors, verdicts
from services.monitoring.courses import Course, course
from services.monitoring.definitions import DEFINITIONS, Statistic, Versus
from services.monitoring.distances import Floats
from services.monitoring.drift import Question, judged_columns, level_of, profiles_by_column
from services.monitoring.models import Level, MonitoringConfig
from services.monitoring.profile import SCORE, DayProfile, FeatureReference, Reference

LOOK_BACK = timedelta(days=56)
FEWEST = 28
"""Fewer earlier windows than this do not tell what is usual."""
_DEVIATIONS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A run of unusual windows of one column, told by its peak."""

    feature: str
    title: str
    first: date
    last: date
    peak: date
    statistic: Statistic
    value: float
    usual: float
    n: int
    before: Level | None
    now: Level | None
    sentence: str
    hindsight: bool
    """What is usual was taken from the weeks after it: nothing is recorded before."""


def statistic_of(column: FeatureReference) -> Statistic:
    """Wasserstein for numbers, since it tells how far and not only that; PSI for categories."""
    return Statistic.WASSERSTEIN if column.numeric else Statistic.PSI


def usual(days: Sequence[date], values: Floats, window_days: int) -> Floats:
    """Mean plus three standard deviations of the windows before each one; NaN where there are too few."""
    ends = np.array([day.toordinal() for day in days]) - window_days
    return _bound(days, values, ends - LOOK_BACK.days, ends)


def usual_after(days: Sequence[date], values: Floats, window_days: int) -> Floats:
    """The same of the windows that begin after each one has ended."""
    ends = np.array([day.toordinal() for day in days]) + window_days - 1
    return _bound(days, values, ends, ends + LOOK_BACK.days)


def _bound(days: Sequence[date], values: Floats, after: NDArray[np.int64], until: NDArray[np.int64]) -> Floats:
    """Mean plus three standard deviations of the windows that end in (after, until]."""
    found = np.full(len(values), np.nan)
    ordinals = np.array([day.toordinal() for day in days])
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    n, total, square = (np.concatenate([[0.0], np.cumsum(part)]) for part in (known * 1.0, filled, filled**2))
    upper, lower = (np.searchsorted(ordinals, bound, side="right") for bound in (until, after))
    size = n[upper] - n[lower]
    enough = size >= FEWEST
    mean = np.divide(total[upper] - total[lower], size, out=np.zeros(len(values)), where=enough)
    spread = np.divide(square[upper] - square[lower], size, out=np.zeros(len(values)), where=enough) - mean**2
    found[enough] = (mean + _DEVIATIONS * np.sqrt(np.maximum(spread, 0.0)))[enough]
    return found


def first_profile(asked: Question, last: date) -> date:
    """The earliest day that is needed to say what was usual at the start of the course."""
    return asked.first_profile(last) - LOOK_BACK


def events(
    reference: Reference, config: MonitoringConfig, profiles: Sequence[DayProfile], asked: Question, last: date
) -> tuple[Event, ...]:
    """Newest first, and the strongest of a day before the others. Profiles go back to `first_profile`."""
    columns = judged_columns(reference, config, asked.slice_key)
    level = floors.level_of_each(len(columns))
    by_name = profiles_by_column(profiles)
    since = asked.since(last)
    found = []
    for column in columns:
        run = course(
            column, by_name.get(column.feature, ()), days=asked.window_days, since=since - LOOK_BACK, level=level,
            versus=asked.versus,
        )  # fmt: skip
        title = config.score_title if column.feature == SCORE else config.title(column.column)
        found += _of_column(column, title, run, asked, since)
    return tuple(sorted(found, key=lambda event: (event.last, event.value / max(event.usual, 1e-9)), reverse=True))


def _of_column(column: FeatureReference, title: str, run: Course, asked: Question, since: date) -> list[Event]:
    statistic = statistic_of(column)
    values, floor = run.values[statistic], run.floors[statistic]
    habit = usual(run.days, values, asked.window_days)
    unknown = np.isnan(habit)
    # The first windows of a record hold fewer days than the others; in hindsight they would all stand out.
    whole = asked.window_days if asked.versus is Versus.REFERENCE else 2 * asked.window_days
    full = np.array([(day - run.days[0]).days >= whole - 1 for day in run.days], dtype=bool)
    habit = np.where(unknown & full, usual_after(run.days, values, asked.window_days), habit)
    with np.errstate(invalid="ignore"):
        odd = verdicts.enough(run) & (values > habit) & (values > floor)
    runs: list[list[int]] = []
    for place in np.flatnonzero(odd):
        if run.days[place] < since:
            continue
        last = runs[-1][-1] if runs else place
        if runs and (run.days[place] - run.days[last]).days <= 1 and unknown[place] == unknown[last]:
            runs[-1].append(int(place))
        else:
            runs.append([int(place)])
    return [_event(column, title, run, habit, places, hindsight=bool(unknown[places[0]])) for places in runs]


def _event(
    column: FeatureReference, title: str, run: Course, habit: Floats, places: Sequence[int], *, hindsight: bool
) -> Event:
    statistic = statistic_of(column)
    peak = max(places, key=lambda place: run.values[statistic][place])
    value, bound = float(run.values[statistic][peak]), float(habit[peak])
    before = level_of(column, run.before.counts[peak], run.before.sums[peak], run.windows.counts[peak])
    now = level_of(column, run.windows.counts[peak], run.windows.sums[peak], run.before.counts[peak])
    short = DEFINITIONS[statistic].short
    words = f"{title}: {before.words if before else 'nothing'} before, {now.words if now else 'nothing'} on "
    words += (
        f"{run.days[peak]:%d %b %Y}. {short} {value:.3g}, usually up to {bound:.3g}"
        f"{' in the weeks after it (none are recorded before)' if hindsight else ''}, over {int(run.n[peak]):,} rows."
    )
    return Event(
        feature=column.feature, title=title, first=run.days[places[0]], last=run.days[places[-1]],
        peak=run.days[peak], statistic=statistic, value=value, usual=bound, n=int(run.n[peak]), before=before, now=now,
        sentence=words, hindsight=hindsight,
    )  # fmt: skip
