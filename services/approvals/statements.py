"""What requester and signers put their names to: request and decision as predicates for `statement.build`."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from services.approvals.models import MEANINGS, Decision
from services.approvals.records import Frozen, PromotionRequest
from services.attestation import authentication, statement
from services.attestation.canonical import to_bytes
from services.attestation.models import Kind, LogHead, Subject
from services.kernel.clock import utc_text
from services.kernel.identity import Actor
from services.policy.evidence import Evidence
from services.policy.models import GateReport
from services.rollout.intents import ALIAS, signer, version_subject


def request_statement(
    *,
    request_id: str,
    revision: int,
    title: str,
    tier: int,
    evidence: Evidence,
    base_manifest: str,
    frozen: Frozen,
    exceptions: list[dict[str, Any]],
    note_sha256: str,
    expires: datetime,
    actor: Actor,
    at: datetime,
    head: LogHead,
) -> bytes:
    """Freezes everything that will be judged."""
    report = frozen.report
    base: dict[str, object] | None = {"version": evidence.base} if evidence.base else None
    if base is not None and base_manifest:
        base["digest"] = {"sha256": base_manifest}
    return statement.build(
        Kind.REQUEST,
        subjects=(_subject(evidence),),
        predicate={
            "id": request_id,
            "revision": revision,
            "title": title,
            "tier": str(tier),
            "action": "set-alias",
            "target": {"model": evidence.model, "alias": ALIAS},
            "from": base,
            "to": {"version": evidence.version, "digest": {"sha256": evidence.manifest_sha256}},
            "evidence": _evidence(evidence, report),
            "quorum": [{"role": rule.role, "needed": rule.needed, "decision": rule.decision} for rule in frozen.quorum],
            "terms": {"shares": list(frozen.terms.shares), "approvalDays": frozen.terms.approval_days},
            "note": {"sha256": note_sha256},
            **({"exceptions": exceptions} if exceptions else {}),
            "expires": utc_text(expires),
            "signer": signer(actor),
            "authentication": authentication.document(actor, at=at),
        },
        at=at,
        head=head,
    )


def _evidence(evidence: Evidence, report: GateReport) -> dict[str, object]:
    return {
        "digest": {"sha256": evidence.sha256},
        "run": {"id": evidence.run_id},
        "evaluation": {"digest": {"sha256": evidence.evaluation_sha256 or "0" * 64}, "mediaType": "application/json"},
        "policy": {
            "name": report.policy.name,
            "version": report.policy.version,
            "digest": {"sha256": report.policy.sha256},
        },
        "gates": [
            {"id": item.gate, "rule": item.rule, "observed": item.value, "result": item.verdict.value}
            for item in report.outcomes
        ],
    }


def _subject(evidence: Evidence) -> Subject:
    bare = version_subject(evidence.model, evidence.version, evidence.manifest_sha256)
    facts = (("creationTime", evidence.created_at), ("runId", evidence.run_id), ("source", evidence.source))
    return Subject(name=bare.name, sha256=bare.sha256, annotations=facts)


def shown_sha256(request: PromotionRequest, report: GateReport) -> str:
    """Digest of the document the page is rendered from: request, revision, evidence and every gate outcome.

    Who else has signed is left out: two people may sign the same page at the same time.
    """
    document = {
        "request": request.request_id,
        "revision": request.revision,
        "statement": request.statement_sha256,
        "evidence": report.evidence_sha256,
        "gates": [[item.gate, item.value, item.rule, item.verdict.value] for item in report.outcomes],
        "note": request.note,
    }
    return hashlib.sha256(to_bytes(document)).hexdigest()


def decision_statement(
    request: PromotionRequest,
    decision: Decision,
    *,
    shown: str,
    comment_sha256: str | None,
    reason_code: str,
    nonce: str,
    actor: Actor,
    at: datetime,
    head: LogHead,
) -> bytes:
    return statement.build(
        Kind.DECISION,
        subjects=(version_subject(request.model, request.version, request.manifest_sha256),),
        predicate={
            "request": {
                "id": request.request_id,
                "digest": {"sha256": request.statement_sha256},
                "entry": request.seq,
            },
            "decision": decision.value,
            "meaning": MEANINGS[decision],
            "shown": {"digest": {"sha256": shown}},
            "comment": {"sha256": comment_sha256} if comment_sha256 else None,
            "reasonCode": reason_code,
            "revision": request.revision,
            "signer": signer(actor),
            "authentication": authentication.document(actor, at=at),
        },
        at=at,
        head=head,
        nonce=nonce,
    )
