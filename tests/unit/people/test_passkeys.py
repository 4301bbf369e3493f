"""A passkey as second factor, on real keys: enrolled in a ceremony, bound to one statement, and every attack on it."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.approvals.models import Decision, SignOff
from services.attestation import authentication, envelope, statement
from services.attestation.canonical import to_bytes
from services.attestation.models import Receipt
from services.audit.offline import verify
from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    FreshLoginNeededError,
    InputError,
    PasskeyNeededError,
    PasskeyRefusedError,
    PassphraseError,
    RefusalError,
    RoleMissingError,
)
from services.kernel.identity import Actor, Login
from services.kernel.secret import Secret
from services.ledger.verify import NOTE, verify_log
from services.people.ceremonies import CeremonyKind, ProposeChange, SignCeremony
from services.people.passkeys import Demand, EnrolPasskey
from tests.builders import POLICIES, World, a_world
from tests.fakes.authenticator import HOST, ORIGIN, PRESENT, VERIFIED, Authenticator

VERA, BEN = "vera.validator", "ben.business"


@dataclass
class Desk:
    """Vera with a passkey, before a request whose policy asks for one."""

    world: World
    device: Authenticator
    request_id: str

    def command(self, **changes: Any) -> SignOff:
        review = self.world.approvals.open_review(self.request_id, actor=self.world.actor(VERA))
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4),
            "request_id": self.request_id,
            "decision": Decision.APPROVE,
            "reason_code": "",
            "comment": "Looked at every slice.",
            "challenge": review.challenge,
            "passphrase": self.world.secret(VERA),
        }
        return SignOff(**(values | changes))

    def asked(self, command: SignOff) -> Demand:
        return self.world.approvals.confirm_with_passkey(command, actor=self.world.actor(VERA))

    def sign(self, command: SignOff, answer: str) -> Receipt:
        return self.world.approvals.sign_off(replace(command, passkey=answer), actor=self.world.actor(VERA))

    def last(self) -> bytes:
        return list(self.world.book.entries())[-1].envelope


def policies_asking(folder: Path, line: str) -> Path:
    """The short policies, where tier 1 asks for more than the passphrase."""
    folder.mkdir()
    for file in POLICIES.glob("*.yaml"):
        text = file.read_text()
        (folder / file.name).write_text(f"{text}signing: {line}\n" if file.name == "tier-1.yaml" else text)
    return folder


def enrolled(world: World, subject: str, device: Authenticator) -> str:
    """The key id of a passkey that counts."""
    actor = world.actor(subject)
    demand = world.passkeys.begin(actor=actor)
    world.passkeys.enrol(
        EnrolPasskey(
            command_id="e",
            nonce=demand.nonce,
            label="Key in the drawer",
            answer=device.create(demand.options),
            passphrase=world.secret(subject),
        ),
        actor=actor,
    )
    ada = world.actor("ada.admin")
    (ceremony,) = [item for item in world.keys.ceremonies(actor=ada) if item.kind is CeremonyKind.PASSKEY]
    command = SignCeremony(command_id=f"s-{subject}", ceremony_id=ceremony.id, passphrase=world.secret("ada.admin"))
    world.keys.sign(command, actor=ada)
    return world.passkeys.own(actor=actor)[0].key_id


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Authenticator]:
    """A folder with everything a test begins with; each one works on a copy."""
    home, device = tmp_path_factory.mktemp("passkeys") / "home", Authenticator()
    home.mkdir()
    world = a_world(home, policies=policies_asking(home / "policies", "{second_factor: passkey}"))
    enrolled(world, VERA, device)
    world.submit("3")
    world.database.dispose()
    return home, device


@pytest.fixture
def desk(prepared: tuple[Path, Authenticator], tmp_path: Path) -> Iterator[Desk]:
    home, device = shutil.copytree(prepared[0], tmp_path / "home"), replace(prepared[1])
    world = a_world(home, policies=home / "policies")
    yield Desk(world=world, device=device, request_id=world.request_of("3").request_id)
    world.database.dispose()


def offline(world: World) -> list[str]:
    """What the independent verifier says against the whole log."""
    return against([stored.envelope for stored in world.book.entries()])


def against(envelopes: list[bytes]) -> list[str]:
    log = verify.Log()
    for data in envelopes:
        log.take(data)
    return [problem.sentence for problem in log.problems if problem.severity != verify.NOTE]


def later(world: World, **delta: float) -> None:
    assert isinstance(world.clock, FrozenClock)
    world.clock.set(world.clock.now() + timedelta(**delta))


def test_signature_with_a_passkey_verifies_without_us(desk: Desk) -> None:
    command = desk.command()

    desk.sign(command, desk.device.get(desk.asked(command).options))

    read = envelope.read(desk.last())
    said = statement.read(read.payload).predicate
    assert said["authentication"]["component3"] == {"kind": "passkey", "relyingParty": HOST}
    assert said["authentication"]["level"] == "L3"
    assert [signature.passkey is not None for signature in read.signatures] == [False, True, False]
    assert offline(desk.world) == []
    report = verify_log(desk.world.book.entries(), checkpoints=desk.world.book.checkpoints())
    assert [item for item in report.problems if item.severity != NOTE] == []


def test_without_the_passkey_the_signature_is_refused_in_words(desk: Desk) -> None:
    with pytest.raises(PasskeyNeededError, match="asks for a passkey"):
        desk.sign(desk.command(), "")


def test_person_without_a_passkey_is_told_where_to_add_one(desk: Desk) -> None:
    command = desk.command()
    desk.sign(command, desk.device.get(desk.asked(command).options))
    ben = desk.world.actor(BEN)
    review = desk.world.approvals.open_review(desk.request_id, actor=ben)
    wanted = replace(desk.command(), decision=Decision.ACKNOWLEDGE, challenge=review.challenge)

    with pytest.raises(PasskeyNeededError) as refused:
        desk.world.approvals.confirm_with_passkey(wanted, actor=ben)

    assert "Settings" in refused.value.hint


def test_turning_down_needs_no_passkey(desk: Desk) -> None:
    desk.sign(desk.command(decision=Decision.REQUEST_CHANGES, reason_code="DATA", comment="More slices."), "")

    assert offline(desk.world) == []


ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "page of another origin": ({"origin": "https://evil.example"}, "another origin"),
    "another host": ({"host": "evil.example"}, "another host"),
    "owner not verified": ({"flags": PRESENT}, "did not verify its owner"),
    "nobody there": ({"flags": VERIFIED}, "did not verify its owner"),
    "another statement": ({"challenge": "A" * 43}, "another statement"),
    "a registration": ({"kind": "webauthn.create"}, "something else"),
    "from inside a frame": ({"crossOrigin": True}, "another origin"),
}


@pytest.mark.parametrize("case", ATTACKS)
def test_answer_that_does_not_hold_is_refused_and_recorded(desk: Desk, case: str) -> None:
    changes, reason = ATTACKS[case]
    command = desk.command()

    answer = desk.device.get(desk.asked(command).options, **changes)

    with pytest.raises(PasskeyRefusedError, match=reason):
        desk.sign(command, answer)
    assert desk.world.entries("event:passkey-refused") == 1


def test_answer_for_one_comment_signs_no_other(desk: Desk) -> None:
    command = desk.command()
    answer = desk.device.get(desk.asked(command).options)

    with pytest.raises(PasskeyRefusedError, match="not what would be signed"):
        desk.sign(replace(command, comment="Looked at nothing."), answer)


def test_answer_of_an_earlier_signature_signs_nothing_again(desk: Desk) -> None:
    command = desk.command()
    answer = desk.device.get(desk.asked(command).options)
    desk.sign(command, answer)
    desk.world.submit("2")
    other = replace(desk, request_id=desk.world.request_of("2").request_id)
    again = other.command()
    other.asked(again)

    with pytest.raises(PasskeyRefusedError, match="another statement"):
        other.sign(again, answer)


def test_wrong_passphrase_leaves_the_answer_usable_and_the_passkey_alone_signs_nothing(desk: Desk) -> None:
    command = desk.command()
    answer = desk.device.get(desk.asked(command).options)
    with pytest.raises(PassphraseError):
        desk.sign(replace(command, passphrase=Secret("not the passphrase")), answer)

    desk.sign(command, answer)

    assert offline(desk.world) == []


def test_counter_that_does_not_go_on_is_taken_for_a_copy(desk: Desk) -> None:
    command = desk.command()
    desk.device.count = 41
    desk.sign(command, desk.device.get(desk.asked(command).options))
    desk.world.submit("2")
    other = replace(desk, request_id=desk.world.request_of("2").request_id)
    again = other.command()
    demand = other.asked(again)
    desk.device.count = 7

    with pytest.raises(PasskeyRefusedError, match="says it signed 8 times"):
        other.sign(again, desk.device.get(demand.options))


def test_answer_comes_too_late_after_five_minutes(desk: Desk) -> None:
    command = desk.command()
    answer = desk.device.get(desk.asked(command).options)
    later(desk.world, minutes=6)

    with pytest.raises(PasskeyRefusedError, match="five minutes"):
        desk.sign(command, answer)


def test_somebody_elses_passkey_signs_nothing_of_mine(desk: Desk) -> None:
    stranger = Authenticator()
    enrolled(desk.world, BEN, stranger)
    command = desk.command()

    with pytest.raises(PasskeyRefusedError, match="not enrolled for you"):
        desk.sign(command, stranger.get(desk.asked(command).options))


def test_revoked_passkey_signs_nothing_more(desk: Desk) -> None:
    (mine,) = desk.world.passkeys.own(actor=desk.world.actor(VERA))
    command = desk.command()
    answer = desk.device.get(desk.asked(command).options)
    revoke(desk.world, VERA, mine.key_id)

    with pytest.raises(PasskeyRefusedError, match="no longer"):
        desk.sign(command, answer)
    with pytest.raises(PasskeyNeededError):
        desk.asked(desk.command())
    assert offline(desk.world) == []


def revoke(world: World, subject: str, key_id: str) -> None:
    world.keys.propose(
        ProposeChange(
            command_id=f"revoke-{key_id[:6]}",
            kind=CeremonyKind.PASSKEY_LOSS,
            subject=subject,
            key_id=key_id,
            reason="Lost on the train.",
            passphrase=world.secret("ada.admin"),
        ),
        actor=world.actor("ada.admin"),
    )


def test_nothing_but_a_passkey_is_revoked_as_one(desk: Desk) -> None:
    own = desk.world.people.known(desk.world.actor(BEN).issuer, BEN)
    assert own is not None
    assert own.key_id is not None

    for subject, key_id in ((BEN, own.key_id), (BEN, desk.world.passkeys.own(actor=desk.world.actor(VERA))[0].key_id)):
        with pytest.raises(RefusalError, match="no such passkey"):
            revoke(desk.world, subject, key_id)


def test_passkey_counts_only_once_administrators_enrolled_it(desk: Desk) -> None:
    ben = desk.world.actor(BEN)
    demand = desk.world.passkeys.begin(actor=ben)
    desk.world.passkeys.enrol(
        EnrolPasskey(
            command_id="e",
            nonce=demand.nonce,
            label="Phone",
            answer=Authenticator().create(demand.options),
            passphrase=desk.world.secret(BEN),
        ),
        actor=ben,
    )

    (item,) = desk.world.passkeys.own(actor=ben)

    assert not item.counts


REGISTRATIONS: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.example"},
    "another host": {"host": "evil.example"},
    "owner not verified": {"flags": PRESENT},
}


@pytest.mark.parametrize("case", REGISTRATIONS)
def test_new_passkey_that_does_not_hold_is_not_kept(desk: Desk, case: str) -> None:
    ben = desk.world.actor(BEN)
    demand = desk.world.passkeys.begin(actor=ben)
    answer = Authenticator().create(demand.options, **REGISTRATIONS[case])
    command = EnrolPasskey(
        command_id="e", nonce=demand.nonce, label="Phone", answer=answer, passphrase=desk.world.secret(BEN)
    )

    with pytest.raises(PasskeyRefusedError):
        desk.world.passkeys.enrol(command, actor=ben)

    assert desk.world.passkeys.own(actor=ben) == ()
    assert desk.world.entries("event:passkey-refused") == 1


def test_auditor_makes_no_passkey_and_a_name_is_needed(desk: Desk) -> None:
    with pytest.raises(RoleMissingError):
        desk.world.passkeys.begin(actor=desk.world.actor("otto.auditor"))
    ben = desk.world.actor(BEN)
    demand = desk.world.passkeys.begin(actor=ben)
    command = EnrolPasskey(command_id="e", nonce=demand.nonce, label=" ", answer="", passphrase=desk.world.secret(BEN))
    with pytest.raises(InputError, match="name"):
        desk.world.passkeys.enrol(command, actor=ben)


GARBAGE = ("x", "[]", "{}", '{"id": 1}', json.dumps({"id": "====", "response": {}}), "x" * 20_000, "\ud800")


@pytest.mark.parametrize("answer", GARBAGE)
def test_answer_that_is_no_answer_is_refused(desk: Desk, answer: str) -> None:
    command = desk.command()
    desk.asked(command)

    with pytest.raises(PasskeyRefusedError):
        desk.sign(command, answer)


def test_edited_assertion_is_void_for_both_verifiers(desk: Desk) -> None:
    command = desk.command()
    desk.sign(command, desk.device.get(desk.asked(command).options))
    document = json.loads(desk.last())
    assert "webauthn" in document["signatures"][1]

    for edit in ("drop", "flags", "plain"):
        changed = json.loads(desk.last())
        if edit == "drop":
            del changed["signatures"][1]
        elif edit == "plain":
            del changed["signatures"][1]["webauthn"]
        else:
            data = bytearray(verify.unbase64url(changed["signatures"][1]["webauthn"]["authenticatorData"]))
            data[32] &= ~VERIFIED & 0xFF
            changed["signatures"][1]["webauthn"]["authenticatorData"] = _url(bytes(data))
        earlier = [stored.envelope for stored in desk.world.book.entries()][:-1]
        assert against(earlier) == []
        assert len(against([*earlier, to_bytes(changed)])) == 1, edit


def _url(data: bytes) -> str:
    from services.attestation.passkeys import unpadded

    return unpadded(data)


# a fresh login


def an_oidc(actor: Actor, world: World, *, seconds: int, states: bool = True) -> Actor:
    at = world.clock.now() - timedelta(seconds=seconds)
    login = Login(issued_at=at, auth_time=at if states else None)
    return replace(actor, method="oidc", login=login, signed_in_at=at)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Desk]:
    world = a_world(tmp_path, policies=policies_asking(tmp_path / "policies", "{fresh_login_minutes: 5}"))
    world.submit("3")
    yield Desk(world=world, device=Authenticator(), request_id=world.request_of("3").request_id)
    world.database.dispose()


def test_signature_after_a_fresh_login_states_it_and_verifies(fresh: Desk) -> None:
    vera = an_oidc(fresh.world.actor(VERA), fresh.world, seconds=120)

    fresh.world.approvals.sign_off(fresh.command(), actor=vera)

    said = statement.read(envelope.read(fresh.last()).payload).predicate["authentication"]
    assert said["component1"]["authTime"] == "2030-01-31T11:58:00Z"
    assert said["component2"]["sinceLogin"] == "120"
    assert offline(fresh.world) == []


@pytest.mark.parametrize(
    ("seconds", "states", "reason"), [(301, True, "yours is 5 minutes old"), (10, False, "provider does not say")]
)
def test_login_that_is_not_fresh_is_refused(fresh: Desk, seconds: int, states: bool, reason: str) -> None:
    vera = an_oidc(fresh.world.actor(VERA), fresh.world, seconds=seconds, states=states)

    with pytest.raises(FreshLoginNeededError, match=reason):
        fresh.world.approvals.sign_off(fresh.command(), actor=vera)


def test_session_without_a_provider_cannot_show_a_fresh_login(fresh: Desk) -> None:
    with pytest.raises(FreshLoginNeededError, match="without an identity provider"):
        fresh.world.approvals.sign_off(fresh.command(), actor=fresh.world.actor(VERA))


def test_origin_of_this_world_is_the_one_the_device_answers_for(desk: Desk) -> None:
    assert (desk.world.passkeys.party.id, desk.world.passkeys.party.origin) == (HOST, ORIGIN)


@pytest.mark.parametrize("began", [0, 300_000, 950_000])
@pytest.mark.parametrize("asked", [0, 200_000, 960_000])
def test_statement_is_the_same_when_it_is_made_again_from_the_second_it_states(
    desk: Desk, began: int, asked: int
) -> None:
    actor = replace(desk.world.actor(VERA), signed_in_at=desk.world.clock.now().replace(microsecond=began))
    at = desk.world.clock.now() + timedelta(seconds=5, microseconds=asked)

    assert authentication.document(actor, at=at) == authentication.document(actor, at=at.replace(microsecond=0))
