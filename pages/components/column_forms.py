"""Sensitive columns of a model: what is tagged, by whom and on what ground, and the form that tags one more."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from pages.components import badges, forms, notices, parts, reads, session
from pages.components.format import md, plural, when
from services.inventory.access import ColumnHandling
from services.inventory.columns import BASIS_MIN, untagged
from services.inventory.models import COLUMN_CATEGORIES, GovernedModel, TagColumn
from services.kernel.identity import Permission

_MEANS = {
    "PII": "PII, personal data",
    "PHI": "PHI, health data",
    "quasi-identifier": "Quasi-identifier, singles people out together with others",
    "not personal": "Not personal, though it may look so",
}


def section(model: GovernedModel, inputs: tuple[str, ...]) -> None:
    """Every tag with its author, and the inputs without one. `inputs` are those of all versions."""
    missing = untagged(model, inputs)
    names = tuple(item.name for item in model.sensitive)
    handled = reads.attempt(
        "the access rules", lambda: session.control_room().handling.columns(model, names), key=f"access-{model.name}"
    )
    with parts.card("Sensitive columns", plural(len(model.sensitive), "tag")):
        if model.sensitive:
            parts.table(_frame(model, {item.name: item for item in handled or ()}), alt="Sensitive columns")
        else:
            notices.remark("No column is tagged.")
        me = session.signed_in()
        may_tag = session.control_room().people.may(me, Permission.TAG_COLUMN)
        if missing:
            st.markdown(f":orange[:material/label_off: Inputs without a tag: {md(', '.join(missing))}.]")
        if may_tag:
            st.button(
                "Tag a column",
                icon=":material/label:",
                key="tag-column",
                on_click=open_tag,
                args=(model.name, tuple(dict.fromkeys((*missing, *inputs, *(item.name for item in model.sensitive))))),
            )
        elif missing:
            notices.remark("A data science lead can tag them from here.")


def _frame(model: GovernedModel, handled: Mapping[str, ColumnHandling]) -> pd.DataFrame:
    rows = [
        (
            md(item.name),
            badges.plain(item.category, "violet", "shield_person"),
            _for_people(handled.get(item.name)),
            md(item.basis),
            f"{md(item.tagged_by)}, {when(item.tagged_at, session.zone())}"
            if item.tagged_at
            else ":gray[with the catalog]",
        )
        for item in model.sensitive
    ]
    return pd.DataFrame(rows, columns=["Column", "Category", "For people", "Basis", "Tagged by"])


def _for_people(item: ColumnHandling | None) -> str:
    if item is None:
        return ":gray[:material/help: not known]"
    if not item.mask.masks:
        return "as it is" if not item.is_personal else ":orange[:material/visibility: as it is]"
    return f":material/visibility_off: {md(item.mask.words)}"


def open_tag(model: str, columns: tuple[str, ...]) -> None:
    """Callback of the button."""
    forms.open_dialog("tag", "model", model=model, columns=columns)


@st.dialog("Tag a column", icon=":material/label:", width="medium", on_dismiss=forms.close_dialog)
def tag_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    st.markdown(f"**What does this column of {md(state['model'])} hold?**")
    st.markdown(
        ":gray[The tag goes into the ledger under your name. It changes the evidence: "
        "signatures on open requests of this model become void and have to be given again.]"
    )
    faults = forms.FieldErrors()
    with st.form("tag", border=False, enter_to_submit=False):
        left, right = st.columns(2)
        column = left.selectbox("Column", list(state["columns"]), key="tag-name")
        category = right.selectbox(
            "Category",
            list(COLUMN_CATEGORIES),
            format_func=_MEANS.__getitem__,
            index=None,
            key="tag-category",
            placeholder="Choose",
        )
        basis = st.text_input(
            "Basis", key="tag-basis", max_chars=300, placeholder="On what ground is this column used?"
        )
        faults.place("reason")
        notices.remark("The access rules of the tag decide how people read the column; the table then says how.")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Record the tag", type="primary", icon=":material/label:", key="tag-go")
    faults.place("form")
    if go:
        _tag(faults, column or "", category or "", basis.strip())


def _tag(faults: forms.FieldErrors, column: str, category: str, basis: str) -> None:
    state = forms.opened()
    if state is None:
        return
    if not category or len(basis) < BASIS_MIN:
        faults.say("reason", "Choose a category and write the basis in a sentence.")
        return
    command = TagColumn(
        command_id=state["command_id"],
        model=state["model"],
        column=column,
        category=category,
        basis=basis,
    )
    room, me = session.control_room(), session.signed_in()
    if forms.submit(lambda: room.columns.tag(command, actor=me), faults, done=f"The tag of {column} is recorded."):
        forms.close_dialog()
        st.rerun()
