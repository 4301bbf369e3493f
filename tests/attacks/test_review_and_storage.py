"""Attacks between asking and signing, on keys alone, and faults of disk, lock and protections."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock
from sqlalchemy import update
from sqlalchemy.exc import DatabaseError

from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.oversight import SqlOversight
from services.adapters.sql.public_keys import SqlPublicKeys
from services.adapters.sql.schema.policy import published_policy
from services.approvals import rules, statements
from services.approvals.models import Decision
from services.inventory.models import RegistrySnapshot
from services.kernel.errors import (
    BrokenChainError,
    IllegalTransitionError,
    SignatureMismatchError,
    StaleEvidenceError,
    StorageUnavailableError,
    TrustError,
)
from services.kernel.health import Health
from services.ledger.verify import verify_log
from services.oversight.findings import findings
from services.rollout.attested import CheckedEntries
from services.rollout.models import ActionState
from tests.builders import MODEL, POLICIES, World, a_model, a_version, a_world

CLARA, VERA, DANA = "clara.compliance", "vera.validator", "dana.datascience"


def test_a_version_deleted_and_made_again_under_its_number_is_another_one(world: World) -> None:
    """Attack 3: run and time of creation are part of what is signed, even when the bytes are the same."""
    world.submit("3")
    request_id = world.request_of("3").request_id
    challenge = world.approvals.open_review(request_id, actor=world.actor(VERA)).challenge
    world.inventory.put_version(a_version("3", run_id="another", created_at=datetime(2030, 1, 30, tzinfo=UTC)))
    with pytest.raises(StaleEvidenceError):
        world.sign_off(request_id, VERA, Decision.APPROVE, challenge=challenge)


def test_an_alias_moved_between_request_and_signature_stops_the_release(world: World) -> None:
    """Attack 4: nothing is overwritten; the request has to be made again."""
    world.release("1")
    world.submit("2")
    world.registry.set_alias(MODEL, "champion", "3")
    request_id = world.request_of("2").request_id
    for subject, word in ((VERA, Decision.APPROVE), ("ben.business", Decision.ACKNOWLEDGE), (CLARA, Decision.APPROVE)):
        try:
            world.sign_off(request_id, subject, word)
        except (StaleEvidenceError, IllegalTransitionError):
            return  # noticed before the last signature, which is earlier than needed
    world.runner.run_pending()
    assert world.rollout.actions(MODEL)[0].state is ActionState.CONFLICT
    assert world.registry.alias_target(MODEL, "champion") == "3"
    assert world.platform.observe(MODEL).routes == (("1", 100),)


def test_a_policy_edited_on_disk_changes_nothing_and_is_told(tmp_path: Path) -> None:
    """Attack 7: only a signed publication puts a policy into force; the digest is part of the evidence."""
    policies = tmp_path / "policies"
    shutil.copytree(POLICIES, policies)
    (tmp_path / "world").mkdir()
    world = a_world(tmp_path / "world", policies=policies)
    before = world.policy.for_model(a_model()).ref
    file = policies / "tier-1.yaml"
    file.write_text(file.read_text().replace("at_most: 0.05", "at_most: 0.90"))
    assert world.policy.for_model(a_model()).ref == before
    assert "tier-1.yaml on disk is not version" in world.policy.unpublished()[0]
    world.database.dispose()


def test_a_policy_edited_in_the_database_refuses_the_signature(world: World) -> None:
    """Attack 7, with the protections of the table taken away: the text no longer is what was signed."""
    world.submit("3")
    request_id = world.request_of("3").request_id
    challenge = world.approvals.open_review(request_id, actor=world.actor(VERA)).challenge
    looser = world.policy.history(1)[0].text.replace("at_most: 0.05", "at_most: 0.90")
    change = update(published_policy).where(published_policy.c.tier == 1)
    with pytest.raises(DatabaseError, match="insert-only"), world.database.writer_engine.begin() as connection:
        connection.execute(change.values(text=looser))
    with world.database.writer_engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER published_policy_no_update")
        sha256 = hashlib.sha256(looser.encode()).hexdigest()
        connection.execute(change.values(text=looser, sha256=sha256))
    assert world.evaluation.gates(MODEL, "3").blocking
    assert "is not what was signed" in world.policy.problems()[0]
    with pytest.raises(TrustError, match="published_policy_no_update"):
        world.sign_off(request_id, VERA, Decision.APPROVE, challenge=challenge)


def test_a_request_is_not_withdrawn_after_the_machine_acted(world: World) -> None:
    """Attack 12: a rollback is the way back."""
    request_id = world.release("1")
    with pytest.raises(IllegalTransitionError):
        world.sign_off(request_id, DANA, Decision.WITHDRAW, reason="OTHER", comment="Not any more.")
    world.release("2")
    assert world.rollout.plan_rollback(MODEL, actor=world.actor("sam.sre")).proposed == "1"


def test_the_service_key_alone_approves_nothing(world: World) -> None:
    """Attack 29: whoever stole it can write entries, but no person's signature."""
    world.submit("3")
    with world.units.read() as unit:
        request = unit.requests.get(world.request_of("3").request_id)
    assert request is not None
    payload = statements.decision_statement(
        request,
        Decision.APPROVE,
        rules.own(world.actor(CLARA)),
        shown="0" * 64,
        comment_sha256=None,
        reason_code="",
        zone="UTC",
        nonce="0" * 32,
        at=world.clock.now(),
        head=world.ledger.head(),
    )
    with world.book.writing() as ledger:
        receipt = ledger.append(world.desk.sign_as_service(payload), idem="forged")
    checked = CheckedEntries(
        reader=world.book, service_key=world.desk.service_key, person_keys=SqlPublicKeys(world.database)
    )
    with pytest.raises(SignatureMismatchError):
        checked.require_valid(receipt.seq, receipt.leaf_hash)
    problems = verify_log(world.book.entries(), checkpoints=world.book.checkpoints()).problems
    assert [problem.seq for problem in problems if problem.severity == "void"] == [receipt.seq]


