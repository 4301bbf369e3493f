"""One person, one place: also with a second account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert

from services.adapters.sql.schema.people import person, person_role
from services.approvals.models import Decision, SignOff
from services.kernel.errors import DuplicateSignerError, SelfApprovalError
from services.kernel.identity import Actor, Role
from services.people.persons import Account, same_person
from tests.builders import World


def a_second_account(
    world: World, *, subject: str, name: str, role: Role, issuer: str = "https://idp.example"
) -> Actor:
    """Enrolled once more, by another identity provider."""
    with world.database.write() as connection:
        connection.execute(insert(person).values(issuer=issuer, subject=subject, name=name, active=True, seq=0))
        connection.execute(insert(person_role).values(issuer=issuer, subject=subject, role=role.value, seq=0))
    now = world.clock.now()
    return Actor(
        issuer=issuer, subject=subject, name=name, role=role, session_id="s", signed_in_at=now - timedelta(minutes=1)
    )


def sign(world: World, actor: Actor) -> None:
    request_id = world.request_of("3").request_id
    review = world.approvals.open_review(request_id, actor=actor)
    command = SignOff(
        command_id="c",
        request_id=request_id,
        decision=Decision.APPROVE,
        reason_code="",
        comment="",
        challenge=review.challenge,
        passphrase=world.secret("vera.validator"),
    )
    world.approvals.sign_off(command, actor=actor)


@pytest.mark.parametrize(("subject", "name"), [("dana.datascience", "D. Petrov"), ("p.dana", "DANA  Pétrov")])
def test_a_second_account_of_the_requester_approves_nothing(world: World, subject: str, name: str) -> None:
    """Attack 13: same subject at another issuer, or the same printed name."""
    world.submit("3")
    other = a_second_account(world, subject=subject, name=name, role=Role.VALIDATOR)
    with pytest.raises(SelfApprovalError, match="belongs to the person who asked, Dana Petrov"):
        sign(world, other)
    assert world.entries("event:sign-off-refused") == 1
    assert world.entries("decision:approve") == 0
    view = world.approvals.get(world.request_of("3").request_id, actor=other)
    assert Decision.APPROVE not in view.allowed


def test_a_second_account_fills_no_second_place(world: World) -> None:
    """Attack 13 among the signers: the validator is enrolled once more as compliance officer."""
    world.submit("3")
    world.sign_off(world.request_of("3").request_id, "vera.validator", Decision.APPROVE)
    other = a_second_account(world, subject="vera.l", name="Vera Lindholm", role=Role.COMPLIANCE)
    with pytest.raises(DuplicateSignerError):
        sign(world, other)
    assert world.entries("decision:approve") == 1


def test_people_of_other_names_and_subjects_are_other_people() -> None:
    one = Account(issuer="here", subject="a", name="Ann Lee")
    assert same_person(one, Account(issuer="there", subject="b", name=" ann  LEE "))
    assert not same_person(one, Account(issuer="here", subject="b", name="Anna Lee"))
    assert not same_person(Account(issuer="here", subject="a", name=""), Account(issuer="here", subject="b", name=""))
