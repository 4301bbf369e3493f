"""Attacks on the checkpoints kept in the registry: a real MLflow store, both databases, and somebody who owns one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import mlflow
import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError

from services.adapters.databricks.client import Workspace
from services.adapters.mlflow.initialise import initialise_store
from services.adapters.mlflow.registry import MlflowRegistry
from services.adapters.mlflow.unity_catalog import Catalog
from services.adapters.mlflow.unity_files import CatalogFiles
from services.adapters.mlflow.unity_registry import UnityRegistry
from services.adapters.sql.database import Database
from services.adapters.sql.ledger import SqlLedgerBook
from services.adapters.sql.ledger_index import SqlLedgerIndex
from services.adapters.sql.registry_anchors import SqlRegistryAnchors
from services.adapters.sql.schema.ledger import ledger_index, log_anchor, registry_anchor_copy
from services.attestation.keys import PublicKey
from services.audit.models import Verification
from services.audit.service import AuditService
from services.inventory.service import InventoryService
from services.kernel.errors import BrokenChainError, ForeignStatementError, RegistryUnavailableError
from services.ledger import note
from services.ledger.ports import TagPlace
from services.ledger.registry_anchoring import EVENT, RegistryAnchoring
from services.ledger.registry_anchors import CHECKPOINT_TAG, RegistryAnchors
from services.ledger.service import LedgerService
from services.rollout.registry_sight import RegistrySight
from tests.contract.conftest import database_url, postgres
from tests.contract.databricks_server.server import a_workspace
from tests.contract.deployment import Deployment, founded

__all__ = ["database_url", "postgres"]

MODEL = "claims_triage"
Registry = MlflowRegistry | UnityRegistry
PLACES = (TagPlace(model=MODEL), TagPlace(model=MODEL, version="1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """A founded log whose newest checkpoint is kept in a folder and on a registered model and its version 1."""

    log: Deployment
    store: SqlRegistryAnchors
    registry: Registry
    anchoring: RegistryAnchoring
    ledger: LedgerService
    audit: AuditService
    tracking: Path

    @property
    def client(self) -> Any:
        return mlflow.MlflowClient(*[f"sqlite:///{self.tracking}"] * 2)

    def entry(self, about: str) -> int:
        return self.ledger.record_event(event="note", actor=None, detail={"sentence": about}).size

    def tag(self, version: str = "") -> str | None:
        if version:
            return self.registry.version_tag(MODEL, version, CHECKPOINT_TAG)
        return self.registry.model_tag(MODEL, CHECKPOINT_TAG)

    def findings(self, verified: Verification | None = None) -> str:
        verified = verified or self.audit.verify()
        return " ".join(item.sentence for item in verified.findings if item.severity != "note")

    def told(self) -> list[str]:
        with self.log.database.read() as connection:
            query = select(ledger_index.c.sentence).where(ledger_index.c.event == f"event:{EVENT}")
            return list(connection.execute(query.order_by(ledger_index.c.seq)).scalars())


@pytest.fixture(scope="module")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real store with one registered model of one version, copied for each test."""
    home = tmp_path_factory.mktemp("registry")
    initialise_store(f"sqlite:///{home / 'mlflow.db'}")
    client = mlflow.MlflowClient(*[f"sqlite:///{home / 'mlflow.db'}"] * 2)
    client.create_registered_model(MODEL)
    client.create_model_version(MODEL, source=str(home / "files"))
    return home / "mlflow.db"


@pytest.fixture
def world(database_url: str, empty_registry: Path, tmp_path: Path) -> Iterator[Anchored]:
    tracking = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(empty_registry)) as source, closing(sqlite3.connect(tracking)) as copy:
        source.backup(copy)  # its newest rows lie beside the file
    log = founded(database_url, tmp_path)
    made = wired(log, log.database, tracking)
    made.entry("The first entry after founding.")
    yield made
    log.database.dispose()


