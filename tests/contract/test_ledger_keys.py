"""Keys open for their person only, five wrong passphrases lock them, and sessions end."""

from __future__ import annotations

import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from services.adapters.signing.files import create_key_files
from services.adapters.sql.people import SqlKeyStore
from services.attestation import statement
from services.attestation.models import Kind, Subject
from services.audit.models import LedgerQuery
from services.kernel.errors import (
    ConflictError,
    ForeignStatementError,
    InputError,
    KeyLockedError,
    NotSignedInError,
    PassphraseError,
    RefusalError,
    RoleMissingError,
    TrustError,
)
from services.kernel.identity import Actor, Permission, Role
from services.kernel.secret import Secret
from tests.contract.deployment import BYTES, FOUNDED, STARTED, Deployment, _signed_by, a_head

VERA = "vera.validator"
RIGHT = Secret("vera checks the numbers")
WRONG = Secret("vera guesses the numbers")


def a_payload(deployment: Deployment, *, by: str = "vera", head=None) -> bytes:
    return statement.build(
        Kind.DECISION,
        subjects=(Subject(name="models:/claims_triage/4", sha256=BYTES),),
        predicate={
            "request": {"id": "req-1", "digest": {"sha256": BYTES}, "entry": FOUNDED},
            "decision": "approve",
            "meaning": "I reviewed the evidence shown.",
            "shown": {"digest": {"sha256": BYTES}},
            **_signed_by(by, deployment.clock.now()),
        },
        at=deployment.clock.now(),
        head=head or deployment.book.head(),
    )


def test_signature_verifies_with_an_independent_implementation(deployment: Deployment) -> None:
    payload = a_payload(deployment)

    data = deployment.desk.sign_as_person(payload, subject=VERA, passphrase=RIGHT)

    document = json.loads(data)
    key = SqlKeyStore(deployment.database).key_of("countersign:demo", VERA)
    assert key is not None
    described = {**key.public}
    person = SSlibKey(key.key_id, described["keytype"], described["scheme"], described["keyval"])
    own = deployment.desk.service_key
    service = SSlibKey(own.key_id, own.keytype, own.scheme, {"public": own.public})
    accepted = Envelope.from_dict(document).verify([person, service], threshold=2)
    assert set(accepted) == {person.keyid, service.keyid}
    assert base64.b64decode(json.loads(data)["payload"]) == payload


def test_five_wrong_passphrases_lock_the_key_for_a_quarter_of_an_hour(deployment: Deployment) -> None:
    for _ in range(5):
        with pytest.raises(PassphraseError):
            deployment.desk.sign_as_person(a_payload(deployment), subject=VERA, passphrase=WRONG)

    with pytest.raises(KeyLockedError, match="09:15:00Z"):
        deployment.desk.sign_as_person(a_payload(deployment), subject=VERA, passphrase=RIGHT)
    vera = next(person for person in deployment.people.people() if person.subject == VERA)
    assert vera.key_locked_until == STARTED + timedelta(minutes=15)

    deployment.clock.set(STARTED + timedelta(minutes=15))
    deployment.desk.sign_as_person(a_payload(deployment), subject=VERA, passphrase=RIGHT)


def test_a_right_passphrase_starts_the_count_again(deployment: Deployment) -> None:
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(PassphraseError):
                deployment.desk.sign_as_person(a_payload(deployment), subject=VERA, passphrase=WRONG)
        deployment.desk.sign_as_person(a_payload(deployment), subject=VERA, passphrase=RIGHT)


def test_twenty_guesses_at_once_are_counted_one_by_one(deployment: Deployment) -> None:
    payload = a_payload(deployment)

    def guess(_: int) -> str:
        try:
            deployment.desk.sign_as_person(payload, subject=VERA, passphrase=WRONG)
        except RefusalError as refused:
            return refused.code
        return "signed"

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(guess, range(20)))

    assert answers.count("passphrase") == 5
    assert answers.count("key-locked") == 15


