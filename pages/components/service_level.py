"""A service against its promise: the numbers of now, the error budget, and three series over time with their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import groupby

import streamlit as st

from pages.components import badges, charts, exporting, parts, reads, session
from pages.components.format import count, md, measured, milliseconds, percent, plural, version
from services.inventory.models import ServiceLevel
from services.kernel.health import Explanation
from services.kernel.interval import Estimate, share_of
from services.reliability.models import SlaPoint, SlaView
from services.reliability.slo import BudgetView, Burn


def tiles(view: SlaView) -> None:
    promise = view.level
    left, middle, right = st.columns(3)
    with left:
        title = (
            f"p95, promise {promise.p95_ms:.0f} ms"
            if promise and promise.p95_ms is not None
            else "p95, no promise on record"
        )
        parts.signal_tile(
            title,
            view.latency,
            measured(view.latency),
            interval=_between(view.latency_interval, milliseconds),
            explanation=view.explanation,
        )
    with middle:
        title = f"Errors, promise {promise.error_rate * 100:g} %" if promise else "Errors, no promise on record"
        parts.signal_tile(
            title,
            view.errors,
            measured(view.errors),
            interval=_between(view.errors_interval, _share),
            explanation=view.explanation,
        )
    with right, st.container(border=True, height="stretch", gap="xsmall"):
        st.metric("Promise kept", percent(view.adherence, 1))
        st.markdown(f":gray[of {plural(view.slots, 'slot')} with traffic, {view.judged_minutes} minutes each]")
        interval = _between(view.adherence_interval, lambda value: percent(value, 1))
        st.caption(parts.seen(view.slots, interval, view.explanation.as_of))
        parts.explain(view.explanation, key="explain-sla")


def _share(value: float | None) -> str:
    return percent(value, 2)


def _between(found: Estimate | None, written: Callable[[float | None], str]) -> str:
    return "" if found is None else f"{written(found.low)} to {written(found.high)}"


def budget(model: str) -> None:
    room = session.control_room()
    found = reads.attempt("the error budget", lambda: room.reliability.error_budget(model), key=f"budget-{model}")
    if found is None:
        return
    left, right = st.columns((1, 2))
    with left, st.container(border=True, height="stretch", gap="xsmall"):
        st.metric("Error budget left, 30 days", percent(found.remaining))
        st.markdown(f"{badges.badge(found.state)} :gray[{md(found.sentence)}]")
        as_of = found.explanation.as_of if found.explanation else None
        st.caption(parts.seen(found.requests, _between(found.left, percent), as_of))
        if found.explanation:
            parts.explain(found.explanation, key="explain-budget")
    with right, parts.card("How fast it burns", "counted in slots of five minutes, all versions together"):
        for burn in found.burns:
            known = burn.long_rate is not None and burn.short_rate is not None
            calm = ":gray[:material/check:]" if known else ":gray[:material/help:]"
            icon = ":red[:material/local_fire_department:]" if burn.firing else calm
            counted = f"n = {count(burn.long_requests)} and {count(burn.short_requests)}"
            st.markdown(f"{icon} {md(burn.sentence)} :gray[{counted}]")
        with st.container(horizontal=True, vertical_alignment="center"):
            if found.explanation:
                parts.explain(found.explanation, key="explain-burns")
            exporting.popover(
                f"burn-rates-{model}",
                lambda: [_burn_row(found, burn) for burn in found.burns],
                note=f"Error budget and burn rates of {model}, 30 days",
                as_of=as_of,
                key="export-burns",
            )


def _burn_row(view: BudgetView, burn: Burn) -> dict[str, object]:
    return {
        "urgency": burn.pair.urgency.value,
        "fires_at": burn.pair.factor,
        "long_hours": burn.pair.long.total_seconds() / 3600,
        "long_rate": burn.long_rate,
        "long_requests": burn.long_requests,
        "short_hours": burn.pair.short.total_seconds() / 3600,
        "short_rate": burn.short_rate,
        "short_requests": burn.short_requests,
        "fires": burn.firing,
        "budget_left": view.remaining,
        "budget_left_low": view.left.low if view.left else None,
        "budget_left_high": view.left.high if view.left else None,
        "requests": view.requests,
        "failed": view.failed,
    }


def series(view: SlaView, days: int) -> None:
    """Latency, failures and throughput by version; each says how it is counted and gives its rows away."""
    ink, level = parts.ink(), view.level
    with parts.card("Latency by version", "p50 thin, p95 thick, p99 dotted; milliseconds"):
        figure = charts.trend(
            _latency_lines(view, ink), ink, limits=_latency_limits(level), marks=_faults(view.points), from_zero=True,
            height=300, right=140, hover="%{y:.0f} ms",
        )  # fmt: skip
        parts.chart(figure, key="latency", alt="p50, p95 and p99 latency per version with the promise")
        _below("latency", view, days, latency_rows, formula=_LATENCY)
    with parts.card("Failed requests by version", "share of requests"):
        limits = [charts.Limit(value=level.error_rate, label=f"Promise, {level.error_rate * 100:g} %")] if level else []
        figure = charts.trend(
            _error_lines(view, ink), ink, limits=limits, marks=_faults(view.points), from_zero=True, height=220,
            right=140, y_format=".1%", hover="%{y:.2%}",
        )  # fmt: skip
        parts.chart(figure, key="errors", alt="Share of failed requests per version with the promise")
        _below("failures", view, days, failure_rows, formula=_FAILED)
    with parts.card("Throughput by version", f"requests a minute, mean over slots of {view.slot_minutes} minutes"):
        figure = charts.trend(
            _throughput_lines(view, ink), ink, from_zero=True, height=220, right=140, hover="%{y:,.1f} a minute"
        )
        parts.chart(figure, key="throughput", alt="Requests a minute per version")
        _below("throughput", view, days, throughput_rows, formula=_THROUGHPUT)


_LATENCY = (
    "Quantiles of the successful requests of a slot and version, from logarithmic buckets added up (within 2 %; "
    "quantiles are never averaged)."
)
_FAILED = (
    "Requests of a slot and version without answer or with a 5xx status / all its requests; interval after Wilson."
)
_THROUGHPUT = (
    "Requests of a slot and version / minutes of the slot; where a platform writes a sample, what it stands for."
)


def _below(
    name: str,
    view: SlaView,
    days: int,
    rows: Callable[[Sequence[SlaPoint], int], list[dict[str, object]]],
    *,
    formula: str,
) -> None:
    explanation = replace(
        view.explanation,
        formula=formula,
        window=f"Last {days} days, slots of {view.slot_minutes} minutes",
        n=sum(point.requests for point in view.points),
        note="Requests made under an injected fault count and are marked. The export has n of each slot.",
    )
    _actions(name, view, days, lambda: rows(view.points, view.slot_minutes), explanation)


def _actions(name: str, view: SlaView, days: int, rows: exporting.Rows, explanation: Explanation) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        parts.explain(explanation, key=f"explain-{name}")
        exporting.popover(
            f"{name}-{view.model}",
            rows,
            note=f"{name.capitalize()} of {view.model} by slot and version, last {days} days",
            as_of=explanation.as_of,
            key=f"export-{name}",
        )


def _slot(point: SlaPoint, minutes: int) -> dict[str, object]:
    return {"start": point.start.isoformat(), "minutes": minutes, "version": point.version, "requests": point.requests}


def latency_rows(points: Sequence[SlaPoint], minutes: int) -> list[dict[str, object]]:
    return [
        {**_slot(p, minutes), "p50_ms": p.p50_ms, "p95_ms": p.p95_ms, "p99_ms": p.p99_ms, "injected": p.injected}
        for p in points
    ]


def failure_rows(points: Sequence[SlaPoint], minutes: int) -> list[dict[str, object]]:
    rows = []
    for point in points:
        found = share_of(point.errors, point.requests)
        share = (found.value, found.low, found.high) if found else (None, None, None)
        rows.append(
            {
                **_slot(point, minutes), "failed": point.errors, "share": share[0], "low": share[1], "high": share[2],
                "injected": point.injected,
            }
        )  # fmt: skip
    return rows


def throughput_rows(points: Sequence[SlaPoint], minutes: int) -> list[dict[str, object]]:
    return [{**_slot(p, minutes), "estimated": p.estimated, "a_minute": p.volume / minutes} for p in points]


def _by_version(points: Sequence[SlaPoint]) -> list[tuple[str, list[SlaPoint]]]:
    ordered = sorted(points, key=lambda point: (point.version, point.start))
    return [(name, list(group)) for name, group in groupby(ordered, key=lambda point: point.version)]


def _faults(points: Sequence[SlaPoint]) -> list[charts.Mark]:
    """The start of each stretch of slots in which faults were injected."""
    marks, was = [], False
    for start, group in groupby(sorted(points, key=lambda point: point.start), key=lambda point: point.start):
        now = any(point.injected for point in group)
        if now and not was:
            marks.append(charts.Mark(x=start, label="injected fault"))
        was = now
    return marks


def _line(
    view: SlaView,
    points: list[SlaPoint],
    values: list[float | None],
    *,
    name: str,
    colour: str,
    style: str = "main",
    label: str = "",
) -> charts.Line:
    x, y = charts.gapped([point.start for point in points], values, widest=timedelta(minutes=view.slot_minutes) * 12)
    return charts.Line(name=name, x=x, y=y, colour=colour, style=style, label=label)


def _latency_lines(view: SlaView, ink: charts.Ink) -> list[charts.Line]:
    lines = []
    for number, (name, points) in enumerate(_by_version(view.points)):
        colour, word = ink.series[number % len(ink.series)], version(name)
        p95 = [point.p95_ms for point in points]
        last = milliseconds(next((value for value in reversed(p95) if value is not None), None))
        lines += [
            _line(view, points, p95, name=f"{word} p95", colour=colour, label=f"{word} p95 {last}"),
            _line(view, points, [point.p50_ms for point in points], name=f"{word} p50", colour=colour, style="quiet"),
            _line(view, points, [point.p99_ms for point in points], name=f"{word} p99", colour=colour, style="dots"),
        ]
    return lines


def _latency_limits(level: ServiceLevel | None) -> list[charts.Limit]:
    if level is None or level.p95_ms is None:
        return []
    return [charts.Limit(value=level.p95_ms, label=f"Promise, {level.p95_ms:.0f} ms")]


def _error_lines(view: SlaView, ink: charts.Ink) -> list[charts.Line]:
    lines = []
    for number, (name, points) in enumerate(_by_version(view.points)):
        rates = [point.errors / point.requests if point.requests else None for point in points]
        last = next((rate for rate in reversed(rates) if rate is not None), None)
        colour = ink.series[number % len(ink.series)]
        label = f"{version(name)} {percent(last, 1)}"
        lines.append(_line(view, points, rates, name=version(name), colour=colour, label=label))
    return lines


def _throughput_lines(view: SlaView, ink: charts.Ink) -> list[charts.Line]:
    lines = []
    for number, (name, points) in enumerate(_by_version(view.points)):
        rates = [point.volume / view.slot_minutes for point in points]
        colour = ink.series[number % len(ink.series)]
        label = f"{version(name)} {rates[-1]:,.1f}"
        lines.append(_line(view, points, list(rates), name=version(name), colour=colour, label=label))
    return lines
