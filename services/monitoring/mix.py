"""Mix shift: how the share of each slice of the predictions changed, judged by the levels of code red."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from services.kernel.health import Health
from services.monitoring import verdicts
from services.monitoring.courses import course
from services.monitoring.definitions import Statistic
from services.monitoring.drift import Question
from services.monitoring.models import DriftPoint, MonitoringConfig
from services.monitoring.profile import DayProfile, FeatureReference, Reference, column_and_value, slice_key

REST = "every other value"
_SINGLE_LEVEL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class MixShare:
    """Shares of one slice in the reference, the previous and the current window; None where a side is empty."""

    value: str
    before: float | None
    previous: float | None
    now: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MixShift:
    """How predictions spread over the slices of one column. `series` is PSI against the reference, per window, judged
    by the levels of code red.
    """

    column: str
    title: str
    shares: tuple[MixShare, ...]
    state: Health
    sentence: str
    series: tuple[DriftPoint, ...]
    since: date | None
    n: int


def category_mix(
    column: FeatureReference, config: MonitoringConfig, profiles: Sequence[DayProfile], asked: Question, last: date
) -> MixShift:
    """The mix of a category that is a column of the model itself: its own counts say it, no slice is needed."""
    return _compared(column.column, column, profiles, config, asked=asked, last=last)


def mix_shift(
    column: str,
    config: MonitoringConfig,
    reference: Reference,
    profiles: Sequence[DayProfile],
    *,
    asked: Question,
    last: date,
) -> MixShift | None:
    """None when the reference was not split by this column. Profiles are of one feature, the whole and all slices."""
    anchor = profiles[0].feature if profiles else next((item.feature for item in reference.slices), "")
    values = tuple(
        column_and_value(item.slice_key)[1]
        for item in reference.slices
        if item.feature == anchor and column_and_value(item.slice_key)[0] == column
    )
    whole = reference.feature(anchor)
    if whole is None or not values:
        return None
    sizes = {value: _rows(reference.feature(anchor, slice_key(column, value))) for value in values}
    as_category = _as_category(column, values, sizes, whole.n)
    return _compared(column, as_category, _as_days(column, values, profiles), config, asked=asked, last=last)


def _compared(
    column: str,
    as_category: FeatureReference,
    by_day: Sequence[DayProfile],
    config: MonitoringConfig,
    *,
    asked: Question,
    last: date,
) -> MixShift:
    run = course(
        as_category,
        by_day,
        days=asked.window_days,
        since=asked.since(last),
        level=_SINGLE_LEVEL,
    )
    limits = config.red_limits
    states = verdicts.states(run, Statistic.PSI, limits)
    current = bool(run.days) and run.days[-1] == last
    place = verdicts.running_since(states) if current else None
    previous = course(
        as_category, by_day, days=asked.window_days, since=last, level=_SINGLE_LEVEL,
        versus=asked.versus.PREVIOUS,
    )  # fmt: skip
    words = (
        verdicts.sentence(run, len(run) - 1, Statistic.PSI, limits, states[-1])
        if current
        else "No predictions were recorded in this window."
    )
    now = run.windows.counts[-1] if current else np.zeros(as_category.cells, dtype=np.int64)
    earlier = previous.before.counts[-1] if len(previous) else np.zeros(as_category.cells, dtype=np.int64)
    return MixShift(
        column=column,
        title=config.title(column),
        shares=_shares((*as_category.values, REST), as_category.counts[:-1], earlier[:-1], now[:-1]),
        state=states[-1] if current else Health.UNKNOWN,
        sentence=words,
        series=tuple(
            DriftPoint(day=day, value=float(value), n=int(n), floor=float(floor), state=state)
            for day, value, n, floor, state in zip(
                run.days, run.values[Statistic.PSI], run.n, run.floors[Statistic.PSI], states, strict=True
            )
            if not np.isnan(value)
        ),
        since=run.days[place] if place is not None else None,
        n=int(now.sum()),
    )


def _rows(reference: FeatureReference | None) -> int:
    return reference.n if reference is not None else 0


def _as_category(column: str, values: tuple[str, ...], sizes: Mapping[str, int], whole: int) -> FeatureReference:
    counts = [sizes[value] for value in values]
    filled = np.array([*counts, max(0, whole - sum(counts)), 0], dtype=np.int64)
    return FeatureReference(
        feature=column, column=column, numeric=False, edges=(), deciles=(), values=values, counts=filled,
        sums=np.zeros(len(filled)),
    )  # fmt: skip


def _as_days(column: str, values: tuple[str, ...], profiles: Sequence[DayProfile]) -> list[DayProfile]:
    """How many rows of each day lie in each slice, as if the column were a category with these values."""
    places = {slice_key(column, value): place for place, value in enumerate(values)}
    days: dict[date, np.ndarray] = defaultdict(lambda: np.zeros(len(values) + 2, dtype=np.int64))
    for profile in profiles:
        if not profile.slice_key:
            days[profile.day][len(values)] += profile.counts.sum()
        elif (place := places.get(profile.slice_key)) is not None:
            rows = profile.counts.sum()
            days[profile.day][place] += rows
            days[profile.day][len(values)] -= rows
    return [
        DayProfile(day=day, feature=column, counts=np.maximum(counts, 0), sums=np.zeros(len(counts)))
        for day, counts in sorted(days.items())
    ]


def _shares(names: Sequence[str], before: np.ndarray, previous: np.ndarray, now: np.ndarray) -> tuple[MixShare, ...]:
    def share(counts: np.ndarray, place: int) -> float | None:
        total = int(counts.sum())
        return float(counts[place] / total) if total else None

    rows = [
        MixShare(
            value=name, before=share(before, place), previous=share(previous, place), now=share(now, place),
            n=int(now[place]),
        )
        for place, name in enumerate(names)
        if name != REST or before[place] + previous[place] + now[place]
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda row: -abs((row.now or 0.0) - (row.before or 0.0))))
