"""What the board of one model holds: every figure with formula, inputs, window, n and interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.kernel.health import Explanation, Health
from services.value.budgets import Advice, BudgetView
from services.value.models import ModelValue
from services.value.periods import PeriodState
from services.value.returns import Curve
from services.value.statement_service import StatementView


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
