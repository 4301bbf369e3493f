"""Tables are made once, a newer database is left alone, and both dialects serialise their writers."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from sqlalchemy import Integer, event, inspect, text

from services.adapters.sql import migrations, protection
from services.adapters.sql.database import Database, lock_writers
from services.adapters.sql.schema.base import UtcDateTime, metadata
from services.adapters.sql.setup import create_schema, is_founded
from services.kernel.errors import NewerDatabaseError, StorageUnavailableError
from tests.builders import NOON


def test_schema_is_created_once_and_completely(database_url: str) -> None:
    database = Database(database_url)

    create_schema(database)
    create_schema(database)

    with database.read() as connection:
        assert set(metadata.tables) <= set(inspect(connection).get_table_names())
        assert protection.missing(connection) == ()
    assert not is_founded(database)
    database.dispose()


def test_database_of_a_newer_release_is_left_alone(database_url: str) -> None:
    database = Database(database_url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('9999')"))

    with pytest.raises(NewerDatabaseError, match="9999"):
        create_schema(database)

    with database.read() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    database.dispose()


def test_revisions_run_from_code_on_both_databases(database_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrations.load_schema()
    database = Database(database_url)
    create_schema(database)

    with database.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert migrations.stored_revision(database) is not None
    database.dispose()


def test_sketches_keep_their_counts_when_slices_come_and_go(database_url: str) -> None:
    from alembic import command

    database = Database(database_url)
    migrations.upgrade(database, "0010")
    with database.write() as connection:
        connection.execute(
            text("INSERT INTO feature_day (model, feature, day, counts, sums) VALUES ('m', 'x', '2031-03-31', :n, :n)"),
            {"n": b"kept"},
        )

    migrations.upgrade(database)
    with database.write() as connection:
        before = connection.execute(text("SELECT slice_key, counts FROM feature_day")).all()
        connection.execute(
            text("INSERT INTO feature_day (model, feature, slice_key, day, counts, sums)"
                 " VALUES ('m', 'x', 'origin=EWR', '2031-03-31', :n, :n)"),
            {"n": b"of a slice"},
        )  # fmt: skip
    with database.write() as connection:
        command.downgrade(migrations.config(connection), "0010")

    with database.read() as connection:
        after = connection.execute(text("SELECT model, feature, counts FROM feature_day")).all()
        columns = {column["name"] for column in inspect(connection).get_columns("feature_day")}
    assert [(key, bytes(counts)) for key, counts in before] == [("", b"kept")]
    assert [(model, feature, bytes(counts)) for model, feature, counts in after] == [("m", "x", b"kept")]
    assert "slice_key" not in columns
    database.dispose()


def test_writers_wait_for_each_other(database_url: str) -> None:
    database = Database(database_url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE counter (n INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))

    def count() -> None:
        for _ in range(10):
            with database.write() as own:
                seen = own.execute(text("SELECT n FROM counter")).scalar_one()
                own.execute(text(f"UPDATE counter SET n = {seen + 1}"))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read() as connection:
        assert connection.execute(text("SELECT n FROM counter")).scalar_one() == 40
    database.dispose()


def test_the_lock_of_a_server_is_taken_once_in_every_transaction(database_url: str) -> None:
    database = Database(database_url)
    taken: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        taken.extend([statement] if "pg_advisory_xact_lock" in statement else [])

    event.listen(database.writer_engine, "before_cursor_execute", note)
    for _ in range(3):
        with database.write() as connection:
            lock_writers(connection)

    assert len(taken) == (3 if database.dialect == "postgresql" else 0)
    database.dispose()


def test_unreachable_databases_are_reported_calmly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    nowhere = Database(f"sqlite:///{tmp_path / 'file' / 'governance.db'}")

    with pytest.raises(StorageUnavailableError), nowhere.write():
        pass
    with pytest.raises(StorageUnavailableError), nowhere.read():
        pass
    nobody = Database("postgresql://nobody@/none?host=/nonexistent")
    with pytest.raises(StorageUnavailableError), nobody.read():
        pass


def test_follow_ups_signed_before_they_could_be_called_done_are_owed_after_the_upgrade(database_url: str) -> None:
    from services.adapters.sql.incidents import SqlIncidents
    from services.adapters.sql.schema.incidents import incident

    follow_up = {"text": "Watch the feed.", "owner_subject": "dana", "owner_name": "Dana", "due": "2030-03-01"}
    document = json.dumps({"follow_ups": [follow_up]})
    values = {
        column.name: 0 if isinstance(column.type, Integer) else NOON if isinstance(column.type, UtcDateTime) else ""
        for column in incident.columns
        if column.name != "cause"  # of a later revision
    }
    database = Database(database_url)
    migrations.upgrade(database, "0009")
    with database.write() as connection:
        for number, text_of in enumerate((document, "[erased on 2030-02-01]"), start=1):
            own = {"incident_id": f"inc-{number}", "number": number, "opened_seq": number, "post_mortem": text_of}
            connection.execute(incident.insert().values(**(values | own)))

    migrations.upgrade(database)

    with database.read() as connection:
        (owed,) = SqlIncidents(connection).owed("dana")
    assert (owed.incident_id, owed.number, owed.text, str(owed.due)) == ("inc-1", 1, "Watch the feed.", "2030-03-01")
    database.dispose()


def test_alerts_of_one_cause_go_on_as_the_gravest_of_them_after_the_upgrade(database_url: str) -> None:
    from alembic import command

    from services.adapters.sql.schema.alerts import alert, alert_event

    plain = {
        column.name: 0 if isinstance(column.type, Integer) else NOON if isinstance(column.type, UtcDateTime) else ""
        for column in alert.columns
        if column.name not in {"parts", "at_risk"}
    }
    rows = [
        ("m", "drift", "a", 3, NOON, None), ("m", "drift", "b", 2, NOON, None), ("m", "drift", "c", 1, None, None),
        ("m", "drift", "measurement", 2, NOON, None), ("m", "data", "weather: range", 2, NOON, None),
        ("m", "data", "weather: nulls", 2, NOON, None), ("m", "drift", "d", 1, NOON, NOON),
    ]  # fmt: skip
    database = Database(database_url)
    migrations.upgrade(database, "0013")
    with database.write() as connection:
        for number, (model, kind, subject, severity, opened, closed) in enumerate(rows, start=1):
            own = {
                "alert_id": f"alr-{number}", "number": number, "model": model, "kind": kind, "subject": subject,
                "severity": severity, "opened_at": opened, "closed_at": closed, "urgent": False, "value": None,
                "standing_key": None if closed else f"{model}\x1f{kind}\x1f{subject}", "title": subject,
            }  # fmt: skip
            connection.execute(alert.insert().values(**(plain | own)))

    with database.write() as connection:
        for number in (1, 3):
            values = {column.name: "" for column in alert_event.columns if column.name not in {"seq", "at"}}
            own = {"alert_id": f"alr-{number}", "number": 1, "at": NOON}
            connection.execute(alert_event.insert().values(**(values | own)))

    migrations.upgrade(database)

    with database.read() as connection:
        found = connection.execute(text("SELECT alert_id, subject, standing_key FROM alert ORDER BY number")).all()
        titles = dict(connection.execute(text("SELECT alert_id, title FROM alert")).all())
    standing = {number: (subject, key) for number, subject, key in found if key}
    assert standing == {
        "alr-2": ("columns", "m\x1fdrift\x1fcolumns"),
        "alr-4": ("measurement", "m\x1fdrift\x1fmeasurement"),
        "alr-5": ("weather", "m\x1fdata\x1fweather"),
    }
    assert {number for number, _, _ in found} - set(standing) == {"alr-1", "alr-6", "alr-7"}
    assert titles["alr-1"] == "a (goes on as alr-2)"
    with database.write() as connection:
        command.downgrade(migrations.config(connection), "0013")
    with database.read() as connection:
        assert "parts" not in {column["name"] for column in inspect(connection).get_columns("alert")}
    database.dispose()


def _shape(database: Database) -> dict[str, tuple[list[str], list[str], list[str]]]:
    """Columns, indexes and keys of every table, as the database itself says."""
    found = {}
    with database.read() as connection:
        look = inspect(connection)
        for table in look.get_table_names():
            columns = sorted(f"{c['name']} {c['type']} {c['nullable']}" for c in look.get_columns(table))
            indexes = sorted(f"{i['name']} {i['column_names']} {i['unique']}" for i in look.get_indexes(table))
            keys = sorted(f"{k['constrained_columns']} {k['referred_table']}" for k in look.get_foreign_keys(table))
            found[table] = (columns, [*indexes, str(look.get_pk_constraint(table)["constrained_columns"])], keys)
    found.pop("alembic_version")
    return found


def test_every_released_schema_goes_up_to_this_one_and_back(database_url: str) -> None:
    """One step at a time in both directions, each held against what stood there on the way up.

    The first revisions say that they are never taken back; the attempt changes nothing.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    database = Database(database_url)
    script = ScriptDirectory.from_config(migrations.config(None))
    steps = [item.revision for item in reversed(list(script.walk_revisions()))]
    shapes = {}
    for step in steps:
        migrations.upgrade(database, step)
        shapes[step] = _shape(database)

    oldest = steps.index("0005")
    for step in reversed(steps[oldest:-1]):
        with database.write() as connection:
            command.downgrade(migrations.config(connection), step)
        assert _shape(database) == shapes[step], f"going back to {step}"
    with pytest.raises(NotImplementedError, match="restore a backup"), database.write() as connection:
        command.downgrade(migrations.config(connection), steps[oldest - 1])
    assert _shape(database) == shapes["0005"]

    migrations.upgrade(database)
    assert _shape(database) == shapes[steps[-1]]
    database.dispose()
