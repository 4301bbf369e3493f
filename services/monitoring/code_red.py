"""Code red: something that is watched most closely stays far from the reference in windows that share no day. Pure.

    watched   the columns that the monitor names, else the five that moved most; and the mix of every slice or category
    amber     at the lower level in the newest window, or at the upper one for the first time
    red       at the upper level in as many windows in a row as the monitor asks for, each ending where the next begins

Both levels are of the population stability index (0.10 and 0.25, two windows, unless the monitor says otherwise).
Windows that end on neighbouring days share most of their rows, so two of those would be one window told twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from services.kernel.health import Health, Signal
from services.monitoring.mix import MixShift
from services.monitoring.models import DriftPoint, FeatureDrift, MonitoringConfig, RedWindow
from services.monitoring.profile import SCORE

TOP = 5
"""Columns that are watched where the monitor names none."""
_MOVED = frozenset({Health.WATCH, Health.BREACH})


@dataclass(frozen=True, slots=True)
class _Watched:
    title: str
    feature: str
    """Empty for a mix."""
    points: dict[date, DriftPoint]
    """By end of the window, judged by the levels of the rule."""


def code_red(
    config: MonitoringConfig,
    features: Sequence[FeatureDrift],
    mixes: Sequence[MixShift],
    last: date | None,
    *,
    window_days: int,
) -> Signal | None:
    """As of the window that ends on `last`, the last recorded day; None when nothing is watched that closely.

    What was not recorded up to that day cannot be judged, whatever its old windows say.
    """
    everything = _everything(features, mixes)
    watched = _on(everything, last, config) if last is not None else []
    if last is None or not watched:
        return None
    found = _window(watched, last, config, window_days)
    return Signal(
        state=found.state,
        value=None,
        unit="",
        sentence=_sentence(found, len(watched), config),
        as_of=datetime.combine(last, time(), UTC),
    )


def course(
    config: MonitoringConfig, features: Sequence[FeatureDrift], mixes: Sequence[MixShift], *, window_days: int
) -> tuple[RedWindow, ...]:
    """Every window of the course, oldest first, as it would have been judged on its last day."""
    everything = _everything(features, mixes)
    days = sorted({day for item in everything for day in item.points})
    return tuple(_window(_on(everything, day, config), day, config, window_days) for day in days)


def watches(config: MonitoringConfig) -> str:
    """What is watched and from which levels on, in a sentence."""
    amber, red = config.code_red_limits
    columns = (
        f"one of {_listed([config.title(column) for column in config.code_red_columns])}"
        if config.code_red_columns
        else f"one of the {TOP} columns that moved most (the monitor names none)"
    )
    return (
        f"Code red: PSI {red:g} or more in a mix, or in {columns}, in {config.code_red_windows} windows in a row that "
        f"share no day. Amber from {amber:g}."
    )


def _everything(features: Sequence[FeatureDrift], mixes: Sequence[MixShift]) -> list[_Watched]:
    columns = [
        _Watched(item.title, item.feature, {point.day: point for point in item.closely})
        for item in features
        if item.feature != SCORE
    ]
    return columns + [
        _Watched(f"the mix of {mix.title.lower()}", "", {point.day: point for point in mix.series}) for mix in mixes
    ]


def _on(everything: Sequence[_Watched], day: date, config: MonitoringConfig) -> list[_Watched]:
    """What is watched in the window that ends on this day."""
    named = config.code_red_columns
    columns = [item for item in everything if item.feature and (not named or item.feature in named)]
    if not named:
        columns = sorted(columns, key=lambda item: -item.points[day].value if day in item.points else 0.0)[:TOP]
    return columns + [item for item in everything if not item.feature]


def _window(watched: Sequence[_Watched], day: date, config: MonitoringConfig, window_days: int) -> RedWindow:
    red, moved, silent = list[_Watched](), list[_Watched](), list[_Watched]()
    for item in watched:
        states = _states(item, day, config.code_red_windows, window_days)
        if all(state is Health.BREACH for state in states):
            red.append(item)
        elif states[0] in _MOVED:
            moved.append(item)
        elif states[0] is Health.UNKNOWN:
            silent.append(item)
    for state, found in ((Health.BREACH, red), (Health.WATCH, moved), (Health.UNKNOWN, silent)):
        if found:
            return RedWindow(day=day, state=state, titles=tuple(item.title for item in found), feature=found[0].feature)
    return RedWindow(day=day, state=Health.HEALTHY)


def _states(item: _Watched, day: date, windows: int, window_days: int) -> list[Health]:
    """The window that ends on `day` and those before it, each ending where the next begins.

    Where nothing was recorded on the very day, the newest end of a window stands for it that shares no day with the
    later one.
    """
    point = item.points.get(day)
    found = [point.state if point else Health.UNKNOWN]
    for place in range(1, windows):
        latest = day - timedelta(days=place * window_days)
        ends = (latest - timedelta(days=back) for back in range(window_days))
        earlier = next((item.points[end] for end in ends if end in item.points), None)
        found.append(earlier.state if earlier else Health.UNKNOWN)
    return found


def _sentence(found: RedWindow, watched: int, config: MonitoringConfig) -> str:
    (amber, red), windows = config.code_red_limits, config.code_red_windows
    titles = _listed(found.titles)
    if found.state is Health.BREACH:
        return f"Code red: {titles} at PSI {red:g} or more in {windows} windows in a row that share no day."
    if found.state is Health.WATCH:
        return f"Amber: {titles} at PSI {amber:g} or more. Red from {red:g} in {windows} windows in a row."
    if found.state is Health.UNKNOWN:
        return f"Code red cannot be excluded: {titles} cannot be judged in this window."
    return f"No code red: {watched} watched distributions stay under PSI {amber:g}."


def _listed(titles: Sequence[str]) -> str:
    """`A, B, C and 2 more`; empty for none."""
    shown = [*titles[:3], f"{len(titles) - 3} more"] if len(titles) > 3 else list(titles)
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
