"""People, keys, delegations and views as cards: what is, who may do what, and what waits for a signature."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.components import address, badges, forms, notices, parts, people_forms, reads, session
from pages.components.format import NOTHING, age, code, day, digest, md, plural, role, when
from services.kernel.identity import ROLE_DOES, ROLE_PERMISSIONS, Actor, Permission, Role
from services.people.ceremonies import Ceremony, CeremonyState, words
from services.people.delegations import TIERS
from services.people.models import Delegation, Person
from services.people.passkeys import Passkey

VIEWS_PAGE = 50
_USES = {"service": "Service key", "log": "Log key", "machine": "Key of the machine"}


def people_card(me: Actor) -> None:
    people = reads.attempt("people", session.control_room().people.people, key="people") or ()
    with parts.card("People and keys", f"{len(people)} people"):
        frame = pd.DataFrame(
            {
                "Name": [f"**{md(person.name)}**" for person in people],
                "Roles": [_roles(person) for person in people],
                "Sign-in": [code(f"{person.issuer} {person.subject}") for person in people],
                "Active": [_active(person) for person in people],
                "Signing key": [_key(person) for person in people],
            }
        )
        parts.table(frame, alt="People and keys")
        if session.control_room().people.may(me, Permission.MANAGE_PEOPLE):
            _signers_note()
            with st.container(horizontal=True, key="people-actions"):
                st.button(
                    "Add a person or a role",
                    key="people-grant",
                    icon=":material/person_add:",
                    on_click=forms.open_dialog,
                    args=("people-grant", "settings"),
                )
                st.button(
                    "Change a person or key",
                    key="people-change",
                    icon=":material/manage_accounts:",
                    on_click=forms.open_dialog,
                    args=("people-change", "settings"),
                )


def _signers_note() -> None:
    needed = reads.attempt("the signing rules", session.control_room().keys.signers_needed, key="signers-needed")
    if needed is None:
        return
    notices.remark(
        "In this embedded deployment one administrator signs a change of people or keys. Elsewhere two sign, and "
        "neither of them is the person concerned."
        if needed == 1
        else f"{needed} administrators sign every change of people or keys; neither of them is the person concerned.",
        "group",
    )


def _roles(person: Person) -> str:
    ends = dict(person.role_ends)
    now = session.now()
    held = [
        badges.plain(held.label, "blue") + (f" :gray[until {day(ends[held])}]" if held in ends else "")
        for held in person.roles
    ]
    over = [f":gray[{held.label}, ended {day(end)}]" for held, end in person.role_ends if end <= now]
    return " ".join(held + over) or f":gray[{NOTHING}]"


def _active(person: Person) -> str:
    if person.active:
        return ":green-badge[:material/check_circle: Active]"
    why = f" :gray[{md(person.disabled_reason)}]" if person.disabled_reason else ""
    return f":gray-badge[:material/block: Disabled]{why}"


def _key(person: Person) -> str:
    if person.key_id is None:
        return ":gray[none]"
    now = session.now()
    shown = code(digest(person.key_id))
    if person.key_created_at is not None:
        shown += f" :gray[made {age(person.key_created_at, now)}]"
    if person.key_locked_until is not None and person.key_locked_until > now:
        shown += f" :red-badge[:material/lock: Locked until {when(person.key_locked_until, session.zone())}]"
    if session.control_room().keys.renewal_due(person):
        shown += " :orange-badge[:material/event_busy: Renewal due]"
    return shown


def own_key_card(me: Actor) -> None:
    """The reader's own key: how old, whether it is due, and the way to a new one."""
    room = session.control_room()
    person = reads.attempt("your key", lambda: room.people.standing(me.issuer, me.subject), key="own-key")
    if person is None or me.role is Role.AUDITOR:
        return
    with parts.card("My signing key"):
        if person.key_id is None:
            st.markdown(":gray[You have no key yet, so you cannot sign. Make one; administrators then enrol it.]")
        else:
            st.markdown(f"{_key(person)}")
            if room.keys.renewal_due(person):
                st.markdown(":orange[:material/event_busy: It is older than a year; replace it soon.]")
        st.button(
            "Replace my key" if person.key_id else "Make my key",
            key="own-key-new",
            icon=":material/key:",
            on_click=forms.open_dialog,
            args=("people-key", "settings"),
            kwargs={"replaces": bool(person.key_id)},
        )


