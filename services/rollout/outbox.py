"""Carries out queued actions, exactly once, in order per model, and survives being killed at any step.

Traffic first, read back and probed, then the alias: the registry may be down while traffic goes back.
Every effect is repeatable: traffic by operation id and generation, the alias by read-compare-write, the
outcome by its idempotency key.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, InputError
from services.rollout.closing import close
from services.rollout.models import Action, ActionKind, ActionState, ActionView, Outcome
from services.rollout.ports import AliasRegistry, ApprovalStanding, Attestations, RolloutUnits, ServingPlatform
from services.rollout.release_effects import while_unverified
from services.rollout.steps import Steps
from services.rollout.stops import Halt, NotYet
from services.rollout.views import action_view

LEASE = timedelta(seconds=15)
_RETRY = (1, 2, 4, 8, 15, 30)
_URGENT = 2
"""Longest wait of an action that brings something back: it is sent as soon as a busy platform is free."""
_GIVE_UP = timedelta(minutes=30)

_log = logging.getLogger(__name__)


class OutboxRunner:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        serving: ServingPlatform,
        registry: AliasRegistry,
        attestations: Attestations,
        standing: ApprovalStanding,
        desk: SigningDesk,
        clock: Clock,
        after_step: Callable[[str], None] = lambda _step: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._units = units
        self._desk = desk
        self._clock = clock
        self._after_step = after_step
        self._sleep = sleep
        self._steps = Steps(
            units=units,
            serving=serving,
            registry=registry,
            attestations=attestations,
            standing=standing,
            clock=clock,
            done=after_step,
        )

    def run_pending(self, limit: int = 10, *, only_back: bool = False) -> int:
        """One attempt at each due action; the number that finished. Never raises for one broken action.

        With `only_back` everything but rollbacks and aborts stays queued.
        """
        now = self._clock.now()
        with self._units.read() as unit:
            waiting = [action for action in unit.rollouts.open_actions() if not only_back or not _may_give_up(action)]
        due = [action for action in waiting if action.next_try_at <= now][:limit]
        return sum(self._attempt(action.action_id, _owner()) for action in due)

    def drive(self, action_id: str, *, timeout_seconds: float) -> ActionView:
        """Works on one action until it is finished or the time is up; the worker goes on where this stops."""
        owner = _owner()
        deadline = time.monotonic() + timeout_seconds
        while not self._attempt(action_id, owner) and time.monotonic() < deadline:
            if self._is_finished(action_id):
                break
            self._sleep(0.2)
        return self.view(action_id)

    def view(self, action_id: str) -> ActionView:
        """Raises InputError for an unknown action."""
        with self._units.read() as unit:
            action = unit.rollouts.action(action_id)
            if action is None:
                raise InputError(f"There is no action {action_id}.")
            return action_view(action, unit.rollouts.steps(action_id))

    def settle_aliases(self) -> int:
        """Moves aliases that stayed behind while the registry was away; the number settled."""
        with self._units.read() as unit:
            waiting = [item for item in unit.rollouts.deployments() if item.alias_pending]
        return sum(self._steps.settle_alias(item.model) for item in waiting)

    def _is_finished(self, action_id: str) -> bool:
        with self._units.read() as unit:
            action = unit.rollouts.action(action_id)
        return action is None or not action.is_open

    def _attempt(self, action_id: str, owner: str) -> bool:  # noqa: PLR0911 - one line per way an attempt can end
        """True when the action is finished after this attempt."""
        now = self._clock.now()
        with self._units.write() as unit:
            if not unit.rollouts.claim(action_id, owner=owner, now=now, until=now + LEASE):
                return False
            action = unit.rollouts.action(action_id)
        if action is None:
            return False
        self._after_step("claimed")
        try:
            outcome = self._steps.run(action)
        except NotYet as wait:
            return self._later(action_id, owner, wait.sentence)
        except Halt as halt:
            outcome = Outcome(state=halt.state, detail=halt.sentence)
        except ControlRoomError as broken:
            return self._later(action_id, owner, str(broken))
        except Exception:  # noqa: BLE001 - the outbox runner and app.py are the two places that may
            # One action with an unforeseen fault must not stop the others; it stays queued and visible.
            _log.exception("action failed unexpectedly", extra={"action": action_id})
            return self._later(action_id, owner, "An unexpected fault; it is tried again. Details are in the log.")
        if outcome is None:
            return True
        close(self._units, self._desk, action_id, outcome, at=self._clock.now())
        self._after_step("closed")
        return True

    def _later(self, action_id: str, owner: str, why: str) -> bool:
        now = self._clock.now()
        with self._units.write() as unit:
            action = unit.rollouts.action(action_id)
            if action is None or not action.is_open or action.lease_owner != owner:
                return False
            expired = _may_give_up(action) and now - action.created_at > _GIVE_UP
            if not expired:
                delay = _RETRY[min(action.attempts, len(_RETRY) - 1)]
                if not _may_give_up(action):
                    delay = min(delay, _URGENT)
                waiting = replace(
                    action,
                    attempts=action.attempts + 1,
                    detail=why,
                    next_try_at=now + timedelta(seconds=delay),
                    lease_owner="",
                    lease_until=None,
                    state=ActionState.PENDING,
                )
                unit.rollouts.update_action(waiting)
                while_unverified(unit, waiting, at=now)
                if why != action.detail:
                    unit.rollouts.add_step(action_id, "waiting", why, at=now)
                return False
        failed = Outcome(state=ActionState.FAILED, detail=f"Given up after 30 minutes. {why}")
        close(self._units, self._desk, action_id, failed, at=now)
        return True


def _may_give_up(action: Action) -> bool:
    """A release may fail; a rollback or an abort is tried until it works or is superseded."""
    return action.kind not in {ActionKind.ROLLBACK, ActionKind.ABORT}


def _owner() -> str:
    """Unique per attempt, so two threads of one process never share a lease."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
