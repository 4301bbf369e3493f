"""Publishing: only a compliance officer's signature puts a policy into force, and versions are never changed."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import DatabaseError

from services.adapters.sql.schema.policy import published_policy
from services.approvals.models import Decision
from services.attestation import authentication
from services.kernel.errors import (
    ConflictError,
    InputError,
    InvalidPolicyError,
    PassphraseError,
    RoleMissingError,
    StaleEvidenceError,
)
from services.kernel.health import Health
from services.kernel.secret import Secret
from services.ledger.verify import Problem, verify_log
from services.oversight.findings import of_policies
from services.policy import statements
from services.policy.first import publish_first
from services.policy.published import PublishedPolicy, PublishPolicy, digest
from services.policy.rehearsal import Effect
from tests.builders import MODEL, World, a_model, a_world
from tests.contract.conftest import database_url, postgres

__all__ = ["database_url", "postgres"]

CLARA, VERA, DANA = "clara.compliance", "vera.validator", "dana.datascience"


def next_version(world: World, *changes: tuple[str, str], tier: int = 1) -> str:
    """The text in force with a higher version and these replacements."""
    item = world.policy.history(tier)[0]
    text = item.text.replace(f'version: "{item.version}"', f'version: "{int(item.version) + 1}"')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def publish(world: World, text: str, *, by: str = CLARA, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "command_id": secrets.token_hex(4),
        "text": text,
        "seen_sha256": digest(text),
        "passphrase": world.secret(by),
        "note": "Agreed by the model risk committee.",
    }
    return world.publishing.publish(PublishPolicy(**(values | changes)), actor=world.actor(by))


def problems(world: World) -> list[Problem]:
    report = verify_log(world.book.entries(), checkpoints=world.book.checkpoints())
    return [item for item in report.problems if item.severity != "note"]


def test_a_published_policy_applies_from_then_on_and_the_log_still_verifies(tmp_path: Path, database_url: str) -> None:
    world = a_world(tmp_path, url=database_url)
    text = next_version(world, ("approval_days: 90", "approval_days: 60"))
    receipt = publish(world, text)
    policy = world.policy.for_model(a_model())
    newest, first = world.policy.history(1)
    assert (policy.terms.approval_days, policy.ref.sha256) == (60, digest(text))
    assert (newest.seq, newest.by_name, newest.note) == (
        receipt.seq,
        "Clara Whitfield",
        "Agreed by the model risk committee.",
    )
    assert first.by_name == "Clara Whitfield"
    assert first.seq < newest.seq
    assert problems(world) == []
    world.database.dispose()


def test_a_request_stays_under_the_policy_it_was_asked_under(world: World) -> None:
    world.submit("3")
    request_id = world.request_of("3").request_id
    world.sign_off(request_id, VERA, Decision.APPROVE)
    publish(world, next_version(world, ("approval_days: 90", "approval_days: 60")))
    assert world.approvals.revalidate() == 0
    world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)
    world.sign_off(request_id, CLARA, Decision.APPROVE)
    status = world.approvals.approved(MODEL, "3")
    assert status.valid
    assert status.valid_until is not None
    assert (status.valid_until - world.clock.now()).days == 90
    assert world.approvals.draft(MODEL, "2", actor=world.actor(DANA)).terms.approval_days == 60


def test_only_a_compliance_officer_publishes_and_the_attempt_is_recorded(world: World) -> None:
    text = next_version(world)
    for subject in (DANA, VERA, "ben.business", "sam.sre", "ada.admin", "otto.auditor"):
        with pytest.raises(RoleMissingError):
            publish(world, text, by=subject)
    assert world.entries("event:permission-refused") == 6
    assert len(world.policy.history(1)) == 1


def test_a_wrong_passphrase_publishes_nothing_and_is_recorded(world: World) -> None:
    with pytest.raises(PassphraseError):
        publish(world, next_version(world), passphrase=Secret("not hers"))
    assert len(world.policy.history(1)) == 1
    assert world.entries("event:policy-refused") == 1


def test_the_same_command_publishes_once(world: World) -> None:
    text = next_version(world)
    one, two = (publish(world, text, command_id="same") for _ in range(2))
    assert (one.seq, two.repeated) == (two.seq, True)
    assert len(world.policy.history(1)) == 2


def test_a_version_that_is_taken_or_lower_is_refused(world: World) -> None:
    item = world.policy.history(1)[0]
    with pytest.raises(ConflictError, match="in force already"):
        publish(world, item.text)
    with pytest.raises(InputError, match="not above"):
        publish(world, item.text + "# another text under the same version\n")
    with pytest.raises(InvalidPolicyError, match=r"line \d+: unknown key `aproval_days`"):
        publish(world, next_version(world, ("approval_days", "aproval_days")))
    with pytest.raises(StaleEvidenceError):
        publish(world, next_version(world), seen_sha256="0" * 64)
    assert world.policy.history(1) == (item,)


def test_the_table_refuses_every_change(tmp_path: Path, database_url: str) -> None:
    world = a_world(tmp_path, url=database_url)
    for change in (published_policy.update().values(note="other"), delete(published_policy)):
        with pytest.raises(DatabaseError, match="insert-only"), world.database.writer_engine.begin() as connection:
            connection.execute(change)
    assert len(world.policy.history(1)) == 1
    world.database.dispose()


def test_a_row_that_nobody_signed_is_no_policy(world: World) -> None:
    item = world.policy.history(1)[0]
    text = next_version(world, ("needed: 1, decision: approve, stage: 2", "needed: 2, decision: approve, stage: 2"))
    with world.database.writer_engine.begin() as connection:
        row = dict(connection.execute(select(published_policy).where(published_policy.c.tier == 1)).one()._mapping)
        row |= {"text": text, "sha256": digest(text), "version": "99", "seq": item.seq + 1_000}
        connection.execute(insert(published_policy).values(row))
    with pytest.raises(InvalidPolicyError, match="is not what was signed"):
        world.policy.for_model(a_model())


def test_first_documents_are_published_once_and_without_an_officer_by_the_service(world: World) -> None:
    texts = [world.policy.history(tier)[0].text for tier in (1, 2, 3)]
    assert publish_first(world.desk, world.units, texts, clock=world.clock) == 0


@pytest.mark.parametrize("role", ["", "admin"])
def test_an_entry_without_the_right_to_publish_is_void(world: World, role: str) -> None:
    """The law of the log itself: the service replaces no policy, and no other role does."""
    text = next_version(world)
    old = world.policy.history(1)[0]
    actor = world.actor("ada.admin")
    item = PublishedPolicy(
        tier=1, name=old.name, version="9", sha256=digest(text), text=text, at=world.clock.now(), seq=0, leaf_hash=""
    )
    signed: dict[str, Any] = {}
    if role:
        item = replace(item, by_issuer=actor.issuer, by_subject=actor.subject, by_name=actor.name)
        signed = {
            "signer": {"issuer": actor.issuer, "sub": actor.subject, "name": actor.name, "role": role},
            "authentication": authentication.document(actor, at=item.at),
        }
    with world.units.read() as unit:
        head = unit.ledger.head()
    payload = statements.policy_statement(item, replaces=old, signed=signed, at=item.at, head=head)
    envelope = (
        world.desk.sign_as_person(payload, subject=actor.subject, passphrase=world.secret("ada.admin"))
        if role
        else world.desk.sign_as_service(payload)
    )
    with world.units.write() as unit:
        receipt = unit.ledger.append(envelope, idem="forged")
        unit.policies.add(replace(item, seq=receipt.seq, leaf_hash=receipt.leaf_hash))
    found = [
        entry
        for entry in verify_log(world.book.entries(), checkpoints=world.book.checkpoints()).problems
        if entry.seq == receipt.seq
    ]
    assert len(found) == 1
    assert ("does not allow it" if role else "needs a person's signature") in found[0].sentence
    with pytest.raises(InvalidPolicyError, match="is not what was signed"):
        world.policy.for_model(a_model())


def test_a_rehearsal_says_what_would_have_been_stopped_and_writes_nothing(tmp_path: Path, database_url: str) -> None:
    world = a_world(tmp_path, url=database_url)
    world.approve("1")
    world.submit("3")
    size = world.ledger.head().size
    strict = next_version(world, ("metric: holdout_ece, at_most: 0.05", "metric: holdout_ece, at_most: 0.01"))
    rehearsal = world.publishing.rehearse(strict)
    assert [item.effect for item in rehearsal.requests] == [Effect.STOPPED, Effect.STOPPED]
    change = rehearsal.requests[0].changes[0]
    assert (change.gate, change.before, change.after) == ("calibration-error", "passed", "failed")
    assert (change.rule_before, change.rule_after) == ("at most 0.05", "at most 0.01")
    assert "2 would have been stopped" in rehearsal.sentence
    assert world.ledger.head().size == size
    same = world.publishing.rehearse(next_version(world))
    assert {item.effect for item in same.requests} == {Effect.SAME}
    assert "none would have gone another way" in same.sentence
    assert world.publishing.rehearse(next_version(world, tier=3)).requests == ()
    world.database.dispose()


def test_evidence_that_is_not_what_was_signed_cannot_be_rehearsed(world: World) -> None:
    from services.adapters.sql.schema.evidence import evidence_document

    world.submit("3")
    with world.database.writer_engine.begin() as connection:
        connection.execute(evidence_document.update().values(data=b"{}"))
    rehearsal = world.publishing.rehearse(next_version(world))
    assert rehearsal.requests[0].effect is Effect.UNKNOWN
    assert "1 cannot be said" in rehearsal.sentence


def test_a_draft_and_a_request_show_the_freeze_window_they_are_in(world: World) -> None:
    window = "freeze:\n  - {name: Year-end closing, from: 2030-01-30, to: 2030-02-02}\n"
    publish(world, next_version(world) + window)
    assert world.approvals.draft(MODEL, "3", actor=world.actor(DANA)).freeze.startswith("Year-end closing: nothing new")
    world.submit("3")
    view = world.approvals.get(world.request_of("3").request_id, actor=world.actor(CLARA))
    assert "to 02 Feb 2030 (UTC)" in view.freeze


def test_a_policy_that_cannot_be_used_and_a_file_that_differs_are_findings() -> None:
    broken, differs = of_policies(("Tier 1 has none.",), ("tier-2.yaml on disk is not version 5.",))
    assert (broken.state, broken.why, broken.target) == (Health.BREACH, "Tier 1 has none.", "policies")
    assert (differs.state, differs.why) == (Health.WATCH, "tier-2.yaml on disk is not version 5.")
