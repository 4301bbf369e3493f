"""What the performance screen looks at, all of it in the address: metric, version, slice, period, range, and day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import streamlit as st

from pages.components import address, session
from pages.components.format import version as version_words
from services.kernel.errors import InputError
from services.monitoring.metrics import WORDS, Metric
from services.monitoring.performance_models import ALL_VERSIONS, DecayView, PerformanceQuery

RANGES = {"30": 30, "90": 90, "184": 184, "365": 365}
PERIODS = {"1": 1, "7": 7, "28": 28}
_PERIOD_WORDS = {"1": "Days", "7": "Weeks", "28": "Four weeks"}
_CHOICES = ("metric", "version", "slice", "known")


def asked(model: str) -> PerformanceQuery:
    """The address as a question. What it names that cannot be is told, and the default is asked instead."""
    return PerformanceQuery(
        model=model,
        metric=address.one("metric", {metric.value: metric for metric in Metric}, None),
        version=address.get("version"),
        slice_key=address.get("slice"),
        known_on=_known_on(),
        days=address.one("range", RANGES, 184),
        period_days=address.one("period", PERIODS, 7),
    )


def _known_on() -> date | None:
    text = address.get("known")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        address.one("known", {}, None)
        return None
    if day > session.now().date():
        address.one("known", {}, None)
        return None
    return day


def without_choices(query: PerformanceQuery, problem: InputError) -> PerformanceQuery:
    """The same model asked plainly, after a refusal; the reason stays on screen."""
    st.warning(f"{problem.message} {problem.hint or ''} Showing the default.", icon=":material/info:")
    return PerformanceQuery(model=query.model, days=query.days, known_on=query.known_on)


def show(view: DecayView) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="performance-controls"):
        _select("metric", "Metric", {item.value: WORDS[item].title for item in view.metrics}, view.metric.value)
        versions = {name: version_words(name) for name in reversed(view.versions)} | {ALL_VERSIONS: "All versions"}
        _select("version", "Version", versions, view.version, width=150)
        if view.slices:
            slices = {"": "Everything"} | {key: key.replace("=", " = ") for key in view.slices}
            _select("slice", "Slice", slices, view.query.slice_key, width=200)
        _select("period", "Cohorts", _PERIOD_WORDS, str(view.query.period_days), width=130)
        _select("range", "Range", {key: f"{key} days" for key in RANGES}, str(view.query.days), width=130)
        st.date_input(
            "As known on",
            key=address.follow("known", view.known_on),
            min_value=session.now().date() - timedelta(days=730),
            max_value=session.now().date(),
            format="YYYY-MM-DD",
            on_change=address.writes("known", _day_text, resets=()),
            width=150,
        )


def _day_text(value: object) -> str:
    today = session.now().date()
    return value.isoformat() if isinstance(value, date) and value < today else ""


def _select(name: str, label: str, options: dict[str, str], value: str, *, width: int = 220) -> None:
    st.selectbox(
        label,
        list(options),
        format_func=lambda key: options.get(key, key),
        key=address.follow(name, value),
        on_change=address.writes(name, resets=()),
        width=width,
    )


def reset(query: PerformanceQuery) -> PerformanceQuery:
    """Back to the newest knowledge."""
    return replace(query, known_on=None)
