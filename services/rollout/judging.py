"""The sequential tests as the watcher asks them: with the rules of the signed plan and what the model promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from services.inventory.models import ServiceLevel
from services.policy.models import RollbackRule
from services.rollout.analysis.look import look, needed_since
from services.rollout.analysis.settings import Settings
from services.rollout.analysis.state import State
from services.rollout.release_models import Analysis, Release, StageRules, TelemetryBatch

TICK_SECONDS = 5
_FALSE_ALARM_TICKS = 3_000.0
"""Without a control arm the detector counts ticks; these are three times as many of a third of the length."""


class SequentialJudge:
    """Satisfies watch_ports.Judge."""

    def __init__(
        self,
        *,
        level_of: Callable[[str], ServiceLevel | None],
        stage_rules: Callable[[Release], StageRules],
        telemetry_lag: Callable[[str], timedelta] = lambda _deployment: timedelta(0),
    ) -> None:
        self._level_of = level_of
        self._stage_rules = stage_rules
        self._telemetry_lag = telemetry_lag

    def since(self, release: Release, *, state: str, rules: tuple[RollbackRule, ...], now: datetime) -> datetime:
        settings = self._settings(release, rules)
        return needed_since(State.from_json(state), release=release, settings=settings, now=now)

    def look(
        self, release: Release, batch: TelemetryBatch, *, state: str, rules: tuple[RollbackRule, ...], now: datetime
    ) -> tuple[Analysis, str]:
        after, analysis = look(
            State.from_json(state),
            batch,
            release=release,
            rules=self._stage_rules(release),
            level=self._level_of(release.model),
            now=now,
            settings=self._settings(release, rules),
        )
        return analysis, after.to_json()

    def _settings(self, release: Release, rules: tuple[RollbackRule, ...]) -> Settings:
        return Settings(
            tick_seconds=TICK_SECONDS,
            detector_limit=_FALSE_ALARM_TICKS,
            # Three of the usual ticks of 15 seconds: shorter ticks do not make telemetry arrive sooner.
            stale_ticks=9,
            telemetry_lag=self._telemetry_lag(release.deployment),
            limits=rules,
        )
