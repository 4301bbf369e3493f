"""The state of the governance database as gauges, read when somebody asks, at most every five seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.adapters.signing.anchors import Anchors
from services.adapters.sql import gauges
from services.adapters.sql.database import Database
from services.adapters.sql.gauges import Gauges
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError

_KEPT_SECONDS = 5.0
_AGES = {
    "worker_heartbeat": ("worker_heartbeat_age_seconds", "Since the newest sign of life of any worker"),
    "outbox_oldest": ("outbox_oldest_age_seconds", "Since the oldest action that is not carried out yet was ordered"),
    "request_oldest": ("request_oldest_age_seconds", "Since the oldest request that waits for people was made"),
    "telemetry_newest": ("telemetry_age_seconds", "Since the newest minute of requests known to any endpoint began"),
    "endpoint_read_oldest": ("endpoint_read_age_seconds", "Since traffic was read back, for the oldest endpoint"),
}


class GovernanceCollector(Collector):
    """Safe to share between threads: two who ask at once share one read."""

    def __init__(self, database: Database, anchors: Anchors, clock: Clock) -> None:
        self._database = database
        self._anchors = anchors
        self._clock = clock
        self._turn = threading.Lock()
        self._known: Gauges | None = None
        self._read_at = float("-inf")

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing is asked of the database when the collector is registered."""
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        known = self._now()
        yield _one("up", "1 while the governance database answers", 0 if known is None else 1)
        if known is not None:
            yield from _families(known, self._clock.now())
        anchored = self._anchored()
        if anchored is not None:
            yield _one("ledger_anchored_entries", "Entries under the newest checkpoint outside the database", anchored)

    def _now(self) -> Gauges | None:
        with self._turn:
            if time.monotonic() - self._read_at > _KEPT_SECONDS:
                try:
                    self._known = gauges.read(self._database, now=self._clock.now())
                except ControlRoomError:
                    self._known = None
                self._read_at = time.monotonic()
            return self._known

    def _anchored(self) -> int | None:
        try:
            return self._anchors.newest_size()
        except ControlRoomError:
            return None


class LeadCollector(Collector):
    """Whether this very worker is the one that acts; of several, the sum is 1 and never 2."""

    def __init__(self, leads: Callable[[], bool]) -> None:
        self._leads = leads

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _one("worker_leads", "1 in the worker that holds the lease", int(self._leads()))


def _families(known: Gauges, now: datetime) -> Iterator[GaugeMetricFamily]:
    yield _one("ledger_entries", "Entries of the ledger", known.entries)
    yield _one("sessions_open", "Sessions that are neither ended nor expired", known.sessions)
    for name, at in known.moments:
        own, words = _AGES[name]
        yield _one(own, words, (now - at).total_seconds())
    if known.lease_until is not None:
        left = (known.lease_until - now).total_seconds()
        yield _one("worker_lease_left_seconds", "Until the worker's lease ends; below 0 nobody leads", left)
    yield _labelled("queue_length", "What waits to be done", "queue", known.queues)
    standing = tuple((str(severity), count) for severity, count in known.alerts)
    yield _labelled("alerts_open", "Alerts that stand, by severity (3 is the gravest)", "severity", standing)
    ages = tuple(
        (task.name, (now - task.last_success).total_seconds()) for task in known.tasks if task.last_success is not None
    )
    yield _labelled("sync_age_seconds", "Since a copy or task last succeeded", "source", ages)
    failing = tuple((task.name, int(task.failing)) for task in known.tasks)
    yield _labelled("sync_failing", "1 where the last attempt failed", "source", failing)


def _one(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"countersign_{name}", words, value=value)


def _labelled(name: str, words: str, label: str, values: tuple[tuple[str, float], ...]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"countersign_{name}", words, labels=(label,))
    for key, value in values:
        family.add_metric((key,), value)
    return family
