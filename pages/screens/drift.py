"""Has the world moved away from what the model learned? Ranked movers and performance with late labels."""

from __future__ import annotations

import streamlit as st

from pages.components import address, badges, charts, notices, parts, places, reads, session
from pages.components.format import NOTHING, count, md, number, percent, short_day
from services.monitoring.models import DriftView, FeatureDrift, PerformanceView

session.enter("drift")
room = session.control_room()


def _tiles(view: DriftView, performance: PerformanceView | None) -> None:
    left, middle, right = st.columns(3)
    with left:
        parts.signal_tile(f"Drift, {view.window_days} days", view.signal, f"PSI {number(view.signal.value, 2)}")
    with middle:
        moved = [item for item in view.features if item.state.value in {"watch", "breach"}]
        parts.tile(
            "Columns beyond their limit",
            f"{len(moved)} of {len(view.features)}",
            f"watch from {view.watch:g}, breach from {view.breach:g}",
        )
    with right:
        if performance is None:
            parts.tile("Performance", NOTHING, "cannot be read just now")
        else:
            parts.signal_tile(performance.title, performance.signal, number(performance.signal.value, 3))


def _movers(view: DriftView) -> FeatureDrift | None:
    by_name = {item.feature: item for item in view.features}
    chosen = address.one("feature", by_name, view.features[0])
    with parts.card("What moved", "worst first"):
        for item in view.features[:12]:
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.page_link(
                    places.path("drift"),
                    label=f"**{md(item.title)}**" if item is chosen else md(item.title),
                    query_params={"model": view.model, "feature": item.feature},
                    icon=badges.icon(item.state),
                    width="content",
                )
                value = number(item.latest.value, 2) if item.latest else NOTHING
                st.markdown(f"{badges.badge(item.state, f'{badges.word(item.state)} {value}')}", width="content")
        if len(view.features) > 12:
            st.caption(f"{len(view.features) - 12} more columns have moved less than these.")
        parts.explain(view.explanation, key="explain-drift")
    return chosen


def _course(view: DriftView, item: FeatureDrift) -> None:
    note = f"n = {count(item.latest.n)} in the last window" if item.latest else "no window judged yet"
    with parts.card(f"Drift of {md(item.title)}", note):
        st.markdown(f"{badges.mark(item.state)} {md(item.sentence)}")
        if not item.series:
            notices.remark("No window has enough rows yet.", "help")
            return
        days = [point.day for point in item.series]
        lines = [
            charts.Line(
                name=item.title,
                x=days,
                y=[point.value for point in item.series],
                label=f"PSI {item.series[-1].value:.2f}",
            ),
            charts.Line(name="Noise floor", x=days, y=[point.floor for point in item.series], style="dots"),
        ]
        limits = [
            charts.Limit(value=view.breach, label=f"Breach, {view.breach:.2f}"),
            charts.Limit(value=view.watch, label=f"Watch, {view.watch:.2f}", severity="watch"),
        ]
        figure = charts.trend(lines, parts.ink(), limits=limits, from_zero=True, hover="%{y:.3f}", right=120)
        parts.chart(figure, key="psi", alt=f"PSI of {item.title} over time with limits and noise floor")


def _distribution(view: DriftView, item: FeatureDrift) -> None:
    shape = reads.attempt(
        "the distribution",
        lambda: room.monitoring.distribution(view.model, item.feature, window_days=view.window_days),
        key=f"distribution-{view.model}-{item.feature}",
    )
    with parts.card(
        f"{md(item.title)}, before and now",
        "" if shape is None else f"{count(shape.reference_n)} before, {count(shape.current_n)} now",
    ):
        if shape is None:
            notices.remark("The distribution cannot be read just now.", "help")
            return
        figure = charts.distribution(shape.bins, shape.reference, shape.current, parts.ink())
        parts.chart(
            figure, key="distribution", alt=f"Share per value of {item.title}, reference against current window"
        )
        st.caption(f"Reference: {md(view.reference)}.")


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


def _body(view: DriftView, performance: PerformanceView | None) -> None:
    _tiles(view, performance)
    if not view.features:
        notices.empty(
            "Nothing to judge yet",
            f"{md(view.signal.sentence)}. Unknown is not healthy.",
            icon="help",
            page="inventory",
            link="Models",
        )
    else:
        left, right = st.columns([2, 3])
        with left:
            chosen = _movers(view)
        if chosen is not None:
            with right:
                _course(view, chosen)
            _side_by_side(view, chosen, performance)
            return
    if performance is not None:
        _performance(performance)


def _side_by_side(view: DriftView, chosen: FeatureDrift, performance: PerformanceView | None) -> None:
    left, right = st.columns(2)
    with left:
        _distribution(view, chosen)
    with right:
        if performance is not None:
            _performance(performance)


with parts.header("Drift", ":gray[Whether inputs and predictions still look like what the model learned from.]"):
    pass
row = parts.model_picker()
if row is not None:
    name = row.name
    drift = reads.attempt("drift", lambda: room.monitoring.drift(name), key=f"drift-{name}")
    performance = reads.attempt("performance", lambda: room.monitoring.performance(name), key=f"performance-{name}")
    if drift is not None:
        _body(drift, performance)
    elif performance is not None:
        _performance(performance)
