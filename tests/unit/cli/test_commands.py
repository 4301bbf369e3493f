"""The command line on a founded workspace: one clear line, the right exit code, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from services.__main__ import EXIT_CODES, app
from services.adapters.files.policies import PolicyFolder
from services.adapters.signing.desk import KeyDesk
from services.adapters.sql.database import Database
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.people import SqlKeyStore
from services.adapters.sql.setup import create_schema, found_deployment
from services.container import open_control_room
from services.inventory.models import RegistrySnapshot
from services.kernel import errors
from services.kernel.clock import SystemClock
from services.kernel.secret import Secret
from services.ledger.founding import NewPerson
from services.people.accounts import DEMO_ACCOUNTS, DEMO_ISSUER
from services.settings import Settings
from tests.builders import CHEAP, MODEL, POLICIES, a_model, a_version, create_tables

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_home(tmp_path_factory.mktemp("home"))


def a_home(folder: Path) -> Path:
    settings = Settings(home=folder)
    database = Database(settings.governance_url)
    create_schema(database)
    create_tables(database)
    clock = SystemClock()
    desk = KeyDesk.create(SqlKeyStore(database), settings.keys_folder, clock, deployment="test", cost=CHEAP)
    newcomers = tuple(
        NewPerson(
            issuer=DEMO_ISSUER,
            subject=account.subject,
            name=account.name,
            roles=(account.role,),
            passphrase=Secret(account.passphrase),
        )
        for account in DEMO_ACCOUNTS
    )
    texts = PolicyFolder(POLICIES).texts().values()
    found_deployment(database, desk, clock=clock, profile="embedded", people=newcomers, policies=texts)
    room = open_control_room(settings)
    room.inventory.register_catalog((a_model(),))
    SqlInventory(database).apply(RegistrySnapshot(versions=(a_version("3"),), aliases=()), clock.now())
    room.database.dispose()
    database.dispose()
    return folder


def run(home: Path, *words: str, passphrase: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COUNTERSIGN_HOME": str(home), "COUNTERSIGN_SERVING_PORT": "1"}
    if passphrase:
        env["COUNTERSIGN_PASSPHRASE"] = passphrase
    return subprocess.run(
        [sys.executable, "-m", "services", *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


def test_a_version_nobody_approved_ends_with_one(home: Path) -> None:
    done = run(home, "approved", MODEL, "3", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["valid"] is False


def inline(*words: str, **env: str) -> Result:
    """The same command without a process of its own, for tests of many."""
    return CliRunner().invoke(app, words, env=env)


def test_the_gate_for_pipelines_names_the_lines_that_fail(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(home))
    done = inline("gate", MODEL, "3")
    assert done.exit_code == 1, done.stderr
    assert "does not pass tier-1 version 7" in done.stdout
    assert "  error        files: none (rule: every file of the version is hashed)." in done.stdout
    told = json.loads(inline("gate", MODEL, "3", "--json").stdout)
    assert told["passed"] is False
    assert {"gate", "value", "rule", "verdict", "sentence"} <= set(told["outcomes"][0])
    assert inline("gate", MODEL, "99").exit_code == 2


def test_an_evaluation_that_cannot_be_made_says_why_and_ends_with_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(home))
    done = inline("evaluate", MODEL, "3")
    assert done.exit_code == 1
    assert "The evaluation ended as failed." in done.stderr
    assert json.loads(inline("evaluate", MODEL, "3", "--json").stdout)["state"] == "failed"
    assert inline("evaluate", MODEL, "99").exit_code == 2


def test_a_table_is_looked_at_and_becomes_a_monitor_by_command(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(home))
    folder = home / "imports" / "scores"
    folder.mkdir(parents=True)
    start = datetime(2030, 1, 1, 12, tzinfo=UTC)
    rows = {
        "at": [start + timedelta(days=day) for day in range(40)],
        "risk": [day / 40 for day in range(40)],
        "distance": [float(day) for day in range(40)],
    }
    pq.write_table(pa.table(rows), folder / "a.parquet")
    asked = ("monitor", "import", MODEL, "--kind", "parquet", "--folder", "scores", "--prediction", "risk")
    mapped = (*asked, "--timestamp", "at", "--as", "dana.datascience")

    assert inline("monitor", "list").exit_code == 1, "a model without a monitor"
    looked = inline(*mapped, "--dry-run")
    assert looked.exit_code == 0, looked.stderr
    assert "40 rows on 40 days, 3 columns." in looked.stdout
    assert inline(*asked, "--timestamp", "at", "--as", "clara.compliance").exit_code == 3
    assert inline("monitor", "list").exit_code == 1, "nothing was written yet"
    outside = inline(*[word.replace("scores", "../keys") for word in mapped])
    assert outside.exit_code == 2
    assert "not a folder under one that imports may read from" in outside.stderr
    assert "fault" in inline(*[word if word != "at" else "risk" for word in mapped]).stdout

    saved = inline(*mapped, "--reason", "Scores of the old platform")
    assert saved.exit_code == 0, saved.stderr
    assert f"Version 1 of the monitor of {MODEL} is in force" in saved.stdout
    assert inline("monitor", "list").exit_code == 0
    back = inline("monitor", "propose", MODEL, "--as", "dana.datascience", "--reason", "Our own records again")
    assert "Version 2" in back.stdout


def test_a_policy_is_rehearsed_and_published_by_command(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(home))
    text = (POLICIES / "tier-3.yaml").read_text()
    file = tmp_path / "proposed.yaml"
    file.write_text(text.replace("gates:", "gaates:"))
    refused = inline("policy", "rehearse", str(file))
    assert refused.exit_code == 2
    assert "unknown key `gaates`" in refused.stderr
    file.write_text(text.replace('version: "6"', 'version: "7"'))
    assert "nothing to compare with" in inline("policy", "rehearse", str(file)).stdout
    asked = ("policy", "publish", str(file), "--note", "Yearly review")
    assert inline(*asked, "--as", "dana.datascience", COUNTERSIGN_PASSPHRASE="any").exit_code == 3
    passphrase = next(item.passphrase for item in DEMO_ACCOUNTS if item.subject == "clara.compliance")
    done = inline(*asked, "--as", "clara.compliance", COUNTERSIGN_PASSPHRASE=passphrase)
    assert done.exit_code == 0, done.stderr
    listed = inline("policy", "list").stdout
    assert "tier-3 version 7" in listed
    assert "finding: tier-3.yaml on disk is not version 7" in listed


def test_an_intact_ledger_verifies(home: Path) -> None:
    done = run(home, "verify", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["intact"] is True


def test_status_says_that_no_worker_ever_ran(home: Path) -> None:
    done = run(home, "status")
    assert done.returncode == 0, done.stderr
    assert "NOT RUNNING" in done.stdout


def test_an_unknown_decision_is_an_input_fault_on_one_line(home: Path) -> None:
    done = run(home, "sign", "req-1", "maybe", "--as", "vera.validator")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_a_person_without_the_role_is_refused(home: Path) -> None:
    done = run(
        home,
        *("rollback", MODEL, "--as", "otto.auditor", "--reason", "Because", "--reason-code", "DRILL"),
        *("--confirm", MODEL),
        passphrase="otto reads everything",
    )
    assert done.returncode == 3, done.stderr


def test_without_a_workspace_the_answer_is_unavailable(tmp_path: Path) -> None:
    done = run(tmp_path, "status")
    assert done.returncode == 5
    assert "prepare" in done.stderr


def test_every_branch_of_no_has_its_own_exit_code() -> None:
    codes = [code for _, code in EXIT_CODES]
    assert len(set(codes)) == len(codes) == 5
    assert {kind for kind, _ in EXIT_CODES} == set(errors.ControlRoomError.__subclasses__())


def test_the_container_takes_another_registry_by_name(tmp_path: Path) -> None:
    """In a home of its own: after this look at an empty registry every version counts as deleted."""
    home = a_home(tmp_path)

    class EmptyRegistry:
        def snapshot(self) -> RegistrySnapshot:
            return RegistrySnapshot(versions=(), aliases=())

    room = open_control_room(Settings(home=home), registry=EmptyRegistry())  # type: ignore[arg-type]
    assert room.inventory.sync().error == ""
    assert room.rollout.deployments() == ()
    room.database.dispose()
