"""Signs and records the steps of a release: shadow, its closure, canary, hold, resume, abort.

Every step forward is checked before the passphrase is asked for, and again inside the transaction that records it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock
from services.kernel.errors import InputError, MissingReasonError, RefusalError, TrustError
from services.kernel.identity import Actor
from services.ledger import events
from services.rollout import conditions, intents, lifecycle, plan
from services.rollout.guards import Guards, basis, raise_epoch
from services.rollout.models import Action, ActionKind, ActionState, Deployment
from services.rollout.ports import Attestations, RolloutUnit, RolloutUnits
from services.rollout.preconditions import Outside, Preconditions
from services.rollout.release_models import Hold, Release, ReleaseEvent, StepCommand
from services.rollout.shadow_closure import CLOSED, closure_detail, require_closure

HELD = "release-held"
RESUMED = "release-resumed"
_REASONED = {"hold", "abort"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A command with what it is about, read before anything is signed."""

    command: StepCommand
    actor: Actor
    release: Release
    row: Deployment
    outside: Outside
    at: datetime


class ReleaseSteps:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        desk: SigningDesk,
        guards: Guards,
        attestations: Attestations,
        preconditions: Preconditions,
        clock: Clock,
    ) -> None:
        self._units = units
        self._desk = desk
        self._guards = guards
        self._attestations = attestations
        self._preconditions = preconditions
        self._clock = clock

    def plan(self, step: str, model: str, *, actor: Actor) -> str:
        """A challenge for this step of this release as it is now. Raises PreconditionError, InputError."""
        with self._units.read() as unit:
            release, row = running(unit, model)
        outside = self._preconditions.outside(release) if step in conditions.FORWARD else Outside()
        with self._units.read() as unit:
            self._preconditions.require(unit, release, step, outside)
        return self._guards.challenge(_purpose(step), actor, row, shown=_shown(release, step))

    def record(self, command: StepCommand, actor: Actor) -> tuple[Receipt, str]:
        """The receipt, and the action to drive; no action for a step that moves nothing."""
        if command.step not in _RECORDERS:
            raise InputError(f"There is no step {command.step!r}.", hint="Choose one the release page offers.")
        if command.step in _REASONED and not command.reason.strip():
            raise MissingReasonError("This step needs a reason.", hint="Say why in a sentence.")
        with self._units.read() as unit:
            earlier = unit.ledger.find(_idem(command, actor))
            if earlier is not None:
                return replace(earlier, repeated=True), _action_id(command, actor)
            release, row = running(unit, command.model)
        if release.release_id != command.release_id:
            raise RefusalError("This form was opened for another release.", hint="Open it again.")
        outside = self._preconditions.outside(release) if command.step in conditions.FORWARD else Outside()
        with self._units.read() as unit:
            self._require_challenge(unit, command, actor, release, row)
            self._preconditions.require(unit, release, command.step, outside)
        asked = _Asked(command=command, actor=actor, release=release, row=row, outside=outside, at=self._clock.now())
        return _RECORDERS[command.step](self, asked)

    # steps that are orders

    def _start_shadow(self, asked: _Asked) -> tuple[Receipt, str]:
        release = asked.release
        action = _action(asked, ActionKind.SHADOW, routes=lifecycle.routes(release), champion=str(release.base))
        action = replace(action, reason="Shadow run of the approved plan")
        return self._order(asked, action, cites={})

    def _start_canary(self, asked: _Asked) -> tuple[Receipt, str]:
        release, share = asked.release, conditions.share_of(asked.release, "start-canary") or 100
        routes = plan.routes_for(base=release.base, candidate=release.candidate, share=share)
        champion = release.candidate if share == 100 else str(release.base)
        action = _action(asked, ActionKind.START, routes=routes, champion=champion)
        action = replace(action, reason=f"First share of the approved plan: {share} %")
        cites: dict[str, Any] = {}
        if release.shadow is not None:
            try:
                require_closure(self._attestations, release)
            except TrustError as wrong:
                raise RefusalError(
                    f"The closure of the shadow run does not verify. {wrong.message}", hint="Look at the audit screen."
                ) from wrong
            seq, leaf = release.shadow_closed or (0, "")
            cites = {"shadow": {"entry": seq, "sha256": leaf}}
        return self._order(asked, action, cites=cites)

    def _abort(self, asked: _Asked) -> tuple[Receipt, str]:
        release = asked.release
        action = _action(
            asked, ActionKind.ABORT, routes=lifecycle.routes(release), champion=release.base or release.candidate
        )
        action = replace(action, reason_code="ABORT", reason=asked.command.reason.strip(), plan=())
        return self._order(asked, action, cites={})

    def _order(self, asked: _Asked, action: Action, *, cites: dict[str, Any]) -> tuple[Receipt, str]:
        with self._units.read() as unit:
            allowed_by = basis(unit.rollouts, asked.release.request_id)
            head = unit.ledger.head()
        action = replace(action, decisions=allowed_by.decisions)
        payload = intents.action_statement(
            action,
            basis=allowed_by,
            at=asked.at,
            head=head,
            nonce=asked.command.challenge,
            actor=asked.actor,
            cites=cites,
        )
        envelope = self._sign(asked, payload)
        with self._units.write() as unit:
            self._again(unit, asked)
            action, receipt = intents.record(unit, action, envelope)
            if action.kind is ActionKind.ABORT:
                self._end_others(unit, action, at=asked.at)
            raise_epoch(unit.rollouts, asked.row.model, at=asked.at)
        return receipt, action.action_id

    def _end_others(self, unit: RolloutUnit, action: Action, *, at: datetime) -> None:
        for other in unit.rollouts.open_actions(action.model):
            if other.action_id != action.action_id and other.request_id == action.request_id:
                intents.supersede(unit, self._desk, other, why="the release was aborted", at=at)

    # steps that are facts

    def _close_shadow(self, asked: _Asked) -> tuple[Receipt, str]:
        comparison = asked.outside.comparison
        if comparison is None:
            raise RefusalError("The figures of the shadow run could not be read.", hint="Try again in a minute.")
        with self._units.read() as unit:
            allowed_by = basis(unit.rollouts, asked.release.request_id)
        detail = closure_detail(asked.release, comparison, allowed_by)
        return self._state(
            asked,
            CLOSED,
            detail,
            lambda receipt: lifecycle.closed(
                asked.release, (receipt.seq, receipt.leaf_hash), at=asked.at, psi=comparison.psi
            ),
            f"Shadow closed: {detail['sentence']}",
        )

    def _hold(self, asked: _Asked) -> tuple[Receipt, str]:
        release, reason = asked.release, asked.command.reason.strip()
        detail = _detail(release, f"{release.model} version {release.candidate} is held at {release.share} %. {reason}")
        return self._state(
            asked,
            HELD,
            detail | {"hold": Hold.PERSON.value},
            lambda _receipt: lifecycle.held(release, Hold.PERSON, reason, at=asked.at),
            f"Held: {reason}",
        )

    def _resume(self, asked: _Asked) -> tuple[Receipt, str]:
        release, reason = asked.release, asked.command.reason.strip()
        was = f"It was held: {release.hold_reason}".strip()
        detail = _detail(release, f"{release.model} version {release.candidate} goes on. {was} {reason}".strip())
        accepted = self._accepted(release)
        detail |= {"accepted": " ".join(f"{metric} {value:.4f}" for metric, value in accepted)}
        return self._state(
            asked,
            RESUMED,
            detail,
            lambda _receipt: lifecycle.resumed(release, at=asked.at, accepted=accepted),
            f"Resumed. {reason}",
        )

    def _accepted(self, release: Release) -> tuple[tuple[str, float], ...]:
        """What the person who resumes has seen and goes on with: the difference it was held for, as last measured."""
        if release.hold not in {Hold.SCORES, Hold.BUSINESS}:
            return ()
        with self._units.read() as unit:
            found = unit.releases.analysis(release.release_id)
        seen = next((item for item in found.readings if item.metric == release.hold.value), None) if found else None
        return ((release.hold.value, (seen.value if seen else None) or 0.0),)

    def _state(
        self,
        asked: _Asked,
        event: str,
        detail: dict[str, str],
        move: Callable[[Receipt], Release],
        sentence: str,
    ) -> tuple[Receipt, str]:
        """A signed fact and the state it leads to, in one transaction."""
        with self._units.read() as unit:
            head = unit.ledger.head()
        payload = events.payload(
            event,
            actor=asked.actor,
            model=asked.release.model,
            detail=detail,
            at=asked.at,
            head=head,
            signed=True,
            nonce=asked.command.challenge,
        )
        envelope = self._sign(asked, payload)
        with self._units.write() as unit:
            self._again(unit, asked)
            receipt = unit.ledger.append(envelope, idem=_idem(asked.command, asked.actor))
            moved = move(receipt)
            unit.releases.save_release(moved)
            unit.releases.add_release_event(
                moved.release_id,
                ReleaseEvent(
                    at=asked.at, state=moved.state, sentence=sentence, actor=asked.actor.name, seq=receipt.seq
                ),
            )
        return receipt, ""

    # what all share

    def _sign(self, asked: _Asked, payload: bytes) -> bytes:
        return self._desk.sign_as_person(payload, subject=asked.actor.subject, passphrase=asked.command.passphrase)

    def _again(self, unit: RolloutUnit, asked: _Asked) -> None:
        """Everything once more, in the transaction: a rollback, a freeze or a finding may have been faster."""
        release, _ = running(unit, asked.command.model)
        self._require_challenge(unit, asked.command, asked.actor, release, asked.row)
        self._preconditions.require(unit, release, asked.command.step, asked.outside)
        self._guards.spend(unit, asked.command.challenge, asked.row)

    def _require_challenge(
        self, unit: RolloutUnit, command: StepCommand, actor: Actor, release: Release, row: Deployment
    ) -> None:
        self._guards.require_challenge(
            unit.rollouts,
            command.challenge,
            _purpose(command.step),
            actor,
            row,
            shown=_shown(release, command.step),
        )


