"""Collects, while the entries pass by, what the pages of a pack are made of. Holds pages in scope, not the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.attestation import envelope, statement
from services.attestation.canonical import parse
from services.attestation.envelope import Envelope
from services.attestation.models import Kind
from services.attestation.statement import Statement
from services.audit.pack.contents import PAGED, Line, cited_documents
from services.audit.pack.models import PackScope
from services.audit.retention import CERTIFICATE, PLACED, RELEASED, RETIRED
from services.kernel.clock import utc_text
from services.kernel.errors import ForeignStatementError
from services.ledger.ports import StoredEntry
from services.ledger.summary import model_and_version, summarise

_COUNTING = ("approve", "acknowledge")
_KEEPING = frozenset({PLACED, RELEASED, CERTIFICATE, RETIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged:
    """An entry that gets a page: its envelope as stored, what it says, and its line."""

    line: Line
    said: Statement
    read: Envelope
    envelope: bytes

    @property
    def document(self) -> dict[str, Any]:
        return parse(self.read.payload)


@dataclass(slots=True, kw_only=True)
class Gathered:
    scope: PackScope
    lines: list[Line] = field(default_factory=list)
    pages: dict[int, Paged] = field(default_factory=dict)
    keyring: list[StoredEntry] = field(default_factory=list)
    cited: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Digest of a document to (what it is, the first entry that cites it)."""
    unreadable: list[int] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)

    def passing(self, entries: Iterator[StoredEntry]) -> Iterator[StoredEntry]:
        for entry in entries:
            self._take(entry)
            yield entry

    def mark(self, void: Mapping[int, str]) -> None:
        """Takes over which entries have no effect, and why."""
        self.lines = [replace(line, void=void.get(line.seq, "")) for line in self.lines]
        self.pages = {
            seq: replace(item, line=replace(item.line, void=void.get(seq, ""))) for seq, item in self.pages.items()
        }

    @property
    def decisions(self) -> int:
        """Approvals and acknowledgements that count."""
        return sum(
            item.said.kind is Kind.DECISION and item.said.predicate["decision"] in _COUNTING and not item.line.void
            for item in self.pages.values()
        )

    def changes(self) -> Sequence[dict[str, Any]]:
        """The actions in scope with the decisions they cite and the outcome that followed."""
        outcomes = {
            item.said.predicate["action"]: item.said.predicate["result"]
            for item in self.pages.values()
            if item.said.kind is Kind.OUTCOME
        }
        return [
            {
                "entry": seq,
                "at": item.line.at,
                "sentence": item.line.sentence,
                "counts": not item.line.void,
                "bytes": item.said.subjects[0].sha256,
                "outcome": outcomes.get(item.said.predicate["id"], ""),
                "decisions": [
                    self._decision(self.pages[cited["entry"]])
                    for cited in item.said.predicate["decisions"]
                    if cited["entry"] in self.pages
                ],
            }
            for seq, item in self.pages.items()
            if item.said.kind is Kind.ACTION
        ]

    def _decision(self, item: Paged) -> dict[str, Any]:
        predicate = item.said.predicate
        signer = predicate.get("signer", {})
        return {
            "entry": item.line.seq,
            "decision": predicate.get("decision", ""),
            "name": signer.get("name", ""),
            "role": predicate.get("role", signer.get("role", "")),
            "behalf": predicate.get("onBehalfOf", {}).get("name", ""),
            "at": item.line.at,
        }

    def _take(self, entry: StoredEntry) -> None:
        try:
            read = envelope.read(entry.envelope)
            said = statement.read(read.payload)
        except ForeignStatementError:
            self.unreadable.append(entry.seq)
            return
        if said.kind in {Kind.GENESIS, Kind.KEYRING}:
            self.keyring.append(entry)
        if said.kind is Kind.POLICY:
            self._cite(said, entry.seq)
        model, _ = model_and_version(said)
        # Who lent a role, and who holds which key, belongs to every model.
        everywhere = said.kind in {Kind.DELEGATION, Kind.GENESIS, Kind.KEYRING, Kind.POLICY}
        if not self.scope.covers(self.scope.model if everywhere else model, said.at):
            return
        summary = summarise(said, seq=entry.seq, leaf_hash=entry.leaf_hash)
        line = Line(
            seq=entry.seq,
            at=utc_text(said.at),
            kind=said.kind.value,
            sentence=summary.sentence,
            leaf_hash=entry.leaf_hash,
            model=model,
            void="",
        )
        self.lines.append(line)
        if said.kind.value in PAGED:
            self.pages[entry.seq] = Paged(line=line, said=said, read=read, envelope=entry.envelope)
            self._cite(said, entry.seq)
        if summary.event.removeprefix("event:") in _KEEPING:
            self.holds.append(f"{line.at}: {summary.sentence} (entry {entry.seq})")

    def _cite(self, said: Statement, seq: int) -> None:
        for what, sha256 in cited_documents(said):
            if sha256 and set(sha256) != {"0"}:
                self.cited.setdefault(sha256, (what, seq))
