"""Which fields each kind of statement has, and their shapes. Unknown fields are refused, on writing and on reading.

A shipped field is never renamed or retyped; a new optional field may be added here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.attestation.canonical import is_sha256
from services.attestation.models import Kind
from services.kernel.clock import from_utc_text

DECISION_WORDS = ("approve", "acknowledge", "request-changes", "reject", "abstain", "withdraw", "revoke")
KEYRING_OPERATIONS = (
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
)
DELEGATION_OPERATIONS = ("grant", "withdraw")
EXCEPTION_OPERATIONS = ("propose", "grant", "refuse", "end")
REVIEW_CONCLUSIONS = ("accepted", "corrected", "roll-back")
PURPOSES = ("promotion", "reattestation", "adoption", "retirement")
LEVELS = ("L1", "L2", "L3")
_NONCE = re.compile(r"[0-9a-f]{32}")

Check = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_document(value: Any) -> bool:
    return isinstance(value, Mapping)


def is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def is_digest(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"sha256"} and is_sha256(value["sha256"])


def is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(from_utc_text(value))
    except ValueError:
        return False


def is_nonce(value: Any) -> bool:
    return isinstance(value, str) and _NONCE.fullmatch(value) is not None


def is_identity(value: Any) -> bool:
    return isinstance(value, Mapping) and {"issuer", "sub", "name"} <= set(value) and all(map(is_text, value.values()))


def is_signer(value: Any) -> bool:
    return is_identity(value) and set(value) == {"issuer", "sub", "name", "role"}


def is_version(value: Any) -> bool:
    """`{"version": "7"}`, with the digest of its manifest where known."""
    return (
        isinstance(value, Mapping)
        and {"version"} <= set(value) <= {"version", "digest"}
        and is_text(value["version"])
        and ("digest" not in value or is_digest(value["digest"]))
    )


def is_text_map(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(is_text, value.values()))


def is_key(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"keytype", "scheme", "keyval"}


def is_head(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) == {"origin", "size", "root"}
        and is_name(value["origin"])
        and is_count(value["size"])
        and is_sha256(value["root"])
    )


def is_service(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) == {"id", "version", "build"}
        and is_name(value["id"])
        and is_name(value["version"])
        and is_digest(value["build"])
    )


def one_of(*words: str) -> Check:
    return lambda value: value in words


def nullable(check: Check) -> Check:
    return lambda value: value is None or check(value)


def all_items(check: Check) -> Check:
    return lambda value: is_list(value) and all(map(check, value))


def _is_cited_entry(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) == {"entry", "sha256"}
        and is_count(value["entry"])
        and is_sha256(value["sha256"])
    )


def _is_cited_request(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) == {"id", "digest", "entry"}
        and is_name(value["id"])
        and is_digest(value["digest"])
        and is_count(value["entry"])
    )


def _is_route(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) == {"version", "share"}
        and is_name(value["version"])
        and is_count(value["share"])
    )


def _is_emergency(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) == {"mode", "reasonCode", "reason", "reviewBy"}
        and value["mode"] in {"forward", "skip"}
        and is_name(value["reasonCode"])
        and is_digest(value["reason"])
        and is_time(value["reviewBy"])
    )


def _is_relying_party(value: Any) -> bool:
    """Where a passkey signs, and which of an authenticator's keys it is."""
    return is_text_map(value) and set(value) == {"id", "origin", "credential"}


def _is_obeyed(value: Any) -> bool:
    """The line of a signed rollback plan a machine action obeys, and what was measured."""
    return (
        isinstance(value, Mapping)
        and set(value) == {"request", "rule", "above", "measured", "windowMinutes", "requests"}
        and _is_cited_request(value["request"])
        and all(is_name(value[name]) for name in ("rule", "above", "measured"))
        and all(is_count(value[name]) for name in ("windowMinutes", "requests"))
    )


def _is_replay(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"from", "to"} and all(map(is_time, value.values()))


def _is_span(value: Any) -> bool:
    """How far a log reached: `{"size": 12, "root": "…"}`."""
    return (
        isinstance(value, Mapping)
        and set(value) == {"size", "root"}
        and is_count(value["size"])
        and is_sha256(value["root"])
    )


