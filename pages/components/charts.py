"""Values to Plotly figures. Pure: no Streamlit, no reading of anything, at most 1,000 points a series.

Lines are named at their end instead of a legend, limits are written in words, the candidate is in the accent
colour and the live version in dashed grey.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

MAX_POINTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """The colours of one theme, as in .streamlit/config.toml."""

    text: str
    muted: str
    grid: str
    accent: str
    band: str
    green: str
    orange: str
    red: str
    paper: str
    series: tuple[str, ...]


LIGHT = Ink(
    text="#0F1923",
    muted="#4B5A69",
    grid="#E4E9EE",
    accent="#1A5A96",
    band="rgba(26,90,150,0.13)",
    green="#0F8A6D",
    orange="#8A4B00",
    red="#A31F35",
    paper="#FFFFFF",
    series=("#1A5A96", "#D55E00", "#0F8A6D", "#B5529B", "#8A6D00", "#4BA3DB", "#66758A", "#5A3DA3"),
)
DARK = Ink(
    text="#E6ECF2",
    muted="#A9B7C5",
    grid="#263240",
    accent="#62A9E8",
    band="rgba(98,169,232,0.18)",
    green="#3FBF9B",
    orange="#F0B968",
    red="#F791A0",
    paper="#10161D",
    series=("#62A9E8", "#F2924B", "#3FBF9B", "#DB8CC7", "#D9BE4E", "#9AD0F5", "#9AA8B7", "#A48BE6"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series. `style`: `main`, `live` (dashed grey), `quiet` (thin) or `dots`."""

    name: str
    x: Sequence[Any]
    y: Sequence[float | None]
    style: str = "main"
    colour: str = ""
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    label: str = ""
    """Text at the line's end; empty means the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A horizontal limit written in words. `severity`: `breach`, `watch` or `plain`."""

    value: float
    label: str
    severity: str = "breach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment marked on the time axis, for example an injected fault."""

    x: Any
    label: str


_STYLES = {
    "main": {"width": 2.2, "dash": "solid"},
    "live": {"width": 1.6, "dash": "dash"},
    "quiet": {"width": 1.1, "dash": "solid"},
    "dots": {"width": 1.1, "dash": "dot"},
}


def thin(values: Sequence[Any], limit: int = MAX_POINTS) -> list[Any]:
    """Every n-th value so that at most `limit` remain; the last one always stays."""
    if len(values) <= limit:
        return list(values)
    step = -(-len(values) // (limit - 1))
    kept = list(values[::step])
    if kept[-1] is not values[-1]:
        kept.append(values[-1])
    return kept


def gapped(
    x: Sequence[datetime], y: Sequence[float | None], *, widest: timedelta
) -> tuple[list[datetime], list[float | None]]:
    """The same points with a hole wherever nothing was seen for longer than `widest`: no line through silence."""
    xs: list[datetime] = []
    ys: list[float | None] = []
    for at, value in zip(x, y, strict=True):
        if xs and at - xs[-1] > widest:
            xs.append(xs[-1] + (at - xs[-1]) / 2)
            ys.append(None)
        xs.append(at)
        ys.append(value)
    return xs, ys


def layout(
    figure: go.Figure,
    ink: Ink,
    *,
    height: int,
    left: int = 48,
    right: int = 110,
    top: int = 14,
    bottom: int = 30,
    y_format: str = "",
    y_title: str = "",
    x: Mapping[str, Any] = MappingProxyType({}),
    y: Mapping[str, Any] = MappingProxyType({}),
    **more: Any,
) -> None:
    """The frame every chart shares: quiet grid, no legend, no mode bar, our face and inks; `x`, `y` and `more` go on
    top of it.

    Said in one piece that replaces what was there: Plotly takes ten times as long to merge it into a figure.
    """
    ours = {
        "x": {
            "showgrid": False,
            "linecolor": ink.grid,
            "tickcolor": ink.grid,
            "tickfont": {"color": ink.muted, "size": 11},
            "zeroline": False,
            **x,
        },
        "y": {
            "gridcolor": ink.grid,
            "zeroline": False,
            "nticks": 5,
            "tickfont": {"color": ink.muted, "size": 11},
            "tickformat": y_format,
            "title": {"text": y_title, "font": {"size": 11, "color": ink.muted}},
            **y,
        },
    }
    stated = figure.layout.to_plotly_json()
    axes = {"xaxis", "yaxis"} | {name for name in stated if name.startswith(("xaxis", "yaxis"))}
    frame = {
        "height": height,
        "margin": {"l": left, "r": right, "t": top, "b": bottom},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "Plex Sans, sans-serif", "size": 12, "color": ink.text},
        "showlegend": False,
        "hovermode": "x unified",
        "dragmode": False,
        "hoverlabel": {"bgcolor": ink.paper, "bordercolor": ink.grid, "font": {"color": ink.text}},
    }
    placed = {axis: {**stated.get(axis, {}), **ours[axis[0]]} for axis in sorted(axes)}
    figure.update_layout({**frame, **placed, **more}, overwrite=True)


