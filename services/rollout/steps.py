"""The steps of one action, in order, each repeatable: verify, rehash, check, load, switch, read back, alias."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace

from services.kernel.clock import Clock
from services.kernel.errors import (
    ArtifactMissingError,
    ConflictError,
    RegistryUnavailableError,
    ServingUnavailableError,
    TrustError,
)
from services.rollout import plan
from services.rollout.intents import ALIAS, routes_document
from services.rollout.models import Action, ActionKind, ActionState, Observed, Outcome
from services.rollout.ports import AliasRegistry, Attestations, RolloutStore, RolloutUnits, ServingPlatform

TAG = "countersign.action"
_PROBES = 10


class NotYet(Exception):  # noqa: N818 - a pause, not an error
    """Try again soon; nothing is wrong."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Halt(Exception):  # noqa: N818 - a result, not an error
    """The action ends here as `conflict` or `failed`."""

    def __init__(self, state: ActionState, sentence: str) -> None:
        super().__init__(sentence)
        self.state = state
        self.sentence = sentence


class Steps:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        serving: ServingPlatform,
        registry: AliasRegistry,
        attestations: Attestations,
        clock: Clock,
        done: Callable[[str], None],
    ) -> None:
        self._units = units
        self._serving = serving
        self._registry = registry
        self._attestations = attestations
        self._clock = clock
        self._done = done

    def run(self, action: Action) -> Outcome | None:
        """The outcome to record; None when somebody else finished or superseded the action meanwhile."""
        started = time.monotonic()
        if action.switched_at is None:
            self._verify(action)
            if action.kind is not ActionKind.ROLLBACK:
                self._rehash(action)
                self._expect_alias(action)
            self._load(action)
            if not self._switch(action):
                return None
            self._read_back(action, started)
        elif not self._mine(action):
            return None
        return self._move_alias(action)

    def _note(self, action: Action, step: str, sentence: str) -> None:
        with self._units.write() as unit:
            unit.rollouts.add_step(action.action_id, step, sentence, at=self._clock.now())
        self._done(step)

    def _mine(self, action: Action) -> bool:
        with self._units.read() as unit:
            now = unit.rollouts.action(action.action_id)
        return now is not None and now.state is ActionState.RUNNING and now.lease_owner == action.lease_owner

    def _verify(self, action: Action) -> None:
        """The signed entries are read back: the queue row alone allows nothing."""
        try:
            predicate = self._attestations.require_valid(action.seq_intent, action.leaf_intent)
            for seq, leaf in action.decisions:
                self._attestations.require_valid(seq, leaf)
        except TrustError as wrong:
            raise Halt(ActionState.FAILED, f"The signed record does not allow this. {wrong.message}") from wrong
        signed = (
            predicate.get("id"),
            predicate.get("routes"),
            (predicate.get("to") or {}).get("version"),
            (predicate.get("to") or {}).get("digest"),
        )
        asked = (
            action.action_id,
            routes_document(action.routes),
            action.to_version,
            {"sha256": action.manifest_sha256},
        )
        if signed != asked:
            raise Halt(ActionState.FAILED, "The queued action differs from the signed one; nothing was changed.")
        n = len(action.decisions)
        self._note(action, "verified", f"Signed intent in entry {action.seq_intent} and its {n} decisions checked.")

    def _rehash(self, action: Action) -> None:
        try:
            found = hashlib.sha256(self._registry.manifest(action.model, action.to_version)).hexdigest()
        except ArtifactMissingError as gone:
            raise Halt(ActionState.FAILED, f"{gone.message} Nothing was changed.") from gone
        if found != action.manifest_sha256:
            raise Halt(
                ActionState.FAILED,
                f"The files of version {action.to_version} are not the ones that were approved "
                f"({found[:12]} instead of {action.manifest_sha256[:12]}). Nothing was changed.",
            )
        self._note(action, "rehashed", f"Files of version {action.to_version} are the approved ones ({found[:12]}).")

    def _expect_alias(self, action: Action) -> None:
        alias = self._registry.alias_target(action.model, ALIAS)
        expected = action.from_version
        if alias == expected or self._already_moved(action, alias):
            return
        raise Halt(
            ActionState.CONFLICT,
            f"Alias `{ALIAS}` points at {alias or 'nothing'} instead of {expected or 'nothing'}: "
            "somebody changed it outside. Nothing was overwritten.",
        )

    def _already_moved(self, action: Action, alias: str | None) -> bool:
        return (
            alias == action.champion
            and self._registry.version_tag(action.model, action.champion, TAG) == action.action_id
        )

    def _load(self, action: Action) -> None:
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
        if observed.op != action.action_id or dict(observed.routes) != dict(action.routes):
            try:
                observed = self._serving.set_routes(
                    action.deployment, action.routes, expect_generation=observed.generation, op=action.action_id
                )
            except ConflictError as faster:
                raise NotYet("Traffic was changed at the same moment; looking again.") from faster
        self._note(action, "switched", f"Traffic set: {plan.words(action.routes)} (generation {observed.generation}).")
        return True

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

    def _move_alias(self, action: Action) -> Outcome:
        words = f"{plan.words(action.routes)} is serving."
        try:
            alias = self._registry.alias_target(action.model, ALIAS)
            if alias == action.champion:
                if not action.alias_done:
                    self._registry.set_version_tag(action.model, action.to_version, TAG, action.action_id)
                self._note(action, "alias", f"Alias `{ALIAS}` points at version {alias}.")
                return Outcome(state=ActionState.APPLIED, detail=words)
            if alias != action.from_version:
                sentence = f"Alias `{ALIAS}` was moved to {alias or 'nothing'} outside and was left as it is."
                self._note(action, "alias", sentence)
                if action.kind is ActionKind.ROLLBACK:
                    return Outcome(state=ActionState.APPLIED, detail=f"{words} {sentence}")
                return Outcome(state=ActionState.CONFLICT, detail=f"{words} {sentence}")
            self._registry.set_version_tag(action.model, action.champion, TAG, action.action_id)
            self._done("tagged")
            self._registry.set_alias(action.model, ALIAS, action.champion)
            self._done("alias-written")
            self._repair_if_superseded(action)
            back = self._registry.alias_target(action.model, ALIAS)
        except RegistryUnavailableError as away:
            if action.kind is not ActionKind.ROLLBACK:
                raise
            sentence = f"The registry is not reachable; alias `{ALIAS}` follows as soon as it is."
            self._note(action, "alias", sentence)
            return Outcome(state=ActionState.APPLIED, detail=f"{words} {sentence} {away.message}", alias_pending=True)
        if back != action.champion:
            raise NotYet(f"Alias `{ALIAS}` reads back as {back or 'nothing'}; looking again.")
        self._note(action, "alias", f"Alias `{ALIAS}` moved to version {action.champion}.")
        return Outcome(state=ActionState.APPLIED, detail=words)

    def _repair_if_superseded(self, action: Action) -> None:
        """The registry has no lock: if a rollback overtook us during the write, its champion is put back."""
        if self._mine(action):
            return
        with self._units.read() as unit:
            waiting = [item for item in unit.rollouts.open_actions(action.model) if item.kind is ActionKind.ROLLBACK]
            row = unit.rollouts.deployment(action.model)
        wanted = waiting[-1].champion if waiting else row.champion if row else ""
        if wanted and wanted != action.champion:
            self._registry.set_alias(action.model, ALIAS, wanted)

    def settle_alias(self, model: str) -> bool:
        with self._units.read() as unit:
            row = unit.rollouts.deployment(model)
        if row is None or not row.alias_pending:
            return False
        try:
            if self._registry.alias_target(model, ALIAS) != row.champion:
                self._registry.set_alias(model, ALIAS, row.champion)
            settled = self._registry.alias_target(model, ALIAS) == row.champion
        except (RegistryUnavailableError, ServingUnavailableError):
            return False
        if settled:
            with self._units.write() as unit:
                current = unit.rollouts.deployment(model)
                if current is None or current.champion != row.champion:
                    return False
                unit.rollouts.save_deployment(
                    replace(current, alias_pending=False, alias_champion=row.champion), at=self._clock.now()
                )
        return settled
