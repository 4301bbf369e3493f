"""Lines of the portfolio as a table and as facts of one model. Pure: no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from pages.components import badges, tables
from pages.components.format import count, day, md, money, percent, visible
from services.kernel.health import Health
from services.value.portfolio import PortfolioRow

UNKNOWN = "unknown"


def portfolio(rows: Sequence[PortfolioRow]) -> pd.DataFrame:
    """Amounts are numbers and sort as numbers; what is not known stays empty."""

    def amounts(name: str) -> Any:
        return pd.array([_rounded(getattr(row, name)) for row in rows], dtype="Float64")

    return pd.DataFrame(
        {
            "model": [visible(row.model) for row in rows],
            "state": [[badges.word(row.state)] for row in rows],
            "net": amounts("net"),
            "benefit": amounts("benefit"),
            "cost": pd.array([_rounded(row.cost) if row.is_costed else None for row in rows], dtype="Float64"),
            "per": amounts("cost_per_thousand"),
            "multiple": amounts("multiple"),
            "payback": [payback(row) for row in rows],
            "budget": [budget(row) for row in rows],
            "sentence": [visible(row.sentence) for row in rows],
        }
    )


def portfolio_columns(currency: str) -> Mapping[str, Any]:
    return {
        "model": tables.text("Model", width=175),
        "state": tables.chips("State", badges.chips(list(Health)), width=88),
        "net": tables.numeric(f"Net, {currency}", "localized", width=105),
        "benefit": tables.numeric(f"Benefit, {currency}", "localized", width=110),
        "cost": tables.numeric(f"Cost, {currency}", "localized", width=100),
        "per": tables.numeric("Per 1,000", "%.2f", width=80, help_text="Cost per 1,000 predictions"),
        "multiple": tables.numeric("Multiple", "%.1f", width=75, help_text="Times the setup comes back in 12 months"),
        "payback": tables.text("Payback", width=125),
        "budget": tables.text("Budget", width=110),
        "sentence": tables.text("In one sentence", width=420),
    }


def _rounded(amount: Decimal | None) -> float | None:
    """Whole units from a hundred on, so that a column reads at a glance; the export has every digit."""
    return None if amount is None else round(float(amount), 0 if abs(amount) >= 100 else 2)


def facts(row: PortfolioRow) -> list[tuple[str, str]]:
    signed = f"version {row.statement} of its value statement" if row.statement else "figures that nobody signed"
    return [
        ("Net benefit", _range(row)),
        ("Cost", money(row.cost, row.currency) if row.is_costed else ":gray[not recorded]"),
        ("Predictions", count(row.predictions)),
        ("Payback", md(row.payback_answer) or UNKNOWN),
        ("Attested", f"{money(row.attested, row.currency)} :gray[{count(row.attested_months)} months]"),
        ("Claimed, not decided", f"{money(row.claimed, row.currency)} :gray[{count(len(row.waiting))} months]"),
        ("Computed with", signed),
        ("Use recorded up to", day(row.last)),
    ]


def payback(row: PortfolioRow) -> str:
    if row.monthly_net is None or row.setup is None:
        return UNKNOWN
    if not row.setup:
        return "nothing to pay back"
    return "not at this pace" if row.payback_months is None else f"{row.payback_months:.1f} months"


def budget(row: PortfolioRow) -> str:
    if row.budget is None:
        return "none set"
    share = f" {percent(float(row.budget_share))}" if row.budget_share is not None else ""
    return f"{badges.word(row.budget_state)}{share}"


def _range(row: PortfolioRow) -> str:
    if row.net is None:
        return ":gray[unknown, not zero]"
    if row.benefit_low is None or row.benefit_high is None:
        return money(row.net, row.currency)
    low, high = (money(end - row.cost, row.currency) for end in (row.benefit_low, row.benefit_high))
    return f"{money(row.net, row.currency)} :gray[({low} to {high})]"
