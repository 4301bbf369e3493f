"""What requester and signers put their names to: request and decision as predicates for `statement.build`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.approvals import parts
from services.approvals.models import MEANINGS, RETIREMENT_MEANINGS, Decision, Purpose
from services.approvals.records import Frozen, PromotionRequest
from services.approvals.rules import Capacity
from services.attestation import authentication, statement
from services.attestation.canonical import to_bytes
from services.attestation.models import Kind, LogHead, Subject
from services.kernel.clock import utc_text
from services.kernel.identity import Actor
from services.policy.evidence import Evidence
from services.policy.models import GateReport
from services.rollout.intents import ALIAS, signer, version_subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Everything of a request that its evidence does not say."""

    request_id: str
    revision: int
    title: str
    tier: int
    base_manifest: str
    note_sha256: str
    expires: datetime
    machine_key: str


def request_statement(
    asking: Asking,
    evidence: Evidence,
    frozen: Frozen,
    *,
    exceptions: list[dict[str, Any]],
    actor: Actor,
    at: datetime,
    head: LogHead,
) -> bytes:
    """Freezes everything that will be judged."""
    base: dict[str, object] | None = {"version": evidence.base} if evidence.base else None
    if base is not None and asking.base_manifest:
        base["digest"] = {"sha256": asking.base_manifest}
    return statement.build(
        Kind.REQUEST,
        subjects=(_subject(evidence),),
        predicate={
            "id": asking.request_id,
            "revision": asking.revision,
            "title": asking.title,
            "tier": str(asking.tier),
            "purpose": frozen.purpose.value,
            "action": "retire" if frozen.purpose is Purpose.RETIREMENT else "set-alias",
            "target": {"model": evidence.model, "alias": ALIAS},
            "from": base,
            "to": {"version": evidence.version, "digest": {"sha256": evidence.manifest_sha256}},
            "evidence": _evidence(evidence, frozen),
            "parts": dict(frozen.parts),
            "exceptions": exceptions,
            "quorum": [
                {"role": rule.role, "needed": rule.needed, "decision": rule.decision, "stage": rule.stage}
                for rule in frozen.quorum
            ],
            "terms": _terms(frozen),
            "rollback": _rollback(frozen, asking.machine_key),
            "note": {"sha256": asking.note_sha256},
            "expires": utc_text(asking.expires),
            "signer": signer(actor),
            "authentication": authentication.document(actor, at=at),
        },
        at=at,
        head=head,
    )


def _terms(frozen: Frozen) -> dict[str, Any]:
    terms: dict[str, Any] = {"shares": list(frozen.terms.shares), "approvalDays": frozen.terms.approval_days}
    if frozen.terms.shadow is not None:
        terms["shadow"] = {"minDays": frozen.terms.shadow.min_days, "minRecords": frozen.terms.shadow.min_records}
    if frozen.terms.signing is not None:
        asked = frozen.terms.signing
        terms["signing"] = {"secondFactor": "passkey"} if asked.passkey else {}
        if asked.fresh_login_minutes is not None:
            terms["signing"]["freshLoginMinutes"] = asked.fresh_login_minutes
    if frozen.retirement is not None:
        terms["retirement"] = {
            "reasonCode": frozen.retirement.reason_code,
            "consumers": list(frozen.retirement.consumers),
            "quietDays": frozen.retirement.quiet_days,
            "review": frozen.retirement.review,
        }
    return terms


def _rollback(frozen: Frozen, machine_key: str) -> dict[str, Any] | None:
    """The plan the machine must obey; null when only people may roll back."""
    plan = frozen.rollback
    if plan is None or not machine_key:
        return None
    return {
        "to": plan.to,
        "digest": {"sha256": plan.manifest_sha256},
        "rules": [
            {
                "id": rule.id,
                "measure": rule.measure,
                "above": rule.above,
                "windowMinutes": rule.window_minutes,
                "minRequests": rule.min_requests,
            }
            for rule in plan.rules
        ],
        "machine": machine_key,
    }


