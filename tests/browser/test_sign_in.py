"""Signing in with a real identity provider in a real browser: the way in, every refusal, a fresh login, the way out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.components.serve import PAID
from services.adapters.files.policies import PolicyFolder
from services.adapters.signing.desk import KeyDesk
from services.adapters.sql.database import Database
from services.adapters.sql.ledger import SqlLedgerReader
from services.adapters.sql.people import SqlKeyStore
from services.adapters.sql.setup import create_schema, found_deployment
from services.attestation import envelope, statement
from services.kernel.clock import SystemClock
from services.kernel.identity import Role
from services.kernel.secret import Secret
from services.ledger.founding import NewPerson
from services.settings import Settings, read_settings
from services.workspace import marker
from services.workspace.marker import PreparedFacts
from tests.browser.conftest import free_port, started
from tests.builders import CHEAP
from tests.fakes.identity_provider import CLIENT, Provider, a_provider, secrets_of

CLARA, ADA, MALLORY = "auth0|clara-01", "auth0|ada-02", "auth0|mallory-03"
PEOPLE = {
    CLARA: {"name": "Clara Whitfield", "email": "clara@example.com", "groups": ["approvers", "validators"]},
    ADA: {"name": "Ada Moreau", "email": "ada@example.com", "groups": ["nobody"]},
    MALLORY: {"name": "Clara Whitfield", "email": "clara@example.com", "groups": ["approvers"]},
}


@dataclass(frozen=True)
class House:
    app: str
    provider: Provider
    settings: Settings

    def entries(self, event: str) -> list[dict[str, object]]:
        """The details of all entries of one event, oldest first."""
        database = Database(self.settings.governance_url)
        try:
            entries = SqlLedgerReader(database).entries()
            said = [statement.read(envelope.read(item.envelope).payload).predicate for item in entries]
        finally:
            database.dispose()
        return [dict(item["detail"]) for item in said if item.get("event") == event]


def _found(settings: Settings, issuer: str) -> None:
    """A founded deployment with two people and nothing else, which the app then opens as it opens any."""
    for folder in (settings.home, settings.anchors_folder, settings.logs_folder, settings.run_folder):
        folder.mkdir(parents=True, exist_ok=True)
    clock, database = SystemClock(), Database(settings.governance_url)
    create_schema(database)
    desk = KeyDesk.create(SqlKeyStore(database), settings.keys_folder, clock, deployment="browser-test", cost=CHEAP)
    roles = {CLARA: (Role.COMPLIANCE, Role.VALIDATOR), ADA: (Role.ADMIN,)}
    people = tuple(
        NewPerson(
            issuer=issuer,
            subject=subject,
            name=str(PEOPLE[subject]["name"]),
            roles=held,
            passphrase=Secret("a passphrase of a test"),
        )
        for subject, held in roles.items()
    )
    genesis = found_deployment(
        database,
        desk,
        clock=clock,
        profile="embedded",
        people=people,
        replay=None,
        policies=PolicyFolder(settings.policy_folder).texts().values(),
    )
    database.dispose()
    now = clock.now()
    marker.write_facts(settings, PreparedFacts(prepared_at=now, replay_from=now, genesis=genesis, seconds=0.0))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    place, port = tmp_path_factory.mktemp("sign-in"), free_port()
    with a_provider(PEOPLE) as provider:
        settings = read_settings(home=place / "home")
        _found(settings, provider.issuer)
        secrets = place / "secrets.toml"
        secrets.write_text(secrets_of(provider, f"http://localhost:{port}"))
        env = {
            "COUNTERSIGN_HOME": str(settings.home),
            "COUNTERSIGN_SIGN_IN": "oidc",
            "COUNTERSIGN_OIDC_ISSUER": provider.issuer,
            "COUNTERSIGN_OIDC_CLIENT_ID": CLIENT,
            "COUNTERSIGN_OIDC_NAME": "Example Corp",
            "COUNTERSIGN_OIDC_STEP_UP": "again",
            "COUNTERSIGN_OIDC_ROLES": json.dumps({"approvers": "compliance_officer", "keepers": "admin"}),
        }
        command = ["-m", "pages.components.serve", "--server.port", str(port), "--secrets.files", str(secrets)]
        with started(command, port, log=place / "app.log", says=PAID, **env) as app:
            yield House(app=app, provider=provider, settings=settings)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, locale="en-GB")
    context.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    yield context.new_page()
    expect.set_options(timeout=5_000)
    context.close()


def log_in(page: Page, house: House, subject: str, *, address: str = "") -> None:
    page.goto(f"{house.app}/{address}")
    page.locator(".st-key-sign-in-oidc button").click()
    page.locator(f'button[value="{subject}"]').click()


def test_login_leads_to_the_page_that_was_asked_for_and_is_recorded(page: Page, house: House, tmp_path: Path) -> None:
    before = len(house.entries("sign-in"))

    log_in(page, house, CLARA, address="audit?section=ledger")

    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_text("Compliance officer").first).to_be_visible()
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    assert "section=ledger" in page.url
    signed_in = house.entries("sign-in")
    assert len(signed_in) == before + 1
    assert signed_in[-1] == {"method": "oidc", "withheld": "validator"}

    page.reload()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert len(house.entries("sign-in")) == before + 1


def test_sign_out_ends_it_here_and_at_the_provider_and_the_old_login_opens_nothing_again(
    page: Page, house: House
) -> None:
    log_in(page, house, CLARA)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()

    expect(page.locator(".st-key-sign-in-oidc button")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)


def test_stranger_of_the_same_name_and_address_is_told_that_nobody_knows_him(page: Page, house: House) -> None:
    log_in(page, house, MALLORY)

    expect(page.get_by_text("You are not signed in")).to_be_visible()
    expect(page.get_by_text("Nobody is known here as").first).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
    assert house.entries("sign-in-refused")[-1]["account"] == MALLORY


def test_person_without_the_group_is_told_which_one_is_missing(page: Page, house: House) -> None:
    log_in(page, house, ADA)

    expect(page.get_by_text("none of the groups").first).to_be_visible()
    expect(page.get_by_text("keepers").first).to_be_visible()


def test_invented_login_cookie_and_headers_are_nobody(page: Page, house: House) -> None:
    forged = json.dumps({"iss": house.provider.issuer, "sub": CLARA, "is_logged_in": True})
    page.context.add_cookies([{"name": "_streamlit_user", "value": forged, "url": house.app}])
    page.set_extra_http_headers({"X-Forwarded-Email": "clara@example.com", "X-Forwarded-User": CLARA})

    page.goto(house.app)

    expect(page.locator(".st-key-sign-in-oidc button")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
