"""Is the model getting worse? What labels confirmed, what scores lead to expect, and how long labels take."""

from __future__ import annotations

import streamlit as st

from pages.components import exporting, money_at_risk, notices, parts, reads, session
from pages.components import performance_cards as cards
from pages.components import performance_controls as controls
from pages.components.format import day, md, version
from services.kernel.errors import InputError
from services.monitoring.performance_models import DecayView, PerformanceQuery

session.enter("performance")
room = session.control_room()


def _read(query: PerformanceQuery) -> DecayView | None:
    def ask(asked: PerformanceQuery) -> DecayView | None:
        return reads.attempt("performance", lambda: room.performance.decay(asked), key=f"decay-{asked}")

    try:
        return ask(query)
    except InputError as problem:
        return ask(controls.without_choices(query, problem))


def _body(view: DecayView) -> None:
    cards.tiles(view)
    if not view.cohorts:
        notices.empty(
            "Nothing to judge yet",
            f"{md(view.signal.sentence)} {md(view.assumption)} Unknown is not healthy.".replace("  ", " "),
            icon="help",
            page="inventory",
            link="Models",
        )
        return
    left, right = st.columns(2)
    with left:
        cards.confirmed(view)
    with right:
        cards.estimated(view)
    left, right = st.columns(2)
    with left:
        cards.waiting(view)
    with right:
        cards.maturity(view)
    money_at_risk.performance(view.model, money_at_risk.read(view.model), state=view.signal.state)
    cards.calibration(view)
    cards.business(view)


def _export(view: DecayView) -> None:
    what = f"{view.model}, {version(view.version)}, {view.query.slice_key or 'everything'}, {view.metric.value}"
    exporting.popover(
        f"performance-{view.model}",
        lambda: cards.rows(view),
        note=f"{what}, as known on {view.known_on.isoformat()}; estimates assume no concept drift",
    )


with parts.header("Performance", ":gray[Whether the model still does what it did, as far as labels can tell.]"):
    pass
row = parts.model_picker()
if row is not None:
    found = _read(controls.asked(row.name))
    if found is not None:
        controls.show(found)
        if found.query.known_on is not None:
            st.info(
                f"**As known on {day(found.known_on)}.** Labels filed after that day do not count here, and "
                "labels that were stated anew later count as they were stated then.",
                icon=":material/history:",
            )
        _body(found)
        _export(found)
