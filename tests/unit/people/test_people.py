"""Deny by default: permissions belong to roles the database names, and the demonstration is closed elsewhere."""

from __future__ import annotations

import pytest

from services.kernel.clock import FrozenClock
from services.kernel.errors import NotSignedInError
from services.kernel.identity import ROLE_PERMISSIONS, Permission, Role
from services.ledger.founding import found_log
from services.people.accounts import DEMO_ACCOUNTS, demo_people
from services.people.service import PeopleService
from tests.contract.deployment import STARTED


class EmptyHouse:
    """Nobody lives here."""

    def person(self, issuer: str, subject: str) -> None:
        return None

    def people(self) -> tuple[()]:
        return ()


def test_outside_the_embedded_profile_nobody_signs_in_by_choosing() -> None:
    people = PeopleService(store=EmptyHouse(), ledger=EmptyHouse(), clock=FrozenClock(STARTED))

    assert people.demo_accounts() == ()
    with pytest.raises(NotSignedInError):
        people.sign_in_demo("ada.admin")


def test_account_the_ledger_does_not_know_cannot_sign_in() -> None:
    people = PeopleService(store=EmptyHouse(), ledger=EmptyHouse(), clock=FrozenClock(STARTED), demo=DEMO_ACCOUNTS)

    with pytest.raises(NotSignedInError):
        people.sign_in_demo("ada.admin")
    assert not people.may(None, Permission.VIEW)


def test_every_role_has_a_demonstration_account_with_a_long_passphrase() -> None:
    assert {account.role for account in DEMO_ACCOUNTS} == set(Role)
    assert len(demo_people()) == len(DEMO_ACCOUNTS)
    assert all(len(account.passphrase) >= 12 and account.does for account in DEMO_ACCOUNTS)


def test_passphrases_do_not_show_in_representations() -> None:
    assert "ada keeps" not in repr(demo_people())


def test_no_role_may_both_ask_and_approve() -> None:
    for permissions in ROLE_PERMISSIONS.values():
        assert not {Permission.REQUEST_PROMOTION, Permission.APPROVE} <= permissions


def test_a_log_is_not_founded_without_an_administrator() -> None:
    from services.kernel.errors import InputError

    people = tuple(person for person in demo_people() if Role.ADMIN not in person.roles)
    with pytest.raises(InputError):
        found_log(None, None, clock=FrozenClock(STARTED), profile="embedded", people=people)
