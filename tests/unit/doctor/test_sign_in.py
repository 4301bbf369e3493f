"""The doctor on signing in through a provider: each fault is red with its fix, and nothing secret is in any text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.doctor import provider
from services.doctor.models import SERIOUS, Result, State
from services.doctor.sign_in import sign_in
from services.profile_rules import SignIn
from services.settings import Settings

ISSUER, METADATA = "https://idp.example", "https://idp.example/.well-known/openid-configuration"
COOKIE, CLIENT = "zzhush-cookie-3f9a1c7e5b2d8046af", "zzhush-client-secret"
SHARED = {
    "redirect_uri": "https://control.example/oauth2callback",
    "cookie_secret": COOKIE,
    "expose_tokens": "id",
}
CLIENT_OF = {"client_id": "countersign", "client_secret": CLIENT, "server_metadata_url": METADATA}
AGAIN = CLIENT_OF | {"authorize_params": {"max_age": "0"}, "client_kwargs": {"prompt": "login"}}
DESCRIBED = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
}
GONE = object()


def toml(name: str, section: Mapping[str, Any]) -> str:
    """Enough of TOML for the sections of these tests."""

    def value(given: Any) -> str:
        if isinstance(given, dict):
            return "{ " + ", ".join(f"{key} = {value(item)}" for key, item in given.items()) + " }"
        if isinstance(given, list):
            return "[" + ", ".join(map(value, given)) + "]"
        return f"'{given}'" if isinstance(given, str) else str(given).lower()

    return f"[{name}]\n" + "".join(f"{key} = {value(item)}\n" for key, item in section.items() if item is not GONE)


class House:
    """A folder the app is started in, with everything in order until a test changes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / ".streamlit" / "secrets.toml"
        self.file.parent.mkdir()
        self.asked: list[str] = []
        self.answer: httpx.Response | Exception = httpx.Response(200, json=DESCRIBED)
        self.settings: dict[str, Any] = {
            "sign_in": SignIn.OIDC,
            "oidc_issuer": ISSUER,
            "oidc_client_id": "countersign",
            "oidc_step_up": "again",
            "notify_base_url": "https://control.example",
        }
        self.write()

    def write(self, again: Mapping[str, Any] | None = AGAIN, *, file: Path | None = None, **changes: Any) -> None:
        text = toml("auth", SHARED | CLIENT_OF | changes)
        text += "" if again is None else toml("auth.again", again)
        self.put(text, file=file)

    def put(self, text: str, *, file: Path | None = None) -> None:
        (file or self.file).write_text(text)
        (file or self.file).chmod(0o600)

    def ask(self, url: str) -> httpx.Response:
        self.asked.append(url)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def look(self, **environment: str) -> dict[str, Result]:
        settings = Settings(home=self.folder, **self.settings)
        results = list(sign_in(settings, environment, folder=self.folder, ask=self.ask))
        assert "zzhush" not in repr(results)
        return {result.name: result for result in results}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("HOME", str(tmp_path / "account"))
    return House(tmp_path)


def red(results: Mapping[str, Result]) -> set[str]:
    return {name for name, result in results.items() if result.state in SERIOUS}


def test_provider_that_is_set_up_well_is_in_order_part_by_part(house: House) -> None:
    found = house.look()

    assert {result.state for result in found.values()} == {State.OK}
    assert set(found) == {
        "sign-in secrets",
        "cookie secret",
        "redirect address",
        "exposed tokens",
        "sign-in client",
        "provider",
        "fresh login",
    }
    assert house.asked == [METADATA]


def test_deployment_without_a_provider_is_not_looked_at(house: House) -> None:
    house.settings = {}
    house.file.unlink()

    assert [result.state for result in house.look().values()] == [State.UNUSED]
    assert house.asked == []


FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no cookie secret": ({"cookie_secret": GONE}, "cookie secret", "missing"),
    "the cookie secret of the example": (
        {"cookie_secret": "<at least 32 random characters; the same on every replica>"},
        "cookie secret",
        "example",
    ),
    "a short cookie secret": ({"cookie_secret": "zzhush-short"}, "cookie secret", "fewer than 32 characters"),
    "a cookie secret of one letter": ({"cookie_secret": "a" * 64}, "cookie secret", "different characters"),
    "a cookie secret that is a number": ({"cookie_secret": 7}, "cookie secret", "missing"),
    "no redirect address": ({"redirect_uri": GONE}, "redirect address", "missing"),
    "a redirect to another page": ({"redirect_uri": "https://control.example/"}, "redirect address", "/oauth2callback"),
    "a redirect in clear": (
        {"redirect_uri": "http://control.example/oauth2callback"},
        "redirect address",
        "http://",
    ),
    "a redirect that is no address": (
        {"redirect_uri": "https://control.example:port/x"},
        "redirect address",
        "is not an address",
    ),
    "tokens that do not exist": ({"expose_tokens": ["id", "refresh"]}, "exposed tokens", "Streamlit refuses"),
    "another client": ({"client_id": "somebody-else"}, "sign-in client", "another one than COUNTERSIGN_OIDC_CLIENT_ID"),
    "no client secret": ({"client_secret": GONE}, "sign-in client", "client_secret of [auth]: missing"),
    "the client secret of the example": (
        {"client_secret": "<from the identity provider>"},
        "sign-in client",
        "client_secret of [auth]: still the text of the example",
    ),
    "a description that is no address": ({"server_metadata_url": "idp.example"}, "provider", "is not an address"),
    "a description in clear": ({"server_metadata_url": METADATA.replace("https", "http")}, "provider", "encryption"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_fault_of_the_section_is_red_and_says_how_to_mend_it(house: House, case: str) -> None:
    changes, name, words = FAULTS[case]
    house.write(**changes)

    found = house.look()

    assert name in red(found)
    assert words in found[name].found
    assert found[name].fix


AGAIN_FAULTS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "no such section": (None, "no section [auth.again]"),
    "another client": (AGAIN | {"client_id": "other"}, "another one than"),
    "no maximal age": (AGAIN | {"authorize_params": {"prompt": "login"}}, "max_age 0"),
    "an hour": (AGAIN | {"authorize_params": {"max_age": "3600"}}, "max_age 0"),
    "a word in its place": (AGAIN | {"authorize_params": False}, "max_age 0"),
    "false, which is no number": (AGAIN | {"authorize_params": {"max_age": False}}, "max_age 0"),
    "the age where nobody reads it": (
        CLIENT_OF | {"client_kwargs": {"prompt": "login", "max_age": "0"}},
        "max_age 0",
    ),
}


@pytest.mark.parametrize("case", AGAIN_FAULTS)
def test_way_to_a_fresh_login_that_would_not_lead_to_one_is_red(house: House, case: str) -> None:
    section, words = AGAIN_FAULTS[case]
    house.write(section)

    found = house.look()

    assert red(found) == {"fresh login"}
    assert words in found["fresh login"].found


def test_fresh_login_asked_of_another_provider_is_held_against_the_accepted_one(house: House) -> None:
    house.write(AGAIN | {"server_metadata_url": "https://other.example/.well-known/openid-configuration"})
    house.answer = httpx.Response(200, json=DESCRIBED | {"issuer": "https://other.example"})

    found = house.look()

    assert "fresh login, provider" in red(found)
    assert len(house.asked) == 2


def test_what_works_and_somebody_should_know_is_a_warning(house: House) -> None:
    house.settings["oidc_step_up"] = ""
    house.settings["notify_base_url"] = "https://elsewhere.example"
    house.write(None, expose_tokens=["access"])

    found = house.look()

    assert red(found) == set()
    warned = {name for name, result in found.items() if result.state is State.WARNING}
    assert warned == {"fresh login", "redirect address", "exposed tokens"}


