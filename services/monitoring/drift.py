"""Drift of one model from stored profiles: every judged column, worst first, with its course and its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

import numpy as np

from services.kernel.health import Explanation, Health, Signal
from services.kernel.interval import share_of
from services.monitoring import floors, uncompared, verdicts, windows
from services.monitoring.courses import Course, alert_rates, applies, course, statistics_for
from services.monitoring.definitions import DEFINITIONS, Limits, Statistic, Versus, plainly
from services.monitoring.models import (
    AlertRate,
    DriftPoint,
    DriftView,
    FeatureDrift,
    Level,
    MonitoringConfig,
    Reading,
    RedWindow,
    SliceDrift,
)
from services.monitoring.profile import (
    SCORE,
    Counts,
    DayProfile,
    FeatureReference,
    Reference,
    Sums,
    Uncompared,
    WhyNot,
    column_and_value,
)

_TELLING = 0.05
"""A change of the missing share that is named beside the mean."""
_SEVERITY = [Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the stored profiles; every part of it can stand in an address."""

    window_days: int = 7
    days: int = 90
    """How far back the course goes."""
    statistic: Statistic = Statistic.PSI
    versus: Versus = Versus.REFERENCE
    slice_key: str = ""
    version: str = ""
    """Predictions of one version alone, over all slices; empty for all versions together."""

    @property
    def is_whole(self) -> bool:
        return not self.slice_key and not self.version

    def first_profile(self, last: date) -> date:
        """The earliest day that any window of the course is made of."""
        return windows.window_start(self.since(last), 2 * self.window_days)

    def since(self, last: date) -> date:
        return last - timedelta(days=self.days - 1)


def judged_columns(reference: Reference, config: MonitoringConfig, slice_key: str = "") -> tuple[FeatureReference, ...]:
    """The columns of the monitor that the reference knows, filled by the whole or by one slice."""
    chosen = {column for column, _, _ in config.features} | {SCORE}
    names = [item.feature for item in reference.features if not config.features or item.feature in chosen]
    return tuple(found for name in names if (found := reference.feature(name, slice_key)) is not None)


def features(
    reference: Reference,
    config: MonitoringConfig,
    profiles: Sequence[DayProfile],
    asked: Question,
    last: date,
    *,
    families: int = 1,
) -> tuple[FeatureDrift, ...]:
    """Worst first. Profiles are ordered by column and day, all of the asked slice.

    `families` is how many slices are looked at together and share one level.
    """
    columns = judged_columns(reference, config, asked.slice_key)
    level = floors.level_of_each(families * sum(len(_judging(column, config)) for column in columns))
    by_name = profiles_by_column(profiles)
    found = [
        _feature(column, by_name.get(column.feature, ()), config, asked=asked, last=last, level=level)
        for column in columns
    ]
    days = sorted({day for item in found for day, _ in item.history})
    silent = [uncompared.drift_of(item, config, reference, days) for item in watched_in_vain(reference, config)]
    return tuple(
        sorted(
            [*found, *silent],
            key=lambda item: (_SEVERITY.index(item.state), -(item.latest.value if item.latest else 0.0)),
        )
    )


def watched_in_vain(reference: Reference, config: MonitoringConfig) -> tuple[Uncompared, ...]:
    """The columns of the monitor that have no cells; without a monitor, those of the reference."""
    if not config.features:
        return reference.uncompared
    known = {item.feature: item for item in reference.uncompared}
    compared = {item.feature for item in reference.features}
    absent = [
        known.get(column) or Uncompared(feature=column, column=column, why=WhyNot.NO_COLUMN)
        for column, _, _ in config.features
        if column not in compared
    ]
    return (*absent, *(item for item in (known.get(SCORE),) if item))


def profiles_by_column(profiles: Sequence[DayProfile]) -> Mapping[str, tuple[DayProfile, ...]]:
    """Profiles of one slice, ordered by column and day, apart."""
    return {name: tuple(group) for name, group in groupby(profiles, key=lambda profile: profile.feature)}


def by_slice(
    reference: Reference, config: MonitoringConfig, profiles: Sequence[DayProfile], asked: Question, last: date
) -> tuple[SliceDrift, ...]:
    """Profiles are ordered by slice, column and day. The column that makes the slice is constant and left out.

    So is what cannot be compared in any of them: it is told once, of the whole.
    """
    groups = {key: tuple(group) for key, group in groupby(profiles, key=lambda profile: profile.slice_key)}
    keys = reference.slice_keys
    found = []
    for key in keys:
        inside = replace(asked, slice_key=key)
        judged = features(reference, config, groups.get(key, ()), inside, last, families=len(keys))
        others = [item for item in judged if item.is_compared and item.feature != column_and_value(key)[0]]
        if others:
            found.append(_slice(key, others))
    return tuple(sorted(found, key=lambda item: (_SEVERITY.index(item.state), -item.moved, -item.n)))


