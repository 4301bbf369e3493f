"""What a model costs and what it brought, as recorded; unit values are assumptions and carry a name.

Wiring: `ValueService(facts=DuckDbUsageFacts(folder), store=SqlValue(database), catalog=inventory,
rates=Rates(currency=..., cpu_hour=settings.rate_cpu_hour, gb_month=settings.rate_gb_month), clock=clock)`.
Refresh monitoring and feedback first: benefits are read from their counts.
"""

from __future__ import annotations

from services.kernel.clock import Clock
from services.value.models import ModelValue, Rates, ValueConfig
from services.value.ports import Catalog, UsageFacts, ValueStore


class ValueService:
    def __init__(self, *, facts: UsageFacts, store: ValueStore, catalog: Catalog, rates: Rates, clock: Clock) -> None:
        self._facts = facts
        self._store = store
        self._catalog = catalog
        self._rates = rates
        self._clock = clock

    def register_value_config(self, configs: tuple[ValueConfig, ...]) -> None:
        raise NotImplementedError

    def portfolio(self, *, days: int = 90) -> tuple[ModelValue, ...]:
        raise NotImplementedError

    def model(self, name: str, *, days: int = 90) -> ModelValue:
        raise NotImplementedError

    def refresh(self) -> int:
        raise NotImplementedError
