"""Checks a Countersign audit pack without Countersign: one file, Python 3.11 or newer, and the library `cryptography`.

    python verify.py PACK.zip [--pin HASH] [--anchor FILE ...] [--json]

PACK is the zip or the folder it was unpacked to. Nothing in it is believed because it says so: from the bytes of the
entries alone this program rebuilds the Merkle tree, checks every signature, replays who held which key and role at
each entry, and judges every change of production again. `--pin` is the fingerprint of the first entry as you hold it,
`--anchor` a checkpoint somebody kept outside the system. Without them a pack that was made up as a whole, or cut
short, can still agree with itself.

Exit code: 0 everything holds and no finding is open; 1 the log holds, findings are open; 2 something was changed;
3 the pack cannot be read. The output depends on the pack and these options only: no clock, locale, zone or network.
It was written apart from the product's own verifier and shares no code with it.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import struct
import sys
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

FORMAT = "countersign.pack/1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
LARGEST_ENVELOPE = 60 * 1024
LARGEST_FILE = 512 * 1024 * 1024
WIDTH = 256
LATE = timedelta(minutes=10)
LONGEST_DELEGATION = timedelta(days=90)
INTEGRITY, VOID, FINDING, NOTE = "integrity", "void", "finding", "note"
MACHINE = ("countersign:machine", "machine")
COUNTING = ("approve", "acknowledge")
CLOSING = ("reject", "withdraw", "revoke")


class Wrong(Exception):
    """Something does not hold; the text says what."""


# ---------------------------------------------------------------------------------------------------------------------
# Canonical documents (RFC 8785 without floats), base64 in its one form


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_sha256(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def parse(data: bytes) -> dict[str, Any]:
    """The one object these canonical bytes spell; any other spelling is refused."""
    try:
        text = data.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError):
        raise Wrong("the bytes are not strict JSON") from None
    if not isinstance(document, dict):
        raise Wrong("the outermost value is not an object")
    _require_plain(document, 0)
    # Sorted compact JSON is the canonical form as long as keys hold no characters beyond U+FFFF.
    plain = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if plain != text and "".join(_spelled(document)) != text:
        raise Wrong("the bytes are not in canonical form")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError
    return document


def _no_float(_text: str) -> None:
    raise ValueError


def _require_plain(value: Any, depth: int) -> None:
    if depth > 32:
        raise Wrong("the document is nested too deeply")
    if isinstance(value, dict):
        for item in value.values():
            _require_plain(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _require_plain(item, depth + 1)
    elif isinstance(value, int) and abs(value) >= 2**53:
        raise Wrong("an integer is beyond 2^53")


def _spelled(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield "{"
        for number, key in enumerate(sorted(value, key=lambda name: name.encode("utf-16-be"))):
            yield ("," if number else "") + json.dumps(key, ensure_ascii=False) + ":"
            yield from _spelled(value[key])
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, item in enumerate(value):
            yield "," if number else ""
            yield from _spelled(item)
        yield "]"
    else:
        yield json.dumps(value, ensure_ascii=False)


def unbase64(text: Any) -> bytes:
    if not isinstance(text, str):
        raise Wrong("something other than base64 text stands where base64 belongs")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise Wrong("text that is not base64 stands where base64 belongs") from None
    if base64.b64encode(data).decode() != text:
        raise Wrong("base64 is not in its canonical form")
    return data


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)  # noqa: UP017 - reads the same


# ---------------------------------------------------------------------------------------------------------------------
# Keys, signatures, the envelope


class Key:
    """A public key as the log describes it. The algorithm is taken from here, never from an envelope."""

    def __init__(self, document: Any) -> None:
        shaped = (
            isinstance(document, dict)
            and set(document) == {"keytype", "scheme", "keyval"}
            and isinstance(document["keyval"], dict)
            and set(document["keyval"]) == {"public"}
        )
        if not shaped:
            raise Wrong("a key description has the wrong shape")
        self.keytype, self.scheme, self.public = document["keytype"], document["scheme"], document["keyval"]["public"]
        if not all(isinstance(text, str) for text in (self.keytype, self.scheme, self.public)):
            raise Wrong("a key description has the wrong shape")
        self.loaded = self._load()

    def _load(self) -> Ed25519PublicKey | EllipticCurvePublicKey:
        try:
            if (self.keytype, self.scheme) == ("ed25519", "ed25519") and is_sha256(self.public):
                return Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public))
            if (self.keytype, self.scheme) == ("ecdsa", "ecdsa-sha2-nistp256"):
                key = load_pem_public_key(self.public.encode())
                if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
                    return key
        except ValueError:
            raise Wrong("a key description holds no usable public key") from None
        raise Wrong(f"keys of type {self.keytype!r} with scheme {self.scheme!r} are not accepted")

    @property
    def id(self) -> str:
        """SHA-256 over the description in the canonical JSON of securesystemslib."""
        quoted = ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in
                  (self.keytype, self.public, self.scheme)]  # fmt: skip
        text = '{"keytype":%s,"keyval":{"public":%s},"scheme":%s}' % tuple(quoted)
        return sha256(text.encode())

    def verifies(self, message: bytes, signature: bytes) -> bool:
        try:
            if isinstance(self.loaded, Ed25519PublicKey):
                self.loaded.verify(signature, message)
            else:
                self.loaded.verify(signature, message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


class Signed(NamedTuple):
    key_id: str
    value: bytes
    touched: tuple[bytes, bytes] | None
    """authenticatorData and clientDataJSON, where a passkey made it."""


def unbase64url(text: Any) -> bytes:
    """base64url without padding, in its one spelling."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise Wrong("something other than base64url stands where it belongs")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise Wrong("something other than base64url stands where it belongs") from None
    if base64.urlsafe_b64encode(data).decode().rstrip("=") != text:
        raise Wrong("base64url is not in its canonical form")
    return data


def passkey_problem(touched: tuple[bytes, bytes], signature: bytes, holder: Holder, payload: bytes) -> str:
    """Why a passkey's assertion (W3C WebAuthn, 7.2) does not stand for this payload; empty when it does."""
    data, client = touched
    try:
        said = json.loads(client.decode("utf-8"))
    except ValueError:
        said = None
    if not isinstance(said, dict) or len(data) < 37 or holder.party is None:
        return "cannot be read"
    digest = hashlib.sha256(pre_authentication(payload)).digest()
    if said.get("type") != "webauthn.get":
        return "is not a signature but something else"
    if said.get("challenge") != base64.urlsafe_b64encode(digest).decode().rstrip("="):
        return "was made for another statement"
    if said.get("origin") != holder.party[1] or said.get("crossOrigin", False) is not False:
        return "was made on a page of another origin"
    if data[:32] != hashlib.sha256(holder.party[0].encode()).digest():
        return "was made for another host"
    if data[32] & 0x05 != 0x05:
        return "was made without verifying its owner"
    if not holder.key.verifies(data + hashlib.sha256(client).digest(), signature):
        return "does not match what is signed"
    return ""


def read_envelope(data: bytes) -> tuple[bytes, list[Signed]]:
    """(payload, [(key id, signature)]) of a DSSE envelope with exactly the fields Countersign writes."""
    if len(data) > LARGEST_ENVELOPE:
        raise Wrong("the envelope is larger than any the product writes")
    document = parse(data)
    if set(document) != {"payload", "payloadType", "signatures"} or document["payloadType"] != PAYLOAD_TYPE:
        raise Wrong("the outer fields or the payload type of the envelope differ")
    given = document["signatures"]
    if not isinstance(given, list) or not given:
        raise Wrong("the envelope carries no signature")
    signatures = []
    for item in given:
        shaped = isinstance(item, dict) and {"keyid", "sig"} <= set(item) <= {"keyid", "sig", "webauthn"}
        if not shaped or not is_sha256(item["keyid"]):
            raise Wrong("a signature has the wrong shape")
        touched = None
        if "webauthn" in item:
            made = item["webauthn"]
            if not isinstance(made, dict) or set(made) != {"authenticatorData", "clientDataJSON"}:
                raise Wrong("the assertion of a passkey has the wrong shape")
            touched = (unbase64url(made["authenticatorData"]), unbase64url(made["clientDataJSON"]))
        signatures.append(Signed(item["keyid"], unbase64(item["sig"]), touched))
    if len({signed.key_id for signed in signatures}) != len(signatures):
        raise Wrong("the envelope carries two signatures of one key")
    return unbase64(document["payload"]), signatures


def pre_authentication(payload: bytes) -> bytes:
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


# ---------------------------------------------------------------------------------------------------------------------
# The Merkle tree (RFC 6962) and signed checkpoints (C2SP signed notes)

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


class Tree:
    """Grows leaf by leaf; keeps the root at every size (32 bytes per entry) and the peaks, nothing else."""

    def __init__(self) -> None:
        self.peaks: list[tuple[int, bytes]] = []
        self.roots = [EMPTY]

    @property
    def size(self) -> int:
        return len(self.roots) - 1

    def add(self, leaf: bytes) -> None:
        height, node = 0, leaf
        while self.peaks and self.peaks[-1][0] == height:
            node = hashlib.sha256(b"\x01" + self.peaks.pop()[1] + node).digest()
            height += 1
        self.peaks.append((height, node))
        root = self.peaks[-1][1]
        for _, left in reversed(self.peaks[:-1]):
            root = hashlib.sha256(b"\x01" + left + root).digest()
        self.roots.append(root)


def root_by_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    if not 0 <= index < size:
        return None
    node, position, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            return None
        if position % 2 or position == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        position, last = position >> 1, last >> 1
    return node if last == 0 else None


def roots_by_consistency(older: int, newer: int, old_root: bytes, path: list[bytes]) -> tuple[bytes, bytes] | None:
    """The two roots a consistency proof leads to (RFC 9162, 2.1.4.2); None when its length does not fit."""
    if not 0 < older < newer or not path:
        return None
    nodes = [old_root, *path] if older & (older - 1) == 0 else list(path)
    position, last = older - 1, newer - 1
    while position % 2:
        position, last = position >> 1, last >> 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return None
        if position % 2 or position == last:
            first = hashlib.sha256(b"\x01" + node + first).digest()
            second = hashlib.sha256(b"\x01" + node + second).digest()
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            second = hashlib.sha256(b"\x01" + second + node).digest()
        position, last = position >> 1, last >> 1
    return (first, second) if last == 0 else None


