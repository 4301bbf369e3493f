"""Attacks and faults on log and database. Each docstring names its rows of the attack list.

Removed tails, older copies, reordering, forks and replaced keys are also in tests/contract/test_ledger_tampering.py.
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, select, text

from services.adapters.signing.anchors import Anchors
from services.adapters.sql.database import Database
from services.adapters.sql.ledger import SqlLedger, SqlLedgerBook, SqlLedgerReader
from services.adapters.sql.schema.ledger import log_entry
from services.attestation.models import Kind
from services.kernel.clock import SystemClock
from services.kernel.errors import (
    BrokenChainError,
    ClockMovedError,
    ForeignStatementError,
    StorageUnavailableError,
    TrustError,
)
from services.ledger.ports import StoredEntry
from services.ledger.verify import Trusted, verify_log
from tests.contract.conftest import database_url, deployment, postgres  # noqa: F401 - fixtures
from tests.contract.deployment import FOUNDED, Deployment, found, founded
from tests.contract.test_ledger_tampering import drop_triggers

ROOT = Path(__file__).resolve().parents[2]
EVENT = {"event": "checked", "model": "", "detail": {}, "actor": None}
_COPY = (
    "INSERT INTO log_entry (seq, envelope, leaf_hash, frontier, root, idem, appended_at) "
    "SELECT seq, envelope, leaf_hash, frontier, root, idem, appended_at FROM log_entry WHERE seq = 3"
)
CHANGES = {
    "update": ["UPDATE log_entry SET envelope = envelope"],
    "delete": ["DELETE FROM log_entry", "DELETE FROM log_checkpoint"],
    "upsert": [f"{_COPY} ON CONFLICT (seq) DO UPDATE SET envelope = excluded.envelope"],
    "replace": ["REPLACE INTO log_checkpoint SELECT size, 'x' FROM log_checkpoint WHERE size = 2"],
    "truncate": ["TRUNCATE log_entry", "TRUNCATE log_checkpoint CASCADE"],
    "merge": [
        (
            "MERGE INTO log_checkpoint c USING (SELECT 2 AS size) s ON c.size = s.size "
            "WHEN MATCHED THEN UPDATE SET note = 'x'"
        ),
        "MERGE INTO log_entry e USING (SELECT 3 AS seq) s ON e.seq = s.seq WHEN MATCHED THEN DELETE",
    ],
}
ONLY = {"replace": "sqlite", "truncate": "postgresql", "merge": "postgresql"}


@pytest.mark.parametrize("way", CHANGES)
def test_log_is_insert_only_in_every_way_of_saying_it(deployment: Deployment, way: str) -> None:  # noqa: F811
    """Row 30: UPDATE, DELETE, TRUNCATE, REPLACE, MERGE and upsert are stopped by triggers."""
    if ONLY.get(way, deployment.database.dialect) != deployment.database.dialect:
        return  # the other database has no such word
    for statement in CHANGES[way]:
        with pytest.raises(StorageUnavailableError), deployment.database.write() as connection:
            connection.execute(text(statement))

    assert deployment.audit.verify().intact


def test_triggers_dropped_for_an_edit_and_put_back_are_found_by_verifying(deployment: Deployment) -> None:  # noqa: F811
    """Row 31: with the protections back in place only the bytes tell; while they are gone every start tells."""
    from services.adapters.sql import protection

    drop_triggers(deployment)
    with pytest.raises(TrustError, match="Protections"):
        deployment.ledger.require_trustworthy()
    with deployment.database.write() as connection:
        copied = "(SELECT envelope FROM log_entry WHERE seq = 4)"
        connection.execute(text(f"UPDATE log_entry SET envelope = {copied} WHERE seq = 3"))
        if deployment.database.dialect == "postgresql":
            for name, (table, _) in protection._postgres().items():
                connection.execute(text(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"))
        else:
            protection.install(connection)

    assert deployment.book.missing_triggers() == ()
    result = deployment.audit.verify()
    assert not result.intact
    assert "entry 3" in " ".join(item.sentence for item in result.findings)


def test_protection_that_was_hollowed_out_counts_as_missing(deployment: Deployment) -> None:  # noqa: F811
    """Row 31: same name, other content; and a trigger that nobody installed."""
    if deployment.database.dialect == "sqlite":
        changes = [
            "DROP TRIGGER log_entry_no_update",
            "CREATE TRIGGER log_entry_no_update BEFORE UPDATE ON log_entry BEGIN SELECT 1; END",
            "CREATE TRIGGER helper AFTER INSERT ON log_checkpoint BEGIN SELECT 1; END",
        ]
        expected = {"log_entry_no_update", "stranger helper"}
    else:
        changes = [
            (
                "CREATE OR REPLACE FUNCTION countersign_require_growth() RETURNS trigger LANGUAGE plpgsql "
                "AS $$ BEGIN RETURN NEW; END $$"
            ),
            "CREATE FUNCTION helper() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
            "CREATE TRIGGER helper AFTER INSERT ON log_entry FOR EACH ROW EXECUTE FUNCTION helper()",
        ]
        expected = {"log_checkpoint_growth", "stranger helper"}
    with deployment.database.write() as connection:
        for change in changes:
            connection.exec_driver_sql(change)

    assert set(deployment.book.missing_triggers()) == expected


def test_older_backup_takes_no_decision(tmp_path: Path) -> None:
    """Rows 32, 33: yesterday's copy of the database is consistent in itself and shorter than its anchor."""
    log = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    log.event("yesterday")
    with sqlite3.connect(tmp_path / "governance.db") as live, sqlite3.connect(tmp_path / "backup.db") as copy:
        live.backup(copy)
    log.event("today")
    log.ledger.anchor()
    restored = Database(f"sqlite:///{tmp_path / 'backup.db'}")
    book = SqlLedgerBook(restored, log.desk, log.clock)
    alone = verify_log(book.entries(), checkpoints=book.checkpoints(), trusted=Trusted(genesis=log.genesis))
    held = verify_log(book.entries(), checkpoints=book.checkpoints(), anchors=log.anchors.notes())

    assert alone.intact
    assert not held.intact
    assert any("Newer entries were removed" in item.sentence for item in held.problems)
    restored.dispose()
    log.database.dispose()


