"""Which entry was changed and which of its fields: what was signed held against the line people search in. Pure.

The search line is made when an entry is added, from the entry alone. Where the two differ, one of them was changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from services.attestation import envelope, statement
from services.audit.models import LedgerRow
from services.audit.ports import LedgerIndex
from services.kernel.errors import TrustError
from services.ledger.merkle import leaf_hash
from services.ledger.ports import StoredEntry
from services.ledger.summary import summarise

_COMPARED = ("at", "kind", "event", "actor", "role", "subject", "sentence")
_BATCH = 500
UNREADABLE = "envelope"


def changed_fields(stored: StoredEntry, row: LedgerRow | None) -> tuple[str, ...]:
    """Names of the fields that differ between the signed bytes and the search line; empty when none does."""
    try:
        said = statement.read(envelope.read(stored.envelope).payload)
    except TrustError:
        return (UNREADABLE,)
    if row is None:
        return ()
    line = summarise(said, seq=stored.seq, leaf_hash=stored.leaf_hash)
    return tuple(name for name in _COMPARED if getattr(line, name) != getattr(row, name))


def broken_field(seq: int, stored: StoredEntry | None, row: LedgerRow | None) -> str:
    """The field of entry `seq` that fails verification, in words. `stored` is what the database holds there or next."""
    if stored is None or stored.seq != seq:
        return "the whole entry, which is gone"
    leaf = leaf_hash(stored.envelope).hex()
    if leaf == stored.leaf_hash:
        return "root"
    if row is not None and leaf == row.leaf_hash:
        return "leaf hash"
    fields = changed_fields(stored, row)
    return ", ".join(fields) or UNREADABLE


class SearchLines:
    """Lets entries pass to the verifier and notes on the way which search lines differ from what was signed."""

    def __init__(self, index: LedgerIndex) -> None:
        self._index = index
        self.differing: list[tuple[int, tuple[str, ...]]] = []

    def watch(self, entries: Iterable[StoredEntry]) -> Iterator[StoredEntry]:
        source = iter(entries)
        while batch := tuple(islice(source, _BATCH)):
            lines = {row.seq: row for row in self._index.rows(start=batch[0].seq, limit=_BATCH)}
            for stored in batch:
                row = lines.get(stored.seq)
                intact = leaf_hash(stored.envelope).hex() == stored.leaf_hash
                fields = changed_fields(stored, row) if intact and row is not None else ()
                if fields and fields != (UNREADABLE,):
                    self.differing.append((stored.seq, fields))
                yield stored
