"""Whether the log itself vouches for a checkpoint that comes back from outside the database."""

from __future__ import annotations

from contextlib import suppress

from services.kernel.errors import TrustError
from services.ledger import note
from services.ledger.ports import CheckpointSigner, LedgerReader
from services.ledger.replay import replayed_people


def vouched(text: str, *, keys: CheckpointSigner, book: LedgerReader) -> note.Checkpoint:
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
