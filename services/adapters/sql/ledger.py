"""The log in the governance database. `SqlLedger` is the only code that adds to it, inside the caller's transaction.

One append writes the entry, its signed checkpoint, its line in the read model and, for keyring entries, the people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select

from services.adapters.sql import protection, wall_clock
from services.adapters.sql.database import Database, lock_writers
from services.adapters.sql.evidence import freeze_cited
from services.adapters.sql.people_projection import project_people
from services.adapters.sql.schema.ledger import ledger_index, log_checkpoint, log_entry
from services.adapters.sql.schema.people import deployment_key
from services.attestation import envelope as envelopes
from services.attestation import statement as statements
from services.attestation.models import Kind, LogHead, Receipt
from services.kernel.clock import Clock
from services.kernel.errors import (
    BrokenChainError,
    ConflictError,
    ForeignStatementError,
    RefusalError,
    SignatureMismatchError,
)
from services.ledger.keyring import VoidEntryError
from services.ledger.merkle import EMPTY_ROOT, Frontier, leaf_hash
from services.ledger.ports import CheckpointSigner, IndexRow, LedgerReader, StoredEntry
from services.ledger.replay import replayed_people
from services.ledger.summary import summarise

_BATCH = 500
_newest_first = log_entry.c.seq.desc()
_STANDING = select(
    select(log_entry.c.seq).where(log_entry.c.idem == bindparam("idem")).scalar_subquery().label("earlier"),
    select(deployment_key.c.key_id)
    .where(deployment_key.c.use == "service", deployment_key.c.retired_seq.is_(None))
    .limit(1)
    .scalar_subquery()
    .label("service_key"),
    select(log_entry.c.seq).order_by(_newest_first).limit(1).scalar_subquery().label("seq"),
    select(log_entry.c.frontier).order_by(_newest_first).limit(1).scalar_subquery().label("frontier"),
    wall_clock.NEWEST.label("newest"),
)
"""All that an append has to know, in one question: on a server every question is a journey there and back."""
_ROOT = select(log_entry.c.root).where(log_entry.c.seq == bindparam("seq"))
_TABLES = (log_entry, log_checkpoint, ledger_index)
_INSERTS = tuple(insert(table) for table in _TABLES)
_NAMED = [
    insert(table).values({column.name: bindparam(f"{table.name}_{column.name}") for column in table.columns})
    for table in _TABLES
]
_TOGETHER = _NAMED[2].add_cte(_NAMED[0].cte("entry"), _NAMED[1].cte("checkpoint"))


class SqlLedger:
    """Implements attestation.ports.LedgerWriter on a connection from `Database.write()`."""

    def __init__(self, connection: Connection, keys: CheckpointSigner, clock: Clock) -> None:
        self._connection = connection
        self._keys = keys
        self._clock = clock

    def head(self) -> LogHead:
        frontier = _frontier(self._connection.execute(_STANDING, {"idem": ""}).one())
        return LogHead(origin=self._keys.origin, size=frontier.size, root=frontier.root.hex())

    def find(self, idem: str) -> Receipt | None:
        query = (
            select(
                log_entry.c.seq, log_entry.c.leaf_hash, log_entry.c.root, log_entry.c.envelope, log_checkpoint.c.note
            )
            .join(log_checkpoint, log_checkpoint.c.size == log_entry.c.seq + 1)
            .where(log_entry.c.idem == idem)
        )
        row = self._connection.execute(query).first()
        if row is None:
            return None
        return Receipt(
            seq=row.seq,
            leaf_hash=row.leaf_hash.hex(),
            root=row.root.hex(),
            size=row.seq + 1,
            checkpoint=row.note,
            key_id=envelopes.read(row.envelope).signatures[0].key_id,
            repeated=True,
        )

    def append(self, envelope: bytes, *, idem: str) -> Receipt:
        """Raises ForeignStatementError or SignatureMismatchError for an envelope that is not ours to record.

        A change of keys or roles that the keyring's own rules forbid raises RefusalError: roles are read from here.
        """
        lock_writers(self._connection)
        standing = self._connection.execute(_STANDING, {"idem": idem}).one()
        earlier = self.find(idem) if standing.earlier is not None else None
        if earlier is not None:
            return earlier
        read = self._require_own(envelope, named=standing.service_key)
        statement = statements.read(read.payload)
        before = _frontier(standing)
        if statement.head.origin != self._keys.origin or statement.head.size > before.size:
            raise ForeignStatementError("The statement was made for another log, or for a later state of this one.")
        self._require_same_history(statement.head, before)
        wall_clock.require_current(self._connection, statement, self._clock, newest=standing.newest)
        if statement.kind in {Kind.KEYRING, Kind.DELEGATION}:
            self._require_admitted(read, statement, before.size)
        leaf = leaf_hash(envelope)
        after = before.push(leaf)
        checkpoint = self._keys.sign_checkpoint(size=after.size, root=after.root)
        entry = {
            "seq": before.size,
            "envelope": envelope,
            "leaf_hash": leaf,
            "frontier": after.to_bytes(),
            "root": after.root,
            "idem": idem,
            "appended_at": self._clock.now(),
        }
        line = index_values(summarise(statement, seq=before.size, leaf_hash=leaf.hex()))
        _add(self._connection, entry, {"size": after.size, "note": checkpoint}, line)
        if statement.kind is Kind.REQUEST:
            freeze_cited(self._connection, statement)
        project_people(self._connection, statement, seq=before.size, leaf=leaf.hex())
        return Receipt(
            seq=before.size,
            leaf_hash=leaf.hex(),
            root=after.root.hex(),
            size=after.size,
            checkpoint=checkpoint,
            key_id=read.signatures[0].key_id,
        )

    def _require_same_history(self, seen: LogHead, now: Frontier) -> None:
        """What the signer saw must be how this log began: an entry pinned to another one would break it for good."""
        root = now.root if seen.size == now.size else EMPTY_ROOT
        if 0 < seen.size < now.size:
            root = self._connection.execute(_ROOT, {"seq": seen.size - 1}).scalar_one()
        if root.hex() != seen.root:
            raise ForeignStatementError("The signer saw another history of this log; nothing was added.")

    def _require_own(self, envelope: bytes, *, named: str | None) -> envelopes.Envelope:
        """`named`: the key that the log gives as the service's now; none before the first entry."""
        read = envelopes.read(envelope)
        service = self._keys.service_key
        if service.key_id not in read.verified_by({service.key_id: service}):
            raise SignatureMismatchError(
                "The record does not carry this deployment's own signature; nothing was added."
            )
        if named is not None and named != service.key_id:
            raise ConflictError("The service key was just replaced; nothing was added.", hint="Try again.")
        return read

    def _require_admitted(self, read: envelopes.Envelope, statement: statements.Statement, seq: int) -> None:
        """Keys, roles and delegations are read from tables, so an entry that breaks their law is never added."""
        replay = replayed_people(people_entries(self._connection))
        try:
            replay.judge(read, statement, seq=seq, leaf="")
        except VoidEntryError as void:
            raise RefusalError(f"This change of keys, roles or delegations is not allowed: {void}.") from void


