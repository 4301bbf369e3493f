"""The evidence of a request, one part at a time with its own address, or all of it for printing.

Looking at a part is recorded as reading it; a part nobody opened yet carries a mark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from pages.components import address, badges, evaluation_charts, evidence, notices, parts, reads, session
from pages.components.format import NOTHING, code, count, digest, md, number, percent, plural, version, when
from pages.components.request_facts import (
    PANELS,
    column_words,
    criteria_words,
    is_too_few,
    panel_of,
    release_words,
    rollback_words,
    untagged,
)
from services.approvals.models import ColumnFact, RequestView
from services.evaluation.detail import Criterion, EvaluationDetail, GroupMeasure, GroupRow, criteria, judged
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor
from services.policy.models import Verdict

ALL = "all"
_NAMES = {**PANELS, ALL: "All, to print"}


def at_a_glance(view: RequestView) -> None:
    """The facts a clean decision needs, one line each."""
    lines = criteria(view.report)
    bad = [line for line in lines if any(outcome.stands_in_the_way for outcome in line.outcomes)]
    missing = untagged(view.columns)
    sensitive = md(column_words(view.columns)) if view.columns else md("; ".join(view.sensitive)) or NOTHING
    rows = [
        ("Evaluation", f"{_mark(not bad)} {criteria_words(lines)}{_named(bad)}"),
        ("Sensitive inputs", f"{_mark(not missing)} {f':red[{sensitive}]' if missing else sensitive}"),
        ("Rollback plan", md(rollback_words(view.rollback))),
        ("Benefit", md(view.benefit) or ":gray[not stated]"),
        ("After the quorum", md(release_words(view, view.terms))),
    ]
    with parts.card("At a glance", f"policy {md(view.report.policy.name)} version {md(view.report.policy.version)}"):
        parts.facts(rows, alt="The request at a glance")


def show(view: RequestView, me: Actor) -> None:
    """The chosen part, or all of them."""
    new = {panel_of(part) for part in view.unread}
    chosen = address.one("part", {name: name for name in _NAMES}, next(iter(_NAMES)))
    st.segmented_control(
        "Evidence",
        list(_NAMES),
        format_func=lambda name: f"{_NAMES[name]}{' :blue[:material/fiber_new:]' if name in new else ''}",
        key=address.follow("part", chosen),
        on_change=address.writes("part"),
        label_visibility="collapsed",
        required=True,
    )
    if new:
        names = ", ".join(PANELS[name] for name in PANELS if name in new)
        st.markdown(f"{badges.badge(badges.UNREAD)} :gray[{names}: you have not opened this as it is now.]")
    shown = list(PANELS) if chosen == ALL else [chosen]
    for name in shown:
        _DRAW[name](view)
    _mark_seen(view, me, shown)


def _mark_seen(view: RequestView, me: Actor, shown: Sequence[str]) -> None:
    for part in view.unread:
        if panel_of(part) in shown:
            try:
                session.control_room().approvals.mark_seen(view.row.request_id, part, actor=me)
            except ControlRoomError:
                return  # Not remembered as read: the mark simply stays, which is the safe side.


def _mark(good: bool) -> str:  # noqa: FBT001 - one word, one meaning
    return ":green[:material/check_circle:]" if good else ":red[:material/cancel:]"


def _named(lines: Sequence[Criterion]) -> str:
    return f": :red[{md(', '.join(line.title for line in lines))}]" if lines else ""


def _evaluation(view: RequestView) -> None:
    lines = criteria(view.report)
    with parts.card("Evaluation", criteria_words(lines)):
        _criteria(lines)
    room, row = session.control_room(), view.row
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


def _criteria(lines: Sequence[Criterion]) -> None:
    if not lines:
        notices.remark("No criterion was evaluated, so nothing counts as passed.", "help")
        return
    frame = pd.DataFrame(
        {
            "Criterion": [md(line.title) for line in lines],
            "Live": [md(line.champion) or NOTHING for line in lines],
            "Value": [f"**{md(line.value)}**" for line in lines],
            "Rule": [md(line.rule) for line in lines],
            "Verdict": [_verdict(line) for line in lines],
            "n": [count(line.n) for line in lines],
        }
    )
    parts.table(frame, alt="Criteria")
    sources = list(dict.fromkeys(line.data for line in lines if line.data))
    if sources:
        st.markdown(f":gray[:material/database: {md('; '.join(sources[:4]))}]")
    for line in lines:
        for outcome in line.outcomes:
            if outcome.verdict.blocks:
                held = f" :gray[{md(outcome.exception)}]" if outcome.exception else ""
                st.markdown(f"{badges.mark(outcome.verdict)} **{md(outcome.title)}:** {md(outcome.sentence)}{held}")


def _verdict(line: Criterion) -> str:
    if any(outcome.exception for outcome in line.outcomes):
        return badges.badge(badges.EXCEPTION)
    return badges.badge(Verdict.INCONCLUSIVE) if is_too_few(line) else badges.badge(line.verdict)


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
        return badges.badge(Verdict.INCONCLUSIVE)
    if row.verdict is not None:
        return badges.badge(row.verdict)
    return badges.plain("Reference", "gray", "anchor") if row.reference else badges.plain("Not judged", "gray", "help")


def _data(view: RequestView) -> None:
    lines = [line for group in view.diff if group.key in {"data", "features"} for line in group.lines]
    with parts.card("Data and inputs"):
        if lines:
            evidence.changes(lines, view.row.base, view.row.version, alt="Data and inputs")
        else:
            notices.remark("The data of this version is named under what is signed.", "database")
    with parts.card("Sensitive inputs", column_words(view.columns), key="sensitive"):
        if not view.columns:
            notices.remark(md("; ".join(view.sensitive)) or "No sensitive input is used.")
            return
        rows = [
            (
                _red(md(item.name), item),
                badges.plain(item.category or "not stated", "violet" if item.tagged else "gray", "shield_person"),
                _tag(item),
                "masked" if item.masked else ":orange[:material/visibility: readable]",
                md(item.problem or item.basis) or ":gray[no basis stated]",
            )
            for item in view.columns
        ]
        columns = ["Column", "Category", "Tag", "When serving", "Basis"]
        parts.table(pd.DataFrame(rows, columns=columns), alt="Sensitive inputs")


def _red(text: str, item: ColumnFact) -> str:
    return text if item.tagged and not item.problem else f":red[{text}]"


def _tag(item: ColumnFact) -> str:
    if not item.tagged:
        return ":red-badge[:material/label_off: No tag]"
    return f":material/label: {md(item.tagged_by)}" if item.tagged_by else ":material/label: tagged"


def _rollback(view: RequestView) -> None:
    with parts.card("Rollback plan", "signed together with the request"):
        terms = view.rollback
        if terms is None:
            notices.remark(
                "There is no earlier approved version. If it fails, work goes back to the fallback: "
                f"{md(view.fallback) or 'not stated'}",
                "help",
            )
            return
        st.markdown(f"Back to **{version(terms.to)}**, files {code(digest(terms.manifest_sha256))}.")
        if terms.rules:
            st.markdown("The machine may roll back by itself, with its own key, when one of these holds:")
            for rule in terms.rules:
                st.markdown(f"- {md(rule.sentence)}")
        else:
            notices.remark("The machine may not roll back by itself: no rule is stated.", "pan_tool")
        roles = ", ".join(md(evidence.role(line.rule.role).lower()) for line in view.quorum)
        notices.remark(f"Everybody who signs this request signs this plan: {roles}. People may roll back at any time.")


def _purpose(view: RequestView) -> None:
    cost = next((group for group in view.diff if group.key == "cost"), None)
    with parts.card("Purpose and cost"):
        parts.facts(
            [
                ("Benefit", md(view.benefit) or ":gray[not stated]"),
                ("Cost", md(cost.sentence) if cost else ":gray[not stated]"),
                ("Limits of use", md(view.limits) or ":gray[not stated]"),
                ("Fallback", md(view.fallback) or ":gray[not stated]"),
                ("After the quorum", md(release_words(view, view.terms))),
            ],
            alt="Purpose, cost, limits and fallback",
        )
        if cost and cost.lines:
            evidence.changes(cost.lines, view.row.base, view.row.version, alt="Cost")


def _signed(view: RequestView) -> None:
    with parts.card("Exactly this is signed", f"revision {view.revision}"):
        rows = [
            ("Model files", code(digest(view.manifest_sha256, 32))),
            ("Evidence", code(digest(view.evidence_sha256, 32))),
            ("Policy", code(digest(view.report.policy.sha256, 32))),
            ("Training run", code(view.run_id)),
        ]
        rows += [
            (md(name.replace("_", " ")), code(digest(sha, 32)) if sha else ":orange[:material/help: could not be read]")
            for name, sha in view.parts
        ]
        if view.valid_until:
            rows.append(("Approved until", when(view.valid_until, session.zone())))
        parts.facts(rows, alt="Digests of what is signed")


_DRAW: dict[str, Callable[[RequestView], None]] = {
    "evaluation": _evaluation,
    "data": _data,
    "rollback": _rollback,
    "purpose": _purpose,
    "signed": _signed,
}
