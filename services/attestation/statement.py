"""What is claimed: an in-toto statement with one of our predicates, as canonical bytes.

`build` adds what every statement carries (time, nonce, log head seen, program).
`read` accepts only what `build` writes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from services.attestation import canonical
from services.attestation.build import service_document
from services.attestation.fields import COMMON, problem_of
from services.attestation.models import Kind, LogHead, Subject
from services.kernel.clock import from_utc_text, utc_text
from services.kernel.errors import ForeignStatementError, InputError

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_KINDS = {kind.predicate_type: kind for kind in Kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    kind: Kind
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Any]
    """Everything claimed, with the common fields."""
    at: datetime
    nonce: str
    head: LogHead


def build(
    kind: Kind,
    *,
    subjects: tuple[Subject, ...],
    predicate: Mapping[str, Any],
    at: datetime,
    head: LogHead,
    nonce: str | None = None,
) -> bytes:
    """Canonical bytes to sign. Raises InputError for a missing, unknown or misshapen field.

    `nonce` is the server-side single-use challenge, 32 hexadecimal digits; a fresh one when not given.
    """
    taken = set(COMMON) & set(predicate)
    if taken:
        raise InputError(f"The field `{min(taken)}` of a {kind.value} is filled in by Countersign itself.")
    complete = {
        **predicate,
        "at": utc_text(at),
        "nonce": nonce or secrets.token_hex(16),
        "log": {"origin": head.origin, "size": head.size, "root": head.root},
        "service": service_document(),
    }
    problem = problem_of(kind, complete) or _subjects_problem(subjects)
    if problem:
        raise InputError(f"This statement cannot be signed: {problem}.")
    return canonical.to_bytes(
        {
            "_type": STATEMENT_TYPE,
            "subject": [_subject_document(subject) for subject in subjects],
            "predicateType": kind.predicate_type,
            "predicate": complete,
        }
    )


@lru_cache(maxsize=64)  # on its way into the log one statement is read by whoever signs, countersigns and appends it
def read(payload: bytes) -> Statement:
    """The statement in `payload`. Raises ForeignStatementError for anything `build` would not have written."""
    document = canonical.parse(payload)
    if set(document) != {"_type", "subject", "predicateType", "predicate"} or document["_type"] != STATEMENT_TYPE:
        raise ForeignStatementError("This is not one of our statements: its outer fields differ.")
    kind = _KINDS.get(document["predicateType"]) if isinstance(document["predicateType"], str) else None
    predicate = document["predicate"]
    if kind is None or not isinstance(predicate, dict):
        raise ForeignStatementError("This is not one of our statements: its predicate type is unknown.")
    subjects = _read_subjects(document["subject"])
    problem = problem_of(kind, predicate) or _subjects_problem(subjects)
    if problem:
        raise ForeignStatementError(f"This is not one of our statements: {problem}.")
    log = predicate["log"]
    return Statement(
        kind=kind,
        subjects=subjects,
        predicate=predicate,
        at=from_utc_text(predicate["at"]),
        nonce=predicate["nonce"],
        head=LogHead(origin=log["origin"], size=log["size"], root=log["root"]),
    )


def _subject_document(subject: Subject) -> dict[str, Any]:
    document: dict[str, Any] = {"name": subject.name, "digest": {"sha256": subject.sha256}}
    if subject.annotations:
        document["annotations"] = dict(subject.annotations)
    return document


def _read_subjects(value: Any) -> tuple[Subject, ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ForeignStatementError("This is not one of our statements: it names no subjects.")
    subjects = []
    for item in value:
        annotations = item.get("annotations", {"": ""})
        shaped = (
            {"name", "digest"} <= set(item) <= {"name", "digest", "annotations"}
            and isinstance(item["digest"], dict)
            and set(item["digest"]) == {"sha256"}
            and isinstance(annotations, dict)
            and annotations
        )
        if not shaped:
            raise ForeignStatementError("This is not one of our statements: a subject has the wrong shape.")
        kept = tuple(sorted(annotations.items())) if "annotations" in item else ()
        subjects.append(Subject(name=item["name"], sha256=item["digest"]["sha256"], annotations=kept))
    return tuple(subjects)


def _subjects_problem(subjects: tuple[Subject, ...]) -> str:
    if not subjects:
        return "it is about nothing"
    for subject in subjects:
        if not isinstance(subject.name, str) or not subject.name:
            return "a subject has no name"
        if not canonical.is_sha256(subject.sha256):
            return f"the digest of {subject.name} is not a SHA-256 in lower-case hexadecimal"
        if not all(isinstance(text, str) for pair in subject.annotations for text in pair):
            return f"the annotations of {subject.name} are not text"
    return ""
