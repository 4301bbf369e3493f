"""Reads the ledger into facts, each entry once per process: entries never change, so only new ones are read again.

A log that is shorter or different at the place last read is read again from the start.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.attestation import envelope, statement
from services.attestation.models import Kind
from services.attestation.statement import Statement
from services.audit.history import Fact, History
from services.kernel.errors import TrustError
from services.ledger.keyring import VoidEntryError
from services.ledger.merkle import leaf_hash
from services.ledger.ports import LedgerReader, StoredEntry
from services.ledger.replay import Replay
from services.ledger.summary import summarise

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_UNREAD: Mapping[str, Any] = {}


class Chronicle:
    """Shared by all sessions; holds what the ledger says, never a person or a request."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._known: History | None = None
        self._begin()

    def history(self) -> History:
        """Everything recorded so far. Raises StorageUnavailableError."""
        with self._lock:
            self._catch_up()
            known = self._known
            if known is None or known.size != self._size:
                known = self._known = History(
                    facts=tuple(self._facts),
                    size=self._size,
                    began=self._facts[0].at if self._facts else _NO_TIME,
                    replayed=self._replayed,
                    unreadable=tuple(self._unreadable),
                )
            return known

    def _begin(self) -> None:
        self._replay = Replay()
        self._facts: list[Fact] = []
        self._unreadable: list[int] = []
        self._size, self._root = 0, ""
        self._replayed: tuple[str, str] | None = None
        self._known = None

    def _catch_up(self) -> None:
        if self._size:
            last = self._reader.entry(self._size - 1)
            if last is None or last.root != self._root:
                self._begin()
        for stored in self._reader.entries(start=self._size):
            self._take(stored)
            self._size, self._root = stored.seq + 1, stored.root

    def _take(self, stored: StoredEntry) -> None:
        leaf = leaf_hash(stored.envelope).hex()
        try:
            read = envelope.read(stored.envelope)
            said = statement.read(read.payload)
        except TrustError:
            self._unreadable.append(stored.seq)
            return
        void = "" if leaf == stored.leaf_hash else "its bytes are not the ones that were recorded"
        if not void:
            try:
                self._replay.judge(read, said, seq=stored.seq, leaf=leaf)
            except VoidEntryError as reason:
                void = str(reason)
            except TrustError as reason:
                void = reason.message
        self._facts.append(_fact(said, seq=stored.seq, leaf=stored.leaf_hash, void=void))
        if stored.seq == 0 and said.kind is Kind.GENESIS and said.predicate["replay"]:
            span = said.predicate["replay"]
            self._replayed = (span["from"], span["to"])


def _fact(said: Statement, *, seq: int, leaf: str, void: str) -> Fact:
    line = summarise(said, seq=seq, leaf_hash=leaf)
    subject = said.subjects[0]
    return Fact(
        seq=seq,
        leaf_hash=leaf,
        at=said.at,
        kind=said.kind,
        event=line.event,
        model=line.model,
        version=_version(subject.name, said.predicate),
        sha256=subject.sha256,
        actor=line.actor,
        role=line.role,
        sentence=line.sentence,
        # A sign-in says nothing that a report needs beyond its line; a long log holds a great many of them.
        said=_UNREAD if line.event == "event:sign-in" else said.predicate,
        void=void,
    )


def _version(name: str, predicate: Mapping[str, Any]) -> str:
    if name.startswith("models:/"):
        return name.rpartition("/")[2]
    to = predicate.get("to")
    return str(to.get("version", "")) if isinstance(to, Mapping) else ""
