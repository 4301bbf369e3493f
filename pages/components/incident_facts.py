"""One incident, read: its times and clock, what happened, the traffic that belongs to it, and its line of events."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from pages.components import badges, evidence, money_at_risk, notices, parts, places, reads, session
from pages.components.format import code, md, sentence, took, version, when
from services.incidents.models import SEVERITIES, Incident, IncidentLine, IncidentView, LinkedChange
from services.kernel.identity import Actor

_BREACH = frozenset({"start", "opened", "recurred"})
_DONE = frozenset({"mitigated", "closed"})


def fact(view: IncidentView) -> str:
    """The line under the title: state, severity, and whether the clock runs."""
    item = view.incident
    words = [badges.badge(item.state), badges.badge(badges.SEVERITIES[item.severity])]
    words.append(f":gray[{md(item.incident_id)}, {md(item.model)} {version(item.version) if item.version else ''}]")
    return " ".join(words)


def live(incident_id: str, me: Actor) -> None:
    """Times and line of events, read again every half minute; nothing in it can be typed into."""
    st.fragment(_read_again, run_every=30)(incident_id, me)


def _read_again(incident_id: str, me: Actor) -> None:
    room = session.control_room()
    view = reads.attempt(
        "this incident", lambda: room.incidents.view(incident_id, actor=me), key=f"incident-{incident_id}"
    )
    if view is not None:
        times(view)
        timeline(view)


def times(view: IncidentView) -> None:
    item, zone = view.incident, session.zone()
    moments = item.times
    with parts.card("Times", "order is the number of the ledger entry", key="incident-times"):
        left, right = st.columns(2)
        left.metric("Time to detect", took(view.time_to_detect))
        right.metric("Time to restore", _restore(view), help="From the start of the impact until traffic was verified.")
        rows = [
            ("Impact began", _at(moments.impact_start, zone, unknown="nobody has stated it")),
            ("Detected", _at(moments.detected, zone, after=moments.impact_start)),
            ("Acknowledged", _at(moments.acknowledged, zone, after=moments.detected, unknown="not yet")),
            ("Mitigated", _at(moments.mitigated, zone, after=moments.impact_start, unknown="not yet")),
            ("Closed", _at(moments.closed, zone, unknown="not yet")),
        ]
        parts.facts(rows, alt="Times of the incident")


def _restore(view: IncidentView) -> str:
    if view.clock_since is None:
        return took(view.time_to_restore)
    return f"running, {took(max(session.now() - view.clock_since, timedelta()))}"


def _at(at: datetime | None, zone: str, *, after: datetime | None = None, unknown: str = "") -> str:
    if at is None:
        return f":gray[:material/help: {unknown}]"
    if after is None:
        return when(at, zone)
    if at < after:
        return f"{when(at, zone)} :orange[:material/schedule: a clock was moved; no duration is given]"
    return f"{when(at, zone)} :gray[{took(at - after)} later]"


def told(item: Incident) -> None:
    """What happened, and how it was found out."""
    how = "opened by a rule" if item.by_rule else "opened by a person"
    with parts.card("What happened", how, key="incident-told"):
        st.markdown(md(item.text) or ":gray[The text was erased.]")
        rows = [("Severity", f"{item.severity}: {md(SEVERITIES[item.severity])}")]
        rows += [("Version", md(version(item.version)))] if item.version else []
        rows += [("Rule", md(item.rule))] if item.rule else []
        rows += [("Measured", md(item.measured))] if item.measured else []
        rows += [("Release", code(item.release_id))] if item.release_id else []
        rows += [("Money at risk", at_risk)] if (at_risk := money_at_risk.while_it_lasts(item.model)) else []
        parts.facts(rows, alt="How it was found out")
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            evidence.entry_link(item.opened_seq)
            if item.earlier:
                _incident_link(item.earlier, "The same happened before")


def changes(view: IncidentView) -> None:
    """The traffic that belongs to it, each with its entries."""
    note = f"{len(view.changes)} linked" if view.changes else "none linked"
    with parts.card("Traffic", note, key="incident-traffic"):
        if not view.changes:
            notices.remark("No change of traffic belongs to this incident yet.", "alt_route")
        for change in view.changes:
            _change(change)
        st.page_link(
            places.path("rollouts"),
            label=f"What serves now: {md(view.incident.model)}",
            icon=":material/alt_route:",
            query_params={"model": view.incident.model},
            width="content",
        )


def change_words(change: LinkedChange) -> str:
    """Plain text, for lists to choose from."""
    start = f"{version(change.from_version)} to " if change.from_version else ""
    reason = f", {change.reason_code}" if change.reason_code else ""
    return f"{badges.word(change.kind)}: {start}{version(change.to_version)}{reason}, entry {change.seq_intent}"


def _change(change: LinkedChange) -> None:
    zone = session.zone()
    with st.container(key=f"line-change-{change.seq_intent}", gap=None):
        moved = f"{version(change.from_version)} → {version(change.to_version)}" if change.from_version else ""
        st.markdown(f"{badges.badge(change.kind)} {badges.badge(change.state)} **{md(moved)}**")
        reason = f", reason {md(change.reason_code)}" if change.reason_code else ""
        st.markdown(f":gray[Asked by {md(change.requested_by)} on {when(change.asked_at, zone)}{reason}.]")
        if change.verified_at is not None:
            st.markdown(f":gray[Read back from the platform on {when(change.verified_at, zone)}.]")
        with st.container(horizontal=True, gap="small"):
            evidence.entry_link(change.seq_intent)
            evidence.entry_link(change.seq_outcome)


def timeline(view: IncidentView) -> None:
    with parts.card("What was done", "in the order of the ledger", key="incident-timeline"):
        for number, line in enumerate(view.timeline):
            _line(number, line)


def _line(number: int, line: IncidentLine) -> None:
    kind = "breach" if line.step in _BREACH else "done" if line.step in _DONE else "plain"
    with st.container(key=f"line-{kind}-{number}", gap=None):
        who = f" :gray[{md(line.who)}]" if line.who else ""
        st.markdown(f"**{md(line.title)}**{who}")
        if line.text:
            st.markdown(f"“{md(line.text)}”")
        for detail in line.details:
            st.markdown(f":gray[{md(sentence(detail))}]")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(when(line.at, session.zone()), width="content")
            evidence.entry_link(line.seq)


def people(view: IncidentView) -> None:
    item = view.incident
    with parts.card("Who", "", key="incident-who"):
        name = f"**{md(item.assignee.name)}** works on it" if item.assignee else "Nobody works on it"
        colour = "" if item.assignee or item.times.closed else ":red"
        words = f":material/person: {name}"
        st.markdown(f"{colour}[{words}]" if colour else words)
        missing = view.on_call.startswith("Nobody")
        icon = "phone_disabled" if missing else "support_agent"
        st.markdown(f":{'red' if missing else 'gray'}[:material/{icon}: {md(view.on_call)}]")


def _incident_link(incident_id: str, words: str) -> None:
    st.page_link(
        places.path("incidents"),
        label=f"{words}: {md(incident_id)}",
        icon=":material/history:",
        query_params={"incident": incident_id},
        width="content",
    )
