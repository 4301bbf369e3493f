"""Signing with more than a passphrase, in a real browser: with a passkey, and after a fresh login at the provider.

Chromium's virtual authenticator stands for the device (WebDriver extension of Web Authentication, over its debugging
protocol), a provider on this machine for the one of an organisation; everything else is the app as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.components.session import COOKIE
from services.attestation import envelope, statement
from services.audit.offline import verify
from tests.browser.conftest import first_visit, free_port, started
from tests.builders import MODEL, World
from tests.fakes.identity_provider import Provider, a_provider, secrets_of
from tests.fakes.serve_signing import NORA, NORA_SIGNS, SECOND, a_signing_world
from tests.journeys.steps import Desk

VERA, ADA, DANA = "vera.validator", "ada.admin", "dana.datascience"
LOGIN_AGE = 2400


@dataclass(frozen=True)
class House:
    app: str
    world: World
    provider: Provider

    def entries(self) -> list[bytes]:
        return [entry.envelope for entry in self.world.book.entries()]

    def decisions(self, model: str) -> list[bytes]:
        said = [(data, statement.read(envelope.read(data).payload)) for data in self.entries()]
        return [data for data, one in said if one.kind.value == "decision" and one.predicate["bound"]["model"] == model]

    def problems(self) -> list[str]:
        """What the verifier that auditors get says about the whole log."""
        log = verify.Log()
        for data in self.entries():
            log.take(data)
        return [problem.sentence for problem in log.problems if problem.severity != verify.NOTE]

    def asked_again(self) -> list[dict[str, str]]:
        return [asked for asked in self.provider.asked if asked.get("prompt") == "login"]


@pytest.fixture(scope="module")
def house(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    place, port = tmp_path_factory.mktemp("signing"), free_port()
    with a_provider({NORA: {"name": "Nora Novak", "email": "nora@example.com"}}) as provider:
        address, secrets = f"http://localhost:{port}", place / "secrets.toml"
        world = a_signing_world(place, address, provider.issuer)
        world.submit("3")
        world.submit("1", model=SECOND)
        secrets.write_text(secrets_of(provider, address))
        command = ["-m", "tests.fakes.serve_signing", str(port), str(place), provider.issuer, str(secrets)]
        with started(command, port, log=place / "app.log") as app:
            first_visit(browser, app)
            yield House(app=app, world=world, provider=provider)
        world.database.dispose()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, locale="en-GB", timezone_id="Europe/Berlin")
    context.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    yield context.new_page()
    expect.set_options(timeout=5_000)
    context.close()


@pytest.fixture
def sit(page: Page, house: House, tmp_path: Path) -> Callable[[str], Desk]:
    """Somebody at this browser who is signed in already; how people sign in is tested elsewhere."""

    def sit_down(subject: str) -> Desk:
        token = house.world.people.open_session(house.world.actor(subject))
        page.context.add_cookies([{"name": COOKIE, "value": token, "url": house.app}])
        return Desk(page=page, app=house.app, subject=subject, shots=tmp_path)

    return sit_down


def an_authenticator(page: Page) -> None:
    protocol = page.context.new_cdp_session(page)
    protocol.send("WebAuthn.enable")
    device = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    protocol.send("WebAuthn.addVirtualAuthenticator", {"options": device})


def touch(page: Page, words: str) -> None:
    page.get_by_role("button", name=words).click()


def request_of(house: House, version: str, model: str = MODEL) -> str:
    return house.world.request_of(version, model=model).request_id


def authentication_of(data: bytes) -> dict[str, Any]:
    return dict(statement.read(envelope.read(data).payload).predicate["authentication"])


def test_passkey_is_made_enrolled_and_signs_a_decision_that_verifies_offline(
    page: Page, sit: Callable[[str], Desk], house: House
) -> None:
    an_authenticator(page)

    vera = sit(VERA)
    vera.open("settings")
    vera.button("own-passkey-new").click()
    vera.fill("passkey-label", "Laptop")
    vera.passphrase("passkey-passphrase", "not the passphrase of vera")
    vera.button("passkey-go").click()
    touch(page, "Make the passkey")
    vera.sees("The passkey itself is made and kept for the next try")
    vera.passphrase("passkey-passphrase")
    vera.button("passkey-go").click()
    vera.sees("It counts once administrators have enrolled it")
    vera.sees("Waits for administrators")

    ada = sit(ADA)
    ada.open("settings")
    page.locator('[class*="st-key-ceremony-sign-"] button').first.click()
    ada.passphrase("ceremony-passphrase")
    ada.button("ceremony-go").click()
    ada.sees("The change is signed and recorded")

    vera = sit(VERA)
    vera.open(f"approvals?request={request_of(house, '3')}")
    vera.button("decide-approve").click()
    vera.sees("every signature needs a passkey")
    vera.fill("decision-comment", "Looked at most slices.")
    vera.passphrase("decision-passphrase")
    vera.button("decision-go").click()
    vera.sees("Comment: Looked at most slices.")
    vera.button("decision-write-again").click()
    vera.fill("decision-comment", "Looked at every slice.")
    vera.passphrase("decision-passphrase")
    vera.button("decision-go").click()
    touch(page, "Confirm with your passkey")
    vera.sees("Your approval is signed and recorded")
    vera.sees("passphrase entered, confirmed with a passkey of localhost")

    (signed,) = house.decisions(MODEL)
    assert [one.passkey is not None for one in envelope.read(signed).signatures] == [False, True, False]
    assert authentication_of(signed)["level"] == "L3"
    view = house.world.approvals.get(request_of(house, "3"), actor=house.world.actor(VERA))
    assert [item.comment for item in view.signatures if item.subject == VERA] == ["Looked at every slice."]
    assert house.problems() == []


def test_old_login_is_refused_and_a_fresh_one_at_the_provider_signs(page: Page, house: House, tmp_path: Path) -> None:
    nora = log_in(page, house, tmp_path)
    before = len(house.asked_again())
    nora.open(f"approvals?request={request_of(house, '1', SECOND)}")
    nora.button("decide-approve").click()
    nora.sees("Your login is older than that")
    sign(nora)
    nora.sees("The policy asks for a login at most 5 minutes old; yours is 4")  # 40 minutes, and what the way here took
    assert house.decisions(SECOND) == []

    log_in_again(nora)
    nora.sees("You logged in again as Nora Novak")
    assert f"request={request_of(house, '1', SECOND)}" in page.url
    (asked,) = house.asked_again()[before:]
    assert asked["max_age"] == "0"

    nora.button("decide-approve").click()
    sign(nora)
    nora.sees("Your approval is signed and recorded")

    (signed,) = house.decisions(SECOND)
    said = authentication_of(signed)["component1"]
    at = statement.read(envelope.read(signed).payload).at
    logged_in = datetime.fromisoformat(said["authTime"])
    assert said["issuer"] == house.provider.issuer
    assert timedelta(0) <= at - logged_in < timedelta(minutes=5)
    assert int(logged_in.timestamp()) == house.provider.people[NORA]["auth_time"]
    assert len(said["idToken"]["sha256"]) == 64
    assert house.problems() == []


def test_provider_that_does_not_ask_again_leaves_the_signature_refused(
    page: Page, house: House, tmp_path: Path
) -> None:
    signed_before = house.decisions(SECOND)
    house.world.submit("2", model=SECOND)
    house.provider.obeys = False
    try:
        nora = log_in(page, house, tmp_path)
        nora.open(f"approvals?request={request_of(house, '2', SECOND)}")
        nora.button("decide-approve").click()
        log_in_again(nora)
        nora.sees("The provider let you in without a new login")
        expect(page.get_by_text("You logged in again as")).to_have_count(0)

        nora.button("decide-approve").click()
        sign(nora)
        nora.sees("The policy asks for a login at most 5 minutes old")
    finally:
        house.provider.obeys = True
    assert house.decisions(SECOND) == signed_before
    assert house.problems() == []


def log_in(page: Page, house: House, shots: Path) -> Desk:
    """Nora comes through the provider, where she typed her password 40 minutes ago."""
    house.provider.was_here(NORA, seconds_ago=LOGIN_AGE)
    page.goto(house.app)
    page.locator(".st-key-sign-in-oidc button").click()
    page.locator(f'button[value="{NORA}"]').click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return Desk(page=page, app=house.app, subject=NORA, shots=shots)


def log_in_again(desk: Desk) -> None:
    desk.button("decision-again").click()
    desk.page.locator(f'button[value="{NORA}"]').click()


def sign(desk: Desk) -> None:
    desk.passphrase("decision-passphrase", NORA_SIGNS)
    desk.button("decision-go").click()
