"""The portfolio from lines that are kept: computed when the records of a model change, read in a few statements.

Wiring: `PortfolioService(values=value, statements=statements, store=SqlPortfolio(database), clock=clock)`. The worker
calls `refresh`; who writes about one model calls it for that model, so that nobody waits for the worker's next round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, UnknownModelError
from services.value import portfolio
from services.value.budgets import BudgetView
from services.value.models import DataAge, ModelValue, Nobodys
from services.value.periods import PeriodState
from services.value.portfolio import NOBODYS, WINDOW_DAYS, Portfolio, PortfolioQuery, PortfolioRow, Sort, Totals

RULES = 3
"""Grows when the same records give other lines: all lines are then computed anew."""
AT_ONCE = 500
"""Lines computed in one round of the worker: the first round of a day must not hold up the other duties."""
AGAIN = 25
"""The oldest lines, computed again in every round: what was changed beside the services is seen too, and turns red."""
_WRITTEN_TOGETHER = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The state of everything a line rests on, as the database counts its writes."""

    head: int
    is_governed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A line to store. `row` is a model's, `unallocated` of a name nobody governs; neither: nothing to show."""

    model: str
    day: date
    head: int
    basis: str
    at: datetime
    row: PortfolioRow | None = None
    unallocated: Nobodys | None = None


class PortfolioStore(Protocol):
    """Raises StorageUnavailableError."""

    def inputs(self, models: tuple[str, ...] = ()) -> Mapping[str, Inputs]:
        """Of every model about whose value anything was ever written, or of these."""
        ...

    def bases(self, models: tuple[str, ...] = ()) -> Mapping[str, str]: ...

    def oldest(self, number: int) -> tuple[str, ...]: ...

    def keep(self, items: tuple[Kept, ...]) -> None:
        """In place of what was kept under the same names."""
        ...

    def drop(self, models: tuple[str, ...]) -> None: ...

    def search(self, query: PortfolioQuery) -> tuple[tuple[PortfolioRow, ...], int]:
        """One page and how many lines match."""
        ...

    def totals(self, today: date) -> Totals: ...

    def spent(self) -> tuple[Decimal, Decimal]:
        """(cost of governed models, cost of nobody): two sums of the totals, without the rest of them."""
        ...

    def nobodys(self, limit: int) -> tuple[Nobodys, ...]:
        """Use without an owner, the largest first."""
        ...

    def head(self) -> int:
        """Grows with every write of lines."""
        ...


class Values(Protocol):
    @property
    def currency(self) -> str: ...

    @property
    def rate_card(self) -> str: ...

    def model(self, name: str, *, days: int = 90) -> ModelValue: ...

    def budget(self, name: str) -> BudgetView: ...

    def is_stated(self, name: str) -> bool: ...

    def of_nobody(self, name: str, *, days: int = 90) -> Nobodys: ...

    def counted(self, *, days: int = 90) -> tuple[str, ...]: ...

    def age(self) -> DataAge | None: ...


class Months(Protocol):
    def months(self, model: str) -> tuple[PeriodState, ...]: ...


