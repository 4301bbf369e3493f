"""Promises kept by month, and endpoints side by side: two tables of the reliability screen, with their exports."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pandas as pd
import streamlit as st

from pages.components import badges, exporting, notices, parts, reads, session
from pages.components.badges import Status
from pages.components.format import NOTHING, count, md, milliseconds, percent, version
from services.kernel.health import Explanation, Health
from services.reliability.models import MonthKept, MonthsView, Traffic

_WORDS = {
    Health.HEALTHY: Status(word="Kept", icon="check_circle", colour="green"),
    Health.WATCH: Status(word="Too close to say", icon="warning", colour="orange"),
    Health.BREACH: Status(word="Missed", icon="error", colour="red"),
    Health.UNKNOWN: Status(word="Too few", icon="help", colour="gray"),
}


def months(model: str) -> None:
    room = session.control_room()
    view = reads.attempt("the months", lambda: room.reliability.months(model), key=f"months-{model}")
    if view is None:
        return
    kept, judged = view.kept
    with parts.card("Kept by month", f"{kept} of {judged} ended months kept" if judged else "no month has ended yet"):
        if not view.months:
            notices.remark("Nothing is recorded yet, so no month can be judged.", "help")
            return
        parts.table(_month_frame(view), alt="Promise by month")
        with st.container(horizontal=True):
            parts.explain(view.explanation, key="explain-months")
            exporting.popover(
                f"months-{model}",
                lambda: [_month_row(item) for item in view.months],
                note=f"Promise of {model} by month",
                key="export-months",
            )


def _month_frame(view: MonthsView) -> pd.DataFrame:
    requests = any(item.p95_ms is not None for item in view.months)
    rows = []
    for item in view.months:
        status = _WORDS[item.state]
        row = [
            f"{item.month:%b %Y}{' :gray[so far]' if item.so_far else ''}",
            badges.plain(status.word, status.colour, status.icon),
            count(item.n),
            f"{count(item.bad)} :gray[({percent(item.bad / item.n, 2) if item.n else NOTHING})]",
        ]
        if requests:
            row += [milliseconds(item.p50_ms), milliseconds(item.p95_ms), milliseconds(item.p99_ms)]
        rows.append((*row, count(item.days), md(" ".join(item.parts))))
    names = ["Month", "Promise", "Requests", "Failed"] if requests else ["Month", "Promise", "n", "Failed or late"]
    return pd.DataFrame(rows, columns=[*names, *(["p50", "p95", "p99"] if requests else []), "Days", "Because"])


def _month_row(item: MonthKept) -> dict[str, object]:
    return {
        "month": f"{item.month:%Y-%m}",
        "promise": _WORDS[item.state].word,
        "so_far": item.so_far,
        "n": item.n,
        "failed_or_late": item.bad,
        "p50_ms": item.p50_ms,
        "p95_ms": item.p95_ms,
        "p99_ms": item.p99_ms,
        "days": item.days,
        "because": " ".join(item.parts),
    }


def endpoints(days: int) -> None:
    room = session.control_room()
    found = reads.attempt("the endpoints", lambda: room.reliability.endpoints(days=days), key=f"endpoints-{days}")
    if found is None:
        return
    with parts.card("Every endpoint", f"days of UTC, today and {days - 1} before; percentiles from merged buckets"):
        if not found:
            notices.remark("No endpoint answered a request in this window.", "help")
            return
        parts.table(_endpoint_frame(found), alt="Endpoints")
        with st.container(horizontal=True):
            parts.explain(_endpoints_explanation(found, days), key="explain-endpoints")
            exporting.popover(
                "endpoints",
                lambda: [_endpoint_row(item) for item in found],
                note=f"Endpoints, {days} days",
                key="export-ends",
            )


def _endpoints_explanation(found: tuple[Traffic, ...], days: int) -> Explanation:
    whole = [item for item in found if not item.version]
    last = max((item.last for item in whole if item.last), default=None)
    return Explanation(
        formula="A minute = requests / minutes of the window, silent hours included. Failed = requests without answer "
        "or with a 5xx status / all requests, with its 95 % interval after Wilson. Percentiles are read off buckets "
        "of all days, added up.",
        source="Requests of every endpoint by day of UTC and version, as recorded here or by the platform",
        window=f"Today and {days - 1} days before, in UTC",
        as_of=None if last is None else datetime.combine(last, time(), UTC),
        n=sum(item.requests for item in whole),
        note="Buckets of 2 %: a percentile is off by at most so much. Fresh as of: the newest day with a request.",
    )


def _endpoint_frame(found: tuple[Traffic, ...]) -> pd.DataFrame:
    rows = [
        (
            f"**{md(item.deployment)}**" if not item.version else "",
            version(item.version) if item.version else "all versions",
            count(item.requests)
            if item.estimated is None
            else f"{count(item.requests)} of about {count(item.estimated)}",
            f"{item.per_minute:,.2f}",
            count(item.busiest_hour) if item.busiest_hour is not None else NOTHING,
            _rate(item),
            milliseconds(item.p50_ms),
            milliseconds(item.p95_ms),
            milliseconds(item.p99_ms),
        )
        for item in found
    ]
    names = ["Endpoint", "Version", "Requests", "A minute", "Busiest hour", "Failed", "p50", "p95", "p99"]
    return pd.DataFrame(rows, columns=names)


def _rate(item: Traffic) -> str:
    if item.error_rate is None:
        return NOTHING
    low, high = percent(item.error_rate.low, 2), percent(item.error_rate.high, 2)
    return f"{percent(item.error_rate.value, 2)} :gray[({low} to {high})]"


def _endpoint_row(item: Traffic) -> dict[str, object]:
    return {
        "endpoint": item.deployment,
        "version": item.version or "all",
        "requests": item.requests,
        "requests_estimated": item.estimated,
        "errors": item.errors,
        "requests_per_minute": item.per_minute,
        "busiest_hour": item.busiest_hour,
        "p50_ms": item.p50_ms,
        "p95_ms": item.p95_ms,
        "p99_ms": item.p99_ms,
        "last": item.last.isoformat() if item.last else None,
    }
