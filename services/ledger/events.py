"""The statement of an event: a fact without effect on what may go live, with or without a person's signature."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from services.attestation import authentication, canonical, statement
from services.attestation.models import Kind, LogHead, Subject
from services.kernel.identity import Actor


def payload(
    event: str,
    *,
    actor: Actor | None,
    model: str,
    detail: Mapping[str, str],
    at: datetime,
    head: LogHead,
    signed: bool = False,
    nonce: str | None = None,
) -> bytes:
    """Canonical bytes to sign. `signed`: the actor puts a signature of their own under it; `nonce`: its challenge."""
    predicate = {
        "event": event,
        "model": model,
        "detail": dict(detail),
        "actor": None if actor is None else actor_document(actor),
    }
    about = Subject(name=f"event:{event}", sha256=canonical.sha256_hex(canonical.to_bytes(predicate)))
    if signed and actor is not None:
        predicate |= {"signer": actor_document(actor), "authentication": authentication.document(actor, at=at)}
    return statement.build(Kind.EVENT, subjects=(about,), predicate=predicate, at=at, head=head, nonce=nonce)


def actor_document(actor: Actor) -> dict[str, str]:
    return {"issuer": actor.issuer, "sub": actor.subject, "name": actor.name, "role": actor.role.value}
