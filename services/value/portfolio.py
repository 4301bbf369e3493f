"""One line per model, and what all lines add up to. Pure: the store keeps lines, and its sums are the sums made here.

Amounts of a line are rounded to the cent before anything is added, so that the sums on screen are the sums of the
exported lines, whoever adds them. Attested and claimed are two sums and never one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from services.kernel.health import Health
from services.value.budgets import BudgetView
from services.value.calculation import cents
from services.value.models import DataAge, ModelValue, Nobodys
from services.value.periods import PeriodState

WINDOW_DAYS = 90
LARGEST = Decimal(10**12)
"""An amount of one model beyond this is a typing error: it is told and not added to anything."""
ORDER = (Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY)
"""What needs somebody comes first."""
NOBODYS = 100
"""Names of use without an owner that are told one by one; their sum has all of them."""
_NAMED = 3
_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMonth:
    """A month that its owner proposed and finance has not decided on."""

    period: str
    amount: Decimal
    by_name: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioRow:
    """A model in the portfolio; None where nothing is known, which is not zero."""

    model: str
    title: str
    state: Health
    """The worse of return and budget; a model without a budget is judged by its return alone."""
    value_state: Health
    sentence: str
    """Of what makes it red: the budget, where the return is not."""
    value_sentence: str
    currency: str
    window: str
    cost: Decimal
    is_costed: bool
    """A cost was recorded; without one `cost` is no figure."""
    predictions: int
    cost_per_thousand: Decimal | None
    benefit: Decimal | None
    benefit_low: Decimal | None
    benefit_high: Decimal | None
    net: Decimal | None
    setup: Decimal | None
    """Zero where it is stated that there was none."""
    monthly_net: Decimal | None
    multiple: Decimal | None
    horizon_months: int
    payback_months: Decimal | None
    payback_answer: str
    budget: Decimal | None
    budget_state: Health
    budget_share: Decimal | None
    forecast: Decimal | None
    statement: int
    attested: Decimal
    claimed: Decimal
    attested_months: int
    waiting: tuple[WaitingMonth, ...]
    problems: tuple[str, ...]
    """Why months of this model count for nothing."""
    last: date | None
    """The last day with a record of use."""
    computed_at: datetime
    budget_month: str = ""
    budget_day: str = ""
    """The day its forecast was made on."""
    budget_sentence: str = ""
    budget_n: int | None = None
    """Days of cost behind the forecast."""

    @property
    def is_known(self) -> bool:
        """Its benefit is recorded."""
        return self.benefit is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Over all models. Net, setup and pace are of the models whose benefit is known."""

    models: int
    known: int
    red: int
    red_names: tuple[str, ...]
    cost: Decimal
    unallocated: Decimal
    benefit: Decimal
    net: Decimal
    setup: Decimal
    monthly_net: Decimal
    attested: Decimal
    claimed: Decimal
    attested_months: int
    waiting_months: int
    problems: tuple[str, ...]
    oldest: datetime | None
    """When the line was computed that was computed longest ago; None without lines."""
    behind: int = 0
    """Models whose records have changed since their line was computed."""


class Sort(StrEnum):
    ATTENTION = "attention"
    """Reds first, then by net benefit."""
    NET = "net"
    COST = "cost"
    MULTIPLE = "multiple"
    PAYBACK = "payback"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioQuery:
    text: str = ""
    """Part of a model's name."""
    models: tuple[str, ...] = ()
    """Only these; empty for all."""
    states: tuple[Health, ...] = ()
    waiting: bool = False
    """Only models with a month that waits for finance."""
    sort: Sort = Sort.ATTENTION
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """One page of lines, and what all lines add up to."""

    rows: tuple[PortfolioRow, ...]
    matching: int
    """Lines that match the question; the page is a part of them."""
    totals: Totals
    currency: str
    window: str
    nobodys: tuple[Nobodys, ...] = ()
    """What the unallocated part of the cost is made of, the largest first; at most `NOBODYS`."""
    age: DataAge | None = None
    """How far the platform's bill reaches; None where use is measured here."""