def read_note(text: str) -> tuple[str, int, bytes, str]:
    """(origin, size, root, signature lines) of a checkpoint, unverified."""
    body, _, signatures = text.partition("\n\n")
    lines = body.split("\n")
    if len(lines) != 3 or not signatures.endswith("\n") or not re.fullmatch(r"0|[1-9][0-9]{0,15}", lines[1]):
        raise Wrong("a checkpoint does not have its three lines")
    root = unbase64(lines[2])
    if len(root) != 32:
        raise Wrong("a checkpoint does not hold a root of 32 bytes")
    return lines[0], int(lines[1]), root, signatures


def verify_note(text: str, origin: str, keys: list[Key]) -> tuple[int, bytes]:
    """(size, root), once one of the log's keys vouches for them."""
    named, size, root, signatures = read_note(text)
    if named != origin:
        raise Wrong(f"it belongs to the log {named!r}")
    message = text.partition("\n\n")[0].encode() + b"\n"
    for key in keys:
        raw = bytes.fromhex(key.public)
        hint = hashlib.sha256(origin.encode() + b"\n\x01" + raw).digest()[:4]
        for line in signatures.split("\n"):
            name, _, encoded = line.removeprefix("\N{EM DASH} ").partition(" ")
            try:
                blob = unbase64(encoded)
            except Wrong:
                continue
            ours = line.startswith("\N{EM DASH} ") and name == origin and blob[:4] == hint
            if ours and key.verifies(message, blob[4:]):
                return size, root
    raise Wrong("no key of this log signed it")


# ---------------------------------------------------------------------------------------------------------------------
# Shapes of statements: which fields each kind has. Anything else is refused.

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _map(value: Any) -> bool:
    return isinstance(value, dict)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


def _digest(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"sha256"} and is_sha256(value["sha256"])


