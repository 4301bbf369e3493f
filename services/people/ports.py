"""What the people service needs: the persons the ledger names, and a place for sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.attestation.models import Receipt
from services.kernel.identity import Actor, Role
from services.people.models import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    session_id: str
    issuer: str
    subject: str
    role: Role
    method: str
    signed_in_at: datetime
    expires_at: datetime


class PeopleStore(Protocol):
    """Raises StorageUnavailableError."""

    def person(self, issuer: str, subject: str) -> Person | None: ...

    def people(self) -> tuple[Person, ...]:
        """Everybody, by name."""
        ...

    def add_session(self, session: Session, *, token_sha256: str) -> None: ...

    def session(self, token_sha256: str, *, now: datetime) -> Session | None:
        """The session, unless it has ended or run out."""
        ...

    def end_session(self, token_sha256: str, *, at: datetime) -> None: ...


class EventRecorder(Protocol):
    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt: ...
