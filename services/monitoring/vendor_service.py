"""Figures of the platform's own monitoring, copied by the worker and shown under its name, never mixed with ours.

Wiring: `VendorService(metrics={model: VendorSource(table=..., metrics=DatabricksProfiling(...))},
store=SqlVendor(database), clock=clock, offered=True)`. A table that cannot be read keeps what was known and says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring.vendor import VendorDrift, VendorMetrics, VendorProfile

SOURCE = "vendor-monitoring"
LOOK_BACK = timedelta(days=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorSource:
    """`table` is where its figures are about: catalog, schema, name in words."""

    table: str
    metrics: VendorMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorReading:
    """What was read last, newest window of each figure only. `read_at` None: it was never read."""

    model: str
    table: str
    read_at: datetime | None
    drift: tuple[VendorDrift, ...] = ()
    profiles: tuple[VendorProfile, ...] = ()
    error: str = ""
    """Why the last attempt failed; empty when it did not."""

    @property
    def until(self) -> datetime | None:
        """End of the newest window."""
        ends = [item.end for item in self.drift] + [item.end for item in self.profiles]
        return max(ends, default=None)

    def profile(self, item: VendorDrift) -> VendorProfile | None:
        """Counts of the same column and window."""
        at = (item.column, item.start, item.end)
        return next((one for one in self.profiles if (one.column, one.start, one.end) == at), None)


class VendorStore(Protocol):
    """Raises StorageUnavailableError."""

    def put(self, reading: VendorReading) -> None: ...

    def failed(self, model: str, table: str, error: str) -> None:
        """What was read before stays."""
        ...

    def reading(self, model: str) -> VendorReading | None: ...

    def record_sync(self, source: str, *, at: datetime, error: str) -> None: ...


class VendorService:
    def __init__(
        self, *, metrics: Mapping[str, VendorSource], store: VendorStore, clock: Clock, offered: bool = False
    ) -> None:
        """`offered`: there is a platform that could have figures, so a model without a mapping is told how."""
        self._metrics = metrics
        self._store = store
        self._clock = clock
        self.offered = offered

    def view(self, model: str) -> VendorReading | None:
        """None for a model whose tables nobody mapped."""
        source = self._metrics.get(model)
        if source is None:
            return None
        known = self._store.reading(model)
        # Figures of a table that is not mapped any more say nothing about this one.
        return (
            known
            if known and known.table == source.table
            else VendorReading(model=model, table=source.table, read_at=None)
        )

    def refresh(self) -> int:
        """Copies the newest figures of every mapped model; how many. One that cannot be read does not stop the others.

        Raises the first TelemetryUnavailableError at the end, after recording it.
        """
        if not self._metrics:
            return 0
        at, broken = self._clock.now(), list[TelemetryUnavailableError]()
        for model, source in self._metrics.items():
            try:
                drift, profiles = source.metrics.drift(at - LOOK_BACK), source.metrics.profiles(at - LOOK_BACK)
            except TelemetryUnavailableError as away:
                self._store.failed(model, source.table, away.message)
                broken.append(away)
                continue
            self._store.put(
                VendorReading(
                    model=model, table=source.table, read_at=at, drift=_newest_drift(drift), profiles=_newest(profiles)
                )
            )
        self._store.record_sync(SOURCE, at=at, error=broken[0].message if broken else "")
        if broken:
            raise broken[0]
        return len(self._metrics)


def _newest_drift(found: Iterable[VendorDrift]) -> tuple[VendorDrift, ...]:
    newest: dict[tuple[str, str, str, str], VendorDrift] = {}
    for item in found:
        key = (item.column, item.statistic, item.compared_with, item.granularity)
        if key not in newest or item.end > newest[key].end:
            newest[key] = item
    return tuple(newest[key] for key in sorted(newest))


def _newest(found: Iterable[VendorProfile]) -> tuple[VendorProfile, ...]:
    """The newest of each length of window: a drift of a day is over other rows than one of a week."""
    newest: dict[tuple[str, timedelta], VendorProfile] = {}
    for item in found:
        key = (item.column, item.end - item.start)
        if key not in newest or item.end > newest[key].end:
            newest[key] = item
    return tuple(newest[key] for key in sorted(newest))
