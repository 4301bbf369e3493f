"""The board as plain rows: what the command line prints, what screens export, and what tests compare. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from services.kernel.clock import utc_text
from services.oversight.board_models import Figure, ModelBoard
from services.value.calculation import EVALUATION, FEATURES, TRAINING
from services.value.models import CostDay
from services.value.portfolio import Portfolio, PortfolioRow


def of_model(board: ModelBoard) -> dict[str, Any]:
    return {
        "model": board.value.model,
        "currency": board.value.currency,
        "window": board.value.window,
        "statement": board.statement.sentence,
        "state": board.value.state.value,
        "sentence": board.value.sentence,
        "figures": [{**figure_row(item), "trend": _trend(item)} for item in board.figures],
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
        "right_size": _right_size(board),
        "versions": [
            {
                "version": item.version,
                "predictions": item.predictions,
                "measured": str(item.measured),
                "allocated": str(item.allocated),
                "per_1000": _text(item.per_thousand),
            }
            for item in board.value.versions
        ],
        "cost_by_day": [_day(item, board.value.recorded) for item in board.value.days],
        "bill": board.value.age.sentence if board.value.age else "",
        "use_recorded_up_to": board.value.last.isoformat() if board.value.last else "",
    }


def _right_size(board: ModelBoard) -> dict[str, Any]:
    advice = board.advice
    return {
        "advice": advice.title,
        "sentence": advice.sentence,
        "used_of_the_size": _text(advice.utilisation),
        "idle_hours_share": _text(advice.idle_share),
        "saving_a_month": _text(advice.saving.base) if advice.saving else "",
        "saving_low": _text(advice.saving.low) if advice.saving else "",
        "saving_high": _text(advice.saving.high) if advice.saving else "",
        "latency": advice.latency,
        "formula": advice.explanation.formula,
        "inputs": advice.explanation.source,
        "window": advice.explanation.window,
        "n": advice.explanation.n,
    }


def _day(item: CostDay, recorded: frozenset[str]) -> dict[str, Any]:
    """A part that nobody recorded is empty, not zero. Compute is the sum of its parts."""
    parts = {name: str(getattr(item, name)) if name in recorded else "" for name in (TRAINING, EVALUATION, FEATURES)}
    return {
        "day": item.day.isoformat(), "compute": str(item.compute), **parts, "jobs": str(item.jobs),
        "storage": str(item.storage), "serving": str(item.serving), "fixed": str(item.fixed),
        "total": str(item.total), "marginal": str(item.marginal), "predictions": item.predictions,
    }  # fmt: skip


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


def _trend(item: Figure) -> list[dict[str, Any]]:
    return [{"day": day.isoformat(), "value": value} for day, value in item.trend]


def of_portfolio(found: Portfolio) -> dict[str, Any]:
    totals = found.totals
    return {
        "currency": found.currency,
        "window": found.window,
        "totals": {
            "cost": str(totals.cost),
            "unallocated": str(totals.unallocated),
            "benefit": str(totals.benefit),
            "net": str(totals.net),
            "attested": str(totals.attested),
            "claimed": str(totals.claimed),
            "models": totals.models,
            "benefit_known": totals.known,
            "red": totals.red,
            "waiting_for_records": totals.behind,
        },
        "models": [portfolio_row(row) for row in found.rows],
        "unallocated": [
            {"name": item.name, "cost": str(item.amount), "unpriced": item.unpriced} for item in found.nobodys
        ],
        "bill": found.age.sentence if found.age else "",
    }


def portfolio_row(row: PortfolioRow) -> dict[str, Any]:
    """One line of the exported table; columns that are added up on the screen add up here to the same sums."""
    return {
        "model": row.model,
        "state": row.state.value,
        "currency": row.currency,
        "window": row.window,
        "cost": str(row.cost),
        "predictions": row.predictions,
        "cost_per_1000": _text(row.cost_per_thousand),
        "benefit": _text(row.benefit),
        "benefit_low": _text(row.benefit_low),
        "benefit_high": _text(row.benefit_high),
        "net": _text(row.net),
        "setup": _text(row.setup),
        "monthly_net": _text(row.monthly_net),
        "multiple": _text(row.multiple),
        "payback_months": _text(row.payback_months),
        "payback": row.payback_answer,
        "budget": _text(row.budget),
        "forecast": _text(row.forecast),
        "attested": str(row.attested),
        "claimed": str(row.claimed),
        "statement_version": row.statement,
        "computed_at": utc_text(row.computed_at),
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
