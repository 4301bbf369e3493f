"""The review after break-glass: two uninvolved people sign a conclusion, each once, each with words."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock
from services.kernel.errors import AlreadyDecidedError, InputError, RefusalError, StaleRequestError
from services.kernel.identity import Actor
from services.rollout import emergency_rules as rules
from services.rollout import emergency_statements as statements
from services.rollout.emergency_models import Emergency, EmergencyReview, Reviewing, ReviewSignature, SignReview
from services.rollout.emergency_ports import EmergencyUnit, EmergencyUnits
from services.rollout.guards import CHALLENGE_LIFETIME
from services.rollout.models import Challenge

PURPOSE = "emergency-review"
Delegates = Callable[[datetime], frozenset[frozenset[tuple[str, str]]]]
"""Pairs of people of whom one may sign for the other at that moment."""


class Delegated(Protocol):
    """A delegation that stands at the moment."""

    @property
    def from_issuer(self) -> str: ...
    @property
    def from_subject(self) -> str: ...
    @property
    def to_issuer(self) -> str: ...
    @property
    def to_subject(self) -> str: ...


def delegate_pairs(delegations: Iterable[Delegated]) -> frozenset[frozenset[tuple[str, str]]]:
    return frozenset(
        frozenset({(item.from_issuer, item.from_subject), (item.to_issuer, item.to_subject)}) for item in delegations
    )


class EmergencyReviews:
    def __init__(self, *, units: EmergencyUnits, desk: SigningDesk, delegates: Delegates, clock: Clock) -> None:
        self._units = units
        self._desk = desk
        self._delegates = delegates
        self._clock = clock

    def all(self, model: str = "", *, open_only: bool = False) -> tuple[EmergencyReview, ...]:
        now = self._clock.now()
        with self._units.read() as unit:
            return tuple(_view(unit, item, now) for item in unit.emergencies.all(model, open_only=open_only))

    def get(self, review_id: str) -> EmergencyReview:
        with self._units.read() as unit:
            return _view(unit, known(unit, review_id), self._clock.now())

    def refusal(self, review_id: str, *, actor: Actor) -> str:
        with self._units.read() as unit:
            emergency = known(unit, review_id)
        try:
            rules.require_reviewable(emergency, actor, delegates=self._delegates(self._clock.now()))
        except (RefusalError, AlreadyDecidedError) as refused:
            return str(refused)
        return ""

    def open(self, review_id: str, *, actor: Actor) -> Reviewing:
        """A single-use challenge for this person and this review; 15 minutes."""
        with self._units.read() as unit:
            emergency = known(unit, review_id)
        rules.require_reviewable(emergency, actor, delegates=self._delegates(self._clock.now()))
        challenge = Challenge(
            nonce=secrets.token_hex(16),
            purpose=PURPOSE,
            subject=actor.subject,
            about=review_id,
            revision=0,
            shown_sha256=emergency.leaf_hash,
            expires_at=self._clock.now() + CHALLENGE_LIFETIME,
        )
        with self._units.write() as unit:
            unit.rollouts.add_challenge(challenge)
        return Reviewing(review_id=review_id, challenge=challenge.nonce, expires_at=challenge.expires_at)

    def sign(self, command: SignReview, actor: Actor) -> Receipt:
        idem = f"review:{command.review_id}:{_who(actor)}"
        now = self._clock.now()
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            emergency = known(unit, command.review_id)
            self._require_challenge(unit, command, emergency, actor, now)
            head = unit.ledger.head()
        delegates = self._delegates(now)
        rules.require_reviewable(emergency, actor, delegates=delegates)
        rules.require_comment(command.comment)
        comment = command.comment.strip()
        salt, digest = salted(comment)
        payload = statements.review(
            emergency,
            command.conclusion,
            comment_sha256=digest,
            at=now,
            head=head,
            nonce=command.challenge,
            actor=actor,
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            # Asked again inside the transaction: the other reviewer may have signed meanwhile.
            rules.require_reviewable(known(unit, command.review_id), actor, delegates=delegates)
            if not unit.rollouts.use_challenge(command.challenge):
                raise StaleRequestError("This form was used already.", hint="Open the review again.")
            receipt = unit.ledger.append(envelope, idem=idem)
            unit.emergencies.sign(
                command.review_id,
                ReviewSignature(
                    issuer=actor.issuer,
                    subject=actor.subject,
                    name=actor.name,
                    role=actor.role.value,
                    conclusion=command.conclusion,
                    comment=comment,
                    salt=salt,
                    at=now,
                    seq=receipt.seq,
                    leaf_hash=receipt.leaf_hash,
                ),
            )
            signed = known(unit, command.review_id).signatures
            concluded = rules.conclusion_of([item.conclusion for item in signed])
            if concluded is not None:
                unit.emergencies.close(command.review_id, concluded, at=now)
        return receipt

    def _require_challenge(
        self, unit: EmergencyUnit, command: SignReview, emergency: Emergency, actor: Actor, now: datetime
    ) -> None:
        found = unit.rollouts.challenge(command.challenge)
        bound = (found.purpose, found.subject, found.about, found.shown_sha256) if found else None
        if found is None or bound != (PURPOSE, actor.subject, emergency.review_id, emergency.leaf_hash):
            raise RefusalError("This form was not opened by you for this review.", hint="Open it again.")
        if found.used or found.expires_at < now:
            raise StaleRequestError("This form is older than 15 minutes or was used already.", hint="Open it again.")


def known(unit: EmergencyUnit, review_id: str) -> Emergency:
    found = unit.emergencies.get(review_id)
    if found is None:
        raise InputError(f"There is no emergency review {review_id!r}.", hint="Choose one from the list.")
    return found


def _view(unit: EmergencyUnit, item: Emergency, now: datetime) -> EmergencyReview:
    return EmergencyReview(
        id=item.review_id,
        action_id=item.action_id,
        model=item.model,
        version=item.version,
        mode=item.mode,
        by_name=item.by_name,
        by_subject=item.by_subject,
        at=item.at,
        reason_code=item.reason_code,
        reason=item.reason,
        review_by=item.review_by,
        state=rules.state_of(item, now),
        reviewers=tuple((sign.name, sign.role, sign.conclusion, sign.at, sign.seq) for sign in item.signatures),
        comments=tuple(sign.comment for sign in item.signatures),
        blocks=rules.blocks(item, now=now, deployment=unit.rollouts.deployment(item.model)),
        seq=item.seq,
    )


def _who(actor: Actor) -> str:
    return hashlib.sha256(f"{actor.issuer}\x1f{actor.subject}".encode()).hexdigest()[:20]