def test_nobody_signs_for_somebody_else_or_for_another_log(deployment: Deployment) -> None:
    foreign = a_payload(deployment, head=a_head("other/countersign/log-1"))

    with pytest.raises(InputError):
        deployment.desk.sign_as_person(a_payload(deployment, by="clara"), subject=VERA, passphrase=RIGHT)
    with pytest.raises(ForeignStatementError):
        deployment.desk.sign_as_person(foreign, subject=VERA, passphrase=RIGHT)


def test_short_passphrases_are_refused_and_an_older_key_opens_no_longer(deployment: Deployment) -> None:
    with pytest.raises(InputError):
        deployment.desk.enrol(VERA, "Vera Lindholm", Secret("too short"))

    deployment.desk.enrol(VERA, "Vera Lindholm", Secret("an entirely new phrase"))

    with pytest.raises(PassphraseError):
        deployment.desk.sign_as_person(a_payload(deployment), subject=VERA, passphrase=RIGHT)


def test_key_files_are_private_and_never_overwritten(deployment: Deployment) -> None:
    folder = deployment.home / "keys"

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    with pytest.raises(ConflictError):
        create_key_files(folder, deployment="tests")
    (folder / "pepper").chmod(0o644)
    with pytest.raises(TrustError, match="other accounts"):
        type(deployment.desk)(SqlKeyStore(deployment.database), folder, deployment.clock)


def test_session_lasts_twelve_hours_and_keeps_no_token(deployment: Deployment) -> None:
    actor = deployment.people.sign_in_demo(VERA)

    token = deployment.people.open_session(actor)

    assert deployment.people.resume(token) == actor
    assert deployment.people.resume(token + "x") is None
    with deployment.database.read() as connection:
        assert token not in str(connection.exec_driver_sql("SELECT * FROM person_session").all())
    deployment.clock.set(STARTED + timedelta(hours=12))
    assert deployment.people.resume(token) is None


def test_signing_out_ends_the_session(deployment: Deployment) -> None:
    token = deployment.people.open_session(deployment.people.sign_in_demo(VERA))

    deployment.people.sign_out(token)

    assert deployment.people.resume(token) is None


def test_role_taken_away_ends_permission_at_once_and_the_attempt_is_recorded(deployment: Deployment) -> None:
    actor = deployment.people.sign_in_demo(VERA)
    token = deployment.people.open_session(actor)
    deployment.people.require(actor, Permission.VALIDATE)
    person = {"issuer": actor.issuer, "sub": actor.subject, "name": actor.name}

    deployment.record(Kind.KEYRING, {"op": "withdraw", "person": person, "role": "validator"}, by="ada")

    with pytest.raises(RoleMissingError):
        deployment.people.require(actor, Permission.VALIDATE)
    assert not deployment.people.may(actor, Permission.VIEW)
    assert deployment.people.resume(token) is None
    assert VERA not in {person.subject for person in deployment.people.holders(Role.VALIDATOR)}
    newest = deployment.audit.entries(LedgerQuery(kinds=("event",), limit=1)).items[0]
    assert newest.event == "event:permission-refused"
    assert newest.actor == "Vera Lindholm"


def test_invented_actor_is_nobody(deployment: Deployment) -> None:
    invented = Actor(
        issuer="countersign:demo",
        subject="mallory",
        name="Mallory",
        role=Role.COMPLIANCE,
        session_id="ses-1",
        signed_in_at=STARTED,
    )
    promoted = Actor(
        issuer="countersign:demo",
        subject="otto.auditor",
        name="Otto Brandt",
        role=Role.COMPLIANCE,
        session_id="ses-1",
        signed_in_at=STARTED,
    )

    with pytest.raises(NotSignedInError):
        deployment.people.require(invented, Permission.APPROVE)
    with pytest.raises(RoleMissingError):
        deployment.people.require(promoted, Permission.APPROVE)
    with pytest.raises(NotSignedInError):
        deployment.people.require(None, Permission.VIEW)
    with pytest.raises(NotSignedInError):
        deployment.people.sign_in_demo("mallory")
    with pytest.raises(NotSignedInError):
        deployment.people.open_session(promoted)
