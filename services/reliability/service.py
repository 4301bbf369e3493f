"""Latency and errors per version against the promise, and batch runs against their window.

Wiring: `ReliabilityService(facts=DuckDbRequestFacts(folder), store=SqlReliability(database), catalog=inventory,
clock=clock)`; any object with `model(name) -> GovernedModel` serves as catalog. Refresh monitoring first: it reads
the batch runs.
"""

from __future__ import annotations

from services.kernel.clock import Clock
from services.reliability.models import SlaView
from services.reliability.ports import Catalog, ReliabilityStore, RequestFacts


class ReliabilityService:
    def __init__(self, *, facts: RequestFacts, store: ReliabilityStore, catalog: Catalog, clock: Clock) -> None:
        self._facts = facts
        self._store = store
        self._catalog = catalog
        self._clock = clock

    def sla(self, model: str, *, days: int = 7) -> SlaView:
        raise NotImplementedError

    def refresh(self) -> int:
        raise NotImplementedError