def _slice(key: str, judged: Sequence[FeatureDrift]) -> SliceDrift:
    worst = judged[0]
    return SliceDrift(
        slice_key=key,
        n=max(item.n for item in judged),
        state=worst.state,
        feature=worst.feature,
        title=worst.title,
        value=worst.latest.value if worst.latest else None,
        moved=sum(item.state in {Health.WATCH, Health.BREACH} for item in judged),
        judged=len(judged),
        sentence=worst.sentence,
    )


def _judging(column: FeatureReference, config: MonitoringConfig) -> tuple[Statistic, ...]:
    return tuple(item for item in config.judging if applies(item, column))


def _feature(
    column: FeatureReference,
    profiles: Sequence[DayProfile],
    config: MonitoringConfig,
    *,
    asked: Question,
    last: date,
    level: float,
) -> FeatureDrift:
    run = course(column, profiles, days=asked.window_days, since=asked.since(last), level=level, versus=asked.versus)
    run = replace(run, least=config.minimum_rows)
    limits = {item: config.limits_of(item) for item in Statistic}
    judged = {item: verdicts.states(run, item, found) for item in run.floors if (found := limits[item]) is not None}
    history = verdicts.together([judged[item] for item in _judging(column, config)])
    current = bool(run.days) and run.days[-1] > last - timedelta(days=asked.window_days)
    readings = _readings(run, judged, limits, column, _judging(column, config)) if current else ()
    state, sentence = _verdict(readings)
    place = verdicts.running_since(history) if current else None
    points = _points(run, asked.statistic, judged)
    closely = _points(run, Statistic.PSI, {Statistic.PSI: verdicts.states(run, Statistic.PSI, config.red_limits)})
    ks = next((item.value for item in readings if item.statistic is Statistic.KS), None)
    return FeatureDrift(
        feature=column.feature,
        title=config.score_title if column.feature == SCORE else config.title(column.column),
        kind=kind_of(column),
        state=state,
        latest=points[-1] if points and current and points[-1].day == run.days[-1] else None,
        series=points,
        sentence=sentence,
        ks=ks,
        missing_reference=windows.missing_share(column, column.counts),
        missing_current=windows.missing_share(column, run.windows.counts[-1]) if current else None,
        unseen_current=_last(run.values, Statistic.UNSEEN) if current and not column.numeric else None,
        readings=readings,
        history=tuple(zip(run.days, history, strict=True)),
        n=int(run.n[-1]) if current else 0,
        sustained=current and verdicts.sustained(history),
        since=run.days[place] if place is not None else None,
        before=level_of(column, run.before.counts[-1], run.before.sums[-1], run.windows.counts[-1])
        if current
        else None,
        now=level_of(column, run.windows.counts[-1], run.windows.sums[-1], run.before.counts[-1]) if current else None,
        missing_series=_shares(run, Statistic.MISSING),
        unseen_series=_shares(run, Statistic.UNSEEN),
        alert_rate=_alert_rate(column, run, judged.get(Statistic.ALERTS, ())) if current else None,
        closely=closely,
        together=None if column.numeric else windows.unlisted_share(column),
    )


def _alert_rate(column: FeatureReference, run: Course, states: tuple[Health, ...]) -> AlertRate | None:
    """How often the model says yes, before and now; None for what is no score with an exact threshold."""
    now, before = alert_rates(column, run.windows), alert_rates(column, run.before)
    if now is None or before is None or column.threshold is None:
        return None
    known = [place for place in range(len(run)) if not np.isnan(now[place])]
    present = slice(0, column.cells - column.missing_cells)
    n, m = (int(side.counts[-1, present].sum()) for side in (run.windows, run.before))
    floor = _last(run.floors, Statistic.ALERTS)
    return AlertRate(
        threshold=column.threshold,
        now=None if np.isnan(now[-1]) else share_of(round(float(now[-1]) * n), n),
        before=None if np.isnan(before[-1]) else float(before[-1]),
        n=n,
        m=m,
        floor=None if floor is None or np.isnan(before[-1]) else floor * max(float(before[-1]), 0.5 / max(1, m)),
        state=states[-1],
        series=tuple((run.days[place], float(now[place]), float(before[place])) for place in known),
    )


def kind_of(column: FeatureReference) -> str:
    if column.feature == SCORE:
        return "prediction"
    return "numeric" if column.numeric else "categorical"