ANSWERS: dict[str, tuple[httpx.Response | Exception, str]] = {
    "another issuer": (httpx.Response(200, json=DESCRIBED | {"issuer": "https://evil.example"}), "calls itself"),
    "no issuer": (httpx.Response(200, json={}), "calls itself 'None'"),
    "a list": (httpx.Response(200, json=["issuer"]), "no description"),
    "a page": (httpx.Response(200, text="<html>zzhush</html>"), "no description"),
    "a redirection": (httpx.Response(302, headers={"Location": "https://evil.example"}), "answers with 302"),
    "nothing there": (httpx.Response(404, text="zzhush"), "answers with 404"),
    "half a description": (httpx.Response(200, json={"issuer": ISSUER}), "lacks authorization_endpoint"),
    "no way there": (httpx.ConnectError("zzhush in the words of the library"), "not reachable (ConnectError)"),
    "too slow": (httpx.ReadTimeout("slow"), "not reachable (ReadTimeout)"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_provider_that_is_not_the_one_meant_or_does_not_answer_is_red(house: House, case: str) -> None:
    house.answer, words = ANSWERS[case]

    found = house.look()

    assert red(found) == {"provider"}
    assert words in found["provider"].found


def test_provider_that_lists_its_claims_without_the_time_of_the_login_is_a_warning(house: House) -> None:
    house.answer = httpx.Response(200, json=DESCRIBED | {"claims_supported": ["sub", "email"]})

    assert house.look()["provider"].state is State.WARNING


def test_client_may_stand_in_a_section_of_its_own(house: House) -> None:
    house.settings["oidc_provider"] = "corp"
    house.put(toml("auth", SHARED) + toml("auth.corp", CLIENT_OF) + toml("auth.again", AGAIN))

    assert red(house.look()) == set()

    house.settings["oidc_provider"] = "corporation"
    assert red(house.look()) == {"sign-in client"}


def test_file_that_others_can_read_is_red_and_its_section_is_looked_at_all_the_same(house: House) -> None:
    house.file.chmod(0o644)

    settings = Settings(home=house.folder, **house.settings)
    found = list(sign_in(settings, {}, folder=house.folder, ask=house.ask))

    assert [result.name for result in found if result.state in SERIOUS] == ["sign-in secrets"]
    assert "chmod 600" in found[0].fix
    assert found[-1].state is State.OK


def test_file_that_is_missing_or_no_toml_is_red_without_its_content(house: House) -> None:
    house.put("[auth]\ncookie_secret = zzhush without quotes\n")
    assert "is not TOML: line 2" in house.look()["sign-in secrets"].found

    house.put("[database]\npassword = 'zzhush'\n")
    assert "no section [auth]" in house.look()["sign-in secrets"].found

    house.file.unlink()
    assert "no section [auth]" in house.look()["sign-in secrets"].found
    assert house.asked == []


def test_last_file_of_the_streamlit_configuration_wins_and_a_variable_over_it(house: House) -> None:
    other = house.folder / "other.toml"
    house.write(client_id="somebody-else", file=other)
    (house.folder / ".streamlit" / "config.toml").write_text(
        "[secrets]\nfiles = ['.streamlit/secrets.toml', 'other.toml']\n"
    )

    assert red(house.look()) == {"sign-in client"}
    assert red(house.look(STREAMLIT_SECRETS_FILES=str(house.file))) == set()


def test_headers_as_identity_are_red_wherever_they_are_switched_on(house: House) -> None:
    assert "sign-in" in red(house.look(STREAMLIT_SERVER_TRUSTED_USER_HEADERS='{"X-Forwarded-Email": "email"}'))

    (house.folder / ".streamlit" / "config.toml").write_text(
        '[server.trustedUserHeaders]\n"X-Forwarded-Email" = "email"\n'
    )
    assert "sign-in" in red(house.look())


def test_address_is_shown_without_what_may_be_secret_in_it() -> None:
    at = provider.address("https://user:zzhush@idp.example:8443/path?token=zzhush")

    assert at is not None
    assert (at.origin, at.path, at.in_clear) == ("https://idp.example:8443", "/path", False)
