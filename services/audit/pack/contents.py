"""What a pack says about each entry in its scope: the signed statement, and the same in words for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.attestation.models import Kind
from services.attestation.statement import Statement
from services.audit.pack.ports import FreeText
from services.kernel.clock import utc_text
from services.kernel.identity import ROLE_TITLES, Role

PAGED = frozenset({"request", "decision", "action", "outcome", "observation", "delegation", "exception", "review"})
"""Kinds that get a page of their own: everything that decides, orders, reports or excuses a change."""

_CITED = ("evaluation", "policy", "evidence", "run", "dataset", "manifest", "lineage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entry of the log in the words of the ledger screen."""

    seq: int
    at: str
    kind: str
    sentence: str
    leaf_hash: str
    model: str
    void: str
    """Why it has no effect, or empty."""

    def document(self) -> dict[str, Any]:
        return {
            "entry": self.seq,
            "at": self.at,
            "kind": self.kind,
            "sentence": self.sentence,
            "leaf": self.leaf_hash,
            "model": self.model,
            "counts": not self.void,
            "void": self.void,
        }


def page(
    line: Line, said: Statement, document: Mapping[str, Any], *, keys: Sequence[tuple[str, str]], text: FreeText | None
) -> dict[str, Any]:
    """The JSON of one decision. `keys` are the signing keys (key id, whose); `document` is the signed payload."""
    return {
        **line.document(),
        "printed": [list(pair) for pair in printed(said)],
        "signatures": [{"keyid": key_id, "name": name} for key_id, name in keys],
        "comment": None if text is None else {"text": text.text, "salt": text.salt},
        "statement": dict(document),
    }


def printed(said: Statement) -> Iterator[tuple[str, str]]:
    """The components of the signature in reading order: who, as what, meaning what, when, how recognised."""
    predicate = said.predicate
    signer = predicate.get("signer") or predicate.get("actor")
    if signer:
        yield "Printed name", signer["name"]
        yield "Identity", f"{signer['sub']} at {signer['issuer']}"
        yield "Role", title(signer["role"])
    else:
        yield "Made by", "Countersign, without a person"
    if "onBehalfOf" in predicate:
        lent = predicate.get("role", "")
        yield "Delegation", f"for {predicate['onBehalfOf']['name']} by delegation, as {title(lent)}"
    if "decision" in predicate:
        yield "Decision", predicate["decision"]
    if "meaning" in predicate:
        yield "Meaning", predicate["meaning"]
    if predicate.get("reasonCode"):
        yield "Reason", predicate["reasonCode"]
    yield "Time (UTC)", utc_text(said.at)
    if "zone" in predicate:
        yield "Zone shown to the signer", predicate["zone"]
    yield from _recognised(predicate.get("authentication") or {})
    for subject in said.subjects:
        yield "About", subject.name
        yield "Digest of it", f"sha256 {subject.sha256}"
    yield "Log seen by the signer", f"{said.head.size} entries, root {said.head.root}"


def title(role: str) -> str:
    return ROLE_TITLES[Role(role)] if role in set(Role) else role


def _recognised(authentication: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    first, second = authentication.get("component1"), authentication.get("component2")
    if isinstance(first, Mapping):
        since = first.get("authTime", first.get("tokenTime", ""))
        yield "Recognised by", f"session ({first.get('kind', '')}) since {since}"
    if isinstance(second, Mapping):
        since = second.get("sinceLogin")
        yield "And by", f"{second.get('kind', '')}" + (f", {since} seconds after login" if since else "")
    if "level" in authentication:
        yield "Level", str(authentication["level"])


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every field of a signed document as (path, text)."""
    if isinstance(value, Mapping):
        for name in sorted(value):
            yield from flat(value[name], f"{path}.{name}" if path else name)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from flat(item, f"{path}[{number}]")
    else:
        yield path, "" if value is None else str(value)


def cited_documents(said: Statement) -> Iterator[tuple[str, str]]:
    """(what it is, sha256) of documents a request or decision rests on; the model's own bytes are not documents."""
    predicate = said.predicate
    if said.kind is Kind.REQUEST:
        evidence = predicate["evidence"]
        if isinstance(evidence.get("digest"), Mapping):
            yield "evidence", str(evidence["digest"].get("sha256", ""))
        for name in _CITED:
            part = evidence.get(name)
            if isinstance(part, Mapping) and isinstance(part.get("digest"), Mapping):
                yield name, str(part["digest"].get("sha256", ""))
        yield "manifest", said.subjects[0].sha256
    if said.kind is Kind.DECISION and isinstance(predicate.get("bound"), Mapping):
        for name in ("evaluation", "policy", "evidence"):
            part = predicate["bound"].get(name)
            if isinstance(part, Mapping):
                yield name, str(part.get("sha256", ""))
    if said.kind is Kind.POLICY:
        yield "policy", predicate["digest"]["sha256"]
