"""The traffic of a stage: both arms for the chart, and what can be found with so many requests. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.inventory.models import ServiceLevel
from services.rollout.analysis.intake import Exposure
from services.rollout.analysis.limits import measure
from services.rollout.analysis.power import detectable
from services.rollout.analysis.settings import Settings
from services.rollout.analysis.state import State
from services.rollout.release_models import ArmWindow, StageRules, TelemetryBatch

RECENT = timedelta(minutes=15)
_FULL_HOUR = 60.0


def seen_arms(state: State, batch: TelemetryBatch, exposure: Exposure, settings: Settings) -> tuple[ArmWindow, ...]:
    """Both arms between this look and the one before, for the chart."""
    begin, end = (datetime.fromtimestamp(second, UTC) for second in state.looked)
    found = []
    for arm in (exposure.canary, exposure.control):
        failed = measure("error_rate", batch.cells, arm, since=begin, until=end, tick=settings.tick)
        slow = measure("p95_ms", batch.cells, arm, since=begin, until=end, tick=settings.tick)
        if failed.n:
            version, role = arm
            found.append(
                ArmWindow(version=version, role=role, requests=failed.n, errors=failed.events, p95_ms=slow.value)
            )
    return tuple(found)


def findable(
    batch: TelemetryBatch, exposure: Exposure, level: ServiceLevel | None, rules: StageRules, settings: Settings
) -> str:
    """From the traffic of the last minutes: over the minimum time of the stage, or an hour where that is shorter."""
    if batch.watermark is None or exposure.kind == "full":
        return ""
    until, since = batch.watermark, batch.watermark - RECENT
    control = measure("error_rate", batch.cells, exposure.control, since=since, until=until, tick=settings.tick)
    canary = measure("error_rate", batch.cells, exposure.canary, since=since, until=until, tick=settings.tick)
    ticks = {cell.tick for cell in batch.cells if since <= cell.tick <= until - settings.tick}
    if not ticks or not control.n + canary.n:
        return "No request was served in the last minutes, so nothing can be found with this traffic."
    per_minute = (control.n + canary.n) / (len(ticks) * settings.tick_seconds / 60)
    promised = level.error_rate / 5 if level else 0.002
    share = exposure.share if exposure.share is not None else canary.n / (control.n + canary.n)
    if not 0 < share < 1:
        return ""
    return detectable(
        per_minute=per_minute,
        share=share,
        minutes=max(_FULL_HOUR, rules.min_time.total_seconds() / 60),
        base_rate=control.events / control.n if control.events else promised,
        settings=settings,
    ).sentence
