"""The proxy of the journeys on Databricks: nobody but it says who somebody is."""

from __future__ import annotations

from tests.journeys.platform_proxy import Proxy

CLARA = {"token": "token-of-clara", "person": {"id": "4711", "emails": [{"value": "clara@acme.example"}]}}


def passed(*lines: str) -> list[str]:
    head = "\r\n".join(["GET / HTTP/1.1", "Host: localhost:1", *lines, "", ""]).encode()
    return Proxy({"clara": CLARA}, 1).passed(head).decode().split("\r\n")


def test_whoever_the_platform_gave_its_cookie_is_named_once() -> None:
    named = [line for line in passed("Cookie: a=b; platform=clara") if line.startswith("X-Forwarded-")]

    assert named == [
        "X-Forwarded-Access-Token: token-of-clara",
        "X-Forwarded-Email: clara@acme.example",
        "X-Forwarded-User: 4711@1",
    ]


def test_what_a_browser_claims_by_itself_is_thrown_away() -> None:
    claims = ("x-forwarded-email: ada@acme.example", "X-FORWARDED-ACCESS-TOKEN: stolen", "Cookie: platform=nobody")

    assert not [line for line in passed(*claims) if line.lower().startswith("x-forwarded-")]


def test_a_web_socket_stays_one_and_a_page_ends_its_connection() -> None:
    assert "Connection: Upgrade" in passed("Connection: Upgrade", "Upgrade: websocket")
    assert [line for line in passed("Connection: keep-alive") if "onnection" in line] == ["Connection: close"]
