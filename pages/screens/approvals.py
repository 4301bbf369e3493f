"""Requests that wait for signatures, mine first; and one request with everything its decision rests on."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    address,
    badges,
    copy_age,
    decision_forms,
    forms,
    notices,
    parts,
    places,
    queue_list,
    reads,
    request_changes,
    request_decide,
    request_parts,
    request_receipt,
    request_steps,
    session,
    tables,
)
from pages.components.format import asked, due, md, when
from services.approvals.models import RequestState, RequestView
from services.inventory.models import Tier
from services.kernel.errors import UnknownRequestError
from services.kernel.identity import Permission

me = session.enter("approvals")
room = session.control_room()


def _request(view: RequestView) -> None:
    row = view.row
    changed = request_changes.remembered(view, me.subject)
    with parts.header(asked(view.purpose, row.title, row.version), _fact(view), back=("approvals", "All approvals")):
        st.page_link(
            places.path("model"), label="The model", icon=":material/deployed_code:", query_params={"name": row.model}
        )
        if room.people.may(me, Permission.EXPORT):
            st.download_button(
                "Download evidence",
                lambda: _evidence_file(view),
                file_name=f"{row.request_id}-evidence.json",
                mime="application/json",
                icon=":material/download:",
                key="evidence-download",
                on_click="ignore",
            )
    request_receipt.show(view)
    request_changes.banners(view, changed)
    # Two rows, so that on a narrow screen the decision stands right after what it rests on.
    left, right = st.columns([2, 1])
    with left:
        if view.retirement is None:
            request_changes.card(view)
            request_parts.at_a_glance(view)
        else:
            request_parts.leaving(view, view.retirement)
    with right:
        request_decide.card(view, me, request_decide.step_parameter(view, address.get("step")))
    left, right = st.columns([2, 1])
    with left:
        if view.retirement is None:
            request_parts.show(view, me)
        else:
            request_parts.signed(view)
    with right:
        request_steps.card(view)
        request_steps.trail(view)


def _fact(view: RequestView) -> str:
    row, now, zone = view.row, session.now(), session.zone()
    waits = row.state in {RequestState.OPEN, RequestState.CHANGES_REQUESTED}
    at = row.stage_due_at or row.due_at
    late = ":red-badge[:material/event_busy:" if at < now else ":orange-badge[:material/schedule:"
    badge_row = [
        badges.badge(badges.PLANNED if row.planned else row.state),
        f"{late} {due(at, now)}]" if waits else "",
        badges.badge(Tier(row.tier)),
    ]
    badge_row += [badges.badge(view.purpose), badges.badge(badges.ESCALATED) if row.escalated else ""]
    words = f":gray[{md(row.request_id)}, asked by {md(row.requester)} on {when(row.created_at, zone)}]"
    return " ".join([*(item for item in badge_row if item), words, copy_age.of_model(row.model)])


def _evidence_file(view: RequestView) -> str:
    rows = [
        {
            "gate": item.gate,
            "title": item.title,
            "value": item.value,
            "rule": item.rule,
            "verdict": item.verdict.value,
            "exception": item.exception,
            "sentence": item.sentence,
            "data": item.data,
            "n": item.n,
        }
        for item in view.report.outcomes
    ]
    note = f"{view.row.request_id}, evidence {view.evidence_sha256}, manifest {view.manifest_sha256}"
    return tables.to_json(rows, note=note, as_of=session.now())


def _one(request_id: str) -> None:
    try:
        view = reads.attempt(
            "this request", lambda: room.approvals.get(request_id, actor=me), key=f"request-{me.subject}-{request_id}"
        )
    except UnknownRequestError as error:
        _no_request("This address leads to no request.")
        notices.show(error)
        return
    if view is None:
        _no_request("This request cannot be read just now.")
        return
    _request(view)
    forms.show_open_dialog({"decide": decision_forms.decision_dialog})


def _no_request(words: str) -> None:
    with parts.header("Approvals", f":gray[{words}]", back=("approvals", "All approvals")):
        pass


wanted = address.get("request")
if wanted:
    _one(wanted)
else:
    queue_list.show(queue_list.query(), me)
