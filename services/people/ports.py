"""What the people service needs: the persons the ledger names, and a place for sessions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.attestation.models import Receipt
from services.attestation.ports import LedgerWriter
from services.kernel.identity import Actor, Login, Role
from services.kernel.page import Page
from services.people.ceremonies import Ceremony
from services.people.models import Delegation, Person, ViewRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    session_id: str
    issuer: str
    subject: str
    role: Role
    method: str
    signed_in_at: datetime
    expires_at: datetime
    last_seen_at: datetime
    login: Login | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSession:
    """A session that is over; `because` is one of `signed-out`, `idle`, `expired`."""

    subject: str
    because: str


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

    def touch_session(self, token_sha256: str, *, at: datetime) -> None: ...

    def renew_session(self, token_sha256: str, *, signed_in_at: datetime, expires_at: datetime, login: Login) -> None:
        """A later login of the same person; the session goes on, from that time."""
        ...

    def end_session(self, token_sha256: str, *, at: datetime, because: str) -> None:
        """Ends it once; a session that ended before keeps its first reason."""
        ...

    def ended_session(self, token_sha256: str, *, now: datetime) -> EndedSession | None:
        """How a session ended; None while it lasts, or when there never was one."""
        ...

    def delegations(self, *, in_force_at: datetime | None = None) -> tuple[Delegation, ...]:
        """All, newest first; or those whose time includes this instant and that were not withdrawn."""
        ...

    def add_view(self, view: ViewRecord, *, session_id: str) -> None: ...

    def views(self, *, issuer: str, subject: str, limit: int, offset: int) -> Page[ViewRecord]:
        """Newest first; an empty subject means everybody's."""
        ...


class EventRecorder(Protocol):
    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt: ...


class PeopleRecords(Protocol):
    """What is written beside an entry about people, in the same transaction."""

    def keep_reason(self, delegation_id: str, *, reason: str, salt: str) -> None:
        """The text of a delegation; the ledger holds its salted digest."""
        ...

    def add_ceremony(self, ceremony: Ceremony, *, idem: str) -> None: ...

    def ceremony(self, ceremony_id: str) -> Ceremony | None: ...

    def ceremonies(self, *, open_only: bool) -> tuple[Ceremony, ...]:
        """Newest first, the newest two hundred."""
        ...

    def save_ceremony(self, ceremony: Ceremony, *, was: Ceremony, at: datetime | None) -> bool:
        """False when it is no longer as it was when read."""
        ...

    def replace_asked(self, who: tuple[str, str], *, by: str, at: datetime) -> None:
        """Takes back earlier keys this person asked for: the newest one counts."""
        ...


class PeopleUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def people(self) -> PeopleRecords: ...


class PeopleUnits(Protocol):
    def write(self) -> AbstractContextManager[PeopleUnit]: ...

    def read(self) -> AbstractContextManager[PeopleUnit]: ...
