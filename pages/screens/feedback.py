"""What people had to change: how often, why, in which slice, and never judged before the reviews are in."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator as Place

from pages.components import (
    address,
    exporting,
    feedback_charts,
    feedback_facts,
    feedback_forms,
    forms,
    notices,
    parts,
    reads,
    retraining_facts,
    retraining_forms,
    retraining_view,
    session,
)
from pages.components.format import count, md, plural
from services.feedback.rework import Rework

PARTS = {"corrections": "Corrections", "retraining": "Retraining"}
SPANS = {"30": 30, "60": 60, "90": 90}

session.enter("feedback")
room = session.control_room()


def _filters() -> tuple[str, int, str]:
    """Model, days of prediction and part; all of them in the address."""
    row = parts.model_picker()
    with st.container(horizontal=True, key="feedback-filters"):
        part = address.one("show", {name: name for name in PARTS}, "corrections")
        st.segmented_control(
            "Show",
            list(PARTS),
            format_func=PARTS.__getitem__,
            required=True,
            key=address.follow("show", part),
            on_change=address.writes("show"),
            label_visibility="collapsed",
        )
        span = address.one("days", SPANS, 60)
        if part == "corrections":
            st.segmented_control(
                "Days",
                list(SPANS),
                format_func=lambda name: f"{name} days",
                required=True,
                key=address.follow("days", str(span)),
                on_change=address.writes("days"),
                label_visibility="collapsed",
            )
    return (row.name if row else ""), span, part


def _tiles(found: Rework) -> None:
    delay = "unknown" if found.delay.days is None else plural(found.delay.days, "day")
    tiles = (
        ("Rework rate", feedback_facts.share(found.rework), feedback_facts.of(found.rework, "predictions")),
        ("Override rate", feedback_facts.share(found.override), feedback_facts.of(found.override, "reviewed")),
        ("Rework before", feedback_facts.share(found.before), feedback_facts.against(found)),
        ("Reviews take", delay, f"{count(found.young_predictions)} younger predictions are not judged yet"),
    )
    for column, (title, value, detail) in zip(st.columns(4), tiles, strict=True):
        with column:
            parts.tile(title, value, detail)


def _trend(found: Rework) -> None:
    with parts.card("By week of prediction", "95 % intervals; weeks end on the last judged day"):
        if not any(week.rework.estimate for week in found.weeks):
            notices.remark(f"No week can be judged. {md(found.delay.sentence)}", "help")
            return
        parts.chart(
            feedback_charts.weeks(found.weeks, parts.ink()),
            key="rework-weeks",
            alt="Rework and override rate by week of prediction with intervals",
        )
        with st.container(horizontal=True):
            parts.explain(found.rework_explained, label="Rework rate", key="explain-rework")
            parts.explain(found.override_explained, label="Override rate", key="explain-override")


def _reasons(found: Rework) -> None:
    with parts.card("Why people changed it", "corrected predictions by reason"):
        if not found.reasons:
            notices.remark("Nothing was corrected in this window.")
            return
        parts.chart(feedback_charts.reasons(found.reasons, parts.ink()), key="reasons", alt="Corrections by reason")
        codes = {code: code for code, _ in found.reasons}
        chosen = address.one("reason", codes, "")
        st.pills(
            "Reason",
            list(codes)[:12],
            key=address.follow("reason", chosen or None),
            on_change=address.writes("reason", lambda value: value or ""),
            label_visibility="collapsed",
        )


def _slices(found: Rework) -> None:
    with parts.card("By slice", "as drift and performance are split"):
        if not found.slices:
            notices.remark("No slice is known: the monitor of this model names none.", "help")
            return
        parts.table(feedback_facts.slices(found), alt="Rework by slice")


def _list(model: str) -> None:
    reason = address.get("reason")
    found = reads.attempt(
        "single corrections",
        lambda: room.corrections.corrected(model, reason, 200),
        key=f"corrected-{model}-{reason}",
    )
    if not found:
        return
    with parts.card("Corrected predictions", f"ids and codes only, newest first{f', {md(reason)}' if reason else ''}"):
        st.dataframe(
            feedback_facts.corrected(found, session.zone()),
            hide_index=True,
            key=f"corrected-{reason}",
            height="auto" if len(found) <= 10 else 380,
            alt="Corrected predictions",
        )


def _batches(model: str) -> None:
    found = reads.attempt("what was handed in", lambda: room.corrections.batches(model), key=f"batches-{model}")
    if found is None:
        return
    with parts.card("Handed in by people", "each by one ledger entry"):
        if not found:
            notices.remark("Nobody handed in a correction here. What systems record is counted all the same.")
            return
        parts.table(feedback_facts.batches(found, session.zone()), alt="Handed in by people")


def _corrections(model: str, place: Place, span: int) -> None:
    found = reads.attempt(
        "corrections", lambda: room.corrections.rework(model, days=span), key=f"rework-{model}-{span}"
    )
    if found is None:
        with place, parts.header("Feedback", ":gray[Nothing is known just now.]"):
            pass
        return
    with place, parts.header("Feedback", feedback_facts.summary(found)):
        exporting.popover(
            f"feedback-{model}",
            lambda: feedback_facts.export(found),
            note=f"{model}, predictions of {found.start} to {found.end}",
            key="feedback-export",
        )
        feedback_forms.buttons(model)
    if not any(week.rework.n for week in found.weeks):
        notices.empty(
            "No predictions recorded",
            "Rates need recorded predictions and reviews. A model that a supplier runs has none here.",
            icon="rate_review",
            page="inventory",
            link="Models",
        )
    else:
        _tiles(found)
        left, right = st.columns([3, 2])
        with left:
            _trend(found)
        with right:
            _reasons(found)
        _slices(found)
        _list(model)
    _batches(model)


def _retraining(model: str, place: Place) -> None:
    found = retraining_view.calendar_of(model)
    today = session.now().date()
    fact = retraining_facts.summary(found, today) if found else ":gray[The calendar is not known just now.]"
    with place, parts.header("Feedback", fact):
        pass
    retraining_view.show(model, found)


place = st.container()
model, span, part = _filters()
if not model:
    with place, parts.header("Feedback", ":gray[No model is known.]"):
        pass
elif part == "retraining":
    _retraining(model, place)
else:
    _corrections(model, place, span)
forms.show_open_dialog(
    {
        "correction": feedback_forms.one_dialog,
        "corrections": feedback_forms.file_dialog,
        "set": retraining_forms.set_dialog,
        "skip": retraining_forms.skip_dialog,
    }
)