class PortfolioService:
    def __init__(self, *, values: Values, statements: Months, store: PortfolioStore, clock: Clock) -> None:
        self._values = values
        self._statements = statements
        self._store = store
        self._clock = clock

    def page(self, query: PortfolioQuery | None = None) -> Portfolio:
        """One page of lines, the reds first, and the totals of all lines: a fixed number of statements."""
        rows, matching = self._store.search(query or PortfolioQuery())
        return Portfolio(
            rows=rows,
            matching=matching,
            totals=self._store.totals(self._today()),
            currency=self._values.currency,
            window=rows[0].window if rows else f"last {WINDOW_DAYS} days",
            nobodys=self._store.nobodys(NOBODYS),
            age=self._values.age(),
        )

    def spent(self) -> tuple[Decimal, Decimal]:
        """What all governed models cost in the window, and what belongs to none of them."""
        return self._store.spent()

    def search(self, query: PortfolioQuery) -> tuple[tuple[PortfolioRow, ...], int]:
        """One page of lines and how many match, without the totals of all lines."""
        return self._store.search(query)

    def everything(self, *, batch: int = 1_000) -> Portfolio:
        """All lines, for an export: its totals are those of the page."""
        found = self.page(PortfolioQuery(limit=1))
        rows = tuple(self.lines(batch=batch, sort=Sort.ATTENTION))
        return replace(found, rows=rows, matching=len(rows))

    def lines(self, *, batch: int = 1_000, sort: Sort = Sort.NAME) -> Iterator[PortfolioRow]:
        """All lines as they are kept, each with the time it was computed."""
        offset = 0
        while True:
            rows, matching = self._store.search(PortfolioQuery(sort=sort, limit=batch, offset=offset))
            yield from rows
            offset += len(rows)
            if not rows or offset >= matching:
                return

    def computed(self, *, days: int = WINDOW_DAYS) -> Portfolio:
        """The same for any window, model by model from the records; nothing is kept."""
        rows, others = list[PortfolioRow](), list[Nobodys]()
        for name in self._values.counted(days=days):
            made = self._line(name, days=days)
            if isinstance(made, PortfolioRow):
                rows.append(made)
            elif made is not None:
                others.append(made)
        rows.sort(key=portfolio.attention)
        return Portfolio(
            rows=tuple(rows),
            matching=len(rows),
            totals=portfolio.totals(rows, others),
            currency=self._values.currency,
            window=rows[0].window if rows else f"last {days} days",
            nobodys=tuple(sorted(others, key=lambda item: (-item.amount, item.name))[:NOBODYS]),
        )

    def mark(self) -> str:
        """Names the state of the lines, the day and the minute: a page is the same while it is."""
        return f"{self._store.head()} {self._clock.now():%Y-%m-%d %H:%M}"

    def refresh(self, models: tuple[str, ...] = (), *, at_once: int = AT_ONCE) -> int:
        """Computes lines whose records changed, of these models or of all; how many. The rest waits for the next call.

        A line is also old on the next day, because its window ends with today.
        """
        today, known = self._today(), self._store.bases(models)
        inputs = self._store.inputs(models)
        gone = tuple(name for name in known if name not in inputs)
        if gone:
            self._store.drop(gone)
        wanted = {name: self._basis(found, today) for name, found in inputs.items()}
        stale = [name for name, basis in wanted.items() if known.get(name) != basis][:at_once]
        again = [] if models else [name for name in self._store.oldest(AGAIN) if name in inputs and name not in stale]
        due = [*stale, *again]
        for start in range(0, len(due), _WRITTEN_TOGETHER):
            part = due[start : start + _WRITTEN_TOGETHER]
            self._store.keep(tuple(self._kept(name, inputs[name], wanted[name], today) for name in part))
        return len(stale)

    def noticed(self, model: str) -> None:
        """After a write about one model. What was written stands; a line that cannot be computed now waits."""
        with suppress(ControlRoomError):
            self.refresh((model,))

    def _kept(self, name: str, found: Inputs, basis: str, today: date) -> Kept:
        made = self._line(name, days=WINDOW_DAYS)
        return Kept(
            model=name,
            day=today,
            head=found.head,
            basis=basis,
            at=self._clock.now(),
            row=made if isinstance(made, PortfolioRow) else None,
            unallocated=made if isinstance(made, Nobodys) else None,
        )

    def _line(self, name: str, *, days: int) -> PortfolioRow | Nobodys | None:
        now = self._clock.now()
        try:
            value = self._values.model(name, days=days)
            if value.last is None and not self._values.is_stated(name):
                return None
            return portfolio.row(value, self._values.budget(name), self._statements.months(name), computed_at=now)
        except UnknownModelError:
            found = self._values.of_nobody(name, days=days)
            return found if found.amount or found.unpriced else None

    def _basis(self, found: Inputs, today: date) -> str:
        parts = (str(RULES), today.isoformat(), str(found.head), str(found.is_governed))
        return hashlib.sha256("\x1f".join((*parts, self._values.rate_card)).encode()).hexdigest()[:32]

    def _today(self) -> date:
        return self._clock.now().date()
