"""Databricks' own monitoring of the fake room: the real service over figures of the documented kind."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring.vendor import VendorDrift, VendorProfile
from services.monitoring.vendor_service import VendorReading, VendorService, VendorSource

MAPPED, AWAY = "delay_claim_score", "payout_forecast"
TABLE = "main.claims.scored_flat"
_SAID = (("Jensen-Shannon distance", 0.118, None), ("Kolmogorov-Smirnov statistic", 0.21, 0.004))


@dataclass
class Kept:
    """A store in memory."""

    held: dict[str, VendorReading] = field(default_factory=dict)
    synced: list[str] = field(default_factory=list)

    def put(self, reading: VendorReading) -> None:
        self.held[reading.model] = reading

    def failed(self, model: str, table: str, error: str) -> None:
        known = self.held.get(model, VendorReading(model=model, table=table, read_at=None))
        self.held[model] = replace(known, error=error)

    def reading(self, model: str) -> VendorReading | None:
        return self.held.get(model)

    def record_sync(self, source: str, *, at: datetime, error: str) -> None:
        assert source
        assert at
        self.synced.append(error)


@dataclass
class Figures:
    """What the metric tables hold; `away` makes them unreadable."""

    until: datetime
    column: str = "distance"
    away: str = ""

    def drift(self, since: datetime) -> tuple[VendorDrift, ...]:
        if self.away:
            raise TelemetryUnavailableError(self.away)
        day = timedelta(days=1)
        return tuple(
            VendorDrift(
                column=self.column, statistic=statistic, value=value, start=end - day, end=end, granularity="1 day",
                compared_with="baseline", p_value=p,
            )
            for end in (self.until, self.until - day)
            for statistic, value, p in _SAID
            if end > since
        )  # fmt: skip

    def profiles(self, since: datetime) -> tuple[VendorProfile, ...]:
        assert since < self.until
        day = timedelta(days=1)
        return (
            VendorProfile(column=self.column, start=self.until - day, end=self.until, rows=851, missing=3, mean=1048.2),
        )


def a_vendor(clock: Clock, *, offered: bool = False, column: str = "distance") -> VendorService:
    until = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    metrics = {
        MAPPED: VendorSource(table=TABLE, metrics=Figures(until, column)),
        AWAY: VendorSource(
            table="main.claims.payouts", metrics=Figures(until, away="The SQL warehouse did not answer.")
        ),
    }  # fmt: skip
    made = VendorService(metrics=metrics, store=Kept(), clock=clock, offered=offered)
    with suppress(TelemetryUnavailableError):  # one of them is away, which a screen has to show
        made.refresh()
    return made
