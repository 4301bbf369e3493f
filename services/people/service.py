"""Who is signed in and what they may do. Deny by default; every check reads the person again from the database."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from services.kernel.clock import Clock
from services.kernel.errors import NotSignedInError, RoleMissingError
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission, Role
from services.kernel.ids import new_id
from services.people.accounts import DEMO_ISSUER
from services.people.models import DemoAccount, Person
from services.people.ports import EventRecorder, PeopleStore, Session

SESSION_LIFE = timedelta(hours=12)
_TOKEN_BYTES = 32


class PeopleService:
    def __init__(
        self, *, store: PeopleStore, ledger: EventRecorder, clock: Clock, demo: tuple[DemoAccount, ...] = ()
    ) -> None:
        """`demo` accounts may sign in by choosing them: embedded profile only."""
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._demo = demo

    # signing in

    def demo_accounts(self) -> tuple[DemoAccount, ...]:
        """Empty outside the embedded profile."""
        return self._demo

    def sign_in_demo(self, subject: str) -> Actor:
        """Raises NotSignedInError for anyone who is not a demonstration account and an active person."""
        account = next((account for account in self._demo if account.subject == subject), None)
        person = self._store.person(DEMO_ISSUER, subject) if account else None
        if account is None or person is None or not person.active or account.role not in person.roles:
            raise NotSignedInError(
                "This account cannot sign in here.", hint="Choose one of the accounts shown on the sign-in screen."
            )
        now = self._clock.now()
        return Actor(
            issuer=person.issuer,
            subject=person.subject,
            name=person.name,
            role=account.role,
            session_id=new_id("ses", now),
            signed_in_at=now,
        )

    def open_session(self, actor: Actor) -> str:
        """The token for the browser, 256 random bits; only its digest is kept here. The sign-in is recorded.

        Raises NotSignedInError when the person is no longer active or lost the role.
        """
        if self._holder(actor) is None:
            raise NotSignedInError("This account cannot sign in here.", hint="Ask an administrator for access.")
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        session = Session(
            session_id=actor.session_id,
            issuer=actor.issuer,
            subject=actor.subject,
            role=actor.role,
            method=actor.method,
            signed_in_at=actor.signed_in_at,
            expires_at=self._clock.now() + SESSION_LIFE,
        )
        self._store.add_session(session, token_sha256=_digest(token))
        self._ledger.record_event(event="sign-in", actor=actor, detail={"method": actor.method})
        return token

    def resume(self, token: str) -> Actor | None:
        """The person behind the token as they are now; None when signed out, expired, inactive or without the role."""
        session = self._store.session(_digest(token), now=self._clock.now())
        if session is None:
            return None
        person = self._store.person(session.issuer, session.subject)
        if person is None or not person.active or session.role not in person.roles:
            return None
        return Actor(
            issuer=session.issuer,
            subject=session.subject,
            name=person.name,
            role=session.role,
            session_id=session.session_id,
            signed_in_at=session.signed_in_at,
            method=session.method,
        )

    def sign_out(self, token: str) -> None:
        self._store.end_session(_digest(token), at=self._clock.now())

    # permissions

    def require(self, actor: Actor | None, permission: Permission) -> Person:
        """The person as the database knows them now. Refused attempts of known actors are recorded.

        Raises NotSignedInError, RoleMissingError. Call it before opening a unit of work.
        """
        if actor is None:
            raise NotSignedInError("Nobody is signed in.", hint="Sign in and try again.")
        person = self._store.person(actor.issuer, actor.subject)
        if person is None or not person.active:
            self._record_refusal(actor, permission)
            raise NotSignedInError(f"{actor.name} is not an active person here.", hint="Ask an administrator.")
        if not _permits(person, actor.role, permission):
            self._record_refusal(actor, permission)
            raise RoleMissingError(
                f"{actor.name} may not do this: as {actor.role.label.lower()} the permission "
                f"“{permission.value.replace('_', ' ')}” is missing.",
                hint=_who_may(permission),
            )
        return person

    def may(self, actor: Actor | None, permission: Permission) -> bool:
        """The same answer as `require`, without a trace: for hiding buttons, never for allowing writes."""
        if actor is None:
            return False
        person = self._store.person(actor.issuer, actor.subject)
        return person is not None and person.active and _permits(person, actor.role, permission)

    # people

    def people(self) -> tuple[Person, ...]:
        """Everybody ever enrolled, by name."""
        return self._store.people()

    def holders(self, role: Role) -> tuple[Person, ...]:
        """Active people who hold the role now, by name."""
        return tuple(person for person in self._store.people() if person.active and role in person.roles)

    def _holder(self, actor: Actor) -> Person | None:
        person = self._store.person(actor.issuer, actor.subject)
        held = person is not None and person.active and actor.role in person.roles
        return person if held else None

    def _record_refusal(self, actor: Actor, permission: Permission) -> None:
        self._ledger.record_event(event="permission-refused", actor=actor, detail={"permission": permission.value})


def _permits(person: Person, role: Role, permission: Permission) -> bool:
    return role in person.roles and permission in ROLE_PERMISSIONS.get(role, frozenset())


def _who_may(permission: Permission) -> str:
    titles = [role.label.lower() for role in Role if permission in ROLE_PERMISSIONS.get(role, frozenset())]
    return f"It belongs to: {', '.join(titles)}." if titles else "No role holds it."


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
