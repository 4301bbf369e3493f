"""From a value, its floor and its limits to a state in words. Too few is grey: never green, and never red.

A verdict needs both the limit and the noise floor to be exceeded. A model's signal turns red only when the same column
is red in two of the last three windows: one bad file is a remark, not an alarm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.kernel.health import Health
from services.monitoring import floors
from services.monitoring.courses import Course
from services.monitoring.definitions import DEFINITIONS, Limits, Statistic

ALERT_WINDOWS, ALERT_OF = 2, 3


def enough(course: Course) -> np.ndarray:
    """Whether both sides have five expected observations per bin, where the floors were shown to hold, and the window
    has what its monitor asks for.
    """
    held = np.minimum(course.n, course.m) >= floors.MINIMUM_EXPECTED * course.bins
    return np.asarray(held & (course.n >= course.least))


def states(course: Course, statistic: Statistic, limits: Limits) -> tuple[Health, ...]:
    """One state per window by one statistic."""
    value, floor = course.values[statistic], course.floors[statistic]
    judged = enough(course) & ~np.isnan(value)
    beyond = judged & (value > floor)
    quiet = judged & (value < limits.watch) & (floor < limits.watch)
    return tuple(
        Health.BREACH
        if is_beyond and found >= limits.breach
        else Health.WATCH
        if is_beyond and found >= limits.watch
        else Health.HEALTHY
        if is_quiet
        else Health.UNKNOWN
        for found, is_beyond, is_quiet in zip(value, beyond, quiet, strict=True)
    )


def together(by_statistic: Sequence[tuple[Health, ...]]) -> tuple[Health, ...]:
    """The worst state of each window."""
    return tuple(Health.worst(list(found)) for found in zip(*by_statistic, strict=True))


def sustained(history: Sequence[Health], state: Health = Health.BREACH) -> bool:
    """Whether the state holds now and in two of the last three windows."""
    last = list(history[-ALERT_OF:])
    return bool(last) and last[-1] is state and last.count(state) >= ALERT_WINDOWS


def running_since(history: Sequence[Health]) -> int | None:
    """Place of the first window of the present run of moved windows; None when the last one has not moved."""
    place = None
    for index in range(len(history) - 1, -1, -1):
        if history[index] not in {Health.WATCH, Health.BREACH}:
            break
        place = index
    return place


def sentence(course: Course, place: int, statistic: Statistic, limits: Limits, state: Health) -> str:
    """One window and statistic in words."""
    reason = _not_judged(course, place, statistic)
    if reason:
        return reason
    definition = DEFINITIONS[statistic]
    value, floor = float(course.values[statistic][place]), float(course.floors[statistic][place])
    figures = f"{definition.short} {written(value, definition.share)} over {int(course.n[place]):,} predictions "
    figures += f"(noise floor {written(floor, definition.share)})"
    watch = written(limits.watch, definition.share)
    if state is Health.UNKNOWN and value >= limits.watch:
        return f"Too few to tell drift from noise: {figures}."
    return {
        Health.BREACH: f"{figures} is at or over the limit {written(limits.breach, definition.share)}.",
        Health.WATCH: f"{figures} is at or over the warning level {watch}.",
        Health.HEALTHY: f"{figures} stays under the warning level {watch}.",
        Health.UNKNOWN: f"Too few to exclude drift: {figures}; noise alone can reach the limit {watch}.",
    }[state]


def _not_judged(course: Course, place: int, statistic: Statistic) -> str:
    """Why there is nothing to judge; empty when there is."""
    n, m, bins = int(course.n[place]), int(course.m[place]), int(course.bins[place])
    needed = floors.MINIMUM_EXPECTED * bins
    if not n:
        return "No predictions were recorded in this window."
    if not m:
        return f"There is nothing to compare these {n:,} predictions with."
    if np.isnan(course.values[statistic][place]):
        return f"{DEFINITIONS[statistic].short} is undefined: the compared values have no spread."
    if min(n, m) < needed:
        fewer, where = (n, "") if n <= m else (m, " to compare with")
        return f"Too few: {fewer:,} predictions{where} in {bins} bins; at least {needed:,} are needed."
    if n < course.least:
        return f"Too few: {n:,} predictions; the monitor asks for at least {course.least:,}."
    return ""


def written(value: float, share: bool) -> str:  # noqa: FBT001 - the unit of the value beside it
    return f"{value * 100:.1f} %" if share else f"{value:.3g}"
