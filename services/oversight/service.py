"""What needs a human now, what happened, and whether the machinery that watches is alive.

Wiring: `OversightService(inventory=inventory, monitoring=monitoring, reliability=reliability, value=value,
store=SqlOversight(database), clock=clock, environment="embedded", registry="MLflow (embedded)",
stale_seconds=settings.worker_stale_seconds)`.
"""

from __future__ import annotations

from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.identity import Actor
from services.monitoring.service import MonitoringService
from services.oversight.models import Home, Operations, TimelineEvent, TodoItem
from services.oversight.ports import OversightStore
from services.reliability.service import ReliabilityService
from services.value.service import ValueService


class OversightService:
    def __init__(
        self,
        *,
        inventory: InventoryService,
        monitoring: MonitoringService,
        reliability: ReliabilityService,
        value: ValueService,
        store: OversightStore,
        clock: Clock,
        environment: str,
        registry: str,
        stale_seconds: int = 60,
    ) -> None:
        self._inventory = inventory
        self._monitoring = monitoring
        self._reliability = reliability
        self._value = value
        self._store = store
        self._clock = clock
        self._environment = environment
        self._registry = registry
        self._stale_seconds = stale_seconds

    def home(self, actor: Actor) -> Home:
        raise NotImplementedError

    def operations(self) -> Operations:
        raise NotImplementedError

    def timeline(self, model: str, limit: int = 100) -> tuple[TimelineEvent, ...]:
        raise NotImplementedError

    def refresh_summaries(self) -> int:
        raise NotImplementedError

    def findings(self, model: str = "") -> tuple[TodoItem, ...]:
        raise NotImplementedError
