"""Signed intentions: what an action entry says, and how one is recorded and queued in the caller's transaction.

Used by the approval that completes a quorum, by an advance and by a rollback, so that all three look the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.attestation import authentication, statement
from services.attestation.free_text import salted
from services.attestation.models import Kind, LogHead, Receipt, Subject
from services.attestation.ports import SigningDesk
from services.kernel.clock import utc_text
from services.kernel.identity import Actor
from services.rollout.models import Action, ActionKind, ActionState, Basis, Deployment
from services.rollout.ports import RolloutUnit

ALIAS = "champion"
TAG = "countersign.action"
"""Version tag that names the action which last touched the version."""
MIRRORED = 100
"""Percent of the live requests that are copied during a shadow run."""
_TIME_TO_ACT = timedelta(days=7)


def action_id(*parts: str) -> str:
    """The same parts give the same action: a command repeated after a crash cannot become two actions."""
    return "act-" + hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]


def version_subject(model: str, version: str, sha256: str) -> Subject:
    return Subject(name=f"models:/{model}/{version}", sha256=sha256)


def signer(actor: Actor) -> dict[str, str]:
    return {"issuer": actor.issuer, "sub": actor.subject, "name": actor.name, "role": actor.role.value}


def action_statement(
    action: Action,
    *,
    basis: Basis | None,
    at: datetime,
    head: LogHead,
    nonce: str | None = None,
    actor: Actor | None = None,
    cites: Mapping[str, Any] | None = None,
) -> bytes:
    """Canonical bytes of the action entry. With `actor` it also names the person who signs it.

    `cites` are further fields of an action: the observation it reverts, the plan it obeys, its own signer.
    """
    predicate: dict[str, Any] = {
        "id": action.action_id,
        "kind": action.kind.value,
        "request": cited_request(basis) if basis else None,
        "decisions": [{"entry": seq, "sha256": leaf} for seq, leaf in action.decisions],
        "policy": {"digest": {"sha256": basis.policy_sha256}} if basis else {},
        "target": {"model": action.model, "alias": ALIAS, "deployment": action.deployment},
        "from": {"version": action.from_version or ""},
        "to": {"version": action.to_version, "digest": {"sha256": action.manifest_sha256}},
        "routes": routes_document(action.routes),
        "champion": action.champion,
        "rollback": _rollback(action),
        "notAfter": utc_text(at + _TIME_TO_ACT),
    }
    if action.kind is ActionKind.SHADOW:
        predicate["mirror"] = mirror_document(action)
    if actor is not None:
        predicate |= {"signer": signer(actor), "authentication": authentication.document(actor, at=at)}
    predicate |= cites or {}
    return statement.build(
        Kind.ACTION,
        subjects=(version_subject(action.model, action.to_version, action.manifest_sha256),),
        predicate=predicate,
        at=at,
        head=head,
        nonce=nonce,
    )


def cited_request(basis: Basis) -> dict[str, Any]:
    return {"id": basis.request_id, "digest": {"sha256": basis.request_sha256}, "entry": basis.request_seq}


def routes_document(routes: tuple[tuple[str, int], ...]) -> list[dict[str, Any]]:
    return [{"version": version, "share": share} for version, share in routes]


def mirror_document(action: Action) -> dict[str, Any] | None:
    """Who gets copies once this is done: a version and the percent of live requests, or nobody."""
    return {"version": action.to_version, "share": MIRRORED} if action.kind is ActionKind.SHADOW else None


def _rollback(action: Action) -> dict[str, Any] | None:
    if action.kind not in {ActionKind.ROLLBACK, ActionKind.ABORT}:
        return None
    _, digest = salted(action.reason)
    mode = "abort" if action.kind is ActionKind.ABORT else "planned"
    return {"mode": mode, "reasonCode": action.reason_code, "reason": {"sha256": digest}}


def record(unit: RolloutUnit, action: Action, envelope: bytes) -> tuple[Action, Receipt]:
    """Appends the intent and queues the action. Repeating it returns the first receipt and queues nothing."""
    receipt = unit.ledger.append(envelope, idem=f"action:{action.action_id}")
    action = replace(action, seq_intent=receipt.seq, leaf_intent=receipt.leaf_hash)
    if not receipt.repeated:
        unit.rollouts.add_action(action)
    return action, receipt


def supersede(unit: RolloutUnit, desk: SigningDesk, action: Action, *, why: str, at: datetime) -> None:
    """Ends an open action because something took precedence; this too is an outcome in the ledger."""
    detail = f"Superseded: {why}."
    receipt = append_outcome(
        unit, desk, action, result="superseded", after=action.from_version or "", detail=detail, at=at
    )
    unit.rollouts.add_step(action.action_id, "superseded", detail, at=at)
    unit.rollouts.update_action(
        replace(
            action,
            state=ActionState.SUPERSEDED,
            finished_at=at,
            seq_outcome=receipt.seq,
            detail=detail,
            lease_owner="",
            lease_until=None,
        )
    )
    if action.request_id and action.decides_request:
        unit.rollouts.finish_request(action.request_id, applied=False, sentence=detail, seq=receipt.seq, at=at)


def append_outcome(
    unit: RolloutUnit, desk: SigningDesk, action: Action, *, result: str, after: str, detail: str, at: datetime
) -> Receipt:
    """Exactly one outcome per action: the key is the action, whoever writes it."""
    predicate: Mapping[str, Any] = {
        "action": action.action_id,
        "result": result,
        "before": {"version": action.from_version or ""},
        "after": {"version": after},
        "routes": routes_document(action.routes),
        "digestAtWrite": {"sha256": action.manifest_sha256},
        "attempts": str(action.attempts),
        "detail": detail,
        "model": action.model,
    }
    payload = statement.build(
        Kind.OUTCOME,
        subjects=(version_subject(action.model, action.to_version, action.manifest_sha256),),
        predicate=predicate,
        at=at,
        head=unit.ledger.head(),
    )
    return unit.ledger.append(desk.sign_as_service(payload), idem=f"outcome:{action.action_id}")


def after_success(deployment: Deployment, action: Action, *, at: datetime) -> Deployment:
    """The deployment once the action was verified. An unsigned change ends only by the next comparison."""
    if not action.moves_traffic:
        return deployment
    served = replace(deployment, desired=action.routes, champion=action.champion)
    if deployment.champion != action.champion or deployment.live_since is None:
        served = replace(served, live_since=at)
    if not deployment.finding_digest:
        served = replace(served, finding="")
    if action.kind is ActionKind.REVERT:
        return served  # a release that was running goes on where it was
    running = len(action.routes) == 2
    return replace(
        served,
        candidate=action.to_version if running else None,
        base=action.from_version if running else None,
        plan=action.plan if running else (),
        release_action=action.action_id if running else None,
    )