def test_second_copy_of_the_app_on_a_branch_cannot_anchor(tmp_path: Path) -> None:
    """Row 34: two histories of one log; the second to keep a checkpoint of that size is told, and stops."""
    log = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    with sqlite3.connect(tmp_path / "governance.db") as live, sqlite3.connect(tmp_path / "branch.db") as copy:
        live.backup(copy)
    branch = Database(f"sqlite:///{tmp_path / 'branch.db'}")
    other = SqlLedgerBook(branch, log.desk, log.clock)
    seen_before = log.sign(Kind.EVENT, EVENT)
    log.event("on the main line")
    log.ledger.anchor()
    with other.writing() as ledger:
        ledger.append(seen_before, idem="branch")

    with pytest.raises(BrokenChainError, match="two histories"):
        Anchors(tmp_path / "anchors").keep(FOUNDED + 1, str(other.checkpoint()))
    branch.dispose()
    log.database.dispose()


def test_entry_of_a_branch_is_not_added_to_the_main_line(tmp_path: Path) -> None:
    """Row 34: a statement whose signer saw another history is refused at append; it would break the log for good."""
    log = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    head = log.book.head()
    forged = log.sign(Kind.EVENT, EVENT, head=type(head)(origin=head.origin, size=head.size, root="0" * 64))

    with pytest.raises(ForeignStatementError, match="another history"):
        log.append(forged)
    log.database.dispose()


def test_bad_statement_inserted_with_the_apps_credentials_is_void_and_later_ones_hold(
    deployment: Deployment,  # noqa: F811
) -> None:
    """Row 36: a valid tree around a statement that breaks a rule; the finding names it, the rest still verifies."""
    _, cited = deployment.request()
    own = deployment.decide(cited, by="dana")
    later = deployment.event("later")

    result = deployment.audit.verify()

    assert result.intact
    assert [(item.severity, item.seq) for item in result.findings if item.severity == "void"] == [("void", own.seq)]
    assert later.seq == own.seq + 1


