"""Figures of the value screen. Pure: values in, Plotly out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import plotly.graph_objects as go

from pages.components import charts
from services.value.returns import Curve


def course(curve: Curve, ink: charts.Ink, *, currency: str, height: int = 300) -> go.Figure:
    """Cumulative net benefit with its range; zero is the line where the setup has come back."""
    days = [point.day for point in curve.points]
    marks = [charts.Mark(x=curve.break_even, label="breaks even")] if curve.break_even else []
    return charts.trend(
        [
            charts.Line(
                name="Cumulative",
                x=days,
                y=[float(point.base) for point in curve.points],
                low=[float(point.low) for point in curve.points],
                high=[float(point.high) for point in curve.points],
                label="net, so far",
            )
        ],
        ink,
        limits=[charts.Limit(value=0.0, label="setup is back", severity="plain")],
        marks=marks,
        height=height,
        left=72,
        y_format=",.0f",
        y_title=f"{currency} since the first record",
        hover=f"{currency} %{{y:,.0f}}",
    )


def cost_by_day(
    days: Sequence[date], parts: Sequence[tuple[str, Sequence[float]]], ink: charts.Ink, *, currency: str
) -> go.Figure:
    """What each day cost, its parts on top of each other. Colours follow the order of `parts`."""
    figure = go.Figure(
        [
            go.Bar(
                x=charts.thin(days),
                y=charts.thin(amounts),
                name=charts.plain_text(title),
                marker={"color": ink.series[number % len(ink.series)], "line": {"width": 0}},
                hovertemplate=f"{currency} %{{y:,.4~g}}",
            )
            for number, (title, amounts) in enumerate(parts)
        ]
    )
    charts.layout(
        figure,
        ink,
        height=210,
        left=56,
        right=8,
        top=30,
        y_title=f"{currency} a day",
        x={"tickformat": "%-d %b", "nticks": 6},
        y={"tickformat": ".3~g", "rangemode": "tozero"},
        barmode="stack",
        bargap=0.1,
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 11, "color": ink.text}},
    )
    return figure


def spark(points: Sequence[tuple[date, float | None]], ink: charts.Ink, *, height: int = 112) -> go.Figure:
    """A small trend without words: the figure beside it says what it is."""
    figure = go.Figure(
        go.Scatter(
            x=charts.thin([day for day, _ in points]),
            y=charts.thin([value for _, value in points]),
            mode="lines+markers" if len(points) < 10 else "lines",
            connectgaps=False,
            line={"color": ink.accent, "width": 1.8},
            marker={"size": 5},
            hovertemplate="%{x|%-d %b %Y}: %{y:,.4~g}<extra></extra>",
        )
    )
    # Where nothing happened there is no axis below zero.
    flat = {} if any(value for _, value in points) else {"range": [0, 1]}
    charts.layout(
        figure,
        ink,
        height=height,
        left=44,
        right=8,
        top=6,
        hovermode="closest",
        x={"tickformat": "%-d %b", "nticks": 4},
        y={"nticks": 3, "tickformat": ".3~g", **flat},
    )
    return figure
