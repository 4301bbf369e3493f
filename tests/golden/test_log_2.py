"""Format 2 adds delegations, exceptions, reviews, the machine's key and signed events; it verifies for ever too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from services.attestation import envelope, statement
from services.attestation.models import Kind
from services.ledger.ports import StoredEntry
from services.ledger.verify import Trusted, verify_log

STORED: dict[str, Any] = json.loads((Path(__file__).parent / "format_2" / "log.json").read_text(encoding="utf-8"))


def entries() -> list[StoredEntry]:
    return [
        StoredEntry(seq=item["seq"], envelope=item["envelope"].encode(), leaf_hash=item["leaf"], root=item["root"])
        for item in STORED["entries"]
    ]


def test_stored_log_of_format_2_verifies_with_its_one_void_entry() -> None:
    report = verify_log(
        entries(),
        checkpoints=[(size, text) for size, text in STORED["checkpoints"]],
        trusted=Trusted(genesis=STORED["genesis"]),
    )

    assert report.intact
    last = len(STORED["entries"]) - 1
    void = [problem.sentence for problem in report.problems if problem.severity == "void"]
    assert void == [f"Entry {last} is void: what was measured is not above the limit of its rule."]


def test_stored_log_of_format_2_holds_every_kind() -> None:
    kinds = {statement.read(envelope.read(item.envelope).payload).kind for item in entries()}

    assert kinds == set(Kind) - {Kind.POLICY}
