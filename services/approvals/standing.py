"""Whether an approval stands: recomputed each time from the signed entries, never from a state column alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.approvals import parts, rules
from services.approvals.excepted import fallen
from services.approvals.models import ApprovalStatus, RequestState
from services.approvals.parts import Parts
from services.approvals.records import DecisionRecord, PromotionRequest
from services.approvals.table import STATE_WORDS
from services.exceptions.models import ActiveException
from services.kernel.errors import TrustError
from services.rollout.ports import Attestations

_STANDING = {RequestState.APPROVED, RequestState.APPLIED, RequestState.APPLY_FAILED}


def approval_status(
    model: str,
    version: str,
    *,
    request: PromotionRequest | None,
    decisions: tuple[DecisionRecord, ...],
    manifest_now: str,
    parts_now: Parts | None,
    now: datetime,
    attestations: Attestations,
    exceptions: tuple[ActiveException, ...],
) -> ApprovalStatus:
    """`exceptions` are those that count now for the model; `parts_now` is None when it could not be found out."""
    reason = _reason(request, decisions, manifest_now, now, attestations)
    cause = request.void_cause if request else ""
    if not reason and request is not None:
        reason, moved = _evidence_reason(request, parts_now)
        cause = cause or moved
    if not reason and request is not None:
        reason = fallen(attestations.require_valid(request.seq, request.leaf_hash), exceptions)
    counted = rules.standing(decisions)
    return ApprovalStatus(
        model=model,
        version=version,
        valid=not reason,
        reason=reason or "A complete quorum stands for exactly these files.",
        request_id=request.request_id if request else None,
        signers=tuple(item.signer for item in counted),
        valid_until=request.valid_until if request else None,
        manifest_sha256=request.manifest_sha256 if request else "",
        decision_entries=tuple(item.seq for item in counted),
        void_cause=cause,
    )


def _reason(  # noqa: PLR0911 - one sentence per way an approval can fall
    request: PromotionRequest | None,
    decisions: tuple[DecisionRecord, ...],
    manifest_now: str,
    now: datetime,
    attestations: Attestations,
) -> str:
    """Why it does not stand; empty when it does."""
    if request is None:
        return "Nobody asked for this version to be approved."
    if request.state is RequestState.VOIDED:
        return f"The approval turned void. {request.void_cause}"
    if request.state not in _STANDING:
        return f"The request is {STATE_WORDS[request.state]}."
    if not rules.is_complete(request.frozen.quorum, decisions):
        return "The quorum is not complete."
    if request.valid_until is None or now > request.valid_until:
        return "The approval has expired."
    if not manifest_now:
        return "The files of this version could not be hashed, so they cannot be compared."
    if manifest_now != request.manifest_sha256:
        return "The files of this version are not the ones that were approved."
    return _record_reason(request, decisions, attestations)


def _evidence_reason(request: PromotionRequest, now: Parts | None) -> tuple[str, str]:
    """Why it does not stand and what changed, before the worker has voided it; both empty when it stands."""
    if now is None:
        return "The evidence of this version could not be read just now, so it cannot be compared.", ""
    moved = " ".join(parts.changed(request.frozen.parts, now, complete=True))
    return (f"The approval is void: {moved}", moved) if moved else ("", "")


def _record_reason(request: PromotionRequest, decisions: tuple[DecisionRecord, ...], attestations: Attestations) -> str:
    try:
        asked = attestations.require_valid(request.seq, request.leaf_hash)
        if not _asks_for(asked, request):
            return "The signed request differs from the stored one."
        for item in rules.standing(decisions):
            said = attestations.require_valid(item.seq, item.leaf_hash)
            if not _says(said, item, request):
                return f"Entry {item.seq} does not say what is stored about it."
    except TrustError as wrong:
        return f"A signed entry does not verify. {wrong.message}"
    return ""


def _asks_for(asked: Mapping[str, Any], request: PromotionRequest) -> bool:
    """The row is what was signed: which files, under which policy, on which evidence, and whose signatures it needs."""
    evidence = asked.get("evidence", {})
    needed = [(line.get("role"), line.get("needed"), line.get("decision")) for line in asked.get("quorum", ())]
    return (
        asked.get("id") == request.request_id
        and asked.get("to", {}).get("digest") == {"sha256": request.manifest_sha256}
        and evidence.get("policy", {}).get("digest") == {"sha256": request.policy_sha256}
        and evidence.get("digest") == {"sha256": request.evidence_sha256}
        and needed == [(rule.role, rule.needed, rule.decision) for rule in request.frozen.quorum]
    )


def _says(said: Mapping[str, Any], item: DecisionRecord, request: PromotionRequest) -> bool:
    cited, signer = said.get("request", {}), said.get("signer", {})
    instead = said.get("onBehalfOf", {})
    return (
        said.get("decision") == item.decision.value
        and cited.get("id") == request.request_id
        and cited.get("digest") == {"sha256": request.statement_sha256}
        and (signer.get("issuer"), signer.get("sub"), signer.get("role"))
        == (item.issuer, item.subject, item.own_role or item.role)
        and said.get("role", signer.get("role")) == item.role
        and (instead.get("issuer", ""), instead.get("sub", "")) == (item.delegator_issuer, item.delegator_subject)
    )