_RECORDERS: dict[str, Callable[[ReleaseSteps, _Asked], tuple[Receipt, str]]] = {
    "start-shadow": ReleaseSteps._start_shadow,  # noqa: SLF001 - its own table
    "close-shadow": ReleaseSteps._close_shadow,  # noqa: SLF001
    "start-canary": ReleaseSteps._start_canary,  # noqa: SLF001
    "hold": ReleaseSteps._hold,  # noqa: SLF001
    "resume": ReleaseSteps._resume,  # noqa: SLF001
    "abort": ReleaseSteps._abort,  # noqa: SLF001
}
_ORDERS = {"start-shadow", "start-canary", "abort"}


def running(unit: RolloutUnit, model: str) -> tuple[Release, Deployment]:
    """The release a step is about, with the deployment. Raises InputError when nothing is on its way."""
    release, row = next(iter(unit.releases.releases(model, limit=1)), None), unit.rollouts.deployment(model)
    if release is None or row is None or release.state.is_final:
        raise InputError(f"No release of {model} is on its way.", hint="A complete approval begins one.")
    return release, row


def _action(asked: _Asked, kind: ActionKind, *, routes: plan.Routes, champion: str) -> Action:
    release = asked.release
    return Action(
        action_id=_action_id(asked.command, asked.actor),
        model=release.model,
        deployment=release.deployment,
        kind=kind,
        state=ActionState.PENDING,
        from_version=asked.row.champion or None,
        to_version=release.candidate,
        routes=routes,
        champion=champion,
        plan=release.plan,
        request_id=release.request_id,
        requested_by=asked.actor.name,
        subject=asked.actor.subject,
        reason_code="",
        reason="",
        manifest_sha256=release.candidate_sha256,
        decisions=(),
        created_at=asked.at,
        seq_intent=0,
        leaf_intent="",
        next_try_at=asked.at,
    )


def _detail(release: Release, sentence: str) -> dict[str, str]:
    return {
        "release": release.release_id,
        "request": release.request_id,
        "version": release.candidate,
        "share": str(release.share),
        "sentence": sentence,
    }


def _action_id(command: StepCommand, actor: Actor) -> str:
    if command.step not in _ORDERS:
        return ""
    return intents.action_id(command.step, actor.subject, command.command_id)


def _idem(command: StepCommand, actor: Actor) -> str:
    action_id = _action_id(command, actor)
    return f"action:{action_id}" if action_id else f"release:{command.step}:{actor.subject}:{command.command_id}"


def _purpose(step: str) -> str:
    return f"release:{step}"


def _shown(release: Release, step: str) -> str:
    share = conditions.share_of(release, step)
    return f"{release.release_id}|{release.revision}|{release.state.value}|{share}"
