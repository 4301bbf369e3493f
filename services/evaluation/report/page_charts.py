"""The figures of a report for its page: ranking, calibration, groups, time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from services.evaluation.report import reading
from services.evaluation.report.drawing import Curve, Dot, intervals, plot
from services.evaluation.report.reading import fairness_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    svg: Markup
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    title: str
    figures: tuple[Figure, ...]
    note: str = ""
    key: bool = False
    """True when both versions are drawn, so that their lines must be told apart."""


def charts(report: Mapping[str, Any]) -> tuple[Charts, ...]:
    """What the report has figures for, in reading order."""
    parts = (_ranking(report), _reliability(report), _groups(report), _weeks(report))
    return tuple(part for part in parts if part is not None)


def _figure(svg: str, caption: str) -> Figure:
    # Drawn by this package, which escapes every label itself.
    return Figure(svg=Markup(svg), caption=caption)  # noqa: S704


def _ranking(report: Mapping[str, Any]) -> Charts | None:
    mine, live = report.get("curves") or {}, report.get("champion_curves") or {}
    figures = []
    for name, caption, x, y in (
        ("roc", "ROC curve", "false alarms", "positives found"),
        ("pr", "Precision and recall", "positives found", "precision"),
    ):
        if mine.get(name):
            curves = [Curve(points=live[name], style="live")] if live.get(name) else []
            if name == "roc":
                curves.insert(0, Curve(points=[(0, 0), (1, 1)], style="even"))
            curves.append(Curve(points=mine[name], style="main"))
            figures.append(_figure(plot(curves, title=caption, x_title=x, y_title=y), caption))
    return Charts(title="Ranking", figures=tuple(figures), key=bool(live)) if figures else None


def _reliability(report: Mapping[str, Any]) -> Charts | None:
    figures = []
    for key, version in (
        ("champion_reliability", f"Version {(report.get('champion') or {}).get('version', '')}, live"),
        ("reliability", f"Version {report['version']}"),
    ):
        bins = report.get(key) or []
        if not bins:
            continue
        top = max(max(item["mean_score"], item["observed_high"]) for item in bins) or 1.0
        points = [(item["mean_score"], item["observed"]) for item in bins]
        whiskers = [(item["mean_score"], item["observed_low"], item["observed_high"]) for item in bins]
        drawn = plot(
            [
                Curve(points=[(0, 0), (top, top)], style="even"),
                Curve(points=points, style="main", dots=True, whiskers=whiskers),
            ],
            title=f"Reliability: {version}",
            x_title="mean score",
            y_title="observed share",
            x_range=(0.0, top),
            y_range=(0.0, top),
            shown=lambda value: f"{value * 100:g} %",
        )
        figures.append(_figure(drawn, version))
    note = "Rows of similar score: how often the outcome came true. On the dotted line scores mean what they say."
    return Charts(title="Calibration", figures=tuple(figures), note=note) if figures else None


def _groups(report: Mapping[str, Any]) -> Charts | None:
    lines = fairness_lines(report)
    figures = []
    for attribute, measure in dict.fromkeys((line.attribute, line.measure) for line in lines):
        mine = [line for line in lines if (line.attribute, line.measure) == (attribute, measure)]
        rows = [
            Dot(
                label=f"{line.group}, n = {line.n:,}{' (too few)' if line.few else ''}",
                value=line.value,
                low=line.low,
                high=line.high,
                grey=line.few,
            )
            for line in mine
        ]
        scale: Callable[[float], str] = _scale(measure)
        title = f"{mine[0].title} ({attribute.replace('_', ' ')}: {mine[0].reference})"
        figures.append(_figure(intervals(rows, title=title, neutral=mine[0].neutral, shown=scale), title))
    note = "Each group beside the largest one of its attribute. Grey and hollow: too few rows to say anything."
    return Charts(title="Groups", figures=tuple(figures), note=note) if figures else None


def _scale(measure: str) -> Callable[[float], str]:
    if measure.endswith("_gap") and measure != "error_gap":
        return lambda value: f"{value * 100:g} pts"
    return lambda value: f"{value:g}"


def _weeks(report: Mapping[str, Any]) -> Charts | None:
    known = [item for item in report.get("stability") or () if item["value"] is not None]
    if len(known) < 2:
        return None
    values = [end for item in known for end in (item["value"], item["low"], item["high"]) if end is not None]
    room = (max(values) - min(values)) * 0.1 or 1.0
    whiskers = [
        (float(at), item["low"], item["high"])
        for at, item in enumerate(known)
        if item["low"] is not None and item["high"] is not None
    ]
    drawn = plot(
        [
            Curve(
                points=[(float(at), item["value"]) for at, item in enumerate(known)],
                style="main",
                dots=True,
                whiskers=whiskers,
            )
        ],
        title="Stability over time",
        x_title="slice begins",
        y_title=reading.MEASURES[f"holdout_{known[0]['metric']}"].title,
        x_range=(-0.5, len(known) - 0.5),
        y_range=(min(values) - room, max(values) + room),
        shown=lambda value: f"{value:g}",
        x_labels=[item["slice"].partition(" ")[0] for item in known],
        width=760,
    )
    return Charts(title="Stability over time", figures=(_figure(drawn, "Each slice of the held-out rows"),))
