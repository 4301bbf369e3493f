"""What the platform really serves, endpoint by endpoint and version by version, with the age of what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pandas as pd
import streamlit as st

from pages.components import badges, exporting, notices, parts, places, session
from pages.components.format import (
    NOTHING,
    age,
    count,
    md,
    milliseconds,
    number,
    percent,
    plural,
    routes,
    size,
    span,
    version,
)
from services.kernel.health import Health
from services.rollout.endpoint_models import EndpointVersion, EndpointView

_MODES = {
    "live": badges.plain("Live", "green", "bolt"),
    "batch_only": badges.plain("Batch only", "orange", "inventory"),
    "off": badges.plain("Off", "red", "power_settings_new"),
}
_UPDATES = {
    "running": badges.plain("Update running", "blue", "sync"),
    "failed": badges.plain("Update failed", "red", "error"),
    "cancelled": badges.plain("Update cancelled", "orange", "cancel"),
}
_READY = {"ready": Health.HEALTHY, "loading": Health.WATCH, "restarting": Health.WATCH, "stopped": Health.UNKNOWN}
_ROLES = {"live": "answers callers", "mirror": "gets copies", "warm": "kept warm, the way back"}


def section(views: Sequence[EndpointView]) -> None:
    if not views:
        notices.empty("No endpoint yet", "An endpoint appears with the first release of its model.", icon="dns")
        return
    away = next((view.problem for view in views if view.problem), "")
    if away:
        st.warning(f"**Not read just now.** {md(away)} What follows is the last known state.", icon=":material/help:")
    for view in views:
        _endpoint(view)
    exporting.popover("endpoints", lambda: rows(views), note="Endpoints as last read back from the platform")


def _endpoint(view: EndpointView) -> None:
    with st.container(border=True, key=f"endpoint-{view.deployment}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            if view.model:
                st.page_link(
                    places.path("rollouts"),
                    label=f"**{md(view.deployment)}**",
                    icon=":material/dns:",
                    query_params={"model": view.model},
                    width="content",
                )
            else:
                st.markdown(f"**{md(view.deployment)}** :gray[belongs to no model here]", width="content")
            st.markdown(_state(view), width="content")
        st.markdown(_sentence(view))
        if view.versions:
            parts.table(_frame(view.versions), alt=f"Versions of {view.deployment}")
        st.caption(_foot(view))


def _state(view: EndpointView) -> str:
    words = [_MODES.get(view.mode, badges.plain("Not known", "gray", "help")) if view.kind != "batch" else ""]
    words.append(_UPDATES.get(view.update, ""))
    if view.problem:
        words.append(badges.badge(Health.UNKNOWN, "Not read"))
    elif view.differs:
        words.append(badges.badge(badges.FINDING, "Differs"))
    return " ".join(word for word in words if word)


def _sentence(view: EndpointView) -> str:
    told = f"Serves {md(routes(view.routes))}" if view.routes else "Serves nothing"
    if view.read_at is None:
        told = "Nothing was ever read back"
    if view.differs:
        told += f"; asked for {md(routes(view.desired))}"
    if view.pending:
        told += f"; on its way to {md(routes(view.pending))}"
    if view.mirror:
        how = "re-sent requests" if view.mirror_kind == "replay" else "copies of live requests"
        told += f"; {version(view.mirror[0])} gets {view.mirror[1]} % {how}"
        if view.copies is not None:
            told += f" ({count(view.copies)} sent, {count(view.copies_dropped)} dropped)"
    if view.stored_entities is not None:
        newest = f", newest {age(view.stored_newest, session.now())}" if view.stored_newest else ""
        told += f". Last good scores of {plural(view.stored_entities, 'entity', 'entities')} are at hand{newest}"
    return f"{told}."


def _frame(versions: Sequence[EndpointVersion]) -> pd.DataFrame:
    window = next((item.window_seconds for item in versions if item.window_seconds), None)
    over = f", {_lasting(window)}" if window else ""
    lines = [
        (
            f"**{version(item.version)}** :gray[{_role(item)}]",
            _readiness(item),
            number(item.requests_per_minute, 1),
            _failed(item),
            milliseconds(item.p95_ms),
            size(item.memory_bytes),
            NOTHING if item.cpu_percent is None else f"{item.cpu_percent:.0f} %",
        )
        for item in versions
    ]
    columns = ["Version", "State", f"Requests a minute{over}", f"Failed{over}", f"p95{over}", "Memory", "Processor"]
    return pd.DataFrame(lines, columns=columns)


def _role(item: EndpointVersion) -> str:
    words = _ROLES.get(item.role, "no traffic")
    return f"{item.share} %, {words}" if item.share else words


def _readiness(item: EndpointVersion) -> str:
    state = _READY.get(item.state, Health.BREACH)
    words = f"{badges.mark(state)} {item.state.capitalize()}"
    if item.reason:
        words += f" :gray[{md(item.reason)}]"
    if item.restarts:
        words += f" :gray[{plural(item.restarts, 'restart')}]"
    return f"{words} :orange[injected fault {md(item.fault)}]" if item.fault else words


def _failed(item: EndpointVersion) -> str:
    if item.errors is None or item.requests is None:
        return NOTHING
    if not item.requests:
        return ":gray[no requests]"
    return f"{count(item.errors)} of {count(item.requests)} ({percent(item.errors / item.requests, 1)})"


def _foot(view: EndpointView) -> str:
    if view.read_at is None:
        return "Never read back."
    generation = "" if view.generation is None else f", generation {view.generation}"
    last = f"; last change: {md(view.last_op_words)}" if view.last_op_words else ""
    return f"Read back from the platform {age(view.read_at, session.now())}{generation}{last}."


def _lasting(seconds: float) -> str:
    return span(timedelta(seconds=seconds))


def rows(views: Sequence[EndpointView]) -> list[Mapping[str, object]]:
    """One row per version of each endpoint, for export."""
    return [
        {
            "endpoint": view.deployment,
            "model": view.model,
            "mode": view.mode,
            "read_at": view.read_at,
            "version": item.version,
            "role": item.role,
            "share_percent": item.share,
            "state": item.state,
            "requests_per_minute": item.requests_per_minute,
            "requests_in_window": item.requests,
            "errors_in_window": item.errors,
            "p95_ms": item.p95_ms,
            "window_seconds": item.window_seconds,
            "memory_bytes": item.memory_bytes,
            "problem": view.problem,
        }
        for view in views
        for item in view.versions
    ]
