"""What the board of one model and of the portfolio holds: every figure with formula, inputs, window, n and interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.kernel.health import Explanation, Health
from services.value.budgets import Advice, BudgetView
from services.value.models import DataAge, ModelValue, Nobodys
from services.value.periods import PeriodState
from services.value.returns import Curve
from services.value.statement_service import StatementView, Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of the board. `value` is None where nothing is known; `shown` then says so in words."""

    id: str
    title: str
    value: Decimal | float | None
    shown: str
    unit: str
    explanation: Explanation
    low: Decimal | float | None = None
    high: Decimal | float | None = None
    target: str = ""
    """What it is held against, in words; empty where nobody agreed on one."""
    state: Health | None = None
    """None for figures that are told and not judged."""
    trend: tuple[tuple[date, float | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBoard:
    value: ModelValue
    curve: Curve
    statement: StatementView
    months: tuple[PeriodState, ...]
    proposable: tuple[str, ...]
    budget: BudgetView
    advice: Advice
    money: tuple[Figure, ...]
    running: tuple[Figure, ...]
    """Service, data and people: adherence, drift, incidents, rework, pipelines, lift."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        return (*self.money, *self.running)

    def figure(self, name: str) -> Figure:
        """Raises KeyError."""
        found = next((item for item in self.figures if item.id == name), None)
        if found is None:
            raise KeyError(name)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioRow:
    value: ModelValue
    budget: BudgetView | None

    @property
    def state(self) -> Health:
        """The worse of return and budget; a model without a budget is judged by its return alone."""
        judged = [self.value.state]
        if self.budget is not None and self.budget.budget is not None:
            judged.append(self.budget.state)
        return Health.worst(judged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    rows: tuple[PortfolioRow, ...]
    totals: Totals
    unallocated: Decimal
    currency: str
    window: str
    nobodys: tuple[Nobodys, ...] = ()
    """What the unallocated part is made of, the largest first."""
    age: DataAge | None = None
    """How far the platform's bill reaches; None where use is measured here."""

    @property
    def cost(self) -> Decimal:
        """Of the models; the unallocated part is apart."""
        return sum((row.value.cost for row in self.rows), Decimal(0))

    @property
    def known(self) -> tuple[PortfolioRow, ...]:
        """Models whose benefit is recorded."""
        return tuple(row for row in self.rows if row.value.benefit is not None)

    @property
    def benefit(self) -> Decimal:
        return sum((row.value.benefit or Decimal(0) for row in self.known), Decimal(0))

    @property
    def net(self) -> Decimal:
        """Benefit of the models where it is known, minus the cost of the same models."""
        return sum((row.value.net or Decimal(0) for row in self.known), Decimal(0))

    @property
    def setup(self) -> Decimal:
        return sum((row.value.setup_cost or Decimal(0) for row in self.known), Decimal(0))

    @property
    def monthly_net(self) -> Decimal:
        """Net benefit per month of all models where it is known, each at its own pace."""
        paces = [row.value.returns.monthly_net for row in self.known if row.value.returns is not None]
        return sum((pace.base for pace in paces if pace is not None), Decimal(0))

    @property
    def red(self) -> tuple[PortfolioRow, ...]:
        return tuple(row for row in self.rows if row.state is Health.BREACH)
