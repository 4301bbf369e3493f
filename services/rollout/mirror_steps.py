"""The part of an action that begins or ends copies of live requests. Nobody who asks is answered differently by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.kernel.clock import Clock
from services.kernel.errors import ArtifactMissingError, ConflictError, InputError
from services.rollout.intents import MIRRORED
from services.rollout.lifecycle import is_mirrored
from services.rollout.models import Action, ActionKind, ActionState, Observed, Outcome
from services.rollout.ports import RolloutUnits, ServingPlatform
from services.rollout.release_models import Release
from services.rollout.stops import Halt, NotYet


class MirrorSteps:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        serving: ServingPlatform,
        clock: Clock,
        done: Callable[[str], None],
        note: Callable[[Action, str, str], None],
        is_mine: Callable[[Action], bool],
    ) -> None:
        self._units = units
        self._serving = serving
        self._clock = clock
        self._done = done
        self._note = note
        self._is_mine = is_mine

    def carry_out(self, action: Action) -> Outcome | None:
        """The outcome to record; None when somebody else finished or superseded the action meanwhile."""
        wanted = _wanted(action)
        if wanted is not None:
            self._load(action, action.to_version)
        observed = self._serving.observe(action.deployment)
        if not self._is_mine(action):
            return None
        if observed.mirror != wanted:
            self._set(action, observed, wanted, op=action.action_id)
        self._note(action, "switched", f"{_words(action, wanted)}; routes are as before.")
        self._read_back(action, wanted)
        return Outcome(state=ActionState.APPLIED, detail=f"{_words(action, wanted)}, read back.")

    def settle(self, action: Action) -> None:
        """After traffic moved: copies to a version whose release ended with it are of no use to anybody.

        What is put back leaves a shadow run as it was signed: its copies begin again where somebody had ended them.
        """
        wanted = self._of_the_release(action) if action.kind is ActionKind.REVERT else None
        observed = self._serving.observe(action.deployment)
        if observed.mirror == wanted:
            return
        try:
            if wanted is not None:
                self._load(action, wanted[0])
                observed = self._serving.observe(action.deployment)
            self._set(action, observed, wanted, op=f"{action.action_id}-mirror")
        except Halt as refused:
            raise NotYet(refused.sentence) from refused
        version = (wanted or observed.mirror or ("", 0))[0]
        words = "gets copies as signed" if wanted else "gets no more copies"
        self._note(action, "mirror", f"Version {version} {words}.")

    def _of_the_release(self, action: Action) -> tuple[str, int] | None:
        with self._units.read() as unit:
            return mirrored(unit.releases.running_releases(action.model))

    def _load(self, action: Action, version: str) -> None:
        try:
            ready = self._serving.ensure_ready(action.deployment, version, op=action.action_id)
        except ArtifactMissingError as gone:
            raise Halt(ActionState.FAILED, f"{gone.message} No copies were sent.") from gone
        if not ready:
            raise NotYet(f"Version {version} is still loading.")
        self._note(action, "ready", f"Version {version}: loaded and answering.")

    def _set(self, action: Action, observed: Observed, wanted: tuple[str, int] | None, *, op: str) -> None:
        version, percent = wanted or (None, 0)
        try:
            self._serving.set_mirror(action.deployment, version, percent, expect_generation=observed.generation, op=op)
        except ConflictError as faster:
            raise NotYet("Traffic was changed at the same moment; looking again.") from faster
        except InputError as refused:
            raise Halt(ActionState.FAILED, f"The platform refused: {refused.message}") from refused

    def _read_back(self, action: Action, wanted: tuple[str, int] | None) -> None:
        observed = self._serving.observe(action.deployment)
        if observed.mirror != wanted:
            raise NotYet("The platform does not report the copies as ordered yet.")
        if wanted is not None and self._serving.probe_version(action.deployment, wanted[0]).failed:
            raise NotYet(f"Version {wanted[0]} does not answer a direct probe yet.")
        now = self._clock.now()
        with self._units.write() as unit:
            current = unit.rollouts.action(action.action_id)
            if current is not None and current.is_open:
                unit.rollouts.update_action(replace(current, switched_at=now))
            unit.rollouts.add_step(action.action_id, "read-back", f"Read back: {_words(action, wanted)}.", at=now)
        self._done("read-back")


def mirrored(running: tuple[Release, ...]) -> tuple[str, int] | None:
    """(version, percent) that gets copies under the release of one model that is in shadow, also while it is held."""
    return next(((item.candidate, MIRRORED) for item in running if is_mirrored(item)), None)


def _wanted(action: Action) -> tuple[str, int] | None:
    return (action.to_version, MIRRORED) if action.kind is ActionKind.SHADOW else None


def _words(action: Action, wanted: tuple[str, int] | None) -> str:
    if wanted is None:
        return f"Version {action.to_version} gets no copies of requests"
    return f"Version {wanted[0]} gets copies of {wanted[1]} % of the requests"
