"""A verdict that can wait: maturity, equal ages, confirmed and estimated figures, and what may move a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from services.inventory.models import Task
from services.kernel.errors import InputError, UnknownModelError
from services.kernel.health import Health
from services.monitoring import calibration, estimated
from services.monitoring.cubes import Known, ScoreDay, cube_of, scores_of
from services.monitoring.maturity import learned
from services.monitoring.metrics import Metric, measure
from services.monitoring.models import Expectation, MonitoringConfig
from services.monitoring.performance_models import ALL_VERSIONS, DecayView, PerformanceQuery
from services.monitoring.performance_service import PerformanceService
from services.monitoring.ports import ReviewCount
from tests.fakes.performance import KeptBusiness, KeptCubes, arrived
from tests.unit.monitoring.facts_on_disk import ACatalog, a_model

MONDAY = date(2031, 1, 6)
DELAY = 10


class AClock:
    def __init__(self, day: date) -> None:
        self.day = day

    def now(self) -> datetime:
        return datetime(self.day.year, self.day.month, self.day.day, 9, tzinfo=UTC)


def a_service(
    store: KeptCubes, *, today: date, task: Task = Task.CLASSIFICATION, **given: object
) -> PerformanceService:
    return PerformanceService(
        store=store,  # type: ignore[arg-type]
        monitoring=store,  # type: ignore[arg-type]
        catalog=ACatalog(a_model(task=task)),
        business=given.get("business") or KeptBusiness(),  # type: ignore[arg-type]
        clock=AClock(today),
    )


Truth = Callable[[np.random.Generator, np.ndarray, int], np.ndarray]


def as_scored(rng: np.random.Generator, scores: np.ndarray, _: int) -> np.ndarray:
    return (rng.random(len(scores)) < scores).astype(float)


def a_life(
    *, weeks: int = 16, truth: Truth = as_scored, shape: Callable[[int], tuple[float, float]] = lambda _: (2, 3),
    config: MonitoringConfig | None = None, expected: Expectation | None = None, per_day: int = 150,
) -> tuple[KeptCubes, date]:  # fmt: skip
    """Weeks of predictions whose labels arrive evenly over ten days; today is the Monday after the last week."""
    store, rng = KeptCubes(config=config, expected=expected), np.random.default_rng(11)
    today = MONDAY + timedelta(weeks=weeks)
    for number in range(7 * weeks):
        scores = rng.beta(*shape(number // 7), per_day)
        day = MONDAY + timedelta(days=number)
        delays = rng.integers(0, DELAY + 1, per_day)
        store.predict(day, scores, truth(rng, scores, number // 7), delays=delays, until=today)
    return store, today


def judged(store: KeptCubes, today: date, **asked: object) -> DecayView:
    return a_service(store, today=today).decay(PerformanceQuery(model="m", **asked))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def steady() -> tuple[KeptCubes, date]:
    return a_life()


def known_from(scores: np.ndarray, truth: np.ndarray) -> Known:
    store = KeptCubes()
    store.predict(MONDAY, scores, truth, delays=np.zeros(len(scores), dtype=int), until=date.max)
    return cube_of(store.told, scored=True).known(MONDAY, MONDAY, at=date.max)


# Maturity


def test_maturity_is_learned_from_days_that_are_only_partly_old_enough(steady: tuple[KeptCubes, date]) -> None:
    view = judged(*steady)

    assert view.maturity.learned
    assert view.maturity.age == DELAY
    for age in (0, 4, 9):
        assert view.maturity.usual(age) == pytest.approx((age + 1) / (DELAY + 1), abs=0.01)


def test_labels_that_only_begin_to_arrive_say_nothing_about_when_they_end() -> None:
    store, today = a_life(weeks=1)

    assert judged(store, today).maturity.age is None
    assert judged(store, today).signal.state is Health.UNKNOWN


def test_a_stated_delay_stands_in_until_there_is_something_to_learn_from() -> None:
    store, today = a_life(weeks=1, config=MonitoringConfig(model="m", label_delay_hours=100))

    found = judged(store, today).maturity

    assert (found.age, found.learned) == (5, False)
    assert "Stated by the owner" in found.sentence


def test_labels_that_never_come_do_not_keep_cohorts_young() -> None:
    store = KeptCubes()
    for number in range(60):
        delays = np.where(np.arange(100) < 60, 3, 9999)
        day = MONDAY + timedelta(days=number)
        scores = np.linspace(0.01, 0.99, 100)
        until = MONDAY + timedelta(days=60)
        store.predict(day, scores, (np.arange(100) % 2).astype(float), delays=delays, until=until)

    found = learned(
        cube_of(store.told, scored=True),
        {item.day: item.predicted for item in store.days},
        at=MONDAY + timedelta(days=60),
        stated_hours=None,
    )

    assert found.age == 3
    assert found.usual(30) == pytest.approx(0.6)


def test_without_predictions_nothing_is_known_and_nothing_breaks() -> None:
    view = judged(KeptCubes(), MONDAY)

    assert view.cohorts == ()
    assert view.signal.state is Health.UNKNOWN
    assert "Not enough labels" in view.signal.sentence


# Verdicts


def test_a_steady_model_is_in_line_with_its_reference_cohorts(steady: tuple[KeptCubes, date]) -> None:
    view = judged(*steady)

    assert (view.signal.state, view.judged_by) == (Health.HEALTHY, "confirmed")
    assert "in line with" in view.signal.sentence
    assert view.band is not None
    assert view.band.chunks == 7


def test_immature_labels_do_not_move_the_verdict(steady: tuple[KeptCubes, date]) -> None:
    """Two weeks are young: one has a third of its labels, one nearly all of them."""
    store, today = steady
    before = judged(store, today)
    young = KeptCubes()
    young.days, young.told = store.days, list(store.told)
    for number, item in enumerate(young.told):
        if date.fromordinal(int(item.days[0, 0])) >= today - timedelta(days=14):
            upside_down = item.cells.copy()
            upside_down[:, 1] ^= 1
            young.told[number] = replace(item, cells=upside_down)

    after = judged(young, today)

    assert after.signal == before.signal
    assert after.cohorts[-1].so_far != before.cohorts[-1].so_far


def test_real_decay_is_a_breach_once_its_labels_are_mature() -> None:
    def turns(rng: np.random.Generator, scores: np.ndarray, week: int) -> np.ndarray:
        return as_scored(rng, scores if week < 13 else 1 - scores, week)

    store, today = a_life(truth=turns)
    early = judged(store, today, known_on=MONDAY + timedelta(weeks=14))

    view = judged(store, today)

    assert early.signal.state is Health.HEALTHY
    assert (view.signal.state, view.judged_by) == (Health.BREACH, "confirmed")
    assert "mean and three deviations" in view.signal.sentence


def test_an_estimate_out_of_line_warns_and_says_that_it_is_one() -> None:
    """Scores that crowd in the middle tell less apart; labels of that week are not there yet."""
    store, today = a_life(shape=lambda week: (2, 3) if week < 15 else (200, 300), per_day=400)

    view = judged(store, today)

    assert (view.signal.state, view.judged_by) == (Health.WATCH, "estimate")
    assert view.signal.sentence.startswith("Estimated, not confirmed")


def test_an_estimate_in_line_never_makes_a_model_healthy() -> None:
    store, today = a_life()
    store.told = [item for item in store.told if item.day < MONDAY + timedelta(weeks=9)]

    view = judged(store, today)

    assert view.cohorts[-1].estimate is not None
    assert view.signal.state is Health.UNKNOWN
    assert "labels are missing" in view.signal.sentence
    assert view.cohorts[-3].late


@pytest.mark.parametrize(
    ("expected", "state"),
    [
        (Expectation(version="1", value=0.70, baseline=0.95), Health.BREACH),
        (Expectation(version="1", value=0.95, baseline=0.60), Health.WATCH),
        (Expectation(version="1", value=0.69, baseline=0.60), Health.HEALTHY),
        (Expectation(version="2", value=0.99, baseline=0.99), Health.UNKNOWN),
        (None, Health.UNKNOWN),
    ],
)
def test_without_reference_cohorts_the_hold_out_of_the_same_version_is_the_yardstick(
    expected: Expectation | None, state: Health
) -> None:
    store, today = a_life(weeks=4, expected=expected)

    assert judged(store, today).signal.state is state


def test_cohorts_are_compared_at_equal_label_age(steady: tuple[KeptCubes, date]) -> None:
    """Positive labels come sooner than negative ones: the first days of every cohort look alike, and unlike its end."""
    store, rng, today = KeptCubes(), np.random.default_rng(5), MONDAY + timedelta(weeks=16)
    for number in range(7 * 16):
        scores = rng.beta(2, 3, 200)
        truth = as_scored(rng, scores, 0)
        delays = np.where(truth == 1, rng.integers(0, 4, 200), rng.integers(0, DELAY + 1, 200))
        store.predict(MONDAY + timedelta(days=number), scores, truth, delays=delays, until=today)

    view = judged(store, today, metric=Metric.PRECISION)

    young, confirmed = view.cohorts[-1], [item.confirmed.value for item in view.cohorts if item.confirmed]
    assert young.so_far is not None
    assert young.peers is not None
    assert young.so_far.value - np.mean(confirmed) > 0.1
    assert young.so_far.low < young.peers.value < young.so_far.high


def test_what_is_confirmed_stays_confirmed_when_stragglers_arrive() -> None:
    """Three labels in a hundred come a month late, and all of them are positive."""
    store, rng, today = KeptCubes(), np.random.default_rng(9), MONDAY + timedelta(weeks=16)
    for number in range(7 * 16):
        scores = rng.beta(2, 3, 200)
        truth, delays = as_scored(rng, scores, 0), rng.integers(0, DELAY + 1, 200)
        truth[:6], delays[:6] = 1, 30
        store.predict(MONDAY + timedelta(days=number), scores, truth, delays=delays, until=today)

    early, late = (judged(store, today, known_on=MONDAY + timedelta(weeks=weeks)) for weeks in (4, 16))

    assert early.maturity.age == late.maturity.age == DELAY
    assert early.cohorts[0].confirmed is not None
    assert early.cohorts[0].confirmed == late.cohorts[0].confirmed
    assert late.cohorts[0].n == early.cohorts[0].n


def test_a_past_day_is_judged_with_what_was_known_on_it(steady: tuple[KeptCubes, date]) -> None:
    store, today = steady
    then = MONDAY + timedelta(weeks=10) - timedelta(days=1)
    only_then = KeptCubes()
    only_then.days = [item for item in store.days if item.day <= then]
    only_then.told = [item for item in store.told if item.day <= then]

    looked_back = judged(store, today, known_on=then)

    lived = judged(only_then, then)
    assert looked_back.signal == lived.signal
    assert looked_back.cohorts == lived.cohorts


def test_the_newest_version_is_judged_by_itself_and_all_only_when_asked() -> None:
    store, today = a_life(weeks=8)
    rng = np.random.default_rng(3)
    for number in range(7):
        scores = rng.beta(2, 3, 150)
        day, late = today + timedelta(days=number), np.zeros(150, dtype=int)
        store.predict(day, scores, as_scored(rng, scores, 0), delays=late, version="2", until=date.max)

    later = today + timedelta(days=14)

    assert (judged(store, later).version, len(judged(store, later).cohorts)) == ("2", 1)
    assert len(judged(store, later, version=ALL_VERSIONS).cohorts) == 9
    with pytest.raises(InputError, match="no predictions of version '7'"):
        judged(store, later, version="7")


def test_constant_scores_and_days_of_one_class_have_no_ranking_to_lose() -> None:
    store, today = KeptCubes(), MONDAY + timedelta(weeks=12)
    for number in range(7 * 12):
        day, none = MONDAY + timedelta(days=number), np.zeros(60, dtype=int)
        one_class = number < 21
        truth = np.zeros(60) if one_class else (np.arange(60) % 2).astype(float)
        store.predict(day, np.full(60, 0.4), truth, delays=none, until=today)

    view = judged(store, today)

    assert [cohort.confirmed for cohort in view.cohorts[:3]] == [None] * 3
    assert view.cohorts[5].confirmed is not None
    assert view.cohorts[5].confirmed.value == pytest.approx(0.5)
    assert view.signal.state is Health.HEALTHY


# Metrics


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    scores = rng.beta(1.2, 2.5, 20_000)
    return scores, (rng.random(20_000) < scores**1.4).astype(float)


@pytest.mark.parametrize(
    ("metric", "exact", "within"),
    [
        (Metric.AUC, sk.roc_auc_score, 3e-4),
        (Metric.BRIER, sk.brier_score_loss, 1e-12),
        (Metric.LOG_LOSS, sk.log_loss, 2e-3),
        (Metric.PRECISION, lambda y, s: sk.precision_score(y, s >= 0.37), 1e-12),
        (Metric.RECALL, lambda y, s: sk.recall_score(y, s >= 0.37), 1e-12),
        (Metric.F1, lambda y, s: sk.f1_score(y, s >= 0.37), 1e-12),
        (Metric.ACCURACY, lambda y, s: sk.accuracy_score(y, s >= 0.37), 1e-12),
    ],
)
def test_metrics_from_bins_are_those_of_the_rows(
    rows: tuple[np.ndarray, np.ndarray], metric: Metric, exact: Callable[..., float], within: float
) -> None:
    scores, truth = rows

    found = measure(metric, known_from(scores, truth), threshold=0.37)

    assert found is not None
    assert found.value == pytest.approx(exact(truth, scores), abs=within)
    assert found.low < found.value < found.high


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng, inside = np.random.default_rng(2), {Metric.BRIER: 0, Metric.F1: 0, Metric.RMSE: 0}
    whole = rng.beta(2, 3, 400_000)
    labels = (rng.random(400_000) < whole).astype(float)
    truths = {
        Metric.BRIER: ((whole - labels) ** 2).mean(),
        Metric.F1: sk.f1_score(labels, whole >= 0.5),
        Metric.RMSE: np.sqrt(((whole - labels) ** 2).mean()),
    }
    for part in range(200):
        here = slice(part * 500, part * 500 + 500)
        known = known_from(whole[here], labels[here])
        for metric, truth in truths.items():
            found = measure(metric, known, threshold=0.5)
            assert found is not None
            inside[metric] += found.low <= truth <= found.high

    assert all(180 <= count <= 199 for count in inside.values()), inside


def test_forecasts_are_measured_from_sums_of_errors() -> None:
    store, today = KeptCubes(), MONDAY + timedelta(weeks=9)
    errors = np.tile([3.0, -4.0], 40)
    for number in range(63):
        day, zero = MONDAY + timedelta(days=number), np.zeros(80, dtype=int)
        store.told.append(arrived(day, day, errors, np.zeros(80), scored=False))
        store.days.append(
            ScoreDay(version="1", slice_key="", day=day, predicted=80, unscored=0, bins=zero[:0], counts=zero[:0],
                     sums=errors[:0])
        )  # fmt: skip
    service = a_service(store, today=today, task=Task.REGRESSION)

    mean, root = (service.decay(PerformanceQuery(model="m", metric=metric)) for metric in (Metric.MAE, Metric.RMSE))

    assert mean.cohorts[0].confirmed is not None
    assert root.cohorts[0].confirmed is not None
    assert mean.cohorts[0].confirmed.value == pytest.approx(3.5)
    assert root.cohorts[0].confirmed.value == pytest.approx(np.sqrt(12.5))
    assert (mean.estimate_method, mean.calibration) == ("", None)
    assert "cannot be read from its value" in mean.estimate_sentence


# Estimates and calibration


def test_the_isotonic_fit_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(6)
    x, sizes = np.sort(rng.random(300)), rng.integers(1, 40, 300)
    hits = rng.binomial(sizes, np.clip(x + rng.normal(0, 0.2, 300), 0, 1))

    _, ours = estimated.isotonic(x, hits, sizes)

    theirs = IsotonicRegression().fit(x, hits / sizes, sample_weight=sizes).predict(x)
    assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("power", [0.6, 1.0, 1.8])
def test_the_estimate_from_bins_is_that_of_rows(power: float) -> None:
    """Row by row as NannyML does it: isotonic calibration on reference rows, then expected counts of every row."""
    rng = np.random.default_rng(13)
    reference, later = rng.beta(1.5, 3, 30_000), rng.beta(2, 2.5, 5_000)
    truth = (rng.random(30_000) < reference**power).astype(float)
    score_map = estimated.fitted(known_from(reference, truth), means=scores_from(reference).means)
    assert score_map is not None

    ours = {
        metric: estimated.estimate(metric, scores_from(later), score_map, threshold=0.5)
        for metric in (Metric.AUC, Metric.F1, Metric.ACCURACY)
    }

    p = IsotonicRegression(out_of_bounds="clip").fit(reference, truth).predict(later)
    chosen = later >= 0.5
    order = np.argsort(later)[::-1]
    tpr, fpr = np.cumsum(p[order]) / p.sum(), np.cumsum(1 - p[order]) / (1 - p).sum()
    theirs = {
        Metric.AUC: sk.auc(np.r_[0, fpr], np.r_[0, tpr]),
        Metric.F1: 2 * p[chosen].sum() / (2 * p[chosen].sum() + (1 - p[chosen]).sum() + p[~chosen].sum()),
        Metric.ACCURACY: (p[chosen].sum() + (1 - p[~chosen]).sum()) / len(p),
    }
    assert {metric: found and found.value for metric, found in ours.items()} == pytest.approx(theirs, abs=1e-3)


def scores_from(scores: np.ndarray) -> object:
    store = KeptCubes()
    store.predict(MONDAY, scores, scores * 0, delays=np.zeros(len(scores), dtype=int), until=date.max)
    return scores_of(store.days, first=MONDAY, last=MONDAY)


def test_too_few_labels_or_one_class_calibrate_nothing() -> None:
    few = known_from(np.linspace(0, 0.99, 100), np.arange(100) % 2)
    one = known_from(np.linspace(0, 0.99, 500), np.zeros(500))

    assert (estimated.fitted(few), estimated.fitted(one)) == (None, None)


def test_right_scores_are_not_off_and_wrong_ones_are(rows: tuple[np.ndarray, np.ndarray]) -> None:
    rng = np.random.default_rng(21)
    scores = rng.beta(2, 3, 4_000)
    right = calibration.measured(known_from(scores, (rng.random(4_000) < scores).astype(float)))
    wrong = calibration.measured(known_from(*rows))

    assert not right.off
    assert right.large is not None
    assert right.large.low < 0 < right.large.high
    assert wrong.off
    assert wrong.ece is not None
    assert wrong.ece.low <= wrong.ece.value <= wrong.ece.high
    assert wrong.large is not None
    assert wrong.large.value == pytest.approx(np.mean(rows[0] - rows[1]))
    assert sum(group.n for group in wrong.groups) == 20_000


def test_few_windows_of_right_scores_are_called_off() -> None:
    rng, off = np.random.default_rng(77), 0
    for _ in range(150):
        scores = rng.beta(2, 3, 400)
        off += calibration.measured(known_from(scores, (rng.random(400) < scores).astype(float))).off

    assert off <= 6


def test_estimates_are_compared_with_labels_they_had_not_seen(steady: tuple[KeptCubes, date]) -> None:
    view = judged(*steady)

    assert view.estimate_method == "CBPE on 1,000 score bins"
    assert "no concept drift" in view.estimate_sentence
    assert view.estimate_error is not None
    assert view.estimate_error < 0.03


# Business


def test_referral_and_override_rates_carry_n_and_what_is_missing_is_missing(steady: tuple[KeptCubes, date]) -> None:
    store, today = steady
    counted = tuple(
        ReviewCount(day=MONDAY + timedelta(days=shift), version="1", reviewed=10, corrected=shift % 2)
        for shift in range(14)
    )
    business = KeptBusiness(threshold=0.6, counted=counted)

    view = a_service(store, today=today, business=business).decay(PerformanceQuery(model="m"))

    assert [(item.reviewed, item.corrected) for item in view.business.overrides] == [(70, 3), (70, 4)]
    assert view.business.value is None
    first = view.cohorts[0].referral
    whole = scores_of(store.days, first=MONDAY, last=MONDAY + timedelta(days=6))
    assert first is not None
    assert first.value == pytest.approx(whole.counts[600:].sum() / whole.n)


def test_without_a_recorded_threshold_no_metric_pretends_to_know_one(steady: tuple[KeptCubes, date]) -> None:
    store, today = steady
    service = a_service(store, today=today, business=KeptBusiness(threshold=None))

    view = service.decay(PerformanceQuery(model="m"))

    assert view.metrics == (Metric.AUC, Metric.BRIER, Metric.LOG_LOSS)
    assert view.cohorts[0].referral is None
    with pytest.raises(InputError, match="Precision cannot be measured"):
        service.decay(PerformanceQuery(model="m", metric=Metric.PRECISION))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"known_on": date(2040, 1, 1)}, "has not been yet"),
        ({"period_days": 3}, "not offered"),
        ({"slice_key": "carrier=ZZ"}, "no predictions of slice"),
    ],
)
def test_questions_without_an_answer_are_refused_in_words(
    steady: tuple[KeptCubes, date], asked: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        judged(*steady, **asked)


def test_an_unknown_model_is_refused(steady: tuple[KeptCubes, date]) -> None:
    store, today = steady

    with pytest.raises(UnknownModelError):
        a_service(store, today=today).decay(PerformanceQuery(model="nobody"))
