"""Figures of the performance screen. Pure. What labels confirm and what scores suggest are never in one figure."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from pages.components import charts
from pages.components.charts import Ink, Limit, Line
from pages.components.format import number
from services.kernel.interval import Estimate
from services.monitoring.calibration import Calibration
from services.monitoring.maturity import Maturity
from services.monitoring.metrics import WORDS
from services.monitoring.performance_models import Band, Cohort, DecayView


def confirmed(view: DecayView, ink: Ink) -> go.Figure:
    """The metric of mature cohorts with its interval; younger cohorts have no point."""
    values = [cohort.confirmed for cohort in view.cohorts]
    line = _line("Confirmed", view.cohorts, values)
    figure = charts.trend([line], ink, limits=_limits(view), hover="%{y:.3f} confirmed", right=150, height=280)
    return _same_days(figure, view)


def estimated(view: DecayView, ink: Ink) -> go.Figure:
    """What scores alone lead to expect, dashed, with the same limits."""
    finished = [cohort for cohort in view.cohorts if cohort.finished]
    line = _line("Estimated", finished, [cohort.estimate for cohort in finished], style="live", colour=ink.series[3])
    figure = charts.trend([line], ink, limits=_limits(view), hover="%{y:.3f} estimated", right=150, height=280)
    return _same_days(figure, view)


def _same_days(figure: go.Figure, view: DecayView) -> go.Figure:
    """The same days on every axis, so that what labels do not tell yet shows as an empty end."""
    if len(view.cohorts) > 1:
        figure.update_xaxes(range=[view.cohorts[0].end, view.cohorts[-1].end])
    return _calm(figure)


def _calm(figure: go.Figure) -> go.Figure:
    figure.update_xaxes(nticks=5, tickangle=0)
    return figure


def _line(
    name: str, cohorts: Sequence[Cohort], values: Sequence[Estimate | None], *, style: str = "main", colour: str = ""
) -> Line:
    last = next((value.value for value in reversed(values) if value), None)
    return Line(
        name=name,
        x=[cohort.end for cohort in cohorts],
        y=[value.value if value else None for value in values],
        low=[value.low if value else None for value in values],
        high=[value.high if value else None for value in values],
        style=style,
        colour=colour,
        label=f"{name} {number(last, 3)}",
    )


def _limits(view: DecayView) -> list[Limit]:
    band: Band | None = view.band
    if band is None:
        return []
    worse = band.low if WORDS[view.metric].higher_is_better else band.high
    return [
        Limit(value=worse, label=f"Out of line, {number(worse, 3)}"),
        Limit(value=band.mean, label=f"Reference mean {number(band.mean, 3)}", severity="plain"),
    ]


def maturity(found: Maturity, ink: Ink) -> go.Figure:
    """Usual share of predictions with a label by age in days; the age from which cohorts are judged is marked."""
    ages = [point.age for point in found.points]
    figure = go.Figure(
        go.Scatter(
            x=charts.thin(ages),
            y=charts.thin([point.share for point in found.points]),
            mode="lines",
            line={"color": ink.accent, "width": 2.2, "shape": "hv"},
            hovertemplate="%{y:.0%} by day %{x}",
        )
    )
    if found.age is not None:
        figure.add_vline(x=found.age, line={"color": ink.muted, "width": 1.2, "dash": "dot"})
        figure.add_annotation(
            x=found.age,
            y=0.04,
            yref="paper",
            text=f"mature from day {found.age}",
            showarrow=False,
            xanchor="left",
            xshift=6,
            font={"color": ink.muted, "size": 12},
        )
    charts.layout(figure, ink, height=240, right=24, y_format=".0%", y_title="share with a label")
    figure.update_layout(hovermode="closest", margin={"l": 64, "b": 44})
    figure.update_yaxes(range=[0, 1.04])
    figure.update_xaxes(title={"text": "days since the prediction", "font": {"size": 11, "color": ink.muted}})
    return figure


def calibration_over_time(cohorts: Sequence[Cohort], ink: Ink) -> go.Figure:
    """Mean score minus share of positive labels, cohort by cohort: above zero the model promises too much."""
    values = [cohort.calibration.large if cohort.calibration else None for cohort in cohorts]
    figure = charts.trend(
        [_line("Score minus label", cohorts, values)],
        ink,
        limits=[Limit(value=0.0, label="Right on average", severity="plain")],
        hover="%{y:+.3f}",
        right=150,
        height=240,
    )
    return _calm(figure)


def reliability(found: Calibration, ink: Ink) -> go.Figure:
    """What the model said against what happened, with intervals; right scores lie on the diagonal."""
    groups = found.groups
    top = max([0.1, *(group.score for group in groups), *(group.happened.high for group in groups)])
    figure = go.Figure(
        [
            go.Scatter(
                x=[0, top], y=[0, top], mode="lines", line={"color": ink.muted, "width": 1.2, "dash": "dot"},
                hoverinfo="skip",
            ),
            go.Scatter(
                x=[group.score for group in groups],
                y=[group.happened.value for group in groups],
                customdata=[group.n for group in groups],
                mode="markers",
                marker={"color": ink.accent, "size": 8},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [group.happened.high - group.happened.value for group in groups],
                    "arrayminus": [group.happened.value - group.happened.low for group in groups],
                    "color": ink.muted,
                    "thickness": 1.4,
                    "width": 4,
                },
                hovertemplate="said %{x:.1%}, happened %{y:.1%}, n = %{customdata:,}<extra></extra>",
            ),
        ]
    )  # fmt: skip
    charts.layout(figure, ink, height=260, right=16, y_format=".0%", y_title="positive labels")
    figure.update_layout(hovermode="closest", margin={"l": 64, "b": 44})
    figure.update_xaxes(
        range=[0, top * 1.02],
        tickformat=".0%",
        nticks=6,
        title={"text": "mean score of the group", "font": {"size": 11, "color": ink.muted}},
    )
    figure.update_yaxes(range=[0, top * 1.04])
    return figure


def rates(name: str, days: Sequence[object], values: Sequence[Estimate | None], ink: Ink) -> go.Figure:
    """A share over time with its interval."""
    last = next((value.value for value in reversed(values) if value), None)
    line = Line(
        name=name,
        x=list(days),
        y=[value.value if value else None for value in values],
        low=[value.low if value else None for value in values],
        high=[value.high if value else None for value in values],
        label="" if last is None else f"{last * 100:.1f} %",
    )
    figure = charts.trend([line], ink, from_zero=True, y_format=".0%", hover="%{y:.1%}", right=76, height=200)
    return _calm(figure)
