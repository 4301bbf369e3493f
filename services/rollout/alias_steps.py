"""The registry's part of an action: alias and tags follow the traffic, and are read back.

The registry has no lock and no compare-and-set: it is read before and after each write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.kernel.clock import Clock
from services.kernel.errors import RegistryUnavailableError, UnknownModelError, UnknownVersionError
from services.rollout import plan
from services.rollout.intents import ALIAS, TAG
from services.rollout.models import Action, ActionKind, ActionState, Outcome
from services.rollout.ports import AliasRegistry, RolloutUnits
from services.rollout.stops import NotYet

_GONE = (UnknownModelError, UnknownVersionError)


class AliasSteps:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        registry: AliasRegistry,
        clock: Clock,
        done: Callable[[str], None],
        note: Callable[[Action, str, str], None],
        is_mine: Callable[[Action], bool],
    ) -> None:
        self._units = units
        self._registry = registry
        self._clock = clock
        self._done = done
        self._note = note
        self._is_mine = is_mine

    def move(self, action: Action) -> Outcome:
        """The alias to the champion of the action; a rollback is done even while the registry is away."""
        words = f"{plan.words(action.routes)} is serving."
        try:
            return self._move(action, words)
        except RegistryUnavailableError as away:
            if action.kind is not ActionKind.ROLLBACK:
                raise
            sentence = f"The registry is not reachable; alias `{ALIAS}` follows as soon as it is."
            self._note(action, "alias", sentence)
            return Outcome(state=ActionState.APPLIED, detail=f"{words} {sentence} {away.message}", alias_pending=True)
        except _GONE as gone:
            sentence = f"Alias `{ALIAS}` was not moved. {gone.message}"
            self._note(action, "alias", sentence)
            state = ActionState.APPLIED if action.kind is ActionKind.ROLLBACK else ActionState.CONFLICT
            return Outcome(state=state, detail=f"{words} {sentence}")

    def _move(self, action: Action, words: str) -> Outcome:
        alias = self._registry.alias_target(action.model, ALIAS)
        if alias == action.champion:
            if not action.alias_done:
                self._registry.set_version_tag(action.model, action.to_version, TAG, action.action_id)
            self._restore_tags(action)
            self._note(action, "alias", f"Alias `{ALIAS}` points at version {alias}.")
            return Outcome(state=ActionState.APPLIED, detail=words)
        if alias != action.from_version:
            sentence = f"Alias `{ALIAS}` was moved to {alias or 'nothing'} outside and was left as it is."
            self._note(action, "alias", sentence)
            state = ActionState.APPLIED if action.kind is ActionKind.ROLLBACK else ActionState.CONFLICT
            return Outcome(state=state, detail=f"{words} {sentence}")
        self._registry.set_version_tag(action.model, action.to_version, TAG, action.action_id)
        self._restore_tags(action)
        self._done("tagged")
        self._registry.set_alias(action.model, ALIAS, action.champion)
        self._done("alias-written")
        self._repair_if_superseded(action)
        back = self._registry.alias_target(action.model, ALIAS)
        if back != action.champion:
            raise NotYet(f"Alias `{ALIAS}` reads back as {back or 'nothing'}; looking again.")
        self._note(action, "alias", f"Alias `{ALIAS}` moved to version {action.champion}.")
        return Outcome(state=ActionState.APPLIED, detail=words)

    def _restore_tags(self, action: Action) -> None:
        """Reverting also puts the tag of the other serving version back to the action that last touched it."""
        if action.kind is not ActionKind.REVERT:
            return
        with self._units.read() as unit:
            newest = {item.to_version: item.action_id for item in unit.rollouts.applied(action.model)}
        others = {action.champion, *(version for version, _ in action.routes)} - {action.to_version}
        for version in sorted(others & set(newest)):
            self._registry.set_version_tag(action.model, version, TAG, newest[version])
            if self._registry.version_tag(action.model, version, TAG) != newest[version]:
                raise NotYet(f"The tag of version {version} does not read back yet; looking again.")

    def _repair_if_superseded(self, action: Action) -> None:
        """The registry has no lock: if a rollback overtook us during the write, its champion is put back."""
        if self._is_mine(action):
            return
        with self._units.read() as unit:
            waiting = [item for item in unit.rollouts.open_actions(action.model) if item.kind is ActionKind.ROLLBACK]
            row = unit.rollouts.deployment(action.model)
        wanted = waiting[-1].champion if waiting else row.champion if row else ""
        if wanted and wanted != action.champion:
            self._registry.set_alias(action.model, ALIAS, wanted)

    def settle(self, model: str) -> bool:
        """Moves an alias that stayed behind while the registry was away; True once it reads back."""
        with self._units.read() as unit:
            row = unit.rollouts.deployment(model)
            newest = next(iter(unit.rollouts.applied(model)), None)
        if row is None or not row.alias_pending:
            return False
        try:
            if newest is not None:
                self._registry.set_version_tag(model, newest.to_version, TAG, newest.action_id)
            if self._registry.alias_target(model, ALIAS) != row.champion:
                self._registry.set_alias(model, ALIAS, row.champion)
            settled = self._registry.alias_target(model, ALIAS) == row.champion
        except (RegistryUnavailableError, *_GONE):
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
