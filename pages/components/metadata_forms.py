"""The forms that fill in a field, name an owner and write down a use case. Each is one command and one entry."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import streamlit as st

from pages.components import forms, notices, session
from pages.components.format import day, md
from services.inventory.changes import TEXT_FIELDS
from services.inventory.commands import AssignOwner, FillIn, RecordRelease, SaveUseCase
from services.inventory.governance import VendorDocument, VendorTerms
from services.inventory.metadata import REQUIREMENTS, requirement
from services.inventory.models import DeploymentKind, GovernedModel, ServiceLevel
from services.inventory.owners import DUTIES, duty_of
from services.kernel.errors import ControlRoomError

_OWNER = "owner_"


def shown_value(model: GovernedModel, field: str) -> str:
    """What is on record for a field, in words; empty where nothing is."""
    if field in TEXT_FIELDS:
        return str(getattr(model, field))
    if field.startswith(_OWNER):
        owner = model.owner_of(field.removeprefix(_OWNER))
        return owner.name if owner else ""
    if field == "service_level":
        return _promise(model.service_level)
    return {
        "name": model.name,
        "use_case": model.use_case,
        "lineage": f"{len(model.lineage)} steps" if model.lineage else "",
        "risk": "filled in" if model.risk else "",
    }.get(field, _supplied(model.supplier, field))


def _promise(level: ServiceLevel | None) -> str:
    if level is None:
        return ""
    words = [f"p95 of {level.p95_ms:g} ms"] if level.p95_ms is not None else []
    words += [f"{level.window_hours:g} hours for a run"] if level.window_hours is not None else []
    words += [f"{level.on_time_share * 100:g} % on time"] if level.on_time_share is not None else []
    return ", ".join([*words, f"{level.error_rate * 100:g} % errors"])


def _supplied(terms: VendorTerms | None, field: str) -> str:
    if terms is None:
        return ""
    papers = ", ".join(f"{paper.title} ({day(paper.day)})" for paper in terms.documents)
    return {
        "contract": terms.contract,
        "audit_right": terms.audit_right,
        "exit_plan": terms.exit_plan,
        "assessment": papers,
    }.get(field, "")


def open_field(model: GovernedModel, field: str) -> None:
    """Callback: the form of one field; an empty field lets the person choose, `owner_` chooses among the duties."""
    if not field.startswith(_OWNER):
        forms.open_dialog("fill-in", "model", model=model, field=field)
        return
    forms.open_dialog("owner", "model", model=model, role=field.removeprefix(_OWNER), people={}, problem=None)
    state = forms.opened()
    if state is not None:
        try:
            people = session.control_room().stewardship.candidates()
            state["people"] = {person.subject: person.name for person in people}
        except ControlRoomError as error:
            state["problem"] = error


def open_use_case(model: GovernedModel) -> None:
    open_field(model, _OWNER)
    state = forms.opened()
    if state is not None:
        state["kind"] = "use-case"


def open_release(model: GovernedModel) -> None:
    forms.open_dialog("release", "model", model=model)


def show_open() -> None:
    forms.show_open_dialog(
        {
            "fill-in": _field_dialog,
            "owner": _owner_dialog,
            "use-case": _use_case_dialog,
            "release": _release_dialog,
        }
    )


# one field


@st.dialog("Fill in", icon=":material/edit:", width="medium", on_dismiss=forms.close_dialog)
def _field_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    model: GovernedModel = state["model"]
    is_vendor = model.kind is DeploymentKind.VENDOR
    fields = {
        item.field: item.title
        for item in REQUIREMENTS
        if item.fix == "metadata" and (item.vendor is None or item.vendor is is_vendor)
    }
    names = list(fields)
    chosen = st.selectbox(
        "Field",
        names,
        index=names.index(state["field"]) if state["field"] in fields else 0,
        format_func=fields.__getitem__,
        key="field-name",
    )
    needed = requirement(chosen)
    st.markdown(f":gray[{md(needed.what) if needed else ''}]")
    st.markdown(
        "**Effect:** the change is an entry of the ledger under your name. It changes the evidence: open requests of "
        "this model may have to be submitted again."
    )
    faults = forms.FieldErrors()
    with st.form("fill-in", border=False, enter_to_submit=False):
        given = _inputs(model, chosen)
        reason = st.text_input("Reason (needed only to take a field back)", key="field-reason", max_chars=500)
        faults.place("reason")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Record", type="primary", icon=":material/check:", key="field-go")
    faults.place("form")
    if go:
        command = FillIn(command_id=state["command_id"], model=model.name, field=chosen, reason=reason.strip(), **given)
        room, me = session.control_room(), session.signed_in()
        done = f"{fields[chosen]} of {md(model.name)} is on record."
        if forms.submit(lambda: room.stewardship.fill_in(command, actor=me), faults, done=done):
            forms.close_dialog()
            st.rerun()


def _inputs(model: GovernedModel, field: str) -> dict[str, Any]:
    if field in TEXT_FIELDS:
        text = st.text_area("Text", value=str(getattr(model, field)), key=f"field-text-{field}", max_chars=2000)
        return {"text": text.strip()}
    if field == "use_case":
        known = {item.id: item.title for item in session.control_room().inventory.use_cases()}
        ids = list(known)
        chosen = st.selectbox(
            "Use case",
            ids,
            index=ids.index(model.use_case_id) if model.use_case_id in known else None,
            format_func=known.__getitem__,
            key="field-use-case",
            placeholder="Choose one that is written down",
        )
        return {"text": chosen or ""}
    if field == "service_level":
        return {"level": _level(model)}
    return {"supplier": _terms(model.supplier)}


def _level(model: GovernedModel) -> ServiceLevel:
    level = model.service_level
    left, right = st.columns(2)
    errors = left.number_input(
        "Errors, % at most", 0.0, 100.0, (level.error_rate if level else 0.01) * 100, key="field-errors"
    )
    if model.kind is not DeploymentKind.BATCH:
        p95 = right.number_input(
            "p95, ms at most", 0.0, None, level.p95_ms if level and level.p95_ms else None, key="field-p95"
        )
        return ServiceLevel(
            p95_ms=p95 or None, error_rate=errors / 100, on_time_share=level.on_time_share if level else None
        )
    hours = right.number_input(
        "Hours for a run, at most", 0.0, None, level.window_hours if level else None, key="field-hours"
    )
    share = left.number_input(
        "Runs on time, % at least",
        0.0,
        100.0,
        level.on_time_share * 100 if level and level.on_time_share is not None else None,
        key="field-on-time",
    )
    return ServiceLevel(
        p95_ms=level.p95_ms if level else None,
        error_rate=round(errors / 100, 6),
        on_time_share=None if share is None else round(share / 100, 6),
        window_hours=hours or None,
    )


def _terms(terms: VendorTerms | None) -> VendorTerms:
    known = terms or VendorTerms(contract="", until=None, audit_right="", exit_plan="", promise="")
    left, right = st.columns(2)
    contract = left.text_input("Contract", value=known.contract, key="field-contract", max_chars=200)
    until: date | None = right.date_input("Until", value=known.until, key="field-until")
    promise = st.text_input("Promise of the supplier", value=known.promise, key="field-promise", max_chars=500)
    audit = st.text_input("Audit right", value=known.audit_right, key="field-audit", max_chars=500)
    leave = st.text_input("Exit plan", value=known.exit_plan, key="field-exit", max_chars=500)
    st.markdown("**Add an assessment document**")
    left, right = st.columns(2)
    title = left.text_input("Title", key="field-paper", max_chars=200)
    written = right.date_input(
        "Written on",
        value=session.now().date(),
        max_value=datetime.now(UTC).date() + timedelta(days=1),
        key="field-paper-day",
    )
    reference = left.text_input("Where it is kept, and who read it", key="field-paper-reference", max_chars=300)
    sha256 = right.text_input("SHA-256 of the file (optional)", key="field-paper-digest", max_chars=64)
    papers = known.documents
    if title.strip():
        papers += (
            VendorDocument(
                title=title.strip(), reference=reference.strip(), day=written, sha256=sha256.strip().lower()
            ),
        )
    return VendorTerms(
        contract=contract.strip(),
        until=until,
        audit_right=audit.strip(),
        exit_plan=leave.strip(),
        promise=promise.strip(),
        documents=papers,
    )


# owners


@st.dialog("Name an owner", icon=":material/person_add:", width="medium", on_dismiss=forms.close_dialog)
def _owner_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="owner-reload", on_reload=forms.close_dialog)
        return
    model: GovernedModel = state["model"]
    roles = [duty.role for duty in DUTIES]
    st.markdown(
        "**Effect:** from now on this person answers for the duty. The change, with whoever carried it before, is an "
        "entry of the ledger."
    )
    faults = forms.FieldErrors()
    with st.form("owner", border=False, enter_to_submit=False):
        role = st.selectbox(
            "Duty",
            roles,
            index=roles.index(state["role"]) if state["role"] in roles else 0,
            format_func=lambda word: duty_of(word).title,
            key="owner-role",
        )
        subject = st.selectbox(
            "Person",
            list(state["people"]),
            index=None,
            format_func=state["people"].__getitem__,
            key="owner-person",
            placeholder="Choose a person",
        )
        reason = st.text_input("Reason (needed when somebody is replaced)", key="owner-reason", max_chars=500)
        faults.place("reason")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Record the owner", type="primary", icon=":material/check:", key="owner-go")
    faults.place("form")
    if not go:
        return
    if not subject:
        faults.say("reason", "Choose the person who carries this duty from now on.")
        return
    command = AssignOwner(
        command_id=state["command_id"], model=model.name, role=role, subject=subject, reason=reason.strip()
    )
    room, me = session.control_room(), session.signed_in()
    done = f"{md(state['people'][subject])} carries {duty_of(role).title.lower()} of {md(model.name)}."
    if forms.submit(lambda: room.stewardship.assign_owner(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()


# use cases


@st.dialog("Write down a use case", icon=":material/add:", width="medium", on_dismiss=forms.close_dialog)
def _use_case_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="use-case-reload", on_reload=forms.close_dialog)
        return
    st.markdown(":gray[A use case says what is decided, for whom. Several models may serve it.]")
    faults = forms.FieldErrors()
    with st.form("use-case", border=False, enter_to_submit=False):
        left, right = st.columns(2)
        item_id = left.text_input("Id", key="use-case-id", max_chars=60, placeholder="delay-cover")
        title = right.text_input("Title", key="use-case-title", max_chars=200)
        purpose = st.text_area("Purpose", key="use-case-purpose", max_chars=2000)
        owner = st.selectbox(
            "Owner",
            list(state["people"]),
            index=None,
            format_func=state["people"].__getitem__,
            key="use-case-owner",
            placeholder="Choose a person",
        )
        faults.place("reason")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Record", type="primary", icon=":material/check:", key="use-case-go")
    faults.place("form")
    if not go:
        return
    command = SaveUseCase(
        command_id=state["command_id"], id=item_id.strip(), title=title, purpose=purpose, owner_subject=owner or ""
    )
    room, me = session.control_room(), session.signed_in()
    if forms.submit(
        lambda: room.stewardship.save_use_case(command, actor=me), faults, done=f"{md(title)} is on record."
    ):
        forms.close_dialog()
        st.rerun()


# releases of a supplier


@st.dialog("Record a release", icon=":material/add:", width="medium", on_dismiss=forms.close_dialog)
def _release_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    model: GovernedModel = state["model"]
    st.markdown(
        "**Effect:** the release becomes a version of this model that can be asked for. What people sign are the "
        "contract, the audit right, the exit plan and the assessment documents as they are then."
    )
    faults = forms.FieldErrors()
    with st.form("release", border=False, enter_to_submit=False):
        label = st.text_input("The supplier's name for it", key="release-label", max_chars=80, placeholder="2030.1")
        note = st.text_input("What changed, in the supplier's words", key="release-note", max_chars=500)
        faults.place("reason")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Record", type="primary", icon=":material/check:", key="release-go")
    faults.place("form")
    if not go:
        return
    command = RecordRelease(command_id=state["command_id"], model=model.name, label=label.strip(), note=note.strip())
    room, me = session.control_room(), session.signed_in()
    done = f"Release {md(label)} of {md(model.name)} is on record."
    if forms.submit(lambda: room.stewardship.record_release(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()
