"""Signing in as whom the platform's proxy names, after the platform itself confirmed it. No framework in here.

Headers prove nothing by themselves: anybody who reaches the port writes them. Three things make them believable: the
deployment says that a proxy stands in front (and the settings refuse that anywhere else), each header came exactly
once, and the platform, asked with the forwarded token, says that its owner is whom the other headers name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, NotSignedInError
from services.kernel.identity import Actor, Role
from services.kernel.ids import new_id
from services.kernel.secret import Secret
from services.people.models import Person
from services.people.platform_headers import Headers, Named, PlatformPerson, mismatch, named_in, refused
from services.people.ports import EventRecorder
from services.people.service import PeopleService

METHOD = "platform-proxy"
_CONFIRMED_FOR = timedelta(minutes=5)
_MOST_REMEMBERED = 1000


class PlatformDirectory(Protocol):
    @property
    def issuer(self) -> str:
        """Address of the workspace: people are written down with it."""
        ...

    def owner_of(self, token: Secret) -> PlatformPerson:
        """Raises NotSignedInError for a token the platform does not take, UnavailableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTheDoor:
    person: Person
    roles: tuple[Role, ...]


class PlatformSignIn:
    def __init__(
        self, *, people: PeopleService, directory: PlatformDirectory, ledger: EventRecorder, clock: Clock
    ) -> None:
        self._people = people
        self._directory = directory
        self._ledger = ledger
        self._clock = clock
        self._confirmed: dict[str, tuple[PlatformPerson, datetime]] = {}

    def look(self, headers: Headers) -> AtTheDoor:
        """Who is at the door and in which roles. Raises NotSignedInError, UnavailableError."""
        owner = self._confirm(named_in(headers))
        person = self._people.standing(self._directory.issuer, owner.id)
        if person is None or not person.roles:
            raise NotSignedInError(
                f"The workspace knows you as {owner.name or owner.user_name} (id {owner.id}); here nobody wrote you "
                "down, or every role ended.",
                hint=f"Two administrators enrol you with issuer {self._directory.issuer} and subject {owner.id}.",
            )
        return AtTheDoor(person=person, roles=tuple(person.roles))

    def open(self, headers: Headers, *, role: Role) -> str:
        """The session's token; the sign-in is recorded. Raises NotSignedInError, UnavailableError."""
        door = self.look(headers)
        if role not in door.roles:
            raise NotSignedInError(f"You do not hold the role {role.label.lower()}.", hint="Choose one that is shown.")
        now = self._clock.now()
        return self._people.open_session(
            Actor(
                issuer=door.person.issuer,
                subject=door.person.subject,
                name=door.person.name,
                role=role,
                session_id=new_id("ses", now),
                signed_in_at=now,
                method=METHOD,
            )
        )

    def still(self, headers: Headers, me: Actor) -> bool:
        """Whether a session still belongs to whoever the proxy names now.

        A platform that cannot be asked ends no session: it was confirmed when it began, ends by itself, and bringing
        traffic back must not wait for the platform.
        """
        if me.method != METHOD:
            return False
        try:
            owner = self._confirm(named_in(headers))
        except NotSignedInError:
            return False
        except ControlRoomError:
            return True
        return (me.issuer, me.subject) == (self._directory.issuer, owner.id)

    def _confirm(self, named: Named) -> PlatformPerson:
        """The owner of the token, who is whom the headers name. Remembered for minutes, never for longer."""
        now = self._clock.now()
        held = self._confirmed.get(named.fingerprint)
        if held is not None and now - held[1] < _CONFIRMED_FOR:
            return held[0]
        owner = self._directory.owner_of(named.token)
        wrong = mismatch(named, owner)
        if wrong:
            self._record(named, owner, wrong, now)
            raise refused(wrong)
        if len(self._confirmed) >= _MOST_REMEMBERED:
            self._confirmed.clear()
        self._confirmed[named.fingerprint] = (owner, now)
        return owner

    def _record(self, named: Named, owner: PlatformPerson, why: str, at: datetime) -> None:
        """Once a day for the same claim: only holders of a real token get here, so nobody can fill the ledger."""
        sentence = f"The sign-in of account {owner.id} of the workspace was refused. {why}"
        self._ledger.record_event(
            event="sign-in-refused",
            actor=None,
            detail={
                "method": METHOD,
                "issuer": self._directory.issuer,
                "subject": owner.id,
                "reason": why,
                "sentence": sentence,
            },
            idem=f"sign-in-refused:{owner.id}:{named.email[:100]}:{at:%Y-%m-%d}",
        )
