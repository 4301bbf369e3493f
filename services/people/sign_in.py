"""Signing in with an identity provider: one verified login opens one session of one known person, or says why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from services.attestation.canonical import sha256_hex
from services.kernel.clock import Clock
from services.kernel.errors import LoginRefusedError
from services.kernel.identity import Actor, Role
from services.kernel.ids import new_id
from services.people.claims import (
    Binding,
    Claims,
    LoginRules,
    missing_groups,
    read_claims,
    require_believable,
    usable_roles,
)
from services.people.models import Person
from services.people.ports import EventRecorder
from services.people.service import PeopleService


class LoginStore(Protocol):
    """Which logins were used, and which account of the provider is whom. Raises StorageUnavailableError."""

    def use_login(self, sha256: str, *, at: datetime) -> bool:
        """False when this login opened a session before."""
        ...

    def login_was_used(self, sha256: str) -> bool: ...

    def bound(self, issuer: str, claimed: str) -> str:
        """The person this account was bound to; empty when it never was."""
        ...

    def bind(self, issuer: str, claimed: str, *, subject: str, at: datetime) -> bool:
        """False when the account or the person is bound already."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """A known person at the door, with the roles this login lets them act in; never empty."""

    person: Person
    roles: tuple[Role, ...]
    withheld: tuple[Role, ...]
    """Held in the ledger, and not usable without their group."""


class OidcSignIn:
    def __init__(
        self, *, people: PeopleService, store: LoginStore, ledger: EventRecorder, clock: Clock, rules: LoginRules
    ) -> None:
        self._people = people
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self.rules = rules

    def was_used(self, given: Mapping[str, Any], *, id_token: str = "") -> bool:
        """True when these claims opened a session before: then there is nothing to decide."""
        return self._store.login_was_used(self._read(given, id_token).sha256)

    def look(self, given: Mapping[str, Any], *, id_token: str = "") -> Welcome:
        """Who is at the door and in which roles. A refusal is recorded once per login. Raises LoginRefusedError."""
        claims = self._read(given, id_token)
        with self._recording(claims):
            return self._welcome(claims)

    def open(self, given: Mapping[str, Any], *, role: Role, id_token: str = "") -> str:
        """The session's token. Each login opens one session only; the sign-in is recorded. Raises LoginRefusedError."""
        claims = self._read(given, id_token)
        with self._recording(claims):
            welcome = self._welcome(claims)
            self._require_role(welcome, role, claims)
            self._use(claims)
        who = welcome.person
        actor = Actor(
            issuer=who.issuer,
            subject=who.subject,
            name=who.name,
            role=role,
            session_id=new_id("ses", self._clock.now()),
            signed_in_at=claims.login.since,
            method="oidc",
            login=claims.login,
        )
        withheld = ", ".join(item.value for item in welcome.withheld)
        return self._people.open_session(actor, said={"withheld": withheld} if withheld else {})

    def renew(self, given: Mapping[str, Any], *, token: str, id_token: str = "") -> Actor:
        """A later login of the same person makes the open session fresh, as signing may ask for.

        Raises LoginRefusedError; somebody else's login changes nothing and is recorded.
        """
        claims = self._read(given, id_token)
        actor = self._people.resume(token)
        if actor is None:
            raise LoginRefusedError("There is no open session to make fresh.", hint="Sign in.")
        with self._recording(claims):
            welcome = self._welcome(claims)
            _require_same(welcome.person, actor)
            self._require_role(welcome, actor.role, claims)
            self._use(claims)
        fresh = replace(actor, signed_in_at=claims.login.since, login=claims.login)
        self._people.renew_session(token, fresh)
        return fresh

    # steps

    def _read(self, given: Mapping[str, Any], id_token: str) -> Claims:
        return read_claims(given, groups_claim=self.rules.groups_claim, id_token=id_token)

    def _welcome(self, claims: Claims) -> Welcome:
        require_believable(claims, self.rules, now=self._clock.now())
        person = self._person(claims)
        if not person.active:
            raise LoginRefusedError(
                f"The access of {person.name} was taken away by an administrator.",
                hint=f"Reason: {person.disabled_reason}" if person.disabled_reason else "Ask an administrator.",
            )
        if not person.roles:
            raise LoginRefusedError(f"{person.name} holds no role here.", hint="Ask two administrators for one.")
        roles = usable_roles(person, claims, self.rules)
        if not roles:
            raise LoginRefusedError(
                f"{person.name} is in none of the groups that a role needs here.",
                hint=_group_hint(person, claims, self.rules),
            )
        return Welcome(person=person, roles=roles, withheld=tuple(set(person.roles) - set(roles)))

    def _person(self, claims: Claims) -> Person:
        if self.rules.binding is Binding.SUBJECT:
            found = self._people.known(self.rules.issuer, claims.subject)
            if found is None:
                raise _unknown(claims.subject)
            return found
        subject = self._store.bound(self.rules.issuer, claims.subject)
        if subject:
            found = self._people.known(self.rules.issuer, subject)
            if found is None:
                raise _unknown(subject)
            return found
        return self._bind(claims)

    def _bind(self, claims: Claims) -> Person:
        """The first sign-in of an address administrators named decides which account it is from then on."""
        if not claims.email:
            raise LoginRefusedError(
                "The identity provider did not vouch for your e-mail address, by which people are known here.",
                hint="Ask whoever runs it to send a verified address.",
            )
        found = self._people.known(self.rules.issuer, claims.email)
        if found is None:
            raise _unknown(claims.email)
        if not self._store.bind(self.rules.issuer, claims.subject, subject=found.subject, at=self._clock.now()):
            raise LoginRefusedError(
                f"{found.name} is another account of the provider here, though the address is the same.",
                hint="An address that moved to another account is a new person: ask two administrators.",
            )
        self._ledger.record_event(
            event="account-bound",
            actor=None,
            detail={
                "sentence": f"{found.name} signed in for the first time; the account is theirs from now on.",
                "subject": found.subject,
                "account": claims.subject,
            },
            idem=f"account-bound:{self.rules.issuer}:{claims.subject}",
        )
        return found

    def _use(self, claims: Claims) -> None:
        if not self._store.use_login(claims.sha256, at=self._clock.now()):
            raise LoginRefusedError("This login was used before; each opens one session only.", hint="Sign in again.")

    def _require_role(self, welcome: Welcome, role: Role, claims: Claims) -> None:
        if role not in welcome.roles:
            raise LoginRefusedError(
                f"{welcome.person.name} may not act as {role.label.lower()} with this login.",
                hint=_group_hint(welcome.person, claims, self.rules),
            )

    @contextmanager
    def _recording(self, claims: Claims) -> Iterator[None]:
        try:
            yield
        except LoginRefusedError as refused:
            # Once per login and reason: a page that draws itself again is not another attempt.
            self._ledger.record_event(
                event="sign-in-refused",
                actor=None,
                detail={
                    "sentence": f"A login at the identity provider opened no session: {refused.message}",
                    "account": claims.subject,
                    "issuer": claims.issuer,
                },
                idem=f"sign-in-refused:{claims.sha256}:{sha256_hex(refused.message.encode())[:16]}",
            )
            raise


def _require_same(person: Person, actor: Actor) -> None:
    if person.who != (actor.issuer, actor.subject):
        raise LoginRefusedError(
            f"Somebody else logged in at the provider, not {actor.name}.",
            hint="The open session was not made fresh. Log in again as yourself, or sign out.",
        )


def _unknown(name: str) -> LoginRefusedError:
    return LoginRefusedError(
        f"Nobody is known here as “{name}”.",
        hint="You are signed in at the provider, but have no role in Countersign. Ask two administrators for one.",
    )


def _group_hint(person: Person, claims: Claims, rules: LoginRules) -> str:
    groups = missing_groups(person, claims, rules)
    if not groups:
        return "Ask an administrator."
    named = ", ".join(groups)
    return f"Membership of one of these groups is missing at the provider: {named}. Ask whoever keeps them."
