"""Latency and errors per version against the promise, and batch runs against their window.

Wiring: `ReliabilityService(facts=DuckDbRequestFacts(folder), store=SqlReliability(database), catalog=inventory,
clock=clock)`; any object with `model(name) -> GovernedModel` serves as catalog. The worker calls `refresh` after
that of monitoring, which reads the batch runs. A deployment carries the name of its model.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from services.inventory.facts import by_owner, changed
from services.inventory.models import DeploymentKind
from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Explanation
from services.reliability import promise, slo
from services.reliability.latency import quantile
from services.reliability.models import RequestSlot, SlaPoint, SlaView
from services.reliability.ports import Catalog, ReliabilityStore, RequestFacts
from services.reliability.slo import BudgetView

SLOT_MINUTES = 60


class ReliabilityService:
    def __init__(self, *, facts: RequestFacts, store: ReliabilityStore, catalog: Catalog, clock: Clock) -> None:
        self._facts = facts
        self._store = store
        self._catalog = catalog
        self._clock = clock

    def sla(self, model: str, *, days: int = 7) -> SlaView:
        """The promise over the last `days` days. For batch models `latency` says whether runs were on time.

        Raises UnknownModelError.
        """
        governed = self._catalog.model(model)
        now = self._clock.now()
        start = now - timedelta(days=max(1, days))
        slots = self._store.slots(model, start, now + timedelta(minutes=1))
        runs = self._store.batch_runs(model, start)
        level = governed.service_level
        if governed.kind is DeploymentKind.REALTIME:
            latency, errors = promise.latency(slots, level, now), promise.errors(slots, level, now)
            adherence, counted = promise.adherence(slots, level)
        else:
            latency, errors = promise.on_time(runs, level, days), promise.failures(runs, level, days)
            adherence = (runs.runs - runs.late) / runs.runs if runs.runs else None
            counted = runs.runs
        return SlaView(
            model=model,
            deployment=model,
            slot_minutes=SLOT_MINUTES,
            points=tuple(_point(slot) for slot in slots),
            level=level,
            latency=latency,
            errors=errors,
            adherence=adherence,
            slots=counted,
            explanation=_explanation(governed.kind, days, slots, runs.runs, runs.last_finished),
        )

    def error_budget(self, model: str) -> BudgetView | None:
        """What is left of the promised error rate over thirty days, and how fast it burns, all versions together.

        None where no error rate is promised, or for a batch model. Slots are an hour, so a fast burn is noticed in the
        hour in which it begins and forgotten up to an hour after it ends. Raises UnknownModelError.
        """
        governed = self._catalog.model(model)
        objective = slo.objective_of(governed.service_level)
        if objective is None or governed.kind is not DeploymentKind.REALTIME:
            return None
        now, length = self._clock.now(), timedelta(minutes=SLOT_MINUTES)
        slots = self._store.slots(model, now - objective.window - length, now + timedelta(minutes=1))
        served = [
            slo.Served(start=slot.start, length=length, requests=slot.requests, failed=slot.errors) for slot in slots
        ]
        return slo.budget(objective, served, now)

    def requests_per_minute(self, model: str) -> float | None:
        """Mean over the slot that is filling now and the whole one before it; None when neither holds a request."""
        now = self._clock.now()
        filling = now.replace(minute=now.minute - now.minute % SLOT_MINUTES, second=0, microsecond=0)
        since = filling - timedelta(minutes=SLOT_MINUTES)
        recent = self._store.slots(model, since, now + timedelta(minutes=1))
        if not recent:
            return None
        return sum(slot.requests for slot in recent) / ((now - since).total_seconds() / 60)

    def refresh(self) -> int:
        """Reads days that are new or changed; returns how many. Raises TelemetryUnavailableError at the end."""
        read, broken = 0, list[TelemetryUnavailableError]()
        for deployment, partitions in by_owner(changed(self._facts.partitions(), self._store.seen())).items():
            try:
                days = tuple(partition.day for partition in partitions)
                slots = self._facts.slots(deployment, days, slot_minutes=SLOT_MINUTES)
                self._store.replace_slots(deployment, slots, partitions)
                read += len(partitions)
            except TelemetryUnavailableError as missing:
                broken.append(missing)
        if broken:
            raise broken[0]
        return read


def _point(slot: RequestSlot) -> SlaPoint:
    return SlaPoint(
        start=slot.start,
        version=slot.version,
        requests=slot.requests,
        errors=slot.errors,
        p50_ms=quantile(slot.buckets, 0.5),
        p95_ms=quantile(slot.buckets, 0.95),
        p99_ms=quantile(slot.buckets, 0.99),
        injected=slot.injected,
    )


def _explanation(
    kind: DeploymentKind, days: int, slots: tuple[RequestSlot, ...], runs: int, finished: datetime | None
) -> Explanation:
    if kind is DeploymentKind.REALTIME:
        return Explanation(
            formula="p95 of successful requests from logarithmic latency buckets, added up over all slots (within 2 %; "
            "quantiles are never averaged). Error rate = requests without answer or with a 5xx status / all requests.",
            source="Recorded live requests; mirrored copies and probes are left out",
            window=f"Last {days} days, slots of {SLOT_MINUTES} minutes",
            as_of=slots[-1].start + timedelta(minutes=SLOT_MINUTES) if slots else None,
            n=sum(slot.requests for slot in slots),
            note="Adherence is the share of slots with traffic in which both promises held. Requests made under an "
            "injected fault count and are labelled.",
        )
    return Explanation(
        formula="On time = runs finished inside their window / all runs. Failures = runs that did not end well / all.",
        source="Recorded batch runs",
        window=f"Last {days} days",
        as_of=finished,
        n=runs,
        note="A run that never started leaves no record and is not counted here.",
    )