def _points(
    run: Course, statistic: Statistic, judged: Mapping[Statistic, tuple[Health, ...]]
) -> tuple[DriftPoint, ...]:
    if statistic not in run.floors:
        return ()
    states, errors = judged[statistic], run.error
    return tuple(
        DriftPoint(
            day=run.days[place],
            value=float(value),
            n=int(run.n[place]),
            floor=float(run.floors[statistic][place]),
            state=states[place],
            error=float(errors[place]) if statistic is Statistic.KS and errors is not None else 0.0,
        )
        for place, value in enumerate(run.values[statistic])
        if not np.isnan(value)
    )


def _readings(
    run: Course,
    judged: Mapping[Statistic, tuple[Health, ...]],
    limits: Mapping[Statistic, Limits | None],
    column: FeatureReference,
    judging: Sequence[Statistic],
) -> tuple[Reading, ...]:
    """The last window by every statistic that applies to the column."""
    found = []
    for item in statistics_for(column):
        value, bound = _last(run.values, item), limits[item]
        if bound is None:
            freedom = int(run.bins[-1]) - 1
            p = None if value is None else floors.chi_square_tail(value, freedom)
            words = f"With {freedom} degrees of freedom; informs, and does not judge."
            found.append(
                Reading(statistic=item, value=value, floor=None, state=None, sentence=words, p=p, judges=False)
            )
            continue
        state = judged[item][-1]
        p = (
            floors.ks_tail(value, int(run.n[-1]), int(run.m[-1]))
            if item is Statistic.KS and value is not None
            else None
        )
        found.append(
            Reading(
                statistic=item, value=value, floor=_last(run.floors, item), state=state, p=p, limits=bound,
                judges=item in judging,
                sentence=verdicts.sentence(run, len(run) - 1, item, bound, state),
            )
        )  # fmt: skip
    return tuple(found)


def _verdict(readings: Sequence[Reading]) -> tuple[Health, str]:
    judging = [item for item in readings if item.judges]
    if not judging:
        return Health.UNKNOWN, "No predictions were recorded in this window."
    state = Health.worst([item.state or Health.UNKNOWN for item in judging])
    first = next(item for item in judging if item.state is state)
    return state, first.sentence


def _last(values: Mapping[Statistic, np.ndarray], statistic: Statistic) -> float | None:
    found = values.get(statistic)
    return None if found is None or not len(found) or np.isnan(found[-1]) else float(found[-1])


def _shares(run: Course, statistic: Statistic) -> tuple[tuple[date, float], ...]:
    """The share itself, day by day; for missing values the movement alone would hide which way it went."""
    if statistic not in run.values:
        return ()
    if statistic is Statistic.UNSEEN:
        return tuple((day, float(v)) for day, v in zip(run.days, run.values[statistic], strict=True) if not np.isnan(v))
    lost = run.missing
    return tuple((day, float(v)) for day, v in zip(run.days, lost, strict=True) if not np.isnan(v))


def level_of(column: FeatureReference, counts: Counts, sums: Sums, other: Counts) -> Level | None:
    """The mean, or the share of the value that moved most against `other`; None for an empty window."""
    if not counts.sum():
        return None
    if column.numeric:
        mean = windows.mean_of(column, counts, sums)
        lost, elsewhere = windows.missing_share(column, counts), windows.missing_share(column, other)
        gone = f"missing {(lost or 0.0) * 100:.1f} %" if abs((lost or 0.0) - (elsewhere or 0.0)) >= _TELLING else ""
        middle = "" if mean is None else f"mean {mean:.4g}"
        return Level(words=", ".join(part for part in (middle, gone) if part) or "all missing", mean=mean)
    bins = windows.bins_of(column)
    here, there = bins.fill(counts), bins.fill(other)
    share = here / here.sum()
    place = int(np.argmax(np.abs(share - there / max(1, there.sum()))))
    return Level(words=f"{bins.names[place]} {share[place] * 100:.1f} %")


