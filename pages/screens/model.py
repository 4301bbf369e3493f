"""One model: who owns it, what serves, its versions side by side, gate evidence, lineage, sensitive data, history."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    address,
    column_forms,
    emergency_forms,
    evidence,
    exception_forms,
    fallback_card,
    forms,
    model_facts,
    model_gates,
    model_incidents,
    model_lineage,
    model_metadata,
    model_risk,
    model_standing,
    model_versions,
    notices,
    parts,
    reads,
    session,
    submit_form,
    value_gate,
)
from pages.components.format import md, when
from services.inventory.models import DeploymentKind, GovernedModel, ModelVersion
from services.inventory.names import suspicion
from services.kernel.errors import UnknownModelError
from services.rollout.models import DeploymentView

me = session.enter("model")
room = session.control_room()
SECTIONS = ("Versions", "Gates", "Metadata", "Risk", "Lineage and data", "History")
VENDOR_SECTIONS = ("Metadata", "Risk", "Gates", "Versions", "Lineage and data", "History")


def _body(model: GovernedModel) -> None:
    if suspicion(model.name):
        st.warning(
            f"{md(suspicion(model.name))} Nothing of it can be asked for or released; what counts is the digest.",
            icon=":material/visibility_off:",
        )
    emergency_forms.banner(room, model.name)
    fallback_card.banner(room, model.name)
    value_gate.banner(model.name)
    left, right = st.columns([3, 2])
    with left:
        model_facts.about(model)
        model_standing.open_work(model)
        exception_forms.section(room, me, model.name)
    with right:
        live = model_facts.traffic(model)
        if model.kind is not DeploymentKind.VENDOR:
            model_standing.approvals(model, live, me=me)
        model_incidents.card(model)
    chosen = _section(VENDOR_SECTIONS if model.kind is DeploymentKind.VENDOR else SECTIONS)
    draw = {"History": _history, "Metadata": model_metadata.section, "Risk": model_risk.section}.get(chosen)
    if draw is not None:
        draw(model)
        return
    versions = reads.attempt("versions", lambda: room.inventory.versions(model.name), key=f"versions-{model.name}")
    if chosen == "Lineage and data":
        _lineage(model, versions or (), live)
    elif versions is not None:
        _versions_or_gates(model, versions, live, chosen)


def _section(sections: tuple[str, ...]) -> str:
    names = {name.lower().split()[0]: name for name in sections}
    chosen = address.one("show", names, sections[0])
    short = {name: key for key, name in names.items()}
    st.segmented_control(
        "Show",
        list(names),
        format_func=names.__getitem__,
        key=address.follow("show", short[chosen]),
        on_change=address.writes("show"),
        label_visibility="collapsed",
        required=True,
    )
    return chosen


def _versions_or_gates(
    model: GovernedModel, versions: tuple[ModelVersion, ...], live: DeploymentView | None, chosen: str
) -> None:
    if model.kind is DeploymentKind.VENDOR:
        model_metadata.releases(model, versions)
    if not versions and model.kind is DeploymentKind.VENDOR:
        return
    if not versions:
        notices.empty(
            "No version in the registry", "Training has not registered one for this name yet.", icon="deployed_code"
        )
    elif chosen == "Versions":
        model_versions.section(versions)
    else:
        model_gates.section(model, versions, live, me=me)


def _lineage(model: GovernedModel, versions: tuple[ModelVersion, ...], live: DeploymentView | None) -> None:
    model_lineage.section(model, versions, live.champion if live else None)
    column_forms.section(model, tuple(dict.fromkeys(name for item in versions for name, _ in item.inputs)))


def _history(model: GovernedModel) -> None:
    events = reads.attempt("the timeline", lambda: room.oversight.timeline(model.name), key=f"timeline-{model.name}")
    with parts.card("History", "newest first"):
        if not events:
            notices.remark("Nothing has happened to this model yet.", "history")
            return
        for event in events[:100]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f":gray[{when(event.at, session.zone())}]", width=190)
                st.markdown(f"**{md(event.title)}** :gray[{md(event.detail)}]")
                evidence.entry_link(event.seq)


def _find() -> GovernedModel | None:
    name = address.get("name")
    try:
        return room.inventory.model(name) if name else None
    except UnknownModelError as error:
        with parts.header("Model", ":gray[This address leads to no model.]", back=("inventory", "All models")):
            pass
        notices.show(error)
        return None


found = _find()
if found is not None:
    model_facts.header(found)
    _body(found)
    forms.show_open_dialog({"submit": submit_form.submit_dialog, "tag": column_forms.tag_dialog})
elif not address.get("name"):
    with parts.header("Model", ":gray[Choose one from the list of models.]", back=("inventory", "All models")):
        pass
    notices.empty(
        "No model chosen",
        "Open one from the list; its address can be shared.",
        icon="deployed_code",
        page="inventory",
        link="Models",
    )
