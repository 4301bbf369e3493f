"""Checkpoints are C2SP signed notes; one changed character breaks them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.attestation.keys import describe
from services.kernel.errors import TrustError
from services.ledger import note

ORIGIN = "tests/countersign/log-1"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = describe(PRIVATE.public_key())
CHECKPOINT = note.Checkpoint(origin=ORIGIN, size=5, root=bytes(32))
SIGNED = note.sign(CHECKPOINT, key=KEY, signer=PRIVATE.sign)


def test_note_has_three_lines_and_a_signature_line() -> None:
    lines = SIGNED.split("\n")

    assert lines[:4] == [ORIGIN, "5", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ""]
    assert lines[4].startswith(f"— {ORIGIN} ")
    assert note.verify(SIGNED, origin=ORIGIN, key=KEY) == CHECKPOINT
    assert note.verifier_key(ORIGIN, KEY).startswith(f"{ORIGIN}+{note.key_hash(ORIGIN, KEY).hex()}+AQ")


@given(st.integers(0, len(SIGNED) - 1), st.characters(min_codepoint=32, max_codepoint=126))
def test_one_changed_character_is_noticed(place: int, letter: str) -> None:
    changed = SIGNED[:place] + letter + SIGNED[place + 1 :]
    if changed == SIGNED:
        return

    with pytest.raises(TrustError):
        note.verify(changed, origin=ORIGIN, key=KEY)


@pytest.mark.parametrize(
    "changed",
    [
        "",
        "a\nb",
        SIGNED.replace("\n5\n", "\n05\n"),
        SIGNED.replace("\n5\n", "\n+5\n"),
        SIGNED.replace("\n5\n", "\n-5\n"),
        SIGNED.replace("\n\n", "\nextension\n\n"),
        SIGNED.rstrip("\n"),
        SIGNED.split("\n\n")[0] + "\n\n",
        SIGNED.replace("AAA=", "="),
    ],
)
def test_other_forms_are_refused(changed: str) -> None:
    with pytest.raises(TrustError):
        note.verify(changed, origin=ORIGIN, key=KEY)


def test_foreign_log_and_foreign_key_are_refused() -> None:
    with pytest.raises(TrustError):
        note.verify(SIGNED, origin="other/log", key=KEY)
    with pytest.raises(TrustError):
        note.verify(SIGNED, origin=ORIGIN, key=describe(Ed25519PrivateKey.generate().public_key()))


def test_additional_signatures_do_not_disturb() -> None:
    witnessed = SIGNED + "— witness.example AAAAAAAAAAAA\n— broken ???\n"

    assert note.verify(witnessed, origin=ORIGIN, key=KEY) == CHECKPOINT


def test_receipt_is_read_as_it_was_written() -> None:
    text = note.proof_text(index=3, path=(bytes(32), b"\x01" * 32), checkpoint=SIGNED)

    assert note.read_proof(text) == (3, (bytes(32), b"\x01" * 32), SIGNED)
    for broken in ("", "x\n\n", text.replace("index 3", "index x"), text.replace("index 3", "place 3")):
        with pytest.raises(TrustError):
            note.read_proof(broken)


@pytest.mark.parametrize("name", ["", "with blank", "with+plus", "line\nbreak", "x" * 300])
def test_names_that_cannot_name_a_log(name: str) -> None:
    assert not note.is_origin(name)