def _time(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(moment(value))
    except ValueError:
        return False


def _words(*words: str) -> Check:
    return lambda value: isinstance(value, str) and value in words


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _each(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _fields(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    known = {**required, **(optional or {})}
    return lambda value: (
        isinstance(value, dict)
        and set(required) <= set(value) <= set(known)
        and all(known[name](item) for name, item in value.items())
    )


def _identity(value: Any) -> bool:
    return _texts(value) and {"issuer", "sub", "name"} <= set(value)


_SIGNER = _fields({"issuer": _text, "sub": _text, "name": _text, "role": _text})
_VERSION = _fields({"version": _text}, {"digest": _digest})
_KEY = _fields({"keytype": lambda _: True, "scheme": lambda _: True, "keyval": lambda _: True})
_HEAD = _fields({"origin": _name, "size": _count, "root": is_sha256})
_SERVICE = _fields({"id": _name, "version": _name, "build": _digest})
_ENTRY = _fields({"entry": _count, "sha256": is_sha256})
_REQUEST = _fields({"id": _name, "digest": _digest, "entry": _count})
_ROUTE = _fields({"version": _name, "share": _count})
_EMERGENCY = _fields({"mode": _words("forward", "skip"), "reasonCode": _name, "reason": _digest, "reviewBy": _time})
_OBEYS = _fields(
    {
        "request": _REQUEST,
        "rule": _name,
        "above": _name,
        "measured": _name,
        "windowMinutes": _count,
        "requests": _count,
    }
)
_LEVELS = ("L1", "L2", "L3")
_LEVEL = _words(*_LEVELS)
_SIGNED: dict[str, Check] = {"signer": _SIGNER, "authentication": _map}
_COMMON: dict[str, Check] = {
    "at": _time,
    "nonce": lambda value: isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value) is not None,
    "log": _HEAD,
    "service": _SERVICE,
}
_SPAN = _fields({"size": _count, "root": is_sha256})
_PREVIOUS = _fields(
    {
        "origin": _name,
        "genesis": is_sha256,
        "logKey": _KEY,
        "checkpoint": _name,
        "anchored": _SPAN,
        "held": _SPAN,
        "reason": _name,
        "statedBy": _each(_identity),
    }
)


def _previous(value: Any) -> bool:
    """The log this one goes on from after a loss."""
    return _PREVIOUS(value) and bool(value["held"]["size"] < value["anchored"]["size"])


# kind: (required, optional)
SHAPES: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "genesis": (
        {
            "origin": _name,
            "profile": _name,
            "logKey": _KEY,
            "keys": _list,
            "roles": _map,
            "policy": _map,
            "previous": _or_null(_previous),
            "replay": _or_null(_fields({"from": _time, "to": _time})),
        },
        _SIGNED,
    ),
    "keyring": (
        {
            "op": _words(
                "enrol",
                "revoke",
                "grant",
                "withdraw",
                "rotate-service",
                "rotate-log",
                "disable",
                "enable",
                "enrol-machine",
                "enrol-passkey",
            ),
        },
        {
            "person": _identity,
            "role": _name,
            "key": _KEY,
            "keyid": is_sha256,
            "level": _LEVEL,
            "reason": _text,
            "sinceIndex": _count,
            "until": _time,
            "validUntil": _time,
            "relyingParty": _fields({"id": _text, "origin": _text, "credential": _text}),
            **_SIGNED,
        },
    ),
    "policy": (
        {"name": _name, "version": _name, "digest": _digest},
        {
            "need": _map,
            "approvalTTL": _text,
            "keyringSigners": _count,
            "minLevel": _LEVEL,
            "document": _map,
            **_SIGNED,
        },
    ),
    "request": (
        {
            "id": _name,
            "action": _name,
            "target": _map,
            "from": _or_null(_VERSION),
            "to": _VERSION,
            "evidence": _map,
            "expires": _time,
            **_SIGNED,
        },
        {
            "title": _text,
            "tier": _text,
            "revision": _count,
            "note": _digest,
            "quorum": _list,
            "terms": _map,
            "rollback": _or_null(_map),
            "changes": _list,
            "supersedes": _or_null(_map),
            "purpose": _words("promotion", "reattestation", "adoption", "retirement"),
            "parts": _texts,
            "exceptions": _list,
        },
    ),
    "decision": (
        {
            "request": _REQUEST,
            "decision": _words("approve", "acknowledge", "request-changes", "reject", "abstain", "withdraw", "revoke"),
            "meaning": _name,
            "shown": _fields({"digest": _digest}),
            **_SIGNED,
        },
        {
            "comment": _or_null(_digest),
            "reasonCode": _text,
            "revision": _count,
            "conditions": _list,
            "delegation": _ENTRY,
            "onBehalfOf": _identity,
            "role": _name,
            "bound": _map,
            "zone": _text,
        },
    ),
    "action": (
        {
            "id": _name,
            "kind": _name,
            "request": _or_null(_REQUEST),
            "decisions": _each(_ENTRY),
            "policy": _map,
            "target": _map,
            "from": _or_null(_VERSION),
            "to": _VERSION,
            "rollback": _or_null(_map),
            "notAfter": _time,
        },
        {
            "routes": _each(_ROUTE),
            "champion": _text,
            "plan": _list,
            "model": _text,
            "emergency": _EMERGENCY,
            "obeys": _OBEYS,
            "reverts": _ENTRY,
            "mirror": _ROUTE,
            "shadow": _ENTRY,
            "lowEvidence": _digest,
            **_SIGNED,
        },
    ),
    "outcome": (
        {"action": _name, "result": _name, "before": _VERSION, "after": _VERSION, "attempts": _text},
        {
            "digestAtWrite": _or_null(_digest),
            "routes": _each(_ROUTE),
            "detail": _text,
            "model": _text,
            "observed": _map,
        },
    ),
    "observation": (
        {},
        {
            "aliases": _texts,
            "digests": _map,
            "triggers": _words("ok", "missing"),
            "finding": _text,
            "model": _text,
            "detail": _texts,
            "routes": _each(_ROUTE),
        },
    ),
    "event": ({"event": _name, "model": _text, "detail": _texts, "actor": _or_null(_SIGNER)}, _SIGNED),
    "delegation": (
        {"op": _words("grant", "withdraw"), "id": _name, **_SIGNED},
        {"role": _name, "to": _identity, "tier": _name, "since": _time, "until": _time, "reason": _digest},
    ),
    "exception": (
        {"op": _words("propose", "grant", "refuse", "end"), "id": _name, **_SIGNED},
        {
            "model": _name,
            "gate": _name,
            "until": _time,
            "owner": _identity,
            "reason": _digest,
            "control": _digest,
            "proposal": _ENTRY,
        },
    ),
    "review": (
        {"id": _name, "of": _ENTRY, "conclusion": _words("accepted", "corrected", "roll-back"), **_SIGNED},
        {"comment": _or_null(_digest)},
    ),
}


class Statement:
    def __init__(self, payload: bytes) -> None:
        document = parse(payload)
        if set(document) != {"_type", "subject", "predicateType", "predicate"} or document["_type"] != STATEMENT_TYPE:
            raise Wrong("the outer fields of the statement differ")
        found = re.fullmatch(r"urn:countersign:([a-z]+):v1", str(document["predicateType"]))
        predicate = document["predicate"]
        if found is None or found[1] not in SHAPES or not isinstance(predicate, dict):
            raise Wrong("the type of the statement is unknown")
        self.kind = found[1]
        required, optional = SHAPES[self.kind]
        known = {**_COMMON, **required, **optional}
        for name, value in predicate.items():
            if name not in known:
                raise Wrong(f"a {self.kind} has no field `{name}`")
            if not known[name](value):
                raise Wrong(f"the field `{name}` of a {self.kind} has the wrong shape")
        for name in (*_COMMON, *required):
            if name not in predicate:
                raise Wrong(f"a {self.kind} lacks the field `{name}`")
        self.document, self.predicate, self.subjects = document, predicate, document["subject"]
        self.payload_sha256 = sha256(payload)
        self._require_subjects()
        self.at, self.nonce, self.head = moment(predicate["at"]), predicate["nonce"], predicate["log"]

    def _require_subjects(self) -> None:
        shape = _fields(
            {"name": _name, "digest": _digest}, {"annotations": lambda value: _texts(value) and value != {}}
        )
        if not isinstance(self.subjects, list) or not self.subjects or not all(map(shape, self.subjects)):
            raise Wrong("a subject of the statement has the wrong shape")

    @property
    def bytes_sha256(self) -> str:
        return str(self.subjects[0]["digest"]["sha256"])

    @property
    def about(self) -> tuple[str, str]:
        """(model, version); empty texts where the statement is about neither."""
        name = str(self.subjects[0]["name"])
        if name.startswith("models:/"):
            model, _, version = name.removeprefix("models:/").rpartition("/")
            return model, version
        target = self.predicate.get("target")
        if isinstance(target, dict) and isinstance(target.get("model"), str):
            return target["model"], ""
        return str(self.predicate.get("model", "")), ""


# ---------------------------------------------------------------------------------------------------------------------
# Replay: who held which key and role, which entries count, what changed production

Who = tuple[str, str]
ROLE_RIGHTS = {
    "compliance_officer": {"approve", "grant-exception", "publish-policy", "review", "delegate"},
    "business_owner": {"acknowledge", "retire", "withdraw", "review", "delegate"},
    "sre": {"roll-back", "advance", "break-glass", "revert", "adopt", "delegate"},
    "data_science_lead": {"request", "withdraw", "propose-exception", "adopt", "delegate"},
    "validator": {"validate", "review", "delegate"},
    "finance": {"delegate"},
    "auditor": set(),
    "admin": set(),
}


def who_of(person: dict[str, str]) -> Who:
    return person["issuer"], person["sub"]


class Holder:
    """An enrolled key and whose it is; `owner` is None for a service key."""

    def __init__(
        self, key: Key, owner: Who | None, name: str, level: str, party: tuple[str, str] | None = None
    ) -> None:
        self.key, self.owner, self.name, self.level = key, owner, name, level
        self.party = party
        """(host, origin) of a passkey, which signs beside its owner's own key and never in its place."""
        self.revoked = False
        self.suspect_from: int | None = None
        self.signed: list[int] = []


class Replay:
    """The state after the entries judged so far. An entry that breaks a rule has no effect and is reported."""

    def __init__(self) -> None:
        self.holders: dict[str, Holder] = {}
        self.log_keys: list[Key] = []
        self.roles: dict[Who, dict[str, datetime | None]] = {}
        self.disabled: set[Who] = set()
        self.embedded = False
        self.keyring_signers = 1
        self.least_level = "L2"
        self.nonces: set[bytes] = set()
        self.tiers: set[str] = set()
        self.requests: dict[int, dict[str, Any]] = {}
        self.decisions: dict[int, dict[str, Any]] = {}
        self.decided: set[tuple[int, Who]] = set()
        self.delegations: dict[int, dict[str, Any]] = {}
        self.exceptions: dict[str, dict[str, Any]] = {}
        self.actions: dict[str, dict[str, Any]] = {}
        self.reviews: dict[int, dict[str, Any]] = {}
        self.observed: list[tuple[int, str, str]] = []
        self.settled: dict[int, int] = {}
        self.findings: dict[int, str] = {}
        self.ordered: set[str] = set()
        self.shadows_ordered: set[int] = set()
        self.shadows_closed: dict[int, tuple[str, int, str]] = {}
        self.shadows_used: set[int] = set()
        self.previous: dict[str, Any] | None = None
        """The log this one goes on from after a loss, as its administrators stated it."""

    # signatures

    def signers(self, payload: bytes, signatures: list[Signed]) -> list[Holder]:
        message = pre_authentication(payload)
        found = []
        for signed in signatures:
            holder = self.holders.get(signed.key_id)
            if holder is None or holder.revoked:
                raise Wrong("it is signed with a key that is not enrolled, or no longer")
            if (signed.touched is None) != (holder.party is None):
                raise Wrong(f"the signature of {holder.name} is not of the kind the key was enrolled for")
            if signed.touched is None:
                found.append((holder, holder.key.verifies(message, signed.value)))
                continue
            problem = passkey_problem(signed.touched, signed.value, holder, payload)
            if problem:
                raise Wrong(f"the passkey signature of {holder.name} {problem}")
            found.append((holder, True))
        for holder, holds in found:
            if not holds:
                raise Wrong(f"the signature of {holder.name} does not match what is signed")
        if sum(holder.owner is None for holder, _ in found) != 1:
            raise Wrong("the signature of the service is missing")
        return [holder for holder, _ in found]

    def signer(self, said: Statement, signed: list[Holder]) -> Who | None:
        people = [holder for holder in signed if holder.owner is not None and holder.party is None]
        touched = [holder for holder in signed if holder.party is not None]
        named = said.predicate.get("signer")
        if named is None:
            if people or touched:
                raise Wrong("it carries a person's signature but names no signer")
            return None
        who = who_of(named)
        own = next((holder for holder in people if holder.owner == who), None)
        if own is None or own.name != named["name"]:
            raise Wrong(f"{named['name']} is named as signer, but did not sign it")
        if who == MACHINE and said.kind != "action":
            raise Wrong("the machine signs nothing but its own actions")
        if who != MACHINE and not self._reaches(own):
            raise Wrong(f"the key of {named['name']} does not reach level {self.least_level}")
        if who in self.disabled:
            raise Wrong(f"{named['name']} was disabled at this point")
        if not self.holds(who, named["role"], said.at):
            raise Wrong(f"{named['name']} did not hold the role {named['role']} at this point")
        after_loss = said.kind == "genesis" and said.predicate["previous"] is not None
        if len(people) > 1 and said.kind != "keyring" and not after_loss:
            raise Wrong("it carries signatures of people it does not name")
        if len(touched) != int("component3" in said.predicate.get("authentication", {})):
            raise Wrong("it names a passkey and carries none, or carries one it does not name")
        if any(holder.owner != who for holder in touched):
            raise Wrong("the passkey belongs to somebody else")
        return who

    def _reaches(self, holder: Holder) -> bool:
        return _LEVELS.index(holder.level) >= _LEVELS.index(self.least_level)

    def holds(self, who: Who, role: str, at: datetime) -> bool:
        if who in self.disabled or role not in self.roles.get(who, {}):
            return False
        until = self.roles[who][role]
        return until is None or at < until

    # entries

    def judge(self, payload: bytes, signatures: list[Signed], said: Statement, seq: int, leaf: str) -> None:
        if seq == 0:
            self.found(said)
        elif said.kind == "genesis":
            raise Wrong("a log has one genesis, its first entry")
        signed = self.signers(payload, signatures)
        who = self.signer(said, signed)
        if seq == 0:
            self._stated(said, signed)
        nonce = bytes.fromhex(said.nonce)
        if nonce in self.nonces:
            raise Wrong("its nonce was used before: it repeats an earlier signature")
        self.nonces.add(nonce)
        handler = getattr(self, f"_{said.kind}", None)
        if handler is not None:
            handler(said, who, signed, seq, leaf)
        for holder in signed:
            if who is not None and holder.owner == who:
                holder.signed.append(seq)

    def _stated(self, said: Statement, signed: list[Holder]) -> None:
        """A genesis after a loss: signed by the administrators it names, over a checkpoint of the log before."""
        self.previous = said.predicate["previous"]
        if self.previous is None:
            return
        self._require_admins(said.predicate, said.at, signed)
        if {item.owner for item in signed if item.owner} != {who_of(item) for item in self.previous["statedBy"]}:
            raise Wrong("the loss is stated by others than those who signed it")
        if self.previous["origin"] == said.predicate["origin"]:
            raise Wrong("a log does not go on from itself")
        try:
            size, root = verify_note(
                self.previous["checkpoint"], self.previous["origin"], [Key(self.previous["logKey"])]
            )
        except Wrong:
            raise Wrong("the log before does not vouch for the checkpoint that is named") from None
        if (size, root.hex()) != (self.previous["anchored"]["size"], self.previous["anchored"]["root"]):
            raise Wrong("the log before does not vouch for the checkpoint that is named")

    def found(self, said: Statement) -> None:
        if said.kind != "genesis":
            raise Wrong("the first entry is not a genesis")
        predicate = said.predicate
        self.embedded = predicate["profile"] == "embedded"
        self.log_keys = [Key(predicate["logKey"])]
        self._set_policy(predicate["policy"])
        for item in predicate["keys"]:
            self._add(item["keyid"], Key(item["key"]), item.get("person"), item.get("level", "L1"))
        for role, people in predicate["roles"].items():
            for person in people:
                self.roles.setdefault(who_of(person), {})[role] = None

    def _add(
        self,
        key_id: str,
        key: Key,
        person: dict[str, str] | None,
        level: str,
        party: tuple[str, str] | None = None,
    ) -> None:
        if key.id != key_id:
            raise Wrong("the id of an enrolled key is not the digest of its description")
        if key_id in self.holders:
            raise Wrong("this key was enrolled before")
        owner, name = (None, "Countersign") if person is None else (who_of(person), person["name"])
        self.holders[key_id] = Holder(key, owner, name, level, party)

    def _set_policy(self, document: dict[str, Any]) -> None:
        self.keyring_signers = max(1, int(document.get("keyringSigners", self.keyring_signers)))
        level = document.get("minLevel", self.least_level)
        self.least_level = level if level in _LEVELS else self.least_level

    def _policy(self, said: Statement, who: Who | None, *_: Any) -> None:
        tier = said.predicate.get("document", {}).get("tier")
        if tier is not None:
            if who is not None:
                self._right(said.predicate["signer"]["role"], "publish-policy")
            elif str(tier) in self.tiers:
                raise Wrong("a policy that replaces another needs a person's signature")
            self.tiers.add(str(tier))
        if who is not None and said.predicate["signer"]["role"] == "admin":
            self._set_policy(said.predicate)

    def _keyring(self, said: Statement, _who: Who | None, signed: list[Holder], seq: int, _leaf: str) -> None:
        predicate = said.predicate
        person: Any = predicate.get("person")
        known = any(holder.owner == MACHINE for holder in self.holders.values())
        by_service = all(item.owner is None for item in signed)
        if known or not by_service or predicate["op"] != "enrol-machine":
            self._require_admins(predicate, said.at, signed)
        operation = predicate["op"]
        needed = {
            "enrol": ("person", "keyid", "key"),
            "enrol-machine": ("keyid", "key"),
            "enrol-passkey": ("person", "keyid", "key", "relyingParty"),
            "revoke": ("keyid",),
            "grant": ("person", "role"),
            "withdraw": ("person", "role"),
            "disable": ("person",),
            "enable": ("person",),
        }.get(operation, ("key",))
        for name in needed:
            if name not in predicate:
                raise Wrong(f"it lacks the field {name}")
        if operation in {"enrol", "enrol-passkey"}:
            if who_of(person) == MACHINE:
                raise Wrong("the machine's key is enrolled by an operation of its own")
            at = predicate["relyingParty"] if operation == "enrol-passkey" else None
            level = predicate.get("level", "L3" if at else "L2")
            party = (at["id"], at["origin"]) if at else None
            self._add(predicate["keyid"], Key(predicate["key"]), person, level, party)
        elif operation == "enrol-machine":
            self._enrol_machine(predicate)
        elif operation == "revoke":
            self._revoke(predicate, seq)
        elif operation == "grant":
            if predicate["role"] == "machine" or who_of(person) == MACHINE:
                raise Wrong("the machine and its role are not given to anybody")
            until = predicate.get("until")
            self.roles.setdefault(who_of(person), {})[predicate["role"]] = moment(until) if until else None
        elif operation == "withdraw":
            self.roles.get(who_of(person), {}).pop(predicate["role"], None)
        elif operation == "disable":
            known_keys = {holder.owner for holder in self.holders.values()}
            if who_of(person) not in self.roles and who_of(person) not in known_keys:
                raise Wrong("nobody of this identity is known")
            self.disabled.add(who_of(person))
        elif operation == "enable":
            self.disabled.discard(who_of(person))
        elif operation == "rotate-log":
            self.log_keys.append(Key(predicate["key"]))
        else:
            self._replace_service_key(Key(predicate["key"]))

    def _require_admins(self, predicate: dict[str, Any], at: datetime, signed: list[Holder]) -> None:
        admins = {
            item.owner
            for item in signed
            if item.owner and not item.party and self._reaches(item) and self.holds(item.owner, "admin", at)
        }
        if len(admins) < self.keyring_signers:
            raise Wrong(f"{len(admins)} of {self.keyring_signers} administrators signed it")
        holder = self.holders.get(predicate.get("keyid", ""))
        person = predicate.get("person")
        subject = who_of(person) if person is not None else holder.owner if holder else None
        if not self.embedded and subject in admins:
            raise Wrong("administrators do not change their own keys or roles")

    def _enrol_machine(self, predicate: dict[str, Any]) -> None:
        machine = {"issuer": MACHINE[0], "sub": MACHINE[1], "name": "Countersign machine"}
        self._add(predicate["keyid"], Key(predicate["key"]), machine, "L1")
        for key_id, holder in self.holders.items():
            if holder.owner == MACHINE and key_id != predicate["keyid"]:
                holder.revoked = True
        self.roles[MACHINE] = {"machine": None}

    def _replace_service_key(self, key: Key) -> None:
        self._add(key.id, key, None, "L1")
        for key_id, holder in self.holders.items():
            if holder.owner is None and key_id != key.id:
                holder.revoked = True

    def _revoke(self, predicate: dict[str, Any], _seq: int) -> None:
        holder = self.holders.get(predicate["keyid"])
        if holder is None or holder.owner is None:
            raise Wrong("it revokes a key that no person has")
        holder.revoked = True
        # Without a place from which it was compromised nothing it signed can be relied on.
        holder.suspect_from = predicate.get("sinceIndex", 0) if predicate.get("reason") == "compromised" else None

    def _right(self, role: str, *rights: str) -> None:
        if not ROLE_RIGHTS.get(role, set()) & set(rights):
            raise Wrong(f"the role {role} does not allow it")

    def _request(self, said: Statement, who: Who | None, _signed: list[Holder], seq: int, _leaf: str) -> None:
        predicate, who = said.predicate, _person(who)
        retires = predicate.get("purpose") == "retirement"
        self._right(predicate["signer"]["role"], "retire" if retires else "request")
        if predicate["to"].get("digest", {}).get("sha256", said.bytes_sha256) != said.bytes_sha256:
            raise Wrong("it asks for other bytes than those it is about")
        self.requests[seq] = {
            "id": predicate["id"],
            "sha256": said.payload_sha256,
            "bytes": said.bytes_sha256,
            "who": who,
            "name": predicate["signer"]["name"],
            "role": predicate["signer"]["role"],
            "quorum": [item for item in predicate.get("quorum", []) if isinstance(item, dict)],
            # A request that states no tier is judged as the riskiest.
            "tier": int(predicate["tier"]) if predicate.get("tier") in {"1", "2", "3"} else 1,
            "expires": moment(predicate["expires"]),
            "rollback": predicate.get("rollback"),
            "retires": retires,
            "shadow": predicate.get("purpose", "promotion") == "promotion"
            and predicate["from"] is not None
            and isinstance(predicate.get("terms", {}).get("shadow"), dict),
            "policy": _policy_words(predicate["evidence"]),
            "closed": False,
            "factors": _factors(predicate.get("terms", {})),
        }

    def _cited(self, reference: dict[str, Any]) -> dict[str, Any]:
        request = self.requests.get(reference["entry"])
        if request is None or request["id"] != reference["id"]:
            raise Wrong("the request it cites does not exist or is void")
        if reference["digest"]["sha256"] != request["sha256"]:
            raise Wrong("the request it cites says something else")
        return request

    def _decision(self, said: Statement, who: Who | None, signed: list[Holder], seq: int, leaf: str) -> None:
        predicate, who = said.predicate, _person(who)
        word, place = predicate["decision"], predicate["request"]["entry"]
        request = self._cited(predicate["request"])
        if said.bytes_sha256 != request["bytes"]:
            raise Wrong("it is about other bytes than the request it cites")
        lent = self._delegation_used(said, who, request["tier"])
        role = lent["role"] if lent else predicate["signer"]["role"]
        if word in COUNTING:
            # Whoever lent the role counts as having used it: nobody fills two places through another's hand.
            people = {who, lent["by"]} if lent else {who}
            if request["who"] in people:
                raise Wrong("the person who asked for the promotion may not approve it")
            self._right(role, *(("acknowledge",) if word == "acknowledge" else ("approve", "validate")))
            if request["closed"]:
                raise Wrong("the request was closed before")
            if said.at > request["expires"]:
                raise Wrong("the request had expired")
            if any((place, one) in self.decided for one in people):
                raise Wrong("this person had decided on this request before")
            _require_factors(said, request["factors"])
            self.decided |= {(place, one) for one in people}
        if word in CLOSING:
            request["closed"] = True
        self.decisions[seq] = {
            "seq": seq,
            "leaf": leaf,
            "request": place,
            "who": who,
            "holder": next(holder for holder in signed if holder.owner == who and holder.party is None),
            "name": predicate["signer"]["name"],
            "role": role,
            "word": word,
            "at": said.predicate["at"],
            "level": predicate["authentication"].get("level", ""),
            "behalf": predicate.get("onBehalfOf", {}).get("name", ""),
            "people": {who, lent["by"]} if lent else {who},
            "fallen": False,
        }

    def _delegation_used(self, said: Statement, who: Who, tier: int) -> dict[str, Any] | None:
        """The delegation a decision rests on; None when the signer acts for himself."""
        predicate = said.predicate
        own, cited = predicate["signer"]["role"], predicate.get("delegation")
        if cited is None:
            if predicate.get("role", own) != own or "onBehalfOf" in predicate:
                raise Wrong("it fills another role than the signer's, or another's place, without a delegation")
            return None
        lent = self.delegations.get(cited["entry"])
        if lent is None or lent["leaf"] != cited["sha256"]:
            raise Wrong("the delegation it cites does not exist or is void")
        if lent["to"] != who or "onBehalfOf" not in predicate or who_of(predicate["onBehalfOf"]) != lent["by"]:
            raise Wrong("the delegation it cites is between other people")
        if predicate.get("role") != lent["role"]:
            raise Wrong("the delegation it cites is for another role")
        if lent["withdrawn"] or not lent["since"] <= said.at < lent["until"]:
            raise Wrong("the delegation it cites was not in force")
        if tier < lent["tier"]:
            raise Wrong(f"the delegation it cites does not reach tier {tier}")
        if not self.holds(lent["by"], lent["role"], said.at):
            raise Wrong("the person it is made for no longer held the role")
        return lent

    def _delegation(self, said: Statement, who: Who | None, _signed: list[Holder], seq: int, leaf: str) -> None:
        predicate, who = said.predicate, _person(who)
        known = next((item for item in self.delegations.values() if item["id"] == predicate["id"]), None)
        if predicate["op"] == "withdraw":
            if known is None or known["withdrawn"]:
                raise Wrong("the delegation it ends does not exist, or ended before")
            if who != known["by"] and predicate["signer"]["role"] != "admin":
                raise Wrong("a delegation is ended by the one who gave it, or by an administrator")
            known["withdrawn"] = True
            return
        for name in ("role", "to", "tier", "since", "until"):
            if name not in predicate:
                raise Wrong(f"it lacks the field {name}")
        if known is not None:
            raise Wrong("a delegation of this id was recorded before")
        since, until, to = moment(predicate["since"]), moment(predicate["until"]), who_of(predicate["to"])
        if not self.holds(who, predicate["role"], said.at):
            raise Wrong(f"nobody delegates the role {predicate['role']} without holding it")
        self._right(predicate["role"], "delegate")
        if to == who:
            raise Wrong("nobody delegates to himself")
        if to in self.disabled or not self.roles.get(to):
            raise Wrong("the person it names is not known or was disabled")
        if self.holds(to, "auditor", said.at):
            raise Wrong("nobody delegates to an auditor")
        if not since < until <= since + LONGEST_DELEGATION:
            raise Wrong("a delegation lasts at most 90 days")
        if predicate["tier"] not in {"1", "2", "3"}:
            raise Wrong("it names no tier it reaches")
        self.delegations[seq] = {
            "id": predicate["id"],
            "leaf": leaf,
            "role": predicate["role"],
            "by": who,
            "to": to,
            "tier": int(predicate["tier"]),
            "since": since,
            "until": until,
            "withdrawn": False,
        }

    def _exception(self, said: Statement, who: Who | None, _signed: list[Holder], seq: int, leaf: str) -> None:
        predicate, who = said.predicate, _person(who)
        role, known = predicate["signer"]["role"], self.exceptions.get(predicate["id"])
        if predicate["op"] == "propose":
            self._right(role, "propose-exception")
            for name in ("model", "gate", "until", "owner", "reason", "control"):
                if name not in predicate:
                    raise Wrong(f"it lacks the field {name}")
            if known is not None:
                raise Wrong("an exception of this id was proposed before")
            owner = who_of(predicate["owner"])
            self.exceptions[predicate["id"]] = {
                "place": (seq, leaf),
                "by": who,
                "owner": owner,
                "state": "proposed",
            }
        elif predicate["op"] == "end":
            if known is None or known["state"] not in {"proposed", "granted"}:
                raise Wrong("the exception it ends was never proposed, was refused, or ended before")
            if who not in {known["by"], known["owner"]}:
                self._right(role, "grant-exception")
            known["state"] = "ended"
        else:
            self._right(role, "grant-exception")
            cited = predicate.get("proposal", {})
            if known is None or (cited.get("entry"), cited.get("sha256")) != known["place"]:
                raise Wrong("the proposal it decides on does not exist or is void")
            if known["state"] != "proposed":
                raise Wrong("this exception was decided on before")
            if predicate["op"] == "grant" and who in {known["by"], known["owner"]}:
                raise Wrong("nobody grants an exception he proposed or owns")
            known["state"] = "granted" if predicate["op"] == "grant" else "refused"

    def _action(self, said: Statement, who: Who | None, _signed: list[Holder], seq: int, leaf: str) -> None:
        predicate = said.predicate
        rollback, emergency = predicate["rollback"], predicate.get("emergency")
        if predicate["id"] in self.actions:
            raise Wrong("an action of this id was recorded before")
        self._require_ordered_by(said, who)
        full = rollback is None and emergency is None and "reverts" not in predicate
        request = None
        if predicate["request"] is None:
            if full:
                raise Wrong("it rests on no approved request")
        else:
            request = self._cited(predicate["request"])
            if request["retires"]:
                raise Wrong("it cites a request to retire, which allows nothing to be served")
            if said.bytes_sha256 != request["bytes"]:
                raise Wrong("it would serve other bytes than those that were approved")
            self._require_quorum(predicate, request, full=full)
            if full:
                self._require_shadow(said, who, request)
        self.ordered.add(said.bytes_sha256)
        self.actions[predicate["id"]] = self._recorded(said, seq, request)
        if emergency is not None:
            self.reviews[seq] = {
                "leaf": leaf,
                "involved": {who, request["who"]} if request else {who},
                "due": moment(emergency["reviewBy"]),
                "due_text": emergency["reviewBy"],
                "reviewers": set(),
            }

    def _require_shadow(self, said: Statement, who: Who | None, request: dict[str, Any]) -> None:
        """Where the signed request asks for a shadow run, nothing of it is served before one was closed and signed."""
        predicate = said.predicate
        place = predicate["request"]["entry"]
        if predicate["kind"] == "shadow":
            _person(who)
            self._right(predicate["signer"]["role"], "advance")
            if any(route["version"] == predicate["to"]["version"] for route in predicate.get("routes", [])):
                raise Wrong("a shadow run lets the version answer requests")
            self.shadows_ordered.add(place)
            return
        if not request["shadow"] or (predicate["kind"] == "advance" and place in self.shadows_used):
            return
        cited = predicate.get("shadow")
        if cited is None:
            raise Wrong("its request asks for a shadow run, and it cites no closed one")
        if self.shadows_closed.get(cited["entry"]) != (cited["sha256"], place, said.bytes_sha256):
            raise Wrong("the closed shadow run it cites does not exist, or is of another version")
        self.shadows_used.add(place)

    def _close_shadow(self, said: Statement, who: Who | None, seq: int, leaf: str) -> None:
        """A shadow run that was ordered ends on the signature of somebody who may raise the share."""
        detail = said.predicate["detail"]
        entry = detail.get("entry", "")
        request = self.requests.get(int(entry)) if re.fullmatch("[0-9]{1,15}", entry) else None
        if who is None or request is None or said.predicate["event"] != "shadow-closed":
            return
        may = "advance" in ROLE_RIGHTS.get(said.predicate["signer"]["role"], set())
        same = (detail.get("request"), detail.get("sha256")) == (request["id"], request["bytes"])
        if may and same and int(entry) in self.shadows_ordered:
            self.shadows_closed[seq] = (leaf, int(entry), request["bytes"])

    def _require_ordered_by(self, said: Statement, who: Who | None) -> None:
        """The person or machine behind an action, where it does not rest on a quorum alone."""
        predicate = said.predicate
        rollback = predicate["rollback"]
        automatic = rollback is not None and rollback.get("mode") == "automatic"
        if who == MACHINE:
            if not automatic or "obeys" not in predicate or predicate["signer"]["role"] != "machine":
                raise Wrong("the machine signs nothing but automatic rollbacks under a plan")
            self._require_plan(said)
        elif "obeys" in predicate:
            raise Wrong("it obeys a plan but is not signed by the machine")
        elif "emergency" in predicate:
            _person(who)
            self._right(predicate["signer"]["role"], "break-glass")
        elif "reverts" in predicate:
            _person(who)
            self._right(predicate["signer"]["role"], "revert")
            if self.findings.get(predicate["reverts"]["entry"]) != predicate["reverts"]["sha256"]:
                raise Wrong("the finding it reverts does not exist or is void")
            if said.bytes_sha256 not in self.ordered:
                raise Wrong("it reverts to something that was never decided")
        elif who is not None:
            self._right(predicate["signer"]["role"], "roll-back" if rollback is not None else "advance")
        elif rollback is not None and not automatic:
            raise Wrong("a rollback needs the signature of somebody on call")
        elif automatic and any(holder.owner == MACHINE for holder in self.holders.values()):
            raise Wrong("an automatic rollback needs the signature of the machine")

    def _recorded(self, said: Statement, seq: int, request: dict[str, Any] | None) -> dict[str, Any]:
        predicate = said.predicate
        named = predicate.get("signer")
        model, version = said.about
        return {
            "entry": seq,
            "at": predicate["at"],
            "kind": predicate["kind"],
            "model": model,
            "from": (predicate["from"] or {}).get("version", ""),
            "to": version,
            "bytes": said.bytes_sha256,
            "policy": request["policy"] if request else "",
            "request": predicate["request"]["entry"] if request else None,
            "requester": f"{request['name']} as {request['role']}" if request else "",
            "signer": f"{named['name']} as {named['role']}" if named else "",
            "level": predicate.get("authentication", {}).get("level", ""),
            "decisions": [item["entry"] for item in predicate["decisions"]],
            "reverts": predicate.get("reverts", {}).get("entry"),
            "outcome": "",
            "outcome_entry": None,
        }

    def _require_plan(self, said: Statement) -> None:
        """The machine acts only inside the rollback plan people signed with the request."""
        predicate = said.predicate
        obeys = predicate["obeys"]
        request = self._cited(obeys["request"])
        self._require_complete(
            request,
            [
                item
                for item in self.decisions.values()
                if item["request"] == obeys["request"]["entry"]
                and item["word"] in COUNTING
                and not item["fallen"]
                and not _suspect(item)
            ],
        )
        plan = request["rollback"]
        if plan is None:
            raise Wrong("the request it obeys carries no rollback plan")
        if plan.get("to") != predicate["to"]["version"] or plan.get("digest", {}).get("sha256") != said.bytes_sha256:
            raise Wrong("it goes to another version than the plan it obeys")
        rule = next((item for item in plan.get("rules", []) if item.get("id") == obeys["rule"]), None)
        limits = ("above", "windowMinutes")
        if rule is None or any(rule.get(name) != obeys[name] for name in limits):
            raise Wrong("the rule it names is not in the plan it obeys")
        if obeys["requests"] < int(rule.get("minRequests", 0)):
            raise Wrong("fewer requests were measured than its rule asks for")
        if not _decimal(obeys["measured"]) > _decimal(obeys["above"]):
            raise Wrong("what was measured is not above the limit of its rule")

    def _require_quorum(self, predicate: dict[str, Any], request: dict[str, Any], *, full: bool) -> None:
        if full and request["closed"]:
            raise Wrong("the approval it rests on was taken back, or the request closed")
        counted = []
        for cited in predicate["decisions"]:
            decision = self.decisions.get(cited["entry"])
            if decision is None or decision["leaf"] != cited["sha256"]:
                raise Wrong(f"the decision it cites at entry {cited['entry']} does not exist or is void")
            if decision["request"] != predicate["request"]["entry"] or decision["word"] not in COUNTING:
                raise Wrong(f"entry {cited['entry']} does not approve the request it rests on")
            if full and decision["fallen"]:
                raise Wrong(f"the signature at entry {cited['entry']} had fallen before")
            if full and _suspect(decision):
                raise Wrong(f"entry {cited['entry']} was signed with a key that had been compromised")
            counted.append(decision)
        if full:
            self._require_complete(request, counted)

    def _require_complete(self, request: dict[str, Any], counted: list[dict[str, Any]]) -> None:
        if not counted:
            raise Wrong("it rests on no decision")
        for rule in request["quorum"]:
            people = {
                item["who"]
                for item in counted
                if item["role"] == rule.get("role") and item["word"] == rule.get("decision")
            }
            if len(people) < int(rule.get("needed", 1)):
                raise Wrong(f"the quorum was not complete: {rule.get('role')} is missing")

    def _outcome(self, said: Statement, _who: Who | None, _signed: list[Holder], seq: int, _leaf: str) -> None:
        action = self.actions.get(said.predicate["action"])
        if action is None:
            raise Wrong("it reports on an action that was never ordered")
        if action["outcome"]:
            raise Wrong("the outcome of this action was recorded before")
        action["outcome"], action["outcome_entry"] = said.predicate["result"], seq
        if action["outcome"] == "applied":
            # Registry and traffic were read back then: what differed before was put right by this change.
            self._settle(said.about[0], seq)

    def _observation(self, said: Statement, _who: Who | None, _signed: list[Holder], seq: int, leaf: str) -> None:
        """What differed from the ledger stays open until a later look, or a change that was carried out, settles it."""
        model, finding = str(said.predicate.get("model", "")), str(said.predicate.get("finding", ""))
        self._settle(model, seq)
        if finding:
            self.observed.append((seq, model, finding))
            self.findings[seq] = leaf

    def _settle(self, model: str, by: int) -> None:
        for seq, about, _ in self.observed:
            if about == model:
                self.settled.setdefault(seq, by)

    def _event(self, said: Statement, who: Who | None, _signed: list[Holder], seq: int, leaf: str) -> None:
        actor = said.predicate["actor"]
        if who is not None and (actor is None or who_of(actor) != who):
            raise Wrong("it names another person as acting than the one who signed")
        self._close_shadow(said, who, seq, leaf)
        detail = said.predicate["detail"]
        if who is not None or said.predicate["event"] != "signatures-void":
            return
        # A signature that fell, for example because its person left, counts no more; that person may sign anew.
        fell = next((item for item in self.decisions.values() if str(item["seq"]) == detail.get("entry")), None)
        if fell is not None and fell["leaf"] == detail.get("sha256"):
            fell["fallen"] = True
            if fell["word"] in COUNTING:
                self.decided -= {(fell["request"], one) for one in fell["people"]}

    def _review(self, said: Statement, who: Who | None, _signed: list[Holder], _seq: int, _leaf: str) -> None:
        predicate, who = said.predicate, _person(who)
        self._right(predicate["signer"]["role"], "review")
        review = self.reviews.get(predicate["of"]["entry"])
        if review is None or review["leaf"] != predicate["of"]["sha256"]:
            raise Wrong("the emergency action it reviews does not exist or is void")
        if who in review["involved"]:
            raise Wrong("nobody reviews an emergency he had a part in")
        if who in review["reviewers"]:
            raise Wrong("this person had reviewed it before")
        if len(review["reviewers"]) >= 2:
            raise Wrong("its review was complete before")
        review["reviewers"].add(who)

    # what stands in the end

    def open_findings(self, newest: datetime | None) -> Iterator[tuple[int, str]]:
        for holder in self.holders.values():
            if holder.suspect_from is not None:
                for seq in holder.signed:
                    if seq >= holder.suspect_from:
                        yield seq, f"Entry {seq} was signed with a key of {holder.name} that had been compromised."
        for seq, review in self.reviews.items():
            if len(review["reviewers"]) < 2 and newest is not None and newest > review["due"]:
                yield seq, f"The review of the emergency action at entry {seq} was due {review['due_text']}."


def _person(who: Who | None) -> Who:
    if who is None:
        raise Wrong("no person signed it")
    return who


def _factors(terms: dict[str, Any]) -> dict[str, Any]:
    """What the request asked of every signature beside the passphrase."""
    asked = terms.get("signing") if isinstance(terms, dict) else None
    return asked if isinstance(asked, dict) else {}


def _require_factors(said: Statement, asked: dict[str, Any]) -> None:
    how = said.predicate["authentication"]
    if asked.get("secondFactor") == "passkey" and not isinstance(how.get("component3"), dict):
        raise Wrong("the request asks for a passkey, and it was signed without one")
    minutes = asked.get("freshLoginMinutes")
    if minutes is None:
        return
    session = how.get("component1")
    began = session.get("authTime") if isinstance(session, dict) and session.get("kind") == "oidc" else None
    if not isinstance(began, str) or not _time(began) or not isinstance(minutes, int):
        raise Wrong("the request asks for a fresh login, and none is stated")
    if said.at - moment(began) > timedelta(minutes=minutes):
        raise Wrong("the login it was signed after was not fresh any more")


def _policy_words(evidence: dict[str, Any]) -> str:
    policy = evidence.get("policy")
    if not isinstance(policy, dict):
        return ""
    digest = policy.get("digest", {}).get("sha256", "") if isinstance(policy.get("digest"), dict) else ""
    return f"{policy.get('name', '')} version {policy.get('version', '')}, sha256 {digest}"


def _suspect(decision: dict[str, Any]) -> bool:
    since = decision["holder"].suspect_from
    return since is not None and decision["seq"] >= since


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise Wrong("a measurement is not a number") from None
    if not number.is_finite():
        raise Wrong("a measurement is not a number")
    return number


# ---------------------------------------------------------------------------------------------------------------------
# The log as a whole


def loss_words(previous: dict[str, Any]) -> str:
    first, last = previous["held"]["size"], previous["anchored"]["size"] - 1
    lost = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    who = " and ".join(item["name"] for item in previous["statedBy"])
    return (
        f"This log goes on from {previous['origin']}, of which {lost} lost: {previous['anchored']['size']} were "
        f"anchored (root {previous['anchored']['root'][:16]}), {previous['held']['size']} are held. "
        f"Stated by {who}: {previous['reason']}"
    )


class Problem:
    def __init__(self, severity: str, where: str, sentence: str, entry: int | None = None) -> None:
        self.severity, self.where, self.sentence, self.entry = severity, where, sentence, entry


class Log:
    """Takes entries in order; memory grows by about a hundred bytes per entry, not with what entries say."""

    def __init__(self) -> None:
        self.tree, self.replay = Tree(), Replay()
        self.problems: list[Problem] = []
        self.origin = self.genesis = ""
        self.newest: datetime | None = None
        self.told: set[str] = set()

    def add(self, severity: str, where: str, sentence: str, entry: int | None = None) -> None:
        self.problems.append(Problem(severity, where, sentence, entry))

    def once(self, topic: str, where: str, sentence: str, entry: int | None = None) -> None:
        """The first break makes everything after it differ; it is told once."""
        if topic not in self.told:
            self.told.add(topic)
            self.add(INTEGRITY, where, sentence, entry)

    def take(self, data: bytes) -> Statement | None:
        seq, leaf = self.tree.size, leaf_hash(data)
        self.tree.add(leaf)
        where = f"entry {seq}"
        try:
            payload, signatures = read_envelope(data)
            said = Statement(payload)
            if seq == 0:
                self.origin, self.genesis = said.head["origin"], leaf.hex()
            if said.head["origin"] != self.origin:
                raise Wrong(f"it was made for the log {said.head['origin']}")
            self.replay.judge(payload, signatures, said, seq, leaf.hex())
        except Wrong as wrong:
            self.add(VOID if seq else INTEGRITY, where, f"Entry {seq} is void: {wrong}.", seq)
            return None
        except (KeyError, TypeError, ValueError, AttributeError):
            # A field that is free in form holds something no product of ours would have written.
            self.add(VOID if seq else INTEGRITY, where, f"Entry {seq} is void: a field has the wrong shape.", seq)
            return None
        self._after(said, seq)
        return said

    def _after(self, said: Statement, seq: int) -> None:
        size = said.head["size"]
        if size > seq or self.tree.roots[size].hex() != said.head["root"]:
            self.once("head", f"entry {seq}", f"The signer of entry {seq} saw another history of this log.", seq)
        # A change of keys waits for its second signature, and says itself for how long.
        waits = said.predicate.get("validUntil") if said.kind == "keyring" else None
        if self.newest is not None and (moment(waits) if waits else said.at + LATE) < self.newest:
            told = f"Entry {seq} is dated {said.predicate['at']}, well before an earlier entry."
            self.add(FINDING, f"entry {seq}", told, seq)
        self.newest = said.at if self.newest is None else max(self.newest, said.at)
        if seq == 0 and self.replay.embedded:
            told = "This is an embedded deployment: one administrator enrolled everybody, without a second one."
            self.add(NOTE, "entry 0", told, 0)
        if seq == 0 and self.replay.previous is not None:
            self.add(NOTE, "entry 0", loss_words(self.replay.previous), 0)
        span = said.predicate.get("replay") if seq == 0 else None
        if span:
            self.add(
                NOTE, "entry 0", f"Entries dated {span['from']} to {span['to']} replay history in its own calendar.", 0
            )

    def compare(self, text: str, where: str) -> int | None:
        """Holds a signed checkpoint against the tree; its size when it fits."""
        try:
            size, root = verify_note(text, self.origin, self.replay.log_keys)
        except Wrong as wrong:
            self.add(INTEGRITY, where, f"{where} cannot be trusted: {wrong}.")
            return None
        if size > self.tree.size:
            told = f"{where} vouches for {size} entries; the log holds {self.tree.size}. Newer entries were removed."
            self.add(INTEGRITY, where, told)
        elif self.tree.roots[size] != root:
            self.add(INTEGRITY, where, f"{where} of size {size} vouches for other entries.")
        else:
            return size
        return None

    def finish(self) -> None:
        for seq, sentence in self.replay.open_findings(self.newest):
            self.add(FINDING, f"entry {seq}", sentence, seq)
        for seq, _, finding in self.replay.observed:
            by = self.replay.settled.get(seq)
            ending = "" if by is None else f" Settled by entry {by}."
            self.add(FINDING if by is None else NOTE, f"entry {seq}", f"Entry {seq} observed: {finding}{ending}", seq)


# ---------------------------------------------------------------------------------------------------------------------
# The pack: a zip as the product writes it, or the folder it was unpacked to


class Pack:
    def __init__(self, path: Path) -> None:
        self.zip: zipfile.ZipFile | None = None
        self.root = path
        self.structure = ""
        try:
            if path.is_dir():
                files = [item for item in path.rglob("*") if not item.is_dir()]
                if any(item.is_symlink() for item in files):
                    raise Wrong("the folder holds a symbolic link")
                self.names = sorted(item.relative_to(path).as_posix() for item in files)
                return
            self.zip = zipfile.ZipFile(path)
            self.names = [item.filename for item in self.zip.infolist()]
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
            raise Wrong("it is neither a readable zip nor a folder") from None
        self.structure = _structure_problem(path, self.zip)

    def read(self, name: str) -> bytes:
        """Raises Wrong naming what is the matter with this file."""
        try:
            if self.zip is None:
                data = (self.root / name).read_bytes()
                if len(data) > LARGEST_FILE:
                    raise Wrong("it is larger than any file of a pack")
                return data
            if self.zip.getinfo(name).file_size > LARGEST_FILE:
                raise Wrong("it is larger than any file of a pack")
            return self.zip.read(name)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError):
            raise Wrong("it is missing or damaged") from None
        except Exception as broken:  # zlib.error, and what else a damaged archive provokes
            raise Wrong("it is missing or damaged") from broken