def passkeys_card(me: Actor) -> None:
    """The reader's passkeys, and the way to another one."""
    room = session.control_room()
    own = reads.attempt("your passkeys", lambda: room.passkeys.own(actor=me), key="own-passkeys")
    if own is None or me.role is Role.AUDITOR:
        return
    with parts.card("My passkeys", f"for {room.passkeys.party.id}"):
        for item in own:
            st.markdown(f"**{md(item.label)}** {_passkey_state(item)} {code(digest(item.key_id))}")
        if not own:
            st.markdown(":gray[None. A policy may ask for one beside your passphrase; add it before you need it.]")
        st.button(
            "Add a passkey",
            key="own-passkey-new",
            icon=":material/passkey:",
            on_click=forms.open_dialog,
            args=("people-passkey", "settings"),
            kwargs={"demand": None, "made": ""},
        )


def _passkey_state(item: Passkey) -> str:
    if item.revoked_seq is not None:
        return f":gray-badge[:material/block: Revoked in entry {item.revoked_seq}]"
    if item.seq is None:
        return ":orange-badge[:material/hourglass: Waits for administrators]"
    used = f"used {age(item.last_used_at, session.now())}" if item.last_used_at else "not used yet"
    return f":green-badge[:material/check_circle: Enrolled in entry {item.seq}] :gray[{used}]"


def ceremonies_card(me: Actor) -> None:
    room = session.control_room()
    waiting = reads.attempt("open changes", lambda: room.keys.ceremonies(actor=me), key="ceremonies") or ()
    if not waiting:
        return
    with parts.card("Waiting for a signature", plural(len(waiting), "change")):
        for ceremony in waiting:
            _ceremony(ceremony, me)


def _ceremony(ceremony: Ceremony, me: Actor) -> None:
    room = session.control_room()
    with st.container(border=True, key=f"ceremony-{ceremony.id}"):
        st.markdown(f"**{md(words(ceremony))}**")
        signed = ", ".join(md(name) for _, _, name in ceremony.signed_by)
        state = f"signed by {signed}" if ceremony.state is CeremonyState.SIGNED else "no administrator has signed yet"
        until = f", open until {when(ceremony.valid_until, session.zone())}" if ceremony.valid_until else ""
        asked = f"Asked for by {md(ceremony.asked_by_name)} {age(ceremony.asked_at, session.now())}"
        st.markdown(f":gray[{asked}; {state}{until}.]")
        if "keyid" in ceremony.detail:
            st.markdown(f":gray[Key] {code(digest(ceremony.detail['keyid'], 16))}")
        with st.container(horizontal=True):
            if room.people.may(me, Permission.MANAGE_PEOPLE):
                st.button(
                    "Sign",
                    key=f"ceremony-sign-{ceremony.id}",
                    icon=":material/signature:",
                    on_click=forms.open_dialog,
                    args=("people-sign", "settings"),
                    kwargs={"ceremony": ceremony},
                )
            st.button(
                "Take back",
                key=f"ceremony-withdraw-{ceremony.id}",
                type="tertiary",
                icon=":material/undo:",
                on_click=people_forms.take_back,
                args=(ceremony.id,),
            )


def deployment_keys_card(me: Actor) -> None:
    room = session.control_room()
    keys = reads.attempt("keys of the deployment", room.keys.deployment_keys, key="deployment-keys") or ()
    with parts.card("Keys of this deployment"):
        rows = [(_USES.get(use, use), code(digest(key_id, 16))) for use, key_id in keys]
        parts.facts(rows, alt="Keys of this deployment")
        notices.remark(
            "The service key countersigns every entry, the log key signs its checkpoints, the machine signs automatic "
            "rollbacks under a plan people signed. None of them can stand for a person."
        )
        if room.people.may(me, Permission.MANAGE_PEOPLE):
            st.button(
                "Replace one",
                key="deployment-key-new",
                icon=":material/autorenew:",
                on_click=forms.open_dialog,
                args=("people-deployment-key", "settings"),
            )