class SqlLedgerReader:
    """Implements ledger.ports.LedgerReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self) -> LogHead:
        """The origin is empty before the first entry."""
        query = select(log_entry.c.seq, log_entry.c.root).order_by(log_entry.c.seq.desc()).limit(1)
        note = self.checkpoint()
        with self._database.read() as connection:
            row = connection.execute(query).first()
        origin = note.split("\n", 1)[0] if note else ""
        if row is None:
            return LogHead(origin=origin, size=0, root=EMPTY_ROOT.hex())
        return LogHead(origin=origin, size=row.seq + 1, root=row.root.hex())

    def entry(self, seq: int) -> StoredEntry | None:
        return next(self._batch(seq, 1), None)

    def entries_at(self, seqs: Collection[int]) -> Mapping[int, StoredEntry]:
        table, wanted, found = log_entry, sorted(set(seqs)), dict[int, StoredEntry]()
        for first in range(0, len(wanted), _BATCH):
            some = wanted[first : first + _BATCH]
            query = select(table.c.seq, table.c.envelope, table.c.leaf_hash, table.c.root).where(table.c.seq.in_(some))
            with self._database.read() as connection:
                found |= {row.seq: _stored(row) for row in connection.execute(query)}
        return found

    def entries(self, *, start: int = 0) -> Iterator[StoredEntry]:
        while True:
            batch = list(self._batch(start, _BATCH))
            yield from batch
            if len(batch) < _BATCH:
                return
            start = batch[-1].seq + 1

    def checkpoints(self) -> Iterator[tuple[int, str]]:
        size = -1
        while True:
            query = (
                select(log_checkpoint).where(log_checkpoint.c.size > size).order_by(log_checkpoint.c.size).limit(_BATCH)
            )
            with self._database.read() as connection:
                rows = connection.execute(query).all()
            yield from ((row.size, row.note) for row in rows)
            if len(rows) < _BATCH:
                return
            size = rows[-1].size

    def checkpoint(self) -> str | None:
        query = select(log_checkpoint.c.note).order_by(log_checkpoint.c.size.desc()).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def leaf_hashes(self) -> list[bytes]:
        with self._database.read() as connection:
            return list(connection.execute(select(log_entry.c.leaf_hash).order_by(log_entry.c.seq)).scalars())

    def people_entries(self) -> tuple[StoredEntry, ...]:
        with self._database.read() as connection:
            return people_entries(connection)

    def missing_triggers(self) -> tuple[str, ...]:
        with self._database.read() as connection:
            return protection.missing(connection)

    def _batch(self, start: int, limit: int) -> Iterator[StoredEntry]:
        table = log_entry
        query = (
            select(table.c.seq, table.c.envelope, table.c.leaf_hash, table.c.root)
            .where(table.c.seq >= start)
            .order_by(table.c.seq)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            yield _stored(row)


class SqlLedgerBook(SqlLedgerReader):
    """Implements ledger.ports.LedgerBook: reading, and units of work that hold nothing but log entries."""

    def __init__(self, database: Database, keys: CheckpointSigner, clock: Clock) -> None:
        super().__init__(database)
        self._keys = keys
        self._clock = clock

    def head(self) -> LogHead:
        # The origin is known from the keys: one query, since every signature begins with it.
        query = select(log_entry.c.seq, log_entry.c.root).order_by(log_entry.c.seq.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return LogHead(origin=self._keys.origin, size=0, root=EMPTY_ROOT.hex())
        return LogHead(origin=self._keys.origin, size=row.seq + 1, root=row.root.hex())

    @contextmanager
    def writing(self) -> Iterator[SqlLedger]:
        with self._database.write() as connection:
            yield SqlLedger(connection, self._keys, self._clock)


def _frontier(standing: Row[Any]) -> Frontier:
    if standing.seq is None:
        return Frontier()
    try:
        return Frontier.from_bytes(standing.seq + 1, standing.frontier)
    except ValueError as broken:
        raise BrokenChainError("The newest entry of the log does not fit its place; nothing was added.") from broken


def _add(connection: Connection, *rows: dict[str, Any]) -> None:
    """Entry, checkpoint and line of the read model; PostgreSQL takes the three in one statement."""
    if connection.dialect.name != "postgresql":
        for statement, row in zip(_INSERTS, rows, strict=True):
            connection.execute(statement, row)
        return
    connection.execute(
        _TOGETHER,
        {
            f"{table.name}_{name}": value
            for table, row in zip(_TABLES, rows, strict=True)
            for name, value in row.items()
        },
    )


def people_entries(connection: Connection) -> tuple[StoredEntry, ...]:
    query = (
        select(log_entry.c.seq, log_entry.c.envelope, log_entry.c.leaf_hash, log_entry.c.root)
        .join(ledger_index, ledger_index.c.seq == log_entry.c.seq)
        .where(ledger_index.c.kind.in_((Kind.GENESIS.value, Kind.KEYRING.value, Kind.DELEGATION.value)))
        .order_by(log_entry.c.seq)
    )
    return tuple(_stored(row) for row in connection.execute(query).all())


def _stored(row: Row[Any]) -> StoredEntry:
    return StoredEntry(seq=row.seq, envelope=row.envelope, leaf_hash=row.leaf_hash.hex(), root=row.root.hex())


def index_values(row: IndexRow) -> dict[str, object]:
    words = [row.sentence, row.actor, row.actor_subject, row.role, row.subject, row.event, row.leaf_hash]
    searched = " ".join(words)
    return {**asdict(row), "searched": searched.casefold()}


def rebuild_index(connection: Connection, reader: LedgerReader) -> int:
    """The read model made again from the entries alone; the number of lines. Unreadable entries have no line."""
    connection.execute(ledger_index.delete())
    lines = 0
    for entry in reader.entries():
        try:
            statement = statements.read(envelopes.read(entry.envelope).payload)
        except ForeignStatementError:
            continue
        row = summarise(statement, seq=entry.seq, leaf_hash=entry.leaf_hash)
        connection.execute(insert(ledger_index).values(**index_values(row)))
        lines += 1
    return lines