def _evidence(evidence: Evidence, frozen: Frozen) -> dict[str, object]:
    report = frozen.report
    lineage = {"lineage": {"digest": {"sha256": evidence.lineage_sha256}}} if evidence.lineage_sha256 else {}
    return {
        **lineage,
        "digest": {"sha256": parts.digest(frozen.parts)},
        "run": {"id": evidence.run_id},
        "evaluation": {"digest": {"sha256": evidence.evaluation_sha256 or "0" * 64}, "mediaType": "application/json"},
        "policy": _policy(report),
        "gates": [
            {"id": item.gate, "rule": item.rule, "observed": item.value, "result": item.verdict.value}
            for item in report.outcomes
        ],
    }


def _policy(report: GateReport) -> dict[str, object]:
    policy = report.policy
    return {"name": policy.name, "version": policy.version, "digest": {"sha256": policy.sha256}}


def _subject(evidence: Evidence) -> Subject:
    bare = version_subject(evidence.model, evidence.version, evidence.manifest_sha256)
    facts = (("creationTime", evidence.created_at), ("runId", evidence.run_id), ("source", evidence.source))
    return Subject(name=bare.name, sha256=bare.sha256, annotations=facts)


def shown_sha256(request: PromotionRequest, frozen: Frozen, acting: Capacity) -> str:
    """Digest of the document the page is rendered from: request, revision, step, every part and every gate outcome.

    Who else has signed is left out: two people may sign the same page at the same time.
    """
    document = {
        "request": request.request_id,
        "revision": request.revision,
        "statement": request.statement_sha256,
        "parts": dict(frozen.parts),
        "gates": [
            [item.gate, item.value, item.rule, item.verdict.value, item.exception] for item in frozen.report.outcomes
        ],
        "note": request.note,
        "step": {"role": acting.role, "delegation": acting.delegation.leaf_hash if acting.delegation else ""},
    }
    return hashlib.sha256(to_bytes(document)).hexdigest()


def decision_statement(
    request: PromotionRequest,
    decision: Decision,
    acting: Capacity,
    *,
    shown: str,
    comment_sha256: str | None,
    reason_code: str,
    zone: str,
    nonce: str,
    at: datetime,
    head: LogHead,
    passkey_of: str = "",
) -> bytes:
    """The signature record: everything a reader needs to know what was signed, by whom, in which capacity."""
    predicate: dict[str, Any] = {
        "request": {
            "id": request.request_id,
            "digest": {"sha256": request.statement_sha256},
            "entry": request.seq,
        },
        "decision": decision.value,
        "meaning": meaning_of(request, decision),
        "shown": {"digest": {"sha256": shown}},
        "comment": {"sha256": comment_sha256} if comment_sha256 else None,
        "reasonCode": reason_code,
        "revision": request.revision,
        "role": acting.role,
        "bound": bound(request),
        "zone": zone,
        "signer": signer(acting.actor),
        "authentication": authentication.document(acting.actor, at=at, passkey_of=passkey_of),
    }
    given = acting.delegation
    if given is not None:
        predicate |= {
            "delegation": {"entry": given.seq, "sha256": given.leaf_hash},
            "onBehalfOf": {"issuer": given.from_issuer, "sub": given.from_subject, "name": given.from_name},
        }
    return statement.build(
        Kind.DECISION,
        subjects=(version_subject(request.model, request.version, request.manifest_sha256),),
        predicate=predicate,
        at=at,
        head=head,
        nonce=nonce,
    )


def meaning_of(request: PromotionRequest, decision: Decision) -> str:
    """What a signature means, in the words that are signed with it."""
    own = RETIREMENT_MEANINGS if request.purpose is Purpose.RETIREMENT else MEANINGS
    return own[decision]


def bound(request: PromotionRequest) -> dict[str, Any]:
    """What a signature on this request is bound to, readable without the request."""
    named = dict(request.frozen.parts)
    return {
        "model": request.model,
        "version": request.version,
        "artifact": {"sha256": request.manifest_sha256},
        "run": request.run_id,
        "evaluation": {"sha256": named.get("evaluation") or "0" * 64},
        "policy": {"sha256": request.policy_sha256},
        "evidence": {"sha256": request.evidence_sha256},
        "limitsOfUse": request.frozen.limits,
        "parts": {name: sha256 for name, sha256 in request.frozen.parts if sha256},
    }