def _end_label(*, y: float, text: str, colour: str, shift: int = 0) -> dict[str, Any]:
    return {
        "x": 1,
        "xref": "paper",
        "y": y,
        "yref": "y",
        "text": text,
        "showarrow": False,
        "xanchor": "left",
        "xshift": 8,
        "yshift": shift,
        "font": {"color": colour, "size": 12},
        "align": "left",
    }


def _across(y: float, **line: Any) -> dict[str, Any]:
    """As `add_hline`, which looks through every trace and shape of the figure for each line."""
    return {"type": "line", "x0": 0, "x1": 1, "xref": "x domain", "y0": y, "y1": y, "yref": "y", "line": line}


def _upright(x: Any, **line: Any) -> dict[str, Any]:
    return {"type": "line", "x0": x, "x1": x, "xref": "x", "y0": 0, "y1": 1, "yref": "y domain", "line": line}


def _spread(wanted: list[tuple[float, int]], *, span: float, height: int) -> dict[int, int]:
    """Pixel shifts so that labels at nearly the same height do not cover each other."""
    per_pixel = span / max(height - 44, 1) or 1.0
    shifts: dict[int, int] = {}
    previous: float | None = None
    for value, index in sorted(wanted):
        place = value / per_pixel
        if previous is not None and place - previous < 15:
            place = previous + 15
        shifts[index] = round(place - value / per_pixel)
        previous = place
    return shifts


class Finished(go.Figure):  # type: ignore[misc]  # Plotly has no types
    """A figure that nobody changes any more. Plotly copies and encodes a figure each time it is sent to a browser,
    which costs as much as drawing it; here that is done once, and what was made is sent again.
    """

    def __init__(self, figure: go.Figure) -> None:
        # Shared and not copied: making a figure out of a figure checks every value of it once more.
        self.__dict__.update(figure.__dict__)
        self._sent: dict[str, Any] = json.loads(pio.to_json(figure, validate=False))

    def to_dict(self) -> dict[str, Any]:
        return self._sent


