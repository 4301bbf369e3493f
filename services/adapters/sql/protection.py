"""Triggers that keep log and access log insert-only, the log without gaps, its checkpoints growing, on both databases.

They stop accidents and the application's own mistakes. An owner of the database can drop them; anchors show that.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect

_NEXT = "COALESCE((SELECT MAX(seq) FROM log_entry), -1) + 1"
_LARGEST = "COALESCE((SELECT MAX(size) FROM log_checkpoint), 0)"
_INSERT_ONLY = ("log_entry", "log_checkpoint", "log_anchor", "access_view")
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
    """Names of triggers that are absent, changed or switched off."""
    if connection.dialect.name == "sqlite":
        stored = {
            row.name: row.sql
            for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        }
        return tuple(
            name for name, (_, text) in _sqlite().items() if stored.get(name) != text.replace(" IF NOT EXISTS", "")
        )
    present = _present(connection)
    return tuple(name for name in _postgres() if name not in present)


def _present(connection: Connection) -> set[str]:
    rows = connection.exec_driver_sql(
        "SELECT t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
        "WHERE t.tgenabled = 'A' AND p.proname LIKE 'countersign_%%' "
        "AND t.tgrelid IN (to_regclass('log_entry'), to_regclass('log_checkpoint'), to_regclass('log_anchor'), "
        "to_regclass('access_view'))"
    )
    return {row.tgname for row in rows}


def _sqlite() -> dict[str, tuple[str, str]]:
    triggers = {}
    for table in _INSERT_ONLY:
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
    for table in _INSERT_ONLY:
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
