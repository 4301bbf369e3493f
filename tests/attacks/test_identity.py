"""Attacks on who somebody is: keys, roles, passphrases, sessions, and the spelling of what they sign."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from securesystemslib.signer import CryptoSigner
from sqlalchemy import text

from services.adapters.signing import sealing
from services.adapters.signing.desk import KeyDesk
from services.adapters.signing.sealing import seal, unseal
from services.adapters.sql.database import Database
from services.adapters.sql.people import SqlKeyStore
from services.adapters.sql.schema.base import metadata
from services.attestation import canonical, envelope, statement
from services.attestation.keys import describe, read_key
from services.attestation.models import Kind
from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    ConflictError,
    ControlRoomError,
    ForeignStatementError,
    InputError,
    KeyLockedError,
    NotSignedInError,
    PassphraseError,
    RefusalError,
    RoleMissingError,
    StorageUnavailableError,
    TrustError,
)
from services.kernel.identity import Permission, Role
from services.kernel.secret import Secret
from services.ledger.verify import Trusted, verify_log
from services.people.accounts import DEMO_ISSUER
from services.people.ceremonies import AskForKey, CeremonyKind, ProposeChange, SignCeremony
from tests.builders import CHEAP, MODEL, World, a_world
from tests.contract.deployment import ACCOUNTS, BYTES, STARTED, Deployment, assemble, found

WRONG = Secret("certainly not this one")
VERA = "vera.validator"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[World]:
    built = a_world(tmp_path, profile="mlflow")
    yield built
    built.database.dispose()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Deployment]:
    made = found(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    yield made
    made.database.dispose()


def void(log: Deployment) -> list[tuple[int | None, str]]:
    result = log.audit.verify()
    assert result.intact
    return [(finding.seq, finding.sentence) for finding in result.findings if finding.severity == "void"]


def a_person(name: str) -> dict[str, str]:
    account = ACCOUNTS[name]
    return {"issuer": DEMO_ISSUER, "sub": account.subject, "name": account.name}


def propose(world: World, kind: CeremonyKind, *, by: str = "ada.admin", **changes: Any) -> Any:
    values: dict[str, Any] = {
        "command_id": f"{kind.value}-{by}-{changes.get('subject', VERA)}-{changes.get('role')}",
        "kind": kind,
        "subject": VERA,
        "passphrase": world.secret(by),
    }
    return world.keys.propose(ProposeChange(**(values | changes)), actor=world.actor(by))


# 14 and 23: administrators


def test_administrator_cannot_enrol_a_friend_alone_and_leaves_a_trace(strict: World) -> None:
    """Row 14: a key-admin who also asks for promotions enrols a friend's key."""
    propose(strict, CeremonyKind.GRANT, subject="fred.friend", name="Fred Friend", role=Role.VALIDATOR)

    assert "fred.friend" not in {person.subject for person in strict.people.people()}
    with pytest.raises(NotSignedInError):
        strict.actor("fred.friend")
    (proposal,) = strict.keys.ceremonies(actor=strict.actor("ada.admin"))
    with pytest.raises(RefusalError, match="signed this change already"):
        strict.keys.sign(
            SignCeremony(command_id="again", ceremony_id=proposal.id, passphrase=strict.secret("ada.admin")),
            actor=strict.actor("ada.admin"),
        )
    assert strict.entries("event:ceremony-signed") == 1
    assert strict.entries("event:ceremony-refused") == 1


def test_administrator_makes_no_key_for_somebody_else(strict: World) -> None:
    """Row 14: the one who enrols a key never knows its passphrase."""
    ada = strict.actor("ada.admin")

    strict.keys.ask_for_key(
        AskForKey(command_id="k", new=WRONG, repeated=WRONG, old=strict.secret("ada.admin")), actor=ada
    )

    (asked,) = strict.keys.ceremonies(actor=ada)
    assert asked.subject == "ada.admin"
    with pytest.raises(RefusalError, match="do not change their own"):
        strict.keys.sign(
            SignCeremony(command_id="own", ceremony_id=asked.id, passphrase=strict.secret("ada.admin")), actor=ada
        )


