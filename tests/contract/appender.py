"""A process that appends events until it is done or killed, and prints each acknowledged entry."""

from __future__ import annotations

import sys
from pathlib import Path

from services.adapters.signing.anchors import Anchors
from services.adapters.signing.desk import KeyDesk
from services.adapters.sql.database import Database
from services.adapters.sql.ledger import SqlLedgerBook
from services.adapters.sql.people import SqlKeyStore
from services.kernel.clock import FrozenClock
from services.ledger.service import LedgerService
from tests.contract.deployment import STARTED


def main(url: str, home: str, name: str, count: str) -> None:
    database = Database(url)
    clock = FrozenClock(STARTED)
    desk = KeyDesk(SqlKeyStore(database), Path(home) / "keys", clock)
    book = SqlLedgerBook(database, desk, clock)
    ledger = LedgerService(book=book, desk=desk, keys=desk, clock=clock, anchors=Anchors(Path(home) / "anchors"))
    for number in range(int(count)):
        receipt = ledger.record_event(event="load", actor=None, detail={"by": name}, idem=f"{name}:{number}")
        print(receipt.seq, receipt.leaf_hash, number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
