"""Calibration and groups as Plotly figures. Pure: values in, figures out, no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from pages.components.charts import Ink, layout, plain_text
from services.evaluation.detail import CalibrationBin, GroupRow
from services.policy.models import Verdict


def calibration(bins: Sequence[CalibrationBin], ink: Ink, *, height: int = 230) -> go.Figure:
    """Mean score of each bin against what was observed, with its 95 % interval, beside the line of perfect scores."""
    top = max([*(item.mean_score for item in bins), *(item.high for item in bins), 0.05]) * 1.06
    figure = go.Figure(
        [
            go.Scatter(
                x=[0, top], y=[0, top], mode="lines", line={"color": ink.muted, "width": 1.2, "dash": "dash"},
                hoverinfo="skip",
            ),
            go.Scatter(
                x=[item.mean_score for item in bins],
                y=[item.observed for item in bins],
                mode="lines+markers",
                line={"color": ink.accent, "width": 1.6},
                marker={"color": ink.accent, "size": 7},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [item.high - item.observed for item in bins],
                    "arrayminus": [item.observed - item.low for item in bins],
                    "color": ink.muted,
                    "thickness": 1.2,
                    "width": 3,
                },
                customdata=[item.n for item in bins],
                hovertemplate="score %{x:.1%}, observed %{y:.1%}, n = %{customdata:,}<extra></extra>",
            ),
        ]
    )  # fmt: skip
    layout(figure, ink, height=height, right=20, y_format=".0%", y_title="observed")
    figure.update_layout(hovermode="closest", margin={"b": 42, "l": 56})
    figure.update_xaxes(
        range=[0, top],
        tickformat=".0%",
        nticks=6,
        title={"text": "mean score", "font": {"size": 11, "color": ink.muted}},
    )
    figure.update_yaxes(range=[0, top])
    figure.add_annotation(
        x=top * 0.98,
        y=top * 0.02,
        text="dashed: perfectly calibrated",
        showarrow=False,
        xanchor="right",
        yanchor="bottom",
        font={"size": 11, "color": ink.muted},
    )
    return figure


def groups(rows: Sequence[GroupRow], title: str, ink: Ink) -> go.Figure:
    """One measure of the groups of one attribute with its interval; groups that were not judged are grey and hollow."""
    shown = [(row, measure) for row in rows for measure in row.measures if measure.title == title]
    figure = go.Figure()
    for row, measure in shown:
        known = row.reference or row.verdict in {Verdict.PASSED, Verdict.FAILED}
        colour = ink.red if row.verdict is Verdict.FAILED else ink.accent if known else ink.muted
        figure.add_trace(
            go.Scatter(
                x=[measure.value],
                y=[plain_text(group_name(row))],
                mode="markers",
                marker={"color": colour, "size": 8, "symbol": "circle" if known else "circle-open"},
                error_x=None
                if measure.low is None or measure.high is None
                else {
                    "type": "data",
                    "symmetric": False,
                    "array": [measure.high - measure.value],
                    "arrayminus": [measure.value - measure.low],
                    "color": colour if known else ink.grid,
                    "thickness": 1.4,
                    "width": 3,
                },
                hovertemplate="%{x:.1%}<extra></extra>" if measure.unit == "share" else "%{x:.2f}<extra></extra>",
            )
        )
    layout(figure, ink, height=54 + 22 * len(shown), right=20)
    figure.update_layout(hovermode="closest", margin={"l": 150, "t": 4, "b": 26})
    share = bool(shown) and shown[0][1].unit == "share"
    figure.update_xaxes(showgrid=True, gridcolor=ink.grid, nticks=5, tickformat=".0%" if share else "")
    figure.update_yaxes(
        autorange="reversed", showgrid=False, tickfont={"color": ink.text, "size": 11}, nticks=len(shown)
    )
    return figure


def group_name(row: GroupRow) -> str:
    """`over 85, n = 41`: the size stands beside every group, because it decides what the number is worth."""
    return f"{row.group}, n = {row.n:,}"
