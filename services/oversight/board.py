"""The board of value of one model: every figure of service, data, people and money.

Wiring: `ValueBoard(values=value, statements=statements, facts=BoardFacts(…), reliability=…, cpus=settings.serving_cpus,
cpu_hour=settings.rate_cpu_hour, mark=…, clock=clock)`. Reading only: what is signed, the statements service signs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.data_health.models import PipelineHealth
from services.data_health.service import DataHealthService
from services.feedback.correction_service import CorrectionService
from services.feedback.rework import Rework
from services.incidents.models import Summary
from services.incidents.service import IncidentService
from services.kernel.clock import Clock
from services.kernel.errors import UnavailableError
from services.monitoring.models import DriftView, PerformanceView
from services.monitoring.service import MonitoringService
from services.oversight import board_money, board_running
from services.oversight.board_models import ModelBoard
from services.oversight.board_money import Unallocated
from services.oversight.board_running import Before, Facts
from services.reliability.models import MonthsView, SlaView
from services.reliability.service import ReliabilityService
from services.value import batch_size, budgets
from services.value.calculation import as_share
from services.value.models import BaselineId, ValueConfig
from services.value.portfolio import WINDOW_DAYS
from services.value.service import ValueService
from services.value.statement_service import StatementService

_TRAFFIC_DAYS = 14
"""As far back as requests are kept by the hour on the reliability charts."""
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFacts:
    """Implements board_running.Facts with the services that measure."""

    reliability: ReliabilityService
    monitoring: MonitoringService
    corrections: CorrectionService
    incident_desk: IncidentService
    health: DataHealthService

    def sla(self, model: str, days: int) -> SlaView:
        return self.reliability.sla(model, days=days)

    def months(self, model: str) -> MonthsView:
        return self.reliability.months(model, back=6)

    def drift(self, model: str) -> DriftView:
        return self.monitoring.drift(model)

    def incidents(self, model: str) -> Summary:
        return self.incident_desk.summary(model)

    def reviews(self, model: str) -> Rework:
        """Of every version: people correct what was answered, whichever version answered it."""
        return self.corrections.rework(model)

    def pipelines(self, days: int) -> tuple[PipelineHealth, ...]:
        return self.health.pipelines(days=days)

    def performance(self, model: str) -> PerformanceView:
        return self.monitoring.performance(model)


class ValueBoard:
    def __init__(
        self,
        *,
        values: ValueService,
        statements: StatementService,
        facts: Facts,
        cpus: Decimal,
        cpu_hour: Decimal,
        unallocated: Callable[[], Unallocated],
        mark: Callable[[str], str],
        clock: Clock,
    ) -> None:
        """`mark` changes with every write about a model; `cpus` are the processors kept for one endpoint around the
        clock, as stated in the settings.
        """
        self._values = values
        self._statements = statements
        self._facts = facts
        self._cpus = cpus
        self._cpu_hour = cpu_hour
        self._unallocated = unallocated
        self._mark = mark
        self._clock = clock

    def mark(self, name: str) -> str:
        """Names the state of what a board rests on, and the minute: a board is the same while it is."""
        return f"{self._mark(name)} {self._clock.now():%Y-%m-%d %H:%M}"

    def model(self, name: str, *, days: int = WINDOW_DAYS) -> ModelBoard:
        """Raises UnknownModelError."""
        value = self._values.model(name, days=days)
        curve, view = self._values.course(name), self._statements.view(name)
        months, budget = self._statements.months(name), self._values.budget(name)
        return ModelBoard(
            value=value,
            curve=curve,
            statement=view,
            months=months,
            proposable=self._statements.proposable(name),
            budget=budget,
            advice=self._advice(name),
            money=board_money.figures(value, curve, view, months, budget, unallocated=self._unallocated()),
            running=board_running.figures(self._facts, name, before=_before(view.config), now=self._clock.now()),
        )

    def _advice(self, name: str) -> budgets.Advice:
        traffic = _traffic(
            lambda: self._facts.sla(name, _TRAFFIC_DAYS), self._values.serving_seconds(name, days=_TRAFFIC_DAYS)
        )
        size = {"cpus": self._cpus, "cpu_hour": self._cpu_hour}
        runs = self._values.batch_runs(name, days=WINDOW_DAYS) if traffic is None else None
        if runs is not None and runs.spans:
            return batch_size.right_size(runs, currency=self._values.currency, **size)
        return budgets.right_size(traffic, currency=self._values.currency, **size)


def _before(config: ValueConfig) -> Before:
    def stated(name: BaselineId) -> float | None:
        found = config.baseline(name)
        return as_share(found) if found else None

    return Before(override=stated(BaselineId.OVERRIDE_RATE), rework=stated(BaselineId.REWORK_RATE))


def _traffic(ask: Callable[[], SlaView], cpu_seconds: float) -> budgets.Traffic | None:
    """None where requests cannot be read or are not counted: batch jobs have no idle hours of an endpoint."""
    try:
        view = ask()
    except UnavailableError:
        return None
    if not view.points:
        return None
    by_hour = _by_hour((point.start, point.volume) for point in view.points)
    first, last = min(by_hour), max(by_hour)
    return budgets.Traffic(
        hours=int((last - first) / _HOUR) + 1,
        busy_hours=sum(n > 0 for n in by_hour.values()),
        requests=sum(by_hour.values()),
        busiest=max(by_hour.values()),
        cpu_seconds=cpu_seconds,
        p95_ms=view.latency.value if view.latency.unit.startswith("ms") else None,
    )


def _by_hour(points: Iterable[tuple[datetime, int]]) -> dict[datetime, int]:
    found: dict[datetime, int] = {}
    for start, requests in points:
        hour = start.replace(minute=0, second=0, microsecond=0)
        found[hour] = found.get(hour, 0) + requests
    return found
