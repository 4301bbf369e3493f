"""Who is signed in and what they may do. Deny by default; every check reads the person again from the database."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from services.kernel.clock import Clock
from services.kernel.errors import AccessEndedError, NotSignedInError, RoleMissingError
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission, Role
from services.kernel.ids import new_id
from services.kernel.page import Page
from services.people.accounts import DEMO_ISSUER
from services.people.claims import hours
from services.people.models import Delegation, DemoAccount, Person, ViewRecord
from services.people.ports import EventRecorder, PeopleStore, Session

SESSION_LIFE = timedelta(hours=12)
IDLE_LIMIT = timedelta(minutes=30)
_TOUCH_EVERY = timedelta(minutes=1)
_TOKEN_BYTES = 32
_LONGEST_ABOUT = 300
_MOST_VIEWS = 500


class PeopleService:
    def __init__(
        self,
        *,
        store: PeopleStore,
        ledger: EventRecorder,
        clock: Clock,
        demo: tuple[DemoAccount, ...] = (),
        idle: timedelta = IDLE_LIMIT,
        life: timedelta = SESSION_LIFE,
    ) -> None:
        """`demo` accounts may sign in by choosing them: embedded profile only.

        `idle` ends a quiet session, `life` every session, counted from the login.
        """
        self._life = life
        self._idle = idle
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._demo = demo

    # signing in

    def demo_accounts(self) -> tuple[DemoAccount, ...]:
        """Empty outside the embedded profile."""
        return self._demo

    def newcomers(self) -> tuple[Person, ...]:
        """People an administrator added to the embedded deployment; they sign in by choosing, as the others do."""
        shown = {account.subject for account in self._demo}
        if not self._demo:
            return ()
        return tuple(
            person
            for person in self.people()
            if person.issuer == DEMO_ISSUER and person.subject not in shown and person.active and person.roles
        )

    def sign_in_demo(self, subject: str) -> Actor:
        """Raises NotSignedInError for anyone who is not an active person here, AccessEndedError."""
        if not self._demo:
            raise NotSignedInError(
                "Nobody signs in here by naming an account.",
                hint="Sign in on the screen; commands that a person gives exist in the embedded demonstration only.",
            )
        account = next((account for account in self._demo if account.subject == subject), None)
        person = self._person(DEMO_ISSUER, subject)
        role = account.role if account is not None else next(iter(person.roles), None) if person else None
        if person is not None and role is not None:
            self._require_not_ended(person, role)
        if person is None or role is None or not person.active or role not in person.roles:
            raise NotSignedInError(
                "This account cannot sign in here.", hint="Choose one of the accounts shown on the sign-in screen."
            )
        now = self._clock.now()
        return Actor(
            issuer=person.issuer,
            subject=person.subject,
            name=person.name,
            role=role,
            session_id=new_id("ses", now),
            signed_in_at=now,
        )

    def open_session(self, actor: Actor, *, said: Mapping[str, str] | None = None) -> str:
        """The token for the browser, 256 random bits; only its digest is kept here. The sign-in is recorded.

        `said` is recorded with it.

        Raises NotSignedInError when the person is no longer active or lost the role.
        """
        person = self._person(actor.issuer, actor.subject)
        if person is not None:
            self._require_not_ended(person, actor.role)
        if person is None or not person.active or actor.role not in person.roles:
            raise NotSignedInError("This account cannot sign in here.", hint="Ask an administrator for access.")
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        session = Session(
            session_id=actor.session_id,
            issuer=actor.issuer,
            subject=actor.subject,
            role=actor.role,
            method=actor.method,
            signed_in_at=actor.signed_in_at,
            expires_at=self._end_of(actor),
            last_seen_at=self._clock.now(),
            login=actor.login,
        )
        self._store.add_session(session, token_sha256=_digest(token))
        self._ledger.record_event(event="sign-in", actor=actor, detail={"method": actor.method, **(said or {})})
        return token

    def renew_session(self, token: str, actor: Actor) -> None:
        """A later login of the same person, recorded as a sign-in; `actor` is the session with that login."""
        if actor.login is None:
            raise NotSignedInError("Only a login at the identity provider renews a session.", hint="Sign in again.")
        self._store.renew_session(
            _digest(token), signed_in_at=actor.signed_in_at, expires_at=self._end_of(actor), login=actor.login
        )
        self._ledger.record_event(event="sign-in", actor=actor, detail={"method": actor.method, "again": "yes"})

    def _end_of(self, actor: Actor) -> datetime:
        # At a provider somebody may have logged in hours before coming here.
        return (self._clock.now() if actor.login is None else actor.login.since) + self._life

    def resume(self, token: str, *, active: bool = False) -> Actor | None:
        """The person behind the token as they are now; None when signed out, expired, idle, inactive or without role.

        `active` says that the person just did something; only that keeps a session from ending for quiet.
        """
        digest, now = _digest(token), self._clock.now()
        session = self._store.session(digest, now=now)
        if session is None:
            return None
        if now - session.last_seen_at > self._idle:
            self._store.end_session(digest, at=now, because="idle")
            return None
        person = self._person(session.issuer, session.subject)
        if person is None or not person.active or session.role not in person.roles:
            return None
        if active and now - session.last_seen_at > _TOUCH_EVERY:
            self._store.touch_session(digest, at=now)
        return Actor(
            issuer=session.issuer,
            subject=session.subject,
            name=person.name,
            role=session.role,
            session_id=session.session_id,
            signed_in_at=session.signed_in_at,
            method=session.method,
            login=session.login,
        )

    def why_ended(self, token: str) -> str:
        """One sentence about a session that is over, for the sign-in screen; empty when there is nothing to say."""
        now = self._clock.now()
        ended = self._store.ended_session(_digest(token), now=now)
        if ended is not None:
            return _ENDED.get(ended.because, "").format(
                minutes=round(self._idle.total_seconds() / 60), life=hours(self._life)
            )
        session = self._store.session(_digest(token), now=now)
        person = self._person(session.issuer, session.subject) if session is not None else None
        if session is None or person is None:
            return ""
        try:
            self._require_not_ended(person, session.role)
        except AccessEndedError as ended_access:
            return str(ended_access)
        return "" if person.active else "Your access was taken away by an administrator."

    def sign_out(self, token: str) -> None:
        self._store.end_session(_digest(token), at=self._clock.now(), because="signed-out")

    # permissions

    def require(self, actor: Actor | None, permission: Permission) -> Person:
        """The person as the database knows them now. Refused attempts of known actors are recorded.

        Raises NotSignedInError, RoleMissingError. Call it before opening a unit of work.
        """
        if actor is None:
            raise NotSignedInError("Nobody is signed in.", hint="Sign in and try again.")
        person = self._person(actor.issuer, actor.subject)
        if actor.login is not None and self._clock.now() - actor.login.since >= self._life:
            # Also what is open in a page that was not drawn again since.
            self._record_refusal(actor, permission)
            raise NotSignedInError(
                f"The login of {actor.name} is older than {hours(self._life)}.", hint="Sign in again."
            )
        if person is None or not person.active:
            self._record_refusal(actor, permission)
            raise NotSignedInError(f"{actor.name} is not an active person here.", hint="Ask an administrator.")
        if person.ended(actor.role, now=self._clock.now()):
            self._record_refusal(actor, permission)
            self._require_not_ended(person, actor.role)
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
        person = self._person(actor.issuer, actor.subject)
        return person is not None and person.active and _permits(person, actor.role, permission)

    def permissions(self, actor: Actor) -> frozenset[Permission]:
        """Everything `may` says yes to, with one look at the person: for what a whole navigation shows or hides."""
        person = self._person(actor.issuer, actor.subject)
        if person is None or not person.active:
            return frozenset()
        return frozenset(one for one in Permission if _permits(person, actor.role, one))

    # people

    def people(self) -> tuple[Person, ...]:
        """Everybody ever enrolled, by name, with the roles they hold now."""
        now = self._clock.now()
        return tuple(_as_of(person, now) for person in self._store.people())

    def holders(self, role: Role) -> tuple[Person, ...]:
        """Active people who hold the role now, by name."""
        return tuple(person for person in self.people() if person.active and role in person.roles)

    def known(self, issuer: str, subject: str) -> Person | None:
        """Anybody the ledger names, also disabled, with the roles held now."""
        return self._person(issuer, subject)

    def standing(self, issuer: str, subject: str) -> Person | None:
        """The person with the roles held now; None when disabled, or not known."""
        person = self._person(issuer, subject)
        return person if person is not None and person.active else None

    def active_delegations(
        self, *, now: datetime, role: str = "", to: tuple[str, str] | None = None
    ) -> tuple[Delegation, ...]:
        """Delegations in force: the one who gave it still holds the role, the one who has it is still active."""
        found = [
            item
            for item in self._store.delegations(in_force_at=now)
            if (not role or item.role == role) and (to is None or (item.to_issuer, item.to_subject) == to)
        ]
        if not found:
            return ()
        standing = {person.who: _as_of(person, now) for person in self._store.people() if person.active}
        return tuple(
            item
            for item in found
            if (item.to_issuer, item.to_subject) in standing
            and (giver := standing.get((item.from_issuer, item.from_subject))) is not None
            and item.role in {held.value for held in giver.roles}
        )

    # who looked at what

    def record_view(self, actor: Actor, *, screen: str, about: str) -> None:
        """Keeps what an auditor looked at; nobody else is watched. Raises StorageUnavailableError."""
        if actor.role is not Role.AUDITOR:
            return
        view = ViewRecord(
            at=self._clock.now(),
            issuer=actor.issuer,
            subject=actor.subject,
            name=actor.name,
            screen=screen,
            about=about[:_LONGEST_ABOUT],
        )
        self._store.add_view(view, session_id=actor.session_id)

    def views(self, *, actor: Actor, subject: str = "", limit: int = 50, offset: int = 0) -> Page[ViewRecord]:
        """Newest first: an auditor sees his own, compliance and administrators see everybody's."""
        person = self.require(actor, Permission.VIEW_ACCESS_LOG)
        issuer = DEMO_ISSUER if self._demo else person.issuer
        if actor.role is Role.AUDITOR:
            issuer, subject = person.issuer, person.subject
        limit = max(1, min(limit, _MOST_VIEWS))
        return self._store.views(issuer=issuer, subject=subject, limit=limit, offset=max(0, offset))

    def _person(self, issuer: str, subject: str) -> Person | None:
        person = self._store.person(issuer, subject)
        return None if person is None else _as_of(person, self._clock.now())

    def _require_not_ended(self, person: Person, role: Role) -> None:
        end = person.ended(role, now=self._clock.now())
        if end is not None:
            raise AccessEndedError(
                f"The access of {person.name} as {role.label.lower()} ended on {end:%Y-%m-%d at %H:%M} UTC.",
                hint="Ask an administrator to give it again, with a new end date.",
            )

    def _record_refusal(self, actor: Actor, permission: Permission) -> None:
        self._ledger.record_event(event="permission-refused", actor=actor, detail={"permission": permission.value})


_ENDED = {
    "idle": "You were signed out after {minutes} minutes without activity. Sign in again to go on.",
    "expired": "You were signed out because a session lasts {life}. Sign in again to go on.",
}


def _as_of(person: Person, now: datetime) -> Person:
    """The person with the roles held at this instant."""
    over = {role for role, end in person.role_ends if end <= now}
    return replace(person, roles=tuple(role for role in person.roles if role not in over)) if over else person


def _permits(person: Person, role: Role, permission: Permission) -> bool:
    return role in person.roles and permission in ROLE_PERMISSIONS.get(role, frozenset())


def _who_may(permission: Permission) -> str:
    titles = [role.label.lower() for role in Role if permission in ROLE_PERMISSIONS.get(role, frozenset())]
    return f"It belongs to: {', '.join(titles)}." if titles else "No role holds it."


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
