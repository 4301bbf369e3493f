"""The evidence of a request, one part at a time with its own address, or all of it for printing.

Looking at a part is recorded as reading it; a part nobody opened yet carries a mark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from pages.components import (
    address,
    badges,
    evidence,
    model_lineage,
    notices,
    parts,
    places,
    reads,
    request_evaluation,
    session,
    value_gate,
)
from pages.components.format import NOTHING, code, digest, md, plural, role, version, when
from pages.components.request_facts import (
    PANELS,
    column_words,
    criteria_words,
    panel_of,
    release_words,
    rollback_words,
    untagged,
)
from services.approvals.models import ColumnFact, RequestView, RetirementTerms
from services.evaluation.detail import Criterion, criteria
from services.inventory.lineage import FrozenGraph, LineageGraph, diff
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Permission
from services.rollout import job_evidence
from services.rollout.retirement_models import RETIREMENT_REASONS

ALL = "all"
_PART_WORDS = {job_evidence.PART: "deployment job"}
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
        ("Rollback plan", md(rollback_words(view.rollback, view.row.base))),
        ("Risk", md(view.risk) or f":orange[:material/help: tier {view.row.tier}; no score sheet is filled in]"),
        ("Limits of use", md(view.limits) or ":orange[:material/help: not stated]"),
        ("Benefit", md(view.benefit) or ":gray[not stated]"),
        ("After the quorum", md(release_words(view, view.terms))),
        *([("Freeze window", md(view.freeze))] if view.freeze else []),
    ]
    with parts.card("At a glance", f"policy {md(view.report.policy.name)} version {md(view.report.policy.version)}"):
        parts.facts(rows, alt="The request at a glance")


def leaving(view: RequestView, terms: RetirementTerms) -> None:
    """What the signers of a retirement judge: who reads its answers, what is done without it, and when it closes."""
    room = session.control_room()
    running = reads.attempt(
        "the retirement", lambda: room.retirements.of_request(view.row.request_id), key=f"leaving-{view.row.request_id}"
    )
    with parts.card("What is taken out of service", f"policy {md(view.report.policy.name)}", key="request-retirement"):
        parts.facts(
            [
                ("Serves now", f"{version(view.row.version)}, and with it everything of {md(view.row.model)}"),
                ("Reason", md(RETIREMENT_REASONS.get(terms.reason_code, terms.reason_code))),
                ("In words", md(view.note) or NOTHING),
                ("Consumers", md(", ".join(terms.consumers)) or ":orange[:material/help: none is recorded]"),
                ("What is not known", md(terms.consumers_note)),
                ("Done without it", md(view.fallback) or ":orange[:material/help: not stated]"),
                ("Benefit", md(view.benefit) or ":gray[not stated]"),
                ("Risk", md(view.risk) or f":orange[:material/help: tier {view.row.tier}; no score sheet]"),
                ("After the quorum", md(release_words(view, view.terms))),
            ],
            alt="The retirement at a glance",
        )
    if running is not None:
        with parts.card("Where it stands", key="request-leaving"):
            value_gate.facts(running)


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
                _for_people(item),
                _for_serving(item),
                md(item.problem or item.basis) or ":gray[no basis stated]",
            )
            for item in view.columns
        ]
        columns = ["Column", "Category", "Tag", "For people", "When serving", "Basis"]
        parts.table(pd.DataFrame(rows, columns=columns), alt="Sensitive inputs")
        if untagged(view.columns):
            _way_to_tag(view)
    _lineage(view)


def _lineage(view: RequestView) -> None:
    """The graph that is signed, as it was frozen; what is different today; and the difference to an earlier version."""
    room, model, number = session.control_room(), view.row.model, view.row.version
    signed = dict(view.parts).get("lineage", "")
    now = reads.attempt("the lineage", lambda: room.handling.graph(model, number), key=f"graph-{model}-{number}")
    frozen = (
        reads.attempt("the signed lineage", lambda: room.handling.frozen(signed), key=f"frozen-{signed}")
        if signed
        else None
    )
    graph = frozen.graph if frozen else now
    if graph is None:
        if signed:
            notices.remark("The lineage of this version is not known just now.", "help")
        return
    inputs = graph.inputs
    handling = reads.attempt(
        "the access rules",
        lambda: room.handling.columns(room.inventory.model(model), inputs),
        key=f"handling-{model}-{number}",
    )
    note = f"as frozen for this request on {when(frozen.kept_at, session.zone())}, " if frozen else ""
    model_lineage.show_graph(graph, handling or (), note=note)
    _today(signed, frozen, now)
    _since(view)


def _today(signed: str, frozen: FrozenGraph | None, now: LineageGraph | None) -> None:
    """What became of the signed graph since."""
    if not signed or (now is not None and now.sha256 == signed):
        return
    if now is None:
        notices.remark("How the lineage is today is not known just now.", "help")
    elif frozen is None:
        st.markdown(":orange[:material/difference: What is signed is an earlier graph; this one is of now.]")
    else:
        lines = diff(frozen.graph, now)
        found = plural(len(lines), "difference") if lines else "the same facts under another description"
        st.markdown(f":orange[:material/difference: The lineage is another one today: {found}.]")
        model_lineage.listed(lines)


def _since(view: RequestView) -> None:
    """Against what was live when it was asked; else against the version that was approved before, or the one before."""
    room, model, number, base = session.control_room(), view.row.model, view.row.version, view.row.base
    what = "which was live when this was asked"
    if not base or base == number:
        versions = reads.attempt("versions", lambda: room.inventory.versions(model), key=f"versions-{model}") or ()
        found = model_lineage.previous_of(model, number, tuple(item.version for item in versions))
        if found is None:
            notices.remark(f"{version(number)} is the first version: there is nothing to compare.", "looks_one")
            return
        base, what = found.version, model_lineage.previous_words(found)
    earlier = base
    lines = reads.attempt(
        "the earlier version's lineage",
        lambda: room.handling.changes(model, earlier, number),
        key=f"lineage-changes-{model}-{earlier}-{number}",
    )
    if lines is not None:
        model_lineage.show_changes(lines, earlier, what)


def _way_to_tag(view: RequestView) -> None:
    missing = plural(len(untagged(view.columns)), "input")
    st.markdown(f":red[:material/label_off: {missing} without a tag, or with a tag that is in doubt.]")
    room, me = session.control_room(), session.signed_in()
    st.page_link(
        places.path("model"),
        label="Tag it on the model's page" if room.people.may(me, Permission.TAG_COLUMN) else "Columns of the model",
        icon=":material/label:",
        query_params={"name": view.row.model, "show": "lineage"},
        width="content",
    )


def _red(text: str, item: ColumnFact) -> str:
    return text if item.tagged and not item.problem else f":red[{text}]"


def _for_people(item: ColumnFact) -> str:
    if item.masked:
        return f":material/visibility_off: {md(item.mask) or 'masked'}"
    if item.mask and not item.tagged:
        return f":gray[{md(item.mask)} until it is tagged]"
    return ":orange[:material/visibility: as it is]"


def _for_serving(item: ColumnFact) -> str:
    if item.readable is None:
        return ":gray[:material/help: not stated]"
    return ":material/visibility: readable" if item.readable else ":material/visibility_off: not readable"


def _tag(item: ColumnFact) -> str:
    if not item.tagged:
        return ":red-badge[:material/label_off: No tag]"
    return f":material/label: {md(item.tagged_by)}" if item.tagged_by else ":material/label: tagged"


def _rollback(view: RequestView) -> None:
    terms = view.rollback
    with parts.card("Rollback plan", "signed together with the request" if terms else ""):
        if terms is None and view.row.base:
            notices.remark(md(rollback_words(None, view.row.base)), "pan_tool")
            return
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
        roles = ", ".join(md(role(line.rule.role).lower()) for line in view.quorum)
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
                *([("Freeze window", md(view.freeze))] if view.freeze else []),
            ],
            alt="Purpose, cost, limits and fallback",
        )
        if cost and cost.lines:
            evidence.changes(cost.lines, view.row.base, view.row.version, alt="Cost")


def signed(view: RequestView) -> None:
    with parts.card("Exactly this is signed", f"revision {view.revision}"):
        rows = [
            ("Model files", code(digest(view.manifest_sha256, 32))),
            ("Evidence", code(digest(view.evidence_sha256, 32))),
            ("Policy", code(digest(view.report.policy.sha256, 32))),
            ("Training run", code(view.run_id)),
        ]
        rows += [(md(_PART_WORDS.get(name, name).replace("_", " ")), _part(name, sha)) for name, sha in view.parts]
        if view.valid_until:
            rows.append(("Approved until", when(view.valid_until, session.zone())))
        parts.facts(rows, alt="Digests of what is signed")


def _part(name: str, sha: str) -> str:
    if not sha:
        return ":orange[:material/help: could not be read]"
    none = " :gray[no job is connected]" if name == job_evidence.PART and sha == job_evidence.NONE.sha256 else ""
    return code(digest(sha, 32)) + none


_DRAW: dict[str, Callable[[RequestView], None]] = {
    "evaluation": request_evaluation.show,
    "data": _data,
    "rollback": _rollback,
    "purpose": _purpose,
    "signed": signed,
}
