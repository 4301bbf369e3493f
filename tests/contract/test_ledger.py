"""The log keeps its promises on both databases."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from services.adapters.sql.ledger import SqlLedger, SqlLedgerReader, rebuild_index
from services.adapters.sql.schema.ledger import ledger_index, log_entry
from services.attestation import envelope
from services.attestation.models import Kind
from services.audit.models import LedgerQuery
from services.kernel.errors import (
    BrokenChainError,
    ConflictError,
    ForeignStatementError,
    SignatureMismatchError,
    StorageUnavailableError,
)
from services.ledger import merkle, note
from services.people.accounts import demo_people
from tests.contract.deployment import FOUNDED, Deployment


def test_founding_enrols_everybody_and_verifies(deployment: Deployment) -> None:
    result = deployment.audit.verify()

    assert result.intact
    assert result.entries == FOUNDED
    assert result.genesis == deployment.genesis
    assert {finding.severity for finding in result.findings} == {"note"}
    assert all(person.key_id and person.roles for person in deployment.people.people())


def test_a_founded_log_is_not_founded_again(deployment: Deployment) -> None:
    from services.adapters.sql.setup import found_deployment

    with pytest.raises(ConflictError):
        found_deployment(
            deployment.database, deployment.desk, clock=deployment.clock, profile="embedded", people=demo_people()
        )


def test_receipt_stands_alone(deployment: Deployment) -> None:
    data = deployment.sign(Kind.EVENT, {"event": "checked", "model": "", "detail": {}, "actor": None})

    receipt = deployment.append(data)

    checkpoint = note.verify(receipt.checkpoint, origin=deployment.desk.origin, key=deployment.desk.log_key)
    assert (checkpoint.size, checkpoint.root.hex()) == (receipt.size, receipt.root)
    index, path, newest = note.read_proof(deployment.audit.entry(receipt.seq).receipt)
    root = merkle.root_from_inclusion(merkle.leaf_hash(data), index, note.read(newest).size, path)
    assert root == note.read(newest).root


def test_repeating_a_command_returns_the_first_receipt(deployment: Deployment) -> None:
    first = deployment.ledger.record_event(event="checked", actor=None, detail={}, idem="once")

    again = deployment.ledger.record_event(event="checked", actor=None, detail={}, idem="once")

    assert again == replace(first, repeated=True)
    assert deployment.ledger.head().size == first.size


def test_old_receipts_stay_provable_after_more_entries(deployment: Deployment) -> None:
    older = deployment.event()
    for _ in range(9):
        deployment.event()

    leaves = SqlLedgerReader(deployment.database).leaf_hashes()
    proof = merkle.consistency_proof(leaves, older.size)

    head = deployment.ledger.head()
    assert merkle.is_consistent(older.size, bytes.fromhex(older.root), head.size, bytes.fromhex(head.root), proof)


def test_a_whole_promotion_counts(deployment: Deployment) -> None:
    deployment.promote()

    result = deployment.audit.verify()

    assert result.intact
    assert [finding for finding in result.findings if finding.severity != "note"] == []


def test_envelope_without_our_signature_is_not_added(deployment: Deployment) -> None:
    data = deployment.sign(Kind.EVENT, {"event": "checked", "model": "", "detail": {}, "actor": None})
    read = envelope.read(data)
    forged = envelope.write(read.payload, (envelope.Signature(key_id=read.signatures[0].key_id, value=bytes(64)),))

    with pytest.raises(SignatureMismatchError):
        deployment.append(forged)
    with pytest.raises(ForeignStatementError):
        deployment.append(data + b" ")
    assert deployment.ledger.head().size == FOUNDED


def test_statement_about_a_later_log_is_not_added(deployment: Deployment) -> None:
    head = replace(deployment.ledger.head(), size=99)
    data = deployment.sign(Kind.EVENT, {"event": "checked", "model": "", "detail": {}, "actor": None}, head=head)

    with pytest.raises(ForeignStatementError):
        deployment.append(data)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log_entry SET envelope = envelope WHERE seq = 3",
        "DELETE FROM log_entry WHERE seq = 12",
        "DELETE FROM log_checkpoint",
        "UPDATE log_checkpoint SET note = 'x'",
    ],
)
def test_log_tables_refuse_change(deployment: Deployment, change: str) -> None:
    with pytest.raises(StorageUnavailableError), deployment.database.write() as connection:
        connection.execute(text(change))

    assert deployment.audit.verify().intact


def test_log_refuses_a_gap_and_a_replacement(deployment: Deployment) -> None:
    with deployment.database.read() as connection:
        row = connection.execute(select(log_entry).where(log_entry.c.seq == FOUNDED - 1)).one()._asdict()
    gap = row | {"seq": FOUNDED + 7, "idem": "gap", "leaf_hash": bytes(32)}

    with pytest.raises(StorageUnavailableError), deployment.database.write() as connection:
        connection.execute(insert(log_entry).values(**gap))
    if deployment.database.dialect == "sqlite":
        replacing = insert(log_entry).values(**row | {"envelope": b"other"}).prefix_with("OR REPLACE")
        with pytest.raises(StorageUnavailableError), deployment.database.write() as connection:
            connection.execute(replacing)
    else:
        with pytest.raises(StorageUnavailableError), deployment.database.write() as connection:
            connection.execute(text("TRUNCATE log_entry"))
        as_replica = "SET LOCAL session_replication_role = replica; DELETE FROM log_entry WHERE seq = 12"
        with pytest.raises(StorageUnavailableError), deployment.database.write() as connection:
            connection.exec_driver_sql(as_replica)

    assert deployment.audit.verify().intact


def test_failing_block_leaves_no_entry(deployment: Deployment) -> None:
    data = deployment.sign(Kind.EVENT, {"event": "checked", "model": "", "detail": {}, "actor": None})

    def fail_after_appending() -> None:
        with deployment.database.write() as connection:
            SqlLedger(connection, deployment.desk, deployment.clock).append(data, idem="x")
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail_after_appending()

    assert deployment.ledger.head().size == FOUNDED
    assert deployment.append(data).seq == FOUNDED


def test_search_is_done_by_words_kind_and_model(deployment: Deployment) -> None:
    deployment.promote()

    by_word = deployment.audit.entries(LedgerQuery(text="VERA approved"))
    by_kind = deployment.audit.entries(LedgerQuery(kinds=("decision", "outcome"), limit=2))
    by_model = deployment.audit.entries(LedgerQuery(model="claims_triage", offset=1, limit=1))

    assert [row.sentence for row in by_word.items] == ["Vera Lindholm approved claims_triage version 4."]
    assert (by_kind.total, [row.kind for row in by_kind.items]) == (3, ["outcome", "decision"])
    assert (by_model.total, len(by_model.items)) == (5, 1)
    assert deployment.audit.entries(LedgerQuery(text="100%_\\")).total == 0


def test_read_model_is_derivable_from_the_log(deployment: Deployment) -> None:
    deployment.promote()
    with deployment.database.read() as connection:
        before = connection.execute(select(ledger_index).order_by(ledger_index.c.seq)).all()

    with deployment.database.write() as connection:
        rebuild_index(connection, SqlLedgerReader(deployment.database))

    with deployment.database.read() as connection:
        assert connection.execute(select(ledger_index).order_by(ledger_index.c.seq)).all() == before


def test_entry_shows_statement_signers_and_row(deployment: Deployment) -> None:
    deployment.promote()
    seq = deployment.audit.entries(LedgerQuery(text="clara approved")).items[0].seq

    view = deployment.audit.entry(seq)

    assert json.loads(view.statement)["predicate"]["decision"] == "approve"
    assert [(owner, holds) for _, owner, holds in view.signatures] == [("Clara Whitfield", True), ("Countersign", True)]
    assert view.row.role == "compliance_officer"


def test_require_valid_hands_over_only_the_recorded_entry(deployment: Deployment) -> None:
    receipt = deployment.event("checked", what="nightly")

    assert deployment.ledger.require_valid(receipt.seq, receipt.leaf_hash)["detail"] == {"what": "nightly"}
    with pytest.raises(BrokenChainError):
        deployment.ledger.require_valid(receipt.seq, "0" * 64)
    with pytest.raises(BrokenChainError):
        deployment.ledger.require_valid(999, receipt.leaf_hash)


def test_a_second_unit_of_work_in_one_thread_is_refused_instead_of_waiting(deployment: Deployment) -> None:
    with deployment.database.write(), pytest.raises(RuntimeError), deployment.database.write():
        pass


def test_other_database_errors_are_translated(deployment: Deployment) -> None:
    with pytest.raises(StorageUnavailableError) as caught, deployment.database.read() as connection:
        connection.execute(text("SELECT * FROM no_such_table"))

    assert isinstance(caught.value.__cause__, DBAPIError)
