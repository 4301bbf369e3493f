"""What is signed in an emergency: the order to release with its reason and review date, and each reviewer's word."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from services.attestation import authentication, statement
from services.attestation.models import Kind, LogHead
from services.kernel.clock import utc_text
from services.kernel.identity import Actor
from services.rollout import intents
from services.rollout.emergency_models import Conclusion, Emergency, EmergencyMode
from services.rollout.models import Action, Basis

# An emergency that nobody could carry out within a day has to be ordered again.
_TIME_TO_ACT = timedelta(days=1)


def order(
    action: Action,
    *,
    mode: EmergencyMode,
    basis: Basis | None,
    reason_sha256: str,
    review_by: datetime,
    at: datetime,
    head: LogHead,
    nonce: str,
    actor: Actor,
) -> bytes:
    """The action entry. `basis` is the approval it rests on (skip) or the incomplete one it goes past, if any."""
    predicate: dict[str, Any] = {
        "id": action.action_id,
        "kind": action.kind.value,
        "request": _request(basis),
        "decisions": [{"entry": seq, "sha256": leaf} for seq, leaf in action.decisions],
        "policy": {"digest": {"sha256": basis.policy_sha256}} if basis else {},
        "target": {"model": action.model, "alias": intents.ALIAS, "deployment": action.deployment},
        "from": {"version": action.from_version or ""},
        "to": {"version": action.to_version, "digest": {"sha256": action.manifest_sha256}},
        "routes": intents.routes_document(action.routes),
        "champion": action.champion,
        "rollback": None,
        "emergency": {
            "mode": mode.value,
            "reasonCode": action.reason_code,
            "reason": {"sha256": reason_sha256},
            "reviewBy": utc_text(review_by),
        },
        "notAfter": utc_text(at + _TIME_TO_ACT),
        "signer": intents.signer(actor),
        "authentication": authentication.document(actor, at=at),
    }
    return statement.build(
        Kind.ACTION,
        subjects=(intents.version_subject(action.model, action.to_version, action.manifest_sha256),),
        predicate=predicate,
        at=at,
        head=head,
        nonce=nonce,
    )


def review(
    emergency: Emergency,
    conclusion: Conclusion,
    *,
    comment_sha256: str,
    at: datetime,
    head: LogHead,
    nonce: str,
    actor: Actor,
) -> bytes:
    return statement.build(
        Kind.REVIEW,
        subjects=(intents.version_subject(emergency.model, emergency.version, emergency.manifest_sha256),),
        predicate={
            "id": emergency.review_id,
            "of": {"entry": emergency.seq, "sha256": emergency.leaf_hash},
            "conclusion": conclusion.value,
            "comment": {"sha256": comment_sha256},
            "signer": intents.signer(actor),
            "authentication": authentication.document(actor, at=at),
        },
        at=at,
        head=head,
        nonce=nonce,
    )


def _request(basis: Basis | None) -> dict[str, Any] | None:
    if basis is None:
        return None
    return {"id": basis.request_id, "digest": {"sha256": basis.request_sha256}, "entry": basis.request_seq}
