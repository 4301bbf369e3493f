"""What is signed when a policy is published: its name, version and digest, and which tier it is for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.attestation import statement
from services.attestation.models import Kind, LogHead, Subject
from services.policy.published import PublishedPolicy

MEDIA_TYPE = "application/yaml"


def policy_statement(
    item: PublishedPolicy, *, replaces: PublishedPolicy | None, signed: Mapping[str, Any], at: datetime, head: LogHead
) -> bytes:
    """`signed` holds signer and authentication; empty for the first documents, which the service signs alone."""
    document: dict[str, Any] = {"tier": item.tier, "mediaType": MEDIA_TYPE}
    if replaces is not None:
        document["replaces"] = {"version": replaces.version, "digest": {"sha256": replaces.sha256}}
    return statement.build(
        Kind.POLICY,
        subjects=(Subject(name=f"policy:/{item.name}/{item.version}", sha256=item.sha256),),
        predicate={
            "name": item.name,
            "version": item.version,
            "digest": {"sha256": item.sha256},
            "document": document,
            **signed,
        },
        at=at,
        head=head,
    )


def says(predicate: Mapping[str, Any], item: PublishedPolicy) -> bool:
    """Whether a signed entry published exactly this: tier, name, version, digest and signer."""
    signer = predicate.get("signer") or {}
    return (
        (predicate.get("name"), predicate.get("version")) == (item.name, item.version)
        and predicate.get("digest") == {"sha256": item.sha256}
        and predicate.get("document", {}).get("tier") == item.tier
        and (signer.get("issuer", ""), signer.get("sub", ""), signer.get("name", ""))
        == (item.by_issuer, item.by_subject, item.by_name)
    )