def signal(
    found: Sequence[FeatureDrift], reference: Reference | None, last: date | None, asked: Question, today: date
) -> Signal:
    """The model in one state. Red needs one column that is red in two of the last three windows."""
    as_of = datetime.combine(last, time(), UTC) if last else None
    unit = DEFINITIONS[Statistic.PSI].short
    if reference is None or last is None or not found:
        missing = "no reference window is recorded" if reference is None else "no predictions are recorded"
        return Signal(
            state=Health.UNKNOWN, value=None, unit=unit, sentence=f"Drift is unknown: {missing}.", as_of=as_of
        )
    age = (today - last).days
    if age > asked.window_days:
        words = f"Drift is unknown: the last prediction was recorded on {last:%d %b %Y}, {age} days ago."
        return Signal(state=Health.UNKNOWN, value=None, unit=unit, sentence=words, as_of=as_of)
    worst = next((item for item in found if item.sustained), found[0])
    count = sum(1 for item in found if item.state in {Health.BREACH, Health.WATCH})
    compared = sum(item.is_compared for item in found)
    summary = f"{count} of {compared} distributions moved" if count else "No distribution moved"
    if silent := len(found) - compared:
        summary += f", {silent} cannot be compared"
    state, note = worst.state, ""
    if state is Health.BREACH and not worst.sustained:
        state, note = Health.WATCH, " Seen in one window so far; a second one of three makes it red."
    return Signal(
        state=state,
        value=next((reading.value for reading in worst.readings if reading.statistic is Statistic.PSI), None),
        unit=unit,
        sentence=f"{summary}; first in the list: {worst.title}. {worst.sentence}{note}",
        n=worst.n if worst.is_compared else max(item.n for item in found),
        as_of=as_of,
    )


def view(
    config: MonitoringConfig,
    reference: Reference | None,
    last: date | None,
    found: tuple[FeatureDrift, ...],
    asked: Question,
    *,
    today: date,
    red: Signal | None,
    red_windows: tuple[RedWindow, ...] = (),
    red_rule: str = "",
) -> DriftView:
    limits = config.limits_of(asked.statistic)
    said = signal(found, reference, last, asked, today)
    if red is not None and said.n is None:
        # Old figures are no verdict about now, in either direction.
        words = f"Code red cannot be excluded: {said.sentence[:1].lower()}{said.sentence[1:]}"
        red = replace(red, state=Health.UNKNOWN, sentence=words)
    return DriftView(
        model=config.model,
        window_days=asked.window_days,
        watch=config.watch,
        breach=config.breach,
        features=found,
        signal=_folded(said, red),
        reference=reference_words(config, reference),
        explanation=explanation(config, reference, last, found, asked=asked, limits=limits),
        statistic=asked.statistic,
        versus=asked.versus,
        slice_key=asked.slice_key,
        version=asked.version,
        limits=limits,
        code_red=red,
        red_windows=red_windows,
        red_limits=config.red_limits,
        red_rule=red_rule,
        last_day=last,
        is_named=bool(config.features),
    )


def _folded(said: Signal, red: Signal | None) -> Signal:
    """The state of a model with its code red in it: a mix may be red although no column is."""
    if red is None or said.n is None or Health.worst([said.state, red.state]) is said.state:
        return said
    return replace(said, state=red.state, sentence=f"{red.sentence} {said.sentence}")


def _part(asked: Question) -> str:
    if asked.version:
        return f" of version {asked.version} alone"
    return f" with {asked.slice_key}" if asked.slice_key else ""


def reference_words(config: MonitoringConfig, reference: Reference | None) -> str:
    if reference is None:
        return "No reference window is recorded."
    return config.reference or f"Reference window of the live version, {reference.rows:,} predictions"


def explanation(
    config: MonitoringConfig,
    reference: Reference | None,
    last: date | None,
    found: Sequence[FeatureDrift],
    *,
    asked: Question,
    limits: Limits | None,
) -> Explanation:
    latest = next((item.latest for item in found if item.latest), None)
    definition = DEFINITIONS[asked.statistic]
    against = (
        reference_words(config, reference)
        if asked.versus is Versus.REFERENCE
        else f"the {asked.window_days} days before"
    )
    bounds = (
        f"Watch from {verdicts.written(limits.watch, definition.share)}, breach from "
        f"{verdicts.written(limits.breach, definition.share)} ({definition.source}). "
        if limits
        else f"{definition.source}. "
    )
    return Explanation(
        formula=f"{definition.short}: {definition.formula}",
        source=f"Recorded live predictions{_part(asked)}, against {against}",
        window=f"{asked.window_days} days, ending on the last recorded day",
        as_of=datetime.combine(last, time(), UTC) if last else None,
        n=latest.n if latest else None,
        note=bounds + "A verdict also needs to exceed what noise alone reaches: all columns and judging statistics "
        f"of one window together show a false verdict in at most {floors.FAMILY_LEVEL:.0%} of windows, for independent "
        "rows (Sidak 1967; Yurdakul and Naranjo 2020 for PSI). A column is judged by "
        f"{plainly(config.judging)}, each where it applies; the model turns red when a column is red in "
        f"{verdicts.ALERT_WINDOWS} of the last {verdicts.ALERT_OF} windows, and at code red. A moved distribution is "
        "not yet a worse model: see performance.",
    )
