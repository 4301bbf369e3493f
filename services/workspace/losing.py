"""What is known about a ledger that was restored shorter than its anchors, as a file the next log begins with.

Nothing is added to the old ledger. What people added to the restored copy (a sign-in, traffic sent back) does not count
as held. The file proves nothing by itself: what counts is that the administrators sign what it says with the first
entry of the new log, and that its checkpoint carries the signature of the old one.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from services import databases
from services.adapters.signing import restored
from services.adapters.signing.anchors import Anchors
from services.adapters.signing.desk import KeyDesk
from services.adapters.sql.ledger import SqlLedgerReader
from services.adapters.sql.people import SqlKeyStore
from services.adapters.sql.registry_anchors import SqlRegistryAnchors
from services.attestation.keys import PublicKey, read_key
from services.kernel.clock import Clock
from services.kernel.errors import BrokenChainError, ConflictError, InputError, TrustError
from services.ledger import epochs, note
from services.ledger.epochs import Loss, Span
from services.ledger.ports import LedgerReader
from services.ledger.registry_anchors import RegistryAnchors
from services.ledger.replay import replayed_people
from services.ledger.verify import Trusted, verify_log
from services.settings import Settings

FORMAT = "countersign-loss-1"


def _held(settings: Settings, reader: LedgerReader) -> Span:
    """Where the copy ended when it was restored, if that was written down and is so; otherwise where it ends."""
    noted = restored.place(settings.home)
    entry = reader.entry(noted[0] - 1) if noted is not None else None
    if noted is not None and entry is not None and entry.root == noted[1]:
        return Span(size=noted[0], root=noted[1])
    head = reader.head()
    return Span(size=head.size, root=head.root)


def examine(settings: Settings, *, reason: str, clock: Clock) -> Loss:
    """What is held of the ledger that stands here, beside what was anchored of it.

    Raises InputError when nothing is lost, BrokenChainError when it is another history rather than a shorter one, and
    TrustError when the part that is held does not verify.
    """
    database = databases.connect(settings, statement_seconds=0)
    try:
        reader, desk = SqlLedgerReader(database), KeyDesk(SqlKeyStore(database), settings.keys_folder, clock)
        registry = RegistryAnchors(store=SqlRegistryAnchors(database), book=reader, keys=desk, clock=clock)
        notes = sorted((*Anchors(settings.anchors_folder).notes(), *registry.notes()))
        if not notes:
            raise InputError("Nothing was anchored outside this database, so it cannot be said what is lost.")
        size, text = notes[-1]
        first = reader.entry(0)
        if first is None:
            raise InputError("There is no entry at all: restore a backup first, however old.")
        key, checkpoint = _signed_by(text, desk, reader)
        reached = reader.entry(size - 1)
        if checkpoint.size != size or (reached is not None and reached.root == checkpoint.root.hex()):
            raise InputError("Nothing is lost: the ledger holds everything that its anchors vouch for.")
        held = _held(settings, reader)
        if held.size >= size:
            raise _other_history()
        _require_sound(reader, notes, desk, size=held.size)
        return Loss(
            origin=desk.origin,
            genesis=first.leaf_hash,
            log_key=key,
            checkpoint=text,
            anchored=Span(size=size, root=checkpoint.root.hex()),
            held=held,
            reason=reason,
        )
    finally:
        database.dispose()


def _require_format(given: dict[str, Any]) -> None:
    if given["format"] != FORMAT:
        raise ValueError(given["format"])


def _signed_by(text: str, desk: KeyDesk, reader: LedgerReader) -> tuple[PublicKey, note.Checkpoint]:
    """The log's key behind the newest anchor: the one in use, or one it replaced."""
    known = [desk.log_key, *replayed_people(reader.people_entries()).keyring.log_keys]
    for key in known[:-1]:
        try:
            return key, note.verify(text, origin=desk.origin, key=key)
        except TrustError:
            continue
    return known[-1], note.verify(text, origin=desk.origin, key=known[-1])


def _require_sound(reader: LedgerReader, notes: list[tuple[int, str]], desk: KeyDesk, *, size: int) -> None:
    """The first `size` entries must verify by themselves, and agree with every anchor they reach."""
    report = verify_log(
        itertools.islice(reader.entries(), size),
        checkpoints=(item for item in reader.checkpoints() if item[0] <= size),
        anchors=[item for item in notes if item[0] <= size],
        trusted=Trusted(origin=desk.origin, log_key=desk.log_key),
    )
    if not report.intact:
        raise _other_history()


def _other_history() -> BrokenChainError:
    return BrokenChainError(
        "What is held of this ledger does not verify: it is another history, not a shorter one.",
        hint="Run python -m services verify, and compare the database with the receipts people hold.",
    )


def write(loss: Loss, file: Path) -> None:
    """Raises ConflictError when the file exists."""
    if file.exists():
        raise ConflictError(f"{file} exists already; nothing was replaced.")
    text = json.dumps({"format": FORMAT, **epochs.document(loss, stated_by=[])}, indent=2, sort_keys=True)
    file.write_text(f"{text}\n", encoding="utf-8")


def read(file: Path) -> Loss:
    """Raises InputError for a file that is none, TrustError when its checkpoint is not signed by the log it names."""
    try:
        given: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        _require_format(given)
        loss = Loss(
            origin=str(given["origin"]),
            genesis=str(given["genesis"]),
            log_key=read_key(given["logKey"]),
            checkpoint=str(given["checkpoint"]),
            anchored=Span(**given["anchored"]),
            held=Span(**given["held"]),
            reason=str(given["reason"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as broken:
        raise InputError(
            f"{file} does not state a loss ({type(broken).__name__}).",
            hint="Make one with python -m services state-loss, where the old ledger was restored.",
        ) from broken
    epochs.require_vouched(epochs.document(loss, stated_by=[]))
    return loss
