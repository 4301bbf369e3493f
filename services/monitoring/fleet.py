"""All models against time: one stored verdict per model and window, made by the worker when figures changed. Pure.

A model is judged as on its own screen: red where a column is red in two of three windows, amber where one moved or is
red for the first time, grey where one cannot be judged and none moved; code red and its amber count beside the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from services.kernel.health import Health
from services.monitoring import verdicts
from services.monitoring.models import FeatureDrift, RedWindow

_ORDER = (Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftVerdict:
    """One model over the window that ends on `day`. `title` names the first column of the gravest state."""

    model: str
    day: date
    state: Health
    moved: int
    judged: int
    n: int
    feature: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRow:
    """A model with its verdicts by day; without any it was never judged, which is unknown and not healthy."""

    model: str
    verdicts: tuple[DriftVerdict, ...]
    judged_at: datetime | None
    window_days: int | None
    is_current: bool
    """False where figures changed after the verdicts were made; the next round of the worker judges again."""

    @property
    def newest(self) -> DriftVerdict | None:
        return self.verdicts[-1] if self.verdicts else None

    def state(self, today: date) -> Health:
        """As of the newest verdict, unless that is older than its window."""
        newest = self.newest
        if newest is None or (today - newest.day).days > (self.window_days or 0):
            return Health.UNKNOWN
        return newest.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """When the verdicts of a model were made, and from which state of its figures."""

    head: int
    window_days: int
    at: datetime


def verdicts_of(model: str, found: Sequence[FeatureDrift], red: Sequence[RedWindow] = ()) -> tuple[DriftVerdict, ...]:
    """Of every window of the course, oldest first; code red counts where it is graver than every column."""
    reds = {window.day: window for window in red}
    days = sorted({day for item in found for day, _ in item.history})
    rows = {day: list[tuple[int, FeatureDrift, Health, bool, int]]() for day in days}
    for place, item in enumerate(found):
        sizes = {point.day: point.n for point in item.series}
        states = [state for _, state in item.history]
        for at, (day, state) in enumerate(item.history):
            lasting = verdicts.sustained(states[max(0, at + 1 - verdicts.ALERT_OF) : at + 1])
            rows[day].append((place, item, state, lasting, sizes.get(day, 0)))
    return tuple(_with_red(_verdict(model, day, seen), reds.get(day)) for day, seen in rows.items())


def _with_red(verdict: DriftVerdict, red: RedWindow | None) -> DriftVerdict:
    if red is None or Health.worst([verdict.state, red.state]) is verdict.state:
        return verdict
    return replace(verdict, state=red.state, feature=red.feature, title=red.titles[0])


def _verdict(model: str, day: date, seen: Sequence[tuple[int, FeatureDrift, Health, bool, int]]) -> DriftVerdict:
    _, first, state, _, _ = min(seen, key=lambda item: (not item[3], _ORDER.index(item[2]), item[0]))
    if state is Health.BREACH and not any(lasting for *_, lasting, _ in seen):
        state = Health.WATCH
    named = state is not Health.HEALTHY
    return DriftVerdict(
        model=model,
        day=day,
        state=state,
        moved=sum(item[2] in {Health.WATCH, Health.BREACH} for item in seen),
        judged=sum(item[1].is_compared for item in seen),
        n=max(size for *_, size in seen),
        feature=first.feature if named else "",
        title=first.title if named else "",
    )
