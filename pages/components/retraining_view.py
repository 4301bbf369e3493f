"""The retraining part of the feedback screen: calendar, rounds with their drafts, sets made of corrections."""

from __future__ import annotations

import streamlit as st

from pages.components import exporting, notices, parts, places, reads, retraining_facts, retraining_forms, session
from pages.components.format import md
from services.feedback.retraining import Calendar, Round


def calendar_of(model: str) -> Calendar | None:
    room = session.control_room()
    return reads.attempt("the retraining calendar", lambda: room.retraining.calendar(model), key=f"retrain-{model}")


def show(model: str, found: Calendar | None) -> None:
    if found is not None:
        _calendar(found)
        _rounds(found)
    _sets(model)


def _calendar(found: Calendar) -> None:
    with parts.card("Calendar", "kept by a version registered inside the period"):
        if not found.periods:
            notices.remark("No version was ever registered here; the calendar begins with the first.", "help")
            return
        parts.table(retraining_facts.periods(found), alt="Retraining calendar")
        retraining_forms.skip_button(found)


def _rounds(found: Calendar) -> None:
    with parts.card("Asked for", "by the calendar, and by drift that is red"):
        if not found.rounds:
            notices.remark("Nothing was asked for yet.")
            return
        parts.table(retraining_facts.rounds(found.rounds, session.zone()), alt="Retraining asked for")
        for item in found.rounds[:3]:
            _draft(item)


def _draft(item: Round) -> None:
    if item.draft_at is None:
        return
    what = f"cannot be submitted yet. {md(item.blocked)}" if item.blocked else "is ready to be submitted."
    notices.remark(f"The draft for version {md(item.version)} {what}", "draft")
    with st.container(horizontal=True, key=f"draft-{item.id}"):
        st.page_link(
            places.path("model"),
            label=f"Version {md(item.version)} and its request",
            icon=":material/signature:",
            query_params={"name": item.model, "v": item.version, "show": "gates"},
        )
        st.page_link(
            places.path("evaluation"),
            label="Its evidence",
            icon=":material/fact_check:",
            query_params={"model": item.model, "version": item.version},
        )


def _sets(model: str) -> None:
    room = session.control_room()
    found = reads.attempt("the retraining sets", lambda: room.training_sets.sets(model), key=f"sets-{model}")
    if found is None:
        return
    with parts.card("Retraining sets", "made of corrections; ids, labels and codes"):
        if found:
            parts.table(retraining_facts.sets(found, session.zone()), alt="Retraining sets")
            exporting.popover(
                f"retraining-sets-{model}",
                lambda: retraining_facts.set_export(found),
                note=f"Sets of {model}, by source",
            )
        else:
            notices.remark("Nobody made a set of the corrections yet.")
        retraining_forms.propose_button(model)
