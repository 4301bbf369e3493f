"""The documents a deployment begins with: published once per tier, when it is founded or brought up to this release."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock
from services.kernel.errors import InvalidPolicyError
from services.kernel.identity import Role
from services.kernel.secret import Secret
from services.policy import statements
from services.policy.published import PolicyUnit, PolicyUnits, PublishedPolicy, digest
from services.policy.schema import PolicyDocument, parse

_LONGEST = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSigner:
    """The compliance officer who signs the documents a deployment begins with."""

    issuer: str
    subject: str
    name: str
    passphrase: Secret


def publish_first(
    desk: SigningDesk,
    units: PolicyUnits,
    texts: Iterable[str],
    *,
    clock: Clock,
    signer: FirstSigner | None = None,
) -> int:
    """Publishes the documents of tiers that have none yet; how many. Doing it twice changes nothing.

    For a new deployment and for one of an earlier release. Without a signer the service signs alone, which the law of
    the log allows once per tier. Raises InvalidPolicyError.
    """
    published = 0
    for text in texts:
        document, now = read(text), clock.now()
        with units.read() as unit:
            newest, head = unit.policies.newest(document.tier), unit.ledger.head()
        if newest is not None:
            continue
        item = PublishedPolicy(
            tier=document.tier,
            name=document.name,
            version=document.version,
            sha256=digest(text),
            text=text,
            at=now,
            seq=0,
            leaf_hash="",
            by_issuer=signer.issuer if signer else "",
            by_subject=signer.subject if signer else "",
            by_name=signer.name if signer else "",
            note="The document this deployment began with.",
        )
        signed = {"signer": _identity(signer), "authentication": {"level": "L2"}} if signer else {}
        payload = statements.policy_statement(item, replaces=None, signed=signed, at=now, head=head)
        envelope = (
            desk.sign_as_person(payload, subject=signer.subject, passphrase=signer.passphrase)
            if signer
            else desk.sign_as_service(payload)
        )
        with units.write() as unit:
            if unit.policies.newest(document.tier) is None:
                add(unit, item, envelope, f"policy:first:{document.tier}")
                published += 1
    return published


def read(text: str) -> PolicyDocument:
    """The document of a tier; the name of the file follows from what it says. Raises InvalidPolicyError."""
    if len(text) > _LONGEST:
        raise InvalidPolicyError(f"The text is longer than {_LONGEST} characters.", hint="Send one policy document.")
    try:
        text.encode()
    except UnicodeEncodeError as odd:
        line = text.count("\n", 0, odd.start) + 1
        raise InvalidPolicyError(f"policy line {line}: a character is no text.", hint="Correct the line.") from odd
    return parse(text, file="policy")


def add(unit: PolicyUnit, item: PublishedPolicy, envelope: bytes, idem: str) -> Receipt:
    """Entry and row in the caller's transaction."""
    receipt = unit.ledger.append(envelope, idem=idem)
    unit.policies.add(replace(item, seq=receipt.seq, leaf_hash=receipt.leaf_hash))
    return receipt


def _identity(signer: FirstSigner) -> dict[str, str]:
    return {"issuer": signer.issuer, "sub": signer.subject, "name": signer.name, "role": Role.COMPLIANCE.value}
