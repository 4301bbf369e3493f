"""Every number beside an independent implementation, on rows made by Hypothesis: ties, rare classes, one score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats
from sklearn import metrics

from services.evaluation.measures import calibration, curves
from services.evaluation.measures.classification import (
    intervals_classification,
    measure_classification,
    paired_classification,
)
from services.evaluation.measures.models import Floats, wilson
from services.evaluation.measures.regression import intervals_regression, measure_regression, paired_regression
from services.kernel.errors import InputError
from tests.unit.measures.rows import Rows, amounts, both_classes, claims

EXACT = 1e-9


@given(both_classes())
@settings(deadline=None, max_examples=60)
def test_classification_measures_agree_with_scikit_learn(rows: Rows) -> None:
    label, score = rows
    found = measure_classification(label, score, 0.5)
    chosen = score >= 0.5

    assert found["auc"] == pytest.approx(metrics.roc_auc_score(label, score), abs=EXACT)
    assert found["pr_auc"] == pytest.approx(metrics.average_precision_score(label, score), abs=EXACT)
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(label, score), abs=EXACT)
    assert found["logloss"] == pytest.approx(metrics.log_loss(label, score, labels=[0, 1]), abs=EXACT)
    assert found["recall"] == pytest.approx(metrics.recall_score(label, chosen), abs=EXACT)
    assert found["f1"] == pytest.approx(metrics.f1_score(label, chosen), abs=EXACT)
    assert found["selected_rate"] == pytest.approx(chosen.mean(), abs=EXACT)
    if chosen.any():
        assert found["precision"] == pytest.approx(metrics.precision_score(label, chosen), abs=EXACT)
    else:
        assert "precision" not in found


@given(amounts())
@settings(deadline=None, max_examples=50)
def test_regression_measures_agree_with_scikit_learn(rows: Rows) -> None:
    label, prediction = rows
    found = measure_regression(label, prediction)
    scale = max(1.0, float(np.abs(np.concatenate(rows)).max()))

    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(label, prediction), abs=EXACT * scale)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(label, prediction), abs=EXACT * scale)
    if np.ptp(label):
        assert found["r2"] == pytest.approx(metrics.r2_score(label, prediction), rel=EXACT, abs=EXACT)
    else:
        assert "r2" not in found


@given(both_classes())
@settings(deadline=None, max_examples=30)
def test_curves_enclose_the_areas_of_scikit_learn(rows: Rows) -> None:
    label, score = rows
    if len(set(score)) > curves.MAX_POINTS - 1:
        return

    fpr, tpr = np.array(curves.roc(label, score)).T

    assert np.trapezoid(tpr, fpr) == pytest.approx(metrics.roc_auc_score(label, score), abs=1e-5)


def test_curves_of_many_rows_are_thinned_without_losing_their_area() -> None:
    label, score = claims(50_000)

    points = curves.roc(label, score)

    assert len(points) <= 101
    assert len(curves.pr(label, score)) <= 101
    assert points[0] == [0, 0]
    assert points[-1] == [1, 1]
    fpr, tpr = np.array(points).T
    assert np.trapezoid(tpr, fpr) == pytest.approx(metrics.roc_auc_score(label, score), abs=1e-3)


def test_share_interval_is_the_one_of_scipy() -> None:
    for hits, n in ((0, 7), (1, 40), (20, 40), (40, 40)):
        theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")

        assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=EXACT)


def test_mean_intervals_are_those_of_the_t_test_of_scipy() -> None:
    label, score = claims(400)
    other = np.sqrt(score)

    single = intervals_classification(label, score, 0.5)["brier"]
    theirs = stats.ttest_1samp((score - label) ** 2, 0).confidence_interval()
    assert (single.low, single.high) == pytest.approx((theirs.low, theirs.high), abs=EXACT)

    both = paired_classification(label, score, other, 0.5)["brier"]
    theirs = stats.ttest_rel((score - label) ** 2, (other - label) ** 2).confidence_interval()
    assert (both.low, both.high) == pytest.approx((theirs.low, theirs.high), abs=EXACT)

    pair = paired_regression(label, score, other)["mae"]
    theirs = stats.ttest_rel(np.abs(score - label), np.abs(other - label)).confidence_interval()
    assert (pair.low, pair.high) == pytest.approx((theirs.low, theirs.high), abs=EXACT)


def test_delong_difference_agrees_with_its_definition_pair_by_pair() -> None:
    label, score = claims(300)
    other = np.clip(score + np.random.default_rng(3).normal(0, 0.2, 300), 0, 1)
    found = paired_classification(label, score, other, 0.5)["auc"]

    kernels = [_kernel(label, item) for item in (score, other)]
    difference = kernels[0] - kernels[1]
    by_positive, by_negative = difference.mean(axis=1), difference.mean(axis=0)
    error = np.sqrt(by_positive.var(ddof=1) / len(by_positive) + by_negative.var(ddof=1) / len(by_negative))

    assert found.value == pytest.approx(difference.mean(), abs=EXACT)
    assert found.high - found.value == pytest.approx(stats.norm.ppf(0.975) * error, abs=EXACT)


def _kernel(label: Floats, score: Floats) -> Floats:
    """1 where the positive row scores above the negative one, a half where they tie."""
    above = score[label == 1][:, None] - score[label == 0][None, :]
    return np.where(above > 0, 1.0, np.where(above == 0, 0.5, 0.0))


def test_calibration_error_is_the_weighted_gap_of_the_bins() -> None:
    label, score = claims(1_000)
    order = np.argsort(score)
    parts = [(len(rows), abs(score[rows].mean() - label[rows].mean())) for rows in np.array_split(order, 10)]

    found = calibration.ece(label, score)

    assert found.value == pytest.approx(sum(n * gap for n, gap in parts) / 1_000, abs=EXACT)


def test_order_of_the_rows_does_not_change_what_is_measured() -> None:
    label, score = claims(2_000)
    score = np.round(score, 1)
    shuffled = np.random.default_rng(1).permutation(2_000)

    before = measure_classification(label, score, 0.3)
    after = measure_classification(label[shuffled], score[shuffled], 0.3)

    assert after == pytest.approx(before, abs=EXACT)
    assert calibration.reliability(label, score) == calibration.reliability(label[shuffled], score[shuffled])


def test_a_score_that_ties_everybody_is_worth_a_coin() -> None:
    found = intervals_classification(np.array([0, 1, 1, 0.0]), np.full(4, 0.3), 0.5)

    assert found["auc"].value == 0.5
    assert found["auc"].high - found["auc"].low > 0.5
    assert found["precision"].value is None


@pytest.mark.parametrize("only", [0.0, 1.0])
def test_one_class_alone_cannot_be_ranked_and_says_so(only: float) -> None:
    label, score = np.full(30, only), np.linspace(0.1, 0.9, 30)

    found = intervals_classification(label, score, 0.5)

    assert found["auc"].value is None
    assert found["auc"].method == "not measurable"
    assert "auc" not in measure_classification(label, score, 0.5)
    assert "auc" not in {name for name, item in paired_classification(label, score, score, 0.5).items() if item.value}
    assert curves.roc(label, score) == []


def test_no_rows_and_one_row_are_measured_as_far_as_they_go() -> None:
    none, one = np.array([]), np.array([1.0])

    assert measure_classification(none, none, 0.5) == {"n": 0}
    assert measure_regression(none, none) == {"n": 0}
    assert calibration.reliability(none, none) == []
    assert measure_classification(one, one, 0.5)["recall"] == 1
    assert intervals_regression(one, one)["mae"].low is None
    assert paired_classification(one, one, one, 0.5) == {}


def test_perfect_separation_still_has_an_uncertain_end() -> None:
    label = np.repeat([0.0, 1.0], 20)

    found = intervals_classification(label, label, 0.5)["auc"]

    assert found.value == 1
    assert found.high == 1
    assert 0.7 < found.low < 0.95
    assert found.method == "Newcombe"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_no_numbers_are_refused(bad: float) -> None:
    label, score = claims(50)
    score = score.copy()
    score[3] = bad

    with pytest.raises(InputError, match="1 of 50 predictions"):
        measure_classification(label, score, 0.5)
    with pytest.raises(InputError, match="1 of 50 labels"):
        measure_regression(score, label)


def test_labels_that_are_no_classes_are_refused() -> None:
    with pytest.raises(InputError, match="0 and 1"):
        measure_classification(np.array([0, 2.0]), np.array([0.1, 0.2]), 0.5)


def test_equal_models_do_not_differ() -> None:
    label, score = claims(200)

    for found in paired_classification(label, score, score, 0.4).values():
        assert (found.value, found.low, found.high) == (0, 0, 0)
