"""An evaluation report as Plotly figures: ranking, groups with intervals, time, response time. Pure.

The version under evaluation is in the accent colour, the live one in dashed grey; groups with too few rows are hollow
and grey whatever their value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from pages.components.charts import Ink, layout, plain_text
from services.evaluation.report.reading import FairnessLine

Points = Sequence[Sequence[float]]


def curve(points: Points, live: Points, ink: Ink, *, x_title: str, y_title: str, diagonal: bool = False) -> go.Figure:
    """A ROC or precision-recall curve, with that of the live version behind it."""
    figure = go.Figure()
    if diagonal:
        figure.add_trace(_line([(0, 0), (1, 1)], ink.muted, width=0.8, dash="dot", name=""))
    if live:
        figure.add_trace(_line(live, ink.muted, width=1.6, dash="dash", name="live"))
    figure.add_trace(_line(points, ink.accent, width=2.2, dash="solid", name="this version"))
    layout(figure, ink, height=260, right=16, y_format=".0%", y_title=y_title)
    figure.update_layout(hovermode="closest", margin={"b": 42, "l": 56})
    figure.update_xaxes(
        range=[0, 1.005],
        tickformat=".0%",
        nticks=6,
        title={"text": x_title, "font": {"size": 11, "color": ink.muted}},
    )
    figure.update_yaxes(range=[0, 1.02])
    return figure


def fairness(lines: Sequence[FairnessLine], ink: Ink, *, failed: frozenset[tuple[str, str]] = frozenset()) -> go.Figure:
    """One measure of the groups of one attribute beside the largest group; `failed` names groups a gate refused."""
    drawn = [line for line in lines if line.value is not None]
    figure = go.Figure()
    for line in drawn:
        refused = (line.attribute, line.group) in failed and not line.few
        colour = ink.muted if line.few else ink.red if refused else ink.accent
        figure.add_trace(
            go.Bar(
                x=[(line.value or 0.0) - line.neutral],
                base=[line.neutral],
                y=[plain_text(group_name(line))],
                orientation="h",
                width=0.45,
                marker={
                    "color": "rgba(0,0,0,0)" if line.few else colour,
                    "opacity": 0.85,
                    "line": {"color": colour, "width": 1.2},
                },
                error_x=_whiskers(line, ink.grid if line.few else ink.muted),
                customdata=[line.value],
                hovertemplate=_hover(line),
            )
        )
    layout(figure, ink, height=64 + 28 * len(drawn), right=20)
    figure.update_layout(hovermode="closest", margin={"l": 170, "t": 4, "b": 28}, bargap=0.3)
    neutral = drawn[0].neutral if drawn else 0.0
    figure.add_vline(x=neutral, line={"color": ink.muted, "width": 1.2, "dash": "dash"})
    figure.update_xaxes(showgrid=True, gridcolor=ink.grid, nticks=5, tickformat=_format(drawn))
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"color": ink.text, "size": 11})
    return figure


def weeks(items: Sequence[Mapping[str, Any]], ink: Ink, *, y_title: str) -> go.Figure:
    """The main measure of each time slice with its interval."""
    known = [item for item in items if item["value"] is not None]
    figure = go.Figure(
        go.Scatter(
            x=[item["slice"].partition(" ")[0] for item in known],
            y=[item["value"] for item in known],
            mode="lines+markers",
            line={"color": ink.accent, "width": 1.6},
            marker={"color": ink.accent, "size": 7},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [_part(item["high"], item["value"]) for item in known],
                "arrayminus": [_part(item["value"], item["low"]) for item in known],
                "color": ink.muted,
                "thickness": 1.2,
                "width": 3,
            },
            customdata=[[item["n"], item["slice"]] for item in known],
            hovertemplate="%{customdata[1]}<br>%{y:.3f}, n = %{customdata[0]:,}<extra></extra>",
        )
    )
    layout(figure, ink, height=230, right=20, y_title=y_title)
    figure.update_layout(hovermode="closest", margin={"l": 60})
    begins = [item["slice"].partition(" ")[0] for item in known]
    figure.update_xaxes(tickformat="%-d %b", tickvals=begins[:: -(-len(begins) // 8) or 1])
    return figure


def latency(found: Mapping[str, Any], limit_ms: float | None, ink: Ink) -> go.Figure:
    """Median, 95th and 99th percentile of one answer, beside what the use case promised for the 95th."""
    names = {"p50_ms": "Median", "p95_ms": "95th percentile", "p99_ms": "99th percentile"}
    late = limit_ms is not None and found["p95_ms"] > limit_ms
    colours = [ink.red if late and key == "p95_ms" else ink.accent for key in names]
    values = [found[key] for key in names]
    figure = go.Figure(
        go.Bar(
            x=values,
            y=list(names.values()),
            orientation="h",
            width=0.5,
            marker={"color": colours},
            text=[f"{value:,.1f} ms" for value in values],
            textposition="outside",
            textfont={"color": ink.text, "size": 12},
            cliponaxis=False,
            hovertemplate="%{x:.1f} ms<extra></extra>",
        )
    )
    layout(figure, ink, height=170, right=70)
    figure.update_layout(hovermode="closest", margin={"l": 120, "t": 22, "b": 28})
    figure.update_xaxes(range=[0, max([*values, limit_ms or 0.0]) * 1.08], ticksuffix=" ms", nticks=5)
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"color": ink.text, "size": 12})
    if limit_ms is not None:
        figure.add_vline(x=limit_ms, line={"color": ink.red, "width": 1.2, "dash": "dot"})
        figure.add_annotation(
            x=limit_ms, y=1, yref="paper", yanchor="bottom", text=f"promised {limit_ms:,.0f} ms", showarrow=False,
            font={"size": 11, "color": ink.red},
        )  # fmt: skip
    return figure


def group_name(line: FairnessLine) -> str:
    """`over 85, n = 41, too few`: the size stands beside every group, because it decides what the number is worth."""
    return f"{line.group}, n = {line.n:,}{', too few' if line.few else ''}"


def _line(points: Points, colour: str, *, width: float, dash: str, name: str) -> go.Scatter:
    return go.Scatter(
        x=[point[0] for point in points],
        y=[point[1] for point in points],
        mode="lines",
        name=name,
        line={"color": colour, "width": width, "dash": dash},
        hovertemplate=f"{name}: %{{x:.1%}}, %{{y:.1%}}<extra></extra>" if name else None,
        hoverinfo="skip" if not name else None,
    )


def _whiskers(line: FairnessLine, colour: str) -> dict[str, Any] | None:
    if line.value is None or line.low is None or line.high is None:
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [line.high - line.value],
        "arrayminus": [line.value - line.low],
        "color": colour,
        "thickness": 1.4,
        "width": 4,
    }


def _hover(line: FairnessLine) -> str:
    shown = "%{customdata:.2f}" if line.measure in {"rate_ratio", "error_gap"} else "%{customdata:.1%}"
    return f"{shown}, n = {line.n:,}<extra></extra>"


def _format(lines: Sequence[FairnessLine]) -> str:
    return ".0%" if lines and lines[0].measure in {"tpr_gap", "fpr_gap"} else ""


def _part(high: float | None, low: float | None) -> float:
    return 0.0 if high is None or low is None else high - low
