"""Reads signed entries back and checks hash, form and signatures: nothing is done on the word of a table row."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, Self

from services.attestation import envelope, statement
from services.attestation.envelope import Envelope
from services.attestation.keys import PublicKey
from services.attestation.statement import Statement
from services.kernel.errors import BrokenChainError, SignatureMismatchError
from services.kernel.identity import MACHINE_ISSUER, MACHINE_SUBJECT
from services.ledger.merkle import leaf_hash
from services.ledger.ports import StoredEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedKey:
    """A key of the service that was in use from entry `since` to entry `until`, both included."""

    key: PublicKey
    since: int
    until: int


class KnownKeys(Protocol):
    def __call__(self, issuer: str, subject: str) -> Mapping[str, PublicKey]:
        """That person's public keys by key id, retired ones too: old signatures stay good."""
        ...

    def suspect_from(self, key_id: str) -> int | None:
        """The entry from which a compromised key cannot be relied on; None for any other key."""
        ...

    def replaced_service_keys(self) -> tuple[ReplacedKey, ...]: ...


class Entries(Protocol):
    def entry(self, seq: int) -> StoredEntry | None: ...

    def entries_at(self, seqs: Collection[int]) -> Mapping[int, StoredEntry]:
        """By sequence number; those that are not there are left out."""
        ...


class CheckedEntries:
    def __init__(
        self,
        *,
        reader: Entries,
        service_key: PublicKey,
        person_keys: KnownKeys,
        machine_key: PublicKey | None = None,
    ) -> None:
        self._reader = reader
        self._service_key = service_key
        self._person_keys = person_keys
        self._machine_key = machine_key

    def ahead(self, seqs: Collection[int]) -> Self:
        """The same checks of these entries, read in one go: a list of many asks the database a few times in all.

        What it holds is a moment; it is made for one list and thrown away with it.
        """
        return type(self)(
            reader=_Read(self._reader.entries_at(seqs)),
            service_key=self._service_key,
            person_keys=_Once(self._person_keys),
            machine_key=self._machine_key,
        )

    def require_valid(self, seq: int, leaf_hash_hex: str) -> Mapping[str, Any]:
        """The predicate of entry `seq`. Raises BrokenChainError, ForeignStatementError, SignatureMismatchError."""
        entry = self._reader.entry(seq)
        if entry is None or leaf_hash(entry.envelope).hex() != leaf_hash_hex:
            raise BrokenChainError(f"Entry {seq} of the ledger is not the one that was recorded.")
        return self._signed(seq, envelope.read(entry.envelope)).predicate

    def require_cited(self, seq: int, statement_sha256: str) -> Statement:
        """The entry whose statement has this digest. Raises as `require_valid`."""
        entry = self._reader.entry(seq)
        sealed = envelope.read(entry.envelope) if entry else None
        if sealed is None or hashlib.sha256(sealed.payload).hexdigest() != statement_sha256:
            raise BrokenChainError(f"Entry {seq} of the ledger is not the one that was cited.")
        return self._signed(seq, sealed)

    def _signed(self, seq: int, sealed: Envelope) -> Statement:
        """The statement, once the service and the person it names have signed it."""
        read = statement.read(sealed.payload)
        former = (one.key for one in self._person_keys.replaced_service_keys() if one.since <= seq <= one.until)
        service = {self._service_key.key_id: self._service_key, **{key.key_id: key for key in former}}
        keys = dict(service)
        signer = read.predicate.get("signer")
        people: Mapping[str, PublicKey] = {}
        if isinstance(signer, Mapping):
            people = self._keys_of(str(signer["issuer"]), str(signer["sub"]))
            keys |= dict(people)
        good = sealed.verified_by(keys)
        if not good & set(service):
            raise SignatureMismatchError(f"Entry {seq} does not carry a valid signature of this service.")
        if signer is not None and not good & set(people):
            raise SignatureMismatchError(f"Entry {seq} does not carry a valid signature of the person it names.")
        self._require_unsuspected(seq, good & set(people))
        return read

    def _keys_of(self, issuer: str, subject: str) -> Mapping[str, PublicKey]:
        """The machine's key in use comes from this deployment's key files, earlier ones from the ceremonies."""
        known = dict(self._person_keys(issuer, subject))
        if (issuer, subject) == (MACHINE_ISSUER, MACHINE_SUBJECT) and self._machine_key is not None:
            known[self._machine_key.key_id] = self._machine_key
        return known

    def _require_unsuspected(self, seq: int, keys: frozenset[str]) -> None:
        for key_id in keys:
            since = self._person_keys.suspect_from(key_id)
            if since is not None and seq >= since:
                raise SignatureMismatchError(
                    f"Entry {seq} was signed with a key that is compromised from entry {since} on.",
                    hint="The decision has to be made again with a key that can be relied on.",
                )


class _Read:
    def __init__(self, found: Mapping[int, StoredEntry]) -> None:
        self._found = found

    def entry(self, seq: int) -> StoredEntry | None:
        return self._found.get(seq)

    def entries_at(self, seqs: Collection[int]) -> Mapping[int, StoredEntry]:
        return {seq: self._found[seq] for seq in seqs if seq in self._found}


class _Once:
    """Keys, each asked for once."""

    def __init__(self, keys: KnownKeys) -> None:
        self._of = cache(keys.__call__)
        self.suspect_from = cache(keys.suspect_from)
        self.replaced_service_keys = cache(keys.replaced_service_keys)

    def __call__(self, issuer: str, subject: str) -> Mapping[str, PublicKey]:
        return self._of(issuer, subject)
