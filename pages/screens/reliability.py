"""Does the service keep its promise? Latency and errors per version with the promise as a line; runs for batch."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import groupby

import pandas as pd
import streamlit as st

from pages.components import address, charts, notices, parts, promise_tables, reads, session
from pages.components.format import count, md, measured, milliseconds, percent, plural, seconds, version, when
from services.inventory.models import DeploymentKind, InventoryRow
from services.monitoring.models import JobRun
from services.reliability.models import SlaPoint, SlaView

SPANS = {"1": 1, "7": 7, "30": 30, "90": 90}

session.enter("reliability")
room = session.control_room()


def _tiles(view: SlaView) -> None:
    promise = view.level
    left, middle, right = st.columns(3)
    with left:
        title = (
            f"p95, promise {promise.p95_ms:.0f} ms"
            if promise and promise.p95_ms is not None
            else "p95, no promise on record"
        )
        parts.signal_tile(title, view.latency, measured(view.latency))
    with middle:
        title = f"Errors, promise {promise.error_rate * 100:g} %" if promise else "Errors, no promise on record"
        parts.signal_tile(title, view.errors, measured(view.errors))
    with right, st.container(border=True, height="stretch", gap="xsmall"):
        st.metric("Promise kept", percent(view.adherence, 1))
        st.markdown(f":gray[of {plural(view.slots, 'slot')} with traffic, {view.judged_minutes} minutes each]")
        parts.explain(view.explanation, key="explain-sla")


def _budget(row: InventoryRow) -> None:
    budget = reads.attempt(
        "the error budget", lambda: room.reliability.error_budget(row.name), key=f"budget-{row.name}"
    )
    if budget is None:
        return
    left, right = st.columns((1, 2))
    with left:
        parts.tile("Error budget left, 30 days", percent(budget.remaining), budget.sentence, state=budget.state)
    with right, parts.card("How fast it burns", "counted in slots of five minutes, all versions together"):
        for burn in budget.burns:
            known = burn.long_rate is not None and burn.short_rate is not None
            calm = ":gray[:material/check:]" if known else ":gray[:material/help:]"
            icon = ":red[:material/local_fire_department:]" if burn.firing else calm
            st.markdown(f"{icon} {md(burn.sentence)}")


def _by_version(points: tuple[SlaPoint, ...]) -> list[tuple[str, list[SlaPoint]]]:
    ordered = sorted(points, key=lambda point: (point.version, point.start))
    return [(name, list(group)) for name, group in groupby(ordered, key=lambda point: point.version)]


def _faults(points: tuple[SlaPoint, ...]) -> list[charts.Mark]:
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


def _latency(view: SlaView) -> None:
    ink = parts.ink()
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
    limits = []
    if view.level and view.level.p95_ms is not None:
        limits.append(charts.Limit(value=view.level.p95_ms, label=f"Promise, {view.level.p95_ms:.0f} ms"))
    with parts.card("Latency by version", "p50 thin, p95 thick, p99 dotted; milliseconds"):
        figure = charts.trend(
            lines,
            ink,
            limits=limits,
            marks=_faults(view.points),
            from_zero=True,
            height=300,
            right=140,
            hover="%{y:.0f} ms",
        )
        parts.chart(figure, key="latency", alt="p50, p95 and p99 latency per version with the promise")


def _errors(view: SlaView) -> None:
    ink = parts.ink()
    lines = []
    for number, (name, points) in enumerate(_by_version(view.points)):
        rates = [point.errors / point.requests if point.requests else None for point in points]
        last = next((rate for rate in reversed(rates) if rate is not None), None)
        label = f"{version(name)} {percent(last, 1)}"
        colour = ink.series[number % len(ink.series)]
        lines.append(_line(view, points, rates, name=version(name), colour=colour, label=label))
    limits = (
        [charts.Limit(value=view.level.error_rate, label=f"Promise, {view.level.error_rate * 100:g} %")]
        if view.level
        else []
    )
    with parts.card("Failed requests by version", "share of requests"):
        figure = charts.trend(
            lines,
            ink,
            limits=limits,
            marks=_faults(view.points),
            from_zero=True,
            height=220,
            right=140,
            y_format=".1%",
            hover="%{y:.2%}",
        )
        parts.chart(figure, key="errors", alt="Share of failed requests per version with the promise")


def _throughput(view: SlaView) -> None:
    ink = parts.ink()
    lines = []
    for number, (name, points) in enumerate(_by_version(view.points)):
        rates = [point.volume / view.slot_minutes for point in points]
        colour = ink.series[number % len(ink.series)]
        label = f"{version(name)} {rates[-1]:,.1f}"
        lines.append(_line(view, points, list(rates), name=version(name), colour=colour, label=label))
    with parts.card("Throughput by version", f"requests a minute, mean over slots of {view.slot_minutes} minutes"):
        figure = charts.trend(lines, ink, from_zero=True, height=220, right=140, hover="%{y:,.1f} a minute")
        parts.chart(figure, key="throughput", alt="Requests a minute per version")


def _realtime(row: InventoryRow, days: int) -> None:
    view = reads.attempt(
        "service levels", lambda: room.reliability.sla(row.name, days=days), key=f"sla-{row.name}-{days}"
    )
    if view is None:
        return
    if view.notice:
        notices.remark(md(view.notice))
    _tiles(view)
    _budget(row)
    if not view.points:
        notices.empty(
            "No request in this window", "Nothing was served, so nothing can be said about the promise.", icon="speed"
        )
    else:
        shown = _of_version(view)
        _latency(shown)
        _errors(shown)
        _throughput(shown)
    promise_tables.months(row.name)
    promise_tables.endpoints(days)


def _of_version(view: SlaView) -> SlaView:
    """The charts of one version, chosen through the address; the tiles speak of all together."""
    names = sorted({point.version for point in view.points})
    chosen = address.one("version", {name: name for name in names}, "")
    if len(names) > 1:
        st.segmented_control(
            "Version",
            names,
            format_func=version,
            key=address.follow("version", chosen or None),
            on_change=address.writes("version", lambda value: value or ""),
            help="The charts below show this version alone; without a choice, all.",
        )
    return view if not chosen else replace(view, points=tuple(p for p in view.points if p.version == chosen))


def _batch(row: InventoryRow) -> None:
    runs = reads.attempt("job runs", lambda: room.monitoring.job_runs(row.name), key=f"jobs-{row.name}")
    if runs is None:
        return
    if not runs:
        notices.empty(
            "No run recorded", "The batch job has not run since the workspace was prepared.", icon="calendar_clock"
        )
        return
    on_time, failed = sum(run.on_time for run in runs), [run for run in runs if not run.ok]
    left, middle, right = st.columns(3)
    with left:
        parts.tile("Runs on time", f"{on_time} of {len(runs)}", row.sla.sentence, state=row.sla.state)
    with middle:
        parts.tile("Failed runs", count(len(failed)), f"of the last {len(runs)}")
    with right:
        latest = max(runs, key=lambda run: run.finished_at)
        parts.tile("Last run", "Succeeded" if latest.ok else "Failed", when(latest.finished_at, session.zone()))
    promise_tables.months(row.name)
    with parts.card("Runs", "newest first"):
        _run_table(runs)


def _run_table(runs: tuple[JobRun, ...]) -> None:
    frame = pd.DataFrame(
        {
            "Started": [when(run.started_at, session.zone()) for run in runs],
            "Result": [
                ":green-badge[:material/check_circle: On time]"
                if run.ok and run.on_time
                else ":orange-badge[:material/schedule: Late]"
                if run.ok
                else ":red-badge[:material/cancel: Failed]"
                for run in runs
            ],
            "Took": [seconds((run.finished_at - run.started_at).total_seconds()) for run in runs],
            "Rows": [count(run.rows) for run in runs],
            "Version": [version(run.version) for run in runs],
            "Remark": [md(run.error) for run in runs],
        }
    )
    parts.table(frame.head(30), alt="Job runs")


def _body(row: InventoryRow) -> None:
    if row.kind is DeploymentKind.VENDOR:
        notices.empty(
            "Runs at the supplier", "The supplier reports no latency or errors to Countersign.", icon="storefront"
        )
    elif row.kind is DeploymentKind.BATCH:
        _batch(row)
    else:
        days = address.one("days", SPANS, 7)
        st.segmented_control(
            "Window",
            list(SPANS),
            format_func=lambda name: f"{name} day{'s' if name != '1' else ''}",
            required=True,
            key=address.follow("days", str(days)),
            on_change=address.writes("days"),
            label_visibility="collapsed",
        )
        _realtime(row, days)


with parts.header("Reliability", ":gray[Whether each service keeps the promise of its use case.]"):
    pass
picked = parts.model_picker()
if picked is not None:
    _body(picked)