def _is_previous(value: Any) -> bool:
    """The log this one goes on from after a loss: what of it was anchored, what is held, and who states that."""
    checks: Mapping[str, Check] = {
        "origin": is_name,
        "genesis": is_sha256,
        "logKey": is_key,
        "checkpoint": is_name,
        "anchored": _is_span,
        "held": _is_span,
        "reason": is_name,
        "statedBy": all_items(is_identity),
    }
    return (
        isinstance(value, Mapping)
        and set(value) == set(checks)
        and all(check(value[name]) for name, check in checks.items())
        and bool(value["held"]["size"] < value["anchored"]["size"])
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    required: Mapping[str, Check]
    optional: Mapping[str, Check] = field(default_factory=dict)


COMMON: Mapping[str, Check] = {"at": is_time, "nonce": is_nonce, "log": is_head, "service": is_service}

_SIGNED: Mapping[str, Check] = {"signer": is_signer, "authentication": is_document}

SHAPES: Mapping[Kind, Shape] = {
    Kind.GENESIS: Shape(
        required={
            "origin": is_name,
            "profile": is_name,
            "logKey": is_key,
            "keys": is_list,
            "roles": is_document,
            "policy": is_document,
            "previous": nullable(_is_previous),
            "replay": nullable(_is_replay),
        },
        optional=_SIGNED,
    ),
    Kind.KEYRING: Shape(
        # Who must have signed which operation is the keyring's law; only the first machine key needs nobody.
        required={"op": one_of(*KEYRING_OPERATIONS)},
        optional={
            **_SIGNED,
            "person": is_identity,
            "role": is_name,
            "key": is_key,
            "keyid": is_sha256,
            "level": one_of(*LEVELS),
            "reason": is_text,
            "sinceIndex": is_count,
            "until": is_time,
            "validUntil": is_time,
            "relyingParty": _is_relying_party,
        },
    ),
    Kind.POLICY: Shape(
        required={"name": is_name, "version": is_name, "digest": is_digest},
        optional={
            "need": is_document,
            "approvalTTL": is_text,
            "keyringSigners": is_count,
            "minLevel": one_of(*LEVELS),
            "document": is_document,
            **_SIGNED,
        },
    ),
    Kind.REQUEST: Shape(
        required={
            "id": is_name,
            "action": is_name,
            "target": is_document,
            "from": nullable(is_version),
            "to": is_version,
            "evidence": is_document,
            "expires": is_time,
            **_SIGNED,
        },
        optional={
            "title": is_text,
            "tier": is_text,
            "revision": is_count,
            "note": is_digest,
            "quorum": is_list,
            "terms": is_document,
            "rollback": nullable(is_document),
            "changes": is_list,
            "supersedes": nullable(is_document),
            "purpose": one_of(*PURPOSES),
            "parts": is_text_map,
            "exceptions": is_list,
        },
    ),
    Kind.DECISION: Shape(
        required={
            "request": _is_cited_request,
            "decision": one_of(*DECISION_WORDS),
            "meaning": is_name,
            "shown": lambda value: is_document(value) and set(value) == {"digest"} and is_digest(value["digest"]),
            **_SIGNED,
        },
        optional={
            "comment": nullable(is_digest),
            "reasonCode": is_text,
            "revision": is_count,
            "conditions": is_list,
            "delegation": _is_cited_entry,
            "onBehalfOf": is_identity,
            "role": is_name,
            "bound": is_document,
            "zone": is_text,
        },
    ),
    Kind.ACTION: Shape(
        required={
            "id": is_name,
            "kind": is_name,
            "request": nullable(_is_cited_request),
            "decisions": all_items(_is_cited_entry),
            "policy": is_document,
            "target": is_document,
            "from": nullable(is_version),
            "to": is_version,
            "rollback": nullable(is_document),
            "notAfter": is_time,
        },
        optional={
            "routes": all_items(_is_route),
            "champion": is_text,
            "plan": is_list,
            "model": is_text,
            "emergency": _is_emergency,
            "obeys": _is_obeyed,
            "reverts": _is_cited_entry,
            "mirror": _is_route,
            "shadow": _is_cited_entry,
            "lowEvidence": is_digest,
            **_SIGNED,
        },
    ),
    Kind.OUTCOME: Shape(
        required={"action": is_name, "result": is_name, "before": is_version, "after": is_version, "attempts": is_text},
        optional={
            "digestAtWrite": nullable(is_digest),
            "routes": all_items(_is_route),
            "detail": is_text,
            "model": is_text,
            "observed": is_document,
        },
    ),
    Kind.OBSERVATION: Shape(
        required={},
        optional={
            "aliases": is_text_map,
            "digests": is_document,
            "triggers": one_of("ok", "missing"),
            "finding": is_text,
            "model": is_text,
            "detail": is_text_map,
            "routes": all_items(_is_route),
        },
    ),
    Kind.EVENT: Shape(
        required={"event": is_name, "model": is_text, "detail": is_text_map, "actor": nullable(is_signer)},
        optional=_SIGNED,
    ),
    Kind.DELEGATION: Shape(
        required={"op": one_of(*DELEGATION_OPERATIONS), "id": is_name, **_SIGNED},
        optional={
            "role": is_name,
            "to": is_identity,
            "tier": is_name,
            "since": is_time,
            "until": is_time,
            "reason": is_digest,
        },
    ),
    Kind.EXCEPTION: Shape(
        required={"op": one_of(*EXCEPTION_OPERATIONS), "id": is_name, **_SIGNED},
        optional={
            "model": is_name,
            "gate": is_name,
            "until": is_time,
            "owner": is_identity,
            "reason": is_digest,
            "control": is_digest,
            "proposal": _is_cited_entry,
        },
    ),
    Kind.REVIEW: Shape(
        required={"id": is_name, "of": _is_cited_entry, "conclusion": one_of(*REVIEW_CONCLUSIONS), **_SIGNED},
        optional={"comment": nullable(is_digest)},
    ),
}


_KNOWN = {kind: {**COMMON, **shape.required, **shape.optional} for kind, shape in SHAPES.items()}


def problem_of(kind: Kind, predicate: Mapping[str, Any]) -> str:
    """What is wrong with the fields of a complete predicate, in words; empty when nothing is."""
    shape = SHAPES[kind]
    known = _KNOWN[kind]
    for name, value in predicate.items():
        if name not in known:
            return f"a {kind.value} has no field `{name}`"
        if not known[name](value):
            return f"the field `{name}` of a {kind.value} has the wrong shape"
    missing = [name for name in (*COMMON, *shape.required) if name not in predicate]
    return f"a {kind.value} lacks the field `{missing[0]}`" if missing else ""
