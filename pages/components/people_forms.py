"""Dialogs about people, keys and delegations: what will be signed is repeated before the button."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import streamlit as st

from pages.components import forms, notices, passkey_forms, reads, session
from pages.components.format import code, digest, md, role, when
from services.kernel.errors import ControlRoomError
from services.kernel.identity import ROLE_PERMISSIONS, Permission, Role
from services.people.ceremonies import AskForKey, CeremonyKind, ProposeChange, SignCeremony, words
from services.people.delegations import TIERS, GrantDelegation, WithdrawDelegation
from services.people.models import Person

_CHANGES = {
    CeremonyKind.WITHDRAW: "Take a role away",
    CeremonyKind.DISABLE: "Disable the person",
    CeremonyKind.ENABLE: "Enable the person again",
    CeremonyKind.LOSS: "Key lost or passphrase forgotten",
    CeremonyKind.COMPROMISE: "Key in other hands",
    CeremonyKind.PASSKEY_LOSS: "Passkey lost or in other hands",
}
_EFFECTS = {
    CeremonyKind.WITHDRAW: "Open signatures in this role turn void; nothing signed before is rewritten.",
    CeremonyKind.DISABLE: "The person is out at once, in every tab. Open signatures turn void.",
    CeremonyKind.ENABLE: "The person may sign in again with the roles held before.",
    CeremonyKind.LOSS: "The key opens no more. What it signed stays good; the person makes a new one.",
    CeremonyKind.PASSKEY_LOSS: "The passkey confirms nothing more. What it confirmed before stands.",
    CeremonyKind.COMPROMISE: "What the key signed from that entry on becomes suspect; approvals resting on it fall.",
}
_DEPLOYMENT = {
    CeremonyKind.ROTATE_SERVICE: "Service key",
    CeremonyKind.ROTATE_LOG: "Log key",
    CeremonyKind.ROTATE_MACHINE: "Key of the machine",
}
_DONE = "The change is signed and recorded."


@st.dialog("Add a person or a role", icon=":material/person_add:", width="medium", on_dismiss=forms.close_dialog)
def grant_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()
    session.signed_in()
    st.markdown(":gray[The person then signs in, makes a key and chooses its passphrase; nobody else ever knows it.]")
    faults = forms.FieldErrors()
    with st.form("people-grant-form", border=False, enter_to_submit=False):
        subject = st.text_input("Sign-in name", key="grant-subject", placeholder="first.last", max_chars=100)
        name = st.text_input("Printed name", key="grant-name", max_chars=80)
        chosen = st.selectbox("Role", list(Role), format_func=lambda held: held.label, key="grant-role", index=None)
        ends = st.date_input("Access ends (required for auditors)", value=None, key="grant-until")
        passphrase = forms.passphrase_field("grant-passphrase")
        faults.place("passphrase")
        go = st.form_submit_button("Sign", type="primary", icon=":material/signature:", key="grant-go")
    faults.place("form")
    if go:
        _propose(
            faults,
            ProposeChange(
                command_id=state["command_id"],
                kind=CeremonyKind.GRANT,
                subject=subject.strip(),
                name=name,
                role=chosen,
                until=_end_of(ends),
                passphrase=forms.secret(passphrase),
            ),
        )


@st.dialog("Change a person or key", icon=":material/manage_accounts:", width="medium", on_dismiss=forms.close_dialog)
def change_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()
    session.signed_in()
    people = reads.attempt("people", session.control_room().people.people, key="people") or ()
    by_subject = {person.subject: person for person in people}
    subject = st.selectbox(
        "Person", list(by_subject), format_func=lambda key: by_subject[key].name, key="change-subject", index=None
    )
    kind = st.selectbox("Change", list(_CHANGES), format_func=_CHANGES.__getitem__, key="change-kind", index=None)
    if subject is None or kind is None:
        return
    st.markdown(f"**Effect:** {_EFFECTS[kind]}")
    person = by_subject[subject]
    faults = forms.FieldErrors()
    with st.form("people-change-form", border=False, enter_to_submit=False):
        chosen = _role_of(person) if kind is CeremonyKind.WITHDRAW else None
        since = (
            int(st.number_input("In other hands from entry", min_value=0, step=1, key="change-since"))
            if kind is CeremonyKind.COMPROMISE
            else None
        )
        key_id = _passkey_of(person) if kind is CeremonyKind.PASSKEY_LOSS else ""
        reason = st.text_area("Reason", key="change-reason", max_chars=500) if kind is not CeremonyKind.ENABLE else ""
        faults.place("reason")
        passphrase = forms.passphrase_field("change-passphrase")
        faults.place("passphrase")
        go = st.form_submit_button("Sign", type="primary", icon=":material/signature:", key="change-go")
    faults.place("form")
    if go:
        _propose(
            faults,
            ProposeChange(
                command_id=state["command_id"],
                kind=kind,
                subject=subject,
                role=chosen,
                since_entry=since,
                reason=reason,
                key_id=key_id,
                passphrase=forms.secret(passphrase),
            ),
        )


def _passkey_of(person: Person) -> str:
    room, me = session.control_room(), session.signed_in()
    every = reads.attempt("passkeys", lambda: room.passkeys.all_counting(actor=me), key="all-passkeys") or ()
    own = {item.key_id: item for item in every if (item.issuer, item.subject) == person.who}
    chosen = st.selectbox(
        "Passkey", list(own), format_func=lambda key: f"{own[key].label} ({key[:12]})", key="change-passkey", index=None
    )
    return chosen or ""


def _role_of(person: Person) -> Role | None:
    return st.selectbox("Role", list(person.roles), format_func=lambda held: held.label, key="change-role", index=None)


@st.dialog("Replace a key of the deployment", icon=":material/autorenew:", on_dismiss=forms.close_dialog)
def deployment_key_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()
    session.signed_in()
    st.markdown("**Effect:** a new key file is made and put into use with its entry; the old file is kept beside it.")
    faults = forms.FieldErrors()
    with st.form("deployment-key-form", border=False, enter_to_submit=False):
        kind = st.selectbox("Key", list(_DEPLOYMENT), format_func=_DEPLOYMENT.__getitem__, key="deployment-kind")
        passphrase = forms.passphrase_field("deployment-passphrase")
        faults.place("passphrase")
        go = st.form_submit_button("Sign", type="primary", icon=":material/signature:", key="deployment-go")
    faults.place("form")
    if go:
        _propose(
            faults,
            ProposeChange(command_id=state["command_id"], kind=kind, passphrase=forms.secret(passphrase)),
        )


def _propose(faults: forms.FieldErrors, command: ProposeChange) -> None:
    room, me = session.control_room(), session.signed_in()
    if not command.passphrase.reveal():
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    if forms.submit(lambda: room.keys.propose(command, actor=me), faults, done=_DONE):
        forms.close_dialog()
        st.rerun()


@st.dialog("Make a signing key", icon=":material/key:", width="medium", on_dismiss=forms.close_dialog)
def key_dialog() -> None:
    """The person types the new passphrase; it leaves this form only to seal the key."""
    state = forms.opened()
    if state is None:
        st.rerun()
    me = session.signed_in()
    st.markdown(
        ":gray[Choose a passphrase of at least 12 characters. Only you will ever know it: it is not stored, and nobody "
        "can bring it back. Administrators then put their names to the new key.]"
    )
    faults = forms.FieldErrors()
    with st.form("people-key-form", border=False, enter_to_submit=False):
        old = (
            st.text_input(
                "Passphrase of the key you use now", type="password", key="key-old-passphrase", autocomplete="off"
            )
            if state["replaces"]
            else ""
        )
        faults.place("passphrase")
        new = st.text_input("New passphrase", type="password", key="key-new-passphrase", autocomplete="new-password")
        again = st.text_input(
            "New passphrase again", type="password", key="key-again-passphrase", autocomplete="new-password"
        )
        go = st.form_submit_button("Make the key", type="primary", icon=":material/key:", key="key-go")
    faults.place("form")
    if not go:
        return
    command = AskForKey(
        command_id=state["command_id"],
        new=forms.secret(new),
        repeated=forms.secret(again),
        old=forms.secret(old) if old else None,
    )
    room = session.control_room()
    done = "Your key is made. It opens once administrators have enrolled it."
    if forms.submit(lambda: room.keys.ask_for_key(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()


@st.dialog("Sign a change of people or keys", icon=":material/signature:", on_dismiss=forms.close_dialog)
def sign_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()
    me = session.signed_in()
    ceremony = state["ceremony"]
    st.markdown(f"**{md(words(ceremony))}**")
    st.markdown(f":gray[Asked for by {md(ceremony.asked_by_name)}. You sign as {md(me.name)}, {md(me.role.label)}.]")
    if "keyid" in ceremony.detail:
        st.markdown(f":gray[Key] {code(digest(ceremony.detail['keyid'], 16))}")
        notices.remark("Ask the person whether this is the key they see on their page.", "call")
    faults = forms.FieldErrors()
    with st.form("people-sign-form", border=False, enter_to_submit=False):
        passphrase = forms.passphrase_field("ceremony-passphrase")
        faults.place("passphrase")
        go = st.form_submit_button("Sign", type="primary", icon=":material/signature:", key="ceremony-go")
    faults.place("form")
    if not go:
        return
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    command = SignCeremony(command_id=state["command_id"], ceremony_id=ceremony.id, passphrase=forms.secret(passphrase))
    room = session.control_room()
    if forms.submit(lambda: room.keys.sign(command, actor=me), faults, done=_DONE):
        forms.close_dialog()
        st.rerun()


def take_back(ceremony_id: str) -> None:
    """Callback: nothing is recorded yet, so nothing needs a signature."""
    me = session.actor(active=True)
    if me is None:
        return
    try:
        receipt = session.control_room().keys.withdraw(ceremony_id, actor=me)
    except ControlRoomError as error:
        notices.flash(str(error))
        return
    notices.flash("The change is taken back.", receipt)


@st.dialog("Let somebody sign for me", icon=":material/person_add:", width="medium", on_dismiss=forms.close_dialog)
def delegate_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()
    me = session.signed_in()
    room = session.control_room()
    people = reads.attempt("people", lambda: room.delegations.candidates(actor=me), key="candidates") or ()
    own = reads.attempt("your roles", lambda: room.people.standing(me.issuer, me.subject), key="own-roles")
    roles = [held for held in (own.roles if own else ()) if Permission.DELEGATE in ROLE_PERMISSIONS[held]]
    by_subject = {(person.issuer, person.subject): person for person in people}
    st.markdown(
        ":gray[Their signature will print “for "
        f"{md(me.name)} by delegation”. You can end it at any time; it cannot be passed on.]"
    )
    faults = forms.FieldErrors()
    today = session.now().date()
    with st.form("delegate-form", border=False, enter_to_submit=False):
        to = st.selectbox(
            "Who signs", list(by_subject), format_func=lambda key: by_subject[key].name, key="delegate-to", index=None
        )
        held = st.selectbox("In which role of yours", roles, format_func=lambda one: one.label, key="delegate-role")
        tier = st.selectbox("For", list(TIERS), format_func=TIERS.__getitem__, key="delegate-tier", index=1)
        starts = st.date_input("First day", value=today, min_value=today, key="delegate-since")
        ends = st.date_input("Last day, at most 90 days", value=today + timedelta(days=14), key="delegate-until")
        reason = st.text_area("Why", key="delegate-reason", max_chars=500, placeholder="On leave until …")
        faults.place("reason")
        passphrase = forms.passphrase_field("delegate-passphrase")
        faults.place("passphrase")
        go = st.form_submit_button("Sign", type="primary", icon=":material/signature:", key="delegate-go")
    faults.place("form")
    if not go:
        return
    until = _end_of(ends)
    if to is None or held is None or until is None:
        faults.say("form", "Choose who signs, in which role and until when.")
        return
    command = GrantDelegation(
        command_id=state["command_id"],
        role=held,
        to_issuer=to[0],
        to_subject=to[1],
        tier=tier,
        since=max(session.now(), datetime.combine(starts, time(), tzinfo=UTC)),
        until=until,
        reason=reason,
        passphrase=forms.secret(passphrase),
    )
    done = f"{by_subject[to].name} may sign for you as {role(held.value).lower()} until {when(until, session.zone())}."
    if forms.submit(lambda: room.delegations.grant(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()


@st.dialog("End a delegation", icon=":material/undo:", on_dismiss=forms.close_dialog)
def delegation_end_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()
    me = session.signed_in()
    item = state["delegation"]
    st.markdown(f"**{md(item.to_name)}** will no longer sign for **{md(item.from_name)}**.")
    st.markdown("**Effect:** from now on. What was signed under it stands.")
    faults = forms.FieldErrors()
    with st.form("delegation-end-form", border=False, enter_to_submit=False):
        passphrase = forms.passphrase_field("delegation-end-passphrase")
        faults.place("passphrase")
        go = st.form_submit_button("Sign", type="primary", icon=":material/signature:", key="delegation-end-go")
    faults.place("form")
    if not go:
        return
    command = WithdrawDelegation(
        command_id=state["command_id"], delegation_id=item.id, passphrase=forms.secret(passphrase)
    )
    room = session.control_room()
    if forms.submit(lambda: room.delegations.withdraw(command, actor=me), faults, done="The delegation has ended."):
        forms.close_dialog()
        st.rerun()


DIALOGS = {
    "people-grant": grant_dialog,
    "people-change": change_dialog,
    "people-deployment-key": deployment_key_dialog,
    "people-key": key_dialog,
    "people-passkey": passkey_forms.passkey_dialog,
    "people-sign": sign_dialog,
    "people-delegate": delegate_dialog,
    "people-delegation-end": delegation_end_dialog,
}


def _end_of(chosen: date | None) -> datetime | None:
    """Access lasts through the whole last day, in UTC."""
    return None if chosen is None else datetime.combine(chosen, time(), tzinfo=UTC) + timedelta(days=1)
