"""What is signed about an exception: its proposal, the decision on it, its end. Words only as salted digests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.attestation import authentication, canonical, statement
from services.attestation.models import Kind, LogHead, Subject
from services.exceptions.models import PolicyException, Signed, Who
from services.kernel.clock import utc_text
from services.kernel.identity import Actor


def proposal(item: PolicyException, *, reason: str, control: str, signed: Mapping[str, Any], head: LogHead) -> bytes:
    """`reason` and `control` are digests; `signed` holds signer and authentication."""
    return _built(
        {
            "op": "propose",
            "id": item.exception_id,
            "model": item.model,
            "gate": item.gate,
            "until": utc_text(item.until),
            "owner": identity(item.owner),
            "reason": {"sha256": reason},
            "control": {"sha256": control},
            **signed,
        },
        at=item.proposed.at,
        head=head,
    )


def step(
    item: PolicyException, operation: str, *, reason: str, signed: Mapping[str, Any], at: datetime, head: LogHead
) -> bytes:
    """`operation`: grant, refuse or end. It cites the proposal, so that nobody signs for words changed since."""
    return _built(
        {
            "op": operation,
            "id": item.exception_id,
            "model": item.model,
            "gate": item.gate,
            "until": utc_text(item.until),
            "owner": identity(item.owner),
            "reason": {"sha256": reason},
            "proposal": cited(item.proposed),
            **signed,
        },
        at=at,
        head=head,
    )


def says(predicate: Mapping[str, Any], item: PolicyException, operation: str) -> bool:
    """Whether a signed entry is this step of this exception, with the gate, day and owner that are stored."""
    said = {name: predicate.get(name) for name in ("op", "id", "model", "gate", "until", "owner")}
    return said == {
        "op": operation,
        "id": item.exception_id,
        "model": item.model,
        "gate": item.gate,
        "until": utc_text(item.until),
        "owner": identity(item.owner),
    }


def signed_by(actor: Actor, *, at: datetime) -> dict[str, Any]:
    return {
        "signer": {"issuer": actor.issuer, "sub": actor.subject, "name": actor.name, "role": actor.role.value},
        "authentication": authentication.document(actor, at=at),
    }


def identity(who: Who) -> dict[str, str]:
    return {"issuer": who.issuer, "sub": who.subject, "name": who.name}


def cited(step_: Signed) -> dict[str, Any]:
    return {"entry": step_.seq, "sha256": step_.leaf_hash}


def _built(predicate: Mapping[str, Any], *, at: datetime, head: LogHead) -> bytes:
    about = Subject(
        name=f"exception:/{predicate['id']}", sha256=canonical.sha256_hex(canonical.to_bytes(dict(predicate)))
    )
    return statement.build(Kind.EXCEPTION, subjects=(about,), predicate=predicate, at=at, head=head)
