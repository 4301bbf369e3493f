"""Drift as pictures: columns against time, before and now, and how slices are mixed. Pure: values in, figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import plotly.graph_objects as go

from pages.components.charts import Ink, layout, plain_text
from services.kernel.health import Health

MOST_COLUMNS = 60
"""More windows than this are drawn together, the worst one standing for its neighbours."""
_CODES = {Health.UNKNOWN: 0, Health.HEALTHY: 1, Health.WATCH: 2, Health.BREACH: 3}
_RANK = {Health.HEALTHY: 0, Health.UNKNOWN: 1, Health.WATCH: 2, Health.BREACH: 3}
"""Which of neighbours that share a place is drawn: one that could not be judged is not hidden by a healthy one."""
WORDS = {
    Health.UNKNOWN: "cannot be judged",
    Health.HEALTHY: "within its limits",
    Health.WATCH: "watch",
    Health.BREACH: "breach",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One window of one column. `words` are shown when somebody points at it."""

    day: date
    state: Health
    value: float
    words: str


def state_colours(ink: Ink) -> Mapping[Health, str]:
    """From pale to strong, so that the order is seen without seeing the hue."""
    dark = ink.paper != "#FFFFFF"
    return {
        Health.UNKNOWN: "#3A4652" if dark else "#D5DBE1",
        Health.HEALTHY: "#1F4D41" if dark else "#BFE3D8",
        Health.WATCH: "#C98A2B" if dark else "#E8A33D",
        Health.BREACH: "#F06277" if dark else "#A31F35",
    }


def heat(
    rows: Sequence[tuple[str, Sequence[Cell]]],
    ink: Ink,
    *,
    height: int = 0,
    clicked: bool = False,
    marked: date | None = None,
) -> go.Figure:
    """One row per column or model, worst first; one cell per window. Cells without predictions stay empty.

    `clicked` lays an invisible point on each cell that carries the title of its row and the day of the window shown
    in it: cells themselves take no click. `marked` draws a line through the windows of a day.
    """
    days = sorted({cell.day for _, cells in rows for cell in cells})
    step = -(-len(days) // MOST_COLUMNS) if days else 1
    shown = days[::-1][::step][::-1]
    # The last day of its run, counted from the newest, stands for a day.
    stands_for = {day: days[len(days) - 1 - place // step * step] for place, day in enumerate(reversed(days))}
    colours = state_colours(ink)
    codes: list[list[int | None]] = []
    words: list[list[str]] = []
    ends: list[list[str]] = []
    for title, cells in rows:
        worst: dict[date, Cell] = {}
        for cell in cells:
            place = stands_for[cell.day]
            worst[place] = max(cell, worst.get(place, cell), key=lambda item: (_RANK[item.state], item.value))
        name = f"<b>{plain_text(title)}</b><br>"
        codes.append([_CODES[worst[day].state] if day in worst else None for day in shown])
        words.append([name + plain_text(worst[day].words) if day in worst else "" for day in shown])
        ends.append([worst[day].day.isoformat() if day in worst else "" for day in shown])
    scale = [[edge / 4, colours[state]] for state, code in _CODES.items() for edge in (code, code + 1)]
    figure = go.Figure(
        go.Heatmap(
            x=shown,
            y=[plain_text(title) for title, _ in rows],
            z=codes,
            text=words,
            colorscale=scale,
            zmin=-0.5,
            zmax=3.5,
            showscale=False,
            xgap=1,
            ygap=2,
            hoverongaps=False,
            hovertemplate="%{text}<extra></extra>",
        )
    )
    if clicked:
        points = [
            (day, title, text, end)
            for (title, _), texts, windows in zip(rows, words, ends, strict=True)
            for day, text, end in zip(shown, texts, windows, strict=True)
            if text
        ]
        figure.add_trace(
            go.Scatter(
                x=[day for day, _, _, _ in points],
                y=[plain_text(title) for _, title, _, _ in points],
                customdata=[[title, end] for _, title, _, end in points],
                text=[text for _, _, text, _ in points],
                mode="markers",
                marker={"opacity": 0, "size": 16, "symbol": "square"},
                hovertemplate="%{text}<extra></extra>",
                showlegend=False,
            )
        )
    layout(figure, ink, height=height or 64 + 26 * len(rows), right=8)
    figure.update_layout(hovermode="closest", margin={"l": 8, "t": 6})
    figure.update_xaxes(tickformat="%-d %b", nticks=8)
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, nticks=0, tickmode="linear")
    figure.update_yaxes(tickfont={"color": ink.text, "size": 12}, ticksuffix="  ")
    if marked in stands_for:
        figure.add_vline(x=stands_for[marked], line={"color": ink.text, "width": 1.4, "dash": "dot"})
    return figure


def overlay(
    bins: Sequence[str], sides: Sequence[tuple[str, Sequence[float]]], ink: Ink, *, height: int = 280
) -> go.Figure:
    """Share per bin, side by side: reference in grey, previous window hollow, current window in the accent colour."""
    names = [plain_text(name) for name in bins]
    looks = (
        {"color": ink.muted, "opacity": 0.5},
        {"color": "rgba(0,0,0,0)", "line": {"color": ink.accent, "width": 1.4}},
        {"color": ink.accent},
    )
    figure = go.Figure(
        [
            go.Bar(x=names, y=list(shares), name=plain_text(title), marker=look, hovertemplate="%{y:.1%}")
            for (title, shares), look in zip(sides, looks, strict=False)
        ]
    )
    layout(figure, ink, height=height, right=16, y_format=".0%")
    figure.update_layout(barmode="group", bargap=0.25, bargroupgap=0.06, showlegend=True)
    figure.update_layout(legend={"orientation": "h", "y": 1.14, "x": 0, "font": {"color": ink.muted}})
    figure.update_xaxes(type="category")
    return figure


def mix(
    values: Sequence[str], sides: Sequence[tuple[str, Sequence[float | None]]], ink: Ink, *, height: int = 0
) -> go.Figure:
    """Shares of each slice as horizontal bars, the one that changed most on top."""
    names = [plain_text(_short(value)) for value in values]
    looks = (
        {"color": ink.muted, "opacity": 0.5},
        {"color": "rgba(0,0,0,0)", "line": {"color": ink.accent, "width": 1.4}},
        {"color": ink.accent},
    )
    figure = go.Figure(
        [
            go.Bar(
                y=names, x=list(shares), name=plain_text(title), marker=look, orientation="h",
                hovertemplate="%{x:.1%}",
            )
            for (title, shares), look in zip(sides, looks, strict=False)
        ]
    )  # fmt: skip
    layout(figure, ink, height=height or 90 + 46 * len(values), right=16)
    figure.update_layout(barmode="group", bargap=0.3, bargroupgap=0.06, showlegend=True, hovermode="y unified")
    figure.update_layout(legend={"orientation": "h", "y": 1.12, "x": 0, "font": {"color": ink.muted}})
    figure.update_layout(margin={"l": 8, "t": 30})
    figure.update_xaxes(tickformat=".0%", showgrid=True, gridcolor=ink.grid)
    figure.update_yaxes(
        autorange="reversed", type="category", automargin=True, showgrid=False, nticks=0,
        tickfont={"color": ink.text, "size": 12},
    )  # fmt: skip
    return figure


def _short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
