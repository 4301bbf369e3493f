"""A role is lent by its holder, for a time, up to a tier, and to nobody who could not answer for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.kernel.errors import DelegationError, MissingReasonError, PassphraseError, RoleMissingError
from services.kernel.identity import Role
from services.kernel.secret import Secret
from services.people.accounts import DEMO_ISSUER
from services.people.delegations import GrantDelegation, WithdrawDelegation
from services.people.models import Delegation
from tests.builders import NOON, World


def a_delegation(world: World, **changes: Any) -> GrantDelegation:
    values: dict[str, Any] = {
        "command_id": "cmd-1",
        "role": Role.COMPLIANCE,
        "to_issuer": DEMO_ISSUER,
        "to_subject": "vera.validator",
        "tier": 2,
        "since": NOON,
        "until": NOON + timedelta(days=14),
        "reason": "On leave until mid February.",
        "passphrase": world.secret("clara.compliance"),
    }
    return GrantDelegation(**(values | changes))


def in_force(world: World) -> tuple[Delegation, ...]:
    return world.people.active_delegations(now=world.clock.now())


def test_delegation_is_signed_recorded_and_visible(world: World) -> None:
    clara = world.actor("clara.compliance")

    receipt = world.delegations.grant(a_delegation(world), actor=clara)
    again = world.delegations.grant(a_delegation(world), actor=clara)

    (found,) = in_force(world)
    assert (found.from_name, found.to_name, found.role, found.tier) == (
        "Clara Whitfield",
        "Vera Lindholm",
        "compliance_officer",
        2,
    )
    assert found.reason == "On leave until mid February."
    assert (found.seq, found.leaf_hash) == (receipt.seq, receipt.leaf_hash)
    assert again.repeated
    assert world.people.active_delegations(now=NOON, to=("x", "y")) == ()
    assert world.people.active_delegations(now=NOON, role="compliance_officer") == (found,)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"role": Role.VALIDATOR}, "do not hold the role"),
        ({"to_subject": "clara.compliance"}, "to yourself"),
        ({"to_subject": "otto.auditor"}, "audits here"),
        ({"to_subject": "nobody"}, "cannot sign here"),
        ({"tier": 4}, "which tier"),
        ({"until": NOON + timedelta(days=91)}, "at most 90 days"),
        ({"until": NOON}, "before the start"),
        ({"since": NOON - timedelta(days=1)}, "in the past"),
    ],
)
def test_delegation_that_must_not_be_is_refused_and_recorded(world: World, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(DelegationError, match=why):
        world.delegations.grant(a_delegation(world, **changes), actor=world.actor("clara.compliance"))

    assert in_force(world) == ()
    assert world.entries("event:delegation-refused") == 1


def test_delegation_needs_a_reason_and_the_right_passphrase(world: World) -> None:
    clara = world.actor("clara.compliance")

    with pytest.raises(MissingReasonError):
        world.delegations.grant(a_delegation(world, reason=" "), actor=clara)
    with pytest.raises(PassphraseError, match="1 of 5"):
        world.delegations.grant(a_delegation(world, passphrase=Secret("something else")), actor=clara)

    assert in_force(world) == ()
    assert world.entries("event:passphrase-wrong") == 1


def test_role_that_signs_nothing_is_not_delegated(world: World) -> None:
    ada = world.actor("ada.admin")

    with pytest.raises(RoleMissingError):
        world.delegations.grant(a_delegation(world, role=Role.ADMIN, passphrase=world.secret("ada.admin")), actor=ada)


def test_delegation_ends_by_its_giver_or_an_administrator_and_by_nobody_else(world: World) -> None:
    clara, vera, ada = (world.actor(name) for name in ("clara.compliance", "vera.validator", "ada.admin"))
    world.delegations.grant(a_delegation(world), actor=clara)
    (given,) = in_force(world)

    with pytest.raises(RoleMissingError):
        world.delegations.withdraw(
            WithdrawDelegation(command_id="w", delegation_id=given.id, passphrase=world.secret("vera.validator")),
            actor=vera,
        )
    assert in_force(world) == (given,)

    world.delegations.withdraw(
        WithdrawDelegation(command_id="w", delegation_id=given.id, passphrase=world.secret("ada.admin")), actor=ada
    )
    assert in_force(world) == ()
    assert world.delegations.all()[0].withdrawn_by == "Ada Moreau"
    with pytest.raises(DelegationError, match="has ended"):
        world.delegations.withdraw(
            WithdrawDelegation(command_id="v", delegation_id=given.id, passphrase=world.secret("clara.compliance")),
            actor=clara,
        )


def test_delegation_is_in_force_only_in_its_time(world: World) -> None:
    clara = world.actor("clara.compliance")
    world.delegations.grant(a_delegation(world, since=NOON + timedelta(days=1)), actor=clara)

    assert in_force(world) == ()
    assert len(world.people.active_delegations(now=NOON + timedelta(days=1))) == 1
    assert world.people.active_delegations(now=NOON + timedelta(days=14)) == ()
