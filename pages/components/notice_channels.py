"""Where notices are sent outside the app, how that goes, and how to connect a channel. Addresses are never shown."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.components import badges, notices, parts, reads, session
from pages.components.format import age, code, count, md, plural, role, when
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Permission
from services.notices.models import ChannelView

_FAILING = badges.Status(word="Failing", icon="error", colour="red")
_WORKING = badges.Status(word="Working", icon="check_circle", colour="green")
_UNUSED = badges.Status(word="Not used yet", icon="help", colour="gray")
_UNUSABLE = badges.Status(word="Cannot be used", icon="link_off", colour="red")
_EXAMPLE = """base_url: https://countersign.example.com
quiet_hours: {zone: Europe/Berlin, tiers: {2: "20:00-07:00", 3: "18:00-08:00"}}
channels:
  - name: compliance-mail
    url_from: NOTIFY_COMPLIANCE        # the environment holds the address
    roles: [compliance_officer]
  - name: operators
    url: slack://TOKEN_A/TOKEN_B/TOKEN_C/#ml-operations
    roles: [sre]
    least: red"""
_SENT = "notice_test"


def show(channels: Sequence[ChannelView], faults: Sequence[str], me: Actor) -> None:
    for fault in faults:
        st.markdown(f":orange[:material/warning: {md(fault)}]")
    said = st.session_state.pop(_SENT, "")
    if said:
        st.markdown(f":gray[:material/outgoing_mail: {md(said)}]")
    if not channels:
        notices.empty(
            "Nothing is sent outside",
            "Notices are shown in the app only. Connect mail, Slack, Teams or a webhook to reach people elsewhere.",
            icon="notifications_paused",
        )
    may_test = session.control_room().people.may(me, Permission.MANAGE_PEOPLE)
    for channel in channels:
        _channel(channel, may_test=may_test)
    _how_to()


def _channel(channel: ChannelView, *, may_test: bool) -> None:
    health = channel.health
    with parts.card(md(channel.name), key=f"channel-{channel.name.replace('.', '-')}"):
        facts = [
            ("State", badges.badge(_state(channel))),
            ("Service", md(channel.transport)),
            ("For", ", ".join(md(role(word)) for word in channel.whom)),
            ("Last delivered", when(health.last_success, session.zone()) if health.last_success else "never"),
            ("On their way", plural(health.waiting, "message")),
        ]
        if health.given_up:
            facts.append(("Given up in 7 days", f":red[{count(health.given_up)}]"))
        parts.facts(facts, alt=f"Channel {channel.name}")
        if channel.problem:
            st.markdown(f":red[:material/link_off: {md(channel.problem)}]")
        elif health.failing_since is not None:
            since = f"{when(health.failing_since, session.zone())} ({age(health.failing_since, session.now())})"
            st.markdown(
                f":red[:material/error: Could not be delivered since {since}. {md(health.error)}] "
                ":gray[Messages are tried again for a day; the notices stay in the app.]"
            )
        if may_test and not channel.problem:
            st.button(
                "Send a test message",
                key=f"test-{channel.name}",
                icon=":material/outgoing_mail:",
                on_click=_test,
                args=(channel.name,),
            )


def _state(channel: ChannelView) -> badges.Status:
    if channel.problem:
        return _UNUSABLE
    if channel.health.failing_since is not None:
        return _FAILING
    return _WORKING if channel.health.last_success is not None else _UNUSED


def _how_to() -> None:
    file = session.control_room().settings.channels_file
    with parts.card("Connect a channel", "read again when the file changes"):
        st.markdown(
            f"Write {code(file)} and let only the service account read it. An address has the form that "
            "Apprise describes: mailtos:// for mail, slack://, workflows:// for Teams, jsons:// for a webhook. "
            "Messages hold the names of model, version and request and a link, nothing else."
        )
        # Plain: the colours of the highlighter are too pale on our background.
        st.code(_EXAMPLE, language=None)


def _test(name: str) -> None:
    me = session.actor()
    if me is None:
        return
    try:
        session.control_room().notices.send_test(name, actor=me)
        st.session_state[_SENT] = f"A test message by {name} is on its way; the worker sends it within seconds."
    except ControlRoomError as problem:
        st.session_state[_SENT] = str(problem)
    reads.forget()