@contextmanager
def _full(database: Database) -> Iterator[None]:
    """The database may not grow by a single page more."""

    def limit(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    event.listen(database.writer_engine, "begin", limit)
    yield
    event.remove(database.writer_engine, "begin", limit)
    database.writer_engine.dispose()


def test_full_disk_signs_nothing_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """Row 38: the transaction rolls back, the person is told that nothing was signed, and may sign again later."""
    log = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    big = {"event": "checked", "model": "", "detail": {"text": "x" * 30_000}, "actor": None}
    data = log.sign(Kind.EVENT, big)

    with _full(log.database), pytest.raises(StorageUnavailableError, match=r"disk .* is full\. Nothing was signed"):
        log.append(data)

    assert log.ledger.head().size == FOUNDED
    assert log.append(data).seq == FOUNDED
    assert log.audit.verify().intact
    log.database.dispose()


def test_file_that_may_not_grow_signs_nothing(tmp_path: Path) -> None:
    """Row 38: the operating system's own limit on the size of a file, in a process of its own."""
    log = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    log.database.dispose()
    url = f"sqlite:///{tmp_path / 'governance.db'}"
    largest = (tmp_path / "governance.db").stat().st_size + 8192

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.appender", url, str(tmp_path), "a", "5000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        timeout=120,
        check=False,
    )

    acknowledged = len(done.stdout.splitlines())
    assert done.returncode != 0
    assert "StorageUnavailableError" in done.stderr
    assert "Nothing was signed or recorded" in done.stderr
    again = Database(f"sqlite:///{tmp_path / 'governance.db'}")
    reader = SqlLedgerReader(again)
    assert reader.head().size == FOUNDED + acknowledged
    assert verify_log(reader.entries(), checkpoints=reader.checkpoints()).intact
    again.dispose()


def test_read_only_database_says_not_signed(deployment: Deployment, database_url: str) -> None:  # noqa: F811
    """Row 38: a read-only file system, or a database switched to read-only."""
    data = deployment.sign(Kind.EVENT, EVENT)

    def read_only(connection: Connection) -> None:
        words = "PRAGMA query_only = ON" if connection.dialect.name == "sqlite" else "SET TRANSACTION READ ONLY"
        connection.exec_driver_sql(words)

    fresh = Database(database_url)
    event.listen(fresh.writer_engine, "begin", read_only)
    book = SqlLedgerBook(fresh, deployment.desk, deployment.clock)
    with pytest.raises(StorageUnavailableError, match=r"only be read\. Nothing was signed"), book.writing() as ledger:
        ledger.append(data, idem="x")

    fresh.dispose()
    assert deployment.ledger.head().size == FOUNDED


