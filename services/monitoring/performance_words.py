"""How every number of the performance screen came about, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TypedDict

from services.kernel.health import Explanation
from services.monitoring.calibration import Calibration
from services.monitoring.cohorts import Measuring
from services.monitoring.decay import FEWEST_CHUNKS, MOST_CHUNKS
from services.monitoring.estimated import ASSUMPTION, METHOD, ScoreMap
from services.monitoring.maturity import Maturity
from services.monitoring.metrics import WORDS
from services.monitoring.models import MonitoringConfig
from services.monitoring.performance_models import Band, Cohort

_SOURCE = "Recorded live predictions and the labels filed for them, counted once per day of arrival"
_PERIODS = {1: "Days", 7: "Calendar weeks", 28: "Periods of four weeks"}


class Explanations(TypedDict):
    confirmed_explanation: Explanation
    estimate_explanation: Explanation
    maturity_explanation: Explanation
    calibration_explanation: Explanation
    business_explanation: Explanation


def needs(config: MonitoringConfig, maturity: Maturity) -> str:
    """What a cohort needs before it counts."""
    if not config.has_labels:
        return f"the {config.imported_from} has no column of labels"
    if maturity.age is None:
        return "nobody can know yet when labels are mature, as no predictions are old enough and nobody stated a delay"
    return (
        f"no cohort is {maturity.age} days old with at least {config.minimum_labels} labels for at least "
        f"{config.minimum_coverage:.0%} of its predictions"
    )


def assumed(config: MonitoringConfig) -> str:
    """What is taken for granted about the labels of an imported table; empty for recorded predictions."""
    if not config.imported_from:
        return ""
    if not config.has_labels:
        return (
            f"Predictions are read from the {config.imported_from}, which has no column of labels: nothing here can "
            "be confirmed. Map one on the monitor, or where the settings map the table."
        )
    hours = config.label_delay_hours
    taken = (
        "on the day of its prediction, because the monitor states no delay"
        if hours is None
        else f"{hours:g} hours after its prediction (in whole days), as the monitor states"
    )
    if config.arrivals_from:
        return (
            f"Labels of the {config.imported_from} count from the day in its column {config.arrivals_from}. "
            f"Assumed: one without a day has come {taken}."
        )
    return (
        f"Assumed: the {config.imported_from} does not say when a label came. Each is taken to have come {taken}, and "
        "never to have been stated anew."
    )


def _source(config: MonitoringConfig) -> str:
    if config.imported_from:
        return f"Predictions and labels of the {config.imported_from}, counted once per day"
    return _SOURCE


def estimate_state(score_map: ScoreMap | None, fitted_on: Sequence[Cohort], *, scored: bool) -> str:
    if not scored:
        return (
            "No estimate: the error of a forecast cannot be read from its value. A second model of the error would be "
            "needed, and none is fitted here."
        )
    if score_map is None or not fitted_on:
        return "No estimate: scores can only be calibrated with mature labels of both kinds, at least 200 of them."
    return (
        f"{METHOD}: scores turned into probabilities by an isotonic fit over {score_map.n:,} labels of "
        f"{fitted_on[0].start:%d %b} to {fitted_on[-1].end:%d %b}. {ASSUMPTION}"
    )


def explanations(
    given: Measuring,
    shown: Sequence[Cohort],
    score_map: ScoreMap | None,
    whole: Calibration | None,
    band: Band | None,
) -> Explanations:
    window = f"{_PERIODS.get(given.period_days, 'Periods')} by day of prediction"
    as_of = datetime.combine(given.at - timedelta(days=1), time(), UTC)
    predicted = sum(cohort.predicted for cohort in shown)
    return Explanations(
        confirmed_explanation=_confirmed(given, shown, band, window, as_of),
        estimate_explanation=Explanation(
            formula="Expected positives in a score bin = predictions x calibrated probability of its mean score, and "
            f"{WORDS[given.metric].unit} from the counts expected so. The interval is that of sampling alone.",
            source="Recorded scores in 1,000 bins; calibration from labels of "
            + ("mature cohorts" if score_map else "mature cohorts, of which there are too few"),
            window=window,
            as_of=as_of,
            n=predicted,
            note=f"Method: confidence-based performance estimation, as in NannyML. {ASSUMPTION} An estimate can warn; "
            "it never confirms that a model is well.",
        ),
        maturity_explanation=Explanation(
            formula="Usual share with a label by age a = 1 - product over ages up to a of (1 - labels at that age / "
            "predictions still without one), after Kaplan and Meier (1958).",
            source=_source(given.config),
            window="All days of prediction of the last 400 days, each as far as it is old",
            as_of=as_of,
            n=given.maturity.points[0].observed if given.maturity.points else 0,
            note=f"Mature is the age by which 95 % of all labels that ever come are usually there. "
            f"{given.maturity.sentence}",
        ),
        calibration_explanation=_calibration(whole, window, as_of),
        business_explanation=Explanation(
            formula="Referral rate = scores at or above the decision threshold / scores. Override rate = reviews that "
            "decided otherwise / reviews. Intervals after Wilson (1927). Value per decision = benefit as accounted / "
            "predictions of the same days.",
            source="Recorded scores, reviews by people, and the benefit of the value screen",
            window=window,
            as_of=as_of,
            n=predicted,
            note="Reviews count on the day of the review. What nobody recorded is said to be missing, not zero.",
        ),
    )


def _confirmed(
    given: Measuring, shown: Sequence[Cohort], band: Band | None, window: str, as_of: datetime
) -> Explanation:
    age = given.maturity.age
    limits = (
        f"Limits are mean and three deviations of {band.chunks} reference cohorts."
        if band
        else f"Limits need more than {FEWEST_CHUNKS} mature cohorts; reference are the oldest, up to half and at most "
        f"{MOST_CHUNKS}."
    )
    threshold = (
        f" Decision threshold {given.threshold:g}; scores within 0.0005 of it may count on its other side."
        if WORDS[given.metric].at_threshold
        else ""
    )
    return Explanation(
        formula=WORDS[given.metric].formula + threshold,
        source=_source(given.config),
        window=window + (f", with labels up to an age of {age} days" if age is not None else ""),
        as_of=as_of,
        n=sum(cohort.n for cohort in shown if cohort.confirmed is not None),
        note=f"Known on a day means: every label filed up to that day, restated labels as stated last by then. Only "
        f"cohorts of equal label age are compared, from {given.config.minimum_labels} labels and "
        f"{given.config.minimum_coverage:.0%} coverage on. {limits}",
    )


def _calibration(whole: Calibration | None, window: str, as_of: datetime) -> Explanation:
    return Explanation(
        formula="Calibration in the large = mean score - share of positive labels. ECE = sum over ten groups of about "
        "equal size of n_g / n x |share of positive labels - mean score| (Naeini et al. 2015).",
        source=_SOURCE,
        window=window + ", mature cohorts only",
        as_of=as_of,
        n=whole.n if whole else 0,
        note="Intervals: normal for calibration in the large, 400 redraws of the labels for ECE, Wilson (1927) for "
        "each group. ECE is above zero by chance alone; off means above the 99 % level of right scores.",
    )