def _structure_problem(path: Path, archive: zipfile.ZipFile) -> str:
    """The zip must be what the product writes and nothing else: members back to back, fixed dates, no extras."""
    names = [item.filename for item in archive.infolist()]
    if len(set(names)) != len(names):
        return "a file occurs twice in the zip"
    if archive.comment:
        return "the zip carries a comment"
    place = 0
    with path.open("rb") as file:
        for item in archive.infolist():
            header = struct.pack(
                "<4s5H3L2H", b"PK\x03\x04", 20, item.flag_bits, item.compress_type, 0, 0x21, item.CRC,
                item.compress_size, item.file_size, len(item.filename.encode()), 0,
            )  # fmt: skip
            file.seek(place)
            if item.header_offset != place or file.read(30) != header:
                return f"the zip has another structure than the product writes, at {printable(item.filename)}"
            odd = item.extra or item.comment or item.internal_attr or item.volume or item.create_version != 20
            if odd or item.date_time != (1980, 1, 1, 0, 0, 0) or item.external_attr != 0o644 << 16:
                return f"the zip has other attributes than the product writes, at {printable(item.filename)}"
            if item.create_system != 3 or item.flag_bits not in {0, 0x800} or item.compress_type not in {0, 8}:
                return f"the zip has other attributes than the product writes, at {printable(item.filename)}"
            place += 30 + len(item.filename.encode()) + item.compress_size
        if archive.start_dir != place:
            return "the zip holds bytes that belong to no file"
        file.seek(place)
        directory = file.read()
    expected = sum(46 + len(item.filename.encode()) for item in archive.infolist())
    ending = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, len(names), len(names), expected, place, 0)
    if len(names) < 65535 and place < 2**32 - 1 and (len(directory) != expected + 22 or directory[expected:] != ending):
        return "the zip holds bytes that belong to no file"
    return ""