def plain_text(text: str) -> str:
    """Plotly reads a little HTML in texts; names written by people must not be read as such."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def trend(
    lines: Sequence[Line],
    ink: Ink,
    *,
    limits: Sequence[Limit] = (),
    marks: Sequence[Mark] = (),
    height: int = 260,
    y_format: str = "",
    y_title: str = "",
    from_zero: bool = False,
    left: int = 48,
    right: int = 110,
    hover: str = "%{y}",
) -> go.Figure:
    """Lines over time with limits in words and names at the line ends."""
    traces: list[go.Scatter] = []
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    labels: list[tuple[float, str, str]] = []
    known: list[float] = [limit.value for limit in limits]
    for number, line in enumerate(lines):
        colour = line.colour or (
            ink.muted if line.style in {"live", "quiet", "dots"} else ink.series[number % len(ink.series)]
        )
        x, y = thin(line.x), thin(line.y)
        if line.low and line.high:
            traces += _band(x, thin(line.low), thin(line.high), ink)
            known += [value for value in (*line.low, *line.high) if value is not None]
        traces.append(
            go.Scatter(
                x=x,
                y=y,
                name=plain_text(line.name),
                mode="lines" if len(x) > 1 else "markers",
                connectgaps=False,
                line={"color": colour, **_STYLES[line.style]},
                hovertemplate=hover,
            )
        )
        values = [value for value in line.y if value is not None]
        known += values
        if values and (line.label or line.style != "quiet"):
            labels.append(
                (values[-1], plain_text(line.label or line.name), ink.text if line.style == "main" else ink.muted)
            )
    for limit in limits:
        colour = {"breach": ink.red, "watch": ink.orange}.get(limit.severity, ink.muted)
        shapes.append(_across(limit.value, color=colour, width=1.2, dash="dot"))
        labels.append((limit.value, plain_text(limit.label), colour))
    for mark in marks[:20]:
        shapes.append(_upright(mark.x, color=ink.orange, width=1, dash="dot"))
        notes.append(
            {
                "x": mark.x,
                "y": 1,
                "yref": "paper",
                "text": plain_text(mark.label),
                "showarrow": False,
                "xanchor": "left",
                "xshift": 4,
                "yanchor": "bottom",
                "font": {"color": ink.orange, "size": 11},
            }
        )
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    low = min(low, 0.0) if from_zero else low
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    bottom = low if from_zero and low == 0 else low - room
    shifts = _spread(
        [(value, index) for index, (value, _, _) in enumerate(labels)], span=high + room - bottom, height=height
    )
    notes += [
        _end_label(y=value, text=text, colour=colour, shift=shifts[index])
        for index, (value, text, colour) in enumerate(labels)
    ]
    figure = go.Figure(traces)
    layout(
        figure,
        ink,
        height=height,
        left=left,
        right=right,
        top=28 if marks else 14,
        y_format=y_format,
        y_title=y_title,
        x={"tickformat": "%-d %b", "nticks": 8},
        y={"range": [bottom, high + room]},
        shapes=shapes,
        annotations=notes,
    )
    return figure


def _band(x: list[Any], low: list[Any], high: list[Any], ink: Ink) -> tuple[go.Scatter, go.Scatter]:
    return (
        go.Scatter(x=x, y=high, mode="lines", line={"width": 0}, hoverinfo="skip"),
        go.Scatter(x=x, y=low, mode="lines", line={"width": 0}, fill="tonexty", fillcolor=ink.band, hoverinfo="skip"),
    )


def distribution(
    bins: Sequence[str], reference: Sequence[float], current: Sequence[float], ink: Ink, *, height: int = 260
) -> go.Figure:
    """Share per bin: the reference in grey, the current window in the accent colour."""
    names = [plain_text(name) for name in bins]
    figure = go.Figure(
        [
            go.Bar(x=names, y=list(reference), name="Reference", marker={"color": ink.muted, "opacity": 0.55}),
            go.Bar(x=names, y=list(current), name="Current", marker={"color": ink.accent}),
        ]
    )
    figure.update_traces(hovertemplate="%{y:.1%}")
    layout(figure, ink, height=height, right=16, y_format=".0%")
    figure.update_layout(barmode="group", bargap=0.25, bargroupgap=0.05, showlegend=True)
    figure.update_layout(legend={"orientation": "h", "y": 1.12, "x": 0, "font": {"color": ink.muted}})
    figure.update_xaxes(type="category")
    return figure


def cost_and_volume(
    days: Sequence[Any],
    per_thousand: Sequence[float | None],
    volume: Sequence[int],
    ink: Ink,
    *,
    currency: str,
    height: int = 280,
) -> go.Figure:
    """Cost per 1,000 predictions as a line, with the volume on the second axis behind it."""
    figure = go.Figure(
        [
            go.Bar(
                x=thin(days),
                y=thin(volume),
                yaxis="y2",
                name="Predictions a day",
                marker={"color": ink.muted, "opacity": 0.28},
                hovertemplate="%{y:,.0f} predictions",
            ),
            go.Scatter(
                x=thin(days),
                y=thin(per_thousand),
                name=f"{currency} per 1,000",
                mode="lines",
                line={"color": ink.accent, "width": 2.2},
                hovertemplate=f"{currency} %{{y:.4f}} per 1,000",
            ),
        ]
    )
    layout(figure, ink, height=height, right=56, y_title=f"{currency} per 1,000 predictions")
    figure.update_layout(
        yaxis={"overlaying": "y2", "range": [0, _top(per_thousand) * 1.15], "tickmode": "auto", "tickformat": ".2~r"},
        yaxis2={
            "side": "right",
            "showgrid": False,
            "range": [0, _top(volume) * 2.4],
            "tickfont": {"color": ink.muted, "size": 11},
            "nticks": 5,
            "title": {"text": "predictions a day", "font": {"size": 11, "color": ink.muted}},
        },
    )
    figure.update_layout(margin={"l": 64})
    figure.update_xaxes(tickformat="%-d %b", nticks=8)
    return figure


def _top(values: Sequence[float | None]) -> float:
    return max((value for value in values if value is not None), default=0.0) or 1.0


def shares(
    rows: Sequence[tuple[str, Sequence[tuple[str, float]]]],
    ink: Ink,
    *,
    unit: str = "%",
    height: int = 120,
    colours: dict[str, str] | None = None,
) -> go.Figure:
    """Stacked bars: one row per name, parts with their share; for desired and actual traffic, or a cost split."""
    figure = go.Figure()
    names = list(dict.fromkeys(part for _, parts in rows for part, _ in parts))
    longest = max((sum(share for _, share in parts) for _, parts in rows), default=0.0) or 1.0
    for number, name in enumerate(names):
        values = [dict(parts).get(name, 0.0) for _, parts in rows]
        figure.add_trace(
            go.Bar(
                y=[plain_text(row) for row, _ in rows],
                x=values,
                orientation="h",
                name=plain_text(name),
                marker={
                    "color": (colours or {}).get(name, ink.series[number % len(ink.series)]),
                    "line": {"color": ink.paper, "width": 2},
                },
                text=[
                    f"{plain_text(name)} {value:g} {unit}".strip() if value >= longest * 0.08 else ""
                    for value in values
                ],
                textangle=0,
                textposition="inside",
                insidetextanchor="start",
                textfont={"color": ink.paper},
                hovertemplate=f"%{{x:,.2f}} {unit}",
            )
        )
    layout(figure, ink, height=height, right=8)
    figure.update_layout(barmode="stack", bargap=0.45, margin={"l": 64, "t": 4, "b": 8}, hovermode="closest")
    figure.update_xaxes(visible=False, range=[0, longest])
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"color": ink.text, "size": 12})
    return figure


def intervals(
    rows: Sequence[tuple[str, float, float, float]], ink: Ink, *, currency: str, height: int = 0
) -> go.Figure:
    """Amounts with their low and high end: (title, low, amount, high)."""
    names = [plain_text(row[0]) for row in rows]
    amounts = [row[2] for row in rows]
    figure = go.Figure(
        go.Scatter(
            x=amounts,
            y=names,
            mode="markers",
            marker={"color": ink.accent, "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [row[3] - row[2] for row in rows],
                "arrayminus": [row[2] - row[1] for row in rows],
                "color": ink.muted,
                "thickness": 1.6,
                "width": 5,
            },
            hovertemplate=f"{currency} %{{x:,.0f}}",
        )
    )
    layout(
        figure,
        ink,
        height=height or 80 + 44 * len(rows),
        left=230,
        right=24,
        top=8,
        hovermode="closest",
        x={
            "showgrid": True,
            "gridcolor": ink.grid,
            "rangemode": "tozero",
            "tickprefix": f"{currency} ",
            "tickformat": ",.0f",
            "nticks": 5,
        },
        y={"autorange": "reversed", "showgrid": False, "tickfont": {"color": ink.text, "size": 12}},
    )
    return figure


def layers(edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Column of each node: one more than its furthest source. A cycle stops counting instead of looping."""
    nodes = list(dict.fromkeys(node for edge in edges for node in edge))
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:
        moved = False
        for source, target in edges:
            if source != target and depth[target] < depth[source] + 1 <= len(nodes):
                depth[target] = depth[source] + 1
                moved = True
        if not moved:
            break
    return depth


