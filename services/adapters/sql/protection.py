"""Triggers that keep log, access log and policies insert-only, the log without gaps, its checkpoints growing.

They work alike on both databases, and stop accidents and the application's own mistakes. An owner of the database
can drop them; anchors show that.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect

_NEXT = "COALESCE((SELECT MAX(seq) FROM log_entry), -1) + 1"
_LARGEST = "COALESCE((SELECT MAX(size) FROM log_checkpoint), 0)"
INSERT_ONLY = ("log_entry", "log_checkpoint", "log_anchor", "access_view", "published_policy")
_GAP = "the next entry of the log must follow the newest one"
_SHRINK = "checkpoints must grow"

# A percent sign is doubled for the driver.
_POSTGRES_FUNCTIONS = {
    "countersign_refuse_change": "RAISE EXCEPTION '%% is insert-only', TG_TABLE_NAME;",
    "countersign_require_next": f"IF NEW.seq <> {_NEXT} THEN RAISE EXCEPTION '{_GAP}'; END IF; RETURN NEW;",
    "countersign_require_growth": f"IF NEW.size <= {_LARGEST} THEN RAISE EXCEPTION '{_SHRINK}'; END IF; RETURN NEW;",
}


def install(connection: Connection) -> None:
    """Creates what is missing; doing it twice changes nothing. Tables of a later revision are left for that one."""
    tables = set(inspect(connection).get_table_names())
    if connection.dialect.name == "sqlite":
        for table, statement in _sqlite().values():
            if table in tables:
                connection.exec_driver_sql(statement)
        return
    for name, body in _POSTGRES_FUNCTIONS.items():
        connection.exec_driver_sql(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
        )
    for name, (table, clause) in _postgres().items():
        if table not in tables:
            continue
        connection.exec_driver_sql(f"CREATE OR REPLACE TRIGGER {name} {clause}")
        # ALWAYS also holds for sessions that replay replicated changes.
        connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def missing(connection: Connection) -> tuple[str, ...]:
    """Names of triggers that are absent, changed, switched off, or strangers on the tables of the log."""
    if connection.dialect.name == "sqlite":
        stored = connection.exec_driver_sql(
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).all()
        texts = {row.name: row.sql for row in stored}
        expected = {name: text.replace(" IF NOT EXISTS", "") for name, (_, text) in _sqlite().items()}
        lacking = [name for name, text in expected.items() if texts.get(name) != text]
        tables = {row.name: row.tbl_name for row in stored}
    else:
        sound, tables = _sound(connection)
        expected = dict.fromkeys(_postgres(), "")
        lacking = [name for name in expected if name not in sound]
    strangers = [name for name, table in tables.items() if table in INSERT_ONLY and name not in expected]
    return (*lacking, *(f"stranger {name}" for name in sorted(strangers)))


def _sound(connection: Connection) -> tuple[set[str], dict[str, str]]:
    """(triggers that are as installed, table of every trigger): their function, its body, moment, rows and columns."""
    rows = connection.exec_driver_sql(
        "SELECT t.tgname, c.relname, t.tgenabled, t.tgtype, p.proname, p.prosrc, "
        "t.tgqual IS NULL AND t.tgattr = ''::int2vector AS whole "
        "FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid "
        "WHERE NOT t.tgisinternal AND t.tgrelid IN (to_regclass('log_entry'), to_regclass('log_checkpoint'), "
        "to_regclass('log_anchor'), to_regclass('access_view'), to_regclass('published_policy'))"
    ).all()
    sound = {
        row.tgname
        for row in rows
        if row.whole
        and row.tgenabled in {"A", b"A"}
        and (row.relname, row.tgtype, row.proname) == _expected(row.tgname)
        and row.prosrc.strip() == f"BEGIN {_POSTGRES_FUNCTIONS[row.proname]} END".replace("%%", "%")
    }
    return sound, {row.tgname: row.relname for row in rows}


def _expected(name: str) -> tuple[str, int, str] | None:
    """(table, pg_trigger.tgtype, function). Bits: row 1, before 2, insert 4, delete 8, update 16, truncate 32."""
    if name not in _postgres():
        return None
    table, clause = _postgres()[name]
    moment = 34 if "TRUNCATE" in clause else 27 if "UPDATE" in clause else 7
    return table, moment, clause.rpartition("FUNCTION ")[2].removesuffix("()")


def _sqlite() -> dict[str, tuple[str, str]]:
    triggers = {}
    for table in INSERT_ONLY:
        for word in ("UPDATE", "DELETE"):
            name = f"{table}_no_{word.lower()}"
            triggers[name] = (
                table,
                (
                    f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {word} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is insert-only'); END"
                ),
            )
    # REPLACE passes by a delete trigger unless a connection asks otherwise; demanding the next number stops it too.
    triggers["log_entry_next"] = (
        "log_entry",
        (
            f"CREATE TRIGGER IF NOT EXISTS log_entry_next BEFORE INSERT ON log_entry WHEN NEW.seq <> {_NEXT} "
            f"BEGIN SELECT RAISE(ABORT, '{_GAP}'); END"
        ),
    )
    triggers["log_checkpoint_growth"] = (
        "log_checkpoint",
        (
            f"CREATE TRIGGER IF NOT EXISTS log_checkpoint_growth BEFORE INSERT ON log_checkpoint "
            f"WHEN NEW.size <= {_LARGEST} BEGIN SELECT RAISE(ABORT, '{_SHRINK}'); END"
        ),
    )
    triggers["log_anchor_once"] = (
        "log_anchor",
        (
            "CREATE TRIGGER IF NOT EXISTS log_anchor_once BEFORE INSERT ON log_anchor "
            "WHEN EXISTS (SELECT 1 FROM log_anchor WHERE size = NEW.size AND kind = NEW.kind) "
            "BEGIN SELECT RAISE(ABORT, 'log_anchor is insert-only'); END"
        ),
    )
    return triggers


def _postgres() -> dict[str, tuple[str, str]]:
    refuse, triggers = "EXECUTE FUNCTION countersign_refuse_change()", {}
    for table in INSERT_ONLY:
        rows = f"BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {refuse}"
        triggers[f"{table}_no_change"] = (table, rows)
        # Row triggers do not see TRUNCATE.
        triggers[f"{table}_no_truncate"] = (table, f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refuse}")
    triggers["log_entry_next"] = (
        "log_entry",
        "BEFORE INSERT ON log_entry FOR EACH ROW EXECUTE FUNCTION countersign_require_next()",
    )
    triggers["log_checkpoint_growth"] = (
        "log_checkpoint",
        "BEFORE INSERT ON log_checkpoint FOR EACH ROW EXECUTE FUNCTION countersign_require_growth()",
    )
    return triggers
