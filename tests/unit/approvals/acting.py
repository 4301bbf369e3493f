"""What people do in tests of deciding: lend a role, and sign in a role that was lent."""

from __future__ import annotations

from datetime import timedelta

from services.approvals.models import Decision, SignOff
from services.people.delegations import GrantDelegation
from tests.builders import World
from tests.unit.pack.agreeing import require_agreement


def lend(world: World, giver: str, receiver: str, *, tier: int = 1, days: int = 10) -> str:
    """A delegation of the giver's role, from now on; its id."""
    actor, to = world.actor(giver), world.actor(receiver)
    now = world.clock.now()
    world.delegations.grant(
        GrantDelegation(
            command_id=f"{giver}-{receiver}-{tier}",
            role=actor.role,
            to_issuer=to.issuer,
            to_subject=to.subject,
            tier=tier,
            since=now,
            until=now + timedelta(days=days),
            reason="On leave.",
            passphrase=world.secret(giver),
        ),
        actor=actor,
    )
    return world.people.active_delegations(now=now, to=(to.issuer, to.subject))[0].id


def sign_for(world: World, request_id: str, subject: str, role: str, delegation: str, decision: Decision) -> None:
    actor = world.actor(subject)
    review = world.approvals.open_review(request_id, actor=actor, role=role, delegation=delegation)
    world.approvals.sign_off(
        SignOff(
            command_id="c",
            request_id=request_id,
            decision=decision,
            reason_code="",
            comment="",
            challenge=review.challenge,
            passphrase=world.secret(subject),
            role=role,
            zone="Europe/Berlin",
            delegation=delegation,
        ),
        actor=actor,
    )


def objections(world: World) -> set[tuple[str, int]]:
    """What the product's verifier and the pack's have against the log, beyond notes: (severity, entry)."""
    return {item for item in require_agreement(entry.envelope for entry in world.book.entries()) if item[0] != "note"}