def _ease(share: float) -> float:
    """Slow at both ends, so that lines leave and reach their nodes level."""
    return share * share * (3 - 2 * share)


def lineage(
    edges: Sequence[tuple[str, str]],
    ink: Ink,
    *,
    marked: Sequence[str] = (),
    sensitive: Collection[tuple[str, str]] = (),
) -> go.Figure:
    """The way from raw table to endpoint, left to right; `marked` nodes are drawn in the accent colour.

    `sensitive` edges carry personal columns: thicker and in another colour, and named in the table beside the figure.
    """
    depth = layers(edges)
    columns: dict[int, list[str]] = {}
    for node, column in depth.items():
        columns.setdefault(column, []).append(node)
    tallest = max((len(nodes) for nodes in columns.values()), default=1)
    place = {
        node: (column, (len(nodes) - 1) / 2 - row)
        for column, nodes in columns.items()
        for row, node in enumerate(nodes)
    }
    usual, personal = {"color": ink.muted, "width": 1.2}, {"color": ink.red, "width": 2.6}
    figure = go.Figure()
    for source, target in edges:
        (x0, y0), (x1, y1) = place[source], place[target]
        figure.add_trace(
            go.Scatter(
                x=[x0 + (x1 - x0) * step / 20 for step in range(21)],
                y=[y0 + (y1 - y0) * _ease(step / 20) for step in range(21)],
                mode="lines",
                line=personal if (source, target) in sensitive else usual,
                hoverinfo="skip",
            )
        )
    for node, (x, y) in place.items():
        figure.add_annotation(
            x=x,
            y=y,
            text=plain_text(node),
            showarrow=False,
            bgcolor=ink.paper,
            borderpad=6,
            borderwidth=1.2,
            bordercolor=ink.accent if node in marked else ink.grid,
            font={"color": ink.accent if node in marked else ink.text, "size": 12},
        )
    layout(figure, ink, height=max(120, 64 * tallest), right=24)
    figure.update_layout(hovermode=False, margin={"l": 24, "r": 24, "t": 8, "b": 8})
    figure.update_xaxes(visible=False, range=[-0.55, max(columns, default=0) + 0.55])
    figure.update_yaxes(visible=False, range=[-tallest / 2, tallest / 2])
    return figure
