"""Publishing a policy: a person's signature puts a new version of a tier into force, and nothing else does.

Versions only rise and are never changed. Requests stay under the version they were asked under.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.attestation import authentication
from services.attestation.canonical import sha256_hex
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock
from services.kernel.errors import ConflictError, InputError, RefusalError, StaleEvidenceError
from services.kernel.identity import Actor, Permission
from services.ledger.service import LedgerService
from services.policy import statements
from services.policy.first import add, read
from services.policy.published import (
    Authority,
    PolicyUnits,
    PublishedPolicy,
    PublishPolicy,
    digest,
)
from services.policy.rehearsal import Judge, PastDecisions, Rehearsal, plainly, rehearse
from services.policy.schema import PolicyDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A text that could be published: what it says, and what it would replace."""

    document: PolicyDocument
    text: str
    sha256: str
    replaces: PublishedPolicy | None


class PublishingService:
    def __init__(
        self,
        *,
        units: PolicyUnits,
        people: Authority,
        ledger: LedgerService,
        desk: SigningDesk,
        past: PastDecisions,
        clock: Clock,
        judge: Judge = plainly,
    ) -> None:
        self._judge = judge
        self._past = past
        self._units = units
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._clock = clock

    def check(self, text: str) -> Proposal:
        """Raises InvalidPolicyError naming every fault with its line, ConflictError for a version that is taken."""
        document = read(text)
        with self._units.read() as unit:
            newest = unit.policies.newest(document.tier)
        return _proposal(document, text, newest)

    def rehearse(self, text: str) -> Rehearsal:
        """What it would have said about every past request of its tier. Nothing is written. Raises as `check`."""
        proposal = self.check(text)
        past = self._past.of_tier(proposal.document.tier)
        return rehearse(proposal.document, past, sha256=proposal.sha256, judge=self._judge)

    def publish(self, command: PublishPolicy, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError, InvalidPolicyError, ConflictError, StaleEvidenceError, PassphraseError."""
        self._people.require(actor, Permission.PUBLISH_POLICY)
        self._ledger.require_trustworthy()
        try:
            return self._publish(command, actor)
        except RefusalError as refused:
            self._ledger.record_event(
                event="policy-refused",
                actor=actor,
                detail={"target": f"publish a policy, sha256 {digest(command.text)[:12]}", "code": refused.code},
            )
            raise

    def _publish(self, command: PublishPolicy, actor: Actor) -> Receipt:
        about = f"{actor.issuer}\x1f{actor.subject}\x1f{command.command_id}"
        idem = f"policy:{sha256_hex(about.encode('utf-8', 'surrogatepass'))[:32]}"
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
            head = unit.ledger.head()
        if earlier is not None:
            return replace(earlier, repeated=True)
        proposal = self.check(command.text)
        if command.seen_sha256 != proposal.sha256:
            raise StaleEvidenceError("This is not the text you looked at.", hint="Look at its rehearsal again.")
        now = self._clock.now()
        item = PublishedPolicy(
            tier=proposal.document.tier,
            name=proposal.document.name,
            version=proposal.document.version,
            sha256=proposal.sha256,
            text=command.text,
            at=now,
            seq=0,
            leaf_hash="",
            by_issuer=actor.issuer,
            by_subject=actor.subject,
            by_name=actor.name,
            note=command.note.encode("utf-8", "replace").decode().replace("\x00", "").strip()[:500],
        )
        signed = {
            "signer": {"issuer": actor.issuer, "sub": actor.subject, "name": actor.name, "role": actor.role.value},
            "authentication": authentication.document(actor, at=now),
        }
        payload = statements.policy_statement(item, replaces=proposal.replaces, signed=signed, at=now, head=head)
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            # Asked again inside the transaction: somebody may have published meanwhile.
            current = unit.policies.newest(item.tier)
            if (current.sha256 if current else "") != (proposal.replaces.sha256 if proposal.replaces else ""):
                raise ConflictError("Another version was just published.", hint="Rehearse the text against that one.")
            return add(unit, item, envelope, idem)


def _proposal(document: PolicyDocument, text: str, newest: PublishedPolicy | None) -> Proposal:
    sha256 = digest(text)
    if newest is not None and newest.sha256 == sha256:
        raise ConflictError(f"This is version {newest.version} of {newest.name}, which is in force already.")
    if newest is not None and int(document.version) <= int(newest.version):
        raise InputError(
            f"Version {document.version} is not above {newest.version}, the version in force.",
            hint="A published version is never changed. Give the new text a higher version.",
        )
    return Proposal(document=document, text=text, sha256=sha256, replaces=newest)
