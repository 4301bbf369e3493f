"""Distances agree with scipy and plain NumPy on raw rows, and the noise floor keeps its promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import jensenshannon

from services.kernel.interval import share_of
from services.monitoring import floors, statistics

COUNTS = arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 10_000))


def test_psi_is_the_textbook_sum_when_no_bin_is_empty() -> None:
    before, after = np.array([10, 30, 60]), np.array([20, 30, 50])
    p, q = before / 100, after / 100

    assert statistics.psi(before, after) == pytest.approx(float(np.sum((q - p) * np.log(q / p))), abs=1e-12)


def test_an_empty_bin_counts_as_half_an_observation_and_weighs_more_in_a_bigger_sample() -> None:
    small = statistics.psi(np.array([50, 50]), np.array([100, 0]))
    big = statistics.psi(np.array([50, 50]), np.array([10_000, 0]))

    assert small is not None
    assert big is not None
    assert np.isfinite(small)
    assert big > small


def test_nothing_on_one_side_is_no_answer() -> None:
    empty, full = np.array([0, 0]), np.array([1, 2])

    assert statistics.psi(full, empty) is None
    assert statistics.psi(empty, full) is None
    assert statistics.ks(full, empty) is None
    assert statistics.jensen_shannon(empty, full) is None


@given(COUNTS, st.data())
def test_psi_is_never_negative_symmetric_and_zero_for_equal_counts(before: np.ndarray, data: st.DataObject) -> None:
    after = data.draw(arrays(np.int64, len(before), elements=st.integers(0, 10_000)))
    there, back = statistics.psi(before, after), statistics.psi(after, before)

    if there is None or back is None:
        assert not before.sum() or not after.sum()
        return
    assert np.isfinite(there)
    assert there == pytest.approx(back, rel=1e-9, abs=1e-12)
    assert statistics.psi(before, before) == 0
    if (before > 0).all() and (after > 0).all():
        assert there >= -1e-12


@given(COUNTS, st.data())
def test_jensen_shannon_is_the_distance_of_scipy_in_base_two(before: np.ndarray, data: st.DataObject) -> None:
    after = data.draw(arrays(np.int64, len(before), elements=st.integers(0, 10_000)))
    ours = statistics.jensen_shannon(before, after)

    if ours is not None:
        assert ours == pytest.approx(float(jensenshannon(before, after, base=2)), abs=1e-7)


@pytest.mark.parametrize("freedom", [1, 2, 5, 9, 20, 100])
def test_the_chi_square_quantile_is_within_one_percent_of_scipy(freedom: int) -> None:
    assert floors.chi_square_quantiles(np.array(freedom), 0.01) == pytest.approx(
        stats.chi2.ppf(0.99, freedom), rel=0.01
    )


@pytest.mark.parametrize("n", [50, 100, 200, 1000, 20_000])
def test_without_drift_psi_exceeds_its_floor_about_once_in_a_hundred_windows(n: int) -> None:
    random = np.random.default_rng(11)
    m, share = 5000, np.full(10, 0.1)
    before = random.multinomial(m, share, size=4000)
    after = random.multinomial(n, share, size=4000)
    values = np.array([statistics.psi(one, other) for one, other in zip(before, after, strict=True)])

    assert np.mean(values > statistics.psi_floor(10, n, m)) <= 0.014
    assert values.mean() == pytest.approx(statistics.psi_mean(10, n, m), rel=0.1 if n >= 1000 else 0.25)


def test_area_from_score_bins_is_the_rank_statistic_on_raw_rows() -> None:
    random = np.random.default_rng(3)
    scores = random.random(5000)
    labels = random.random(5000) < scores
    bins = np.floor(scores * 1000).astype(int)
    found = statistics.auc(np.bincount(bins[labels], minlength=1000), np.bincount(bins[~labels], minlength=1000))
    statistic = stats.mannwhitneyu(scores[labels], scores[~labels]).statistic

    assert found is not None
    assert found.value == pytest.approx(statistic / labels.sum() / (~labels).sum(), abs=1e-4)
    assert found.low < found.value < found.high


def test_area_needs_labels_of_both_kinds() -> None:
    assert statistics.auc(np.array([0, 3]), np.array([0, 0])) is None
    assert statistics.auc(np.array([0, 0]), np.array([5, 0])) is None


def test_mean_absolute_error_has_the_interval_of_its_spread() -> None:
    errors = np.abs(np.random.default_rng(5).normal(0, 2, 400))
    found = statistics.mean_absolute_error(400, float(errors.sum()), float((errors**2).sum()))

    assert found is not None
    assert found.value == pytest.approx(errors.mean())
    assert found.high - found.value == pytest.approx(1.96 * errors.std(ddof=1) / 20, rel=1e-3)
    assert statistics.mean_absolute_error(1, 2.0, 4.0) is None


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_share_lies_inside_its_interval_and_the_interval_inside_zero_and_one(hits: int, rest: int) -> None:
    found = share_of(hits, hits + rest)

    if found is None:
        assert hits + rest == 0
        return
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
