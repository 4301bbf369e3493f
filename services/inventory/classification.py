"""Deciding a model's risk tier: one person proposes, another in another role confirms, both by signature.

The tier of a registered model changes only here. Wiring: `ClassificationService(inventory=inventory, units=units,
people=people, ledger=ledger, desk=signing, attestations=attested, clock=clock)`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from services.attestation.free_text import salted
from services.attestation.models import LogHead, Receipt
from services.attestation.ports import SigningDesk
from services.inventory import proposals, tiering
from services.inventory.models import GovernedModel
from services.inventory.ports import StewardshipUnit, StewardshipUnits
from services.inventory.proposals import DecideTier, Proposal, ProposeTier, Step
from services.inventory.recording import command_key, digest, record_change
from services.inventory.service import InventoryService
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import (
    AlreadyDecidedError,
    ControlRoomError,
    IllegalTransitionError,
    InputError,
    RefusalError,
    TrustError,
)
from services.kernel.identity import Actor, Permission
from services.ledger import events
from services.ledger.service import LedgerService
from services.people.persons import Account
from services.people.service import PeopleService

PROPOSED, CONFIRMED, REFUSED = "tier-proposed", "tier-confirmed", "tier-refused"


class SignedEntries(Protocol):
    def require_valid(self, seq: int, leaf_hash: str) -> Mapping[str, Any]:
        """The predicate of entry `seq`. Raises a TrustError when it is not that entry."""
        ...


class ClassificationService:
    def __init__(
        self,
        *,
        inventory: InventoryService,
        units: StewardshipUnits,
        people: PeopleService,
        ledger: LedgerService,
        desk: SigningDesk,
        attestations: SignedEntries,
        clock: Clock,
    ) -> None:
        self._inventory = inventory
        self._units = units
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._attestations = attestations
        self._clock = clock

    # looking

    def history(self, model: str) -> tuple[Proposal, ...]:
        """Every proposal with the decision on it, newest first."""
        with self._units.read() as unit:
            return unit.stewardship.proposals(model)

    def undecided(self) -> tuple[Proposal, ...]:
        """Proposals that wait for a second person, of every model."""
        with self._units.read() as unit:
            return unit.stewardship.proposals(open_only=True)

    def refusal_to_decide(self, item: Proposal, *, actor: Actor) -> str:
        """Why this person may not decide on it, in words; empty when they may."""
        try:
            proposals.require_decidable(item, actor, now=self._clock.now())
        except ControlRoomError as refused:
            return str(refused)
        return ""

    # deciding

    def propose(self, command: ProposeTier, *, actor: Actor) -> Receipt:
        """Signs the proposal; the tier stays as it is.

        Raises RoleMissingError, InputError, MissingReasonError, IllegalTransitionError, PassphraseError.
        """
        self._people.require(actor, Permission.PROPOSE_TIER)
        self._ledger.require_trustworthy()
        idem = command_key("tier-propose", actor, command.command_id)
        model, now = self._inventory.model(command.model), self._clock.now()
        with self._recording(actor, model.name, f"propose {command.kind.value}"), self._units.read() as unit:
            earlier, head = unit.ledger.find(idem), unit.ledger.head()
            if earlier is None:
                _require_single(unit, model.name)
        if earlier is not None:
            return replace(earlier, repeated=True)
        salt, reason_sha256 = salted(command.reason.strip())
        step = self._step(actor, command.reason, salt)
        with self._recording(actor, model.name, f"propose {command.kind.value}"):
            item = proposals.proposed(command, model, proposal_id=f"tier-{digest(idem)[:20]}", step=step, now=now)
            envelope = self._signed(PROPOSED, item, actor, reason_sha256, command.passphrase, head)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            _require_single(unit, model.name)
            receipt = unit.ledger.append(envelope, idem=idem)
            signed = replace(step, seq=receipt.seq, leaf_hash=receipt.leaf_hash)
            unit.stewardship.add_proposal(replace(item, proposed=signed))
        return receipt

    def decide(self, command: DecideTier, *, actor: Actor) -> Receipt:
        """Confirms a proposal, which puts the tier into force at once, or refuses it.

        Raises RoleMissingError, SelfApprovalError (the same person or role), AlreadyDecidedError,
        IllegalTransitionError, MissingReasonError, PassphraseError, TrustError.
        """
        self._people.require(actor, Permission.CONFIRM_TIER)
        self._ledger.require_trustworthy()
        idem = command_key("tier-decide", actor, command.command_id)
        with self._units.read() as unit:
            earlier, head = unit.ledger.find(idem), unit.ledger.head()
            item = _known(unit, command.proposal_id)
        if earlier is not None:
            return replace(earlier, repeated=True)
        known = self._inventory.model(item.model)
        with self._recording(actor, item.model, f"decide {item.proposal_id}"):
            proposals.require_decidable(item, actor, now=self._clock.now())
            self._require_as_signed(item)
            if not command.confirm:
                proposals.require_reason(command.reason, "A refusal")
            salt, reason_sha256 = salted(command.reason.strip())
            step = self._step(actor, command.reason, salt)
            if command.confirm:
                proposals.standing_after(item, known, confirmed=step)
            event = CONFIRMED if command.confirm else REFUSED
            envelope = self._signed(event, item, actor, reason_sha256, command.passphrase, head)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            # Asked again inside the transaction: somebody may have been faster.
            proposals.require_decidable(_known(unit, item.proposal_id), actor, now=self._clock.now())
            receipt = unit.ledger.append(envelope, idem=idem)
            signed = replace(step, seq=receipt.seq, leaf_hash=receipt.leaf_hash)
            if not unit.stewardship.decide_proposal(item.proposal_id, signed, confirmed=command.confirm):
                raise AlreadyDecidedError("Somebody was faster with this proposal.", hint="Reload the page.")
            if command.confirm:
                self._put_into_force(unit, item, known, signed, idem)
        return receipt

    def expire_due(self) -> int:
        """Worker: records overrides whose time is over; the number recorded. They stopped counting at that moment."""
        now, count = self._clock.now(), 0
        for model in self._inventory.models():
            override = model.risk.override if model.risk else None
            if model.risk is None or override is None or now < override.until:
                continue
            computed, ended = model.risk.computed, utc_text(override.until)

            def change(before: GovernedModel, until: str = ended) -> tuple[GovernedModel, str]:
                standing = before.risk
                if standing is None:
                    return before, ""
                words = f"The override of the risk tier of {before.name} ended on {until}"
                after = tiering.in_force(replace(before, risk=replace(standing, override=None)), self._clock.now())
                return after, f"{words}; the computed tier {standing.computed} stands."

            with self._units.write() as unit:
                record_change(
                    unit,
                    known=model,
                    change=change,
                    actor=None,
                    idem=f"tier-expired:{digest(model.name, str(override.seq), str(computed))[:40]}",
                    desk=self._desk,
                    clock=self._clock,
                )
            count += 1
        return count

    def _put_into_force(
        self, unit: StewardshipUnit, item: Proposal, known: GovernedModel, confirmed: Step, idem: str
    ) -> None:
        def change(before: GovernedModel) -> tuple[GovernedModel, str]:
            standing = proposals.standing_after(item, before, confirmed=confirmed)
            after = tiering.in_force(replace(before, risk=standing), self._clock.now())
            moved = f"from {int(before.tier)} to {int(after.tier)}" if before.tier != after.tier else "stays as it was"
            return after, f"The risk tier of {before.name} {moved}, confirmed at entry {confirmed.seq}. {item.sentence}"

        record_change(
            unit,
            known=known,
            change=change,
            actor=None,
            idem=f"{idem}:effect",
            desk=self._desk,
            clock=self._clock,
        )

    def _signed(  # noqa: PLR0917 - two callers, one place that knows what is signed
        self, event: str, item: Proposal, actor: Actor, reason_sha256: str, passphrase: Any, head: LogHead
    ) -> bytes:
        detail = {**_said(item), "reason": reason_sha256, "sentence": _sentence(event, item, actor)}
        if event != PROPOSED:
            detail |= {"ofEntry": str(item.proposed.seq), "ofSha256": item.proposed.leaf_hash}
        payload = events.payload(
            event, actor=actor, model=item.model, detail=detail, at=self._clock.now(), head=head, signed=True
        )
        return self._desk.sign_as_person(payload, subject=actor.subject, passphrase=passphrase)

    def _step(self, actor: Actor, reason: str, salt: str) -> Step:
        return Step(
            by=Account(issuer=actor.issuer, subject=actor.subject, name=actor.name),
            role=actor.role.value,
            at=self._clock.now(),
            reason=reason.strip(),
            salt=salt,
            seq=0,
            leaf_hash="",
        )

    def _require_as_signed(self, item: Proposal) -> None:
        """The stored proposal is the signed one: a row alone never becomes a tier."""
        said = self._attestations.require_valid(item.proposed.seq, item.proposed.leaf_hash)
        detail, expected = said.get("detail", {}), _said(item)
        if said.get("event") != PROPOSED or any(detail.get(name) != value for name, value in expected.items()):
            raise TrustError(
                "The stored proposal differs from the signed one; nothing was signed.",
                hint="Verify the ledger on the audit screen.",
            )

    @contextmanager
    def _recording(self, actor: Actor, model: str, what: str) -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            self._ledger.record_event(
                event="tier-attempt-refused", actor=actor, model=model, detail={"target": what, "code": refused.code}
            )
            raise


def _said(item: Proposal) -> dict[str, str]:
    """What is signed about a proposal, as text: the same words at proposing and at deciding."""
    levels = [[level.factor, level.level, level.evidence] for level in item.levels]
    return {
        "proposal": item.proposal_id,
        "kind": item.kind.value,
        "sheet": tiering.SHEET,
        "levels": json.dumps(levels, ensure_ascii=False, separators=(",", ":")),
        "isModel": "yes" if item.is_model else "no",
        "modelReason": item.model_reason,
        "tier": str(item.tier),
        "computed": str(item.computed),
        "score": item.score,
        "until": utc_text(item.until) if item.until else "",
    }


def _sentence(event: str, item: Proposal, actor: Actor) -> str:
    verb = {PROPOSED: "proposed for", CONFIRMED: "confirmed for", REFUSED: "refused for"}[event]
    return f"{actor.name} {verb} {item.model}: {item.sentence}"


def _require_single(unit: StewardshipUnit, model: str) -> None:
    found = unit.stewardship.proposals(model, open_only=True)
    if found:
        raise IllegalTransitionError(
            f"A proposal of {found[0].proposed.by.name} for {model} waits for a decision.",
            hint="Let somebody decide on that one first.",
        )


def _known(unit: StewardshipUnit, proposal_id: str) -> Proposal:
    found = unit.stewardship.proposal(proposal_id)
    if found is None:
        raise InputError(f"There is no proposal {proposal_id!r}.", hint="Choose one from the list.")
    return found
