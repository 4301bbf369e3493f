"""The post-mortem: written on the page, kept as often as wanted, and signed when nothing is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import streamlit as st

from pages.components import evidence, forms, incident_forms, notices, parts, reads, session
from pages.components.format import day, md, plural, sentence, when
from services.incidents.models import CloseIncident, FollowUp, IncidentView, PostMortem, SavePostMortem, Step
from services.kernel.errors import ControlRoomError, PostMortemMissingError
from services.kernel.identity import Actor
from services.kernel.secret import Secret

_FIELDS = (
    ("impact", "Impact", "Who was affected, how much, for how long?"),
    ("cause", "Cause", "Why did it happen, and why was it possible?"),
    ("went_well", "What went well", "What helped to notice it and to end it?"),
    ("went_wrong", "What went wrong", "What was slow, missing or misleading?"),
)
_MOST, _LONGEST = 8, 4000


def card(view: IncidentView, me: Actor) -> None:
    offered = view.offer(Step.POST_MORTEM)
    note = "signed" if view.incident.times.closed else _missing_words(view.missing)
    with parts.card("Post-mortem", note, key="post-mortem"):
        if offered.enabled:
            _form(view, me)
        else:
            read(view)


def _missing_words(missing: Sequence[str]) -> str:
    return "complete" if not missing else f"{plural(len(missing), 'thing')} missing before it can be closed"


def read(view: IncidentView) -> None:
    """As written; the signed one names its entry."""
    kept = view.incident.post_mortem
    if kept == PostMortem():
        notices.remark("Nobody has written it yet." if not view.incident.times.closed else "Its text was erased.")
        return
    for name, title, _ in _FIELDS:
        st.markdown(f"**{title}**")
        st.markdown(md(getattr(kept, name)) or ":gray[not written yet]")
    st.markdown("**Follow-ups**")
    for number, item in enumerate(kept.follow_ups, start=1):
        _follow_up(view, number, item)
    if not kept.follow_ups:
        st.markdown(":gray[none yet]")
    closed = [line.seq for line in view.timeline if line.step == Step.CLOSED.value]
    evidence.entry_link(closed[-1] if closed else None)


def _follow_up(view: IncidentView, number: int, item: FollowUp) -> None:
    """Who owes it and until when; once it is done, by whom and where that can be seen."""
    done = next((found for found in view.done if found.number == number), None)
    late = done is None and item.due is not None and item.due < session.now().date()
    who = f"{md(item.owner_name or 'nobody')}, until {day(item.due) if item.due else 'no date'}"
    icon = ":green[:material/task_alt:]" if done else ":material/radio_button_unchecked:"
    with st.container(key=f"follow-up-{number}", gap="xsmall"):
        st.markdown(f"{icon} {md(item.text)} :{'red' if late else 'gray'}[{who}{', overdue' if late else ''}]")
        with st.container(horizontal=True, vertical_alignment="center"):
            if done is not None:
                st.markdown(f":gray[Done by {md(done.by.name)}, {when(done.at, session.zone())}]", width="content")
                if done.evidence.startswith(("https://", "http://")):
                    st.link_button("See for yourself", done.evidence, icon=":material/open_in_new:", type="tertiary")
                else:
                    st.markdown(f":gray[{md(done.evidence)}]", width="content")
                evidence.entry_link(done.seq)
            elif number in view.finishable:
                st.button(
                    "It is done",
                    key=f"follow-up-done-{number}",
                    icon=":material/task_alt:",
                    on_click=incident_forms.open_follow_up,
                    args=(view, number),
                )


def _form(view: IncidentView, me: Actor) -> None:
    kept, item = view.incident.post_mortem, view.incident
    owners = _owners()
    if owners is None:
        return
    st.markdown(
        ":gray[It looks for causes, not for somebody to blame. Closing is signed with your key: the entry holds its "
        "digest, never its words.]"
    )
    faults = forms.FieldErrors("post-mortem-")
    # The number of slots follows what is kept, so that keeping it once makes room for one more.
    slots = min(max(len(kept.follow_ups) + 1, 2), _MOST)
    with st.form(f"post-mortem-{item.incident_id}", border=False, enter_to_submit=False):
        given = {}
        for pair in (_FIELDS[:2], _FIELDS[2:]):
            for column, (name, title, hint) in zip(st.columns(2), pair, strict=True):
                given[name] = column.text_area(
                    title,
                    value=getattr(kept, name),
                    placeholder=hint,
                    max_chars=_LONGEST,
                    height=120,
                    key=f"pm-{item.incident_id}-{name}",
                )
        st.markdown("**Follow-ups** :gray[at least one; empty lines are left out]")
        follow_ups = [_slot(item.incident_id, number, kept, owners) for number in range(slots)]
        st.markdown(_still_missing(view))
        passphrase = forms.passphrase_field(f"pm-{item.incident_id}-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            keep = st.form_submit_button("Keep without closing", key="pm-keep", icon=":material/save:")
            close = st.form_submit_button("Sign and close", type="primary", key="pm-close", icon=":material/signature:")
    faults.place("form")
    written = PostMortem(**given, follow_ups=tuple(line for line in follow_ups if line is not None))
    if keep:
        _keep(view, written, me, faults)
    elif close:
        _close(view, written, passphrase, me, faults)


def _still_missing(view: IncidentView) -> str:
    return f":gray[Still missing as kept: {md(', '.join(view.missing))}.]" if view.missing else ""


def _owners() -> dict[str, str] | None:
    found = reads.attempt(
        "people who can own a follow-up", session.control_room().incidents.owners, key="incident-owners"
    )
    return None if found is None else {person.subject: person.name for person in found}


def _slot(incident_id: str, number: int, kept: PostMortem, owners: dict[str, str]) -> FollowUp | None:
    """One follow-up; None when its line is empty."""
    known = kept.follow_ups[number] if number < len(kept.follow_ups) else None
    key = f"pm-{incident_id}-follow-{number}"
    first, second, third = st.columns([4, 2, 2])
    text = first.text_input(
        f"Follow-up {number + 1}", value=known.text if known else "", key=f"{key}-text", max_chars=_LONGEST
    )
    names = list(owners)
    subject = second.selectbox(
        f"Owner {number + 1}",
        names,
        index=names.index(known.owner_subject) if known and known.owner_subject in names else None,
        format_func=owners.__getitem__,
        placeholder="Person",
        key=f"{key}-owner",
    )
    due = third.date_input(f"Due {number + 1}", value=known.due if known else None, key=f"{key}-due")
    if not text.strip() and subject is None and due is None:
        return None
    return FollowUp(
        text=text.strip(),
        owner_subject=subject or "",
        owner_name=owners.get(subject or "", ""),
        due=due if isinstance(due, date) else None,
    )


def _keep(view: IncidentView, written: PostMortem, me: Actor, faults: forms.FieldErrors) -> None:
    item = view.incident
    command = SavePostMortem(
        command_id=f"keep-{item.incident_id}-{item.revision}", incident_id=item.incident_id, post_mortem=written
    )
    room = session.control_room()
    done = "What you wrote is kept; the incident is not closed by that."
    if forms.submit(lambda: room.incidents.save_post_mortem(command, actor=me), faults, done=done):
        st.rerun()


def _close(view: IncidentView, written: PostMortem, passphrase: str, me: Actor, faults: forms.FieldErrors) -> None:
    item = view.incident
    command = CloseIncident(
        command_id=f"close-{item.incident_id}-{item.revision}",
        incident_id=item.incident_id,
        post_mortem=written,
        passphrase=Secret(passphrase),
    )
    room = session.control_room()
    try:
        with st.spinner("Recording…"):
            receipt = room.incidents.close(command, actor=me)
    except PostMortemMissingError as refused:
        # Named one under the other: this is the list somebody works off.
        with st.container(border=True, key="post-mortem-missing"):
            st.markdown(f":red[:material/block: **{md(sentence(refused.message))}**]")
            for words in refused.missing:
                st.markdown(f"- {md(sentence(words).rstrip('.'))}")
            st.markdown(f":gray[{md(refused.hint)}]")
        return
    except ControlRoomError as error:
        faults.show(error)
        return
    reads.forget()
    notices.flash("The post-mortem is signed and the incident is closed.", receipt)
    st.rerun()
