"""What is written down about a model: completeness with the way to each missing field, owners, use case, supplier."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from pages.components import address, badges, metadata_forms, notices, parts, places, reads, session
from pages.components.format import code, day, md, plural, version, when
from services.inventory.governance import VendorTerms
from services.inventory.metadata import STANDARD, Completeness, FieldState, lint
from services.inventory.models import DeploymentKind, GovernedModel, ModelVersion
from services.inventory.owners import DUTIES, Orphan
from services.kernel.identity import Permission

_NEEDS = {"metadata": Permission.EDIT_METADATA, "owners": Permission.ASSIGN_OWNER}
_FIX_LABEL = {"metadata": "Fill in", "owners": "Name somebody", "risk": "Open risk", "lineage": "Open lineage"}


def section(model: GovernedModel) -> None:
    found = lint(model)
    left, right = st.columns([3, 2])
    with left:
        _completeness(model, found)
        _filled(model, found)
    with right:
        _owners(model)
        _use_case(model)
        if model.kind is DeploymentKind.VENDOR:
            _supplier(model.supplier)
    _follow_fix(model, found)
    metadata_forms.show_open()


def _follow_fix(model: GovernedModel, found: Completeness) -> None:
    """A link to one missing field opens its form, once: whoever closes it wants to read the page."""
    field = address.get("fix")
    item = next((state for state in found.missing if state.field == field), None)
    followed = st.session_state.setdefault("followed_fixes", set())
    if item is None or (model.name, field) in followed or item.requirement.fix not in _NEEDS:
        return
    followed.add((model.name, field))
    if session.control_room().people.may(session.signed_in(), _NEEDS[item.requirement.fix]):
        metadata_forms.open_field(model, field)


def releases(model: GovernedModel, versions: tuple[ModelVersion, ...]) -> None:
    """How a supplier's release becomes a version that can be asked for; its approvals."""
    room = session.control_room()
    with parts.card("Releases of the supplier", plural(len(versions), "release"), key="releases"):
        if not versions:
            notices.remark("No release is recorded. Record one, then ask for its approval here.", "inventory_2")
        for item in versions[:10]:
            status = reads.attempt(
                "approvals",
                partial(room.approvals.approved, model.name, item.version),
                key=f"approved-{model.name}-{item.version}",
            )
            words = ":gray[approval unknown]"
            if status is not None and status.valid:
                words = f":green[:material/verified: approved until {when(status.valid_until, session.zone())}]"
            elif status is not None:
                words = f":red[{md(status.reason)}]"
            st.markdown(f"**{version(item.version)}** {md(item.description)} {words}")
        if room.people.may(session.signed_in(), Permission.EDIT_METADATA):
            st.button(
                "Record a release",
                icon=":material/add:",
                key="record-release",
                on_click=metadata_forms.open_release,
                args=(model,),
            )
    metadata_forms.show_open()


def badge(percent: int | None) -> str:
    """Completeness as a badge; grey when nobody computed it."""
    if percent is None:
        return ""
    colour, icon = ("green", "task_alt") if percent == 100 else ("orange", "rule")
    return badges.plain(f"{percent} % documented", colour, icon)


def _completeness(model: GovernedModel, found: Completeness) -> None:
    wanted = address.get("fix")
    done = len(found.required) - len(found.missing)
    with parts.card(
        "Completeness", f"{done} of {plural(len(found.required), 'field')} that tier {int(model.tier)} requires"
    ):
        st.metric("Written down", f"{found.percent} %")
        st.progress(found.percent / 100)
        if not found.missing:
            notices.remark("Everything that this tier requires is written down.", "task_alt")
        for item in found.missing:
            _missing(model, item, marked=item.field == wanted)
        st.caption(f"Metadata standard version {STANDARD}. What is missing counts in the gate report.")


