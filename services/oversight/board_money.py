"""Figures about money, each with its formula, as value and its statements say. Pure; nothing is computed twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

from services.kernel.health import Explanation, Health
from services.oversight.board_models import Figure
from services.value import returns
from services.value.budgets import BudgetView
from services.value.calculation import EVALUATION, FEATURES, TRAINING
from services.value.models import BenefitLine, CostDay, ModelValue
from services.value.periods import PeriodState
from services.value.returns import Curve
from services.value.statement_service import StatementView

UNKNOWN = "not known"
NOT_RECORDED = "not recorded"
_CPU = "CPU seconds x rate per CPU hour, or what the platform billed"
_COMPONENTS = (
    ("compute", "Compute", f"Training + evaluation + features + batch scoring and other jobs: {_CPU}"),
    ("storage", "Storage", "Bytes at the end of each day x rate per GB and month / 30, or what the platform billed"),
    ("serving", "Serving", f"{_CPU}, of the serving processes"),
    ("fixed", "Stated, fixed", "Stated cost per month / 30 x days"),
)
_PARTS = ((TRAINING, "Training"), (EVALUATION, "Evaluation"), (FEATURES, "Features"))
"""Parts of compute by the component that use is recorded under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unallocated:
    """Use of the whole workspace that belongs to no governed model, beside the cost of all that do."""

    amount: Decimal
    of: Decimal
    window: str


def figures(
    value: ModelValue,
    curve: Curve,
    statement: StatementView,
    months: tuple[PeriodState, ...],
    budget: BudgetView,
    *,
    unallocated: Unallocated,
) -> tuple[Figure, ...]:
    return (
        *_costs(value),
        _of_nobody(value, unallocated),
        *_benefits(value),
        *_returns(value, curve, statement),
        *_months(value, months),
        *_budget(budget),
    )


def amount(found: Decimal | None, currency: str) -> str:
    """Two digits; what is there and rounds to nothing is told as that."""
    if found is None:
        return UNKNOWN
    return _small(found, Decimal("0.01"), currency) or f"{found:,.2f} {currency}"


def _thousandth(found: Decimal | None, currency: str) -> str:
    if found is None:
        return UNKNOWN
    return _small(found, Decimal("0.0001"), currency) or f"{found:,.4f} {currency}"


def _small(found: Decimal, least: Decimal, currency: str) -> str:
    return f"under {least} {currency}" if 0 < found < least / 2 else ""


def _costs(value: ModelValue) -> Iterable[Figure]:
    cost = value.cost if value.days else None
    yield Figure(
        id="cost", title="Cost", value=cost, shown=amount(cost, value.currency), unit=value.currency,
        explanation=value.cost_explanation, trend=tuple((day.day, float(day.total)) for day in value.days),
    )  # fmt: skip
    for name, title, formula in _COMPONENTS:
        part = _sum(value, name) if value.days else None
        note = _missing(value) if name == "compute" else ""
        yield _figure(value, f"cost_{name}", title, part, formula, note=note, trend=_daily(value, name))
        if name == "compute":
            yield from _compute(value)
    thousand = value.cost_per_thousand
    yield Figure(
        id="cost_per_1000", title="Cost per 1,000 predictions", value=thousand,
        shown=_thousandth(thousand, value.currency), unit=value.currency,
        explanation=_explain(value, "Cost of the window x 1,000 / predictions of the window", n=value.predictions),
        trend=_weekly(value.days),
    )  # fmt: skip
    marginal = value.marginal_per_thousand
    yield Figure(
        id="marginal_per_1000", title="Marginal cost per 1,000 predictions", value=marginal,
        shown=_thousandth(marginal, value.currency), unit=value.currency,
        explanation=_explain(
            value, "Cost of scoring (serving and batch) x 1,000 / predictions: what one more thousand costs",
            n=value.predictions,
        ),
    )  # fmt: skip
    floor = value.floor if value.days else None
    yield _figure(value, "cost_floor", "Floor: what it costs without a prediction", floor, "Cost - cost of scoring")


def _compute(value: ModelValue) -> Iterable[Figure]:
    absent = dict(value.absent)
    for name, title in _PARTS:
        known = name in value.recorded
        found = _sum(value, name) if known else None
        yield Figure(
            id=f"cost_{name}", title=f"Compute of {title.lower()}", value=found,
            shown=amount(found, value.currency) if known else absent.get(name, NOT_RECORDED), unit=value.currency,
            explanation=_explain(
                value, _CPU, n=len(value.days) if known else 0,
                note="" if known else _why(title, absent.get(name, "")),
            ),
            trend=_daily(value, name) if known else (),
        )  # fmt: skip
    jobs = _sum(value, "jobs") if value.days else None
    title = "Compute of batch scoring and other jobs"
    yield _figure(value, "cost_jobs", title, jobs, _CPU, trend=_daily(value, "jobs"))


