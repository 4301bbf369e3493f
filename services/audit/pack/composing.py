"""Puts a pack together after the log went by: pages, proofs, anchors, keys, evidence, manifest and its signature."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.attestation import statement
from services.attestation.canonical import to_bytes
from services.attestation.models import Kind, LogHead, Subject
from services.audit.pack import printing
from services.audit.pack.archive import Archive
from services.audit.pack.contents import page
from services.audit.pack.gathering import Gathered
from services.audit.pack.logfiles import LogFiles
from services.audit.pack.models import PackScope
from services.audit.pack.ports import FreeText, PackFacts, PolicyFiles
from services.kernel.clock import utc_text
from services.ledger import merkle, note
from services.ledger.keyring import Keyring, replayed
from services.ledger.ports import AnchorStore
from services.ledger.verify import FINDING, INTEGRITY, VOID, LogReport

FORMAT = "countersign.pack/1"
MANIFEST_EVENT = "audit-pack-manifest"
_MOST_ANCHORS = 2000
_PROOFS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a pack takes what the log itself does not hold."""

    facts: PackFacts
    anchors: AnchorStore
    policies: PolicyFiles
    retention: Callable[[str], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    name: str
    role: str
    at: datetime


@dataclass(slots=True, kw_only=True)
class Composer:
    archive: Archive
    gathered: Gathered
    files: LogFiles
    checkpoint: str
    report: LogReport
    missing: list[str] = field(default_factory=list)

    def write(self, sources: Sources, maker: Maker, *, verifier: bytes) -> list[str]:
        """Everything but the manifest; sentences about what could not be put in."""
        scope, add = self.gathered.scope, self.archive.add
        keyring = replayed(self.gathered.keyring)
        self._proofs(sources.anchors)
        pages = self._pages(sources.facts.texts(scope.model), keyring)
        evidence = self._evidence(sources)
        inventory = self._inventory(sources.facts.inventory(scope.model))
        self._frozen(sources.facts.frozen_requests(scope.model))
        if self.gathered.unreadable:
            places = ", ".join(map(str, self.gathered.unreadable[:20]))
            self.missing.append(f"Readable pages of entries {places}: their bytes are no record of this product.")
        index = self._index(maker, keyring, pages, evidence, inventory)
        index["retention"] = [*sources.retention(scope.model), *self.gathered.holds]
        lines = [line.document() for line in self.gathered.lines]
        add("index.html", printing.index_page(index), "Contents, for reading")
        add("pack.json", to_bytes(index), "The same contents as JSON")
        add("entries.html", printing.entries_page(lines, origin=self.report.origin), "All entries in scope")
        add("entries.json", to_bytes({"entries": lines}), "The same as JSON")
        add("keys.json", to_bytes(_keys_document(keyring, self.report.origin)), "Public keys, as the log names them")
        add("PIN.txt", _pin(self.report), "Fingerprint of the first entry: compare it with the one you hold")
        add("verify.py", verifier, "The verifier")
        add("SHA256SUMS", self._sums(), "Digests of all files above, for sha256sum -c")
        return self.missing

    def seal(self, sign: Callable[[bytes], bytes], *, maker: Maker, head: LogHead) -> None:
        """The manifest, and the service's signature over it at exactly this state of the log."""
        manifest = to_bytes(
            {
                "format": FORMAT,
                "origin": self.report.origin,
                "genesis": self.report.genesis,
                "log": {"size": head.size, "root": head.root},
                "scope": _scope(self.gathered.scope),
                "builtAt": utc_text(maker.at),
                "builtBy": {"name": maker.name, "role": maker.role},
                "missing": list(self.missing),
                "files": [
                    {"path": item.path, "sha256": item.sha256, "size": item.size, "title": item.title}
                    for item in sorted(self.archive.files, key=lambda item: item.path)
                ],
            }
        )
        sha256 = hashlib.sha256(manifest).hexdigest()
        payload = statement.build(
            Kind.EVENT,
            subjects=(Subject(name="manifest.json", sha256=sha256),),
            predicate={"event": MANIFEST_EVENT, "model": self.gathered.scope.model, "detail": {}, "actor": None},
            at=maker.at,
            head=head,
            # Derived, so that the same content makes the same pack.
            nonce=hashlib.sha256(b"pack" + manifest).hexdigest()[:32],
        )
        self.archive.write("manifest.json", manifest)
        self.archive.write("manifest.dsse.json", sign(payload))

    # parts

    def _proofs(self, anchors: AnchorStore) -> None:
        add, leaves = self.archive.add, self.files.leaves
        add("log/checkpoint", self.checkpoint.encode(), "Signed checkpoint of the log in this pack")
        kept = [(size, text) for size, text in anchors.notes() if size <= len(leaves)]
        if len(kept) > _MOST_ANCHORS:
            self.missing.append(f"{len(kept) - _MOST_ANCHORS} older anchors: the newest {_MOST_ANCHORS} are here.")
        if not kept:
            self.missing.append("Anchors: no checkpoint was kept outside the database when this pack was made.")
        for size, text in kept[-_MOST_ANCHORS:]:
            add(f"anchors/{size:012d}.note", text.encode(), f"Checkpoint kept outside the database at {size} entries")
        for size, _ in kept[-_PROOFS:]:
            if size < len(leaves):
                proof = _consistency(size, merkle.consistency_proof(leaves, size))
                add(f"proofs/from-{size}.consistency", proof, f"The log of {size} entries is a part of this one")

    def _pages(self, texts: Mapping[int, FreeText], keyring: Keyring) -> list[dict[str, Any]]:
        proofs = merkle.InclusionProofs(self.files.leaves)
        made = []
        for seq, item in self.gathered.pages.items():
            keys = [
                (one.key_id, keyring.keys[one.key_id].name if one.key_id in keyring.keys else "unknown key")
                for one in item.read.signatures
            ]
            document = page(item.line, item.said, item.document, keys=keys, text=self._comment(seq, texts))
            proof = note.proof_text(index=seq, path=proofs.path(seq), checkpoint=self.checkpoint)
            html = printing.decision_page(document, origin=self.report.origin)
            self.archive.add(f"decisions/{seq}.html", html, item.line.sentence)
            self.archive.add(f"decisions/{seq}.json", to_bytes(document), f"Entry {seq} as JSON")
            self.archive.add(f"envelopes/{seq}.dsse.json", item.envelope, f"Entry {seq} as signed")
            self.archive.add(f"proofs/{seq}.tlog-proof", proof.encode(), f"Proof that entry {seq} is in the log")
            made.append(item.line.document())
        return made

    def _comment(self, seq: int, texts: Mapping[int, FreeText]) -> FreeText | None:
        signed = self.gathered.pages[seq].said.predicate.get("comment")
        kept = texts.get(seq)
        if signed is None:
            return None
        if kept is None or not kept.text:
            self.missing.append(f"The comment of entry {seq}: it was erased, or never kept; its digest is signed.")
            return None
        if hashlib.sha256((kept.salt + kept.text).encode()).hexdigest() != signed["sha256"]:
            self.missing.append(f"The comment of entry {seq}: the text kept beside the ledger is not the signed one.")
            return None
        return kept

    def _evidence(self, sources: Sources) -> list[dict[str, str]]:
        found: dict[str, tuple[str, bytes]] = {}
        for kept in sources.facts.documents(self.gathered.scope.model):
            if kept.sha256 in self.gathered.cited and hashlib.sha256(kept.data).hexdigest() == kept.sha256:
                found.setdefault(kept.sha256, (kept.title, kept.data))
        listed = []
        for file in sources.policies.files():
            sha256 = hashlib.sha256(file.data).hexdigest()
            self.archive.add(f"policies/{file.path}", file.data, file.title)
            listed.append({"path": f"policies/{file.path}", "title": file.title})
            if sha256 in self.gathered.cited:
                found.setdefault(sha256, (f"Policy {file.path}", file.data))
        for sha256, (title, data) in sorted(found.items()):
            self.archive.add(f"evidence/{sha256}", data, title)
            listed.append({"path": f"evidence/{sha256}", "title": title})
        for sha256, (what, seq) in sorted(self.gathered.cited.items(), key=lambda item: item[1][1]):
            if sha256 not in found and what != "manifest":
                self.missing.append(f"The {what} document cited by entry {seq}: no copy with sha256 {sha256} was kept.")
        return listed

    def _inventory(self, documents: Mapping[str, str]) -> list[dict[str, Any]]:
        made = []
        for name, text in sorted(documents.items()):
            known = json.loads(text)
            self.archive.add(f"inventory/{_safe(name)}.json", text.encode(), f"Inventory entry of {name}")
            made.append(
                {
                    "name": name,
                    "title": known.get("title", name),
                    "facts": [[label, _words(known.get(key))] for label, key in _FACTS],
                    "sensitive": [_texts(item) for item in known.get("sensitive") or ()],
                    "lineage": [[str(end) for end in edge] for edge in known.get("lineage") or ()],
                }
            )
        if not made:
            self.missing.append("Inventory, lineage and sensitive columns: the inventory holds no entry in this scope.")
        return made

    def _frozen(self, requests: Mapping[str, str]) -> None:
        for name, text in sorted(requests.items()):
            path = f"requests/{_safe(name)}.json"
            self.archive.add(path, text.encode(), f"What request {name} froze for judgement")

    def _index(
        self,
        maker: Maker,
        keyring: Keyring,
        pages: list[dict[str, Any]],
        evidence: list[dict[str, str]],
        inventory: list[dict[str, Any]],
    ) -> dict[str, Any]:
        report, scope = self.report, self.gathered.scope
        return {
            "format": FORMAT,
            "origin": report.origin,
            "genesis": report.genesis,
            "log": {"size": report.entries, "root": report.root},
            "scope": _scope(scope),
            "scopeWords": _scope_words(scope),
            "builtAt": utc_text(maker.at),
            "builtBy": {"name": maker.name, "role": maker.role},
            "certifiedCopy": _certified(report, maker),
            "checked": _checked(report),
            "changes": list(self.gathered.changes()),
            "pages": pages,
            "entriesInScope": len(self.gathered.lines),
            "inventory": inventory,
            "evidence": evidence,
            "keys": list(_people(keyring)),
            "missing": list(self.missing),
        }

    def _sums(self) -> bytes:
        return "".join(f"{item.sha256}  {item.path}\n" for item in self.archive.files).encode()


_FACTS = (
    ("Use case", "use_case"),
    ("Purpose", "purpose"),
    ("Risk tier", "tier"),
    ("Runs as", "kind"),
    ("Team", "team"),
    ("Owners", "owners"),
    ("Limits of use", "limits_of_use"),
    ("Fallback", "fallback"),
    ("Definition of the label", "label"),
    ("Last review", "last_review"),
    ("Vendor", "vendor"),
)


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{item.get('name', '')} ({item.get('role', '')})" for item in value)
    return "" if value is None else str(value)


def _texts(item: Mapping[str, Any]) -> dict[str, str]:
    return {name: _words(value) for name, value in item.items()}


def _safe(name: str) -> str:
    """A name as part of a path: letters and digits stay, everything else is spelled out."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "._-") else f"%{ord(char):X}" for char in name)


def _scope(scope: PackScope) -> dict[str, str]:
    return {
        "model": scope.model,
        "since": utc_text(scope.since) if scope.since else "",
        "until": utc_text(scope.until) if scope.until else "",
    }


def _scope_words(scope: PackScope) -> str:
    span = [f"from {utc_text(scope.since)}"] if scope.since else []
    span += [f"until {utc_text(scope.until)}"] if scope.until else []
    return f"{scope.model or 'every model of the deployment'}, {' '.join(span) or 'all of its history'}"


def _certified(report: LogReport, maker: Maker) -> str:
    return (
        f"Certified copy. This pack holds a true and complete copy of the log {report.origin} as it stood at "
        f"{report.entries} entries, and of the records named in manifest.json, taken on {utc_text(maker.at)} on behalf "
        f"of {maker.name}. The manifest is signed by the service key of that log. What could not be included is listed "
        "under “Not in this pack”."
    )


def _checked(report: LogReport) -> str:
    if not report.intact:
        broken = next(item.sentence for item in report.problems if item.severity == INTEGRITY)
        return f"NOT INTACT when this pack was made: {broken}"
    rest = [item for item in report.problems if item.severity in {VOID, FINDING}]
    return f"intact, {len(rest)} open findings" if rest else "intact, no open finding"


def _pin(report: LogReport) -> bytes:
    return (
        "Compare these two lines with the ones you were given when this log was founded.\n"
        "They prove nothing by standing here.\n\n"
        f"origin   {report.origin}\n"
        f"genesis  {report.genesis}\n"
    ).encode()


def _consistency(older: int, path: tuple[bytes, ...]) -> bytes:
    nodes = "".join(f"{base64.b64encode(node).decode()}\n" for node in path)
    return f"countersign consistency proof v1\nfrom {older}\n{nodes}".rstrip("\n").encode() + b"\n\n"


def _keys_document(keyring: Keyring, origin: str) -> dict[str, Any]:
    return {
        "logKeys": [{"key": key.document(), "vkey": note.verifier_key(origin, key)} for key in keyring.log_keys],
        "keys": [
            {"keyid": key_id, "key": key.public.document(), "name": key.name, "level": key.level}
            for key_id, key in sorted(keyring.keys.items())
        ],
    }


def _people(keyring: Keyring) -> Iterator[dict[str, Any]]:
    for key_id, key in keyring.keys.items():
        roles = sorted(keyring.roles.get(key.owner, ())) if key.owner else []
        state = "in use" if key.revoked_at is None else f"revoked at entry {key.revoked_at}"
        if key.suspect_from is not None:
            state += f", suspect from entry {key.suspect_from}"
        yield {"name": key.name, "roles": roles, "keyid": key_id, "state": state}
