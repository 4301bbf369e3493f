"""The steps of one action, in order, each repeatable: check, load, switch, read back, alias."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from services.kernel.clock import Clock
from services.kernel.errors import ArtifactMissingError, ConflictError
from services.rollout import plan
from services.rollout.alias_steps import AliasSteps
from services.rollout.checks import Checks
from services.rollout.mirror_steps import MirrorSteps
from services.rollout.models import Action, ActionKind, ActionState, Observed, Outcome
from services.rollout.ports import (
    AliasRegistry,
    ApprovalStanding,
    Attestations,
    RolloutStore,
    RolloutUnits,
    ServingPlatform,
)
from services.rollout.stops import Halt, NotYet

_PROBES = 10


class Steps:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        serving: ServingPlatform,
        registry: AliasRegistry,
        attestations: Attestations,
        standing: ApprovalStanding,
        clock: Clock,
        done: Callable[[str], None],
    ) -> None:
        self._units = units
        self._serving = serving
        self._clock = clock
        self._done = done
        self._checks = Checks(
            units=units,
            serving=serving,
            registry=registry,
            attestations=attestations,
            standing=standing,
            clock=clock,
            note=self._note,
        )
        self._copies = MirrorSteps(
            units=units, serving=serving, clock=clock, done=done, note=self._note, is_mine=self._mine
        )
        self._alias = AliasSteps(
            units=units, registry=registry, clock=clock, done=done, note=self._note, is_mine=self._mine
        )

    def run(self, action: Action) -> Outcome | None:
        """The outcome to record; None when somebody else finished or superseded the action meanwhile."""
        started = time.monotonic()
        if action.switched_at is None:
            self._checks.require_allowed(action)
            if not action.moves_traffic:
                return self._copies.carry_out(action)
            self._load(action)
            if not self._switch(action):
                return None
            self._read_back(action, started)
        elif not self._mine(action):
            return None
        if action.moves_traffic:
            self._copies.settle(action)
        return self._alias.move(action)

    def settle_alias(self, model: str) -> bool:
        return self._alias.settle(model)

    def _note(self, action: Action, step: str, sentence: str) -> None:
        with self._units.write() as unit:
            unit.rollouts.add_step(action.action_id, step, sentence, at=self._clock.now())
        self._done(step)

    def _mine(self, action: Action) -> bool:
        with self._units.read() as unit:
            now = unit.rollouts.action(action.action_id)
        return now is not None and now.state is ActionState.RUNNING and now.lease_owner == action.lease_owner

    def _load(self, action: Action) -> None:
        if action.kind is ActionKind.ADOPT:
            return  # it serves already
        for version, share in action.routes:
            try:
                ready = self._serving.ensure_ready(action.deployment, version, op=action.action_id)
            except ArtifactMissingError as gone:
                raise Halt(ActionState.FAILED, f"{gone.message} Traffic was not changed.") from gone
            if not ready:
                raise NotYet(f"Version {version} ({share} %) is still loading.")
        self._note(action, "ready", f"{plan.words(action.routes)}: loaded and answering.")

    def _switch(self, action: Action) -> bool:
        # The generation is read before the queue: if a rollback commits in between, its switch raises the
        # generation and ours is refused as stale.
        observed = self._serving.observe(action.deployment)
        if not self._mine(action):
            return False
        if self._must_switch(action, observed):
            try:
                observed = self._serving.set_routes(
                    action.deployment, action.routes, expect_generation=observed.generation, op=action.action_id
                )
            except ConflictError as faster:
                raise NotYet("Traffic was changed at the same moment; looking again.") from faster
        self._note(action, "switched", f"Traffic set: {plan.words(action.routes)} (generation {observed.generation}).")
        return True

    def _must_switch(self, action: Action, observed: Observed) -> bool:
        as_ordered = dict(observed.routes) == dict(action.routes)
        if action.kind is ActionKind.ADOPT:
            if as_ordered:
                return False
            raise Halt(
                ActionState.CONFLICT,
                f"{plan.words(observed.routes)} is served now, not what was signed for adoption. Nothing was changed.",
            )
        if action.kind is ActionKind.REVERT and as_ordered:
            return False
        return observed.op != action.action_id or not as_ordered

    def _read_back(self, action: Action, started: float) -> None:
        observed = self._serving.observe(action.deployment)
        if dict(observed.routes) != dict(action.routes):
            raise NotYet(f"The platform still reports {plan.words(observed.routes)}.")
        answered = self._probe(action)
        now = self._clock.now()
        took = max((now - action.created_at).total_seconds(), time.monotonic() - started)
        with self._units.write() as unit:
            current = unit.rollouts.action(action.action_id)
            if current is not None and current.is_open:
                restored = round(took, 3) if action.kind is ActionKind.ROLLBACK else None
                unit.rollouts.update_action(replace(current, switched_at=now, restored_seconds=restored))
                self._remember(unit.rollouts, action.model, observed)
            unit.rollouts.add_step(
                action.action_id, "read-back", f"Read back: {plan.words(observed.routes)}. {answered}", at=now
            )
        self._done("read-back")

    def _remember(self, store: RolloutStore, model: str, observed: Observed) -> None:
        row = store.deployment(model)
        if row is not None:
            store.save_deployment(
                replace(row, observed=observed, observed_at=observed.at, problem=""), at=self._clock.now()
            )

    def _probe(self, action: Action) -> str:
        with self._units.read() as unit:
            row = unit.rollouts.deployment(action.model)
        if row is not None and row.kind != "realtime":
            return "The next batch run uses it."
        probe = self._serving.probe_routed(action.deployment, _PROBES)
        answered = dict(probe.answered)
        strangers = set(answered) - {version for version, _ in action.routes}
        if strangers or not answered:
            who = ", ".join(sorted(strangers)) or "nobody"
            raise NotYet(f"Routed probes were answered by {who}; waiting for the switch to take effect.")
        if len(action.routes) == 1 and probe.failed:
            raise NotYet(f"{probe.failed} of {_PROBES} routed probes failed; trying again.")
        by = ", ".join(f"version {version}: {count}" for version, count in sorted(answered.items()))
        return f"Routed probes answered by {by}."
