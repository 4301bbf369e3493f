"""The heat map of data health: a row per table or rule, a column per day, a letter in every cell. Pure.

Colour never speaks alone: `!` is watch, `x` breach, `?` not known, and a healthy cell is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import plotly.graph_objects as go

from pages.components.charts import Ink, layout, plain_text
from services.kernel.health import Health

_PLACE = {Health.HEALTHY: 0, Health.UNKNOWN: 1, Health.WATCH: 2, Health.BREACH: 3}
_LETTER = {Health.HEALTHY: "", Health.UNKNOWN: "?", Health.WATCH: "!", Health.BREACH: "x"}
_WORD = {Health.HEALTHY: "healthy", Health.UNKNOWN: "not known", Health.WATCH: "watch", Health.BREACH: "breach"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`cells`: state and sentence by day; a day without a cell is left open."""

    title: str
    cells: Mapping[date, tuple[Health, str]]


def heat_map(rows: Sequence[Row], days: Sequence[date], ink: Ink) -> go.Figure:
    shown = list(reversed(rows))
    found = [[row.cells.get(day) for day in days] for row in shown]
    figure = go.Figure(
        go.Heatmap(
            x=list(days),
            y=[plain_text(row.title) for row in shown],
            z=[[None if cell is None else _PLACE[cell[0]] for cell in line] for line in found],
            text=[["" if cell is None else _LETTER[cell[0]] for cell in line] for line in found],
            customdata=[
                ["" if cell is None else f"{_WORD[cell[0]]}: {plain_text(cell[1])}" for cell in line] for line in found
            ],
            texttemplate="%{text}",
            textfont={"color": ink.paper, "size": 11},
            hovertemplate="%{y}, %{x|%-d %b %Y}<br>%{customdata}<extra></extra>",
            hoverongaps=False,
            zmin=-0.5,
            zmax=3.5,
            colorscale=_scale((_calm(ink.green), ink.muted, ink.orange, ink.red)),
            showscale=False,
            xgap=1,
            ygap=3,
        )
    )
    layout(figure, ink, height=70 + 34 * len(rows), right=12)
    figure.update_layout(margin={"l": 8, "b": 34}, hovermode="closest")
    figure.update_xaxes(tickformat="%-d %b", nticks=8)
    figure.update_yaxes(automargin=True, showgrid=False, nticks=len(rows) + 1, tickfont={"color": ink.text, "size": 12})
    return figure


def _calm(colour: str) -> str:
    """What is healthy is the ground, not the message."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.35)"


def _scale(colours: Sequence[str]) -> list[tuple[float, str]]:
    """Steps instead of a gradient."""
    width = 1 / len(colours)
    return [(at * width, c) for n, c in enumerate(colours) for at in (n, n + 1)]


def legend() -> str:
    return "Empty: healthy. **!** watch. **x** breach. **?** not known. No cell: nothing was judged."
