"""A signature that fell is no signature: its person signs anew, and nothing of the fallen one counts."""

from __future__ import annotations

from sqlalchemy import delete, update

from services.adapters.sql.schema.people import person, person_role
from services.approvals.models import Decision, RequestState
from services.kernel.identity import Role
from tests.builders import MODEL, World
from tests.unit.approvals.acting import lend, objections, sign_for


def active(world: World, subject: str, *, is_active: bool) -> None:
    """As the ceremony of administrators leaves it."""
    with world.database.write() as connection:
        connection.execute(update(person).where(person.c.subject == subject).values(active=is_active))


def asked(world: World) -> str:
    world.submit("3")
    return world.request_of("3").request_id


def test_who_left_and_came_back_signs_anew_and_is_counted(world: World) -> None:
    request_id = asked(world)
    first = world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    active(world, "vera.validator", is_active=False)
    assert world.approvals.revalidate() == 1
    active(world, "vera.validator", is_active=True)
    second = world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    assert not second.repeated
    assert second.seq > first.seq
    assert world.sign_off(request_id, "vera.validator", Decision.APPROVE).seq == second.seq, "a second click of it"
    world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)
    world.sign_off(request_id, "clara.compliance", Decision.APPROVE)
    assert world.request_of("3").state is RequestState.APPROVED
    assert second.seq in world.approvals.approved(MODEL, "3").decision_entries
    assert first.seq not in world.approvals.approved(MODEL, "3").decision_entries
    assert objections(world) == set(), "no verifier objects to it"


def test_a_signature_given_for_somebody_who_left_falls(world: World) -> None:
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    lent = lend(world, "clara.compliance", "viktor.validator")
    sign_for(world, request_id, "viktor.validator", Role.COMPLIANCE.value, lent, Decision.APPROVE)
    active(world, "clara.compliance", is_active=False)
    assert world.approvals.revalidate() == 1
    assert world.approvals.revalidate() == 0
    view = world.approvals.get(request_id, actor=world.actor("otto.auditor"))
    assert view.signatures[-1].void_reason == "Void: Clara Whitfield is disabled."
    assert view.signatures[0].valid
    assert world.entries("event:signatures-void") == 1


def test_a_signature_for_somebody_who_lost_the_role_does_not_complete_a_quorum(world: World) -> None:
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    lent = lend(world, "clara.compliance", "viktor.validator")
    sign_for(world, request_id, "viktor.validator", Role.COMPLIANCE.value, lent, Decision.APPROVE)
    with world.database.write() as connection:
        connection.execute(delete(person_role).where(person_role.c.subject == "clara.compliance"))
    world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)
    assert world.request_of("3").state is RequestState.OPEN
    assert world.entries("event:signatures-void") == 1, "the signature of another person found it, and said so"
    assert world.approvals.revalidate() == 0
    assert world.entries("event:signatures-void") == 1
    trail = world.approvals.get(request_id, actor=world.actor("otto.auditor")).trail
    fell = next(line for line in trail if "no longer holds the role compliance officer" in line.sentence)
    assert fell.seq is not None


def test_a_complete_approval_stays_when_a_signer_leaves_and_is_revoked_as_it_was(world: World) -> None:
    request_id = world.approve("3")
    active(world, "vera.validator", is_active=False)
    world.sign_off(request_id, "clara.compliance", Decision.REVOKE, reason="FAIRNESS", comment="New finding.")
    view = world.approvals.get(request_id, actor=world.actor("otto.auditor"))
    assert [item.valid for item in view.signatures[:3]] == [True, True, True]
    assert world.entries("event:signatures-void") == 0
