"""Without drift nothing is found: false verdicts stay under one in a hundred windows, at 200 rows and at 100,000."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from services.kernel.health import Health
from services.monitoring import floors, verdicts
from services.monitoring.courses import Course, course
from services.monitoring.definitions import DEFINITIONS, JUDGING, Statistic
from services.monitoring.profile import DayProfile, FeatureReference

DAY = date(2031, 3, 31)
WINDOWS = 1500
COLUMNS = 20
LEVEL = floors.level_of_each(COLUMNS * 2)
MOVED = {Health.WATCH, Health.BREACH}


def _reference(shares: np.ndarray, edges: np.ndarray, m: int, random: np.random.Generator) -> FeatureReference:
    counts = np.array([*random.multinomial(m, shares), 0, 0])
    return FeatureReference(
        feature="x", column="x", numeric=True, edges=tuple(edges), deciles=tuple(edges[7::8]), values=(),
        counts=counts, sums=counts * _middles(edges), spread=1.0,
    )  # fmt: skip


def _middles(edges: np.ndarray) -> np.ndarray:
    return np.array([edges[0], *(edges[:-1] + edges[1:]) / 2, edges[-1], 0.0, 0.0])


def _no_drift(n: int, m: int, seed: int) -> Course:
    """Windows drawn from the distribution the reference was drawn from: every verdict about them is false."""
    random = np.random.default_rng(seed)
    edges = stats.norm.ppf(np.arange(1, 80) / 80)
    shares = np.diff([0.0, *stats.norm.cdf(edges), 1.0])
    # Days further apart than a window, so that each is a window of its own.
    days = [DAY + timedelta(days=8 * number) for number in range(WINDOWS)]
    drawn = random.multinomial(n, shares, size=WINDOWS)
    profiles = [
        DayProfile(
            day=day, feature="x", counts=np.array([*counts, 0, 0]), sums=np.array([*counts, 0, 0]) * _middles(edges)
        )
        for day, counts in zip(days, drawn, strict=True)
    ]
    return course(_reference(shares, edges, m, random), profiles, days=7, since=DAY, level=LEVEL)


@pytest.mark.parametrize("n", [200, 1000, 10_000, 100_000])
@pytest.mark.parametrize("m", [2000, 100_000])
def test_no_drift_is_never_called_drift_more_than_once_in_a_hundred_windows(n: int, m: int) -> None:
    run = _no_drift(n, m, seed=n + m)

    for statistic in run.floors:
        limits = DEFINITIONS[statistic].limits
        assert limits is not None
        false = sum(state in MOVED for state in verdicts.states(run, statistic, limits))
        assert false <= 0.01 * WINDOWS, statistic


@pytest.mark.parametrize("n", [200, 1000, 10_000, 100_000])
def test_the_floor_alone_keeps_a_whole_model_under_one_false_window_in_a_hundred(n: int) -> None:
    """Without any limit: a column may then be exceeded in one of 4,000 windows; a few of 1,500 would be too many."""
    run = _no_drift(n, 20_000, seed=n)

    for statistic, floor in run.floors.items():
        assert np.sum(run.values[statistic] > floor) <= 3, statistic


@pytest.mark.parametrize("n", [200, 10_000])
def test_the_floors_are_not_so_high_that_they_say_nothing(n: int) -> None:
    """At level one in a hundred, the largest of 1,500 windows without drift does exceed the floor."""
    run = _no_drift(n, 20_000, seed=n)
    size, base = run.n.astype(float), run.m.astype(float)

    assert run.values[Statistic.PSI].max() > floors.psi(run.bins, size, base, 0.01)[0]
    assert run.values[Statistic.KS].max() > floors.ks(size, base, 0.01)[0] * 0.95
    assert run.values[Statistic.WASSERSTEIN].max() > run.floors[Statistic.WASSERSTEIN][0] * 0.7


def test_a_window_that_is_too_small_is_unknown_and_not_healthy() -> None:
    run = _no_drift(40, 20_000, seed=1)
    limits = DEFINITIONS[Statistic.PSI].limits

    assert limits is not None
    assert set(verdicts.states(run, Statistic.PSI, limits)) == {Health.UNKNOWN}


def test_many_columns_share_one_level() -> None:
    each = floors.level_of_each(50 * len(JUDGING))

    assert 1 - (1 - each) ** (50 * len(JUDGING)) == pytest.approx(floors.FAMILY_LEVEL)
    assert floors.level_of_each(0) == pytest.approx(floors.FAMILY_LEVEL)


@pytest.mark.parametrize(("statistic", "freedom"), [(0.5, 1), (3.0, 4), (30.0, 9), (700.0, 400), (1e-9, 3)])
def test_the_chi_squared_tail_is_that_of_scipy(statistic: float, freedom: int) -> None:
    assert floors.chi_square_tail(statistic, freedom) == pytest.approx(stats.chi2.sf(statistic, freedom), rel=1e-9)


@pytest.mark.parametrize("gap", [0.005, 0.03, 0.06, 0.2])
def test_the_tail_of_the_gap_is_near_that_of_scipy(gap: float) -> None:
    exact = stats.kstwo.sf(gap, round(1000 * 5000 / 6000))

    assert floors.ks_tail(gap, 1000, 5000) == pytest.approx(exact, abs=0.005)
