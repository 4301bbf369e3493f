"""Whether the log itself vouches for a checkpoint that comes back from outside the database, and still holds it."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from services.attestation.keys import PublicKey
from services.kernel.errors import BrokenChainError, TrustError
from services.ledger import note
from services.ledger.ports import LedgerReader
from services.ledger.replay import replayed_people


class LogIdentity(Protocol):
    """Name and public key of the log, as this deployment holds them outside the database."""

    @property
    def origin(self) -> str: ...

    @property
    def log_key(self) -> PublicKey: ...


def vouched(text: str, *, keys: LogIdentity, book: LedgerReader) -> note.Checkpoint:
    """What a note says, signed by the log key in use or one it replaced by a recorded ceremony. Raises TrustError."""
    own = keys.log_key
    try:
        return note.verify(text, origin=keys.origin, key=own)
    except TrustError:
        known = replayed_people(book.people_entries()).keyring.log_keys
        for earlier in known if own in known else ():
            with suppress(TrustError):
                return note.verify(text, origin=keys.origin, key=earlier)
        raise


def require_history(notes: tuple[tuple[int, str], ...], how: str, *, keys: LogIdentity, book: LedgerReader) -> None:
    """The log is at least as long as its highest checkpoint, and the same up to there.

    `notes` are (size, note), smallest first; `how` says in words where they are kept. Raises BrokenChainError.
    """
    if not notes:
        return
    size, text = notes[-1]
    checkpoint = vouched(text, keys=keys, book=book)
    entry = book.entry(size - 1)
    if checkpoint.size != size or entry is None:
        raise BrokenChainError(
            f"The ledger holds {book.head().size} entries, but {size} were {how}: newer ones are missing.",
            hint="The control room is read-only. Restore the newest database; nothing is added to a shorter log.",
        )
    if entry.root != checkpoint.root.hex():
        raise BrokenChainError(
            f"The ledger differs from what was {how} at {size} entries: this is another history.",
            hint="The control room is read-only. Compare the database with the receipts people hold.",
        )
