"""All models by what they cost and return: totals first, reds on top, attested and claimed apart."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pandas as pd
import streamlit as st

from pages.components import badges, exporting, notices, parts, places, session, value_gate
from pages.components.format import count, md, money, percent, plural
from services.kernel.health import Health
from services.kernel.identity import Permission
from services.oversight import board_export
from services.oversight.board_models import Portfolio, PortfolioRow
from services.value.review_service import ReturnReview

_LINKS, _UNOWNED = 24, 20
_ORDER = (Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY)


def show(found: Portfolio, reviews: Sequence[ReturnReview] = ()) -> None:
    """`reviews` wait for the answer of an owner: their models are red, whatever this window says."""
    rows = sorted(found.rows, key=lambda row: (_ORDER.index(row.state), -(row.value.net or Decimal(0))))
    with parts.header(
        "Value", f":gray[{plural(len(rows), 'model')}, {md(found.window)}. As recorded, not as promised.]"
    ):
        if rows and session.control_room().people.may(session.signed_in(), Permission.EXPORT):
            exporting.popover(
                "value",
                lambda: [board_export.portfolio_row(row) for row in rows],
                note=f"all models with value records, {found.window}; totals are the sums of these rows",
            )
    if not rows:
        notices.empty(
            "Nothing recorded yet",
            "Cost appears after the first day of use.",
            icon="payments",
            page="inventory",
            link="Models",
        )
        return
    for problem in found.totals.problems:
        notices.remark(md(problem), "error")
    _totals(found, reviews)
    _bill(found)
    _signed(found)
    value_gate.red(reviews)
    with parts.card("Models", md(found.window)):
        parts.table(_frame(rows, found.currency), alt="Value of all models")
        with st.container(horizontal=True, key="value-links"):
            for row in rows[:_LINKS]:
                st.page_link(
                    places.path("value"),
                    label=md(row.value.model),
                    icon=":material/arrow_forward:",
                    query_params={"model": row.value.model},
                    width="content",
                )


def _totals(found: Portfolio, reviews: Sequence[ReturnReview]) -> None:
    under = {state.review.model for state in reviews}
    known, red = found.known, [row for row in found.rows if row.state is Health.BREACH or row.value.model in under]
    columns = st.columns(4)
    with columns[0]:
        parts.tile(
            "Net benefit",
            money(found.net, found.currency) if known else "unknown",
            f"{len(known)} of {plural(len(found.rows), 'model')}; the others are unknown, not zero",
        )
    with columns[1]:
        total = found.cost + found.unallocated
        share = percent(float(found.unallocated / total), 1) if total else "0 %"
        parts.tile(
            "Cost",
            money(found.cost, found.currency),
            f"and {money(found.unallocated, found.currency)} ({share}) that belongs to no governed model",
        )
    with columns[2]:
        parts.tile("Payback of all setups", *_payback(found))
    with columns[3]:
        names = ", ".join(row.value.model for row in red[:3]) or "none is red"
        waiting = f"; {plural(len(under), 'model')} to keep or retire" if under else ""
        parts.tile("Red", count(len(red)), f"{names}{waiting}", state=Health.BREACH if red else None)


def _bill(found: Portfolio) -> None:
    """What of a platform's bill nobody owns, and how far the bill reaches. Measured use has no bill."""
    if found.age is None:
        return
    st.markdown(f"{badges.badge(found.age.state)} :gray[{md(found.age.sentence)}]")
    if found.nobodys:
        rows = [(md(item.name), money(item.amount, found.currency), md(item.unpriced)) for item in found.nobodys]
        with parts.card("Billed, and laid on no model", "the largest first; name owners by tag, job or endpoint"):
            frame = pd.DataFrame(rows[:_UNOWNED], columns=["Use", "Cost", "Without a price"])
            parts.table(frame, alt="Unallocated part of the bill")
            if len(rows) > _UNOWNED:
                st.caption(f"{len(rows) - _UNOWNED} more are in the sum and in the export of the command line.")


def _payback(found: Portfolio) -> tuple[str, str]:
    setup, monthly = found.setup, found.monthly_net
    if not found.known or not setup:
        return "unknown", "no setup, or no benefit, is on record"
    words = f"setup {money(setup, found.currency)}, net {money(monthly, found.currency)} a month"
    return (f"{setup / monthly:.1f} months", words) if monthly > 0 else ("not at this pace", words)


def _signed(found: Portfolio) -> None:
    """Two sums that are never added up."""
    totals = found.totals
    left, right = st.columns(2)
    with left:
        parts.tile(
            "Attested by finance",
            money(totals.attested, found.currency),
            f"{plural(totals.attested_months, 'month')} of all models, attested or cut",
        )
    with right:
        parts.tile(
            "Claimed, not decided",
            money(totals.claimed, found.currency),
            f"{plural(totals.waiting_months, 'month')} proposed by owners; finance decides",
            state=Health.WATCH if totals.waiting_months else None,
        )


def _frame(rows: list[PortfolioRow], currency: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Model": [f"**{md(row.value.model)}**" for row in rows],
            "State": [badges.badge(row.state) for row in rows],
            "Net": [money(row.value.net, currency) if row.value.net is not None else ":gray[unknown]" for row in rows],
            "Benefit": [
                money(row.value.benefit, currency) if row.value.benefit is not None else ":gray[not recorded]"
                for row in rows
            ],
            "Cost": [money(row.value.cost, currency) if row.value.days else ":gray[not recorded]" for row in rows],
            "Per 1,000": [money(row.value.cost_per_thousand, currency) for row in rows],
            "Multiple": [_multiple(row) for row in rows],
            "Payback": [_months(row) for row in rows],
            "Budget": [_budget(row) for row in rows],
            "In one sentence": [md(_sentence(row).rstrip(".")) for row in rows],
        }
    )


def _sentence(row: PortfolioRow) -> str:
    """Of what makes it red: the budget, where the return is not."""
    over = row.budget is not None and row.budget.state is row.state is Health.BREACH
    return row.budget.sentence if over and row.budget and row.value.state is not Health.BREACH else row.value.sentence


def _multiple(row: PortfolioRow) -> str:
    found = row.value.returns
    if found is None or found.multiple is None:
        return ":gray[unknown]"
    return f"{found.multiple.base:.1f} in {found.horizon_months} months"


def _months(row: PortfolioRow) -> str:
    found = row.value.returns
    if found is None or found.monthly_net is None or found.setup is None:
        return ":gray[unknown]"
    if found.payback is None:
        return "nothing to pay back" if not found.setup else "not at this pace"
    return f"{found.payback.base:.1f} months"


def _budget(row: PortfolioRow) -> str:
    view = row.budget
    if view is None or view.budget is None:
        return ":gray[none set]"
    share = f" {percent(float(view.share))}" if view.share is not None else ""
    return f"{badges.badge(view.state)}{share}"
