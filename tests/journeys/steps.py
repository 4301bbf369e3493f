"""What a person does in the browser, in a few words each. Waits for Streamlit to be idle, never for a fixed time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect

PATIENCE = float(os.environ.get("COUNTERSIGN_JOURNEY_PATIENCE", "1"))
"""How many times longer than usual anything may take, on a machine that does other work as well."""
PASSPHRASES = {
    "clara.compliance": "clara signs with care",
    "ben.business": "ben counts the benefit",
    "sam.sre": "sam rolls it back",
    "dana.datascience": "dana asks for promotion",
    "vera.validator": "vera checks the numbers",
    "otto.auditor": "otto reads everything",
    "ada.admin": "ada keeps the keys",
    "carl.compliance": "carl signs when clara is away",
    "viktor.validator": "viktor checks it again",
    "amir.admin": "amir guards the keyring",
}


@dataclass
class Desk:
    """One person's browser tab."""

    page: Page
    app: str
    subject: str
    shots: Path

    def sign_in(self, *, cookie: tuple[str, str] | None = None) -> Desk:
        """By choosing the account, with the cookie of an open session, or as whom the platform's proxy names."""
        if cookie:
            self.page.context.add_cookies([{"name": cookie[0], "value": cookie[1], "url": self.app}])
        self.page.goto(self.app)
        self.idle()
        if not cookie:
            self.button(f"sign-in-{self.subject}").click()
        roles = self.page.locator('[class*="st-key-sign-in-as-"] button')
        if roles.count():
            roles.first.click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible(timeout=30_000 * PATIENCE)
        self.idle()
        return self

    def leave(self) -> None:
        self.page.context.close()

    def open(self, address: str) -> None:
        self.page.goto(f"{self.app}/{address}")
        self.idle()

    def idle(self) -> None:
        """No script is running and nothing is still being loaded; twice, because a click needs a moment to start."""
        for _ in range(2):
            self.page.wait_for_selector(
                '[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=60_000 * PATIENCE
            )
            # A table or chart whose code is still on its way stands there as a grey bar.
            expect(self.page.locator('[data-testid="stSkeleton"]')).to_have_count(0, timeout=60_000 * PATIENCE)
            self.page.wait_for_timeout(300)

    def button(self, key: str):  # type: ignore[no-untyped-def]
        return self.page.locator(f".st-key-{_class(key)} button").first

    def field(self, key: str):  # type: ignore[no-untyped-def]
        return self.page.locator(f".st-key-{_class(key)}").locator("input, textarea").first

    def fill(self, key: str, text: str) -> None:
        self.field(key).fill(text)
        self.field(key).press("Tab")

    def choose(self, key: str, words: str) -> None:
        self.page.locator(f".st-key-{_class(key)}").get_by_role("combobox").click()
        self.page.get_by_role("option", name=words).click()

    def passphrase(self, key: str, text: str | None = None) -> None:
        self.fill(key, text if text is not None else PASSPHRASES[self.subject])

    def press(self, key: str) -> None:
        self.button(key).click()
        self.idle()

    def sees(self, text: str, *, within: float = 20) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=within * 1000 * PATIENCE)

    def text(self) -> str:
        return self.page.locator('[data-testid="stMain"]').inner_text()

    def table(self) -> str:
        """Text of the first long table: the grid is drawn on a canvas and described in words inside it."""
        canvas = self.page.locator('[data-testid="stDataFrame"] canvas').first
        canvas.wait_for()
        self.page.wait_for_timeout(500)
        return canvas.text_content() or ""

    def shot(self, name: str) -> None:
        self.page.screenshot(path=str(self.shots / f"{name}.png"), full_page=True)


def _class(key: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in key)
