"""A worker on a ledger that was restored shorter than its anchors: it adds nothing, so the loss can still be stated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.__main__ import app
from services.adapters.local.processes import ROOT
from services.adapters.signing import restored
from services.adapters.sql.database import Database
from services.adapters.sql.ledger import SqlLedgerReader
from services.adapters.sql.ops import SqlOps
from services.container import open_control_room
from services.kernel.clock import SystemClock
from services.kernel.errors import BrokenChainError, InputError
from services.ledger.epochs import Loss
from services.settings import Settings
from services.worker import LEASE
from services.workspace import losing
from services.workspace.founding import found

WHY = "The disk of the database failed, and the newest copy is a day old."
LOST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    settings: Settings
    held: int
    root: str

    def examine(self) -> Loss:
        return losing.examine(self.settings, reason=WHY, clock=SystemClock())

    def size(self) -> int:
        database = Database(self.settings.governance_url)
        try:
            return SqlLedgerReader(database).head().size
        finally:
            database.dispose()

    def sign_in(self) -> None:
        """Somebody looks at what is left, which is an entry."""
        room = open_control_room(self.settings)
        room.ledger.record_event(event="signed-in", actor=None, detail={"sentence": "Otto signed in."})
        room.database.dispose()

    def run(self, *words: str) -> Result:
        env = {"COUNTERSIGN_HOME": str(self.settings.home), "COUNTERSIGN_SERVING_PORT": "1"}
        return CliRunner().invoke(app, list(words), env=env)

    def worker(self) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "COUNTERSIGN_HOME": str(self.settings.home), "COUNTERSIGN_SERVING_PORT": "1"}
        once = [sys.executable, "-m", "services", "worker", "--once"]
        return subprocess.run(once, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def founded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("founded") / "home"
    found(Settings(home=home), at=datetime.now(UTC).replace(microsecond=0), replay_from=None, replay_to=None)
    return home


def short(founded: Path, home: Path, *, lost: int = LOST) -> Restored:
    """A worker led when the copy was made; afterwards `lost` entries were added and anchored."""
    shutil.copytree(founded, home)
    settings = Settings(home=home)
    room = open_control_room(settings)
    ago = datetime.now(UTC) - timedelta(hours=1)
    ops = SqlOps(room.database)
    ops.beat("host:1:ab", at=ago, started_at=ago, host="host", pid=1)
    ops.take_lease(LEASE, "host:1:ab", now=ago, lasting=timedelta(seconds=30))
    room.ledger.anchor()
    head = room.ledger.head()
    room.database.dispose()
    copy = home.parent / "copy.db"
    shutil.copy2(home / "governance.db", copy)
    room = open_control_room(settings)
    for _ in range(lost):
        room.ledger.record_event(event="noted", actor=None, detail={"sentence": "Something happened."})
    room.ledger.anchor()
    room.database.dispose()
    for file in home.glob("governance.db*"):
        file.unlink()
    shutil.move(copy, home / "governance.db")
    return Restored(settings=settings, held=head.size, root=head.root)


@pytest.fixture
def left(founded_once: Path, tmp_path: Path) -> Restored:
    return short(founded_once, tmp_path / "home")


@pytest.mark.slow
def test_a_round_of_the_worker_adds_nothing_says_why_and_the_loss_is_stated_afterwards(left: Restored) -> None:
    done = left.worker()

    assert done.returncode == 5, done.stderr
    assert "newer ones are missing" in done.stderr
    assert left.size() == left.held, "not even that the worker before went silent"
    loss = left.examine()
    assert (loss.held.size, loss.anchored.size) == (left.held, left.held + LOST)
    told = left.run("worker-check", "--within", "3600")
    assert told.exit_code == 1
    assert "Nothing is carried out but what brings traffic back" in told.stdout


@pytest.mark.slow
def test_two_rounds_on_a_whole_ledger_do_not_report_each_other_as_silent(founded_once: Path, tmp_path: Path) -> None:
    """As cron runs it: each round ends with a goodbye."""
    shutil.copytree(founded_once, tmp_path / "home")
    whole = Restored(settings=Settings(home=tmp_path / "home"), held=0, root="")
    for _ in range(2):
        whole.worker()
    found_events = whole.run("verify", "--json")
    assert found_events.exit_code == 0, found_events.output
    database = Database(whole.settings.governance_url)
    with database.read() as connection:
        silent = connection.exec_driver_sql(
            "SELECT COUNT(*) FROM ledger_index WHERE event = 'event:watch-interrupted'"
        ).scalar()
    database.dispose()
    assert silent == 0


@pytest.mark.parametrize("entries", [1, LOST, LOST + 3])
def test_what_people_added_to_the_copy_is_not_held_and_hides_no_loss(left: Restored, entries: int) -> None:
    """Also when the copy grew as long as the anchored log, or longer: it is another history from its place on."""
    restored.keep_place(left.settings.home, size=left.held, root=left.root)
    for _ in range(entries):
        left.sign_in()
    loss = left.examine()
    assert (loss.held.size, loss.held.root) == (left.held, left.root)
    assert loss.anchored.size == left.held + LOST


def test_a_copy_that_outgrew_its_anchors_is_called_another_history_not_whole(left: Restored) -> None:
    """Without the place nobody can say which entries were there when it was restored."""
    for _ in range(LOST + 1):
        left.sign_in()
    with pytest.raises(BrokenChainError, match="another history"):
        left.examine()


def test_a_place_that_is_not_of_this_ledger_counts_for_nothing(left: Restored) -> None:
    restored.keep_place(left.settings.home, size=left.held - 1, root="00" * 32)
    assert left.examine().held.size == left.held


def test_the_first_place_counts_until_the_newest_copy_is_back(founded_once: Path, tmp_path: Path) -> None:
    restored.keep_place(tmp_path, size=7, root="ab")
    restored.keep_place(tmp_path, size=9, root="cd")
    assert restored.place(tmp_path) == (7, "ab")
    restored.forget_place(tmp_path)
    assert restored.place(tmp_path) is None
    whole = short(founded_once, tmp_path / "home", lost=0)
    with pytest.raises(InputError, match="Nothing is lost"):
        whole.examine()
