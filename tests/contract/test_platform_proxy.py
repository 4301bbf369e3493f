"""The proxy of the journeys on Databricks: nobody but it says who somebody is."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

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


def test_a_page_that_is_left_early_is_carried_to_its_end() -> None:
    broken = asyncio.run(_left_early())

    assert broken == []


async def _left_early() -> list[dict[str, Any]]:
    """What went wrong at a browser that goes away while the app is still at work on its answer."""
    broken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: broken.append(context))
    left, answered = asyncio.Event(), asyncio.Event()

    async def app(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()
        await answered.wait()
        writer.close()

    behind = await asyncio.start_server(app, "127.0.0.1", 0)
    door = await asyncio.start_server(Proxy({}, behind.sockets[0].getsockname()[1]).serve, "127.0.0.1", 0)
    async with behind, door:
        _, browser = await asyncio.open_connection(*door.sockets[0].getsockname())
        browser.write(b"GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n")
        await browser.drain()
        browser.transport.abort()
        await left.wait()
        gc.collect()
        answered.set()
        await asyncio.sleep(0.1)
    return broken
