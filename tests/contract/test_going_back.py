"""An upgrade and its way back on a database in use: the ledger and every row that has a place come through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner, Result

from services.__main__ import app
from services.adapters.sql import migrations, protection
from services.adapters.sql.database import Database
from services.adapters.sql.schema.base import Money, UtcDateTime, metadata
from services.adapters.sql.schema.ops import worker_lease
from services.adapters.sql.stepping_back import FLOOR
from services.attestation.models import Receipt
from services.kernel.clock import SystemClock
from tests.contract.databricks_server.server import TOKEN, a_workspace
from tests.contract.deployment import STARTED, Deployment

EARLIER = "0018"
"""Sign-in, sweeping, sampled and replayed requests, and how far copied runs are known came after it."""
Rows = dict[str, list[tuple[Any, ...]]]
Run = Callable[..., Result]


@pytest.fixture
def run(deployment: Deployment, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line on the database of the deployment, which has a row in (nearly) every table."""
    monkeypatch.setenv("COUNTERSIGN_HOME", str(deployment.home))
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", database_url)
    return lambda *words: CliRunner().invoke(app, ["migrate", *words])


def test_what_was_decided_is_there_after_going_back_and_forward(deployment: Deployment, run: Run) -> None:
    receipts = decided(deployment)
    said = deployment.audit.verify().findings
    filled = fill(deployment.database)
    assert len(filled) > 60
    before = rows(deployment.database)

    assert run("--to", EARLIER, "--lose").exit_code == 0
    earlier = rows(deployment.database)
    assert migrations.stored_revision(deployment.database) == EARLIER
    assert run().exit_code == 0
    after = rows(deployment.database)

    gone = before.keys() - earlier.keys()
    later = {"passkey", "passkey_ceremony", "person_account", "person_login", "registry_model", "replayed_file"}
    assert gone == later
    kept = {name: columns_of(deployment.database, name) for name in after}
    added = {("person_session", "login"), ("request_slot", "estimated"), ("request_day", "estimated")}
    added |= {("pipeline_run", "aside"), ("pipeline_run", "known_to")}
    for table in before.keys() - gone - {"alembic_version"}:
        blank = {index for index, column in enumerate(kept[table]) if (table, column) in added}
        expected = [tuple(None if i in blank else value for i, value in enumerate(row)) for row in before[table]]
        assert sorted(map(repr, after[table])) == sorted(map(repr, expected)), table
    assert before["log_entry"] == earlier["log_entry"] == after["log_entry"]
    result = deployment.audit.verify()
    assert (result.intact, result.findings) == (True, said)
    with deployment.database.read() as connection:
        assert protection.missing(connection) == ()
    for receipt in receipts:
        entry = deployment.audit._reader.entry(receipt.seq)
        assert entry is not None
        assert entry.leaf_hash == receipt.leaf_hash
    assert deployment.event("after").seq == receipts[-1].seq + 1


def test_rows_without_a_place_in_the_older_shape_hold_it_back_and_nothing_changes(
    deployment: Deployment, run: Run
) -> None:
    decided(deployment)
    fill(deployment.database)
    before, newest = rows(deployment.database), migrations.newest_revision()
    refused = run("--to", EARLIER)
    assert refused.exit_code == 3
    for words in ("table passkey with 1 rows", "estimated in 1 rows of request_slot", "Nothing was changed"):
        assert words in refused.output
    assert migrations.stored_revision(deployment.database) == newest
    assert rows(deployment.database) == before


def test_empty_tables_go_without_a_word(deployment: Deployment, run: Run) -> None:
    with deployment.database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM registry_model")).scalar_one() == 0
    done = run("--to", "0019")
    assert (done.exit_code, "Lost" in done.output) == (0, False)


@pytest.mark.parametrize(
    ("revision", "said"), [("0004", "first released schema is 0005"), ("9999", "no revision"), ("head", "no revision")]
)
def test_nothing_goes_below_the_floor_or_to_what_is_no_revision(
    deployment: Deployment, run: Run, revision: str, said: str
) -> None:
    refused = run("--to", revision, "--lose")
    assert refused.exit_code == 2
    assert said in refused.output
    assert migrations.stored_revision(deployment.database) == migrations.newest_revision()


def test_the_floor_is_the_last_revision_that_says_it_is_never_taken_back() -> None:
    folder = Path(migrations.__file__).parent / "versions"
    refusing = [file.name[:4] for file in folder.glob("0*.py") if "raise NotImplementedError" in file.read_text()]
    assert max(refusing) == FLOOR


def test_a_worker_that_leads_is_not_worked_against(deployment: Deployment, run: Run) -> None:
    now = SystemClock().now()
    with deployment.database.write() as connection:
        connection.execute(sa.insert(worker_lease).values(name="w", owner="o", until=now + timedelta(seconds=20)))
    refused = run("--to", "0019")
    assert refused.exit_code == 4
    assert "A worker leads" in refused.output


def test_going_back_signs_in_with_the_token_of_the_platform(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_workspace() as platform:
        for name, value in {
            "COUNTERSIGN_HOME": str(tmp_path),
            "COUNTERSIGN_DATABASE_URL": postgres,
            "COUNTERSIGN_DATABASE_TOKEN": "instance:governance",
            "DATABRICKS_HOST": platform.url,
            "DATABRICKS_TOKEN": TOKEN,
        }.items():
            monkeypatch.setenv(name, value)
        done = CliRunner().invoke(app, ["migrate", "--to", EARLIER])
        assert platform.sent("POST", "database/credentials") == 1
    assert done.exit_code == 5
    assert "gave no token for the governance database" in done.output


def test_the_way_forward_may_stop_at_a_revision(deployment: Deployment, run: Run) -> None:
    run("--to", "0018")
    assert run("--to", "0020").exit_code == 0
    assert migrations.stored_revision(deployment.database) == "0020"
    assert run("--check").exit_code == 1


def decided(deployment: Deployment) -> list[Receipt]:
    request, cited = deployment.request()
    decisions = [deployment.decide(cited, by="vera"), deployment.decide(cited, by="clara")]
    return [request, *decisions, deployment.act(cited, decisions), deployment.outcome()]


def fill(database: Database) -> list[str]:
    """A row in each table that is empty and is no part of the log; the names of those that took one."""
    migrations.load_schema()
    filled = []
    for table in metadata.sorted_tables:
        with database.write() as connection:
            if (
                table.name == "worker_lease"
                or connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            ):
                continue
            parents = {
                key.parent.name: connection.execute(sa.select(key.column).limit(1)).scalar()
                for key in table.foreign_keys
            }
            values = {column.name: parents.get(column.name, some(column)) for column in table.columns}
            try:
                with connection.begin_nested():
                    connection.execute(sa.insert(table).values(**values))
            except sa.exc.IntegrityError:
                continue
            filled.append(table.name)
    return filled


def some(column: sa.Column[Any]) -> Any:
    if isinstance(column.type, UtcDateTime):
        return STARTED
    if isinstance(column.type, Money):
        return Decimal(1)
    values: dict[type, Any] = {date: STARTED.date(), bool: True, int: 1, float: 1.0, bytes: b"x"}
    return values.get(column.type.python_type, "x")


def columns_of(database: Database, table: str) -> list[str]:
    with database.read() as connection:
        return [str(column["name"]) for column in sa.inspect(connection).get_columns(table)]


def rows(database: Database) -> Rows:
    with database.read() as connection:
        names = sa.inspect(connection).get_table_names()
        return {
            name: sorted((tuple(row) for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')), key=repr)
            for name in names
        }
