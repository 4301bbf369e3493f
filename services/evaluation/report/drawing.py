"""Small charts as SVG text for a page without scripts. Values in, text out; every label is escaped.

Colours are set by classes of the page, so that print and dark backgrounds can have their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 10.0, 34.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """`style` is a class of the page: `main`, `live` or `even`. Whiskers are (x, low, high)."""

    points: Sequence[Point]
    style: str
    dots: bool = False
    whiskers: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One row of an interval chart. Without a value the row says so; a grey one has too few rows to judge."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    grey: bool = False


def plot(
    curves: Sequence[Curve],
    *,
    title: str,
    x_title: str,
    y_title: str,
    x_range: Point = (0.0, 1.0),
    y_range: Point = (0.0, 1.0),
    shown: Callable[[float], str] = lambda value: f"{value:g}",
    x_labels: Sequence[str] = (),
    width: int = 380,
    height: int = 260,
) -> str:
    """Lines over two axes; `x_labels` replace the numbers of the x axis at 0, 1, 2 and so on."""
    frame = _Frame(x_range=x_range, y_range=y_range, width=width, height=height)
    parts = [frame.axes(x_title, y_title, shown, x_labels)]
    for curve in curves:
        drawn = [frame.at(*point) for point in curve.points]
        for x, low, high in curve.whiskers:
            (at, bottom), (_, top) = frame.at(x, low), frame.at(x, high)
            parts.append(f'<line class="whisker" x1="{at:.1f}" x2="{at:.1f}" y1="{bottom:.1f}" y2="{top:.1f}"/>')
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        parts.append(f'<polyline class="line {curve.style}" points="{path}"/>')
        if curve.dots:
            parts += [f'<circle class="dot {curve.style}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in drawn]
    return _svg(parts, title, width, height)


def intervals(
    rows: Sequence[Dot],
    *,
    title: str,
    neutral: float,
    shown: Callable[[float], str],
    width: int = 560,
) -> str:
    """A dot with its interval per row, beside the value of no difference."""
    known = [value for row in rows for value in (row.value, row.low, row.high) if value is not None] + [neutral]
    low, high = min(known), max(known)
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    low, high, left, right = low - room, high + room, 190.0, width - 16.0
    height = 26 * len(rows) + 40

    def at(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    parts = [
        f'<line class="grid" x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="6" y2="{height - 28}"/>'
        f'<text class="tick" x="{at(tick):.1f}" y="{height - 12}" text-anchor="middle">{escape(shown(tick))}</text>'
        for tick in _ticks(low, high)
    ]
    parts.append(f'<line class="neutral" x1="{at(neutral):.1f}" x2="{at(neutral):.1f}" y1="6" y2="{height - 28}"/>')
    for number, row in enumerate(rows):
        y, style = 20 + 26 * number, "few" if row.grey else "main"
        parts.append(
            f'<text class="label" x="{left - 12:.1f}" y="{y + 4}" text-anchor="end">{escape(row.label)}</text>'
        )
        if row.value is None:
            parts.append(f'<text class="tick" x="{left + 6:.1f}" y="{y + 4}">not measurable</text>')
            continue
        if row.low is not None and row.high is not None:
            parts.append(
                f'<line class="bar {style}" x1="{at(row.low):.1f}" x2="{at(row.high):.1f}" y1="{y}" y2="{y}"/>'
            )
        parts.append(f'<circle class="dot {style}" cx="{at(row.value):.1f}" cy="{y}" r="4"/>')
    return _svg(parts, title, width, height)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    x_range: Point
    y_range: Point
    width: int
    height: int

    def at(self, x: float, y: float) -> Point:
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        across = (x - x0) / ((x1 - x0) or 1.0)
        up = (y - y0) / ((y1 - y0) or 1.0)
        return (
            _LEFT + across * (self.width - _LEFT - _RIGHT),
            self.height - _BOTTOM - up * (self.height - _TOP - _BOTTOM),
        )

    def axes(self, x_title: str, y_title: str, shown: Callable[[float], str], x_labels: Sequence[str]) -> str:
        parts = []
        for tick in _ticks(*self.y_range):
            x0, y = self.at(self.x_range[0], tick)
            x1, _ = self.at(self.x_range[1], tick)
            parts.append(f'<line class="grid" x1="{x0:.1f}" x2="{x1:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
            label = escape(shown(tick))
            parts.append(f'<text class="tick" x="{x0 - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        for tick, text in self._x_ticks(shown, x_labels):
            x, _ = self.at(tick, self.y_range[0])
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{self.height - _BOTTOM + 14}" text-anchor="middle">'
                f"{escape(text)}</text>"
            )
        middle = (_LEFT + self.width - _RIGHT) / 2
        parts.append(
            f'<text class="axis" x="{middle:.1f}" y="{self.height - 4}" text-anchor="middle">{escape(x_title)}</text>'
        )
        centre = (_TOP + self.height - _BOTTOM) / 2
        parts.append(
            f'<text class="axis" transform="translate(10 {centre:.1f}) rotate(-90)" text-anchor="middle">'
            f"{escape(y_title)}</text>"
        )
        return "".join(parts)

    def _x_ticks(self, shown: Callable[[float], str], labels: Sequence[str]) -> list[tuple[float, str]]:
        if not labels:
            return [(tick, shown(tick)) for tick in _ticks(*self.x_range)]
        step = -(-len(labels) // 6)
        return [(float(number), text) for number, text in enumerate(labels) if number % step == 0]


def _ticks(low: float, high: float) -> list[float]:
    """About five round steps inside the range."""
    span = high - low
    if span <= 0:
        return [low]
    raw = span / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * part for part in (1, 2, 2.5, 5, 10) if power * part >= raw * 0.999)
    first = math.floor(low / step)
    found = [round((first + number) * step, 10) for number in range(12)]
    return [tick for tick in found if low - step * 1e-6 <= tick <= high + step * 1e-6]


def _svg(parts: Sequence[str], title: str, width: int, height: int) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
