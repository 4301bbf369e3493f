"""Changing a monitor: the proposed default or the one in force as a form, its faults, what changes, and the save."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import streamlit as st

from pages.components import forms, monitor_facts, notices, parts, places, session
from pages.components.format import md
from services.attestation.documents import digest
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Permission
from services.monitoring.monitor_rules import MOST_CLOSELY, MOST_WINDOWS
from services.monitoring.monitor_views import MonitorView
from services.monitoring.monitors import (
    STATISTICS,
    BusinessImpact,
    CodeRed,
    Monitor,
    ReferenceKind,
    ReferenceWindow,
    SaveMonitor,
    SourceKind,
    Threshold,
    diff,
    document,
    read,
)
from services.monitoring.proposing import DEFAULT_THRESHOLDS

if TYPE_CHECKING:
    from services.container import ControlRoom

_DRAFT, _CHECKED = "monitor-draft", "monitor-checked"
_USUAL = {"js": (0.12, 0.20), "ks": (0.10, 0.20), "w1": (0.10, 0.25)} | {
    item.statistic: (item.watch, item.breach) for item in DEFAULT_THRESHOLDS
}


def section(room: ControlRoom, me: Actor, view: MonitorView) -> None:
    model = view.row.model
    if not room.people.may(me, Permission.MANAGE_MONITOR):
        notices.remark("A data science lead or an administrator changes how a model is watched.", "block")
        return
    if view.row.guards:
        notices.remark(f"{view.row.guards} A change has to be signed.", "shield")
    if view.hindrance:
        notices.remark(md(view.hindrance), "draw")
    with st.container(horizontal=True):
        st.button(
            "Propose the default",
            icon=":material/auto_awesome:",
            type="primary" if view.row.monitor is None else "secondary",
            key="monitor-propose",
            on_click=_propose,
            args=(model,),
            help="From the signature and the training dataset of the version in force.",
        )
        if view.row.monitor is not None:
            text = document(view.row.monitor)
            st.button("Start from the one in force", key="monitor-restart", on_click=_begin, args=(model, text))
            if not view.versions[0].item.signed:
                st.button(
                    "Sign the one in force", icon=":material/draw:", key="monitor-sign", on_click=_offer_again,
                    args=(model, text), help="As it is: a version with the same settings and your signature.",
                )  # fmt: skip
    problem = st.session_state.pop("monitor-problem", None)
    if problem is not None:
        notices.show(problem, key="monitor-problem-reload")
    kept = st.session_state.get(_DRAFT, {}).get(model)
    draft = read(kept) if kept else view.row.monitor
    if draft is None:
        notices.empty(
            "No monitor yet",
            "One click proposes one from what the registry knows. Nothing is written before you save it.",
            icon="auto_awesome",
        )
        return
    _fields(draft)
    _outcome(room, view)


def _propose(model: str) -> None:
    try:
        proposed = session.control_room().monitors.propose_default(model)
    except ControlRoomError as error:
        st.session_state["monitor-problem"] = error
        return
    _begin(model, document(proposed))
    st.session_state[_CHECKED] = {model: document(proposed)}


def _begin(model: str, text: str) -> None:
    st.session_state[_DRAFT] = {model: text}
    st.session_state.pop(_CHECKED, None)


def _offer_again(model: str, text: str) -> None:
    _begin(model, text)
    st.session_state[_CHECKED] = {model: text}


def _fields(draft: Monitor) -> None:
    mark = digest(document(draft))[:8]
    columns = {item.column: item for item in draft.features}
    faults = forms.FieldErrors("monitor-")
    with st.form(f"monitor-{mark}", enter_to_submit=False):
        kept = st.multiselect(
            "Features", list(columns), default=list(columns), key=f"features-{mark}",
            format_func=lambda name: columns[name].title,
        )  # fmt: skip
        window = _reference(draft, mark)
        left, right = st.columns(2)
        with left:
            windows = st.text_input(
                "Current windows in days", ", ".join(str(days) for days in draft.windows), key=f"windows-{mark}",
                help="The first one is what screens open with.",
            )  # fmt: skip
            slices = st.multiselect("Slices", list(columns), default=[name for name in draft.slices if name in columns],
                                    key=f"slices-{mark}")  # fmt: skip
            least = st.number_input(
                "No verdict below this many predictions", min_value=1, value=draft.minimum_rows, key=f"least-{mark}"
            )
        with right:
            delay = st.text_input(
                "Label delay in hours", "" if draft.label_delay_hours is None else f"{draft.label_delay_hours:g}",
                key=f"delay-{mark}", help="Empty when nobody knows.",
            )  # fmt: skip
            labels = st.number_input("Fewest labels in a week", min_value=1, value=draft.minimum_labels,
                                     key=f"labels-{mark}")  # fmt: skip
            coverage = st.number_input("Share of labels a week needs, percent", min_value=1, max_value=100,
                                       value=round(draft.minimum_coverage * 100), key=f"coverage-{mark}")  # fmt: skip
        rule = _code_red(draft, mark)
        st.markdown("**Judged by** :gray[a statistic that is not ticked informs and does not judge]")
        chosen = _levels(draft, mark)
        st.markdown("**Money at risk per day, and who pays it**")
        impact = _money(draft, mark)
        faults.place("form")
        go = st.form_submit_button("Check", type="primary", icon=":material/fact_check:", key=f"check-{mark}")
    if not go:
        return
    try:
        made = replace(
            draft,
            features=tuple(columns[name] for name in kept),
            reference=window,
            windows=tuple(_whole(part) for part in windows.split(",") if part.strip()),
            slices=tuple(slices),
            code_red=rule,
            minimum_rows=int(least),
            minimum_labels=int(labels),
            minimum_coverage=int(coverage) / 100,
            label_delay_hours=float(delay) if delay.strip() else None,
            statistics=tuple(item.statistic for item, judges in chosen if judges),
            thresholds=tuple(item for item, _ in chosen),
            impact=BusinessImpact(
                watch_per_day=_amount(impact[0]), breach_per_day=_amount(impact[1]), payer=impact[2].strip(),
                basis=impact[3].strip(), currency=draft.impact.currency,
            ),
        )  # fmt: skip
    except (ValueError, InvalidOperation):
        faults.say("form", "A window is a whole number of days, a delay and an amount are numbers.")
        return
    st.session_state[_CHECKED] = {draft.model: document(made)}


def _code_red(draft: Monitor, mark: str) -> CodeRed:
    st.markdown("**Code red** :gray[PSI of a mix, or of a column that is watched most closely]")
    titles = {item.column: item.title for item in draft.features}
    columns = st.multiselect(
        "Watched most closely", list(titles), key=f"closely-{mark}", max_selections=MOST_CLOSELY,
        default=[name for name in draft.code_red.columns if name in titles],
        format_func=titles.__getitem__, placeholder="The five that moved most",
    )  # fmt: skip
    left, middle, right = st.columns(3)
    rule = draft.code_red
    with left:
        watch = st.number_input("Amber from", value=rule.watch, step=0.01, format="%.3f", key=f"amber-{mark}")
    with middle:
        breach = st.number_input("Red from", value=rule.breach, step=0.01, format="%.3f", key=f"red-{mark}")
    with right:
        windows = st.number_input(
            "In windows in a row", value=rule.windows, min_value=1, max_value=MOST_WINDOWS, key=f"in-a-row-{mark}"
        )
    return replace(rule, columns=tuple(columns), watch=float(watch), breach=float(breach), windows=int(windows))


_KINDS = {
    ReferenceKind.HOLDOUT: "Hold-out rows of the version in force",
    ReferenceKind.DATES: "Recorded predictions of the days below",
}


def _reference(draft: Monitor, mark: str) -> ReferenceWindow:
    """What every later day is compared with: the hold-out that training kept, or days of the source itself."""
    before, kind = draft.reference, ReferenceKind.DATES
    left, middle, right = st.columns([2, 1, 1])
    with left:
        if draft.source.kind is SourceKind.INFERENCE:
            kind = st.selectbox(
                "Reference window", list(_KINDS), index=list(_KINDS).index(before.kind), key=f"reference-{mark}",
                format_func=lambda item: _KINDS[item],
                help="Another window has every recorded day compared anew.",
            )  # fmt: skip
        else:
            st.text_input("Reference window", "Rows of the days beside", disabled=True, key=f"reference-{mark}")
    with middle:
        start = st.date_input("Reference from", before.start, key=f"reference-start-{mark}")
    with right:
        end = st.date_input("Reference to", before.end, key=f"reference-end-{mark}")
    if kind is ReferenceKind.HOLDOUT:
        return before if before.kind is kind else ReferenceWindow()
    return ReferenceWindow(kind=kind, start=start, end=end)


def _levels(draft: Monitor, mark: str) -> list[tuple[Threshold, bool]]:
    found = []
    for name, title in STATISTICS.items():
        known = draft.threshold(name)
        usual = _USUAL[name]
        ticked, low, high = st.columns([4, 2, 2], vertical_alignment="bottom")
        with ticked:
            judges = st.checkbox(title, value=name in draft.statistics, key=f"judge-{name}-{mark}")
        with low:
            watch = st.number_input("Watch from", value=known.watch if known else usual[0], key=f"watch-{name}-{mark}",
                                    step=0.01, format="%.3f")  # fmt: skip
        with high:
            breach = st.number_input("Breach from", value=known.breach if known else usual[1], step=0.01,
                                     format="%.3f", key=f"breach-{name}-{mark}")  # fmt: skip
        if judges or known is not None:
            found.append((Threshold(statistic=name, watch=float(watch), breach=float(breach)), judges))
    return found


def _money(draft: Monitor, mark: str) -> tuple[str, str, str, str]:
    impact = draft.impact
    left, middle, right = st.columns(3)
    with left:
        watch = st.text_input(f"On watch, {impact.currency}", _written(impact.watch_per_day), key=f"at-watch-{mark}")
    with middle:
        breach = st.text_input(
            f"On breach, {impact.currency}", _written(impact.breach_per_day), key=f"on-breach-{mark}"
        )
    with right:
        payer = st.text_input("Who pays", impact.payer, key=f"payer-{mark}", max_chars=120)
    basis = st.text_input("How the amounts were arrived at", impact.basis, key=f"basis-{mark}", max_chars=300)
    return watch, breach, payer, basis


def _outcome(room: ControlRoom, view: MonitorView) -> None:
    text = st.session_state.get(_CHECKED, {}).get(view.row.model)
    if not text:
        return
    monitor = read(text)
    try:
        found = room.monitors.check(monitor)
    except ControlRoomError as error:
        notices.show(error, key="monitor-check-reload")
        return
    if found:
        monitor_facts.faults(found)
        return
    offer(view, monitor)


def offer(view: MonitorView, monitor: Monitor) -> None:
    """What saving would change, and the button."""
    newest = view.versions[0].item if view.versions else None
    number = newest.version + 1 if newest else 1
    with parts.card(f"Save as version {number}", "in force at once", key="monitor-offer"):
        monitor_facts.changes(diff(view.row.monitor, monitor), first=view.row.monitor is None)
        st.button(
            "Sign and save" if view.row.guards else "Save",
            icon=":material/signature:" if view.row.guards else ":material/save:",
            type="primary",
            key="monitor-save",
            on_click=_open,
            args=(document(monitor), newest.version if newest else 0, view.row.guards),
        )


def _open(text: str, based_on: int, guards: str) -> None:
    forms.open_dialog("save-monitor", "monitors", text=text, based_on=based_on, guards=guards)


@st.dialog("Save this monitor", icon=":material/monitoring:", width="medium", on_dismiss=forms.close_dialog)
def save_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    monitor = read(state["text"])
    st.markdown(f"**Version {state['based_on'] + 1} of the monitor of {md(monitor.model)} comes into force**")
    if state["guards"]:
        st.markdown(f":material/shield: {md(state['guards'])} You sign the change.")
    else:
        st.markdown(":gray[A release may rest only on a signed monitor. Without a passphrase it is saved unsigned.]")
    faults = forms.FieldErrors()
    with st.form("save-monitor", border=False, enter_to_submit=False):
        reason = st.text_area("Why", key="monitor-reason", max_chars=500, placeholder="What changed, and who agreed?")
        faults.place("reason")
        passphrase = forms.passphrase_field("monitor-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                "Sign and save" if state["guards"] else "Save", type="primary", icon=":material/save:", key="monitor-go"
            )
    faults.place("form")
    if go:
        _save(faults, monitor, reason, passphrase)


def _save(faults: forms.FieldErrors, monitor: Monitor, reason: str, passphrase: str) -> None:
    state = forms.opened()
    if state is None:
        return
    if state["guards"] and not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; what guards a release changes by signature only.")
        return
    command = SaveMonitor(
        command_id=state["command_id"],
        monitor=monitor,
        based_on=state["based_on"],
        reason=reason,
        passphrase=forms.secret(passphrase) if passphrase else None,
    )
    room, me = session.control_room(), session.signed_in()
    done = f"Version {state['based_on'] + 1} of the monitor of {monitor.model} is in force."
    if forms.submit(lambda: room.monitors.save(command, actor=me), faults, done=done) is None:
        return
    for name in (_DRAFT, _CHECKED, "monitor-import"):
        st.session_state.pop(name, None)
    forms.close_dialog()
    st.switch_page(places.path("monitors"), query_params={"model": monitor.model})


def _whole(text: str) -> int:
    return int(text.strip())


def _amount(text: str) -> Decimal | None:
    return Decimal(text.replace(",", "").strip()) if text.strip() else None


def _written(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:f}"