def wired(log: Deployment, database: Database, tracking: Path, *, registry: Registry | None = None) -> Anchored:
    store, registry = SqlRegistryAnchors(database), registry or MlflowRegistry(f"sqlite:///{tracking}")
    book = SqlLedgerBook(database, log.desk, log.clock)
    anchors = RegistryAnchors(store=store, book=book, keys=log.desk, clock=log.clock)
    ledger = LedgerService(
        book=book, desk=log.desk, keys=log.desk, clock=log.clock, anchors=log.anchors, elsewhere=anchors
    )
    return Anchored(
        log=log,
        store=store,
        registry=registry,
        anchoring=RegistryAnchoring(
            registry=registry,
            store=store,
            anchors=anchors,
            ledger=ledger,
            book=book,
            keys=log.desk,
            places=lambda: PLACES,
            clock=log.clock,
        ),
        ledger=ledger,
        audit=AuditService(
            reader=book,
            index=SqlLedgerIndex(database),
            anchors=log.anchors,
            registry=anchors,
            clock=log.clock,
            keys=log.desk,
            pinned_genesis=log.genesis,
        ),
        tracking=tracking,
    )


def restore(world: Anchored, size: int) -> None:
    """What somebody who owns the database does: everything after `size` entries is gone, and so is the newer copy."""
    with world.log.database.writer_engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            names = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
            for name, _ in names:
                connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
            for table in ("log_entry", "log_checkpoint", "log_anchor"):
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for statement in (
            f"DELETE FROM log_checkpoint WHERE size > {size}",
            f"DELETE FROM log_anchor WHERE size > {size}",
            f"DELETE FROM ledger_index WHERE seq >= {size}",
            f"DELETE FROM log_entry WHERE seq >= {size}",
        ):
            connection.exec_driver_sql(statement)
        connection.execute(update(registry_anchor_copy).values(tags="[]", read_at=None))
        if connection.dialect.name == "sqlite":
            for _, text in names:
                connection.exec_driver_sql(text)
        else:
            for table in ("log_entry", "log_checkpoint", "log_anchor"):
                connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER ALL")
            connection.exec_driver_sql("SET session_replication_role = DEFAULT")
            from services.adapters.sql import protection

            protection.install(connection)


def test_the_newest_checkpoint_comes_back_from_the_registry_as_it_was_signed(world: Anchored) -> None:
    size = world.anchoring.run()

    assert size == world.ledger.head().size
    newest = world.log.book.checkpoint()
    assert newest is not None
    assert {world.tag(), world.tag("1")} == {note.compact(newest, origin=world.log.desk.origin)}
    assert note.expanded(world.tag() or "", origin=world.log.desk.origin) == newest
    assert len(world.tag() or "") < 200
    verified = world.audit.verify()
    assert (verified.anchors_in_registry, verified.anchors_checked, verified.not_compared) == (2, 2, ())
    assert world.findings(verified) == ""


def test_each_anchoring_is_recorded_for_good(world: Anchored) -> None:
    size = world.anchoring.run()
    assert world.anchoring.run() == 0  # nothing new
    assert world.store.anchored() == dict.fromkeys(PLACES, size)
    with world.log.database.read() as connection:
        (row,) = connection.execute(select(log_anchor)).all()
    assert (row.size, row.note, row.at) == (size, world.log.book.checkpoint(), world.log.clock.now())
    for change in (log_anchor.delete(), update(log_anchor).values(size=1), insert(log_anchor).values(**row._mapping)):
        with pytest.raises(DBAPIError), world.log.database.writer_engine.begin() as connection:
            connection.execute(change)


def test_a_registry_whose_lists_leave_tags_out_is_asked_place_by_place(world: Anchored) -> None:
    """Unity Catalog: what was written a moment ago is in no list, and in no record of ours either."""
    with a_workspace() as platform:
        platform.models.add(MODEL, 1)
        there = Workspace(platform.connection())
        catalog = UnityRegistry(Catalog(there, there), CatalogFiles(there))
        on_catalog = wired(world.log, world.log.database, world.tracking, registry=catalog)

        size = on_catalog.anchoring.run()

        assert size == world.ledger.head().size
        assert world.store.anchored() == dict.fromkeys(PLACES, size)
        assert on_catalog.audit.verify().anchors_in_registry == 2
        del platform.models.all[MODEL].tags["countersign_checkpoint"]
        on_catalog.anchoring.run()
        assert "claims_triage" in " ".join(world.told())


