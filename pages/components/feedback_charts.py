"""Charts of corrections: weeks of prediction with their intervals, and reasons by count. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import plotly.graph_objects as go

from pages.components.charts import Ink, layout, plain_text
from services.feedback.rework import Rate, WeekRate

_WEEK = timedelta(days=7)


def weeks(found: Sequence[WeekRate], ink: Ink) -> go.Figure:
    """Rework by week of prediction with its interval; open weeks are hollow and grey, unknown ones have no mark."""
    judged = [week for week in found if week.rework.estimate]
    figure = go.Figure()
    lines: tuple[tuple[str, str, list[tuple[WeekRate, Rate]]], ...] = (
        ("Rework", ink.series[0], [(week, week.rework) for week in judged]),
        ("Override", ink.series[1], [(week, week.override) for week in judged if week.override.estimate]),
    )
    for name, colour, rates in lines:
        figure.add_trace(
            go.Scatter(
                x=[week.start for week, _ in rates],
                y=[rate.estimate.value for _, rate in rates if rate.estimate],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [rate.estimate.high - rate.estimate.value for _, rate in rates if rate.estimate],
                    "arrayminus": [rate.estimate.value - rate.estimate.low for _, rate in rates if rate.estimate],
                    "color": colour,
                    "thickness": 1,
                    "width": 2,
                },
                customdata=[[f"{rate.hits:,} of {rate.n:,}"] for _, rate in rates],
                name=name,
                mode="lines+markers",
                line={"color": colour, "width": 2},
                marker={"size": 6, "symbol": "circle" if name == "Rework" else "diamond"},
                hovertemplate="%{y:.1%}, %{customdata[0]}",
            )
        )
        if rates and rates[-1][1].estimate:
            figure.add_annotation(
                x=1, xref="paper", y=rates[-1][1].estimate.value, text=name, showarrow=False, xanchor="left",
                xshift=8, font={"color": ink.text, "size": 12},
            )  # fmt: skip
    young = [week for week in found if week.open]
    if young and judged:
        figure.add_vrect(
            x0=young[0].start, x1=young[-1].start + _WEEK, fillcolor=ink.grid, opacity=0.6, line_width=0,
            annotation_text="reviews still come", annotation_position="top left",
            annotation_font={"color": ink.muted, "size": 11},
        )  # fmt: skip
    layout(figure, ink, height=280, right=80, y_format=".0%")
    figure.update_xaxes(tickformat="%-d %b", nticks=8, range=[found[0].start - _WEEK / 2, found[-1].start + _WEEK])
    figure.update_yaxes(rangemode="tozero")
    return figure


def reasons(found: Sequence[tuple[str, int]], ink: Ink) -> go.Figure:
    """The commonest on top."""
    shown = list(reversed(found[:12]))
    figure = go.Figure(
        go.Bar(
            x=[n for _, n in shown],
            y=[plain_text(code) for code, _ in shown],
            orientation="h",
            marker={"color": ink.accent},
            text=[f"{n:,}" for _, n in shown],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:,}<extra></extra>",
        )
    )
    layout(figure, ink, height=60 + 34 * max(1, len(shown)), right=48)
    figure.update_layout(hovermode="closest", margin={"l": 8})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(automargin=True, showgrid=False, tickfont={"color": ink.text, "size": 12})
    return figure