def roles_card() -> None:
    with parts.card("Who may do what"):
        for held in Role:
            st.markdown(f"{badges.plain(held.label, 'blue')} :gray[{md(ROLE_DOES[held])}]")
        matrix = pd.DataFrame(
            [
                [f"**{str(permission).replace('_', ' ').capitalize()}**"]
                + [
                    ":green[:material/check:]" if permission in ROLE_PERMISSIONS[held] else f":gray[{NOTHING}]"
                    for held in Role
                ]
                for permission in Permission
            ],
            columns=["Permission", *[held.label for held in Role]],
        )
        parts.table(matrix, alt="Permission matrix")
        notices.remark("What no role names belongs to nobody. The services check this again at every write.")


def delegations_card(me: Actor) -> None:
    room = session.control_room()
    every = reads.attempt("delegations", room.delegations.all, key="delegations")
    if every is None:
        return
    now = session.now()
    active = {item.id for item in room.people.active_delegations(now=now)}
    current = [item for item in every if item.id in active or (item.withdrawn_at is None and item.since > now)]
    past = [item for item in every if item not in current]
    with parts.card("In force or to come", plural(len(current), "delegation")):
        for item in current:
            _delegation(item, me, in_force=item.id in active)
        if not current:
            st.markdown(":gray[Nobody signs for somebody else just now.]")
        if room.people.may(me, Permission.DELEGATE):
            st.button(
                "Let somebody sign for me",
                key="delegate",
                icon=":material/person_add:",
                on_click=forms.open_dialog,
                args=("people-delegate", "settings"),
            )
    if past:
        with parts.card("Ended", plural(len(past), "delegation")):
            frame = pd.DataFrame(
                {
                    "From": [md(item.from_name) for item in past],
                    "To": [md(item.to_name) for item in past],
                    "Role": [md(role(item.role)) for item in past],
                    "Time": [f"{day(item.since)} to {day(item.until)}" for item in past],
                    "Ended": [_ending(item) for item in past],
                }
            )
            parts.table(frame, alt="Ended delegations")


def _ending(item: Delegation) -> str:
    if item.withdrawn_at is not None:
        return f"{when(item.withdrawn_at, session.zone())} by {md(item.withdrawn_by)}"
    if item.until <= session.now():
        return "by its date"
    return "no longer covered: a role or a person changed"


def _delegation(item: Delegation, me: Actor, *, in_force: bool) -> None:
    room = session.control_room()
    with st.container(border=True, key=f"delegation-{item.id}"):
        badge = (
            ":green-badge[:material/check_circle: In force]" if in_force else ":blue-badge[:material/schedule: To come]"
        )
        st.markdown(
            f"**{md(item.to_name)}** signs for **{md(item.from_name)}** as {md(role(item.role).lower())} {badge}"
        )
        zone = session.zone()
        st.markdown(
            f":gray[{TIERS[item.tier]}, {when(item.since, zone)} to {when(item.until, zone)}. {md(item.reason)}]"
        )
        own = (item.from_issuer, item.from_subject) == (me.issuer, me.subject)
        if own or room.people.may(me, Permission.MANAGE_PEOPLE):
            st.button(
                "End it",
                key=f"delegation-end-{item.id}",
                icon=":material/undo:",
                on_click=forms.open_dialog,
                args=("people-delegation-end", "settings"),
                kwargs={"delegation": item},
            )


def views_card(me: Actor) -> None:
    """Who looked at what: an auditor sees the own views, compliance and administrators see all."""
    room = session.control_room()
    page = reads.attempt(
        "the access log",
        lambda: room.people.views(
            actor=me, limit=VIEWS_PAGE, offset=(address.number("page", 1, low=1, high=1_000_000) - 1) * VIEWS_PAGE
        ),
        key="views",
    )
    if page is None:
        return
    with parts.card("What auditors looked at", plural(page.total, "view")):
        if not page.items:
            st.markdown(":gray[No auditor has opened a page yet. Every page one opens is listed here.]")
            return
        frame = pd.DataFrame(
            {
                "When": [when(view.at, session.zone()) for view in page.items],
                "Who": [md(view.name) for view in page.items],
                "Screen": [md(view.screen) for view in page.items],
                "What was open": [md(view.about) or NOTHING for view in page.items],
            }
        )
        parts.table(frame, alt="What auditors looked at")
        parts.paging(page.total, VIEWS_PAGE, key="views")
        notices.remark("The database lets nobody change or remove a line. Both sides see the same list.")
