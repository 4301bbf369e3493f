"""Entries that break a rule have no effect, are named, and leave the log intact."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.attestation import envelope, statement
from services.attestation.keys import describe
from services.attestation.models import Kind, Receipt
from services.audit.models import Finding
from services.kernel.errors import RefusalError
from services.ledger.keyring import VoidEntryError, replayed
from tests.contract.deployment import ACCOUNTS, BYTES, STARTED, Deployment, founded


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Deployment]:
    made = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    yield made
    made.database.dispose()


def findings(log: Deployment, severity: str = "void") -> list[Finding]:
    result = log.audit.verify()
    assert result.intact
    return [finding for finding in result.findings if finding.severity == severity]


def assert_void(log: Deployment, receipt: Receipt, why: str) -> None:
    assert [(finding.seq, why in finding.sentence) for finding in findings(log)] == [(receipt.seq, True)]


def a_person(name: str) -> dict[str, Any]:
    account = ACCOUNTS[name]
    return {"issuer": "countersign:demo", "sub": account.subject, "name": account.name}


def test_own_request_cannot_be_approved(log: Deployment) -> None:
    log.record(Kind.KEYRING, {"op": "grant", "person": a_person("dana"), "role": "validator"}, by="ada")
    _, cited = log.request()
    signer = {**a_person("dana"), "role": "validator"}

    receipt = log.decide_as(signer, cited, by="dana")

    assert_void(log, receipt, "may not approve it")


def test_role_that_was_not_held_decides_nothing(log: Deployment) -> None:
    _, cited = log.request()

    receipt = log.decide_as({**a_person("otto"), "role": "compliance_officer"}, cited, by="otto")

    assert_void(log, receipt, "did not hold the role")


def test_role_without_the_right_decides_nothing(log: Deployment) -> None:
    _, cited = log.request()
    assert_void(log, log.decide(cited, by="otto"), "does not allow it")


def test_second_decision_of_one_person_is_void(log: Deployment) -> None:
    _, cited = log.request()
    log.decide(cited, by="vera")

    assert_void(log, log.decide(cited, by="vera"), "decided on this request before")


def test_decision_on_other_bytes_is_void(log: Deployment) -> None:
    _, cited = log.request()

    assert_void(log, log.decide(cited, by="vera", bytes_="0" * 64), "other bytes")


def test_decision_on_an_unknown_or_changed_request_is_void(log: Deployment) -> None:
    _, cited = log.request()
    other = log.decide({**cited, "digest": {"sha256": "0" * 64}}, by="vera")
    assert_void(log, other, "says something else")


def test_approval_after_expiry_or_after_the_request_was_closed_is_void(log: Deployment) -> None:
    _, cited = log.request()
    log.clock.set(STARTED + timedelta(days=8))
    assert_void(log, log.decide(cited, by="vera"), "expired")


def test_closed_request_takes_no_approval(log: Deployment) -> None:
    _, cited = log.request()
    log.decide(cited, by="clara", word="reject")

    assert_void(log, log.decide(cited, by="vera"), "closed")


def test_used_nonce_is_void(log: Deployment) -> None:
    event = {"event": "checked", "model": "", "detail": {}, "actor": None}
    log.record(Kind.EVENT, event, nonce="0" * 32)
    log.clock.set(STARTED + timedelta(seconds=1))

    assert_void(log, log.record(Kind.EVENT, event, nonce="0" * 32), "nonce was used before")


def test_action_without_complete_quorum_is_void(log: Deployment) -> None:
    _, cited = log.request()
    decisions = [log.decide(cited, by="vera")]

    assert_void(log, log.act(cited, decisions), "compliance_officer is missing")


def test_action_citing_a_void_decision_is_void(log: Deployment) -> None:
    _, cited = log.request()
    void = log.decide(cited, by="otto")

    action = log.act(cited, [void])

    assert [finding.seq for finding in findings(log)] == [void.seq, action.seq]


def test_action_after_the_approval_was_revoked_is_void(log: Deployment) -> None:
    _, cited = log.request()
    decisions = [log.decide(cited, by="vera"), log.decide(cited, by="clara")]
    log.decide(cited, by="clara", word="revoke")

    assert_void(log, log.act(cited, decisions), "taken back")


def test_action_without_request_or_twice_is_void(log: Deployment) -> None:
    assert_void(log, log.act(None, []), "rests on no approved request")


def test_rollback_needs_somebody_on_call(log: Deployment) -> None:
    planned = {"mode": "planned"}
    log.act(None, [], id_="act-1", by="sam", rollback=planned)
    assert findings(log) == []

    unsigned = log.act(None, [], id_="act-2", rollback=planned)
    by_dana = log.act(None, [], id_="act-3", by="dana", rollback=planned)

    assert [finding.seq for finding in findings(log)] == [unsigned.seq, by_dana.seq]


def test_outcome_belongs_to_one_action_once(log: Deployment) -> None:
    log.promote()
    again = log.outcome(result="failed")
    unknown = log.outcome(action="act-9")

    assert [finding.seq for finding in findings(log)] == [again.seq, unknown.seq]


@pytest.mark.parametrize(
    ("by", "operation", "why"),
    [
        ("dana", {"op": "grant", "role": "compliance_officer"}, "administrators signed it"),
        ("ada", {"op": "enrol"}, "lacks the field keyid"),
        ("ada", {"op": "revoke", "keyid": "0" * 64}, "a key that no person has"),
        ("ada", {"op": "grant"}, "lacks the field role"),
    ],
)
def test_change_of_keys_or_roles_against_the_rules_is_not_recorded(
    log: Deployment, by: str, operation: dict[str, Any], why: str
) -> None:
    before = (log.people.people(), log.ledger.head().size)

    with pytest.raises(RefusalError, match=why):
        log.record(Kind.KEYRING, {**operation, "person": a_person("dana")}, by=by)

    assert (log.people.people(), log.ledger.head().size) == before


def test_key_enrolled_twice_or_under_a_false_id_is_not_recorded(log: Deployment) -> None:
    key = log.desk.service_key
    again = {"op": "enrol", "person": a_person("dana"), "key": key.document(), "keyid": key.key_id}

    with pytest.raises(RefusalError, match="enrolled before"):
        log.record(Kind.KEYRING, again, by="ada")
    with pytest.raises(RefusalError, match="not the digest"):
        log.record(Kind.KEYRING, {**again, "keyid": "0" * 64}, by="ada")


def test_two_administrators_are_needed_outside_the_embedded_profile(log: Deployment) -> None:
    stored = log.book.entry(0)
    assert stored is not None
    keyring = replayed([stored])
    keyring.embedded = False
    data = log.sign(Kind.KEYRING, {"op": "grant", "person": a_person("ada"), "role": "sre"}, by="ada")
    read = envelope.read(data)

    with pytest.raises(VoidEntryError, match="their own"):
        keyring.admit(read, statement.read(read.payload), seq=1)
    keyring.apply_policy(_a_policy(log))
    with pytest.raises(VoidEntryError, match="1 of 2 administrators"):
        keyring.admit(read, statement.read(read.payload), seq=1)


def _a_policy(log: Deployment) -> statement.Statement:
    policy = {"name": "signing", "version": "2", "digest": {"sha256": BYTES}, "keyringSigners": 2}
    return statement.read(envelope.read(log.sign(Kind.POLICY, policy, by="ada")).payload)


def test_rotated_service_key_signs_from_its_entry_on(log: Deployment) -> None:
    stored = log.book.entry(0)
    assert stored is not None
    keyring = replayed([stored])
    fresh = describe(Ed25519PrivateKey.generate().public_key())
    read = envelope.read(log.sign(Kind.KEYRING, {"op": "rotate-service", "key": fresh.document()}, by="ada"))
    log_key = envelope.read(log.sign(Kind.KEYRING, {"op": "rotate-log", "key": fresh.document()}, by="ada"))

    keyring.admit(log_key, statement.read(log_key.payload), seq=1)
    keyring.admit(read, statement.read(read.payload), seq=2)

    assert fresh in keyring.log_keys
    assert keyring.keys[fresh.key_id].owner is None
    with pytest.raises(VoidEntryError, match="not enrolled, or no longer"):
        keyring.signed_by(read)


def test_compromised_key_makes_earlier_signatures_suspect_without_rewriting_them(log: Deployment) -> None:
    _, cited = log.request()
    decision = log.decide(cited, by="vera")
    vera = next(person for person in log.people.people() if person.subject == "vera.validator")
    revoke = {"op": "revoke", "keyid": vera.key_id, "reason": "compromised", "sinceIndex": decision.seq}

    log.record(Kind.KEYRING, revoke, by="ada")

    assert findings(log) == []
    suspect = findings(log, "finding")
    assert [(finding.seq, "compromised" in finding.sentence) for finding in suspect] == [(decision.seq, True)]


def test_observed_difference_is_a_finding(log: Deployment) -> None:
    seen = log.record(Kind.OBSERVATION, {"model": "claims_triage", "finding": "Alias moved outside."})

    assert [finding.seq for finding in findings(log, "finding")] == [seen.seq]


def test_second_genesis_is_void(log: Deployment) -> None:
    stored = log.book.entry(0)
    assert stored is not None
    said = statement.read(envelope.read(stored.envelope).payload)
    common = {"at", "nonce", "log", "service", "signer", "authentication"}
    predicate = {name: value for name, value in said.predicate.items() if name not in common}

    data = log.sign(Kind.GENESIS, predicate, by="ada")
    receipt = log.append(data)

    assert_void(log, receipt, "one genesis")
