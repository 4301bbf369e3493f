"""Finds out what the checks of a watched release rest on. Satisfies rollout.release_ports.Armed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Protocol

from services.inventory.models import DeploymentKind, GovernedModel
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, StorageUnavailableError, TelemetryUnavailableError
from services.kernel.identity import MACHINE_SUBJECT
from services.rollout import watch_state
from services.rollout.armed import ArmedFacts, checks
from services.rollout.models import Action, ActionKind, ActionState
from services.rollout.ports import RolloutStore, RolloutUnits
from services.rollout.release_models import Check, Release
from services.rollout.release_ports import Telemetry
from services.rollout.signed_plan import SignedPlans

_TICKS_LATE = 3
_TICK_SECONDS = 15
_LOOK_BACK = timedelta(minutes=10)
_ACTIONS = 50


class Models(Protocol):
    def model(self, name: str) -> GovernedModel:
        """Raises UnknownModelError."""
        ...


class Arming:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        models: Models,
        telemetry: Telemetry,
        plans: SignedPlans,
        clock: Clock,
        scores: Callable[[str], tuple[bool, date | None]],
        monitor: Callable[[str], str],
        watcher_at: Callable[[], datetime | None],
        plan_rules: Callable[[str], bool],
        machine: Callable[[], str],
        telemetry_lag: Callable[[str], float] = lambda _deployment: 0.0,
        recorded: Callable[[str], date | None] = lambda _model: None,
    ) -> None:
        """`scores`: (is there a reference, last day compared with it); `monitor`: why the one in force watches nothing;
        `plan_rules`: does the policy ask for a plan; `recorded`: newest day whose predictions were read.
        """
        self._units = units
        self._models = models
        self._telemetry = telemetry
        self._plans = plans
        self._clock = clock
        self._scores = scores
        self._monitor = monitor
        self._watcher_at = watcher_at
        self._plan_rules = plan_rules
        self._machine = machine
        self._telemetry_lag = telemetry_lag
        self._recorded = recorded

    def __call__(self, model: str, version: str) -> tuple[Check, ...]:
        """Raises UnknownModelError."""
        governed, now = self._models.model(model), self._clock.now()
        with self._units.read() as unit:
            row = unit.rollouts.deployment(model)
            release = _release_of(unit.releases.running_releases(model), version)
            plan = self._plans.of_request(unit.rollouts, release.request_id, version) if release else None
            actions = unit.rollouts.actions(model, _ACTIONS)
            quarantined = _quarantined(unit.rollouts, release)
        deployment = row.deployment if row else model
        watermark, problem = self._watermark(deployment, now)
        reference, until = self._scores_of(model)
        base = release.base if release else None
        facts = ArmedFacts(
            model=model,
            version=version,
            realtime=governed.kind is DeploymentKind.REALTIME,
            level=governed.service_level,
            watermark=watermark,
            telemetry_problem=problem,
            telemetry_within=timedelta(seconds=self._lag(deployment) + _TICKS_LATE * _TICK_SECONDS),
            score_reference=reference,
            scores_until=until,
            recorded_until=self._recorded_until(model),
            making_since=watch_state.read(release.analysis).making_since if release else None,
            monitor=self._hindered(model),
            watcher_at=self._seen(),
            plan=plan,
            plan_is_signed_for=base is not None and self._plan_rules(model),
            machine=self._machine(),
            rolled_back_at=_last_automatic(actions),
            quarantined=quarantined,
        )
        return checks(facts, now)

    def _watermark(self, deployment: str, now: datetime) -> tuple[datetime | None, str]:
        try:
            found = self._telemetry.since(deployment, now - _LOOK_BACK, tick_seconds=_TICK_SECONDS)
        except TelemetryUnavailableError as away:
            return None, away.message
        return found.watermark, ""

    def _scores_of(self, model: str) -> tuple[bool, date | None]:
        try:
            return self._scores(model)
        except ControlRoomError:
            return False, None  # what could not be read watches nothing

    def _recorded_until(self, model: str) -> date | None:
        try:
            return self._recorded(model)
        except ControlRoomError:
            return None

    def _hindered(self, model: str) -> str:
        try:
            return self._monitor(model)
        except ControlRoomError as away:
            return f"The monitor in force could not be read: {away.message}"

    def _lag(self, deployment: str) -> float:
        try:
            return self._telemetry_lag(deployment)
        except ControlRoomError:
            return 0.0  # nothing is forgiven to a platform that does not answer

    def _seen(self) -> datetime | None:
        try:
            return self._watcher_at()
        except StorageUnavailableError:
            return None


def _release_of(running: tuple[Release, ...], version: str) -> Release | None:
    return next((item for item in running if item.candidate == version), None)


def _last_automatic(actions: tuple[Action, ...]) -> datetime | None:
    return next(
        (
            item.finished_at
            for item in actions
            if item.kind is ActionKind.ROLLBACK
            and item.subject == MACHINE_SUBJECT
            and item.state is ActionState.APPLIED
        ),
        None,
    )


def _quarantined(rollouts: RolloutStore, release: Release | None) -> str:
    """A version that was taken back under an approval does not come again under the same one."""
    if release is None:
        return ""
    for item in rollouts.served(release.model):
        if item.version == release.candidate and item.rolled_back and item.request_id == release.request_id:
            return f"Version {item.version} was rolled back under this approval; a new request has to bring it again."
    return ""
