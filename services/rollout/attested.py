"""Reads signed entries back and checks hash, form and signatures: nothing is done on the word of a table row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.attestation import envelope, statement
from services.attestation.keys import PublicKey
from services.kernel.errors import BrokenChainError, SignatureMismatchError
from services.ledger.merkle import leaf_hash
from services.ledger.ports import LedgerReader

PersonKeys = Callable[[str, str], Mapping[str, PublicKey]]
"""(issuer, subject) to that person's public keys by key id, retired ones too: old signatures stay good."""


class CheckedEntries:
    def __init__(self, *, reader: LedgerReader, service_key: PublicKey, person_keys: PersonKeys) -> None:
        self._reader = reader
        self._service_key = service_key
        self._person_keys = person_keys

    def require_valid(self, seq: int, leaf_hash_hex: str) -> Mapping[str, Any]:
        """The predicate of entry `seq`. Raises BrokenChainError, ForeignStatementError, SignatureMismatchError."""
        entry = self._reader.entry(seq)
        if entry is None or leaf_hash(entry.envelope).hex() != leaf_hash_hex:
            raise BrokenChainError(f"Entry {seq} of the ledger is not the one that was recorded.")
        sealed = envelope.read(entry.envelope)
        read = statement.read(sealed.payload)
        keys = {self._service_key.key_id: self._service_key}
        signer = read.predicate.get("signer")
        people: Mapping[str, PublicKey] = {}
        if isinstance(signer, Mapping):
            people = self._person_keys(str(signer["issuer"]), str(signer["sub"]))
            keys |= dict(people)
        good = sealed.verified_by(keys)
        if self._service_key.key_id not in good:
            raise SignatureMismatchError(f"Entry {seq} does not carry a valid signature of this service.")
        if signer is not None and not good & set(people):
            raise SignatureMismatchError(f"Entry {seq} does not carry a valid signature of the person it names.")
        return read.predicate