def test_administrator_gives_himself_no_role(strict: World) -> None:
    """Row 23: by the screen, and by an entry made around it."""
    with pytest.raises(RefusalError, match="do not change their own"):
        propose(strict, CeremonyKind.GRANT, subject="ada.admin", name="Ada Moreau", role=Role.COMPLIANCE)

    ada, amir = a_person("ada"), strict.secret("amir.admin")
    payload = _grant_payload(strict, person=ada, by=ada)
    one = strict.desk.sign_as_person(payload, subject="ada.admin", passphrase=strict.secret("ada.admin"))
    two = strict.desk.countersign(one, issuer=DEMO_ISSUER, subject="amir.admin", passphrase=amir)
    for data, why in ((one, "1 of 2 administrators"), (two, "do not change their own")):
        with pytest.raises(RefusalError, match=why), strict.book.writing() as ledger:
            ledger.append(data, idem=canonical.sha256_hex(data))
    assert Role.COMPLIANCE not in strict.actor("ada.admin").role


def _grant_payload(world: World, *, person: dict[str, str], by: dict[str, str]) -> bytes:
    return statement.build(
        Kind.KEYRING,
        subjects=(statement.Subject(name="person:x", sha256=BYTES),),
        predicate={
            "op": "grant",
            "role": "compliance_officer",
            "person": person,
            "signer": {**by, "role": "admin"},
            "authentication": {},
        },
        at=world.clock.now(),
        head=world.book.head(),
    )


# 19: old sessions


def test_session_older_than_its_limit_signs_nothing(world: World) -> None:
    """Row 19: a cookie that outlived its session; the person has to sign in again."""
    token = world.people.open_session(world.actor(VERA))
    world.clock.set(world.clock.now() + timedelta(hours=12))  # type: ignore[attr-defined]

    assert world.people.resume(token, active=True) is None
    assert "12 hours" in world.people.why_ended(token)


# 22: roles in time


def test_role_granted_after_the_signature_does_not_heal_it(log: Deployment) -> None:
    """Row 22, first half."""
    _, cited = log.request()
    early = log.decide_as({**a_person("otto"), "role": "compliance_officer"}, cited, by="otto")

    log.record(Kind.KEYRING, {"op": "grant", "person": a_person("otto"), "role": "compliance_officer"}, by="ada")

    assert [(seq, "did not hold the role" in why) for seq, why in void(log)] == [(early.seq, True)]


@pytest.mark.parametrize("operation", [{"op": "withdraw", "role": "validator"}, {"op": "disable"}])
def test_role_withdrawn_or_person_disabled_before_the_signature(log: Deployment, operation: dict[str, str]) -> None:
    """Row 22, second half: the key still opens, the signature does not count."""
    _, cited = log.request()
    log.record(Kind.KEYRING, {**operation, "person": a_person("vera")}, by="ada")

    late = log.decide(cited, by="vera")

    assert [seq for seq, _ in void(log)] == [late.seq]


def test_role_given_for_a_time_ends_in_the_log_too(log: Deployment) -> None:
    """Row 22: a grant with an end date."""
    until = "2030-02-01T00:00:00Z"
    log.record(Kind.KEYRING, {"op": "grant", "person": a_person("otto"), "role": "validator", "until": until}, by="ada")
    log.clock.set(STARTED + timedelta(days=1))
    _, cited = log.request()

    late = log.decide_as({**a_person("otto"), "role": "validator"}, cited, by="otto")

    assert [seq for seq, _ in void(log)] == [late.seq]


# 24: guessing


