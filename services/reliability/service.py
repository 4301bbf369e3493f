"""Latency and errors per version against the promise, and batch runs against their window.

Wiring: `ReliabilityService(facts=DuckDbRequestFacts(folder), store=SqlReliability(database), catalog=inventory,
clock=clock)`; any object with `model(name) -> GovernedModel` serves as catalog. The worker calls `refresh` after
that of monitoring, which reads the batch runs. A deployment carries the name of its model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from services.inventory.facts import by_owner, changed
from services.inventory.models import DeploymentKind
from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Explanation
from services.kernel.interval import share_of
from services.reliability import months, promise, slo, sources
from services.reliability.latency import quantile
from services.reliability.models import (
    MonthKept,
    MonthsView,
    RequestSlot,
    RequestSource,
    SlaPoint,
    SlaView,
    Traffic,
)
from services.reliability.ports import Catalog, ReliabilityStore, RequestFacts
from services.reliability.slo import BudgetView
from services.reliability.slots import coarser, coarser_by_day, counted, floor, traffic

SLOT_MINUTES = 60
"""Hours keep their latency buckets."""
COUNT_MINUTES = 5
"""Counters of requests and failures are as fine as the shortest window of a burn rate."""
_DAY = timedelta(days=1)
_OWN_LOG = "Recorded live requests; mirrored copies and probes are left out"


class ReliabilityService:
    def __init__(
        self,
        *,
        facts: RequestFacts,
        store: ReliabilityStore,
        catalog: Catalog,
        clock: Clock,
        sources: Mapping[str, RequestSource] | None = None,
        read_at: Callable[[str], datetime | None] = lambda _model: None,
    ) -> None:
        """`sources`: models whose requests a platform records; `read_at`: when that was last read."""
        self._facts = facts
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._sources = dict(sources or {})
        self._read_at = read_at

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
        source, until, silent = self._source(model, now)
        if governed.kind is DeploymentKind.REALTIME:
            judged = sources.complete(slots, until, timedelta(minutes=SLOT_MINUTES)) if source else slots
            recently = f"In the two hours up to {until:%H:%M} UTC" if source else "In the last two hours"
            latency = promise.latency(judged, level, until, recently=recently)
            errors = promise.errors(judged, level, until, recently=recently)
            if source:
                latency = sources.as_known(latency, silent)
                errors = sources.as_known(sources.of_errors(errors, source), silent)
            adherence, counted = promise.adherence(judged, level)
            intervals = promise.latency_interval(judged), promise.errors_interval(judged)
        else:
            latency, errors = promise.on_time(runs, level, days), promise.failures(runs, level, days)
            adherence = (runs.runs - runs.late) / runs.runs if runs.runs else None
            counted = runs.runs
            intervals = share_of(runs.runs - runs.late, runs.runs), share_of(runs.failed, runs.runs)
        return SlaView(
            model=model,
            deployment=model,
            slot_minutes=_chart_minutes(days),
            points=tuple(_point(slot) for slot in coarser(slots, timedelta(minutes=_chart_minutes(days)))),
            level=level,
            latency=latency,
            errors=errors,
            adherence=adherence,
            slots=counted,
            explanation=_explanation(governed.kind, days, slots, runs.runs, runs.last_finished, source),
            notice=_notice(source, slots, until, silent),
            latency_interval=intervals[0],
            errors_interval=intervals[1],
            adherence_interval=None if adherence is None else share_of(round(adherence * counted), counted),
            complete_until=until if source else None,
        )

    def _source(self, model: str, now: datetime) -> tuple[RequestSource | None, datetime, str]:
        """(the platform's log or None for ours, up to when it is complete, why it says nothing about now)."""
        source = self._sources.get(model)
        if source is None:
            return None, now, ""
        read_at = self._read_at(model)
        return source, min(read_at or now, now) - source.late, sources.silence(source, read_at, now)

    def error_budget(self, model: str) -> BudgetView | None:
        """What is left of the promised error rate over thirty days, and how fast it burns, all versions together.

        None where no error rate is promised, or for a batch model. Counted in slots of five minutes, as short as the
        shortest window of a burn rate. Raises UnknownModelError.
        """
        governed = self._catalog.model(model)
        objective = slo.objective_of(governed.service_level)
        if objective is None or governed.kind is not DeploymentKind.REALTIME:
            return None
        now, length = self._clock.now(), timedelta(minutes=COUNT_MINUTES)
        source, until, silent = self._source(model, now)
        found = self._store.counts(model, until - objective.window - length, until + timedelta(minutes=1))
        served = [slo.Served(start=n.start, length=length, requests=n.requests, failed=n.errors) for n in found]
        view = slo.budget(objective, served, until, recorded=_recorded(source) if source else _OWN_LOG)
        return sources.of_budget(view, source, silent) if source else view

    def months(self, model: str, *, back: int = 12) -> MonthsView:
        """Kept or missed, for this month and those before it, newest first. Raises UnknownModelError."""
        governed = self._catalog.model(model)
        now = self._clock.now()
        this = now.year * 12 + now.month - 1 - max(0, back - 1)
        start = datetime(this // 12, this % 12 + 1, 1, tzinfo=UTC)
        level = governed.service_level
        source, until, silent = self._source(model, now)
        if governed.kind is DeploymentKind.REALTIME:
            found = months.of_requests(self._store.days(start, now + _DAY, model).get(model, ()), level, now)
            found = tuple(sources.of_month(item, source, silent, until) for item in found) if source else found
        else:
            found = months.of_runs(self._store.batch_months(model, start), level, now)
        return MonthsView(
            model=model, level=level, months=found, explanation=_months_explanation(governed.kind, found, now, source)
        )

    def endpoints(self, *, days: int = 7) -> tuple[Traffic, ...]:
        """Every endpoint over the last `days` days of UTC, today included: all versions together, then each.

        Ordered by requests. An endpoint without a request in the window is not there.
        """
        now = self._clock.now()
        start = floor(now, _DAY) - (max(1, days) - 1) * _DAY
        minutes, busiest = (now - start).total_seconds() / 60, self._store.busiest_hours(start, now + _DAY)
        found: list[tuple[int, str, list[Traffic]]] = []
        for name, slots in self._store.days(start, now + _DAY).items():
            versions = sorted({slot.version for slot in slots})
            parts = [
                traffic(name, version, [s for s in slots if s.version == version], minutes=minutes, busiest=None)
                for version in versions
            ]
            whole = traffic(name, "", slots, minutes=minutes, busiest=busiest.get(name))
            found.append((-whole.requests, name, [whole, *parts]))
        return tuple(item for _, _, rows in sorted(found, key=lambda entry: entry[:2]) for item in rows)

    def requests_per_minute(self, model: str) -> float | None:
        """Mean over the slot that is filling now and the whole one before it; None when neither holds a request.

        From a platform's log: as of when it is complete; None where it is not read.
        """
        _, now, silent = self._source(model, self._clock.now())
        if silent:
            return None
        filling = now.replace(minute=now.minute - now.minute % SLOT_MINUTES, second=0, microsecond=0)
        since = filling - timedelta(minutes=SLOT_MINUTES)
        recent = self._store.slots(model, since, now + timedelta(minutes=1))
        if not recent:
            return None
        return sum(slot.volume for slot in recent) / ((now - since).total_seconds() / 60)

    def refresh(self) -> int:
        """Reads days that are new or changed; returns how many. Raises TelemetryUnavailableError at the end."""
        read, broken = 0, list[TelemetryUnavailableError]()
        for deployment, partitions in by_owner(changed(self._facts.partitions(), self._store.seen())).items():
            try:
                days = tuple(partition.day for partition in partitions)
                fine = self._facts.slots(deployment, days, slot_minutes=COUNT_MINUTES)
                self._store.replace_slots(
                    deployment,
                    coarser_by_day(fine, timedelta(minutes=SLOT_MINUTES)),
                    partitions,
                    counts=counted(fine),
                    days=coarser_by_day(fine, _DAY),
                )
                read += len(partitions)
            except TelemetryUnavailableError as missing:
                broken.append(missing)
        if broken:
            raise broken[0]
        return read


def _chart_minutes(days: int) -> int:
    """A week in hours; longer windows in six hours, merged and not thinned out."""
    return SLOT_MINUTES if days <= 14 else 6 * SLOT_MINUTES


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
        estimated=slot.estimated,
    )


def _notice(source: RequestSource | None, slots: tuple[RequestSlot, ...], until: datetime, silent: str) -> str:
    if source is None:
        return ""
    sampled = any(slot.estimated is not None for slot in slots)
    return f"{silent} {sources.notice(source, until, sampled=sampled)}".strip()


def _months_explanation(
    kind: DeploymentKind, found: tuple[MonthKept, ...], now: datetime, source: RequestSource | None
) -> Explanation:
    service = kind is DeploymentKind.REALTIME
    return Explanation(
        formula="Kept when the month's failed requests / requests and its p95, from the merged latency buckets of its "
        "days, are within the promise."
        if service
        else "Kept when late runs / runs and failed runs / runs of the month are within the promise.",
        source=_recorded(source) if service else "Recorded batch runs, every one of them",
        window="Calendar months in UTC; the running month so far",
        as_of=now if found else None,
        n=sum(item.n for item in found),
        note="A month is counted whole, so it has no sampling error; a month that leaves no room for a single allowed "
        "failure is grey. " + ("" if service else "A run that never started leaves no record."),
    )


def _recorded(source: RequestSource | None) -> str:
    return "Recorded live requests, every one of them" if source is None else f"Rows of the {source.words}"


def _explanation(  # noqa: PLR0917 - one caller, above
    kind: DeploymentKind,
    days: int,
    slots: tuple[RequestSlot, ...],
    runs: int,
    finished: datetime | None,
    source: RequestSource | None,
) -> Explanation:
    if kind is DeploymentKind.REALTIME:
        return Explanation(
            formula="p95 of successful requests from logarithmic latency buckets, added up over all slots (within 2 %; "
            "quantiles are never averaged). Error rate = requests without answer or with a 5xx status / all requests.",
            source=f"{_recorded(source)}; copies and probes are left out" if source else _OWN_LOG,
            window=f"Last {days} days, slots of {SLOT_MINUTES} minutes",
            as_of=slots[-1].start + timedelta(minutes=SLOT_MINUTES) if slots else None,
            n=sum(slot.requests for slot in slots),
            note="Adherence is the share of slots with traffic in which both promises held. Requests made under an "
            "injected fault count and are labelled. 95 % intervals: of shares after Wilson, of p95 from the ranks that "
            "could have been it (binomial); requests that fail together make both too narrow.",
        )
    return Explanation(
        formula="On time = runs finished inside their window / all runs. Failures = runs that did not end well / all.",
        source="Recorded batch runs",
        window=f"Last {days} days",
        as_of=finished,
        n=runs,
        note="A run that never started leaves no record and is not counted here. 95 % intervals after Wilson.",
    )
