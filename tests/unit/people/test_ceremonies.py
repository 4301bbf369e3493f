"""Keys and roles change by signatures of administrators: two where there are two, and never for oneself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    ConflictError,
    InputError,
    MissingReasonError,
    PassphraseError,
    RefusalError,
    RoleMissingError,
)
from services.kernel.identity import Permission, Role
from services.kernel.secret import Secret
from services.ledger.verify import LogReport, verify_log
from services.people.accounts import DEMO_ISSUER
from services.people.ceremonies import (
    AskForKey,
    Ceremony,
    CeremonyKind,
    CeremonyState,
    ProposeChange,
    SignCeremony,
)
from services.people.models import Person
from tests.builders import NOON, World, a_world

ADA, AMIR = "ada.admin", "amir.admin"
NEW = Secret("vera picks a fresh phrase")


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[World]:
    """Outside the embedded profile: two administrators sign."""
    built = a_world(tmp_path, profile="mlflow")
    yield built
    built.database.dispose()


def propose(world: World, kind: CeremonyKind, *, by: str = ADA, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "command_id": f"{kind.value}-{by}",
        "kind": kind,
        "subject": "vera.validator",
        "passphrase": world.secret(by),
    }
    return world.keys.propose(ProposeChange(**(values | changes)), actor=world.actor(by))


def sign(world: World, ceremony: Ceremony, *, by: str, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "command_id": f"sign-{by}",
        "ceremony_id": ceremony.id,
        "passphrase": world.secret(by),
    }
    return world.keys.sign(SignCeremony(**(values | changes)), actor=world.actor(by))


def waiting(world: World) -> Ceremony:
    (found,) = world.keys.ceremonies(actor=world.actor(ADA))
    return found


def person(world: World, subject: str = "vera.validator") -> Person:
    return next(item for item in world.people.people() if item.subject == subject)


def verified(world: World) -> LogReport:
    return verify_log(world.book.entries(), checkpoints=world.book.checkpoints())


def assert_clean(world: World) -> None:
    report = verified(world)
    assert report.intact
    assert [problem.sentence for problem in report.problems if problem.severity in {"void", "finding"}] == []


def ask(world: World, subject: str = "vera.validator", **changes: Any) -> Any:
    values: dict[str, Any] = {"command_id": f"ask-{subject}", "new": NEW, "repeated": NEW}
    if "old" not in changes:
        values["old"] = world.secret(subject)
    return world.keys.ask_for_key(AskForKey(**(values | changes)), actor=world.actor(subject))


def test_one_administrator_suffices_in_the_embedded_profile_only(world: World) -> None:
    assert world.keys.signers_needed() == 1

    propose(world, CeremonyKind.GRANT, name="Vera Lindholm", role=Role.SRE)

    assert Role.SRE in person(world).roles
    assert world.keys.ceremonies(actor=world.actor(ADA)) == ()
    assert_clean(world)


def test_two_administrators_sign_one_envelope(strict: World) -> None:
    propose(strict, CeremonyKind.GRANT, name="Vera Lindholm", role=Role.SRE)
    assert Role.SRE not in person(strict).roles
    proposal = waiting(strict)
    assert (proposal.state, [name for _, _, name in proposal.signed_by]) == (CeremonyState.SIGNED, ["Ada Moreau"])

    receipt = sign(strict, proposal, by=AMIR)
    again = sign(strict, proposal, by=AMIR)

    assert Role.SRE in person(strict).roles
    assert again.seq == receipt.seq
    assert strict.keys.signers_needed() == 2
    assert_clean(strict)


def test_second_signature_may_come_days_later_but_not_after_a_week(strict: World) -> None:
    assert isinstance(strict.clock, FrozenClock)
    propose(strict, CeremonyKind.GRANT, name="Vera Lindholm", role=Role.SRE)
    proposal = waiting(strict)
    strict.clock.set(NOON + timedelta(days=6))
    strict.ledger.record_event(event="meanwhile", actor=None, detail={})
    sign(strict, proposal, by=AMIR)
    assert_clean(strict)

    propose(strict, CeremonyKind.WITHDRAW, role=Role.SRE, reason="Moved on.")
    late = waiting(strict)
    strict.clock.set(NOON + timedelta(days=14))

    assert strict.keys.ceremonies(actor=strict.actor(ADA)) == ()
    with pytest.raises(ConflictError, match="expired"):
        sign(strict, late, by=AMIR, command_id="late")


def test_same_administrator_does_not_sign_twice(strict: World) -> None:
    propose(strict, CeremonyKind.GRANT, name="Vera Lindholm", role=Role.SRE)

    with pytest.raises(RefusalError, match="signed this change already"):
        sign(strict, waiting(strict), by=ADA)

    assert Role.SRE not in person(strict).roles
    assert strict.entries("event:ceremony-refused") == 1


def test_only_administrators_change_keys_and_wrong_passphrases_count(world: World) -> None:
    with pytest.raises(RoleMissingError):
        world.keys.propose(
            ProposeChange(command_id="x", kind=CeremonyKind.DISABLE, subject="ada.admin", passphrase=Secret("x")),
            actor=world.actor("clara.compliance"),
        )
    with pytest.raises(PassphraseError, match="1 of 5"):
        propose(world, CeremonyKind.GRANT, name="Vera", role=Role.SRE, passphrase=Secret("not this one"))

    assert world.entries("event:passphrase-wrong") == 1


def test_newcomer_is_added_makes_the_own_key_and_signs_with_it(world: World) -> None:
    propose(world, CeremonyKind.GRANT, subject="nia.new", name="Nia Novak", role=Role.VALIDATOR)
    assert [somebody.subject for somebody in world.people.newcomers()] == ["nia.new"]
    nia = world.actor("nia.new")
    assert person(world, "nia.new").key_id is None

    ask(world, "nia.new", old=None)
    with pytest.raises(RefusalError, match="no signing key"):
        world.ledger.record_signed_event(event="too-early", actor=nia, passphrase=NEW, detail={})
    sign(world, waiting(world), by=ADA)

    assert person(world, "nia.new").key_id is not None
    world.ledger.record_signed_event(event="first-signature", actor=nia, passphrase=NEW, detail={})
    assert_clean(world)


def test_key_is_replaced_with_the_old_passphrase_and_old_signatures_stay_good(world: World) -> None:
    vera = world.actor("vera.validator")
    before = world.ledger.record_signed_event(
        event="before", actor=vera, passphrase=world.secret("vera.validator"), detail={}
    )
    old = person(world).key_id

    ask(world)
    assert person(world).key_id == old
    world.ledger.record_signed_event(
        event="meanwhile", actor=vera, passphrase=world.secret("vera.validator"), detail={}
    )
    sign(world, waiting(world), by=ADA)

    assert person(world).key_id not in {None, old}
    world.ledger.record_signed_event(event="after", actor=vera, passphrase=NEW, detail={})
    with pytest.raises(PassphraseError):
        world.ledger.record_signed_event(event="old", actor=vera, passphrase=world.secret("vera.validator"), detail={})
    assert before.seq > 0
    assert_clean(world)


def test_replacing_a_key_needs_the_old_passphrase_and_two_equal_new_ones(world: World) -> None:
    with pytest.raises(PassphraseError):
        ask(world, old=Secret("vera has no idea any more"))
    with pytest.raises(InputError, match="differ"):
        ask(world, repeated=Secret("vera picks another phrase"))
    with pytest.raises(InputError, match="key you use now"):
        ask(world, old=None)
    with pytest.raises(InputError, match="12 characters"):
        ask(world, new=Secret("short"), repeated=Secret("short"))

    assert world.keys.ceremonies(actor=world.actor(ADA)) == ()


def test_lost_key_signs_no_more_and_another_one_is_enrolled(world: World) -> None:
    propose(world, CeremonyKind.LOSS, reason="Forgot the passphrase.")
    assert person(world).key_id is None

    ask(world, old=None)
    sign(world, waiting(world), by=ADA)

    assert person(world).key_id is not None
    assert_clean(world)


def test_disabled_person_is_out_until_enabled_again(world: World) -> None:
    vera = world.actor("vera.validator")

    propose(world, CeremonyKind.DISABLE, reason="Left the company.")
    assert world.people.standing(DEMO_ISSUER, "vera.validator") is None
    assert not world.people.may(vera, Permission.VIEW)
    assert world.people.permissions(vera) == frozenset()
    assert person(world).disabled_reason == "Left the company."

    propose(world, CeremonyKind.ENABLE)
    assert world.people.may(vera, Permission.VALIDATE)
    assert world.people.permissions(vera) == {one for one in Permission if world.people.may(vera, one)}
    assert_clean(world)


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        (CeremonyKind.GRANT, {"name": "Olaf", "role": Role.AUDITOR}, "end date"),
        (CeremonyKind.GRANT, {"name": "Olaf", "role": Role.AUDITOR, "until": NOON + timedelta(days=400)}, "a year"),
        (CeremonyKind.GRANT, {"name": "", "role": Role.SRE}, "printed name"),
        (CeremonyKind.GRANT, {"name": "Olaf", "role": Role.SRE, "subject": "Olaf Ö"}, "sign-in name"),
        (CeremonyKind.COMPROMISE, {"since_entry": 10_000, "reason": "Laptop stolen."}, "Name the entry"),
        (CeremonyKind.ENROL, {}, "asked for by its owner"),
    ],
)
def test_change_that_makes_no_sense_is_said_to(
    world: World, kind: CeremonyKind, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        propose(world, kind, **changes)


def test_taking_something_away_needs_a_reason(world: World) -> None:
    with pytest.raises(MissingReasonError):
        propose(world, CeremonyKind.DISABLE)


def test_enough_administrators_are_left(strict: World) -> None:
    with pytest.raises(RefusalError, match="Too few administrators"):
        propose(strict, CeremonyKind.DISABLE, subject=AMIR, reason="Left the company.")


def test_proposal_can_be_taken_back(strict: World) -> None:
    propose(strict, CeremonyKind.GRANT, name="Vera Lindholm", role=Role.SRE)
    proposal = waiting(strict)

    strict.keys.withdraw(proposal.id, actor=strict.actor(ADA))

    assert strict.keys.ceremonies(actor=strict.actor(ADA)) == ()
    with pytest.raises(ConflictError):
        sign(strict, proposal, by=AMIR)


@pytest.mark.parametrize("kind", [CeremonyKind.ROTATE_SERVICE, CeremonyKind.ROTATE_LOG, CeremonyKind.ROTATE_MACHINE])
def test_keys_of_the_deployment_are_replaced_while_it_runs(tmp_path: Path, kind: CeremonyKind) -> None:
    world = a_world(tmp_path)
    other = a_world(tmp_path)  # another process on the same workspace, keys already loaded
    world.ledger.anchor()
    before = (world.desk.service_key, world.desk.log_key, world.desk.machine_key)

    propose(world, kind, subject="")

    after = (world.desk.service_key, world.desk.log_key, world.desk.machine_key)
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 1
    other.ledger.record_event(event="by-the-other", actor=None, detail={})
    world.ledger.require_trustworthy()
    assert (other.desk.service_key, other.desk.log_key, other.desk.machine_key) == after
    assert_clean(world)
    world.database.dispose()
    other.database.dispose()


def test_key_is_due_for_renewal_after_a_year(world: World) -> None:
    assert isinstance(world.clock, FrozenClock)
    assert not world.keys.renewal_due(person(world))

    world.clock.set(NOON + timedelta(days=366))

    assert world.keys.renewal_due(person(world))
