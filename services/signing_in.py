"""How people sign in here: by choosing, in the demonstration, or through an identity provider. Wiring only."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from services.attestation.passkeys import RelyingParty
from services.kernel.clock import Clock
from services.ledger.service import LedgerService
from services.people.accounts import DEMO_ACCOUNTS
from services.people.claims import Binding, LoginRules
from services.people.passkey_gate import PasskeyGate
from services.people.passkeys import PasskeyProtocol, PasskeyStore
from services.people.ports import PeopleStore
from services.people.service import PeopleService
from services.people.sign_in import LoginStore, OidcSignIn
from services.profile_rules import Profile, SignIn
from services.settings import Settings


def people(settings: Settings, *, store: PeopleStore, ledger: LedgerService, clock: Clock) -> PeopleService:
    """Demonstration accounts exist where they are asked for and nowhere else."""
    chosen = settings.profile is Profile.EMBEDDED and settings.sign_in is SignIn.DEMO
    return PeopleService(
        store=store,
        ledger=ledger,
        clock=clock,
        demo=DEMO_ACCOUNTS if chosen else (),
        idle=timedelta(minutes=settings.session_idle_minutes),
        life=timedelta(hours=settings.session_hours),
    )


def passkey_gate(
    settings: Settings, *, store: PasskeyStore, ledger: LedgerService, clock: Clock, protocol: PasskeyProtocol
) -> PasskeyGate:
    """Passkeys sign for the host at which browsers reach this deployment."""
    party = RelyingParty(id=urlsplit(settings.origin).hostname or "localhost", origin=settings.origin)
    return PasskeyGate(ledger=ledger, store=store, protocol=protocol, clock=clock, party=party)


def by_provider(
    settings: Settings, *, people: PeopleService, store: LoginStore, ledger: LedgerService, clock: Clock
) -> OidcSignIn | None:
    """None where people do not sign in through a provider."""
    if settings.sign_in is not SignIn.OIDC:
        return None
    rules = LoginRules(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        binding=Binding(settings.oidc_people_by),
        groups_claim=settings.oidc_groups_claim,
        group_roles=tuple(settings.oidc_roles.items()),
        longest=timedelta(hours=settings.session_hours),
        name=settings.oidc_name,
        provider=settings.oidc_provider,
        step_up=settings.oidc_step_up,
    )
    return OidcSignIn(people=people, store=store, ledger=ledger, clock=clock, rules=rules)