def test_without_the_protections_of_the_log_nothing_is_decided(world: World) -> None:
    """Attack 31: dropped triggers are noticed although they would let an edit pass."""
    with world.database.writer_engine.begin() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
        for name in names:
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        connection.exec_driver_sql("UPDATE log_entry SET envelope = x'7b7d' WHERE seq = 2")
    with pytest.raises(TrustError, match="Protections of the ledger are missing"):
        world.submit("3")
    assert not verify_log(world.book.entries(), checkpoints=world.book.checkpoints()).intact


def test_on_a_full_disk_nothing_is_half_signed(world: World) -> None:
    """Attack 38."""
    with world.database.writer_engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    before = world.ledger.head().size

    def until_full() -> None:
        for _ in range(200):
            world.submit("3", note="x" * 4000)
            request_id = world.request_of("3").request_id
            world.sign_off(request_id, CLARA, Decision.REQUEST_CHANGES, reason="DATA", comment="x" * 1900)

    with pytest.raises(StorageUnavailableError, match="disk of the governance database is full"):
        until_full()
    with world.database.writer_engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    report = verify_log(world.book.entries(), checkpoints=world.book.checkpoints())
    assert report.intact
    assert report.entries == world.ledger.head().size >= before


def test_a_hanging_writer_gives_a_clean_message_and_the_retry_is_safe(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack 39."""
    monkeypatch.setattr(world.database, "_lock_seconds", 0.2)
    held = FileLock(f"{world.database.url.database}.lock")
    with held, pytest.raises(StorageUnavailableError, match="locked by another writer"):
        world.submit("3")
    world.submit("3")
    assert world.entries("request:recorded") == 1


def test_one_anchor_that_is_left_still_shows_that_newer_entries_are_gone(world: World, tmp_path: Path) -> None:
    """Attack 43: whoever shortens the log has to remove every anchor; none missing is taken for none needed."""
    world.release("1")
    kept = world.ledger.anchor()
    world.release("2")
    newest = world.ledger.anchor()
    anchors = sorted((tmp_path / "anchors").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    anchors[-1].unlink()
    assert newest > kept
    with world.database.writer_engine.begin() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
        for name in names:
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql(f"DELETE FROM log_checkpoint WHERE size >= {kept}")
        connection.exec_driver_sql(f"DELETE FROM log_entry WHERE seq >= {kept - 1}")
    with pytest.raises(BrokenChainError, match="newer ones are missing"):
        world.submit("3")


def test_a_version_deleted_while_it_serves_is_a_finding_and_traffic_can_go_back(world: World) -> None:
    """Attack 63."""
    world.release("1")
    world.release("2")
    store, oversight = SqlInventory(world.database), SqlOversight(world.database)
    store.apply(RegistrySnapshot(versions=tuple(map(a_version, "123")), aliases=()), world.clock.now())
    assert oversight.deleted_but_served() == ()
    store.apply(RegistrySnapshot(versions=tuple(map(a_version, "13")), aliases=()), world.clock.now())
    assert oversight.deleted_but_served() == ((MODEL, "2"),)
    (finding,) = findings((), oversight.deleted_but_served(), ())
    assert (finding.state, "gone from the registry" in finding.title) == (Health.BREACH, True)
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    assert world.platform.observe(MODEL).routes == (("1", 100),)
