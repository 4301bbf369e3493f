"""Metadata, owners and risk tiers of the room made of memory: one override that waits, one that was refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.attestation.models import Receipt
from services.inventory import proposals
from services.inventory.governance import UseCase
from services.inventory.models import Owner
from services.inventory.owners import Orphan, duty_of
from services.inventory.proposals import Proposal, ProposalKind, Step
from services.kernel.errors import ControlRoomError, UnknownModelError
from services.kernel.identity import Actor
from services.oversight.impact import Impact, impact
from services.people.models import Person
from services.people.persons import Account
from tests.fakes.room_sample import HOSTILE, MODELS, NOW, at
from tests.fakes.room_value import a_value

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

USE_CASES = (
    UseCase(
        id="delay-cover",
        title="Flight delay cover",
        purpose="Sells cover against late arrivals at a price that follows the risk.",
        owner=Owner(role="business_owner", subject="ben.business", name="Ben Okafor"),
    ),
)


def _step(subject: str, name: str, role: str, seq: int, reason: str, days: int) -> Step:
    by = Account(issuer="countersign:demo", subject=subject, name=name)
    return Step(by=by, role=role, at=at(24 * days), reason=reason, salt="", seq=seq, leaf_hash="ab" * 32)


WAITING = Proposal(
    proposal_id="tier-1",
    model="claims_triage",
    kind=ProposalKind.OVERRIDE,
    tier=2,
    was=1,
    computed=1,
    score="60.4",
    until=NOW + timedelta(days=60),
    proposed=_step("dana.datascience", "Dana Petrov", "data_science_lead", 33, "Reviewers see every claim by now.", 1),
)
REFUSED = replace(
    WAITING,
    proposal_id="tier-0",
    confirmed=False,
    proposed=_step("dana.datascience", "Dana Petrov", "data_science_lead", 21, "Fewer claims this quarter.", 40),
    decided=_step("vera.validator", "Vera Lindholm", "validator", 22, "Volume is not what makes it critical.", 39),
)


class FakeStewardship:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def orphans(self, model: str = "") -> tuple[Orphan, ...]:
        if model != "plan_utilisation":
            return ()
        name = HOSTILE if self._room.hostile else "Gil Oben"
        return (
            Orphan(model=model, duty=duty_of("sre"), name=name, sentence=f"{name} is no longer an active person here."),
        )

    def candidates(self) -> tuple[Person, ...]:
        return self._room.people.people()

    def fill_in(self, command: Any, *, actor: Actor) -> Receipt:
        return self._room.write(command)

    def assign_owner(self, command: Any, *, actor: Actor) -> Receipt:
        return self._room.write(command)

    def mark_reviewed(self, command: Any, *, actor: Actor) -> Receipt:
        return self._room.write(command)

    def record_release(self, command: Any, *, actor: Actor) -> Receipt:
        return self._room.write(command)

    def save_use_case(self, command: Any, *, actor: Actor) -> Receipt:
        return self._room.write(command)


class FakeClassification:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def history(self, model: str) -> tuple[Proposal, ...]:
        if model != "claims_triage" or self._room.mode == "empty":
            return ()
        if not self._room.hostile:
            return (WAITING, REFUSED)
        return tuple(replace(item, proposed=replace(item.proposed, reason=HOSTILE)) for item in (WAITING, REFUSED))

    def refusal_to_decide(self, item: Proposal, *, actor: Actor) -> str:
        try:
            proposals.require_decidable(item, actor, now=NOW)
        except ControlRoomError as refused:
            return str(refused)
        return ""

    def propose(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def decide(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)


def an_impact(model: str) -> Impact:
    """As the real service computes it, from the sample's records and the usual levels."""
    if not model:
        raise UnknownModelError("There is no model without a name.")
    known = next((item for item in MODELS if item.name == model), MODELS[0])  # a hostile room has names of its own
    return impact(replace(known, name=model), a_value(known.name))
