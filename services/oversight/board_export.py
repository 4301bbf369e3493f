"""The board as plain rows: what the command line prints, what screens export, and what tests compare. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from services.kernel.clock import utc_text
from services.oversight.board_models import Figure, ModelBoard, Portfolio, PortfolioRow


def of_model(board: ModelBoard) -> dict[str, Any]:
    return {
        "model": board.value.model,
        "currency": board.value.currency,
        "window": board.value.window,
        "statement": board.statement.sentence,
        "state": board.value.state.value,
        "sentence": board.value.sentence,
        "figures": [figure_row(item) for item in board.figures],
        "before_and_after": [
            {
                "measure": item.title,
                "before": item.before,
                "after": item.after,
                "change": item.change,
                "n": item.n,
                "source": item.explanation.source,
                "note": item.explanation.note,
            }
            for item in board.value.measures
        ],
        "months": [
            {
                "period": item.period,
                "claimed": _text(item.claimed),
                "attested": _text(item.attested),
                "waits": item.waits,
                "problem": item.problem,
            }
            for item in board.months
        ],
        "right_size": {
            "advice": board.advice.title,
            "sentence": board.advice.sentence,
            "latency": board.advice.latency,
        },
    }


def figure_row(item: Figure) -> dict[str, Any]:
    about = item.explanation
    return {
        "id": item.id,
        "title": item.title,
        "shown": item.shown,
        "value": _text(item.value),
        "unit": item.unit,
        "low": _text(item.low),
        "high": _text(item.high),
        "n": about.n,
        "target": item.target,
        "state": item.state.value if item.state else "",
        "formula": about.formula,
        "inputs": about.source,
        "window": about.window,
        "as_of": utc_text(about.as_of) if about.as_of else "",
        "note": about.note,
    }


def of_portfolio(found: Portfolio) -> dict[str, Any]:
    return {
        "currency": found.currency,
        "window": found.window,
        "totals": {
            "cost": str(found.cost),
            "unallocated": str(found.unallocated),
            "benefit": str(found.benefit),
            "net": str(found.net),
            "attested": str(found.totals.attested),
            "claimed": str(found.totals.claimed),
            "models": len(found.rows),
            "benefit_known": len(found.known),
            "red": len(found.red),
        },
        "models": [portfolio_row(row) for row in found.rows],
        "unallocated": [
            {"name": item.name, "cost": str(item.amount), "unpriced": item.unpriced} for item in found.nobodys
        ],
        "bill": found.age.sentence if found.age else "",
    }


def portfolio_row(row: PortfolioRow) -> dict[str, Any]:
    """One line of the exported table; columns that are added up on the screen add up here to the same sums."""
    value, found = row.value, row.value.returns
    payback = found.payback if found else None
    multiple = found.multiple if found else None
    budget = row.budget
    return {
        "model": value.model,
        "state": row.state.value,
        "currency": value.currency,
        "window": value.window,
        "cost": str(value.cost),
        "predictions": value.predictions,
        "cost_per_1000": _text(value.cost_per_thousand),
        "benefit": _text(value.benefit),
        "benefit_low": _text(sum((line.low for line in value.benefits), Decimal(0)) if value.benefits else None),
        "benefit_high": _text(sum((line.high for line in value.benefits), Decimal(0)) if value.benefits else None),
        "net": _text(value.net),
        "setup": _text(value.setup_cost),
        "multiple": _text(multiple.base if multiple else None),
        "payback_months": _text(payback.base if payback else None),
        "payback": found.payback_answer if found else "",
        "budget": _text(budget.budget if budget else None),
        "forecast": _text(budget.forecast.base if budget and budget.forecast else None),
        "statement_version": value.statement,
    }


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """For a terminal: one line per figure, how it was computed below it."""
    if "model" not in document:
        yield f"{document['window']}, in {document['currency']}"
        yield from (f"  {name:16} {amount}" for name, amount in document["totals"].items())
        for row in document["models"]:
            yield f"{row['model']:32} {row['state']:8} net {row['net'] or 'not known':>14}  payback {row['payback']}"
        return
    yield f"{document['model']}: {document['sentence']}"
    yield f"{document['window']}. {document['statement']}"
    for row in document["figures"]:
        ends = f" ({row['low']} to {row['high']})" if row["low"] or row["high"] else ""
        counted = f", n = {row['n']:,}" if row["n"] is not None else ""
        yield f"{row['title']}: {row['shown']}{ends}{counted}" + (f"  [{row['state']}]" if row["state"] else "")
        yield f"    = {row['formula']}; {row['inputs']}; {row['window']}" + (f". {row['note']}" if row["note"] else "")
    for row in document["before_and_after"]:
        yield f"{row['measure']}: {row['before']} before, {row['after']} after {row['change']}".rstrip()


def _text(found: Decimal | float | None) -> str:
    return "" if found is None else str(found)
