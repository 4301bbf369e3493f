"""One model: what it returns, what that rests on, and what it costs. Every figure explains itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.components import badges, charts, notices, parts, places, reads, session, value_charts
from pages.components.format import NOTHING, count, md, money, percent, version
from services.kernel.health import Health
from services.oversight.board_models import Figure, ModelBoard
from services.value.budgets import part
from services.value.models import BenefitLine, ModelValue, VersionShare

_MEASURED = {
    "sla": ("reliability", "How it answers"),
    "drift": ("drift", "What moved"),
    "rework": ("feedback", "What people changed"),
    "override": ("feedback", "Why they changed it"),
    "lift": ("performance", "How well it predicts"),
}
"""The screen that measured a figure, and what it shows there."""
_SPLIT = (
    ("training", "Training"),
    ("evaluation", "Evaluation"),
    ("features", "Features"),
    ("jobs", "Batch and other jobs"),
    ("storage", "Storage"),
    ("serving", "Serving"),
    ("fixed", "Stated, fixed"),
)
_PARTS = {
    "compute": "**Compute**",
    "training": ":gray[of it] training",
    "evaluation": ":gray[of it] evaluation",
    "features": ":gray[of it] features",
    "jobs": ":gray[of it] batch scoring and other jobs",
    "storage": "**Storage**",
    "serving": "**Serving**",
    "fixed": "**Stated, fixed**",
}
"""Parts of the cost as they are listed, by the figure that holds each."""


def recorded(value: ModelValue) -> str:
    """How old the cost is, in one sentence of Markdown; empty where none was recorded."""
    if value.age:
        return f"{badges.badge(value.age.state)} :gray[{md(value.age.sentence)}]"
    return f":gray[Use is recorded up to {value.last:%d %b %Y}.]" if value.last else ""


def returns_section(board: ModelBoard) -> None:
    value = board.value
    columns = st.columns(4)
    for column, name in zip(columns, ("net", "multiple", "payback", "cost"), strict=True):
        with column:
            extra = f"{count(value.predictions)} predictions" if name == "cost" else ""
            figure_tile(board.figure(name), value.currency, extra=extra)
    left, right = st.columns([3, 2])
    with left:
        _course(board)
        _benefits(board)
    with right:
        _before_and_after(board)
        _signed_months(board)


def cost_section(board: ModelBoard) -> None:
    value = board.value
    columns = st.columns(4)
    for column, name in zip(columns, ("cost", "cost_per_1000", "marginal_per_1000", "cost_floor"), strict=True):
        with column:
            extra = f"{count(value.predictions)} predictions" if name == "cost_per_1000" else ""
            figure_tile(board.figure(name), value.currency, extra=extra)
    left, right = st.columns([3, 2])
    with left:
        _cost_course(board)
        _versions(board)
    with right:
        _cost_split(board)
        _budget(board)
        _advice(board)


def running_section(board: ModelBoard) -> None:
    """Service, data and people, each with trend, target, n and how it is computed."""
    shown = (*board.running, board.figure("cost_per_1000"))
    for start in range(0, len(shown), 3):
        for column, figure in zip(st.columns(3), shown[start : start + 3], strict=False):
            with column:
                _running_card(figure, board.value.model)


def figure_card(
    figure: Figure, words: str, *, key: str, trend: bool = False, place: tuple[str, str] | None = None, model: str = ""
) -> None:
    """One figure: what it is, how it stands, a sentence, its course where it has one, and how it was computed.

    `place` is the screen that measured it, and what that shows.
    """
    with st.container(border=True, height="stretch", gap="xsmall", key=f"figure-{key}"):
        st.metric(figure.title, figure.shown)
        state = f"{badges.badge(figure.state)} " if figure.state is not None else ""
        st.markdown(f"{state}:gray[{md(words)}]")
        if trend:
            _trend(figure, key)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            parts.explain(figure.explanation, key=f"explain-{key}")
            if place is not None:
                _link(*place, figure.state, model)


def _link(stem: str, words: str, state: Health | None, model: str) -> None:
    icon = badges.icon(state) if state in {Health.WATCH, Health.BREACH} else ":material/arrow_forward:"
    st.page_link(places.path(stem), label=words, icon=icon, query_params={"model": model}, width="content")


def figure_tile(figure: Figure, currency: str, *, extra: str = "") -> None:
    words = [_range(figure, currency), extra, figure.target and f"target: {figure.target}"]
    figure_card(figure, "; ".join(filter(None, words)) or figure.explanation.window, key=figure.id)


def _running_card(figure: Figure, model: str) -> None:
    n = figure.explanation.n
    wanted = f"target: {figure.target}" if figure.target else "no target agreed"
    words = f"{f'n = {count(n)}' if n is not None else 'not counted'}; {wanted}"
    figure_card(figure, words, key=f"running-{figure.id}", trend=True, place=_MEASURED.get(figure.id), model=model)


def _trend(figure: Figure, key: str) -> None:
    points = list(figure.trend)
    if sum(value is not None for _, value in points) > 1:
        picture = _drawn("spark", figure, lambda: value_charts.spark(points, parts.ink()))
        parts.chart(picture, key=f"spark-{key}", alt=f"{figure.title} over time")
    else:
        st.caption("No trend: fewer than two periods are recorded.")


def _range(figure: Figure, currency: str) -> str:
    if figure.low is None and figure.high is None:
        return ""
    if figure.unit == currency:
        ends = [money(Decimal(end), currency) if end is not None else "" for end in (figure.low, figure.high)]
    elif figure.unit == "share":
        ends = [percent(float(end), 1) if end is not None else "" for end in (figure.low, figure.high)]
    else:
        ends = [f"{float(end):,.3g}" if end is not None else "" for end in (figure.low, figure.high)]
    if not ends[1]:
        return f"from {ends[0]}; at the low end never"
    return f"{ends[0]} to {ends[1]}"


def _course(board: ModelBoard) -> None:
    with parts.card("Cumulative net benefit", md(board.curve.sentence)):
        if len(board.curve.points) < 2:
            notices.remark("Fewer than two days are recorded: there is no course yet.", "help")
            return
        parts.chart(
            _drawn(
                "value course",
                board.curve,
                lambda: value_charts.course(board.curve, parts.ink(), currency=board.value.currency),
            ),
            key="course",
            alt="Cumulative net benefit by day with its range; zero is where the setup has come back",
        )
        parts.explain(board.figure("cumulative").explanation, key="explain-course")


def _benefits(board: ModelBoard) -> None:
    value = board.value
    with parts.card("Benefit, with low and high", md(value.window)):
        if not value.benefits:
            notices.remark("No benefit has been recorded. That is not a benefit of zero: nobody knows it.", "help")
            return
        rows = [
            (line.title, float(line.low), float(line.amount), float(line.high)) for line in value.benefits if line.pays
        ]
        if rows:
            parts.chart(
                _drawn("benefits", value, lambda: charts.intervals(rows, parts.ink(), currency=value.currency)),
                key="benefits",
                alt="Benefit lines with low and high",
            )
        for number, line in enumerate(value.benefits):
            _benefit(line, value.currency, number)


def _benefit(line: BenefitLine, currency: str, number: int) -> None:
    assumed = f" :orange-badge[:material/edit_note: Assumption: {md(line.assumed)}]" if line.assumed else ""
    st.markdown(
        f"**{md(line.title)}:** {md(line.quantity)} at {md(line.unit_value)} = **{money(line.amount, currency)}** "
        f":gray[({money(line.low, currency)} to {money(line.high, currency)}, n = {count(line.n)})]{assumed}"
        + ("" if line.pays else " :gray-badge[counted, worth nothing here]")
    )
    parts.explain(line.explanation, key=f"explain-benefit-{number}")


def _before_and_after(board: ModelBoard) -> None:
    with parts.card("Before and after", md(board.statement.sentence)):
        found = board.value.measures
        if not found:
            notices.remark("Nobody has measured the process before the model.", "help")
        else:
            rows = [
                (
                    md(measure.title),
                    md(measure.before),
                    f"**{md(measure.after)}**",
                    md(measure.change),
                    count(measure.n) if measure.n is not None else NOTHING,
                )
                for measure in found
            ]
            frame = pd.DataFrame(rows, columns=["Measure", "Before", "After", "Change", "n"])
            parts.table(frame, alt="Before and after")
            with st.container(horizontal=True):
                for number, measure in enumerate(found):
                    parts.explain(measure.explanation, label=md(measure.title), key=f"explain-measure-{number}")
        parts.facts([_line(board.figure(name)) for name in ("setup", "multiple", "payback")], alt="Return")


def _line(figure: Figure) -> tuple[str, str]:
    unit = "" if figure.unit in figure.shown or figure.value is None else f" :gray[{md(figure.unit)}]"
    return md(figure.title), f"**{md(figure.shown)}**{unit}"


def _signed_months(board: ModelBoard) -> None:
    currency = board.value.currency
    with parts.card("Attested and claimed", "two sums, never added up"):
        parts.facts([_line(board.figure(name)) for name in ("attested", "claimed")], alt="Attested and claimed")
        if not board.months:
            st.caption("No month was proposed yet.")
        for state in board.months[:6]:
            if state.problem:
                notices.remark(md(state.problem), "error")
                continue
            told = (
                f"claimed {money(state.claimed, currency)}, waits for finance"
                if state.waits
                else f"{state.decision.act.value} by {state.decision.by_name}"
                if state.decision
                else ""
            )
            stands = f"attested **{money(state.attested, currency)}**; " if state.attested is not None else ""
            st.markdown(f"**{md(state.period)}** {stands}:gray[{md(told)}]")


def _cost_course(board: ModelBoard) -> None:
    value = board.value
    with parts.card("Cost per 1,000 predictions", "grey bars: predictions a day"):
        if not value.days:
            notices.remark("No cost has been recorded.", "help")
            return
        today = session.now().date()
        figure = _drawn(f"cost {today}", value, lambda: _cost_and_volume(value, today))
        parts.chart(figure, key="cost", alt="Cost per 1,000 predictions by day, with the number of predictions")
        parts.explain(value.cost_explanation, key="explain-cost-course")
        if value.last and value.last >= today:
            st.caption(f"{value.last:%d %b %Y} is not over: its cost per 1,000 is left out.")
        if value.unpriced:
            notices.remark(md(value.unpriced), "error")


def _cost_and_volume(value: ModelValue, today: date) -> go.Figure:
    return charts.cost_and_volume(
        [day.day for day in value.days],
        [
            # The fixed cost of a day that is not over has not met its predictions yet.
            None if day.per_thousand is None or day.day >= today else float(day.per_thousand)
            for day in value.days
        ],
        [day.predictions for day in value.days],
        parts.ink(),
        currency=value.currency,
    )


def _drawn(what: str, of: object, draw: Callable[[], go.Figure]) -> go.Figure:
    """A board is kept while nothing was written about its model, and so are its pictures."""
    return reads.drawn(what, of, parts.ink().paper, draw)


def _cost_split(board: ModelBoard) -> None:
    value = board.value
    with parts.card("Where the cost comes from", "by day, and in the whole window"):
        if not value.days:
            notices.remark("No cost has been recorded.", "help")
            return
        split = [(title, [getattr(day, name) for day in value.days]) for name, title in _SPLIT]
        shown = [(title, [float(amount) for amount in amounts]) for title, amounts in split if any(amounts)]
        if shown:
            picture = _drawn(
                "split",
                value,
                lambda: value_charts.cost_by_day(
                    [day.day for day in value.days], shown, parts.ink(), currency=value.currency
                ),
            )
            parts.chart(picture, key="split", alt="Cost by day and part")
        parts.facts([_part(board, name) for name in _PARTS], alt="Cost split")
        note = board.figure("cost_compute").explanation.note
        if note:
            st.caption(md(note))
        nobody = board.figure("cost_unallocated")
        parts.facts([_line(nobody)], alt="Cost that belongs to no model")
        st.caption(md(f"{nobody.explanation.note} In no figure above; the names are on the page of all models."))


def _part(board: ModelBoard, name: str) -> tuple[str, str]:
    """An amount and its share of the whole, or that nobody recorded it."""
    figure, value = board.figure(f"cost_{name}"), board.value
    title = _PARTS[name]
    if figure.value is None:
        return title, f":gray[{md(figure.shown)}]"
    share = f" :gray[{Decimal(figure.value) / value.cost * 100:.0f} %]" if value.cost else ""
    return title, f"{money(Decimal(figure.value), value.currency)}{share}"


def _versions(board: ModelBoard) -> None:
    value = board.value
    laid = "the bill and the fixed cost are" if value.age else "measured use; fixed cost and storage are"
    with parts.card("By version", f"{laid} laid on versions by their predictions"):
        if not value.versions:
            notices.remark("Nothing was recorded by version.", "help")
            return
        parts.table(
            _version_frame(value.versions, value.currency, billed=value.age is not None),
            alt="Cost by version, an allocation",
        )


def _version_frame(shares: Sequence[VersionShare], currency: str, *, billed: bool) -> pd.DataFrame:
    """A bill knows no version: there is nothing measured to show beside what is laid on each."""
    frame = pd.DataFrame(
        {
            "Version": [version(share.version) if share.version else ":gray[none]" for share in shares],
            "Predictions": [count(share.predictions) for share in shares],
            "Measured": [money(share.measured, currency) for share in shares],
            "Allocated": [money(share.allocated, currency) for share in shares],
            "Per 1,000 (allocation)": [money(share.per_thousand, currency) for share in shares],
        }
    )
    return frame.drop(columns="Measured") if billed else frame


def _budget(board: ModelBoard) -> None:
    view = board.budget
    with parts.card("Budget", md(view.month)):
        st.markdown(f"{badges.badge(view.state)} {md(view.sentence)}")
        parts.facts([_line(board.figure(name)) for name in ("budget_spent", "budget_forecast")], alt="Budget")
        parts.explain(view.explanation, label="How is this forecast?", key="explain-budget")


def _advice(board: ModelBoard) -> None:
    advice, currency = board.advice, board.value.currency
    with parts.card("Right size", md(advice.title)):
        st.markdown(md(advice.sentence))
        rows = []
        if advice.utilisation is not None:
            rows.append(("Used of the size paid for", part(advice.utilisation, 1)))
        if advice.idle_share is not None:
            rows.append((advice.idle_words, part(advice.idle_share, 1)))
        if advice.saving is not None:
            low, high = money(advice.saving.low, currency), money(advice.saving.high, currency)
            rows.append(("Saving a month", f"{money(advice.saving.base, currency)} :gray[({low} to {high})]"))
        if advice.latency:
            rows.append(("Effect on latency", md(advice.latency)))
        if rows:
            parts.facts(rows, alt="Right size")
        parts.explain(advice.explanation, key="explain-advice")
