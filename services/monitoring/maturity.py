"""How long labels take: the share of predictions that have a label by age, and the age from which that is enough.

The curve is the product-limit estimate after Kaplan and Meier (1958): a day of predictions that is only a few days
old says something about those days of age and nothing about later ones, and is not a day whose labels never came.

    h(a) = labels at age a / predictions observed through age a and without a label before it
    usual share by age a = 1 - product over ages up to a of (1 - h)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import ceil

import numpy as np

from services.monitoring.cubes import Cube

ENOUGH = 0.95
"""A cohort is mature at the age by which this part of all the labels that ever come is usually there."""
LONGEST = 180
_AT_RISK = 50
"""With fewer predictions observed through an age, the curve ends before it."""
_SETTLED, _BEYOND = 0.8, 2
"""Labels may still come later than anything seen: the age of maturity must lie well inside what was observed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaturityPoint:
    """Usual share of predictions with a label by this age; `observed` predictions were old enough to tell."""

    age: int
    share: float
    observed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Maturity:
    """`age` is the days after which a cohort is judged, or None while nobody can know; `learned` or stated."""

    points: tuple[MaturityPoint, ...]
    age: int | None
    learned: bool
    sentence: str

    def usual(self, age: int) -> float | None:
        """Usual share by this age; beyond the curve its last value; None without a curve or before age 0."""
        if age < 0 or not self.points:
            return None
        return self.points[min(age, len(self.points) - 1)].share


def learned(cube: Cube, predicted: Mapping[date, int], *, at: date, stated_hours: float | None) -> Maturity:
    """From every day of prediction before `at`, as known then. `stated_hours` is the delay its owner expects."""
    points = _curve(cube, {day.toordinal(): n for day, n in predicted.items() if day < at}, at.toordinal())
    age = _mature_age(points)
    if age is not None:
        return Maturity(
            points=points,
            age=age,
            learned=True,
            sentence=f"Learned from {points[age].observed:,} predictions: {points[age].share:.0%} have a label "
            f"{_days(age)} after the prediction, and few come later.",
        )
    if stated_hours is not None:
        age = ceil(stated_hours / 24)
        return Maturity(
            points=points,
            age=age,
            learned=False,
            sentence=f"Too few old predictions to learn from. Stated by the owner: labels take {stated_hours:g} hours.",
        )
    return Maturity(
        points=points,
        age=None,
        learned=False,
        sentence="Unknown: no predictions are old enough to see when labels stop coming, and nobody stated a delay.",
    )


def _curve(cube: Cube, predicted: Mapping[int, int], at: int) -> tuple[MaturityPoint, ...]:
    if not predicted:
        return ()
    oldest = min(LONGEST, at - 1 - min(predicted))
    came = np.zeros((len(predicted), oldest + 1))
    place = {day: row for row, day in enumerate(sorted(predicted))}
    for day, age, labels in zip(*cube.arrivals_by_age(at=date.fromordinal(at)), strict=True):
        if int(day) in place and age <= oldest:
            came[place[int(day)], int(age)] += labels
    sizes = np.array([predicted[day] for day in place], dtype=np.float64)
    seen = np.array([at - 1 - day for day in place])
    open_before = sizes[:, None] - np.cumsum(came, axis=1) + came
    points: list[MaturityPoint] = []
    missing = 1.0
    for age in range(oldest + 1):
        told = seen >= age
        observed, risk = int(sizes[told].sum()), float(np.maximum(open_before[told, age], 0).sum())
        if observed < _AT_RISK:
            break
        missing *= 1 - min(1.0, max(0.0, float(came[told, age].sum()) / risk)) if risk > 0 else 1.0
        points.append(MaturityPoint(age=age, share=1 - missing, observed=observed))
    return tuple(points)


def _mature_age(points: tuple[MaturityPoint, ...]) -> int | None:
    if not points or points[-1].share <= 0:
        return None
    age = next(point.age for point in points if point.share >= ENOUGH * points[-1].share)
    return age if age <= _SETTLED * points[-1].age and age + _BEYOND <= points[-1].age else None


def _days(age: int) -> str:
    return "on the day" if age == 0 else "one day" if age == 1 else f"{age} days"
