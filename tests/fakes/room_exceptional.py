"""Exceptions and break-glass of the room made of memory: one of each state, and writes that are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.attestation.models import Receipt
from services.exceptions.models import ExceptionState, ExceptionTerms, ExceptionView, GateTerms
from services.kernel.identity import Actor
from services.people.models import Person
from services.rollout.emergency_models import (
    REVIEWERS_NEEDED,
    Conclusion,
    EmergencyMode,
    EmergencyPlan,
    EmergencyReview,
    EmergencyTarget,
    Reviewing,
    ReviewState,
)
from tests.fakes.room_sample import HOSTILE, NOW, at

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

ACTIVE = ExceptionView(
    id="exc-1",
    model="claims_triage",
    gate="selection:sex=F",
    gate_title="Selection rate: sex = F",
    reason="The strike month left too few claims of one group.",
    control="A claims handler checks every tenth score by hand.",
    owner_subject="ben.business",
    owner_name="Ben Okafor",
    proposed_by="Dana Petrov",
    granted_by="Clara Whitfield",
    state=ExceptionState.ACTIVE,
    proposed_at=at(90),
    granted_at=at(80),
    until=NOW + timedelta(days=20),
    ended_at=None,
    ended_why="",
    seq=18,
    late=False,
)
PROPOSED = replace(ACTIVE, id="exc-2", state=ExceptionState.PROPOSED, granted_by="", granted_at=None, seq=24)
RAN_OUT = replace(
    ACTIVE,
    id="exc-3",
    state=ExceptionState.EXPIRED,
    until=at(30),
    ended_at=at(30),
    ended_why="Its end date has passed.",
    late=True,
)
OVERDUE = EmergencyReview(
    id="rev-1",
    action_id="act-9",
    model="delay_claim_score",
    version="4",
    mode=EmergencyMode.FORWARD,
    by_name="Sam Lindqvist",
    by_subject="sam.sre",
    at=at(90),
    reason_code="OUTAGE",
    reason="Version 3 times out since the migration.",
    review_by=at(42),
    state=ReviewState.OVERDUE,
    reviewers=(("Vera Lindholm", "validator", Conclusion.ACCEPTED, at(60), 29),),
    comments=("The logs show the outage.",),
    blocks="The break-glass release of version 4 should have been reviewed; 1 of 2 reviewers have not signed.",
    seq=27,
)


class FakeExceptions:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def all(self, model: str = "", states: tuple[ExceptionState, ...] = ()) -> tuple[ExceptionView, ...]:
        if self._room.mode == "empty":
            return ()
        found = [item for item in (ACTIVE, PROPOSED, RAN_OUT) if not model or item.model == model]
        if self._room.hostile:
            found = [replace(item, control=HOSTILE, reason=HOSTILE, owner_name=HOSTILE) for item in found]
        return tuple(item for item in found if not states or item.state in states)

    def active(self, model: str, **_given: Any) -> tuple[Any, ...]:
        return ()

    def get(self, exception_id: str) -> ExceptionView:
        return next(item for item in (ACTIVE, PROPOSED, RAN_OUT) if item.id == exception_id)

    def terms(self, model: str) -> ExceptionTerms:
        return ExceptionTerms(
            gates=(
                GateTerms(gate="calibration-in-the-large", title="Mean score minus observed rate"),
                GateTerms(gate="files", title="Files hashed", refusal="Nobody could say what was signed."),
            ),
            longest_days=60,
        )

    def owners(self) -> tuple[Person, ...]:
        return tuple(self._room.people.people())

    def refusal_to_decide(self, exception_id: str, *, actor: Actor) -> str:
        return "" if actor.subject == "clara.compliance" else "A compliance officer decides."

    def refusal_to_end(self, exception_id: str, *, actor: Actor) -> str:
        return "" if actor.subject in {"clara.compliance", "dana.datascience"} else "Ask one of them."

    def propose(self, command: Any, *, actor: Actor) -> Receipt:
        return self._write(command, actor)

    def decide(self, command: Any, *, actor: Actor) -> Receipt:
        return self._write(command, actor)

    def end(self, command: Any, *, actor: Actor) -> Receipt:
        return self._write(command, actor)

    def _write(self, command: Any, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)


class FakeEmergency:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def reviews(self, model: str = "", *, open_only: bool = False) -> tuple[EmergencyReview, ...]:
        if self._room.mode == "empty" or model not in {"", OVERDUE.model}:
            return ()
        return (replace(OVERDUE, reason=HOSTILE, comments=(HOSTILE,)) if self._room.hostile else OVERDUE,)

    def targets(self, model: str, *, actor: Actor) -> tuple[EmergencyTarget, ...]:
        return (
            EmergencyTarget(version="5", mode=EmergencyMode.FORWARD, refusal="", remark=""),
            EmergencyTarget(version="2", mode=EmergencyMode.FORWARD, refusal="its approval was revoked", remark=""),
        )

    def plan(self, model: str, version: str, *, actor: Actor) -> EmergencyPlan:
        if self._room.refuse is not None:
            raise self._room.refuse
        return EmergencyPlan(
            model=model,
            version=version,
            mode=EmergencyMode.FORWARD,
            current=(("3", 100),),
            effect=(
                f"Version {version} gets all traffic at once without a complete approval.",
                "2 uninvolved people have to review this by 20 Jun 2030 12:00 UTC.",
            ),
            review_by=NOW + timedelta(days=2),
            reviewers_needed=REVIEWERS_NEEDED,
            unchecked=(),
            challenge="ch-glass",
        )

    def release(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def refusal_to_review(self, review_id: str, *, actor: Actor) -> str:
        return "" if actor.subject == "clara.compliance" else "You reviewed this release already."

    def open_review(self, review_id: str, *, actor: Actor) -> Reviewing:
        return Reviewing(review_id=review_id, challenge="ch-review", expires_at=NOW + timedelta(minutes=15))

    def review(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)
