"""Whether what has to watch a version is there, as lines of its checklist, from what is known without asking outside.

Missing and unknown are told apart: neither lets a step through.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from services.inventory.models import DeploymentKind, GovernedModel
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError
from services.kernel.health import Health
from services.rollout.ports import RolloutUnits
from services.rollout.release_models import Check
from services.rollout.signed_plan import SignedPlan, SignedPlans


class Arming:
    """Satisfies release_ports.Armed."""

    def __init__(
        self,
        *,
        model: Callable[[str], GovernedModel],
        has_reference: Callable[[str], bool],
        last_beat: Callable[[], datetime | None],
        machine_key: Callable[[], str],
        units: RolloutUnits,
        plans: SignedPlans,
        clock: Clock,
        stale: timedelta = timedelta(seconds=60),
    ) -> None:
        self._model = model
        self._has_reference = has_reference
        self._last_beat = last_beat
        self._machine_key = machine_key
        self._units = units
        self._plans = plans
        self._clock = clock
        self._stale = stale

    def __call__(self, model: str, version: str) -> tuple[Check, ...]:
        governed = self._model(model)
        checks = [self._service_level(governed), self._watcher(model)]
        if governed.kind is DeploymentKind.REALTIME:
            checks += [self._scores(model), *self._plan(model, version)]
        return tuple(checks)

    def _service_level(self, governed: GovernedModel) -> Check:
        promised = governed.service_level is not None
        return Check(
            id="service-level",
            title="Service level",
            state=Health.HEALTHY if promised else Health.BREACH,
            sentence="Promised and watched." if promised else "nothing is promised, so nothing can be broken.",
            target=f"model?model={governed.name}",
        )

    def _scores(self, model: str) -> Check:
        try:
            known = self._has_reference(model)
        except ControlRoomError as away:
            state, words = Health.UNKNOWN, f"could not be found out. {away.message}"
        else:
            state = Health.HEALTHY if known else Health.BREACH
            words = "A reference is kept." if known else "there is no reference distribution to compare scores with."
        return Check(
            id="score-monitor", title="Score monitor", state=state, sentence=words, target=f"monitoring?model={model}"
        )

    def _watcher(self, model: str) -> Check:
        beat, now = self._last_beat(), self._clock.now()
        alive = beat is not None and now - beat <= self._stale
        words = "It answered within the last minute." if alive else "the worker that watches does not answer."
        return Check(
            id="watcher",
            title="Watcher",
            state=Health.HEALTHY if alive else Health.BREACH,
            sentence=words,
            target=f"rollouts?model={model}",
        )

    def _plan(self, model: str, version: str) -> tuple[Check, ...]:
        """Nothing for a first version: there is nothing to go back to, which its approval says."""
        with self._units.read() as unit:
            release = unit.releases.running_release(model)
            if release is None or release.base is None or release.candidate != version:
                return ()
            signed = self._plans.of_request(unit.rollouts, release.request_id, version)
        state, words = _judged(signed, self._machine_key())
        return (
            Check(
                id="rollback-plan",
                title="Automatic rollback",
                state=state,
                sentence=words,
                target=f"rollouts?model={model}",
            ),
        )


def _judged(signed: SignedPlan | None, machine: str) -> tuple[Health, str]:
    if signed is None:
        return Health.BREACH, "no rollback plan was signed with the request."
    if not machine or machine != signed.machine:
        return Health.BREACH, "the plan was signed for another key of the machine than the one in use."
    return Health.HEALTHY, f"Back to version {signed.to} under {len(signed.rules)} signed rules."
