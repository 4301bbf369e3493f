"""Counts of a running release as a test sets them, in ticks of five seconds; implements release_ports.Telemetry."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.kernel.errors import TelemetryUnavailableError
from services.reliability.latency import bucket_of
from services.rollout.release_models import TelemetryBatch, TelemetryCell

TICK = timedelta(seconds=5)


@dataclass(slots=True)
class FakeTelemetry:
    cells: list[TelemetryCell] = field(default_factory=list)
    watermark: datetime | None = None
    away: bool = False

    def serve(
        self, version: str, *, since: datetime, until: datetime, per_tick: int, failing: float = 0.0, ms: float = 40.0
    ) -> None:
        """`per_tick` requests of one version in every tick of a period, of which a share failed."""
        at, owed = since, 0.0
        while at < until:
            owed += per_tick * failing
            errors, owed = int(owed), owed - int(owed)
            self.cells.append(
                TelemetryCell(
                    version=version,
                    role="live",
                    tick=at,
                    requests=per_tick,
                    errors=errors,
                    failing_entities=tuple(f"{at:%H%M%S}-{number}" for number in range(errors)),
                    latency=((bucket_of(ms), per_tick - errors),),
                )
            )
            at += TICK
        self.watermark = until

    def since(
        self, deployment: str, since: datetime, *, tick_seconds: int, score_edges: tuple[float, ...] = ()
    ) -> TelemetryBatch:
        if self.away:
            raise TelemetryUnavailableError(f"Requests to {deployment} cannot be read.")
        kept = tuple(cell for cell in self.cells if cell.tick >= since)
        return TelemetryBatch(cells=kept, watermark=self.watermark)