def test_sixth_guess_is_not_looked_at_even_if_right(world: World) -> None:
    """Row 24: five wrong ones lock; each says its number; everything is in the ledger."""
    vera = world.actor(VERA)
    for number in range(1, 6):
        with pytest.raises(PassphraseError, match=f"{number} of 5"):
            world.ledger.record_signed_event(event="try", actor=vera, passphrase=WRONG, detail={})
    for _ in range(3):
        with pytest.raises(KeyLockedError):
            world.ledger.record_signed_event(event="try", actor=vera, passphrase=world.secret(VERA), detail={})

    assert world.entries("event:passphrase-wrong") == 5
    assert world.entries("event:key-locked") == 1
    assert world.entries("event:key-locked-attempt") == 1
    assert world.entries("event:try") == 0


def guess_wrongly(folder: str, tries: int) -> None:
    """Runs in a process of its own; prints one answer a line."""
    home, clock = Path(folder), FrozenClock(STARTED)
    database = Database(f"sqlite:///{home / 'governance.db'}")
    desk = KeyDesk(SqlKeyStore(database), home / "keys", clock, cost=CHEAP)
    log = assemble(database, home, desk=desk, clock=clock, genesis="")
    vera = log.people.sign_in_demo(VERA)
    for _ in range(tries):
        try:
            log.ledger.record_signed_event(event="try", actor=vera, passphrase=WRONG, detail={})
        except ControlRoomError as refused:
            print(refused.code, flush=True)


