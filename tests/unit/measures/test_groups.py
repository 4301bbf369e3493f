"""Groups, weeks, single inputs and worst slices: beside fairlearn and scipy, and what is found or left alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fairlearn import metrics as fairlearn
from scipy import stats
from scipy.stats.contingency import relative_risk
from sklearn import metrics

from services.evaluation.measures import fairness, leakage, search, stability
from services.evaluation.measures.models import Floats
from services.kernel.errors import InputError
from tests.unit.measures.rows import claims

EXACT = 1e-9


def _regions(n: int, *, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).choice(["east", "north", "west"], n, p=[0.5, 0.45, 0.05]).astype(object)


def test_group_shares_agree_with_fairlearn() -> None:
    label, score = claims(3_000)
    regions = _regions(3_000)
    chosen = (score >= 0.3).astype(float)
    theirs = fairlearn.MetricFrame(
        metrics={
            "rate": fairlearn.selection_rate,
            "tpr": fairlearn.true_positive_rate,
            "fpr": fairlearn.false_positive_rate,
            "n": fairlearn.count,
        },
        y_true=label,
        y_pred=chosen,
        sensitive_features=regions,
    ).by_group

    found = {item["group"]: item for item in fairness.slices("region", regions, label, score, 0.3)}

    for group, row in theirs.iterrows():
        for name in ("rate", "tpr", "fpr", "n"):
            assert found[group][name] == pytest.approx(row[name], abs=EXACT)
            assert name == "n" or found[group][f"{name}_low"] < found[group][name] < found[group][f"{name}_high"]


def test_adverse_impact_and_gaps_agree_with_fairlearn() -> None:
    label, score = claims(2_000)
    sexes = np.random.default_rng(2).choice(["f", "m"], 2_000, p=[0.4, 0.6])
    chosen = (score >= 0.3).astype(float)

    found = {row["measure"]: row for row in fairness.compare(fairness.slices("sex", sexes, label, score, 0.3))}

    ratio = found["rate_ratio"]["value"]
    impact = fairlearn.demographic_parity_ratio(label, chosen, sensitive_features=sexes)
    tpr = fairlearn.equal_opportunity_difference(label, chosen, sensitive_features=sexes)
    assert min(ratio, 1 / ratio) == pytest.approx(impact, abs=EXACT)
    assert abs(found["tpr_gap"]["value"]) == pytest.approx(tpr, abs=EXACT)
    assert {row["reference"] for row in found.values()} == {"m"}
    assert found["tpr_gap"]["n"] == int(label[sexes == "f"].sum())


def test_ratio_interval_is_the_one_of_scipy() -> None:
    label, score = claims(800)
    sexes = np.random.default_rng(2).choice(["f", "m"], 800, p=[0.4, 0.6])
    chosen = score >= 0.3
    f, m = chosen[sexes == "f"], chosen[sexes == "m"]
    theirs = relative_risk(int(f.sum()), len(f), int(m.sum()), len(m)).confidence_interval()

    found = fairness.compare(fairness.slices("sex", sexes, label, score, 0.3))[0]

    assert (found["low"], found["high"]) == pytest.approx((theirs.low, theirs.high), abs=EXACT)


def test_error_gap_interval_is_welchs() -> None:
    generator = np.random.default_rng(4)
    label, score = generator.normal(0, 1, 500), generator.normal(0.2, 2, 500)
    sexes = generator.choice(["f", "m"], 500, p=[0.3, 0.7])
    error = score - label
    theirs = stats.ttest_ind(error[sexes == "f"], error[sexes == "m"], equal_var=False).confidence_interval()

    (found,) = fairness.compare(fairness.slices("sex", sexes, label, score, None))

    assert found["measure"] == "error_gap"
    assert (found["low"], found["high"]) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_group_without_positive_rows_has_no_share_of_found_positives() -> None:
    label, score = np.array([0, 0, 1, 1, 0.0]), np.array([0.1, 0.9, 0.9, 0.2, 0.8])
    groups = ["a", "a", "b", "b", None]

    found = {item["group"]: item for item in fairness.slices("g", groups, label, score, 0.5)}
    gaps = [row for row in fairness.compare(found.values()) if row["measure"] == "tpr_gap"]

    assert "tpr" not in found["a"]
    assert "fpr" not in found["b"]
    assert found["unknown"]["n"] == 1
    assert all(row["value"] is None for row in gaps)


def test_reference_that_selects_nobody_gives_no_ratio() -> None:
    label, score = np.array([0, 1, 1, 0, 1.0]), np.array([0.9, 0.9, 0.1, 0.1, 0.1])

    found = fairness.compare(fairness.slices("g", list("aabbb"), label, score, 0.5))

    assert [row["value"] for row in found if row["measure"] == "rate_ratio"] == [None]


def test_weeks_are_measured_one_by_one_and_named_by_their_days() -> None:
    label, score = claims(3_000)
    times = np.datetime64("2030-01-07") + (np.arange(3_000) % 21).astype("timedelta64[D]")

    found = stability.by_time(times, label, score, 0.5)

    second = (np.arange(3_000) % 21) // 7 == 1
    assert [item["slice"] for item in found] == [
        "2030-01-07 to 2030-01-13",
        "2030-01-14 to 2030-01-20",
        "2030-01-21 to 2030-01-27",
    ]
    assert found[1]["value"] == pytest.approx(metrics.roc_auc_score(label[second], score[second]), abs=EXACT)
    assert stability.spread(found) == pytest.approx(max(i["value"] for i in found) - min(i["value"] for i in found))


def test_seconds_are_read_as_times_and_long_holdouts_stay_readable() -> None:
    label, score = claims(2_000)
    seconds = np.linspace(1_893_456_000, 1_893_456_000 + 2 * 365 * 86_400, 2_000)

    found = stability.by_time(seconds, label, score, None)

    assert 20 <= len(found) <= 26
    assert sum(item["n"] for item in found) == 2_000
    assert {item["metric"] for item in found} == {"mae"}


def test_one_week_or_thin_weeks_have_no_spread() -> None:
    label, score = claims(300)
    one_week = stability.by_time(np.full(300, np.datetime64("2030-01-07")), label, score, 0.5)
    thin = stability.by_time(np.datetime64("2030-01-07") + np.arange(300).astype("timedelta64[D]"), label, score, 0.5)

    assert stability.spread(one_week) is None
    assert stability.spread(thin) is None


def test_rows_without_a_time_are_refused() -> None:
    label, score = claims(3)

    with pytest.raises(InputError, match="no time"):
        stability.by_time(np.array(["2030-01-07", "NaT", "2030-01-09"], dtype="datetime64[s]"), label, score, 0.5)


def test_single_input_agrees_with_scikit_learn_and_the_leak_comes_first() -> None:
    label, score = claims(4_000)
    generator = np.random.default_rng(6)
    rows = {
        "noise": generator.normal(size=4_000),
        "settled_amount": label + generator.normal(0, 0.1, 4_000),
        "against": -score,
        "name": np.array([f"claim {number}" for number in range(4_000)], dtype=object),
    }

    found = {item["feature"]: item["auc"] for item in leakage.single_feature_auc(rows, label)}

    assert next(iter(found)) == "settled_amount"
    assert found["against"] == pytest.approx(metrics.roc_auc_score(label, score), abs=EXACT)
    # A column of unique names would tell everything, were it read as its own label.
    assert found["name"] < 0.55


def test_a_value_missing_for_one_class_is_suspicious_too() -> None:
    label, _ = claims(2_000)
    closed = np.where(label == 1, 5.0, np.nan)

    (found,) = leakage.single_feature_auc({"closed_at": closed}, label)

    assert found["auc"] == 1


def _regional_rows(n: int = 6_000) -> tuple[dict[str, np.ndarray], Floats, Floats]:
    label, score = claims(n)
    generator = np.random.default_rng(8)
    rows = {
        "age": generator.integers(18, 90, n).astype(float),
        "region": generator.choice(["east", "north", "west"], n).astype(object),
        "weekday": generator.integers(0, 7, n),
    }
    return rows, label, score


def test_the_degraded_group_is_the_worst_slice() -> None:
    rows, label, score = _regional_rows()
    broken = (rows["region"] == "north") & (rows["age"] > 72)
    score = np.where(broken, 1 - score, score)

    worst = search.worst_slices(rows, label, score, "classification")[0]

    assert "region = north" in worst.description
    assert "age over 7" in worst.description
    assert worst.value > 2 * worst.overall
    assert worst.p_adjusted < 1e-6


def test_a_model_that_is_as_good_everywhere_has_no_worst_slice_beyond_chance() -> None:
    false_alarms = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        label = generator.normal(size=2_000)
        rows = {f"x{number}": generator.normal(size=2_000) for number in range(4)}
        found = search.worst_slices(rows, label, np.zeros(2_000), "regression", min_n=100)
        false_alarms += bool(found) and found[0].p_adjusted < 0.05

    # Holm promises at most 5 %: more than 8 of 60 would be chance once in a thousand.
    assert false_alarms <= 8


def test_search_keeps_to_its_budget_single_conditions_first() -> None:
    rows, label, score = _regional_rows()
    score = np.where((rows["region"] == "west") & (rows["age"] > 60), 0.5, score)

    wide = search.worst_slices(rows, label, score, "classification")
    narrow = search.worst_slices(rows, label, score, "classification", budget=10)

    assert any(" and " in item.description for item in wide)
    assert narrow
    assert all(" and " not in item.description for item in narrow)


def test_direction_of_errors_can_be_searched_for() -> None:
    rows, label, score = _regional_rows()
    score = np.where(rows["region"] == "west", np.minimum(1, score + 0.15), score)

    worst = search.worst_slices(rows, label, score, "classification", metric="calibration_gap")[0]

    assert "region = west" in worst.description
    assert worst.value == pytest.approx(0.15, abs=0.06)
    assert math.isclose(worst.overall, float((score - label).mean()))


def test_a_slice_that_is_less_off_than_all_rows_is_not_the_worst() -> None:
    rows, label, score = _regional_rows()
    score = np.where(rows["region"] == "east", score, np.maximum(0, score - 0.2))

    found = search.worst_slices(rows, label, score, "classification", metric="calibration_gap")

    assert found
    assert all(abs(item.value) > abs(item.overall) for item in found)
    assert not any("region = east" in item.description for item in found)


def test_too_few_rows_are_not_searched() -> None:
    rows, label, score = _regional_rows(300)

    assert search.worst_slices(rows, label, score, "classification", min_n=200) == []