def tile_name(kind: str, number: int, width: int) -> str:
    """Path of a tile in the C2SP tlog-tiles layout."""
    parts = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        parts.append(f"x{number % 1000:03d}")
    return f"log/tile/{kind}/{'/'.join(reversed(parts))}" + (f".p/{width}" if width < WIDTH else "")


def printable(text: object) -> str:
    """Text of others on one line: control and direction characters become visible."""
    return "".join(
        char if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} else f"<U+{ord(char):04X}>"
        for char in str(text)
    )


class Verifier:
    def __init__(self, pack: Pack, *, pin: str, anchors: list[tuple[str, str]]) -> None:
        self.pack, self.pin, self.anchors = pack, pin.lower(), anchors
        self.log = Log()
        self.manifest: dict[str, Any] = {}
        self.files: dict[str, str] = {}
        self.anchored: list[int] = []
        self.checkpoint = 0
        self.manifest_signed = False
        self.pages: dict[int, tuple[dict[str, Any], Statement | None]] = {}

    def run(self) -> None:
        log = self.log
        if self.pack.structure:
            log.add(INTEGRITY, "zip", f"{self.pack.structure[:1].upper()}{self.pack.structure[1:]}.")
        self._read_manifest()
        self._check_files()
        self._check_entries()
        self._check_checkpoint()
        self._check_anchors()
        self._check_manifest_signature()
        self._check_pin()
        self._check_pages()
        self._check_proofs()
        self._check_evidence()
        log.finish()

    def _wrong(self, where: str, sentence: str, entry: int | None = None) -> None:
        self.log.add(INTEGRITY, where, sentence, entry)

    def _optional(self, name: str) -> bytes | None:
        return self.pack.read(name) if name in self.files else None

    # the manifest and every file in it

    def _read_manifest(self) -> None:
        try:
            self.manifest = parse(self.pack.read("manifest.json"))
            if self.manifest.get("format") != FORMAT:
                raise Wrong("it is of another format than this program reads")
            for item in self.manifest["files"]:
                self.files[str(item["path"])] = str(item["sha256"])
        except (Wrong, KeyError, TypeError) as wrong:
            told = wrong if isinstance(wrong, Wrong) else "its fields differ"
            self._wrong("manifest.json", f"manifest.json cannot be used: {told}.")

    def _check_files(self) -> None:
        sizes = {
            str(item["path"]): item.get("size") for item in self.manifest.get("files", []) if isinstance(item, dict)
        }
        for name in sorted(self.files):
            try:
                data = self.pack.read(name)
            except Wrong as wrong:
                self._wrong(name, f"{printable(name)}: {wrong}.")
                continue
            if sha256(data) != self.files[name] or len(data) != sizes[name]:
                self._wrong(name, f"{printable(name)} is not the file the manifest lists.")
        extra = set(self.pack.names) - set(self.files) - {"manifest.json", "manifest.dsse.json"}
        for name in sorted(extra):
            self._wrong(name, f"{printable(name)} is not listed in the manifest.")

    def _check_manifest_signature(self) -> None:
        """Signed like an entry: by the service, for this log, at exactly this head, about exactly these bytes."""
        name = "manifest.dsse.json"
        try:
            payload, signatures = read_envelope(self.pack.read(name))
            said = Statement(payload)
            signed = self.log.replay.signers(payload, signatures)
            if said.kind != "event" or said.predicate["event"] != "audit-pack-manifest" or len(signed) != 1:
                raise Wrong("it is no signature of a manifest")
            if said.bytes_sha256 != sha256(self.pack.read("manifest.json")):
                raise Wrong("manifest.json is not the one that was signed")
            head = {"origin": self.log.origin, "size": self.log.tree.size, "root": self.log.tree.roots[-1].hex()}
            if said.head != head:
                raise Wrong("it was made for another state of the log")
            self.manifest_signed = True
        except Wrong as wrong:
            self._wrong(name, f"{name} does not hold: {wrong}.")

    # the log

    def _entries(self) -> Iterator[bytes]:
        log = self.manifest.get("log")
        size: Any = log.get("size") if isinstance(log, dict) else None
        if not _count(size):
            self._wrong("manifest.json", "manifest.json does not say how many entries the log has.")
            return
        for number in range((size + WIDTH - 1) // WIDTH):
            width = min(WIDTH, size - number * WIDTH)
            name = tile_name("entries", number, width)
            try:
                data, hashes = self.pack.read(name), self.pack.read(tile_name("0", number, width))
            except Wrong as wrong:
                self._wrong(name, f"{name}: {wrong}.")
                return
            place = 0
            for position in range(width):
                if place + 2 > len(data):
                    self._wrong(name, f"{name} ends before entry {number * WIDTH + position}.")
                    return
                length = int.from_bytes(data[place : place + 2], "big")
                entry = data[place + 2 : place + 2 + length]
                place += 2 + length
                if hashes[position * 32 : position * 32 + 32] != leaf_hash(entry):
                    seq = number * WIDTH + position
                    self._wrong(f"entry {seq}", f"The bytes of entry {seq} are not the ones that were recorded.", seq)
                yield entry
            if place != len(data):
                self._wrong(name, f"{name} holds more than its entries.")

    def _check_entries(self) -> None:
        wanted = {
            int(found[1]) for name in self.files if (found := re.fullmatch(r"decisions/([0-9]{1,12})\.json", name))
        }
        for entry in self._entries():
            seq = self.log.tree.size
            said = self.log.take(entry)
            if seq in wanted:
                self._keep_page(seq, entry, said)
            if seq in wanted and self._optional(f"envelopes/{seq}.dsse.json") != entry:
                self._wrong(
                    f"envelopes/{seq}.dsse.json", f"envelopes/{seq}.dsse.json is not entry {seq} of the log.", seq
                )
        if self.log.tree.size == 0:
            self._wrong("log", "The log is empty: not even its first entry is there.")

    def _keep_page(self, seq: int, entry: bytes, said: Statement | None) -> None:
        try:
            page = parse(self.pack.read(f"decisions/{seq}.json"))
            signed = said.document if said else parse(read_envelope(entry)[0])
        except Wrong as wrong:
            self._wrong(
                f"decisions/{seq}.json", f"decisions/{seq}.json cannot be compared with entry {seq}: {wrong}.", seq
            )
            return
        for field in _differences(page.get("statement"), signed, "statement"):
            self._wrong(
                f"decisions/{seq}.json", f"decisions/{seq}.json says something else than entry {seq}: {field}.", seq
            )
        comment, digest = page.get("comment"), (signed.get("predicate") or {}).get("comment")
        if comment is not None and (
            not isinstance(comment, dict)
            or not isinstance(digest, dict)
            or sha256(f"{comment.get('salt')}{comment.get('text')}".encode()) != digest.get("sha256")
        ):
            self._wrong(
                f"decisions/{seq}.json", f"The comment in decisions/{seq}.json is not the one that was signed.", seq
            )

    def _check_checkpoint(self) -> None:
        try:
            size = self.log.compare(self.pack.read("log/checkpoint").decode("utf-8"), "log/checkpoint")
        except (Wrong, UnicodeDecodeError):
            self._wrong("log/checkpoint", "log/checkpoint is missing or damaged.")
            return
        self.checkpoint = size or 0
        if size is not None and size != self.log.tree.size:
            self._wrong("log/checkpoint", f"No checkpoint vouches for the newest entries, from {size} on.")

    def _check_anchors(self) -> None:
        kept = [(name, name) for name in sorted(self.files) if name.startswith("anchors/")]
        for name, where in kept:
            try:
                text = self.pack.read(name).decode("utf-8")
            except (Wrong, UnicodeDecodeError):
                continue  # told when the files were compared with the manifest
            self._anchor(text, where)
        for number, (text, kind) in enumerate(self.anchors, 1):
            self._anchor(text, f"{kind} {number} given by you")

    def _anchor(self, text: str, where: str) -> None:
        size = self.log.compare(text, where)
        if size is not None:
            self.anchored.append(size)

    def _check_pin(self) -> None:
        log = self.log
        if self.pin and self.pin != log.genesis:
            self._wrong("entry 0", "The first entry is not the one you hold the fingerprint of.", 0)
        if (self.manifest.get("origin"), self.manifest.get("genesis")) != (log.origin, log.genesis):
            self._wrong("manifest.json", "manifest.json names another log than the one in this pack.")
        try:
            text = self.pack.read("PIN.txt").decode("utf-8")
        except (Wrong, UnicodeDecodeError):
            text = ""
        if f"\norigin   {log.origin}\n" not in text or f"\ngenesis  {log.genesis}\n" not in text:
            self._wrong("PIN.txt", "PIN.txt does not name the first entry of the log in this pack.")

    # readable pages, proofs, evidence

    def _check_pages(self) -> None:
        for name in sorted(self.files):
            found = re.fullmatch(r"decisions/([0-9]{1,12})\.json", name)
            if found and int(found[1]) >= self.log.tree.size:
                self._wrong(name, f"{name} speaks of an entry the log does not hold.")

    def _check_proofs(self) -> None:
        root, size = self.log.tree.roots[-1], self.log.tree.size
        for name in sorted(self.files):
            if not name.startswith("proofs/"):
                continue
            try:
                lines = self.pack.read(name).decode("utf-8").partition("\n\n")[0].split("\n")
                path = [unbase64(line) for line in lines[2:]]
                if lines[0] == "c2sp.org/tlog-proof@v1":
                    holds = self._inclusion_holds(int(lines[1].removeprefix("index ")), name, path)
                else:
                    older = int(lines[1].removeprefix("from "))
                    holds = lines[0] == "countersign consistency proof v1" and 0 < older <= size
                    if holds and older < size:
                        holds = roots_by_consistency(older, size, self.log.tree.roots[older], path) == (
                            self.log.tree.roots[older], root,
                        )  # fmt: skip
            except (Wrong, ValueError, IndexError, UnicodeDecodeError):
                holds = False
            if not holds:
                self._wrong(name, f"{name} does not lead to the root of this log.")

    def _inclusion_holds(self, index: int, name: str, path: list[bytes]) -> bool:
        envelope = self.pack.read(f"envelopes/{index}.dsse.json")
        leads_to = root_by_inclusion(leaf_hash(envelope), index, self.log.tree.size, path)
        return name == f"proofs/{index}.tlog-proof" and leads_to == self.log.tree.roots[-1]

    def _check_evidence(self) -> None:
        for name in sorted(self.files):
            found = re.fullmatch(r"evidence/([0-9a-f]{64})(\.[a-z]{1,5})?", name)
            if name.startswith("evidence/") and (found is None or found[1] != self.files[name]):
                self._wrong(name, f"{printable(name)} is not the document its name says.")

    # the result

    @property
    def intact(self) -> bool:
        return all(problem.severity != INTEGRITY for problem in self.log.problems)

    @property
    def open(self) -> list[Problem]:
        return [problem for problem in self.log.problems if problem.severity in {VOID, FINDING}]

    @property
    def verdict(self) -> str:
        if not self.intact:
            first = next(problem for problem in self.log.problems if problem.severity == INTEGRITY)
            return f"NOT OK: {printable(first.where)}"
        return "OK" if not self.open else f"OPEN FINDINGS: {len(self.open)}"

    @property
    def exit_code(self) -> int:
        return 2 if not self.intact else 1 if self.open else 0

    def document(self) -> dict[str, Any]:
        log = self.log
        return {
            "verdict": self.verdict,
            "exit": self.exit_code,
            "origin": log.origin,
            "genesis": log.genesis,
            "previous": log.replay.previous,
            "pin": ("matches" if self.pin == log.genesis else "differs") if self.pin else "not given",
            "entries": log.tree.size,
            "root": log.tree.roots[-1].hex(),
            "checkpoint": self.checkpoint,
            "anchors": {"compared": len(self.anchored), "newest": max(self.anchored, default=0)},
            "manifest": {"files": len(self.files), "signed": self.manifest_signed},
            "scope": self.manifest.get("scope", {}),
            "decisions": sum(item["word"] in COUNTING for item in log.replay.decisions.values()),
            "changes": [
                self._change(item) for item in sorted(log.replay.actions.values(), key=lambda one: one["entry"])
            ],
            "problems": [
                {"severity": item.severity, "where": item.where, "entry": item.entry, "sentence": item.sentence}
                for item in log.problems
            ],
            "missing": self.manifest.get("missing", []),
        }

    def _change(self, action: dict[str, Any]) -> dict[str, Any]:
        signed = [self.log.replay.decisions[seq] | {"entry": seq} for seq in action["decisions"]]
        return {
            **{name: action[name] for name in (
                "entry", "at", "kind", "model", "from", "to", "bytes", "policy", "request", "requester", "signer",
                "level", "outcome", "outcome_entry",
            )},
            "decisions": [
                {name: item[name] for name in ("entry", "word", "name", "role", "behalf", "level", "at")}
                for item in signed
            ],
        }  # fmt: skip


def _differences(left: Any, right: Any, path: str) -> list[str]:
    """Paths of the fields in which two documents differ; at most five."""
    if left == right and type(left) is type(right):
        return []
    if isinstance(left, dict) and isinstance(right, dict):
        found: list[str] = []
        for name in sorted({*left, *right}):
            if name not in left or name not in right:
                found.append(f"{path}.{name}")
            else:
                found += _differences(left[name], right[name], f"{path}.{name}")
        return [printable(item) for item in found[:5]]
    return [path]


def lines_of(result: dict[str, Any]) -> Iterable[str]:
    yield "Countersign audit pack"
    yield f"origin      {printable(result['origin'])}"
    pin = {"matches": "the one you gave", "differs": "NOT the one you gave"}.get(
        result["pin"], "not compared: give the one you hold with --pin"
    )
    yield f"genesis     {result['genesis']} ({pin})"
    if result["previous"]:
        yield f"follows     {printable(result['previous']['origin'])} after a loss, see the notes"
    yield f"entries     {result['entries']}"
    yield f"root        {result['root']}"
    yield (
        f"checkpoint  {result['checkpoint']} entries, signed by the log key"
        if result["checkpoint"]
        else "checkpoint  none"
    )
    anchors = result["anchors"]
    yield (
        f"anchors     {anchors['compared']} compared, the newest at {anchors['newest']} entries"
        if anchors["compared"]
        else "anchors     none: entries removed at the end would not show"
    )
    signed = "signed by the service" if result["manifest"]["signed"] else "NOT SIGNED"
    yield f"manifest    {result['manifest']['files']} files, {signed}"
    scope = result["scope"] if isinstance(result["scope"], dict) else {}
    span = f"{scope.get('since') or 'the beginning'} to {scope.get('until') or 'the end'}"
    yield f"scope       {printable(scope.get('model') or 'every model')}, {printable(span)}"
    yield f"decisions   {result['decisions']} approvals and acknowledgements that count"
    yield ""
    yield f"Changes of production: {len(result['changes'])}"
    for change in result["changes"]:
        yield from _change_lines(change)
    for severity, title in (
        (INTEGRITY, "Changed or broken"),
        (VOID, "Void entries"),
        (FINDING, "Open findings"),
        (NOTE, "Notes"),
    ):
        found = [item for item in result["problems"] if item["severity"] == severity]
        if found:
            yield ""
            yield f"{title}: {len(found)}"
            yield from (f"  {printable(item['sentence'])}" for item in found)
    if result["missing"]:
        yield ""
        yield f"Not in this pack: {len(result['missing'])}"
        yield from (f"  {printable(item)}" for item in result["missing"])
    yield ""
    yield result["verdict"]


def _change_lines(change: dict[str, Any]) -> Iterable[str]:
    way = f"{change['from'] or 'nothing'} -> {change['to']}"
    what = f"{change['kind']}  {change['model']}  {way}"
    yield f"  entry {change['entry']}  {change['at']}  {printable(what)}"
    yield f"    bytes     sha256 {change['bytes']}"
    if change["policy"]:
        yield f"    policy    {printable(change['policy'])}"
    if change["requester"]:
        yield f"    asked     {printable(change['requester'])}, entry {change['request']}"
    for item in change["decisions"]:
        behalf = f" for {item['behalf']} by delegation" if item["behalf"] else ""
        words = f"{item['word']}: {item['name']}{behalf} as {item['role']}, {item['level']}, {item['at']}"
        yield f"    {printable(words)}, entry {item['entry']}"
    if change["signer"]:
        yield f"    ordered   {printable(change['signer'])}, {printable(change['level'])}"
    if change["outcome"]:
        yield f"    outcome   {printable(change['outcome'])}, entry {change['outcome_entry']}"
    else:
        yield "    outcome   none recorded"


def verify(path: Path, *, pin: str = "", anchors: Iterable[Path] = ()) -> Verifier:
    """The verdict on one pack. Raises Wrong when it cannot be read at all."""
    verifier = Verifier(Pack(path), pin=pin, anchors=[_given_anchor(anchor) for anchor in anchors])
    verifier.run()
    return verifier


def _given_anchor(path: Path) -> tuple[str, str]:
    """A checkpoint to compare with: a note, a receipt that ends with one, or another pack with its checkpoint."""
    try:
        if path.is_dir() or zipfile.is_zipfile(path):
            return Pack(path).read("log/checkpoint").decode("utf-8"), "checkpoint of pack"
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Wrong(f"the anchor {path.name} cannot be read") from None
    return (text.partition("\n\n")[2] if text.startswith("c2sp.org/tlog-proof@v1\n") else text), "anchor"


def main(arguments: list[str] | None = None, write: Callable[[bytes], object] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Checks a Countersign audit pack without Countersign."
    )
    parser.add_argument("pack", type=Path, help="the zip, or the folder it was unpacked to")
    parser.add_argument("--pin", default="", help="fingerprint of the first entry, as you hold it")
    parser.add_argument(
        "--anchor", type=Path, action="append", default=[], help="a checkpoint, receipt or older pack you hold"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    given = parser.parse_args(arguments)
    out = write or sys.stdout.buffer.write
    try:
        verifier = verify(given.pack, pin=given.pin, anchors=given.anchor)
    except Wrong as wrong:
        out(f"This pack cannot be read: {wrong}.\n".encode())
        return 3
    result = verifier.document()
    if given.json:
        text = json.dumps(result, sort_keys=True, indent=1, ensure_ascii=True)
    else:
        text = "\n".join(lines_of(result))
    out(text.encode("utf-8") + b"\n")
    return verifier.exit_code


if __name__ == "__main__":
    sys.exit(main())