def test_a_database_restored_with_its_anchor_files_is_found_by_the_registry(world: Anchored) -> None:
    """Attacks 32, 33, 43: rows, files and the copy in the database are all of yesterday; the registry's tag is not."""
    old = world.ledger.head().size
    world.ledger.anchor()
    newest = world.entry("Approved.")
    assert world.anchoring.run() == newest
    restore(world, old)
    assert world.log.anchors.notes()[-1][0] == old
    world.ledger.require_trustworthy()  # nothing that was restored together contradicts itself

    with pytest.raises(BrokenChainError, match=f"{newest} were anchored in the registry: newer ones are missing"):
        world.anchoring.run()

    # From now on nothing is decided in any process, nothing is added, and the tags stay what they were.
    with pytest.raises(BrokenChainError):
        world.ledger.require_trustworthy()
    assert world.ledger.head().size == old
    assert (world.tag() or "").startswith(f"{newest}:")
    verified = world.audit.verify()
    assert not verified.intact
    assert f"The anchor in the registry vouches for {newest} entries; the database holds {old}." in world.findings(
        verified
    )


def test_another_history_of_the_same_length_is_found_by_the_registry(world: Anchored) -> None:
    """Attacks 32, 33: the newest rows were replaced by as many others."""
    old = world.ledger.head().size
    world.entry("Approved.")
    world.anchoring.run()
    restore(world, old)
    with pytest.raises(ForeignStatementError):
        world.entry("Rejected.")  # whoever saw the longer log does not continue the shorter one
    wired(world.log, world.log.database, world.tracking).entry("Rejected.")  # as another process does

    with pytest.raises(BrokenChainError, match="another history"):
        world.anchoring.run()
    assert not world.audit.verify().intact


@pytest.mark.parametrize("version", ["", "1"])
def test_a_tag_that_was_taken_away_is_a_finding_and_is_in_the_ledger_before_it_is_written_again(
    world: Anchored, version: str
) -> None:
    """Attack 43: registry tags deleted."""
    size = world.anchoring.run()
    if version:
        world.client.delete_model_version_tag(MODEL, version, CHECKPOINT_TAG)
    else:
        world.client.delete_registered_model_tag(MODEL, CHECKPOINT_TAG)

    assert world.anchoring.run() == 0

    place = TagPlace(model=MODEL, version=version)
    removed = f"Anchor removed: the registry tag {CHECKPOINT_TAG} of {place} is missing."
    assert f"{removed} The checkpoint of {size} entries was written there." in world.findings()
    assert [sentence.startswith(removed) for sentence in world.told()] == [True]
    assert world.anchoring.run() == world.ledger.head().size > size
    assert world.findings() == ""
    assert len(world.told()) == 1


def test_a_registry_that_is_emptied_together_with_the_folder_is_told(world: Anchored, tmp_path: Path) -> None:
    """Attack 43: every anchor file and every tag deleted; the record in the database still says what was written."""
    world.ledger.anchor()
    world.anchoring.run()
    shutil.rmtree(tmp_path / "anchors")
    world.client.delete_model_version_tag(MODEL, "1", CHECKPOINT_TAG)
    world.client.delete_registered_model_tag(MODEL, CHECKPOINT_TAG)

    world.anchoring.run()

    verified = world.audit.verify()
    assert verified.anchors_checked == 0
    assert world.findings(verified).count("Anchor removed") == 2


def test_an_older_tag_put_back_is_a_finding(world: Anchored) -> None:
    """Attack 43: overwritten with a checkpoint that was true once."""
    old = world.anchoring.run()
    earlier = world.tag()
    size = world.entry("Approved.")
    assert world.anchoring.run() == size
    world.client.set_registered_model_tag(MODEL, CHECKPOINT_TAG, earlier)

    world.anchoring.run()

    assert f"Anchor set back: the registry tag {CHECKPOINT_TAG} of {MODEL} vouches for {old}" in world.findings()


