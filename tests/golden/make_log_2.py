"""Writes the stored log of format 2 once: `python -m tests.golden.make_log_2 FOLDER`. Never over released files."""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from services.attestation import statement
from services.attestation.models import Kind, Receipt, Subject
from services.kernel.clock import utc_text
from services.people.accounts import DEMO_ISSUER
from tests.contract.deployment import ACCOUNTS, BYTES, Deployment, found

MACHINE = {"issuer": "countersign:machine", "sub": "machine", "name": "Countersign machine", "role": "machine"}


def person(name: str) -> dict[str, str]:
    account = ACCOUNTS[name]
    return {"issuer": DEMO_ISSUER, "sub": account.subject, "name": account.name}


def cite(receipt: Receipt) -> dict[str, Any]:
    return {"entry": receipt.seq, "sha256": receipt.leaf_hash}


def fill(log: Deployment) -> None:
    now = log.clock.now()
    digest = {"sha256": BYTES}
    given = log.record(
        Kind.DELEGATION,
        {
            "op": "grant",
            "id": "dlg-1",
            "role": "compliance_officer",
            "to": person("carl"),
            "tier": "1",
            "since": utc_text(now),
            "until": utc_text(now + timedelta(days=30)),
            "reason": digest,
        },
        by="clara",
    )
    plan = {
        "to": "4",
        "digest": digest,
        "rules": [{"id": "errors", "measure": "error_rate", "above": "0.02", "windowMinutes": 10, "minRequests": 50}],
    }
    _, cited = log.request()
    asked = log.record(Kind.REQUEST, {**_request(log), "id": "req-plan", "rollback": plan, "tier": "1"}, by="dana")
    stored = log.book.entry(asked.seq)
    assert stored is not None
    from services.attestation import envelope
    from services.attestation.canonical import sha256_hex

    planned = {
        "id": "req-plan",
        "digest": {"sha256": sha256_hex(envelope.read(stored.envelope).payload)},
        "entry": asked.seq,
    }
    decisions = [
        log.decide(planned, by="vera"),
        log.record(
            Kind.DECISION,
            {
                "request": planned,
                "decision": "approve",
                "meaning": "I reviewed the evidence shown.",
                "shown": {"digest": digest},
                "delegation": cite(given),
                "onBehalfOf": person("clara"),
                "role": "compliance_officer",
                "zone": "Europe/Berlin",
            },
            by="carl",
        ),
    ]
    log.act(planned, decisions)
    log.outcome()
    log.append(log.desk.sign_as_machine(_machine(log, planned)))
    log.record(Kind.DELEGATION, {"op": "withdraw", "id": "dlg-1"}, by="ada")
    proposal = log.record(
        Kind.EXCEPTION,
        {
            "op": "propose",
            "id": "exc-1",
            "model": "claims_triage",
            "gate": "psi",
            "until": utc_text(now + timedelta(days=14)),
            "owner": person("ben"),
            "reason": digest,
            "control": digest,
        },
        by="dana",
    )
    log.record(Kind.EXCEPTION, {"op": "grant", "id": "exc-1", "proposal": cite(proposal)}, by="clara")
    log.record(Kind.EXCEPTION, {"op": "end", "id": "exc-1"}, by="clara")
    emergency = {
        "mode": "forward",
        "reasonCode": "OUTAGE",
        "reason": digest,
        "reviewBy": utc_text(now + timedelta(days=2)),
    }
    loud = log.record(Kind.ACTION, {**_action("act-3"), "kind": "emergency", "emergency": emergency}, by="sam")
    log.outcome(action="act-3")
    for name in ("vera", "clara"):
        log.record(Kind.REVIEW, {"id": "rev-1", "of": cite(loud), "conclusion": "accepted"}, by=name)
    seen = log.record(Kind.OBSERVATION, {"model": "claims_triage", "finding": "Alias moved outside."})
    log.record(Kind.ACTION, {**_action("act-4"), "kind": "revert", "reverts": cite(seen)}, by="sam")
    log.ledger.record_signed_event(
        event="legal-hold",
        actor=log.people.sign_in_demo("clara.compliance"),
        passphrase=_secret("clara"),
        detail={"sentence": "Clara Whitfield placed a legal hold."},
    )
    log.record(Kind.KEYRING, {"op": "disable", "person": person("ben"), "reason": "left"}, by="ada")
    log.record(Kind.KEYRING, {"op": "enable", "person": person("ben")}, by="ada")
    log.decide(cited, by="carl", word="abstain")
    # Void on purpose: the machine approves, and a delegation that has ended is used.
    log.append(log.desk.sign_as_machine(_machine(log, planned, id_="act-9", measured="0.01")))


def _secret(name: str) -> Any:
    from services.kernel.secret import Secret

    return Secret(ACCOUNTS[name].passphrase)


def _request(log: Deployment) -> dict[str, Any]:
    return {
        "action": "set-alias",
        "target": {"model": "claims_triage", "alias": "champion"},
        "from": {"version": "3"},
        "to": {"version": "4", "digest": {"sha256": BYTES}},
        "evidence": {"digest": {"sha256": BYTES}},
        "quorum": [
            {"role": "validator", "needed": 1, "decision": "approve"},
            {"role": "compliance_officer", "needed": 1, "decision": "approve"},
        ],
        "purpose": "promotion",
        "expires": utc_text(log.clock.now() + timedelta(days=7)),
    }


def _action(id_: str) -> dict[str, Any]:
    return {
        "id": id_,
        "request": None,
        "decisions": [],
        "policy": {"digest": {"sha256": BYTES}},
        "target": {"model": "claims_triage", "alias": "champion"},
        "from": {"version": "3"},
        "to": {"version": "4", "digest": {"sha256": BYTES}},
        "rollback": None,
        "notAfter": "2030-02-07T00:00:00Z",
    }


def _machine(log: Deployment, planned: dict[str, Any], *, id_: str = "act-2", measured: str = "0.05") -> bytes:
    obeys = {
        "request": planned,
        "rule": "errors",
        "above": "0.02",
        "measured": measured,
        "windowMinutes": 10,
        "requests": 80,
    }
    return statement.build(
        Kind.ACTION,
        subjects=(Subject(name="models:/claims_triage/4", sha256=BYTES),),
        predicate={
            **_action(id_),
            "kind": "rollback",
            "rollback": {"mode": "automatic"},
            "obeys": obeys,
            "signer": MACHINE,
            "authentication": {"component1": {"kind": "machine"}, "level": "L1"},
        },
        at=log.clock.now(),
        head=log.book.head(),
    )


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        log = found(f"sqlite:///{home}/governance.db", Path(home), deployment="golden-2")
        fill(log)
        document = {
            "genesis": log.genesis,
            "entries": [
                {"seq": item.seq, "envelope": item.envelope.decode(), "leaf": item.leaf_hash, "root": item.root}
                for item in log.book.entries()
            ],
            "checkpoints": [list(pair) for pair in log.book.checkpoints()],
        }
        log.database.dispose()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
