"""A model's incidents in short: who is on call, what is open, how long restoring took; the rest is a link away."""

from __future__ import annotations

import streamlit as st

from pages.components import badges, incident_list, notices, parts, places, reads, session
from pages.components.format import md, plural
from services.incidents.models import Incident, Summary
from services.incidents.on_call import OnCall
from services.inventory.models import GovernedModel


def card(model: GovernedModel) -> None:
    room, name = session.control_room(), model.name
    found = reads.attempt(
        "the incidents of this model",
        lambda: (room.incidents.on_call(name), room.incidents.open(name), room.incidents.summary(name)),
        key=f"model-incidents-{name}",
    )
    with parts.card("Incidents and on call", _counted(found[2]) if found else "", key="model-incidents"):
        if found is None:
            return
        duty, standing, summary = found
        _duty(duty)
        for item in standing:
            _line(item)
        _figures(summary)
        st.page_link(
            places.path("incidents"),
            label="All incidents of this model",
            icon=":material/e911_emergency:",
            query_params={"model": name},
            width="content",
        )


def _counted(summary: Summary) -> str:
    return plural(summary.all.count, "incident") if summary.all.count else "none recorded"


def _duty(duty: OnCall) -> None:
    colour, icon = ("gray", "support_agent") if duty.name else ("red", "phone_disabled")
    st.markdown(f":{colour}[:material/{icon}: {md(duty.sentence)}]")


def _line(item: Incident) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(badges.badge(item.state), width="content")
        st.page_link(
            places.path("incidents"),
            label=f"**{md(item.incident_id)}** {md(item.title)}",
            query_params={"incident": item.incident_id},
        )


def _figures(summary: Summary) -> None:
    if not summary.all.count:
        notices.remark("Nothing went wrong that anybody recorded.", "done_all")
        return
    restore, detect = summary.all.restore, summary.all.detect
    parts.facts(
        [
            ("Mean time to detect", f"{incident_list.mean(detect)} :gray[{md(incident_list.spread_words(detect))}]"),
            ("Mean time to restore", f"{incident_list.mean(restore)} :gray[{md(incident_list.spread_words(restore))}]"),
        ],
        alt="Times of this model's incidents",
    )