def _missing(model: GovernedModel, item: FieldState, *, marked: bool) -> None:
    needed = item.requirement
    with st.container(border=True, key=f"{'marked' if marked else 'missing'}-{item.field}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f":orange[:material/rule:] **{md(needed.title)}**", width="content")
            _way(model, item)
        st.markdown(f":gray[{md(needed.what)}]")


def _way(model: GovernedModel, item: FieldState) -> None:
    fix, me, people = item.requirement.fix, session.signed_in(), session.control_room().people
    if not fix:
        st.markdown(":gray[A registered name stays; register the next version under a new one.]", width="content")
    elif fix in {"risk", "lineage"}:
        st.page_link(
            places.path("model"),
            label=_FIX_LABEL[fix],
            icon=":material/arrow_forward:",
            query_params={"name": model.name, "show": fix},
            width="content",
        )
    elif people.may(me, _NEEDS[fix]):
        st.button(
            _FIX_LABEL[fix],
            icon=":material/edit:",
            key=f"fix-{item.field}",
            on_click=metadata_forms.open_field,
            args=(model, item.field),
        )
    else:
        who = "a data science lead" if fix == "metadata" else "a data science lead, business owner or compliance"
        st.markdown(f":gray[{who} fills this in]", width="content")


def _filled(model: GovernedModel, found: Completeness) -> None:
    shown = [item for item in found.fields if item.present or not item.required]
    may_edit = session.control_room().people.may(session.signed_in(), Permission.EDIT_METADATA)
    with parts.card("Fields", f"{sum(item.present for item in shown)} given"):
        rows = [
            (
                md(item.title),
                ":green[:material/check_circle: given]" if item.present else ":gray[not required at this tier]",
                md(metadata_forms.shown_value(model, item.field)),
            )
            for item in shown
        ]
        parts.table(pd.DataFrame(rows, columns=["Field", "State", "Value"]), alt="Metadata fields")
        if may_edit:
            st.button(
                "Change a field",
                icon=":material/edit:",
                key="change-field",
                on_click=metadata_forms.open_field,
                args=(model, ""),
            )


def _owners(model: GovernedModel) -> None:
    room = session.control_room()
    gone = reads.attempt("owners", lambda: room.stewardship.orphans(model.name), key=f"orphans-{model.name}")
    with parts.card("Owners", "responsible, accountable, consulted, informed"):
        orphaned = {item.duty.role: item for item in gone or ()}
        rows = [
            (duty.letter, md(duty.title), _carrier(model, duty.role, orphaned), md(duty.answers_for)) for duty in DUTIES
        ]
        parts.table(pd.DataFrame(rows, columns=["", "Duty", "Who", "Answers for"]), alt="Owners by duty")
        for item in orphaned.values():
            st.markdown(f"{badges.badge(badges.FINDING)} :red[{md(item.sentence)}]")
        if room.people.may(session.signed_in(), Permission.ASSIGN_OWNER):
            st.button(
                "Name an owner",
                icon=":material/person_add:",
                key="name-owner",
                on_click=metadata_forms.open_field,
                args=(model, "owner_"),
            )


def _carrier(model: GovernedModel, role: str, orphaned: dict[str, Orphan]) -> str:
    owner = model.owner_of(role)
    if owner is None:
        return ":orange[:material/help: nobody]"
    return f":red[:material/person_off: {md(owner.name)}]" if role in orphaned else md(owner.name)


def _use_case(model: GovernedModel) -> None:
    room = session.control_room()
    known = reads.attempt("use cases", room.inventory.use_cases, key="use-cases") or ()
    item = next((found for found in known if found.id == model.use_case_id), None)
    with parts.card("Use case", md(model.use_case_id)):
        if item is None:
            notices.remark("No use case is assigned to this model.", "help")
        else:
            st.markdown(f"**{md(item.title)}** :gray[{md(item.purpose)}]")
            owner = f"Owned by {md(item.owner.name)}. " if item.owner else ""
            st.markdown(f":gray[{owner}Served by:]")
            siblings = reads.attempt("models", room.inventory.models, key="models-of-use-cases") or ()
            for other in siblings:
                if other.use_case_id == item.id:
                    st.page_link(
                        places.path("model"),
                        label=f"{md(other.name)}, {badges.word(other.kind).lower()}",
                        icon=badges.icon(other.kind),
                        query_params={"name": other.name},
                        width="content",
                    )
            st.page_link(
                places.path("inventory"),
                label="All models of this use case",
                icon=":material/filter_alt:",
                query_params={"usecase": item.title},
                width="content",
            )
        if room.people.may(session.signed_in(), Permission.EDIT_METADATA):
            st.button(
                "Write down a use case",
                icon=":material/add:",
                key="new-use-case",
                on_click=partial(metadata_forms.open_use_case, model),
            )


def _supplier(terms: VendorTerms | None) -> None:
    with parts.card("Supplier"):
        if terms is None:
            notices.remark("No terms of the supplier are written down.", "help")
            return
        missing = ":orange[:material/help: not written down]"
        over = terms.until is not None and terms.until < session.now().date()
        until = f"{badges.badge(badges.OVERDUE, 'ended')} " if over else ""
        parts.facts(
            [
                ("Contract", f"{md(terms.contract) or missing} {until}:gray[until {day(terms.until)}]"),
                ("Promise", md(terms.promise) or missing),
                ("Audit right", md(terms.audit_right) or missing),
                ("Exit plan", md(terms.exit_plan) or missing),
                *(
                    (md(paper.title), f"{day(paper.day)}, {md(paper.reference)} {_file_digest(paper.sha256)}")
                    for paper in terms.documents
                ),
            ],
            alt="Terms of the supplier",
        )


def _file_digest(sha256: str) -> str:
    return code(sha256[:12]) if sha256 else ":gray[file not hashed]"
