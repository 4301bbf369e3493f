"""One step of one incident: its entry in the ledger and the row, in one unit of work, once per command."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from services.attestation.free_text import salted
from services.attestation.models import LogHead, Receipt
from services.attestation.ports import SigningDesk
from services.incidents import times
from services.incidents.models import Incident, IncidentEvent, Step, Times
from services.incidents.ports import IncidentUnit
from services.kernel.clock import Clock
from services.kernel.identity import Actor
from services.kernel.secret import Secret
from services.ledger import events
from services.people.persons import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A step before it has an entry. `text` is what a person wrote; the entry gets its salted digest."""

    step: Step
    at: datetime
    by: Account | None
    sentence: str
    facts: Mapping[str, str]
    text: str = ""
    salt: str = ""
    digest: str = ""

    def detail(self, incident_id: str) -> dict[str, str]:
        """Exactly what the entry says."""
        words = {"text": self.digest} if self.digest else {}
        return {"incident": incident_id, **self.facts, **words, "sentence": self.sentence}

    def recorded(self, incident_id: str, receipt: Receipt) -> IncidentEvent:
        return IncidentEvent(
            step=self.step,
            at=self.at,
            by=self.by,
            sentence=self.sentence,
            facts=tuple(sorted(self.detail(incident_id).items())),
            text=self.text,
            salt=self.salt,
            seq=receipt.seq,
            leaf_hash=receipt.leaf_hash,
        )


class Recorder:
    def __init__(self, *, desk: SigningDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    def draft(self, step: Step, sentence: str, *, actor: Actor | None, text: str = "", **facts: str) -> Draft:
        """Times are whole seconds, as in everything that is signed."""
        text = text.strip()
        salt, digest = salted(text) if text else ("", "")
        return Draft(
            step=step,
            at=self._clock.now().replace(microsecond=0),
            by=account(actor) if actor else None,
            sentence=sentence,
            facts=facts,
            text=text,
            salt=salt,
            digest=digest,
        )

    def open(
        self, unit: IncidentUnit, incident: Incident, draft: Draft, *, actor: Actor | None, idem: str
    ) -> tuple[Incident, Receipt]:
        """`incident` comes without id and times; both follow from its first step."""
        incident_id = unit.incidents.next_id()
        receipt = unit.ledger.append(
            self._by_service(unit.ledger.head(), incident_id, incident, draft, actor), idem=idem
        )
        event = draft.recorded(incident_id, receipt)
        opened = replace(
            incident, incident_id=incident_id, times=times.of_events((event,)), opened_seq=receipt.seq, revision=1
        )
        unit.incidents.add(opened, event)
        return opened, receipt

    def add(
        self,
        unit: IncidentUnit,
        incident: Incident,
        draft: Draft,
        *,
        actor: Actor | None,
        idem: str,
        envelope: bytes | None = None,
        **changes: Any,
    ) -> tuple[Incident, Receipt]:
        """Appends the step and saves what the incident is after it. `envelope` is a person's own signature."""
        data = envelope or self._by_service(unit.ledger.head(), incident.incident_id, incident, draft, actor)
        receipt = unit.ledger.append(data, idem=idem)
        event = draft.recorded(incident.incident_id, receipt)
        # Never patched: the times are always what all the steps add up to.
        after = replace(
            incident,
            times=times.of_events((*unit.incidents.events(incident.incident_id), event)),
            revision=incident.revision + 1,
            **{**_places(draft.step, receipt.seq), **changes},
        )
        unit.incidents.save(after, event)
        return after, receipt

    def by_person(self, head: LogHead, incident: Incident, draft: Draft, *, actor: Actor, passphrase: Secret) -> bytes:
        """Outside any unit of work: a wrong passphrase is counted in one of its own."""
        payload = events.payload(
            draft.step.event,
            actor=actor,
            model=incident.model,
            detail=draft.detail(incident.incident_id),
            at=draft.at,
            head=head,
            signed=True,
        )
        return self._desk.sign_as_person(payload, subject=actor.subject, passphrase=passphrase)

    def _by_service(
        self, head: LogHead, incident_id: str, incident: Incident, draft: Draft, actor: Actor | None
    ) -> bytes:
        payload = events.payload(
            draft.step.event,
            actor=actor,
            model=incident.model,
            detail=draft.detail(incident_id),
            at=draft.at,
            head=head,
        )
        return self._desk.sign_as_service(payload)


def _places(step: Step, seq: int) -> dict[str, int | None]:
    """Which entry says that it is over, or that it came back."""
    if step is Step.MITIGATED:
        return {"mitigated_seq": seq}
    return {"recurred_seq": seq, "mitigated_seq": None} if step is Step.RECURRED else {}


NOT_YET = Times(impact_start=None, detected=datetime.min.replace(tzinfo=UTC))
"""Stands in an incident until its first step is recorded; `Recorder.open` replaces it."""


def account(actor: Actor) -> Account:
    return Account(issuer=actor.issuer, subject=actor.subject, name=actor.name)


def open_key(actor: Actor, command_id: str, cause: str) -> str:
    """One entry per command of a person, or per cause whoever the person is: the ledger refuses a second one."""
    return f"incident:cause:{digest(cause)[:40]}" if cause else command_key("open", actor, command_id)


def command_key(word: str, actor: Actor, command_id: str) -> str:
    return f"incident:{word}:{digest(actor.issuer, actor.subject, command_id)[:40]}"


def digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