def _why(title: str, absent: str) -> str:
    return (
        f"{absent[0].upper()}{absent[1:]}, so there is nothing to record."
        if absent
        else f"{title} left no record of use in this window: it is in no figure of this page."
    )


def _missing(value: ModelValue) -> str:
    """What compute does not hold, said beside it."""
    if not value.days:
        return ""
    absent = dict(value.absent)
    missing = [(name, title) for name, title in _PARTS if name not in value.recorded]
    unknown = ", ".join(title.lower() for name, title in missing if name not in absent)
    told = [f"Not recorded in this window, and so not in it: {unknown}."] if unknown else []
    return " ".join([*told, *(_why(title, absent[name]) for name, title in missing if name in absent)])


def _sum(value: ModelValue, name: str) -> Decimal:
    return sum((getattr(day, name) for day in value.days), Decimal(0))


def _daily(value: ModelValue, name: str) -> tuple[tuple[date, float | None], ...]:
    return tuple((day.day, float(getattr(day, name))) for day in value.days)


def _of_nobody(value: ModelValue, found: Unallocated) -> Figure:
    total = found.amount + found.of
    share = f"{found.amount / total:.1%} of everything that was used." if total else ""
    return Figure(
        id="cost_unallocated", title="Belongs to no model, of the whole workspace", value=found.amount,
        shown=amount(found.amount, value.currency), unit=value.currency,
        explanation=_explain(
            value, "Use under names that no governed model has; laid on nobody, and in no cost of a model",
            note=share, window=found.window, source="Recorded use of everything; names of the inventory",
        ),
    )  # fmt: skip


def _weekly(days: tuple[CostDay, ...]) -> tuple[tuple[date, float | None], ...]:
    """Cost per thousand by ISO week, named by its first recorded day; a week without predictions has none."""
    weeks: dict[tuple[int, int], list[CostDay]] = {}
    for day in days:
        weeks.setdefault(day.day.isocalendar()[:2], []).append(day)
    found = []
    for members in weeks.values():
        made = sum(day.predictions for day in members)
        spent = sum((day.total for day in members), Decimal(0))
        found.append((members[0].day, float(spent * 1000 / made) if made else None))
    return tuple(found)


def _benefits(value: ModelValue) -> Iterable[Figure]:
    for number, line in enumerate(value.benefits, 1):
        yield Figure(
            id=f"benefit_{number}", title=line.title, value=line.amount, low=line.low, high=line.high,
            shown=amount(line.amount, value.currency), unit=value.currency, explanation=_counted(line),
        )  # fmt: skip
    low, high = (
        sum((getattr(line, end) for line in value.benefits), Decimal(0)) if value.benefits else None
        for end in ("low", "high")
    )
    assumed = "; ".join(dict.fromkeys(line.assumed for line in value.benefits if line.assumed and line.pays))
    yield Figure(
        id="benefit", title="Gross benefit", value=value.benefit, low=low, high=high,
        shown=amount(value.benefit, value.currency), unit=value.currency,
        explanation=_explain(
            value, "Sum of the benefit lines; ends are added as if all were at the same end at once",
            n=sum(line.n for line in value.benefits if line.pays), note=f"Assumption: {assumed}" if assumed else "",
        ),
    )  # fmt: skip
    yield Figure(
        id="net", title="Net benefit", value=value.net, shown=amount(value.net, value.currency), unit=value.currency,
        low=None if low is None else low - value.cost, high=None if high is None else high - value.cost,
        state=value.state, explanation=_explain(value, "Gross benefit - operating cost", note=value.sentence),
        target="at least zero, also at the low end",
    )  # fmt: skip


def _counted(line: BenefitLine) -> Explanation:
    """With what was counted, which the amount alone does not say: of a line that pays nothing it is all there is."""
    return replace(line.explanation, note=f"{line.quantity} at {line.unit_value}. {line.explanation.note}".strip())