def test_hanging_lock_holder_gives_a_clean_message_and_a_safe_retry(
    deployment: Deployment,  # noqa: F811
    database_url: str,  # noqa: F811
) -> None:
    """Row 39: another process stands still while it holds the lock; waiting ends, and trying again is safe."""
    hanging = (
        "import sys, time\nfrom services.adapters.sql.database import Database\n"
        "with Database(sys.argv[1]).write() as connection:\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hanging, database_url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    os.kill(holder.pid, signal.SIGSTOP)
    waiting = Database(database_url, lock_seconds=1.0)
    book = SqlLedgerBook(waiting, deployment.desk, deployment.clock)
    data = deployment.sign(Kind.EVENT, EVENT)

    with pytest.raises(StorageUnavailableError, match=r"stayed locked .* Nothing was signed"), book.writing() as ledger:
        ledger.append(data, idem="mine")
    holder.kill()
    holder.wait(timeout=30)
    with book.writing() as ledger:
        receipt = ledger.append(data, idem="mine")

    assert (receipt.seq, receipt.repeated) == (FOUNDED, False)
    waiting.dispose()


def test_answer_lost_after_the_commit_is_given_again(deployment: Deployment) -> None:  # noqa: F811
    """Rows 40, 57: the connection breaks between commit and answer; the same command returns the same receipt."""
    data = deployment.sign(Kind.EVENT, EVENT)
    receipts = []

    def lost() -> None:
        with deployment.database.write() as connection:
            receipts.append(SqlLedger(connection, deployment.desk, deployment.clock).append(data, idem="mine"))
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        lost()
    again = deployment.append(data, idem="mine")

    (first,) = receipts
    assert again.repeated
    assert (again.seq, again.leaf_hash, again.checkpoint) == (first.seq, first.leaf_hash, first.checkpoint)
    assert deployment.ledger.head().size == FOUNDED + 1


def test_clock_set_back_signs_nothing(deployment: Deployment) -> None:  # noqa: F811
    """Row 41: ten minutes behind the newest entry are lateness, more is another clock."""
    deployment.clock.set(deployment.clock.now() + timedelta(days=1))
    deployment.event("today")
    deployment.clock.set(deployment.clock.now() - timedelta(minutes=9))
    deployment.event("a little late")
    deployment.clock.set(deployment.clock.now() - timedelta(hours=23))

    with pytest.raises(ClockMovedError, match="the ledger already holds"):
        deployment.event("yesterday")
    assert deployment.audit.verify().findings[0].severity == "note"


@pytest.mark.parametrize("off", [timedelta(days=-1), timedelta(days=365)])
def test_clock_of_the_app_is_held_against_the_databases(tmp_path: Path, off: timedelta) -> None:
    """Row 41: a machine whose clock was set back a day, or forward a year, beside a database that knows the time."""

    class Moved(SystemClock):
        def now(self) -> datetime:
            return super().now() + off

    log = found(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path, at=datetime.now(UTC) - timedelta(days=30))
    data = log.sign(Kind.EVENT, EVENT, at=Moved().now())
    book = SqlLedgerBook(log.database, log.desk, Moved())

    with pytest.raises(ClockMovedError, match="database's clock"), book.writing() as ledger:
        ledger.append(data, idem="x")
    with SqlLedgerBook(log.database, log.desk, SystemClock()).writing() as ledger:
        assert ledger.append(log.sign(Kind.EVENT, EVENT, at=datetime.now(UTC)), idem="y").seq == FOUNDED
    log.database.dispose()


def test_back_dated_entry_that_got_in_is_a_finding(deployment: Deployment) -> None:  # noqa: F811
    """Row 41: around the refusal, the verifier still says so."""
    old = deployment.sign(Kind.EVENT, EVENT, at=deployment.clock.now() - timedelta(days=1))
    entries = [*deployment.book.entries()]
    report = verify_log([*entries, StoredEntry(seq=FOUNDED, envelope=old, leaf_hash="", root="")], checkpoints=())

    assert any("well before an earlier entry" in item.sentence for item in report.problems)


def test_replaced_genesis_is_not_the_pinned_one(tmp_path: Path) -> None:
    """Row 44: another log with our name, whole and sound, is not the one whose fingerprint is held."""
    logs = []
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        logs.append(found(f"sqlite:///{tmp_path / name / 'governance.db'}", tmp_path / name))
    ours, theirs = logs

    report = verify_log(
        theirs.book.entries(), checkpoints=theirs.book.checkpoints(), trusted=Trusted(genesis=ours.genesis)
    )

    assert [item.sentence for item in report.problems if item.severity == "integrity"] == [
        "The genesis entry is not the one you hold the fingerprint of."
    ]
    for log in logs:
        log.database.dispose()


def test_removed_checkpoint_and_repeated_entry_are_found(deployment: Deployment) -> None:  # noqa: F811
    """Detected in the design's list: the newest checkpoint gone; one envelope appended twice by hand."""
    deployment.event()
    entries = list(deployment.book.entries())
    notes = list(deployment.book.checkpoints())
    twice = [*entries, StoredEntry(seq=len(entries), envelope=entries[-1].envelope, leaf_hash="", root="")]

    short = verify_log(entries, checkpoints=notes[:-1])
    repeated = verify_log(twice, checkpoints=())

    assert any("No checkpoint vouches" in item.sentence for item in short.problems)
    assert any("its nonce was used before" in item.sentence for item in repeated.problems)
    with deployment.database.read() as connection:
        assert connection.execute(select(log_entry.c.seq).order_by(log_entry.c.seq.desc())).scalar() == FOUNDED