def test_guesses_of_twenty_sessions_in_four_processes_are_counted_once_each(log: Deployment) -> None:
    """Row 24: parallel, across processes, on one database."""
    script = f"from tests.attacks.test_identity import guess_wrongly; guess_wrongly({str(log.home)!r}, 5)"
    processes = [
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    given = sorted(word for process in processes for word in process.communicate(timeout=240)[0].split())

    assert given == ["key-locked"] * 15 + ["passphrase"] * 5


def test_guesses_of_twenty_threads_are_counted_once_each(world: World) -> None:
    """Row 24: twenty sessions of one process."""
    vera = world.actor(VERA)

    def guess(_: int) -> str:
        try:
            world.ledger.record_signed_event(event="try", actor=vera, passphrase=WRONG, detail={})
        except RefusalError as refused:
            return refused.code
        return "signed"

    with ThreadPoolExecutor(20) as threads:
        answers = sorted(threads.map(guess, range(20)))

    assert answers == ["key-locked"] * 15 + ["passphrase"] * 5


class CountingSecret(Secret):
    __slots__ = ("looked_at",)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.looked_at = 0

    def reveal(self) -> str:
        self.looked_at += 1
        return super().reveal()


def test_unknown_signer_costs_a_guess_too(world: World) -> None:
    """Row 24: how long a refusal takes does not tell who has a key."""
    known, unknown = CountingSecret("a wrong passphrase"), CountingSecret("a wrong passphrase")
    vera = world.actor(VERA)
    nobody = vera.__class__(
        **{name: getattr(vera, name) for name in vera.__slots__ if name != "subject"}, subject="no.body"
    )

    for actor, secret, refusal in ((vera, known, PassphraseError), (nobody, unknown, RefusalError)):
        with pytest.raises(refusal):
            world.ledger.record_signed_event(event="try", actor=actor, passphrase=secret, detail={})

    assert known.looked_at == unknown.looked_at == 1


# 25: passphrases leak nowhere


def test_passphrase_is_in_no_table_log_file_or_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 25: everything that was written is searched for right and wrong passphrases."""
    caplog.set_level(logging.DEBUG)
    world = a_world(tmp_path)
    world.approve("2")
    traces = []
    for call in (
        lambda: propose(world, CeremonyKind.GRANT, name="Vera", role=Role.SRE, passphrase=WRONG),
        lambda: world.ledger.record_signed_event(event="x", actor=world.actor(VERA), passphrase=WRONG, detail={}),
        lambda: world.keys.ask_for_key(
            AskForKey(command_id="k", new=Secret("brand new phrase"), repeated=WRONG, old=WRONG),
            actor=world.actor(VERA),
        ),
    ):
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever it is, its trace must be clean
            found = traceback.TracebackException.from_exception(error, capture_locals=True)
            traces.append("".join(found.format()))
    with world.database.read() as connection:
        rows = [
            str(connection.execute(text(f'SELECT * FROM "{table}"')).all())
            for table in metadata.tables
            if connection.dialect.has_table(connection, table)
        ]
    files = [
        path.read_bytes().decode("utf-8", "replace")
        for path in tmp_path.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    ]
    envelopes = [base64.b64decode(json.loads(item.envelope)["payload"]).decode() for item in world.book.entries()]
    everything = "\n".join([*traces, *rows, *files, *envelopes, caplog.text, *capsys.readouterr()])

    assert len(traces) == 3
    for phrase in (WRONG.reveal(), "brand new phrase", *(account.passphrase for account in ACCOUNTS.values())):
        assert phrase not in everything
    world.database.dispose()


def test_passphrase_is_neither_in_the_session_nor_in_the_address_after_signing(tmp_path: Path) -> None:
    """Row 25: what a tab keeps once the dialog has closed."""
    from streamlit.testing.v1 import AppTest

    from tests.fakes.room import FakeRoom
    from tests.screens.conftest import APP

    room = FakeRoom()
    app = AppTest.from_file(str(APP), default_timeout=30)
    app.session_state["control_room"] = room
    app.session_state["token"] = room.sign_in("clara.compliance")
    app.run()
    app.switch_page("pages/screens/approvals.py")
    app.query_params["request"] = "req-0001"
    app.run()
    app.button(key="decide-approve").click().run()
    app.text_input(key="decision-passphrase").set_value("clara signs with care")
    app.button(key="decision-go").click().run()
    app.run()

    kept = {name: value for name, value in app.session_state._state.filtered_state.items() if name != "control_room"}
    assert len(room.written) == 1
    assert "decision-passphrase" not in app.session_state
    assert "signs with care" not in str(kept)
    assert "signs with care" not in str(app.query_params)


# 26: a stolen database


def test_stolen_database_does_not_open_a_weak_passphrase_without_the_pepper() -> None:
    """Row 26: the thief knows salt, parameters, sealed key, and guesses the passphrase right."""
    weak, pepper = Secret("password1234"), b"p" * 32
    key = Ed25519PrivateKey.generate()
    stolen = seal(key, issuer="i", subject="s", passphrase=weak, pepper=pepper, cost=CHEAP)

    assert unseal(stolen, passphrase=weak, pepper=b"q" * 32) is None
    for password in (weak.reveal().encode(), b""):
        with pytest.raises((ValueError, TypeError)):
            load_der_private_key(stolen.pkcs8, password=password or None)
    opened = unseal(stolen, passphrase=weak, pepper=pepper)
    assert opened is not None
    assert sealing.PRODUCTION.memory_kib >= 64 * 1024


# 27: revoked and compromised keys


def test_revoked_key_opens_no_more_and_its_signature_is_void(log: Deployment) -> None:
    """Row 27: through the desk, and by somebody who kept the private key."""
    _, cited = log.request()
    data = log.sign(
        Kind.DECISION,
        {"request": cited, "decision": "approve", "meaning": "m", "shown": {"digest": {"sha256": BYTES}}},
        by="vera",
    )
    vera = next(person for person in log.people.people() if person.subject == VERA)
    log.record(Kind.KEYRING, {"op": "revoke", "keyid": vera.key_id, "reason": "lost"}, by="ada")

    kept = log.append(data)

    assert [seq for seq, _ in void(log)] == [kept.seq]
    with pytest.raises(RefusalError, match="no signing key"):
        log.decide(cited, by="vera")


def test_approval_resting_on_a_compromised_key_no_longer_stands(world: World) -> None:
    """Row 27: compromised from before the decision on; reported, not rewritten."""
    world.approve("2")
    assert world.approvals.approved(MODEL, "2").valid
    size = world.ledger.head().size

    propose(world, CeremonyKind.COMPROMISE, since_entry=10, reason="Laptop stolen.")

    status = world.approvals.approved(MODEL, "2")
    assert not status.valid
    assert "compromised" in status.reason
    report = verify_log(world.book.entries(), checkpoints=world.book.checkpoints())
    suspects = [problem for problem in report.problems if "compromised" in problem.sentence]
    assert report.intact
    assert suspects
    assert all(problem.severity == "finding" and (problem.seq or 0) < size for problem in suspects)


def test_key_compromised_later_leaves_the_earlier_approval_standing(world: World) -> None:
    """Row 27: the place from which it was in other hands decides."""
    world.approve("2")

    propose(world, CeremonyKind.COMPROMISE, since_entry=world.ledger.head().size - 1, reason="Laptop stolen today.")

    assert world.approvals.approved(MODEL, "2").valid


def test_action_ordered_on_a_suspect_decision_is_void(log: Deployment) -> None:
    """Row 27: what is ordered after the revocation cannot rest on the suspect signature."""
    _, cited = log.request()
    decisions = [log.decide(cited, by="vera"), log.decide(cited, by="clara")]
    vera = next(person for person in log.people.people() if person.subject == VERA)
    revoke = {"op": "revoke", "keyid": vera.key_id, "reason": "compromised", "sinceIndex": decisions[0].seq}
    log.record(Kind.KEYRING, revoke, by="ada")

    action = log.act(cited, decisions)

    assert [(seq, "compromised" in why) for seq, why in void(log)] == [(action.seq, True)]


# 29: the stolen service key


def test_service_key_alone_approves_nothing(log: Deployment) -> None:
    """Row 29: the service signs a decision in a person's name, and one in nobody's."""
    _, cited = log.request()
    predicate = {
        "request": cited,
        "decision": "approve",
        "meaning": "m",
        "shown": {"digest": {"sha256": BYTES}},
        "signer": {**a_person("vera"), "role": "validator"},
        "authentication": {},
    }

    forged = log.record(Kind.DECISION, predicate)
    ordered = log.act(cited, [forged])

    assert [seq for seq, _ in void(log)] == [forged.seq, ordered.seq]


def test_machine_key_signs_nothing_but_rollbacks_under_a_plan(log: Deployment) -> None:
    """Row 29: the machine's key in an approval, and in an action that obeys no plan."""
    machine = {"issuer": "countersign:machine", "sub": "machine", "name": "Countersign machine", "role": "machine"}
    _, cited = log.request()
    decisions = [log.decide(cited, by="vera"), log.decide(cited, by="clara")]
    payloads = []
    for kind, predicate in (
        (
            Kind.DECISION,
            {"request": cited, "decision": "approve", "meaning": "m", "shown": {"digest": {"sha256": BYTES}}},
        ),
        (Kind.ACTION, _an_action(cited, decisions)),
    ):
        payloads.append(
            statement.build(
                kind,
                subjects=(statement.Subject(name="models:/claims_triage/4", sha256=BYTES),),
                predicate={**predicate, "signer": machine, "authentication": {}},
                at=log.clock.now(),
                head=log.book.head(),
            )
        )

    receipts = [log.append(log.desk.sign_as_machine(payload)) for payload in payloads]

    assert [seq for seq, _ in void(log)] == [receipt.seq for receipt in receipts]


def _an_action(cited: dict[str, Any], decisions: list[Any]) -> dict[str, Any]:
    return {
        "id": "act-9",
        "kind": "start",
        "request": cited,
        "decisions": [{"entry": item.seq, "sha256": item.leaf_hash} for item in decisions],
        "policy": {"digest": {"sha256": BYTES}},
        "target": {"model": "claims_triage"},
        "from": {"version": "3"},
        "to": {"version": "4", "digest": {"sha256": BYTES}},
        "rollback": None,
        "notAfter": "2030-02-07T00:00:00Z",
    }


# 35: lost key files


@pytest.mark.parametrize("name", ["service.pem", "log.pem", "pepper", "origin"])
def test_lost_key_file_stops_the_start_and_is_never_made_anew(log: Deployment, name: str) -> None:
    """Row 35: database intact, key folder not."""
    (log.home / "keys" / name).unlink()
    store = SqlKeyStore(log.database)

    with pytest.raises(TrustError, match=name):
        KeyDesk(store, log.home / "keys", log.clock)
    with pytest.raises(TrustError, match="not made anew"):
        KeyDesk.create(store, log.home / "keys", log.clock, deployment="tests", cost=CHEAP)
    assert not (log.home / "keys" / name).exists()


# 39: a lock holder that hangs


def test_hanging_writer_gives_a_clean_message_and_a_safe_retry(
    log: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 39: somebody holds the append lock, as a stopped debugger would."""
    monkeypatch.setattr(log.database, "_lock_seconds", 0.2)
    inside, leave = threading.Event(), threading.Event()

    def hang() -> None:
        with log.database.write():
            inside.set()
            leave.wait(30)

    holder = threading.Thread(target=hang)
    holder.start()
    assert inside.wait(10)
    size = log.ledger.head().size
    with pytest.raises(StorageUnavailableError, match="locked by another writer"):
        log.ledger.record_event(event="waited", actor=None, detail={}, idem="once")
    leave.set()
    holder.join()

    first = log.ledger.record_event(event="waited", actor=None, detail={}, idem="once")
    again = log.ledger.record_event(event="waited", actor=None, detail={}, idem="once")

    assert (first.seq, again.seq, again.repeated) == (size, size, True)


# 44: another genesis


def test_replaced_genesis_does_not_match_the_pin(log: Deployment, tmp_path: Path) -> None:
    """Row 44: a whole other log, consistent in itself, under the same name."""
    (tmp_path / "other").mkdir()
    other = found(f"sqlite:///{tmp_path / 'other' / 'governance.db'}", tmp_path / "other")

    report = verify_log(
        other.book.entries(), checkpoints=other.book.checkpoints(), trusted=Trusted(genesis=log.genesis)
    )

    assert not report.intact
    assert any("fingerprint" in problem.sentence for problem in report.problems)
    other.database.dispose()


# 45 to 47: spelling


@pytest.mark.parametrize(
    "data",
    [
        b'{"decision":"reject","decision":"approve"}',
        b'{"a":1.5}',
        b'{"a":1e2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":9007199254740993}',
        b'{"a":"\\ud800"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1}\n',
        b'{"a":1}{"b":2}',
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":"\\u0041"}',
        b"[1]",
        b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b"\xff\xfe",
        b"",
    ],
)
def test_other_spelling_of_a_document_is_refused_without_a_crash(log: Deployment, data: bytes) -> None:
    """Row 45: duplicate key, float, NaN, beyond 2^53, lone surrogate, byte order mark, trailing bytes, deep nesting."""
    with pytest.raises(ForeignStatementError):
        canonical.parse(data)
    with pytest.raises(ForeignStatementError):
        log.append(data)
    wrapped = json.dumps({"payload": base64.b64encode(data).decode(), "payloadType": envelope.PAYLOAD_TYPE})
    with pytest.raises(ForeignStatementError):
        log.append(wrapped.encode())


@pytest.mark.parametrize("value", [1.5, 2**53, float("nan"), "\ud800", b"bytes", {1: "x"}])
def test_what_cannot_be_spelled_one_way_is_not_signed(value: Any) -> None:
    """Row 45: on writing."""
    with pytest.raises(InputError):
        canonical.to_bytes({"a": value})


def test_payload_type_and_predicate_type_are_ours_or_refused(log: Deployment) -> None:
    """Row 46."""
    data = json.loads(log.sign(Kind.EVENT, {"event": "e", "model": "", "detail": {}, "actor": None}))
    size = log.ledger.head().size
    payload = json.loads(base64.b64decode(data["payload"]))
    unknown = canonical.to_bytes({**payload, "predicateType": "urn:countersign:blessing:v1"})
    signed = envelope.write(unknown, (log.desk._sign(unknown, log.desk._keys().files.service_key),))

    for changed in (
        canonical.to_bytes({**data, "payloadType": "application/json"}),
        canonical.to_bytes({**data, "extra": "x"}),
        signed,
    ):
        with pytest.raises(ForeignStatementError):
            log.append(changed)
    with pytest.raises(ForeignStatementError):
        log.desk.sign_as_service(unknown)
    assert log.ledger.head().size == size


def test_algorithm_comes_from_the_keyring_alone(log: Deployment) -> None:
    """Row 47: an algorithm named in the envelope, and an Ed25519 key offered as P-256."""
    data = json.loads(log.sign(Kind.EVENT, {"event": "e", "model": "", "detail": {}, "actor": None}))
    named = {**data, "signatures": [{**data["signatures"][0], "alg": "none"}]}
    ed25519 = describe(Ed25519PrivateKey.generate().public_key()).document()

    with pytest.raises(ForeignStatementError):
        log.append(canonical.to_bytes(named))
    with pytest.raises(ForeignStatementError):
        read_key({**ed25519, "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256"})
    with pytest.raises(ForeignStatementError):
        read_key({**ed25519, "scheme": "hmac-sha256"})
    with pytest.raises(ForeignStatementError):
        log.record(
            Kind.KEYRING,
            {"op": "enrol", "person": a_person("dana"), "keyid": "0" * 64, "key": {**ed25519, "keytype": "ecdsa"}},
            by="ada",
        )


def test_signature_of_another_algorithm_under_a_known_key_id_does_not_verify(log: Deployment) -> None:
    """Row 47: a P-256 signature under the id of the service's Ed25519 key."""
    payload = envelope.read(log.sign(Kind.EVENT, {"event": "e", "model": "", "detail": {}, "actor": None})).payload
    other = CryptoSigner(generate_private_key(SECP256R1())).sign(envelope.pre_authentication(payload))
    forged = envelope.write(
        payload,
        (envelope.Signature(key_id=log.desk.service_key.key_id, value=bytes.fromhex(other.signature)),),
    )

    with pytest.raises(TrustError):
        log.append(forged)


# delegation and access, which rows 13, 22 and the auditor role lean on


def test_rights_of_an_administrator_are_not_those_of_anybody_else(world: World) -> None:
    """Row 14: managing people is the administrators' alone."""
    for subject in ("clara.compliance", VERA, "dana.datascience", "otto.auditor", "sam.sre", "ben.business"):
        with pytest.raises(RoleMissingError):
            world.people.require(world.actor(subject), Permission.MANAGE_PEOPLE)


def test_stale_service_key_adds_nothing(tmp_path: Path) -> None:
    """Row 29: the key that was replaced, still in the memory of another process."""
    world = a_world(tmp_path)
    payload = statement.build(
        Kind.EVENT,
        subjects=(statement.Subject(name="event:x", sha256=BYTES),),
        predicate={"event": "x", "model": "", "detail": {}, "actor": None},
        at=world.clock.now(),
        head=world.book.head(),
    )
    old = world.desk.sign_as_service(payload)
    propose(world, CeremonyKind.ROTATE_SERVICE, subject="")

    with pytest.raises((TrustError, ConflictError)), world.book.writing() as ledger:
        ledger.append(old, idem="old")
    world.database.dispose()
