"""One alert: as a card of the list, and in full with its history and what this person can do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages.components import alert_forms, badges, money_at_risk, notices, parts, places, session
from pages.components.format import age, md, plural, when
from services.alerts import rules, views, wording
from services.alerts.models import Alert, AlertEvent, AlertState, AlertView, Happening, Look
from services.alerts.wording import HAPPENED, KIND_WORDS
from services.incidents.models import SEVERITIES
from services.kernel.identity import Actor, Permission

_MOST_PARTS = 20
_CHARTS = {"rollouts": "Open the rollout"}


def blind(looks: Sequence[Look]) -> None:
    """Sources that could not be read last time: what they would say is not known."""
    for look in looks:
        if look.error:
            since = f"since {age(look.last_success, session.now())}" if look.last_success else "and never could be"
            st.warning(
                f"{md(look.source.capitalize())} cannot be looked at {md(since)}: {md(look.error)} Its alerts stay "
                "as they are.",
                icon=":material/visibility_off:",
            )


def row(alert: Alert, me: Actor) -> None:
    """A card of the list, fit for a phone: title, sentence, facts, and the two things to do at once."""
    now = session.now()
    state = alert.state(now)
    with st.container(border=True, key=f"alert-{alert.alert_id}", gap="xsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.page_link(
                places.path("alerts"),
                label=f"**{md(alert.title)}**" if state is AlertState.OPEN else md(alert.title),
                icon=badges.icon(state),
                query_params={"alert": alert.alert_id},
                width="content",
            )
            _quick(alert, me)
        st.markdown(md(alert.sentence))
        st.markdown(_line(alert))


def _quick(alert: Alert, me: Actor) -> None:
    now, people = session.now(), session.control_room().people
    may = frozenset({Permission.HANDLE_ALERT}) if people.may(me, Permission.HANDLE_ALERT) else frozenset[Permission]()
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        _chart(alert)
        quiet = alert.state(now) is AlertState.SNOOZED
        if not quiet and not views.refusal(alert, Happening.ACKNOWLEDGED, may=may, now=now):
            st.button(
                "Acknowledge",
                key=f"acknowledge-{alert.alert_id}",
                icon=":material/back_hand:",
                on_click=alert_forms.acknowledge,
                args=(alert,),
            )


def _chart(alert: Alert) -> None:
    file, given = places.parse_target(alert.target)
    label = _CHARTS.get(alert.target.partition("?")[0], "Open the chart")
    st.page_link(file, label=label, icon=":material/monitoring:", query_params=given, width="content")


def _line(alert: Alert) -> str:
    now, zone = session.now(), session.zone()
    marks = [
        badges.badge(badges.SEVERITIES[alert.severity]),
        badges.badge(alert.state(now)),
        badges.plain(KIND_WORDS[alert.key.kind]),
    ]
    if alert.unknown_since is not None and alert.stands:
        marks.append(badges.plain(f"not measured since {when(alert.unknown_since, zone)}", icon_name="help"))
    words = [
        md(alert.key.model),
        f"first seen {age(alert.first_seen, now)}",
        plural(alert.repeats, "window"),
        md(f"owner {alert.owner.name}") if alert.owner else "nobody is named for it",
    ]
    if alert.at_risk:
        words.append(md(f"money at risk {wording.amount(alert.at_risk)}"))
    late = rules.late_at(alert, now=now)
    if late is not None:
        words.append(
            f":red[was to be acknowledged {age(late, now)}]" if late < now else f"acknowledge by {when(late, zone)}"
        )
    return f"{' '.join(marks)} :gray[{' · '.join(words)}]"


def fact(view: AlertView) -> str:
    """The line under the title."""
    alert = view.alert
    words = [badges.badge(view.state), badges.badge(badges.SEVERITIES[alert.severity])]
    words.append(f":gray[{md(alert.alert_id)}, {md(KIND_WORDS[alert.key.kind].lower())}, {md(alert.key.model)}]")
    return " ".join(words)


def full(view: AlertView) -> None:
    left, right = st.columns([2, 1])
    with left:
        _told(view)
        _parts(view.alert)
        _history(view.history)
    with right:
        _steps(view)
        _who(view)


def _told(view: AlertView) -> None:
    alert, zone, now = view.alert, session.zone(), session.now()
    with parts.card("What is wrong", md(f"last measured: {badges.word(alert.state_seen).lower()}"), key="alert-told"):
        st.markdown(md(alert.sentence))
        if alert.unknown_since is not None and alert.stands:
            st.markdown(
                f":gray[:material/help: Not measured since {when(alert.unknown_since, zone)}. It stays open: missing "
                "data is not a healthy condition.]"
            )
        _chart(alert)
        rows = [
            ("Severity", f"{alert.severity}: {md(SEVERITIES[alert.severity])}"),
            ("Business impact", f"{alert.impact.value} (tier {alert.tier})"),
            *([("Money at risk", md(alert.at_risk))] if alert.at_risk else []),
            ("First seen", f"{when(alert.first_seen, zone)} :gray[{age(alert.first_seen, now)}]"),
            ("Last seen", f"{when(alert.last_seen, zone)} :gray[in {plural(alert.repeats, 'window')}]"),
            ("Figures as of", when(alert.as_of, zone) if alert.as_of else ":gray[not known]"),
            ("Came back", plural(alert.reopened, "time") if alert.reopened else "never"),
        ]
        if alert.closed_at is not None:
            rows.append(("Closed", when(alert.closed_at, zone)))
        elif alert.healthy:
            needed = rules.WINDOWS[alert.key.kind]
            rows.append(("Healthy again", f"{alert.healthy} of {plural(needed, 'window')} that close it"))
        parts.facts(rows, alt="Facts of the alert")
        if alert.at_risk.startswith("not known"):
            money_at_risk.state_it(alert.key.model)


def _parts(alert: Alert) -> None:
    """What the alert holds, each with its own chart; nothing for an alert about one thing."""
    if not alert.parts or alert.closed_at is not None:
        return
    zone, shown = session.zone(), alert.parts[:_MOST_PARTS]
    with parts.card("What is in it", "one cause, one alert; gravest first", key="alert-parts"):
        for number, part in enumerate(shown):
            with st.container(key=f"alert-part-{number}", gap=None):
                file, given = places.parse_target(part.target)
                st.page_link(
                    file,
                    label=f"**{md(part.title)}**",
                    icon=badges.icon(part.state),
                    query_params=given,
                    width="content",
                )
                since = f" :gray[In it since {when(part.since, zone)}.]" if part.since else ""
                st.markdown(f"{badges.badge(part.state)} {md(part.sentence)}{since}")
        if len(alert.parts) > len(shown):
            st.caption(f"{len(alert.parts) - len(shown)} more; the chart shows them all.")


def _who(view: AlertView) -> None:
    alert, zone = view.alert, session.zone()
    with parts.card("Who", key="alert-who"):
        rows = [("Owner", md(alert.owner.name) if alert.owner else f"nobody; the {md(_role(alert.owner_role))} hears")]
        if alert.acknowledged is not None:
            by = f"{md(alert.acknowledged.by.name)} :gray[{when(alert.acknowledged.at, zone)}]"
            rows.append(("Acknowledged", by))
        elif view.late_at is not None:
            rows.append(("Acknowledge by", when(view.late_at, zone)))
        if alert.snooze is not None and view.state is AlertState.SNOOZED:
            rows.append(("Snoozed", f"{md(alert.snooze.by.name)} :gray[until {when(alert.snooze.until, zone)}]"))
        parts.facts(rows, alt="Who has the alert")
        if alert.incident_id:
            st.page_link(
                places.path("incidents"),
                label=f"Incident {md(alert.incident_id)}",
                icon=":material/e911_emergency:",
                query_params={"incident": alert.incident_id},
            )


def _role(word: str) -> str:
    return word.replace("_", " ")


def _steps(view: AlertView) -> None:
    alert = view.alert
    buttons: tuple[tuple[Happening, str, str, Callable[..., None], tuple[object, ...]], ...] = (
        (Happening.ACKNOWLEDGED, "Acknowledge", "back_hand", alert_forms.open_form, ("acknowledge", alert)),
        (Happening.SNOOZED, "Snooze", "snooze", alert_forms.open_form, ("snooze", alert)),
        (Happening.UNSNOOZED, "End the snooze", "alarm_on", alert_forms.wake, (alert,)),
        (Happening.INCIDENT, "Open an incident", "e911_emergency", alert_forms.raise_incident, (alert,)),
        (Happening.CLOSED, "Close without a measurement", "task_alt", alert_forms.open_form, ("close", alert)),
    )
    possible = [item for item in buttons if not view.refusal(item[0])]
    with parts.card("What you can do", key="alert-steps"):
        for step, label, icon, call, given in possible:
            st.button(
                label,
                icon=f":material/{icon}:",
                key=f"step-{step.value}",
                on_click=call,
                args=given,
                type="primary" if step is Happening.ACKNOWLEDGED else "secondary",
                width="stretch",
            )
        if not possible:
            for reason in dict.fromkeys(words for _, words in view.refusals if words):
                st.markdown(f":gray[:material/block: {md(reason)}]")


def _history(history: Sequence[AlertEvent]) -> None:
    with parts.card("History", "newest first", key="alert-history"):
        if not history:
            notices.remark("Nothing is recorded.", "help")
        for event in history:
            with st.container(key=f"alert-event-{event.number}", gap=None):
                who = event.by.name if event.by else "Countersign"
                head = f"**{HAPPENED[event.happening]}** :gray[{when(event.at, session.zone())}, {md(who)}]"
                if event.seq is None:
                    st.markdown(head)
                else:
                    with st.container(horizontal=True, vertical_alignment="center"):
                        st.markdown(head, width="content")
                        st.page_link(
                            places.path("audit"),
                            label=f"entry {event.seq}",
                            icon=":material/receipt_long:",
                            query_params={"entry": str(event.seq)},
                            width="content",
                        )
                st.markdown(f":gray[{md(event.sentence)}]")
                if event.text:
                    st.markdown(md(event.text))
