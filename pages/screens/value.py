"""What each model costs and returns, as recorded; assumptions are marked and every number explains itself."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import streamlit as st

from pages.components import address, badges, charts, notices, parts, places, reads, session, tables
from pages.components.format import NOTHING, count, md, money, plural
from services.value.models import BenefitLine, ModelValue

session.enter("value")
room = session.control_room()


def _sum(values: list[Decimal]) -> Decimal:
    return sum(values, Decimal(0))


def _portfolio(models: tuple[ModelValue, ...]) -> None:
    with parts.header(
        "Value",
        f":gray[{plural(len(models), 'model')}, {md(models[0].window) if models else 'no window'}. "
        "As recorded, not as promised.]",
    ):
        if models:
            _export(models)
    if not models:
        notices.empty(
            "Nothing recorded yet",
            "Cost appears after the first day of use.",
            icon="payments",
            page="inventory",
            link="Models",
        )
        return
    currency = models[0].currency
    known = [item for item in models if item.benefit is not None]
    tiles = (
        ("Cost", money(_sum([item.cost for item in models]), currency), f"all {len(models)} models", None),
        (
            "Benefit recorded",
            money(_sum([item.benefit or Decimal(0) for item in known]), currency),
            f"for {len(known)} of {len(models)} models",
            None,
        ),
        (
            "Net, where benefit is known",
            money(_sum([item.net or Decimal(0) for item in known]), currency),
            f"{len(known)} models",
            None,
        ),
        ("Benefit unknown", count(len(models) - len(known)), "not counted as zero", None),
    )
    for column, (title, value, detail, state) in zip(st.columns(4), tiles, strict=True):
        with column:
            parts.tile(title, value, detail, state=state)
    with parts.card("Models", md(models[0].window)):
        frame = pd.DataFrame(
            {
                "Model": [f"**{md(item.model)}**" for item in models],
                "State": [badges.badge(item.state) for item in models],
                "Cost": [money(item.cost, currency) for item in models],
                "Predictions": [count(item.predictions) for item in models],
                "Per 1,000": [money(item.cost_per_thousand, currency) for item in models],
                "Benefit": [
                    money(item.benefit, currency) if item.benefit is not None else ":gray[not recorded]"
                    for item in models
                ],
                "Net": [money(item.net, currency) if item.net is not None else ":gray[unknown]" for item in models],
                "In one sentence": [md(item.sentence.rstrip(".")) for item in models],
            }
        )
        parts.table(frame, alt="Value of all models")
        with st.container(horizontal=True, key="value-links"):
            for item in models[:24]:
                st.page_link(
                    places.path("value"),
                    label=md(item.model),
                    icon=":material/arrow_forward:",
                    query_params={"model": item.model},
                    width="content",
                )


def _export(models: tuple[ModelValue, ...]) -> None:
    def rows() -> list[dict[str, object]]:
        return [
            {
                "model": item.model,
                "currency": item.currency,
                "window": item.window,
                "cost": str(item.cost),
                "predictions": item.predictions,
                "cost_per_1000": "" if item.cost_per_thousand is None else str(item.cost_per_thousand),
                "benefit": "" if item.benefit is None else str(item.benefit),
                "net": "" if item.net is None else str(item.net),
                "state": item.state.value,
            }
            for item in models
        ]

    now = session.now()
    st.download_button(
        "Export CSV",
        lambda: tables.to_csv(rows(), note="all models with value records", as_of=now),
        file_name=f"value-{now:%Y%m%d}.csv",
        mime="text/csv",
        icon=":material/download:",
        key="value-csv",
        on_click="ignore",
    )


def _one(item: ModelValue) -> None:
    with parts.header(
        item.model,
        f"{badges.badge(item.state)} :gray[{md(item.sentence.rstrip('.'))}. {md(item.window)}]",
        back=("value", "All models"),
    ):
        st.page_link(
            places.path("model"), label="The model", icon=":material/deployed_code:", query_params={"name": item.model}
        )
    columns = st.columns(4)
    with columns[0]:
        parts.tile(
            "Net benefit",
            money(item.net, item.currency) if item.net is not None else "unknown",
            "benefit minus cost, whole window",
        )
    with columns[1]:
        low, high = _sum([line.low for line in item.benefits]), _sum([line.high for line in item.benefits])
        detail = (
            f"between {money(low, item.currency)} and {money(high, item.currency)}"
            if item.benefits
            else "no benefit recorded"
        )
        parts.tile("Benefit", money(item.benefit, item.currency) if item.benefit is not None else "unknown", detail)
    with columns[2]:
        parts.tile("Cost", money(item.cost, item.currency), f"{count(item.predictions)} predictions")
    with columns[3]:
        _payback(item)
    left, right = st.columns([3, 2])
    with left:
        _cost_course(item)
        _benefits(item)
    with right:
        _cost_split(item)
        _measures(item)


def _payback(item: ModelValue) -> None:
    setup, months = item.setup_cost, item.payback_months
    if setup is None:
        parts.tile("Cost per 1,000", money(item.cost_per_thousand, item.currency), "predictions, whole window")
        return
    text = f"{months:.1f} months" if months is not None else "not at this pace"
    parts.tile("Payback of the setup", text, f"setup {money(setup, item.currency)}, at the net benefit of this window")


def _cost_course(item: ModelValue) -> None:
    with parts.card("Cost per 1,000 predictions", "grey bars: predictions a day"):
        if not item.days:
            notices.remark("No cost has been recorded.", "help")
            return
        figure = charts.cost_and_volume(
            [day.day for day in item.days],
            [None if day.per_thousand is None else float(day.per_thousand) for day in item.days],
            [day.predictions for day in item.days],
            parts.ink(),
            currency=item.currency,
        )
        parts.chart(figure, key="cost", alt="Cost per 1,000 predictions by day, with the number of predictions")
        parts.explain(item.cost_explanation, key="explain-cost")


def _cost_split(item: ModelValue) -> None:
    with parts.card("Where the cost comes from"):
        if not item.days:
            notices.remark("No cost has been recorded.", "help")
            return
        names = [("compute", "Compute"), ("storage", "Storage"), ("serving", "Serving"), ("fixed", "Stated, fixed")]
        split = [(title, _sum([getattr(day, name, Decimal(0)) for day in item.days])) for name, title in names]
        split = [(title, amount) for title, amount in split if amount]
        rows = [("Cost", [(title, float(amount)) for title, amount in split])]
        parts.chart(charts.shares(rows, parts.ink(), unit="", height=70), key="split", alt="Cost by component")
        parts.facts(
            [
                (title, f"{money(amount, item.currency)} :gray[{amount / item.cost * 100:.0f} %]")
                for title, amount in split
                if item.cost
            ],
            alt="Cost split",
        )


def _benefits(item: ModelValue) -> None:
    with parts.card("Benefit, with low and high", md(item.window)):
        if not item.benefits:
            notices.remark("No benefit has been recorded. That is not a benefit of zero: nobody knows it.", "help")
            return
        rows = [(line.title, float(line.low), float(line.amount), float(line.high)) for line in item.benefits]
        parts.chart(
            charts.intervals(rows, parts.ink(), currency=item.currency),
            key="benefits",
            alt="Benefit lines with low and high",
        )
        for number, line in enumerate(item.benefits):
            _benefit(line, item.currency, number)


def _benefit(line: BenefitLine, currency: str, number: int) -> None:
    assumed = f" :orange-badge[:material/edit_note: Assumption: {md(line.assumed)}]" if line.assumed else ""
    st.markdown(
        f"**{md(line.title)}:** {md(line.quantity)} at {md(line.unit_value)} = **{money(line.amount, currency)}** "
        f":gray[({money(line.low, currency)} to {money(line.high, currency)}, n = {count(line.n)})]{assumed}"
    )
    parts.explain(line.explanation, key=f"explain-benefit-{number}")


def _measures(item: ModelValue) -> None:
    with parts.card("Before and after"):
        if not item.measures:
            notices.remark("Nobody has measured the process before the model.", "help")
            return
        rows = [
            (
                md(measure.title),
                md(measure.before),
                f"**{md(measure.after)}**",
                md(measure.change),
                count(measure.n) if measure.n is not None else NOTHING,
            )
            for measure in item.measures
        ]
        parts.table(pd.DataFrame(rows, columns=["Measure", "Before", "After", "Change", "n"]), alt="Before and after")
        with st.container(horizontal=True):
            for number, measure in enumerate(item.measures):
                parts.explain(measure.explanation, label=md(measure.title), key=f"explain-measure-{number}")


models = reads.attempt("value", room.value.portfolio, key="portfolio")
if models is None:
    with parts.header("Value", ":gray[Cost and benefit cannot be read just now.]"):
        pass
else:
    chosen = address.one("model", {item.model: item for item in models}, None)
    if chosen is None:
        _portfolio(models)
    else:
        _one(chosen)