def _returns(value: ModelValue, curve: Curve, statement: StatementView) -> Iterable[Figure]:
    found = value.returns
    if found is None:
        return
    net, multiple, payback = found.monthly_net, found.multiple, found.payback
    gate = statement.config.gate_monthly_net
    yield Figure(
        id="monthly_net", title="Net benefit per month", value=net.base if net else None,
        low=net.low if net else None, high=net.high if net else None,
        shown=amount(net.base if net else None, value.currency), unit=value.currency,
        target=f"at least {gate:,.2f} {value.currency}", state=_gate(net, gate),
        explanation=_explain(value, returns.FORMULA_NET, n=found.days, note=f"{found.days} days with a record."),
    )  # fmt: skip
    yield Figure(
        id="setup", title="One-time setup", value=found.setup, shown=amount(found.setup, value.currency),
        unit=value.currency,
        explanation=_explain(value, "As stated", source=statement.config.cost_source, note=statement.sentence),
    )  # fmt: skip
    yield Figure(
        id="multiple", title=f"Return multiple over {found.horizon_months} months",
        value=multiple.base if multiple else None, low=multiple.low if multiple else None,
        high=multiple.high if multiple else None,
        shown=f"{multiple.base:.1f}" if multiple else UNKNOWN, unit="times the setup",
        explanation=_explain(
            value, f"{returns.FORMULA_MULTIPLE} ({found.horizon_months} months)",
            note=f"{found.multiple_answer} {returns.DIFFERENT}",
        ),
    )  # fmt: skip
    yield Figure(
        id="payback", title="Payback", value=payback.base if payback else None,
        low=payback.soonest if payback else None, high=payback.latest if payback else None,
        shown=f"{payback.base:.1f} months" if payback else found.payback_answer.split(":")[0].rstrip("."),
        unit="months",
        explanation=_explain(
            value, returns.FORMULA_PAYBACK, note=f"{found.payback_answer} {returns.DIFFERENT}",
        ),
    )  # fmt: skip
    realised = found.realised
    yield Figure(
        id="realised", title="Share of the setup that came back in this window", value=realised,
        shown=UNKNOWN if realised is None else f"{realised:.0%}", unit="share",
        explanation=_explain(value, "Net benefit of the window / one-time setup; nothing is extrapolated"),
    )  # fmt: skip
    last = curve.points[-1] if curve.points else None
    yield Figure(
        id="cumulative", title="Cumulative net benefit since the first record", value=last.base if last else None,
        low=last.low if last else None, high=last.high if last else None,
        shown=amount(last.base if last else None, value.currency), unit=value.currency,
        explanation=_explain(
            value, "- setup + sum of (gross benefit - operating cost) of every day", n=len(curve.points),
            window=f"{curve.points[0].day:%d %b %Y} to {curve.points[-1].day:%d %b %Y}" if last else "nothing recorded",
            note=curve.sentence,
        ),
        trend=tuple((point.day, float(point.base)) for point in curve.points),
    )  # fmt: skip


def _gate(net: returns.Span | None, gate: Decimal) -> Health:
    if net is None:
        return Health.UNKNOWN
    if net.base < gate:
        return Health.BREACH
    return Health.WATCH if net.low < gate else Health.HEALTHY


def _months(value: ModelValue, months: tuple[PeriodState, ...]) -> Iterable[Figure]:
    sound = [state for state in months if not state.problem]
    problem = next((state.problem for state in months if state.problem), "")
    attested = [state.attested for state in sound if state.attested is not None]
    claimed = [state.claimed for state in sound if state.claimed is not None]
    for name, title, found, who in (
        ("attested", "Benefit attested by finance", attested, "attested or cut by finance"),
        ("claimed", "Benefit claimed and not decided", claimed, "proposed by the owner, waiting for finance"),
    ):
        total = sum(found, Decimal(0)) if found else None
        yield Figure(
            id=name, title=title, value=total,
            shown=amount(total, value.currency) if found else "none", unit=value.currency,
            state=Health.BREACH if problem else None,
            explanation=Explanation(
                formula=f"Sum of months {who}; the other sum is never added to it",
                source="Signed entries of the ledger", window="every month that was proposed", as_of=None,
                n=len(found), note=problem,
            ),
        )  # fmt: skip


def _budget(view: BudgetView) -> Iterable[Figure]:
    yield Figure(
        id="budget_spent", title=f"Spent in {view.month}", value=view.spent,
        shown=amount(view.spent, view.currency), unit=view.currency,
        target="no budget is set" if view.budget is None else f"budget {view.budget:,.2f} {view.currency}",
        explanation=view.explanation,
    )  # fmt: skip
    ahead = view.forecast
    yield Figure(
        id="budget_forecast", title=f"Forecast to the end of {view.month}", value=ahead.base if ahead else None,
        low=ahead.low if ahead else None, high=ahead.high if ahead else None,
        shown=amount(ahead.base if ahead else None, view.currency), unit=view.currency,
        target="no budget is set" if view.budget is None else f"budget {view.budget:,.2f} {view.currency}",
        state=view.state, explanation=view.explanation,
    )  # fmt: skip


def _figure(
    value: ModelValue,
    name: str,
    title: str,
    found: Decimal | None,
    formula: str,
    *,
    note: str = "",
    trend: tuple[tuple[date, float | None], ...] = (),
) -> Figure:
    return Figure(
        id=name, title=title, value=found, shown=amount(found, value.currency), unit=value.currency,
        explanation=_explain(value, formula, n=len(value.days), note=note), trend=trend,
    )  # fmt: skip


def _explain(
    value: ModelValue, formula: str, *, n: int | None = None, note: str = "", source: str = "", window: str = ""
) -> Explanation:
    return Explanation(
        formula=formula,
        source=source or f"Recorded facts; {_signed(value)}",
        window=window or value.window,
        as_of=datetime.combine(value.last, time(), UTC) if value.last else None,
        n=n,
        note=note,
    )


def _signed(value: ModelValue) -> str:
    number = value.statement
    return f"version {number} of the value statement" if number else "figures of the catalog, signed by nobody"
