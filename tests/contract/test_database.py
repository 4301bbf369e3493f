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
        command.downgrade(migrations._config(connection), "0010")

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
