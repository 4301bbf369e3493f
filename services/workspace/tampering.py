"""Changing the governance database behind Countersign's back, as somebody with full rights on the file could.

What was there is kept in a side file, so that it can be put back byte for byte. SQLite only.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.kernel.errors import InputError, StorageUnavailableError

_OPPOSITE = {"approve": "reject", "acknowledge": "reject", "reject": "approve"}
_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampered:
    """`what` names the changed field in words."""

    seq: int
    what: str


class LedgerTampering:
    """One row at a time; nothing is changed before its bytes are safe in the side file."""

    def __init__(self, database: Path, side_file: Path) -> None:
        self._database = database
        self._side = side_file

    def state(self) -> Tampered | None:
        kept = self._kept()
        return Tampered(seq=kept["seq"], what=kept["what"]) if kept else None

    def change(self, seq: int) -> Tampered:
        """Raises InputError when there is no such row or one is changed already, StorageUnavailableError."""
        if self._kept():
            raise InputError("A row is changed already.", hint="Undo that first.")
        with _connected(self._database) as connection:
            row = connection.execute("SELECT envelope FROM log_entry WHERE seq = ?", (seq,)).fetchone()
            if row is None:
                raise InputError(f"The ledger has no entry {seq}.", hint="Choose one that exists.")
            original = bytes(row[0])
            forged, what = forge(original)
            self._keep({"seq": seq, "what": what, "envelope": base64.b64encode(original).decode()})
            _overwrite(connection, seq, forged)
        return Tampered(seq=seq, what=what)

    def undo(self) -> int:
        """The entry whose bytes are as they were. Raises InputError when nothing is changed."""
        kept = self._kept()
        if not kept:
            raise InputError("No row is changed.", hint="Nothing has to be undone.")
        with _connected(self._database) as connection:
            _overwrite(connection, kept["seq"], base64.b64decode(kept["envelope"]))
        self._side.unlink()
        return int(kept["seq"])

    def _kept(self) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads(self._side.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as broken:
            raise StorageUnavailableError(
                f"{self._side} cannot be read ({type(broken).__name__}).", hint="Restore the workspace: make reset."
            ) from broken
        return kept

    def _keep(self, kept: dict[str, Any]) -> None:
        self._side.parent.mkdir(parents=True, exist_ok=True)
        draft = self._side.with_suffix(".draft")
        with draft.open("w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._side)


def forge(envelope: bytes) -> tuple[bytes, str]:
    """The envelope with one field of its statement changed, signatures left as they were; and the field in words."""
    outer = json.loads(envelope)
    statement = json.loads(base64.b64decode(outer["payload"]))
    predicate = statement["predicate"]
    decision = predicate.get("decision")
    if decision in _OPPOSITE:
        predicate["decision"] = _OPPOSITE[decision]
        what = f"decision: {decision} became {predicate['decision']}"
    else:
        before = predicate["at"]
        # The same moment a day of the month earlier or later: still a valid time, and not the one that was signed.
        predicate["at"] = f"{before[:8]}{'02' if before[8:10] == '01' else '01'}{before[10:]}"
        what = f"at: {before} became {predicate['at']}"
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    outer["payload"] = base64.b64encode(payload).decode()
    return json.dumps(outer, sort_keys=True, separators=(",", ":")).encode(), what


@contextmanager
def _connected(file: Path) -> Iterator[sqlite3.Connection]:
    """One transaction of somebody who knows nothing of our locks and units of work."""
    try:
        connection = sqlite3.connect(file, timeout=_SECONDS, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.close()
    except sqlite3.Error as broken:
        raise StorageUnavailableError(
            f"The governance database did not answer as expected ({type(broken).__name__}).", hint="Try again."
        ) from broken


def _overwrite(connection: sqlite3.Connection, seq: int, envelope: bytes) -> None:
    triggers = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'log_entry' AND sql LIKE '%UPDATE%'"
    ).fetchall()
    for name, _ in triggers:
        connection.execute(f'DROP TRIGGER "{name}"')
    connection.execute("UPDATE log_entry SET envelope = ? WHERE seq = ?", (envelope, seq))
    for _, sql in triggers:
        connection.execute(sql)


def remove_tag(database: Path, side_file: Path, *, model: str, column: str) -> None:
    """Takes the tag of a sensitive column away without a trace in the ledger; the model's facts are kept aside once.

    Raises InputError for an unknown model or column.
    """
    with _connected(database) as connection:
        row = connection.execute("SELECT document FROM governed_model WHERE name = ?", (model,)).fetchone()
        document = json.loads(row[0]) if row else {"sensitive": []}
        left = [item for item in document["sensitive"] if item["name"] != column]
        if len(left) == len(document["sensitive"]):
            raise InputError(f"{model} has no tagged column {column}.", hint="Choose one that is tagged.")
        side_file.parent.mkdir(parents=True, exist_ok=True)
        if not side_file.exists():
            side_file.write_text(json.dumps({"model": model, "column": column, "document": row[0]}))
        document["sensitive"] = left
        text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        connection.execute("UPDATE governed_model SET document = ? WHERE name = ?", (text, model))


def restore_tag(database: Path, side_file: Path) -> tuple[str, str]:
    """(model, column) whose facts are as they were. Raises InputError when nothing was taken away."""
    try:
        kept = json.loads(side_file.read_text())
    except (OSError, ValueError) as missing:
        raise InputError("No tag was taken away.", hint="Nothing has to be undone.") from missing
    with _connected(database) as connection:
        connection.execute("UPDATE governed_model SET document = ? WHERE name = ?", (kept["document"], kept["model"]))
    side_file.unlink()
    return kept["model"], kept["column"]
