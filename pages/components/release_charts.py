"""Figures of a running release. Pure: values in, Plotly out.

Canary in the accent colour, the version it replaces in dashed grey, limits written in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import plotly.graph_objects as go

from pages.components import charts
from services.rollout.release_models import Analysis, ArmWindow

_SILENCE = timedelta(minutes=5)
_SHORTEST = timedelta(minutes=10)
_LABELS_PX = 140


def errors(looks: Sequence[Analysis], ink: charts.Ink, *, candidate: str, base: str, limit: float | None) -> go.Figure:
    """Share of failed requests between two looks, both versions on one axis."""
    return _compared(
        looks,
        ink,
        candidate=candidate,
        base=base,
        limit=None if limit is None else charts.Limit(value=limit, label=f"Promise, {limit * 100:g} %"),
        value=lambda arm: arm.errors / arm.requests if arm.requests else None,
        text=lambda value: f"{value:.1%}",
        y_format=".1%",
        hover="%{y:.2%}",
    )


def latency(looks: Sequence[Analysis], ink: charts.Ink, *, candidate: str, base: str, limit: float | None) -> go.Figure:
    """p95 in milliseconds between two looks, both versions on one axis."""
    return _compared(
        looks,
        ink,
        candidate=candidate,
        base=base,
        limit=None if limit is None else charts.Limit(value=limit, label=f"Promise, {limit:g} ms"),
        value=lambda arm: arm.p95_ms,
        text=lambda value: f"{value:,.0f} ms",
        y_format="",
        hover="%{y:.0f} ms",
    )


def _compared(
    looks: Sequence[Analysis],
    ink: charts.Ink,
    *,
    candidate: str,
    base: str,
    limit: charts.Limit | None,
    value: Callable[[ArmWindow], float | None],
    text: Callable[[float], str],
    y_format: str,
    hover: str,
) -> go.Figure:
    lines = []
    for name, style, colour in ((base, "live", ink.muted), (candidate, "main", ink.accent)):
        points = [(look.at, value(arm)) for look in looks for arm in look.arms if arm.version == name]
        if not points:
            continue
        x, y = charts.gapped([at for at, _ in points], [found for _, found in points], widest=_SILENCE)
        last = next((found for _, found in reversed(points) if found is not None), None)
        label = f"v{name} no requests" if last is None else f"v{name} {text(last)}"
        lines.append(charts.Line(name=f"v{name}", x=x, y=y, style=style, colour=colour, label=label))
    figure = charts.trend(
        lines,
        ink,
        limits=[limit] if limit else [],
        from_zero=True,
        height=180,
        right=_LABELS_PX,
        y_format=y_format,
        hover=hover,
    )
    times = [look.at for look in looks]
    # Two looks of the same minute would otherwise label every tick with that minute.
    first = min(times[0], times[-1] - _SHORTEST) if times else None
    figure.update_xaxes(tickformat="%H:%M", nticks=8, range=[first, times[-1]] if times else None)
    return figure


def scores(bins: Sequence[tuple[float, float, int, int]], ink: charts.Ink, *, candidate: str, base: str) -> go.Figure:
    """Share of rows per bin of the score: the live version's answers in grey, the candidate's in the accent colour."""
    live, shadow = max(1, sum(row[2] for row in bins)), max(1, sum(row[3] for row in bins))
    names = [f"{low:.3g}-{high:.3g}" for low, high, _, _ in bins]
    figure = go.Figure(
        [
            go.Bar(
                x=names,
                y=[row[2] / live for row in bins],
                name=f"v{charts.plain_text(base)}, live",
                marker={"color": ink.muted, "opacity": 0.55},
            ),
            go.Bar(
                x=names,
                y=[row[3] / shadow for row in bins],
                name=f"v{charts.plain_text(candidate)}, shadow",
                marker={"color": ink.accent},
            ),
        ]
    )
    figure.update_traces(hovertemplate="%{y:.1%}")
    charts.layout(figure, ink, height=220, right=16, y_format=".0%")
    figure.update_layout(barmode="group", bargap=0.25, bargroupgap=0.05, showlegend=True)
    figure.update_layout(legend={"orientation": "h", "y": 1.16, "x": 0, "font": {"color": ink.muted}})
    # Every third bin is named: the names of all would stand across each other.
    figure.update_xaxes(type="category", tickmode="array", tickvals=names[::3], tickangle=0)
    return figure
