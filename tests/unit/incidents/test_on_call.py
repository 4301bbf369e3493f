"""Who is on call: the model's engineer, or whoever holds the role for that person now; nobody is said in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.incidents.on_call import OnCall, on_call
from services.inventory.models import Owner, Tier
from services.kernel.identity import Role
from services.people.models import Delegation, Person
from tests.builders import NOON, a_model

SAM = Person(issuer="i", subject="sam.sre", name="Sam Lindqvist", roles=(Role.SRE,), active=True, key_id="k")
ADA = Person(issuer="i", subject="ada.admin", name="Ada Novak", roles=(Role.ADMIN,), active=True, key_id="k")


def lent(**changes: Any) -> Delegation:
    values: dict[str, Any] = {
        "id": "dlg-1",
        "role": "sre",
        "from_issuer": "i",
        "from_subject": "sam.sre",
        "from_name": "Sam Lindqvist",
        "to_issuer": "i",
        "to_subject": "ada.admin",
        "to_name": "Ada Novak",
        "tier": 1,
        "since": NOON - timedelta(days=1),
        "until": NOON + timedelta(days=1),
        "reason": "Away.",
        "seq": 3,
        "leaf_hash": "ab",
        "withdrawn_at": None,
    }
    return Delegation(**(values | changes))


def asked(*, people: tuple[Person, ...] = (SAM, ADA), lends: tuple[Delegation, ...] = (), **model: Any) -> OnCall:
    return on_call(a_model(**model), people=people, delegations=lends, now=NOON)


def test_the_engineer_who_owns_the_model_is_on_call() -> None:
    assert asked().name == "Sam Lindqvist"


def test_while_the_role_is_lent_the_stand_in_is_on_call() -> None:
    found = asked(lends=(lent(),))

    assert found.name == "Ada Novak"
    assert "for Sam Lindqvist until 01 Feb 2030" in found.sentence


def test_a_loan_that_ended_or_reaches_less_risky_models_only_changes_nothing() -> None:
    assert asked(lends=(lent(until=NOON),)).name == "Sam Lindqvist"
    assert asked(lends=(lent(tier=2),)).name == "Sam Lindqvist"
    assert asked(lends=(lent(tier=2),), tier=Tier.TWO).name == "Ada Novak"
    assert asked(lends=(lent(role="compliance_officer"),)).name == "Sam Lindqvist"


def test_nobody_is_on_call_for_a_model_without_an_engineer() -> None:
    found = asked(owners=(Owner(role="business_owner", subject="ben.business", name="Ben Okafor"),))

    assert found.name is None
    assert "no site reliability engineer owns it" in found.sentence


def test_an_engineer_who_left_is_on_call_no_longer() -> None:
    for gone in (replace(SAM, active=False), replace(SAM, roles=(Role.AUDITOR,))):
        found = asked(people=(gone, ADA))
        assert found.name is None
        assert "Sam Lindqvist can no longer act" in found.sentence
