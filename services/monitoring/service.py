"""Drift, performance with late labels, and batch runs, from daily profiles that are computed once.

Wiring: `MonitoringService(facts=DuckDbMonitoringFacts(folder), store=SqlMonitoring(database),
catalog=inventory, clock=clock)`.
"""

from __future__ import annotations

from services.kernel.clock import Clock
from services.monitoring.models import Distribution, DriftView, JobRun, MonitoringConfig, PerformanceView
from services.monitoring.ports import Catalog, MonitoringFacts, MonitoringStore


class MonitoringService:
    def __init__(self, *, facts: MonitoringFacts, store: MonitoringStore, catalog: Catalog, clock: Clock) -> None:
        self._facts = facts
        self._store = store
        self._catalog = catalog
        self._clock = clock

    def register_config(self, configs: tuple[MonitoringConfig, ...]) -> None:
        raise NotImplementedError

    def drift(self, model: str, *, window_days: int = 7) -> DriftView:
        raise NotImplementedError

    def distribution(self, model: str, feature: str, *, window_days: int = 7) -> Distribution:
        raise NotImplementedError

    def performance(self, model: str) -> PerformanceView:
        raise NotImplementedError

    def job_runs(self, model: str, limit: int = 60) -> tuple[JobRun, ...]:
        raise NotImplementedError

    def refresh(self) -> int:
        raise NotImplementedError
