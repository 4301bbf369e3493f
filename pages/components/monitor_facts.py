"""One monitor in words: what it watches, from which level on, what is at risk, and every version with its signature."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pandas as pd
import streamlit as st

from pages.components import badges, exporting, notices, parts, places, session
from pages.components.format import NOTHING, code, count, digest, md, plural, when
from services.attestation.documents import Change
from services.kernel.health import Health
from services.monitoring.monitor_rules import Problem
from services.monitoring.monitor_views import CheckedVersion, MonitorView
from services.monitoring.monitors import STATISTICS, Monitor

_SHOWN = 12


def fact(view: MonitorView) -> str:
    row = view.row
    guard = f" {md(row.guards)}" if row.guards else ""
    return f"{badges.badge(row.state)} :gray[{md(row.sentence)}{guard}]"


def links(view: MonitorView) -> None:
    model = view.row.model
    st.page_link(places.path("drift"), label="Drift", icon=":material/monitoring:", query_params={"model": model})
    st.page_link(places.path("model"), label="Model", icon=":material/deployed_code:", query_params={"name": model})
    if view.versions:
        exporting.popover(
            f"monitor-{model}", lambda: [_exported(item) for item in view.versions], note=f"Versions of {model}"
        )


def in_force(view: MonitorView) -> None:
    monitor = view.row.monitor
    if monitor is None:
        notices.empty(
            "No monitor is in force" if not view.versions else "The monitor in force cannot be relied on",
            f"{md(view.row.sentence)} A release does not start without one; propose one under Change.",
            icon="help",
        )
        return
    if view.hindrance:
        notices.remark(f"**No release may rest on it.** {md(view.hindrance)}", "draw")
    left, right = st.columns([3, 2])
    with left:
        levels(monitor)
        watched(monitor)
    with right:
        stated(monitor)
        signature(view.versions[0])


def levels(monitor: Monitor) -> None:
    """Every threshold with the money that is at risk beyond it."""
    impact = monitor.impact
    rows = [
        (
            _judging(item.statistic, monitor),
            f"{item.watch:g}",
            _a_day(impact.watch_per_day, impact.currency),
            f"{item.breach:g}",
            _a_day(impact.breach_per_day, impact.currency),
            md(impact.payer) or "nobody is named",
        )
        for item in monitor.thresholds
    ]
    payer = f"paid by {md(impact.payer)}" if impact.payer else "nobody is named who pays"
    with parts.card("Levels and what they cost", payer, key="monitor-levels"):
        columns = ["Statistic", "Watch from", "At risk a day", "Breach from", "At risk a day ", "Who pays"]
        parts.table(pd.DataFrame(rows, columns=columns), alt="Levels")
        st.caption(md(impact.basis) or "Nobody wrote down how the amounts were arrived at.")


def _a_day(amount: Decimal | None, currency: str) -> str:
    return ":orange[not stated]" if amount is None else f"{amount:,.0f} {md(currency)}"


def _judging(statistic: str, monitor: Monitor) -> str:
    title = md(STATISTICS.get(statistic, statistic))
    return title if statistic in monitor.statistics else f"{title} :gray[(informs only)]"


def watched(monitor: Monitor) -> None:
    with parts.card("What is watched", f"{len(monitor.features)} features and the prediction", key="monitor-features"):
        rows = [(md(item.title), code(item.column), item.kind.value) for item in monitor.features[:_SHOWN]]
        parts.table(pd.DataFrame(rows, columns=["Feature", "Column", "Kind"]), alt="Features")
        if len(monitor.features) > _SHOWN:
            st.caption(f"{len(monitor.features) - _SHOWN} more: {md(', '.join(monitor.columns[_SHOWN:]))}")


def stated(monitor: Monitor) -> None:
    mapping = monitor.mapping
    delay = monitor.label_delay_hours
    with parts.card("How it is judged", key="monitor-stated"):
        parts.facts(
            [
                ("Source", md(monitor.source.words)),
                ("Time, prediction", f"{code(mapping.timestamp)}, {code(mapping.prediction)}"),
                ("Label", code(mapping.label) if mapping.label else "none in the source"),
                ("Reference window", md(monitor.reference.sentence)),
                ("Current windows", ", ".join(plural(days, "day") for days in monitor.windows)),
                ("Judged by", md(", ".join(STATISTICS.get(name, name) for name in monitor.statistics))),
                ("Slices", md(", ".join(monitor.slices)) or NOTHING),
                ("Code red", f"{monitor.code_red.words}; {md(_closely(monitor))}"),
                ("No verdict below", f"{count(monitor.minimum_rows)} predictions in a window"),
                ("Labels a week needs", f"{count(monitor.minimum_labels)} and {monitor.minimum_coverage:.0%}"),
                ("Label delay", "nobody stated it" if delay is None else f"{delay:g} hours"),
            ],
            alt="How it is judged",
        )


def _closely(monitor: Monitor) -> str:
    titles = {item.column: item.title for item in monitor.features}
    named = ", ".join(titles.get(column, column) for column in monitor.code_red.columns)
    return f"watched most closely: {named}" if named else "the five columns that moved most are watched"


def signature(version: CheckedVersion) -> None:
    with parts.card("In force since", f"version {version.item.version}", key="monitor-signature"):
        st.markdown(signed_by(version))
        item = version.item
        parts.facts(
            [
                ("Saved", when(item.at, session.zone())),
                ("Why", md(item.reason)),
                ("Ledger entry", f"[{item.seq}](/audit?entry={item.seq})"),
                ("SHA-256", code(digest(item.sha256))),
            ],
            alt="Version in force",
        )


def signed_by(version: CheckedVersion) -> str:
    item = version.item
    if version.problem:
        return f"{badges.mark(Health.BREACH)} {md(version.problem)}"
    if item.signed:
        return f":material/verified: Signed by {md(item.by_name)}; the signature holds."
    if item.by_name:
        return f":material/history_edu: Saved by {md(item.by_name)} without a signature; it guarded no release then."
    return ":material/inventory: What this deployment began with, signed by the service and by nobody else."


def history(view: MonitorView) -> None:
    if not view.versions:
        notices.empty("No version yet", "The first one is proposed in one click under Change.", icon="history")
        return
    for version in view.versions:
        item = version.item
        with parts.card(
            f"Version {item.version}",
            f"{when(item.at, session.zone())}, entry [{item.seq}](/audit?entry={item.seq})",
            key=f"monitor-version-{item.version}",
        ):
            st.markdown(signed_by(version))
            st.markdown(f"**Why:** {md(item.reason)}")
            if item.guards:
                st.markdown(f":gray[:material/shield: {md(item.guards)}]")
            changes(version.changes, first=item.version == 1)


def changes(found: Sequence[Change], *, first: bool = False) -> None:
    if first:
        st.caption(f"{len(found)} settings, all new.")
        return
    if not found:
        st.caption("Nothing differs from the version before.")
        return
    rows = [(md(item.what), md(item.before) or NOTHING, md(item.after) or NOTHING) for item in found]
    parts.table(pd.DataFrame(rows, columns=["What", "Before", "After"]), alt="Changes")


def faults(found: Sequence[Problem], *, title: str = "This cannot be saved yet") -> None:
    with parts.card(title, f"{len(found)} to correct", key="monitor-faults"):
        for item in found:
            st.markdown(f":red[:material/error: **{md(item.what)}**] {md(item.why)} :gray[{md(item.next)}]")


def _exported(version: CheckedVersion) -> dict[str, object]:
    item = version.item
    return {
        "version": item.version,
        "saved_at": item.at.isoformat(),
        "by": item.by_name,
        "signed": item.signed,
        "problem": version.problem,
        "reason": item.reason,
        "guards": item.guards,
        "entry": item.seq,
        "sha256": item.sha256,
        "document": item.text,
    }
