"""Pointing a monitor at a table of another estate: source, mapping, a masked look with checks, defaults, save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from pages.components import monitor_facts, monitor_form, notices, parts, reads, session
from pages.components.format import NOTHING, code, count, md, percent, when
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Permission
from services.monitoring.monitor_rules import ColumnKind
from services.monitoring.monitors import ColumnMapping, Source, SourceKind
from services.monitoring.sources import Places, Preview, SourceColumn, suggested

if TYPE_CHECKING:
    from services.container import ControlRoom

_STATE = "monitor-import"
_KINDS = {SourceKind.PARQUET: "Parquet folder", SourceKind.DELTA: "Delta table", SourceKind.SQL: "SQL table"}
_ROLES = (
    ("timestamp", "Time of the prediction", {ColumnKind.TIME, ColumnKind.TEXT}),
    ("prediction", "Prediction", {ColumnKind.NUMBER}),
    ("label", "Label, where it is known", {ColumnKind.NUMBER, ColumnKind.BOOLEAN}),
    ("version", "Version of the model", {ColumnKind.TEXT, ColumnKind.NUMBER}),
    ("entity", "Whom or what a row is about", {ColumnKind.TEXT, ColumnKind.NUMBER}),
)


def show(room: ControlRoom, me: Actor) -> None:
    with parts.header(
        "Import a table",
        ":gray[Watch predictions in a Parquet folder, a Delta table or a SQL table. Rows stay where they are.]",
        back=("monitors", "All monitors"),
    ):
        pass
    if not room.people.may(me, Permission.MANAGE_MONITOR):
        notices.remark("A data science lead or an administrator points monitors at tables.", "block")
        return
    places = reads.attempt("the allowed places", room.monitors.places, key="monitor-places")
    models = reads.attempt("the monitors", room.monitors.monitors, key="monitors")
    if places is None or models is None:
        return
    if not models:
        notices.empty("No model to watch yet", "A monitor belongs to a model of the registry.", page="inventory",
                      link="Models")  # fmt: skip
        return
    state: dict[str, Any] = st.session_state.setdefault(_STATE, {})
    st.caption(f"Step {_step(state)} of 5: source, mapping, preview and checks, defaults, save.")
    _source(places, [row.model for row in models])
    problem = state.get("problem")
    if problem is not None:
        notices.show(problem, key="monitor-import-reload")
    if "columns" in state:
        _mapping(state)
    if "preview" in state:
        _preview(state["preview"])
    if "proposed" in state:
        _defaults(room, state)


def _step(state: dict[str, Any]) -> int:
    if "proposed" in state:
        return 4
    return 3 if "preview" in state else 2 if "columns" in state else 1


def _source(places: Places, models: list[str]) -> None:
    with parts.card("1. Source", "only places an administrator allowed", key="import-source"), st.form("import-source"):
        model = st.selectbox("Model", models, key="import-model")
        kind = st.selectbox("Kind", list(_KINDS), format_func=_KINDS.__getitem__, key="import-kind")
        folder = st.text_input(
            "Folder, for files", key="import-folder", placeholder="flights/scores",
            help=f"Below one of: {', '.join(places.folders) or 'none'}",
        )  # fmt: skip
        left, right = st.columns(2)
        with left:
            connection = st.selectbox(
                "Connection, for SQL", list(places.connections), index=None, key="import-connection",
                placeholder="Choose a name" if places.connections else "None is configured",
            )  # fmt: skip
        with right:
            table = st.text_input("Table, for SQL", key="import-table", placeholder="schema.table")
        if st.form_submit_button("Read its columns", type="primary", icon=":material/table_view:", key="import-read"):
            _read(Source(kind=kind, folder=folder.strip(), connection=connection or "", table=table.strip())
                  if kind is SourceKind.SQL else Source(kind=kind, folder=folder.strip()), model)  # fmt: skip


def _read(source: Source, model: str) -> None:
    room, me = session.control_room(), session.signed_in()
    try:
        with st.spinner("Reading the columns…"):
            found = room.monitors.columns(source, actor=me)
    except ControlRoomError as error:
        st.session_state[_STATE] = {"problem": error}
        st.rerun()
    st.session_state[_STATE] = {"source": source, "model": model, "columns": found}
    st.rerun()


def _mapping(state: dict[str, Any]) -> None:
    columns: tuple[SourceColumn, ...] = state["columns"]
    proposed = suggested(columns)
    with parts.card("2. Mapping", f"{len(columns)} columns", key="import-mapping"), st.form("import-mapping"):
        given: dict[str, str] = {}
        for name, title, kinds in _ROLES:
            fitting = [item.name for item in columns if item.kind in kinds]
            wanted = getattr(proposed, name)
            given[name] = (
                st.selectbox(
                    title, fitting, index=fitting.index(wanted) if wanted in fitting else None, key=f"import-{name}",
                    placeholder="None" if name not in {"timestamp", "prediction"} else "Choose a column",
                )
                or ""
            )  # fmt: skip
        if st.form_submit_button("Preview and check", type="primary", icon=":material/preview:", key="import-preview"):
            _look(state, ColumnMapping(**given))


def _look(state: dict[str, Any], mapping: ColumnMapping) -> None:
    room, me = session.control_room(), session.signed_in()
    kept = {name: state[name] for name in ("source", "model", "columns")}
    try:
        with st.spinner("Counting, not copying…"):
            preview = room.monitors.preview(state["model"], state["source"], mapping, actor=me)
            proposed = None
            if not preview.faults:
                proposed = room.monitors.propose_import(state["model"], state["source"], mapping, actor=me)
    except ControlRoomError as error:
        st.session_state[_STATE] = {**kept, "problem": error}
        st.rerun()
    st.session_state[_STATE] = {**kept, "preview": preview} | ({"proposed": proposed} if proposed else {})
    st.rerun()


def _preview(preview: Preview) -> None:
    zone = session.zone()
    span = f"{when(preview.first, zone)} to {when(preview.last, zone)}" if preview.first and preview.last else NOTHING
    size = f"{count(preview.rows)} rows, {count(preview.days)} days"
    with parts.card("3. Preview and checks", size, key="import-look"):
        for item in preview.faults:
            st.markdown(f":red[:material/error: **{md(item.what)}**] {md(item.why)} :gray[{md(item.next)}]")
        for item in preview.notes:
            st.markdown(f":orange[:material/info: **{md(item.what)}**] {md(item.why)} :gray[{md(item.next)}]")
        if not preview.faults and not preview.notes:
            st.markdown(":green[:material/check_circle:] Nothing stands in the way.")
        st.caption(f"From {span}")
        rows = [
            (
                code(item.name),
                item.kind.value,
                percent(item.missing) if item.missing is not None else NOTHING,
                f"{item.low} to {item.high}" if item.low else NOTHING,
                md(item.mask),
            )
            for item in preview.columns[:60]
        ]
        parts.table(pd.DataFrame(rows, columns=["Column", "Kind", "Missing", "Range", "Shown"]), alt="Columns")
        with st.expander(f"{len(preview.samples)} rows as you may read them"):
            frame = pd.DataFrame([[md(value) for value in row] for row in preview.samples], columns=preview.sampled)
            parts.table(frame, alt="Rows")


def _defaults(room: ControlRoom, state: dict[str, Any]) -> None:
    monitor = state["proposed"]
    view = reads.attempt("this monitor", lambda: room.monitors.view(state["model"]), key=f"monitor-{state['model']}")
    if view is None:
        return
    with parts.card("4. Defaults", "change them afterwards like those of any monitor", key="import-defaults"):
        monitor_facts.stated(monitor)
        monitor_facts.watched(monitor)
    try:
        found = room.monitors.check(monitor)
    except ControlRoomError as error:
        notices.show(error, key="import-check-reload")
        return
    if found:
        monitor_facts.faults(found)
    else:
        monitor_form.offer(view, monitor)