@pytest.mark.parametrize(
    ("text", "word"),
    [("garbage", "Unreadable anchor"), ("x" * 3000, "Unreadable anchor"), ("", "Unreadable anchor")],
)
def test_an_unreadable_tag_is_a_finding_and_stops_nothing(world: Anchored, text: str, word: str) -> None:
    """Attack 43: overwritten with something else."""
    world.anchoring.run()
    world.client.set_model_version_tag(MODEL, "1", CHECKPOINT_TAG, text)

    world.anchoring.run()

    verified = world.audit.verify()
    assert (verified.intact, verified.anchors_in_registry) == (True, 1)
    assert word in world.findings(verified)
    world.ledger.require_trustworthy()


def test_a_forged_tag_is_never_trusted(world: Anchored, tmp_path: Path) -> None:
    """Attack 43: a checkpoint of a longer log, signed with a key of the attacker's own."""
    world.anchoring.run()
    size = world.ledger.head().size
    forged = note.Checkpoint(origin=world.log.desk.origin, size=size + 50, root=b"\1" * 32)
    key: PublicKey = world.log.desk.log_key
    text = note.sign(forged, key=key, signer=lambda _data: b"\2" * 64)  # names the right key, and is not signed by it
    world.client.set_registered_model_tag(MODEL, CHECKPOINT_TAG, note.compact(text, origin=world.log.desk.origin))

    world.anchoring.run()

    verified = world.audit.verify()
    assert (verified.intact, verified.anchors_in_registry) == (True, 1)
    assert f"Forged anchor: the registry tag {CHECKPOINT_TAG} of {MODEL} is not signed" in world.findings(verified)
    world.ledger.require_trustworthy()  # whoever can write a tag cannot stop the control room with it


def test_the_registry_being_away_stops_nothing_and_is_told_with_its_age(world: Anchored) -> None:
    """Attack 43: whoever makes the registry unreachable does not make the log look compared."""
    size = world.anchoring.run()
    read = world.log.clock.now()
    world.log.clock.set(world.log.clock.now() + timedelta(minutes=5))

    damaged = world.tracking.with_suffix(".damaged")
    damaged.write_bytes(b"no store " * 2000)
    away = wired(world.log, world.log.database, damaged)
    with pytest.raises(RegistryUnavailableError):
        away.anchoring.run()

    away.ledger.require_trustworthy()
    verified = away.audit.verify()
    assert verified.anchors_in_registry == 2  # the copy of five minutes ago
    (sentence,) = verified.not_compared
    assert sentence.startswith(f"The anchors in the registry could not be compared since {read:%Y-%m-%dT%H:%M:%S}")
    assert sentence in away.findings(verified)
    assert size == away.ledger.head().size


def test_a_worker_that_stopped_does_not_leave_an_old_copy_looking_fresh(world: Anchored) -> None:
    """Attack 43."""
    world.anchoring.run()
    world.log.clock.set(world.log.clock.now() + timedelta(minutes=16))
    assert "The worker has not read them" in world.findings()


def test_an_outcome_is_anchored_at_once_and_other_entries_wait_for_the_round(world: Anchored) -> None:
    assert world.anchoring.run_after_outcome() == 0
    world.log.promote()
    size = world.ledger.head().size
    assert world.anchoring.run_after_outcome() == size
    world.entry("Something else.")
    assert world.anchoring.run_after_outcome() == 0
    assert world.anchoring.run() == size + 1


def test_the_sentinel_sees_no_change_in_an_anchor(world: Anchored) -> None:
    sight = RegistrySight(inventory=cast(InventoryService, None), registry=world.registry)
    before = sight.asked(MODEL, ["1"])
    world.anchoring.run()
    assert before is not None
    assert sight.asked(MODEL, ["1"]) == before


def test_a_model_that_was_deleted_with_its_anchors_is_a_finding(world: Anchored) -> None:
    """Attack 43: the whole model goes, so that no tag is missing from it."""
    world.anchoring.run()
    world.client.delete_registered_model(MODEL)
    world.anchoring.run()
    assert f"The registry no longer knows {MODEL}; its anchor went with it." in world.findings()


def test_a_version_that_was_deleted_takes_its_tag_along_without_an_accusation(world: Anchored) -> None:
    world.anchoring.run()
    world.client.delete_model_version(MODEL, "1")
    world.anchoring.run()
    verified = world.audit.verify()
    assert [item.severity for item in verified.findings if "no longer knows" in item.sentence] == ["note"]
    assert world.findings(verified) == ""
