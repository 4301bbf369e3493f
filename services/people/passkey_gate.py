"""Asking a passkey for one statement and judging its answer, for services that sign.

The browser is handed a challenge made of the statement's bytes, and its answer is judged here before anything is
signed: host, origin, verified owner, signature, counter. What was judged goes into the signed record as it is, so
that anybody can judge it again (`attestation.passkeys`).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.attestation import envelope
from services.attestation.passkeys import (
    Assertion,
    RelyingParty,
    challenge_of,
    padded,
    problem_of,
    sign_count,
    unpadded,
)
from services.kernel.clock import Clock
from services.kernel.errors import PasskeyNeededError, PasskeyRefusedError
from services.kernel.identity import Actor
from services.people.passkeys import Asked, Demand, Passkey, PasskeyProtocol, PasskeyStore, Touched
from services.people.ports import EventRecorder

ANSWER_WITHIN = timedelta(minutes=5)
_LONGEST_ANSWER = 16_384
_NONCE = re.compile(r"[0-9a-f]{32}")


class PasskeyGate:
    def __init__(
        self,
        *,
        ledger: EventRecorder,
        store: PasskeyStore,
        protocol: PasskeyProtocol,
        clock: Clock,
        party: RelyingParty,
    ) -> None:
        """`party` is where this deployment is reached: a passkey signs for that host and no other."""
        self._ledger = ledger
        self._store = store
        self._protocol = protocol
        self._clock = clock
        self.party = party

    def demand(self, payload: bytes, *, nonce: str, about: Mapping[str, Any], actor: Actor) -> Demand:
        """Asks for the actor's passkey over exactly this statement. `about` comes back with the answer.

        Raises PasskeyNeededError when the actor has none that counts here.
        """
        usable = self._usable(actor)
        if not usable:
            raise PasskeyNeededError(
                f"The policy asks for a passkey, and {actor.name} has none enrolled for {self.party.id}.",
                hint="Add one under Settings, Your keys; administrators have to enrol it.",
            )
        options = self._protocol.request(
            party=self.party,
            challenge=challenge_of(envelope.pre_authentication(payload)),
            allowed=tuple(item.credential_id for item in usable),
        )
        document = {"payload": base64.b64encode(payload).decode(), "about": dict(about)}
        return self.ask(nonce, "sign", kind="get", options=options, document=document, actor=actor)

    def judge(self, answer: str, *, nonce: str, actor: Actor) -> Touched:
        """The answer to `demand`, judged; nothing is used up yet. Raises PasskeyRefusedError (recorded)."""
        if not answer:
            raise PasskeyNeededError("The policy asks for a passkey, and none signed.", hint="Confirm with it first.")
        try:
            return self._judged(answer, nonce=nonce, actor=actor)
        except PasskeyRefusedError as refused:
            self.record_refusal(actor, refused)
            raise

    def count(self, touched: Touched, *, nonce: str, actor: Actor) -> None:
        """Uses the answer up, once. Raises PasskeyRefusedError (recorded) when it was used meanwhile."""
        item = touched.passkey
        if self._store.answer(
            nonce, at=self._clock.now(), key_id=item.key_id, was=item.sign_count, count=touched.count
        ):
            return
        refused = PasskeyRefusedError("This answer of the passkey was used before.", hint="Confirm with it again.")
        self.record_refusal(actor, refused)
        raise refused

    def _usable(self, actor: Actor) -> tuple[Passkey, ...]:
        own = self._store.passkeys(actor.issuer, actor.subject)
        return tuple(item for item in own if item.counts and item.party == self.party)

    def _judged(self, answer: str, *, nonce: str, actor: Actor) -> Touched:
        asked = self.asked(nonce, "sign", actor)
        payload = base64.b64decode(asked.document["payload"])
        credential, assertion, signature = _read(bounded(answer))
        item = next((one for one in self._usable(actor) if one.credential_id == credential), None)
        if item is None:
            raise PasskeyRefusedError(
                "This passkey is not enrolled for you, or no longer.", hint="Use one of yours, or enrol this one."
            )
        challenge = challenge_of(envelope.pre_authentication(payload))
        problem = problem_of(assertion, signature, key=item.public, party=item.party, challenge=challenge)
        if problem:
            raise PasskeyRefusedError(f"The answer of the passkey does not hold: {problem}.", hint="Confirm again.")
        count = sign_count(assertion)
        if (count or item.sign_count) and count <= item.sign_count:
            raise PasskeyRefusedError(
                f"The passkey says it signed {count} times, and it had signed {item.sign_count} times before.",
                hint="There may be a copy of it. Have it revoked, and enrol another.",
            )
        self._protocol.require_answer(
            answer, party=item.party, challenge=challenge, public=item.public, sign_count=item.sign_count
        )
        return Touched(
            passkey=item,
            signature=envelope.Signature(key_id=item.key_id, value=signature, passkey=assertion),
            document=asked.document["about"],
            payload=payload,
            count=count,
        )

    def ask(
        self, nonce: str, purpose: str, *, kind: str, options: str, document: Mapping[str, Any], actor: Actor
    ) -> Demand:
        """Keeps what the browser is asked for, until it answers or five minutes are over."""
        until = self._clock.now() + ANSWER_WITHIN
        self._store.ask(
            Asked(
                nonce=nonce,
                purpose=purpose,
                issuer=actor.issuer,
                subject=actor.subject,
                document=document,
                expires_at=until,
            )
        )
        return Demand(nonce=nonce, kind=kind, options=options, expires_at=until)

    def asked(self, nonce: str, purpose: str, actor: Actor) -> Asked:
        """What was asked of this person. Raises PasskeyRefusedError for anything else, or later."""
        found = self._store.asked(nonce) if _NONCE.fullmatch(nonce) else None
        own = found is not None and (found.purpose, found.issuer, found.subject) == (
            purpose,
            actor.issuer,
            actor.subject,
        )
        if found is None or not own:
            raise PasskeyRefusedError("No passkey of yours was asked for this.", hint="Open the form again.")
        if found.used or found.expires_at < self._clock.now():
            raise PasskeyRefusedError(
                "The passkey was asked more than five minutes ago, or answered already.", hint="Confirm again."
            )
        return found

    def record_refusal(self, actor: Actor, refused: PasskeyRefusedError) -> None:
        self._ledger.record_event(
            event="passkey-refused",
            actor=actor,
            detail={"sentence": f"A passkey signature of {actor.name} was refused: {refused.message}"},
        )


def bounded(answer: str) -> str:
    if len(answer) > _LONGEST_ANSWER:
        raise PasskeyRefusedError("The answer of the browser is longer than any passkey's.", hint="Confirm again.")
    return answer


def _read(answer: str) -> tuple[str, Assertion, bytes]:
    """Credential id, assertion and signature of an `AuthenticationResponseJSON`. Raises PasskeyRefusedError."""
    try:
        said = json.loads(answer)
        response = said["response"]
        return (
            unpadded(padded(said["id"])),
            Assertion(
                authenticator_data=padded(response["authenticatorData"]), client_data=padded(response["clientDataJSON"])
            ),
            padded(response["signature"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as odd:
        raise PasskeyRefusedError("The answer of the browser cannot be read.", hint="Confirm again.") from odd
