"""A small founded deployment for tests: real database, real keys (with a cheap Argon2id), the demonstration people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.adapters.signing.anchors import Anchors
from services.adapters.signing.desk import KeyDesk
from services.adapters.signing.sealing import Cost
from services.adapters.sql import protection
from services.adapters.sql.database import Database
from services.adapters.sql.ledger import SqlLedgerBook, SqlLedgerReader
from services.adapters.sql.ledger_index import SqlLedgerIndex
from services.adapters.sql.people import SqlKeyStore, SqlPeople
from services.adapters.sql.schema.base import metadata
from services.adapters.sql.setup import create_schema, found_deployment
from services.attestation import envelope, statement
from services.attestation.canonical import sha256_hex
from services.attestation.models import Kind, LogHead, Receipt, Subject
from services.audit.service import AuditService
from services.kernel.clock import FrozenClock, utc_text
from services.kernel.identity import Role
from services.kernel.secret import Secret
from services.ledger.service import LedgerService
from services.people.accounts import DEMO_ACCOUNTS, DEMO_ISSUER, demo_people
from services.people.service import PeopleService
from tests.contract import templates

CHEAP = Cost(memory_kib=64, passes=1)
STARTED = datetime(2030, 1, 31, 9, 0, tzinfo=UTC)
ACCOUNTS = {account.subject.split(".")[0]: account for account in DEMO_ACCOUNTS}
FOUNDED = 1 + 2 * (len(DEMO_ACCOUNTS) - 1)
"""Entries of a fresh log: genesis with the first administrator, then key and role of everybody else."""
BYTES = hashlib.sha256(b"the model version").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    home: Path
    database: Database
    clock: FrozenClock
    desk: KeyDesk
    book: SqlLedgerBook
    anchors: Anchors
    ledger: LedgerService
    people: PeopleService
    audit: AuditService
    genesis: str

    def append(self, data: bytes, *, idem: str = "") -> Receipt:
        with self.book.writing() as ledger:
            return ledger.append(data, idem=idem or sha256_hex(data))

    def sign(self, kind: Kind, predicate: dict[str, Any], *, by: str = "", **changes: Any) -> bytes:
        """An envelope; `by` is the first name of a demonstration person, or empty for the service alone."""
        if by:
            account = ACCOUNTS[by]
            predicate = {**_signed_by(by, self.clock.now()), **predicate}
        payload = statement.build(
            kind,
            subjects=(Subject(name="models:/claims_triage/4", sha256=changes.pop("bytes_", BYTES)),),
            predicate=predicate,
            at=changes.pop("at", self.clock.now()),
            head=changes.pop("head", None) or self.book.head(),
            nonce=changes.pop("nonce", None),
        )
        if not by:
            return self.desk.sign_as_service(payload)
        return self.desk.sign_as_person(payload, subject=account.subject, passphrase=Secret(account.passphrase))

    def record(self, kind: Kind, predicate: dict[str, Any], *, by: str = "", **changes: Any) -> Receipt:
        return self.append(self.sign(kind, predicate, by=by, **changes))

    def request(self, *, by: str = "dana", **changes: Any) -> tuple[Receipt, dict[str, Any]]:
        """The receipt, and how later entries cite it."""
        predicate = {
            "id": changes.pop("id_", "req-1"),
            "action": "set-alias",
            "target": {"model": "claims_triage", "alias": "champion"},
            "from": {"version": "3"},
            "to": {"version": "4", "digest": {"sha256": changes.get("bytes_", BYTES)}},
            "evidence": {"digest": {"sha256": BYTES}},
            "quorum": [
                {"role": "validator", "needed": 1, "decision": "approve"},
                {"role": "compliance_officer", "needed": 1, "decision": "approve"},
            ],
            "expires": utc_text(self.clock.now() + timedelta(days=7)),
        }
        predicate |= {name: changes.pop(name) for name in ("terms", "purpose") if name in changes}
        data = self.sign(Kind.REQUEST, predicate, by=by, **changes)
        receipt = self.append(data)
        cited = {
            "id": predicate["id"],
            "digest": {"sha256": sha256_hex(envelope.read(data).payload)},
            "entry": receipt.seq,
        }
        return receipt, cited

    def decide(self, cited: dict[str, Any], *, by: str, word: str = "approve", **changes: Any) -> Receipt:
        predicate = {
            "request": cited,
            "decision": word,
            "meaning": "I reviewed the evidence shown.",
            "shown": {"digest": {"sha256": BYTES}},
        }
        return self.record(Kind.DECISION, predicate, by=by, **changes)

    def decide_as(self, signer: dict[str, str], cited: dict[str, Any], *, by: str) -> Receipt:
        """The key of `by`, under any name and role."""
        predicate = {
            "request": cited,
            "decision": "approve",
            "meaning": "I reviewed the evidence shown.",
            "shown": {"digest": {"sha256": BYTES}},
            "signer": signer,
        }
        return self.record(Kind.DECISION, predicate, by=by)

    def act(
        self,
        cited: dict[str, Any] | None,
        decisions: list[Receipt],
        *,
        id_: str = "act-1",
        by: str = "",
        **changes: Any,
    ) -> Receipt:
        predicate = {
            "id": id_,
            "kind": changes.pop("kind", "rollback" if changes.get("rollback") else "start"),
            "request": cited,
            "decisions": [{"entry": item.seq, "sha256": item.leaf_hash} for item in decisions],
            "policy": {"digest": {"sha256": BYTES}},
            "target": {"model": "claims_triage", "alias": "champion"},
            "from": {"version": "3"},
            "to": {"version": "4", "digest": {"sha256": BYTES}},
            "rollback": changes.pop("rollback", None),
            "notAfter": utc_text(self.clock.now() + timedelta(days=7)),
        }
        predicate |= {name: changes.pop(name) for name in ("routes", "mirror", "shadow") if name in changes}
        return self.record(Kind.ACTION, predicate, by=by, **changes)

    def outcome(self, action: str = "act-1", result: str = "applied") -> Receipt:
        return self.record(
            Kind.OUTCOME,
            {
                "action": action,
                "result": result,
                "before": {"version": "3"},
                "after": {"version": "4"},
                "attempts": "1",
            },
        )

    def event(self, word: str = "checked", **detail: str) -> Receipt:
        return self.ledger.record_event(event=word, actor=None, detail=detail)

    def promote(self) -> None:
        """Request, two approvals, action, outcome: five entries that all count."""
        _, cited = self.request()
        decisions = [self.decide(cited, by="vera"), self.decide(cited, by="clara")]
        self.act(cited, decisions)
        self.outcome()


def found(url: str, home: Path, *, deployment: str = "tests", at: datetime = STARTED) -> Deployment:
    database = Database(url)
    create_schema(database)
    metadata.create_all(database.writer_engine)
    with database.writer_engine.begin() as connection:
        protection.install(connection)
    clock = FrozenClock(at)
    desk = KeyDesk.create(SqlKeyStore(database), home / "keys", clock, deployment=deployment, cost=CHEAP)
    genesis = found_deployment(database, desk, clock=clock, profile="embedded", people=demo_people())
    return assemble(database, home, desk=desk, clock=clock, genesis=genesis)


def founded(url: str, home: Path) -> Deployment:
    """As `found`, from a copy made once per process: every log made by this has the same keys and the same genesis."""
    if url.startswith("sqlite"):
        templates.copied("deployment", home, _found_files)
    else:
        templates.cloned("deployment", url, home, _found_at)
    database, clock = Database(url), FrozenClock(STARTED)
    desk = KeyDesk(SqlKeyStore(database), home / "keys", clock, cost=CHEAP)
    return assemble(database, home, desk=desk, clock=clock, genesis=(home / "genesis").read_text())


def _found_files(home: Path) -> None:
    _found_at(f"sqlite:///{home / 'governance.db'}", home)


def _found_at(url: str, home: Path) -> None:
    made = found(url, home)
    (home / "genesis").write_text(made.genesis)
    made.database.dispose()


def assemble(database: Database, home: Path, *, desk: KeyDesk, clock: FrozenClock, genesis: str) -> Deployment:
    book = SqlLedgerBook(database, desk, clock)
    anchors = Anchors(home / "anchors")
    ledger = LedgerService(book=book, desk=desk, keys=desk, clock=clock, anchors=anchors)
    return Deployment(
        home=home,
        database=database,
        clock=clock,
        desk=desk,
        book=book,
        anchors=anchors,
        ledger=ledger,
        people=PeopleService(store=SqlPeople(database), ledger=ledger, clock=clock, demo=DEMO_ACCOUNTS),
        audit=AuditService(
            reader=SqlLedgerReader(database),
            index=SqlLedgerIndex(database),
            anchors=anchors,
            clock=clock,
            keys=desk,
            pinned_genesis=genesis,
        ),
        genesis=genesis,
    )


def a_head(
    origin: str = "tests/countersign/log-1", size: int = 0, root: str = hashlib.sha256(b"").hexdigest()
) -> LogHead:
    return LogHead(origin=origin, size=size, root=root)


def _signed_by(first_name: str, at: datetime) -> dict[str, Any]:
    account = ACCOUNTS[first_name]
    return {
        "signer": {
            "issuer": DEMO_ISSUER,
            "sub": account.subject,
            "name": account.name,
            "role": Role(account.role).value,
        },
        "authentication": {
            "component1": {"kind": "local", "issuer": DEMO_ISSUER, "authTime": utc_text(at)},
            "component2": {"kind": "passphrase-key"},
            "level": "L2",
        },
    }
