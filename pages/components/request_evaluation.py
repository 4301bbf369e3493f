"""The evaluation of a request: one line per criterion, calibration by score bin, and every group with its verdict.

A group with too few rows is grey and says so; it is never drawn as a pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.components import badges, evaluation_charts, notices, parts, places, reads, session
from pages.components.format import NOTHING, count, md, number, percent, plural, version
from pages.components.request_facts import criteria_words, is_too_few
from services.approvals.models import RequestView
from services.evaluation.detail import Criterion, EvaluationDetail, GroupMeasure, GroupRow, criteria, judged
from services.policy.models import GateReport, Verdict


def show(view: RequestView) -> None:
    criteria_card(view.report, "Evaluation")
    room, row = session.control_room(), view.row
    link(row.model, row.version)
    detail = reads.attempt(
        "the evaluation report", lambda: room.evaluation.detail(row.model, row.version), key=f"report-{row.request_id}"
    )
    if detail is None:
        return
    bound = dict(view.parts).get("evaluation", "")
    if bound and detail.sha256 and bound != detail.sha256:
        st.warning(
            "The evaluation report in the run is no longer the one this request is about. What is drawn below is the "
            "newer one; the criteria above are the ones that were judged.",
            icon=":material/sync_problem:",
        )
    if detail.problem:
        notices.remark(md(detail.problem), "help")
    _calibration(detail)
    _groups(judged(detail, view.report))


def link(model: str, number: str) -> None:
    """The way to everything the harness measured about a version."""
    st.page_link(
        places.path("evaluation"),
        label=f"Evaluation of {version(number)}, beside the live version",
        icon=":material/fact_check:",
        query_params={"model": model, "version": number},
        width="content",
    )


def criteria_card(report: GateReport, title: str) -> None:
    """One line per criterion with value, rule, verdict and n; what stands in the way is said and listed first."""
    lines = sorted(criteria(report), key=lambda line: not any(outcome.verdict.blocks for outcome in line.outcomes))
    policy = f"policy {md(report.policy.name)} version {md(report.policy.version)}"
    with parts.card(title, f"{criteria_words(lines)}, {policy}"):
        _criteria(lines)


def _criteria(lines: Sequence[Criterion]) -> None:
    if not lines:
        notices.remark("No criterion was evaluated, so nothing counts as passed.", "help")
        return
    for line in lines:
        for outcome in line.outcomes:
            if outcome.verdict.blocks:
                held = f" :gray[{md(outcome.exception)}]" if outcome.exception else ""
                st.markdown(f"{badges.mark(outcome.verdict)} **{md(outcome.title)}:** {md(outcome.sentence)}{held}")
    frame = pd.DataFrame(
        {
            "Criterion": [md(line.title) for line in lines],
            "Live": [md(line.champion) or NOTHING for line in lines],
            "Value": [_value(line) for line in lines],
            "Rule": [md(line.rule) for line in lines],
            "Verdict": [_verdict(line) for line in lines],
        }
    )
    parts.table(frame, alt="Criteria")
    sources = list(dict.fromkeys(line.data for line in lines if line.data))
    if sources:
        st.markdown(f":gray[:material/database: {md('; '.join(sources[:4]))}]")


def _value(line: Criterion) -> str:
    size = f" :gray[n = {count(line.n)}]" if line.n is not None else ""
    return f"**{md(line.value) or NOTHING}**{size}"


def _verdict(line: Criterion) -> str:
    if any(outcome.exception for outcome in line.outcomes):
        return f"{badges.badge(line.verdict)} {badges.badge(badges.EXCEPTION)}"
    return badges.badge(badges.TOO_FEW) if is_too_few(line) else badges.badge(line.verdict)


def _calibration(detail: EvaluationDetail) -> None:
    if not detail.bins:
        return
    rows = sum(item.n for item in detail.bins)
    with parts.card("Calibration", f"{len(detail.bins)} bins of equal size, n = {count(rows)}, 95 % interval"):
        words = "; ".join(
            f"score {percent(item.mean_score, 1)} observed {percent(item.observed, 1)}" for item in detail.bins
        )
        parts.chart(
            evaluation_charts.calibration(detail.bins, parts.ink()), key="calibration", alt=f"Calibration: {words}"
        )


def _groups(rows: Sequence[GroupRow]) -> None:
    for number_of, attribute in enumerate(dict.fromkeys(row.attribute for row in rows), start=1):
        members = sorted((row for row in rows if row.attribute == attribute), key=lambda row: -row.n)
        titles = list(dict.fromkeys(measure.title for row in members for measure in row.measures))
        few = sum(row.verdict in {Verdict.SKIPPED, Verdict.INCONCLUSIVE} for row in members)
        note = plural(len(members), "group") + (f", {few} too few to judge" if few else "")
        with parts.card(f"Fairness by {md(attribute.replace('_', ' '))}", note):
            frame = pd.DataFrame(
                {
                    "Group": [_grey(md(row.group), row) for row in members],
                    "n": [_grey(count(row.n), row) for row in members],
                    **{title: [_grey(_measured(row, title), row) for row in members] for title in titles},
                    "Verdict": [_group_verdict(row) for row in members],
                }
            )
            parts.table(frame, alt=f"Fairness {number_of}: {attribute}")


def _grey(text: str, row: GroupRow) -> str:
    return f":gray[{text}]" if row.verdict in {Verdict.SKIPPED, Verdict.INCONCLUSIVE} else text


def _measured(row: GroupRow, title: str) -> str:
    found: GroupMeasure | None = next((item for item in row.measures if item.title == title), None)
    if found is None:
        return NOTHING
    share = found.unit == "share"
    value = percent(found.value, 1) if share else number(found.value, 2)
    if found.low is None or found.high is None:
        return value
    low, high = (percent(found.low), percent(found.high)) if share else (number(found.low, 2), number(found.high, 2))
    return f"{value} :gray[({low} to {high})]"


def _group_verdict(row: GroupRow) -> str:
    if row.verdict in {Verdict.SKIPPED, Verdict.INCONCLUSIVE}:
        return badges.badge(badges.TOO_FEW)
    if row.verdict is not None:
        return badges.badge(row.verdict)
    return badges.plain("Reference", "gray", "anchor") if row.reference else badges.plain("Not judged", "gray", "help")
