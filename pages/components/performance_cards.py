"""Cards of the performance screen: confirmed, estimated, cohorts that wait, maturity, calibration, business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from pages.components import exporting, notices, parts
from pages.components import performance_charts as charts
from pages.components.format import NOTHING, count, day, md, number, percent, plural, short_day, signed
from services.kernel.health import Explanation
from services.kernel.interval import Estimate
from services.monitoring.metrics import WORDS
from services.monitoring.performance_models import ALL_VERSIONS, BusinessPoint, Cohort, DecayView, ValuePerDecision

_WAITING_SHOWN = 12


def tiles(view: DecayView) -> None:
    words = WORDS[view.metric]
    first, second, third, fourth = st.columns(4)
    with first:
        parts.signal_tile(f"Decay, {words.unit}", view.signal, number(view.signal.value, 3))
    with second:
        mature = "unknown" if view.maturity.age is None else plural(view.maturity.age, "day")
        parts.tile("Labels are mature after", mature, view.maturity.sentence)
    newest = next((cohort for cohort in reversed(view.cohorts) if cohort.finished), None)
    with third:
        _coverage_tile(newest)
    with fourth:
        _estimate_tile(view, newest)


def _coverage_tile(newest: Cohort | None) -> None:
    if newest is None:
        parts.tile("Labels of the newest cohort", NOTHING, "no finished cohort in this range")
        return
    usual = (
        "usual is not known" if newest.usual_coverage is None else f"{percent(newest.usual_coverage)} is usual by now"
    )
    late = "Late: " if newest.late else ""
    parts.tile(
        "Labels of the newest cohort",
        percent(newest.coverage),
        f"{late}{_period(newest)}, {usual}; {count(newest.labelled)} of {count(newest.predicted)}",
    )


def _estimate_tile(view: DecayView, newest: Cohort | None) -> None:
    if newest is None or newest.estimate is None:
        parts.tile("Estimated, newest cohort", NOTHING, view.estimate_sentence)
        return
    apart = (
        ""
        if view.estimate_error is None
        else f"; {number(view.estimate_error, 3)} off on average where labels came later"
    )
    parts.tile(
        "Estimated, newest cohort",
        number(newest.estimate.value, 3),
        f"{_period(newest)}, from {count(newest.predicted)} scores, not confirmed{apart}",
    )


def confirmed(view: DecayView) -> None:
    words = WORDS[view.metric]
    with parts.card("Confirmed by labels", f"{md(words.title)}, 95 % interval shaded"):
        if not any(cohort.confirmed for cohort in view.cohorts):
            notices.remark(md(_none_confirmed(view)), "help")
        else:
            figure = charts.confirmed(view, parts.ink())
            parts.chart(figure, key="confirmed", alt=f"{words.title} of mature cohorts with interval and limits")
            age = plural(view.maturity.age, "day") if view.maturity.age is not None else "one age"
            st.caption(f"Every cohort is measured with labels up to an age of {age}. Younger cohorts have no point.")
        if view.assumption:
            notices.remark(md(view.assumption), "edit_note")
        if view.unmatched:
            st.caption(
                f"{count(view.unmatched)} labels speak about predictions that nobody recorded, and are left out."
            )
        parts.explain(view.confirmed_explanation, key="explain-confirmed")


def _none_confirmed(view: DecayView) -> str:
    if not view.cohorts:
        return "Nothing was predicted in this range, so there is nothing to confirm."
    return "Not enough labels: no cohort in this range is mature and labelled well enough. Unknown is not healthy."


def estimated(view: DecayView) -> None:
    with parts.card("Estimated from scores", md(view.estimate_method) or "no estimate"):
        if not view.estimate_method:
            notices.remark(md(view.estimate_sentence), "help")
        else:
            figure = charts.estimated(view, parts.ink())
            parts.chart(
                figure, key="estimated", alt=f"{WORDS[view.metric].title} expected from scores alone, without labels"
            )
            st.caption(md(view.estimate_sentence))
        parts.explain(view.estimate_explanation, key="explain-estimate")


def waiting(view: DecayView) -> None:
    """Cohorts whose labels are not mature, each beside mature cohorts as they were at the same age."""
    young = [cohort for cohort in view.cohorts if not cohort.mature and cohort.finished][-_WAITING_SHOWN:]
    with parts.card("Waiting for labels", "compared with mature cohorts at the same age"):
        if not young:
            notices.remark("No finished cohort of this range is waiting: all are mature.", "check")
            return
        frame = pd.DataFrame(
            {
                "Predicted": [_period(cohort) for cohort in reversed(young)],
                "Age": [f"{cohort.age} d" for cohort in reversed(young)],
                "Labels": [_labels(cohort) for cohort in reversed(young)],
                "So far": [_interval(cohort.so_far) for cohort in reversed(young)],
                "Mature ones then": [_interval(cohort.peers) for cohort in reversed(young)],
            }
        )
        parts.table(frame, alt="Cohorts waiting for labels")
        st.caption(
            "Early labels are not a fair sample: what a young cohort shows so far is set beside nothing but mature "
            "cohorts at the same age, and moves no verdict."
        )
        with st.container(horizontal=True, key="waiting-actions"):
            parts.explain(_waiting_explanation(view, young), key="explain-waiting")
            exporting.popover(
                f"waiting-{view.model}",
                lambda: [_waiting_row(cohort) for cohort in young],
                note=f"Cohorts of {view.model} that wait for labels",
                key="export-waiting",
            )


def _waiting_explanation(view: DecayView, young: Sequence[Cohort]) -> Explanation:
    return replace(
        view.confirmed_explanation,
        formula=f"Labels = labelled predictions / predictions of the cohort. So far: {WORDS[view.metric].title} of the "
        "labels that came, with its 95 % interval. Mature ones then: the same of mature cohorts, counting only labels "
        "that were there at that age.",
        n=sum(cohort.n for cohort in young),
        note="A cohort waits until every one of its days is as old as labels take to come, which the card on maturity "
        "says. Late: far fewer labels than mature ones had at its age.",
    )


def _waiting_row(cohort: Cohort) -> dict[str, object]:
    return {
        "predicted": _period(cohort),
        "age_days": cohort.age,
        "n": cohort.n,
        "labelled_share": cohort.coverage,
        "usual_share": cohort.usual_coverage,
        "late": cohort.late,
        **_parts("so_far", cohort.so_far),
        **_parts("mature_then", cohort.peers),
    }


def _parts(name: str, found: Estimate | None) -> dict[str, object]:
    return {
        name: found.value if found else None,
        f"{name}_low": found.low if found else None,
        f"{name}_high": found.high if found else None,
    }


def _labels(cohort: Cohort) -> str:
    usual = "" if cohort.usual_coverage is None else f" :gray[usual {percent(cohort.usual_coverage)}]"
    late = ":orange[:material/schedule: late] " if cohort.late else ""
    return f"{late}{percent(cohort.coverage)}, n = {count(cohort.n)}{usual}"


def _interval(found: Estimate | None) -> str:
    if found is None:
        return ":gray[too few labels]"
    return f"{number(found.value, 3)} :gray[{number(found.low, 3)} to {number(found.high, 3)}]"


def maturity(view: DecayView) -> None:
    with parts.card("How labels arrive", "usual share by age"):
        if not view.maturity.points:
            notices.remark("Too few predictions are old enough to draw this.", "help")
        else:
            figure = charts.maturity(view.maturity, parts.ink())
            parts.chart(
                figure, key="maturity", alt="Usual share of predictions with a label by days since the prediction"
            )
        st.caption(md(view.maturity.sentence))
        parts.explain(view.maturity_explanation, key="explain-maturity")


def calibration(view: DecayView) -> None:
    found = view.calibration
    if found is None or found.large is None or found.ece is None:
        with parts.card("Calibration"):
            reason = (
                "A forecast has no probability to be right about; its errors are above."
                if not view.estimate_method and view.metric.value in {"mae", "rmse"}
                else "No mature labels in this range, so nobody can say whether scores mean what they say."
            )
            notices.remark(reason, "help")
        return
    left, right = st.columns(2)
    with left, parts.card("Calibration over time", "mean score minus share of positive labels"):
        figure = charts.calibration_over_time(view.cohorts, parts.ink())
        parts.chart(figure, key="calibration", alt="Mean score minus share of positive labels per cohort")
        promise = "promises too much" if found.large.value > 0 else "promises too little"
        st.caption(
            f"All mature cohorts together: {signed(found.large.value)} ({promise} on average), n = {count(found.n)}."
        )
        parts.explain(view.calibration_explanation, key="explain-calibration")
    with right, parts.card("What a score means", f"{len(found.groups)} groups, n = {count(found.n)}"):
        parts.chart(
            charts.reliability(found, parts.ink()),
            key="reliability",
            alt="Share of positive labels against mean score by group, with intervals",
        )
        verdict = (
            ":orange[:material/warning: further off than chance explains]"
            if found.off
            else "within what chance explains"
        )
        spread = f"{number(found.ece.low, 3)} to {number(found.ece.high, 3)}"
        st.caption(
            f"ECE {number(found.ece.value, 3)} ({spread}), chance alone reaches {number(found.floor, 3)}: {verdict}."
        )


def business(view: DecayView) -> None:
    left, middle, right = st.columns(3)
    with left, parts.card("Referral rate", "scores at or above the threshold"):
        _referral(view)
    with middle, parts.card("Override rate", "reviews that decided otherwise"):
        _overrides(view.business.overrides, sliced=bool(view.query.slice_key))
    with right, parts.card("Value per decision"):
        is_part = bool(view.query.slice_key) or view.version != ALL_VERSIONS
        _value(view.business.value, today=view.query.known_on is None, is_part=is_part)
        parts.explain(view.business_explanation, key="explain-business")


def _referral(view: DecayView) -> None:
    if view.business.threshold is None:
        notices.remark("Not recorded: nobody stated a decision threshold for this model.", "help")
        return
    figure = charts.rates(
        "Referral rate",
        [cohort.end for cohort in view.cohorts],
        [cohort.referral for cohort in view.cohorts],
        parts.ink(),
    )
    parts.chart(figure, key="referral", alt="Share of scores at or above the decision threshold per cohort")
    n = sum(cohort.predicted for cohort in view.cohorts)
    st.caption(f"Threshold {view.business.threshold:g}, n = {count(n)} predictions. Needs no label.")


def _overrides(points: Sequence[BusinessPoint], *, sliced: bool) -> None:
    if not points:
        why = "reviews are not counted by slice" if sliced else "no reviews by people are recorded in this range"
        notices.remark(f"Not recorded: {why}.", "help")
        return
    figure = charts.rates(
        "Override rate", [item.end for item in points], [item.override for item in points], parts.ink()
    )
    parts.chart(figure, key="override", alt="Share of reviews that decided otherwise per period")
    reviewed, corrected = sum(item.reviewed for item in points), sum(item.corrected for item in points)
    st.caption(f"{count(corrected)} of {count(reviewed)} reviews decided otherwise.")


def _value(found: ValuePerDecision | None, *, today: bool, is_part: bool) -> None:
    if found is None:
        notices.remark("Not recorded: no benefit is accounted for this model. That is not a value of zero.", "help")
        return
    st.metric("Benefit per 1,000 decisions", f"{found.currency} {found.amount:,.0f}")
    spread = f"{found.currency} {found.low:,.0f} to {found.high:,.0f}"
    st.caption(
        f"{spread}; {count(found.decisions)} decisions, {md(found.window)}."
        + (f" Assumed: {md(found.assumed)}." if found.assumed else "")
        + ("" if today else " As accounted today, not on the day looked at.")
        + (" Of the whole model: value is not accounted by slice or version." if is_part else "")
    )


def rows(view: DecayView) -> list[dict[str, object]]:
    """For export: confirmed and estimated figures in columns of their own."""
    return [
        {
            "model": view.model,
            "version": view.version,
            "slice": view.query.slice_key,
            "known_on": view.known_on.isoformat(),
            "from": cohort.start.isoformat(),
            "to": cohort.end.isoformat(),
            "metric": view.metric.value,
            "predicted": cohort.predicted,
            "labelled": cohort.labelled,
            "pairs": cohort.n,
            "coverage": round(cohort.coverage, 6),
            "usual_coverage": cohort.usual_coverage,
            "age_days": cohort.age,
            "mature": cohort.mature,
            "late": cohort.late,
            **_columns("confirmed", cohort.confirmed),
            **_columns("so_far", cohort.so_far),
            **_columns("mature_at_same_age", cohort.peers),
            **_columns("estimated", cohort.estimate),
            "estimate_method": view.estimate_method if cohort.estimate else "",
            **_columns("referral_rate", cohort.referral),
            **_columns("score_minus_label", cohort.calibration.large if cohort.calibration else None),
            **_columns("ece", cohort.calibration.ece if cohort.calibration else None),
        }
        for cohort in view.cohorts
    ]


def _columns(name: str, found: Estimate | None) -> dict[str, object]:
    return {
        name: found.value if found else None,
        f"{name}_low": found.low if found else None,
        f"{name}_high": found.high if found else None,
    }


def _period(cohort: Cohort) -> str:
    if cohort.start == cohort.end:
        return day(cohort.start)
    return f"{short_day(cohort.start)} to {short_day(cohort.end)}"
