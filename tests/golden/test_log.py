"""Signatures of every released format verify for ever; `format_1` was written once and is never written again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from services.attestation import envelope, statement
from services.attestation.models import Kind
from services.ledger import merkle, note
from services.ledger.ports import StoredEntry
from services.ledger.verify import LogReport, Trusted, verify_log

FOLDER = Path(__file__).parent / "format_1"
STORED: dict[str, Any] = json.loads((FOLDER / "log.json").read_text(encoding="utf-8"))


def entries(changed: dict[int, str] | None = None, *, rebuilt: bool = False) -> list[StoredEntry]:
    frontier = merkle.Frontier()
    made = []
    for item in STORED["entries"]:
        data = (changed or {}).get(item["seq"], item["envelope"]).encode()
        frontier = frontier.push(merkle.leaf_hash(data))
        leaf, root = (merkle.leaf_hash(data).hex(), frontier.root.hex()) if rebuilt else (item["leaf"], item["root"])
        made.append(StoredEntry(seq=item["seq"], envelope=data, leaf_hash=leaf, root=root))
    return made


def verified(items: list[StoredEntry], checkpoints: list[Any] | None = None, **more: Any) -> LogReport:
    notes = STORED["checkpoints"] if checkpoints is None else checkpoints
    return verify_log(
        items, checkpoints=[(size, text) for size, text in notes], trusted=Trusted(genesis=STORED["genesis"]), **more
    )


def integrity(report: LogReport) -> str:
    return " ".join(problem.sentence for problem in report.problems if problem.severity == "integrity")


def test_stored_log_verifies_with_its_one_void_entry() -> None:
    report = verified(entries())

    assert report.intact
    assert report.entries == 23
    void = [problem.sentence for problem in report.problems if problem.severity == "void"]
    assert void == ["Entry 21 is void: the role auditor does not allow it."]


def test_stored_envelopes_verify_with_an_independent_implementation() -> None:
    genesis = statement.read(envelope.read(STORED["entries"][0]["envelope"].encode()).payload)
    described = next(item for item in genesis.predicate["keys"] if item["use"] == "service")
    key = described["key"]
    service = SSlibKey(described["keyid"], key["keytype"], key["scheme"], key["keyval"])

    for item in STORED["entries"]:
        assert Envelope.from_dict(json.loads(item["envelope"])).verify([service], 1)


def test_stored_log_holds_one_statement_of_each_kind_that_acts() -> None:
    kinds = {statement.read(envelope.read(item.envelope).payload).kind for item in entries()}

    assert kinds >= {Kind.GENESIS, Kind.KEYRING, Kind.REQUEST, Kind.DECISION, Kind.ACTION, Kind.OUTCOME, Kind.EVENT}


def test_stored_receipt_stands_alone() -> None:
    index, path, checkpoint = note.read_proof((FOLDER / "receipt-15.txt").read_text(encoding="utf-8"))
    leaf = merkle.leaf_hash(STORED["entries"][15]["envelope"].encode())

    assert merkle.root_from_inclusion(leaf, index, note.read(checkpoint).size, path) == note.read(checkpoint).root


@pytest.mark.parametrize("seq", [0, 1, 13, 14, 22])
def test_edited_entry_breaks_the_stored_log(seq: int) -> None:
    data = STORED["entries"][seq]["envelope"]
    edited = data.replace('"sig":"', '"sig":"A', 1) if seq else data.replace("payload", "Payload", 1)

    assert not verified(entries({seq: edited})).intact


def test_edited_entry_is_found_although_the_tree_was_rebuilt() -> None:
    report = verified(entries({13: STORED["entries"][22]["envelope"]}, rebuilt=True))

    assert "saw another history" in integrity(report)
    assert "vouches for other entries" in integrity(report)


def test_reordered_entries_are_found() -> None:
    first, second = STORED["entries"][14]["envelope"], STORED["entries"][15]["envelope"]

    assert not verified(entries({14: second, 15: first}, rebuilt=True)).intact


def test_shortened_log_is_found_by_its_checkpoints_or_an_anchor() -> None:
    short, anchor = entries()[:20], STORED["checkpoints"][-1]

    assert "Newer entries were removed" in integrity(verified(short))
    # Shortened with its checkpoints it is a whole older copy: only an anchor kept elsewhere can tell.
    assert verified(short, STORED["checkpoints"][:20]).intact
    assert "Newer entries were removed" in integrity(
        verified(short, STORED["checkpoints"][:20], anchors=[(anchor[0], anchor[1])])
    )


def test_missing_or_forged_checkpoints_are_found() -> None:
    forged = [[size, text[:-10] + "AAAAAAAA=\n"] for size, text in STORED["checkpoints"]]

    assert "cannot be trusted" in integrity(verified(entries(), forged))
    assert "No checkpoint vouches" in integrity(verified(entries(), STORED["checkpoints"][:-1]))
    assert "speaks of" in integrity(verified(entries(), [[size + 1, text] for size, text in STORED["checkpoints"]]))


def test_other_genesis_and_empty_log_are_found() -> None:
    other = verify_log(entries(), checkpoints=[], trusted=Trusted(genesis="0" * 64, origin="elsewhere"))

    assert "fingerprint" in integrity(other)
    assert "elsewhere" in integrity(other)
    assert not verify_log([], checkpoints=[]).intact


def test_progress_is_told_and_a_growing_log_is_judged_fairly() -> None:
    seen: list[tuple[int, int]] = []
    notes = [(size, text) for size, text in STORED["checkpoints"]]

    report = verify_log(
        entries()[:20],
        checkpoints=notes,
        growing_from=notes[17],
        total=20,
        progress=lambda done, total: seen.append((done, total)),
    )

    assert report.intact
    assert seen[0] == (1, 20)
    assert seen[-1] == (20, 20)
