"""A signature that fell is no signature: its person signs anew, and nothing of the fallen one counts."""

from __future__ import annotations

from sqlalchemy import update

from services.adapters.sql.schema.people import person
from services.approvals.models import Decision, RequestState
from tests.builders import MODEL, World


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