def row(
    value: ModelValue, budget: BudgetView | None, months: Sequence[PeriodState], *, computed_at: datetime
) -> PortfolioRow:
    value = _plausible(value)
    found, sound = value.returns, [month for month in months if not month.problem]
    judged = [value.state]
    if budget is not None and budget.budget is not None:
        judged.append(budget.state)
    state = Health.worst(judged)
    over = budget is not None and budget.state is state is Health.BREACH and value.state is not Health.BREACH
    return PortfolioRow(
        model=value.model,
        title=value.title,
        state=state,
        value_state=value.state,
        sentence=budget.sentence if over and budget else value.sentence,
        value_sentence=value.sentence,
        currency=value.currency,
        window=value.window,
        cost=cents(value.cost),
        is_costed=bool(value.days),
        predictions=value.predictions,
        cost_per_thousand=value.cost_per_thousand,
        benefit=_cents(value.benefit),
        benefit_low=cents(sum((line.low for line in value.benefits), Decimal(0))) if value.benefits else None,
        benefit_high=cents(sum((line.high for line in value.benefits), Decimal(0))) if value.benefits else None,
        net=_cents(value.net),
        setup=_cents(found.setup if found else value.setup_cost),
        monthly_net=_cents(found.monthly_net.base if found and found.monthly_net else None),
        multiple=found.multiple.base if found and found.multiple else None,
        horizon_months=found.horizon_months if found else 0,
        payback_months=found.payback.base if found and found.payback else None,
        payback_answer=found.payback_answer if found else "",
        budget=_cents(budget.budget if budget else None),
        budget_state=budget.state if budget else Health.UNKNOWN,
        budget_share=budget.share if budget else None,
        forecast=_cents(budget.forecast.base if budget and budget.forecast else None),
        statement=value.statement,
        attested=sum((month.attested or Decimal(0) for month in sound), Decimal(0)),
        claimed=sum((month.claimed or Decimal(0) for month in sound), Decimal(0)),
        attested_months=sum(month.attested is not None for month in sound),
        waiting=tuple(
            WaitingMonth(
                period=month.period, amount=month.proposal.amount, by_name=month.proposal.by_name,
                at=month.proposal.at,
            )
            for month in sound if month.proposal is not None and month.waits
        ),
        problems=tuple(dict.fromkeys(month.problem for month in months if month.problem)),
        last=value.last,
        computed_at=computed_at,
        budget_month=budget.month if budget else "",
        budget_day=budget.window if budget else "",
        budget_sentence=budget.sentence if budget else "",
        budget_n=budget.explanation.n if budget else None,
    )  # fmt: skip


def totals(rows: Iterable[PortfolioRow], unallocated: Iterable[Nobodys] = (), *, behind: int = 0) -> Totals:
    """What the lines add up to."""
    lines, others = sorted(rows, key=attention), tuple(unallocated)
    known, red = [line for line in lines if line.is_known], [line for line in lines if line.state is Health.BREACH]
    return Totals(
        models=len(lines),
        known=len(known),
        red=len(red),
        red_names=tuple(line.model for line in red[:_NAMED]),
        cost=_sum(line.cost for line in lines),
        unallocated=_sum(item.amount for item in others),
        benefit=_sum(line.benefit for line in known),
        net=_sum(line.net for line in known),
        setup=_sum(line.setup for line in known),
        monthly_net=_sum(line.monthly_net for line in known),
        attested=_sum(line.attested for line in lines),
        claimed=_sum(line.claimed for line in lines),
        attested_months=sum(line.attested_months for line in lines),
        waiting_months=sum(len(line.waiting) for line in lines),
        problems=tuple(dict.fromkeys(problem for line in lines for problem in line.problems))[:_PROBLEMS],
        oldest=min((line.computed_at for line in lines), default=None),
        behind=behind,
    )


def attention(line: PortfolioRow) -> tuple[int, Decimal, str]:
    """The order of `Sort.ATTENTION`."""
    return ORDER.index(line.state), -(line.net or Decimal(0)), line.model


def _plausible(value: ModelValue) -> ModelValue:
    amounts = (value.cost, value.benefit, value.net, value.setup_cost)
    if all(amount is None or abs(amount) <= LARGEST for amount in amounts):
        return value
    words = (
        f"A figure of this model is beyond {LARGEST:,} {value.currency}: nothing of it is counted. Check the digits."
    )
    return replace(
        value, cost=min(value.cost, LARGEST), benefits=(), benefit=None, net=None, setup_cost=None, returns=None,
        state=Health.BREACH, sentence=words,
    )  # fmt: skip


def _cents(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else cents(amount)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal("0.00"))
