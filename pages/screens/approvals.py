"""Requests that wait for signatures, mine first; and one request with everything its decision rests on."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    address,
    badges,
    decision_forms,
    evidence,
    forms,
    notices,
    parts,
    places,
    reads,
    session,
    tables,
)
from pages.components.format import code, count, digest, due, md, plural, promotion, version, when
from services.approvals.models import Decision, QueueQuery, RequestState, RequestView
from services.inventory.models import Tier
from services.kernel.errors import UnknownRequestError

PAGE_SIZE = 50
STATES = {state.value: state for state in RequestState}
WAITING = (RequestState.OPEN, RequestState.CHANGES_REQUESTED, RequestState.APPROVED)
TIERS = {str(int(tier)): tier for tier in Tier}
MINE = {"1": True, "0": False}

me = session.enter("approvals")
room = session.control_room()


def _query() -> QueueQuery:
    return QueueQuery(
        text=address.get("q"),
        mine_only=address.one("mine", MINE, default=False),
        tiers=tuple(int(tier) for tier in address.many("tier", TIERS)),
        states=address.many("state", STATES) or WAITING,
        model=address.get("model"),
        offset=(address.number("page", 1, low=1, high=10_000) - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )


def _queue() -> None:
    query = _query()
    page = reads.attempt("the queue", lambda: room.approvals.queue(query, actor=me), key=f"queue-{me.subject}-{query}")
    mine = sum(row.mine for row in page.items) if page else 0
    fact = (
        f"{plural(page.total, 'request')} here; {count(mine)} you can act on now."
        if page
        else "The queue cannot be read just now."
    )
    with parts.header("Approvals", f":gray[{fact}]"):
        pass
    _filters(query)
    if page is None:
        return
    if not page.items:
        _nothing(query)
        return
    frame, config = tables.queue(page.items, session.now())
    frame.insert(0, "mine", ["Your turn" if row.mine else "" for row in page.items])
    chosen = parts.selectable(
        frame,
        {"mine": tables.text("", width=72), **config},
        key="queue",
        alt="Requests, those that wait for you first",
        row_height=40,
    )
    parts.paging(page.total, query.limit, key="queue")
    if chosen is not None:
        st.switch_page(places.path("approvals"), query_params={"request": page.items[chosen].request_id})
    with st.container(key="queue-links", gap=None):
        for row in [row for row in page.items if row.mine][:10]:
            st.page_link(
                places.path("approvals"),
                label=f"{md(promotion(row.title, row.version))}: {due(row.due_at, session.now())}",
                icon=":material/signature:",
                query_params={"request": row.request_id},
            )
    st.caption("Select a row to open the request. With the keyboard: arrow keys move, Shift and Space select.")


def _filters(query: QueueQuery) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        st.text_input(
            "Search",
            key=address.follow("q", query.text),
            on_change=address.writes("q"),
            placeholder="Model, request or requester",
            icon=":material/search:",
            label_visibility="collapsed",
            width=260,
        )
        st.segmented_control(
            "Whose",
            list(MINE),
            format_func={"1": "Waiting for me", "0": "All"}.__getitem__,
            required=True,
            key=address.follow("mine", "1" if query.mine_only else "0"),
            on_change=address.writes("mine"),
            label_visibility="collapsed",
        )
        st.multiselect(
            "Risk tier",
            list(TIERS),
            format_func=lambda name: badges.word(TIERS[name]),
            placeholder="Any risk tier",
            width=190,
            key=address.follow("tier", [str(tier) for tier in query.tiers]),
            on_change=address.writes("tier", ",".join),
            label_visibility="collapsed",
        )
        chosen = [] if query.states == WAITING else [state.value for state in query.states]
        st.multiselect(
            "State",
            list(STATES),
            format_func=lambda name: badges.word(STATES[name]),
            placeholder="Waiting ones",
            width=260,
            key=address.follow("state", chosen),
            on_change=address.writes("state", ",".join),
            label_visibility="collapsed",
        )
        if query.model:
            st.markdown(f"{badges.plain(query.model, 'blue', 'deployed_code')}", width="content")


def _nothing(query: QueueQuery) -> None:
    if query == QueueQuery(limit=PAGE_SIZE):
        notices.empty(
            "No request waits",
            "Nobody has asked for a promotion. A data science lead starts one from a model's gates.",
            icon="done_all",
            page="inventory",
            link="Models",
        )
        return
    notices.empty("No request matches these filters", "Decided requests are hidden unless you choose their state.")
    with st.container(horizontal_alignment="center"):
        st.button("Clear filters", on_click=address.clear, key="clear-filters")


def _request(view: RequestView) -> None:
    row, now, zone = view.row, session.now(), session.zone()
    waits = row.state in {RequestState.OPEN, RequestState.CHANGES_REQUESTED}
    late = waits and row.due_at < now
    time_badge = f":{'red' if late else 'orange'}-badge[:material/schedule: {due(row.due_at, now)}] " if waits else ""
    fact = (
        f"{badges.badge(row.state)} {time_badge}{badges.badge(Tier(row.tier))} "
        f":gray[{md(row.request_id)}, asked by {md(row.requester)} on {when(row.created_at, zone)}]"
    )
    with parts.header(promotion(row.title, row.version), fact, back=("approvals", "All approvals")):
        st.page_link(
            places.path("model"), label="The model", icon=":material/deployed_code:", query_params={"name": row.model}
        )
        st.download_button(
            "Download evidence",
            lambda: _evidence_file(view),
            file_name=f"{row.request_id}-evidence.json",
            mime="application/json",
            icon=":material/download:",
            key="evidence-download",
            on_click="ignore",
        )
    left, right = st.columns([2, 1])
    with left:
        _evidence(view)
    with right:
        _decide(view)
        with parts.card("Signatures", f"{row.signed} of {row.needed}"):
            st.progress(min(row.signed / row.needed, 1.0) if row.needed else 0.0)
            evidence.signatures(view.quorum, view.signatures)
        with parts.card("Trail"):
            evidence.trail(view.trail)


def _evidence(view: RequestView) -> None:
    row, report = view.row, view.report
    if view.note:
        st.markdown(f"> {md(view.note)}")
    with parts.card(f"Changed since {version(row.base)}" if row.base else "First release"):
        evidence.changes(view.changes, row.base, row.version)
    with parts.card(
        "Gates", f"{evidence.gate_count(report)}, policy {md(report.policy.name)} version {md(report.policy.version)}"
    ):
        evidence.gates(report)
    with parts.card("Purpose, limits and data"):
        parts.facts(
            [
                ("Benefit", md(view.benefit) or ":gray[not stated]"),
                ("Limits of use", md(view.limits) or ":gray[not stated]"),
                ("Fallback", md(view.fallback) or ":gray[not stated]"),
                ("Sensitive data", md("; ".join(view.sensitive)) or ":gray[nothing stated]"),
                ("Traffic after approval", ", then ".join(f"{share} %" for share in view.terms.shares)),
                (
                    "Approval lasts",
                    f"{plural(view.terms.approval_days, 'day')}"
                    + (f", until {when(view.valid_until, session.zone())}" if view.valid_until else ""),
                ),
            ],
            alt="Purpose, limits and data",
        )
    with parts.card("Exactly this is signed"):
        parts.facts(
            [
                ("Model bytes", code(digest(view.manifest_sha256, 32))),
                ("Evidence", code(digest(view.evidence_sha256, 32))),
                ("Policy", code(digest(report.policy.sha256, 32))),
                ("Training run", code(view.run_id)),
                ("Revision", str(view.revision)),
            ],
            alt="Digests of what is signed",
        )


def _evidence_file(view: RequestView) -> str:
    rows = [
        {
            "gate": item.gate,
            "title": item.title,
            "value": item.value,
            "rule": item.rule,
            "verdict": item.verdict.value,
            "sentence": item.sentence,
            "data": item.data,
            "n": item.n,
        }
        for item in view.report.outcomes
    ]
    note = f"{view.row.request_id}, evidence {view.evidence_sha256}, manifest {view.manifest_sha256}"
    return tables.to_json(rows, note=note, as_of=session.now())


def _decide(view: RequestView) -> None:
    effects = dict(view.effects)
    main = [item for item in view.allowed if item in {Decision.APPROVE, Decision.ACKNOWLEDGE}]
    others = [item for item in view.allowed if item not in main]
    with parts.card("Your decision", key="decision"):
        _who_signs(view, can_sign=bool(main))
        for decision in main:
            _button(view, decision, effects.get(decision, ""), primary=True)
            st.caption(md(effects.get(decision, "")))
        for start in range(0, len(others), 2):
            for column, decision in zip(st.columns(2), others[start : start + 2], strict=False):
                with column:
                    _button(view, decision, effects.get(decision, ""), primary=False)
        for decision in others:
            if effects.get(decision):
                st.caption(f"**{decision_forms.VERBS[decision]}:** {md(effects[decision])}")


def _who_signs(view: RequestView, *, can_sign: bool) -> None:
    if view.refused_because:
        st.markdown(f":gray[:material/info:] {md(view.refused_because)}")
    elif can_sign:
        left = max(view.row.needed - view.row.signed - 1, 0)
        are = "is" if left == 1 else "are"
        after = f"{plural(left, 'more signature')} {are} needed" if left else "the quorum is complete"
        st.markdown(f"You sign as **{md(me.role.label)}**. After you, {after}.")
    elif Decision.WITHDRAW in view.allowed:
        st.markdown(
            ":gray[:material/info:] You asked for this promotion, so you may not approve it: "
            "who asks and who approves must be different people. You can withdraw it."
        )
    else:
        st.markdown(":gray[:material/info:] The signatures this request needs are not yours to give.")


def _button(view: RequestView, decision: Decision, effect: str, *, primary: bool) -> None:
    st.button(
        decision_forms.VERBS[decision],
        key=f"decide-{decision.value}",
        type="primary" if primary else "secondary",
        width="stretch",
        icon=":material/check:" if primary else None,
        on_click=decision_forms.open_decision,
        args=(view.row.request_id, decision, promotion(view.row.title, view.row.version), effect),
    )


def _one(request_id: str) -> None:
    try:
        view = reads.attempt(
            "this request", lambda: room.approvals.get(request_id, actor=me), key=f"request-{me.subject}-{request_id}"
        )
    except UnknownRequestError as error:
        with parts.header("Approvals", ":gray[This address leads to no request.]", back=("approvals", "All approvals")):
            pass
        notices.show(error)
        return
    if view is None:
        with parts.header(
            "Approvals", ":gray[This request cannot be read just now.]", back=("approvals", "All approvals")
        ):
            pass
        return
    _request(view)
    forms.show_open_dialog({"decide": decision_forms.decision_dialog})


wanted = address.get("request")
if wanted:
    _one(wanted)
else:
    _queue()
