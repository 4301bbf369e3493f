"""Has the world moved away from what the model learned? Columns over time, movers, one column in depth, slices."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    address,
    charts,
    drift_column,
    drift_controls,
    drift_overview,
    drift_slices,
    drift_tables,
    exporting,
    notices,
    parts,
    reads,
    session,
)
from pages.components.drift_controls import Choice
from pages.components.format import count, md, number, percent, short_day
from services.monitoring.models import DriftView, FeatureDrift, PerformanceView

session.enter("drift")
room = session.control_room()


def _performance(view: PerformanceView) -> None:
    arrived = view.points[-1].coverage if view.points else 0.0
    with parts.card(md(view.title), "95 % interval shaded; labels arrive late"):
        if not view.points:
            notices.remark("No label has arrived yet, so nothing is known about performance.", "help")
            return
        lines = [
            charts.Line(
                name=view.title,
                x=[point.end for point in view.points],
                y=[point.value for point in view.points],
                low=[point.low for point in view.points],
                high=[point.high for point in view.points],
                label=number(next((p.value for p in reversed(view.points) if p.value is not None), None)),
            )
        ]
        limits = (
            [
                charts.Limit(
                    value=view.baseline, label=f"{view.baseline_name[:22]} {view.baseline:.2f}", severity="plain"
                )
            ]
            if view.baseline is not None
            else []
        )
        figure = charts.trend(lines, parts.ink(), limits=limits, hover="%{y:.3f}", right=185)
        parts.chart(figure, key="performance", alt=f"{view.title} by week with interval and baseline")
        last = view.points[-1]
        st.caption(
            f"Week to {short_day(last.end)}: {percent(arrived)} of its labels have arrived, n = {count(last.n)}. "
            "Weeks with too few labels have no point."
        )
        parts.explain(view.explanation, key="explain-performance")


def _column(view: DriftView, item: FeatureDrift, choice: Choice) -> None:
    shape = reads.attempt(
        "the distribution",
        lambda: room.monitoring.distribution(
            view.model, item.feature, window_days=choice.window_days, slice_key=choice.slice_key
        ),
        key=f"distribution-{view.model}-{item.feature}-{choice.key}",
    )
    left, right = st.columns(2)
    with left:
        drift_column.before_and_now(view, item, shape)
    with right:
        drift_column.readings(view, item)
    drift_column.missing(item)


def _slices(view: DriftView, choice: Choice) -> None:
    model, as_of = view.model, view.signal.as_of
    mixes = reads.attempt(
        "the mix of slices",
        lambda: room.monitoring.mixes(model, window_days=choice.window_days, days=choice.days),
        key=f"mixes-{model}-{choice.key}",
    )
    found = reads.attempt(
        "drift inside slices",
        lambda: room.monitoring.slices(model, window_days=choice.window_days, versus=choice.versus),
        key=f"slices-{model}-{choice.key}",
    )
    if mixes == ():
        with parts.card("Slices and mix"):
            notices.remark("No column splits the sketches of this model. A monitor can name some.", "help")
        return
    if mixes:
        drift_slices.mixes(mixes, as_of, choice.window_days)
    if found:
        drift_slices.slices(found, model, choice)


def _changes(view: DriftView, choice: Choice) -> None:
    found = reads.attempt(
        "what changed",
        lambda: room.monitoring.changes(
            view.model, window_days=choice.window_days, versus=choice.versus, slice_key=choice.slice_key
        ),
        key=f"changes-{view.model}-{choice.key}",
    )
    if found is not None:
        drift_slices.changes(found, view.model, choice, view.signal.as_of)


def _events(view: DriftView, choice: Choice) -> None:
    found = reads.attempt(
        "unusual days",
        lambda: room.monitoring.events(view.model, days=choice.days, versus=choice.versus, slice_key=choice.slice_key),
        key=f"events-{view.model}-{choice.key}",
    )
    if found is not None:
        drift_slices.events(found, view.model, choice, view.signal.as_of)


def _export(view: DriftView, choice: Choice) -> None:
    exporting.popover(
        f"drift-{view.model}",
        lambda: drift_tables.movers(view),
        note=f"Drift of {view.model}, {choice.window_days} days against {choice.against} {choice.slice_key}".strip(),
        as_of=view.signal.as_of,
    )


def _body(view: DriftView, choice: Choice) -> None:
    drift_overview.tiles(view)
    if not view.features:
        notices.empty(
            "Nothing to judge yet",
            f"{md(view.signal.sentence)} Unknown is not healthy.",
            icon="help",
            page="inventory",
            link="Models",
        )
        return
    drift_overview.heat_map(view, choice)
    chosen = address.one("feature", {item.feature: item for item in view.features}, view.features[0])
    left, right = st.columns([2, 3])
    with left:
        drift_overview.movers(view, chosen, choice)
    with right:
        drift_column.course(view, chosen, choice)
    _column(view, chosen, choice)
    _changes(view, choice)
    _events(view, choice)
    _slices(view, choice)


with parts.header("Drift", ":gray[Whether inputs and predictions still look like what the model learned from.]"):
    actions = st.container(horizontal=True, width="content", key="drift-actions")
row = parts.model_picker()
if row is not None:
    name = row.name
    keys = reads.attempt("the slices", lambda: room.monitoring.slice_keys(name), key=f"slice-keys-{name}") or ()
    choice = drift_controls.chosen(keys)
    drift_controls.controls(choice, keys)
    drift = reads.attempt(
        "drift",
        lambda: room.monitoring.drift(
            name,
            window_days=choice.window_days,
            days=choice.days,
            statistic=choice.statistic,
            versus=choice.versus,
            slice_key=choice.slice_key,
        ),
        key=f"drift-{name}-{choice.key}",
    )
    performance = reads.attempt("performance", lambda: room.monitoring.performance(name), key=f"performance-{name}")
    if drift is not None:
        with actions:
            _export(drift, choice)
        _body(drift, choice)
    if performance is not None:
        _performance(performance)
