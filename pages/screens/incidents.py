"""What went wrong in production: the list with its figures, and one incident from first sign to signed post-mortem."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    address,
    incident_facts,
    incident_forms,
    incident_list,
    notices,
    parts,
    places,
    post_mortem,
    reads,
    session,
)
from pages.components.format import md
from services.incidents.models import IncidentView, Step
from services.kernel.errors import InputError

me = session.enter("incidents")
room = session.control_room()

_BUTTONS = (
    (Step.MITIGATED, "The impact is over", "healing"),
    (Step.LINKED, "Link a change of traffic", "alt_route"),
    (Step.ASSIGNED, "Assign or take over", "person_add"),
    (Step.NOTE, "Add a note", "edit_note"),
    (Step.SEVERITY, "Change the severity", "swap_vert"),
    (Step.IMPACT, "State when it began", "history"),
)


def _incident(view: IncidentView) -> None:
    item = view.incident
    with parts.header(item.title or item.incident_id, incident_facts.fact(view), back=("incidents", "All incidents")):
        st.page_link(
            places.path("model"), label="The model", icon=":material/deployed_code:", query_params={"name": item.model}
        )
        if view.offer(Step.ACKNOWLEDGED).enabled:
            st.button(
                "Acknowledge",
                icon=":material/back_hand:",
                type="primary",
                key="acknowledge",
                on_click=incident_forms.acknowledge,
                args=(view,),
            )
    incident_forms.show_problem()
    left, right = st.columns([2, 1])
    with left:
        incident_facts.told(item)
        incident_facts.live(item.incident_id, me)
    with right:
        _steps(view)
        incident_facts.people(view)
        incident_facts.changes(view)
    post_mortem.card(view, me)
    incident_forms.show_open()


def _steps(view: IncidentView) -> None:
    offers = {offer.step: offer for offer in view.offers}
    possible = [(step, label, icon) for step, label, icon in _BUTTONS if offers[step].enabled]
    with parts.card("What you can do", key="incident-steps"):
        for step, label, icon in possible:
            st.button(
                label,
                icon=f":material/{icon}:",
                key=f"step-{step.value}",
                on_click=incident_forms.open_step,
                args=(view, step),
                width="stretch",
            )
        reasons = dict.fromkeys(offer.reason for offer in view.offers if not offer.enabled and offer.reason)
        if not possible:
            for reason in reasons:
                st.markdown(f":gray[:material/block: {md(reason)}]")


def _one(incident_id: str) -> None:
    try:
        view = reads.attempt(
            "this incident", lambda: room.incidents.view(incident_id, actor=me), key=f"incident-{incident_id}"
        )
    except InputError as error:
        with parts.header(
            "Incidents", ":gray[This address leads to no incident.]", back=("incidents", "All incidents")
        ):
            pass
        notices.show(error)
        return
    if view is None:
        with parts.header("Incidents", ":gray[It cannot be read just now.]", back=("incidents", "All incidents")):
            pass
        return
    _incident(view)


wanted = address.get("incident")
if wanted:
    _one(wanted)
else:
    incident_list.show(incident_list.query(), me)
    incident_forms.show_open()
