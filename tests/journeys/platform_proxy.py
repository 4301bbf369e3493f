"""The proxy of the platform before the app: it alone says who somebody is, by a cookie that it gave the browser.

    python -m tests.journeys.platform_proxy PORT APP_PORT PEOPLE

Headers of that name which a browser sends are thrown away. A connection carries one request, or one web socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

COOKIE = "platform"
_HEAD_LIMIT = 2**20


class Proxy:
    def __init__(self, people: dict[str, Any], app_port: int) -> None:
        self._people = people
        self._app_port = app_port
        self._open: set[asyncio.Task[Any] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The server forgets a connection that the browser left, and the way to the app would be collected half closed.
        connection = asyncio.current_task()
        self._open.add(connection)
        try:
            await self._carry(reader, writer)
        finally:
            self._open.discard(connection)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._app_port)
            inner_writer.write(self.passed(head))
            await asyncio.gather(_pour(reader, inner_writer), _pour(inner_reader, writer))
        with suppress(ConnectionError, OSError):
            writer.close()
            await writer.wait_closed()

    def passed(self, head: bytes) -> bytes:
        """The head of the request as the app gets it."""
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        is_socket = any(name.lower() == "upgrade" for name, _ in fields)
        kept = [
            (name, value)
            for name, value in fields
            if not name.lower().startswith("x-forwarded-") and (is_socket or name.lower() != "connection")
        ]
        if not is_socket:
            kept.append(("Connection", "close"))
        kept += self._headers("; ".join(value for name, value in fields if name.lower() == "cookie"))
        return "\r\n".join([first, *(f"{name}: {value}" for name, value in kept), "", ""]).encode("latin-1")

    def _headers(self, cookies: str) -> list[tuple[str, str]]:
        given = SimpleCookie(cookies).get(COOKIE)
        who = self._people.get(given.value) if given else None
        if who is None:
            return []
        person = who["person"]
        return [
            ("X-Forwarded-Access-Token", who["token"]),
            ("X-Forwarded-Email", person["emails"][0]["value"]),
            ("X-Forwarded-User", f"{person['id']}@1"),
        ]


async def _pour(source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            into.write(data)
            await into.drain()
    finally:
        with suppress(ConnectionError, OSError, RuntimeError):
            if into.can_write_eof():
                into.write_eof()


async def main(port: int, proxy: Proxy) -> None:
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=_HEAD_LIMIT)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    known = json.loads(Path(sys.argv[3]).read_text())
    asyncio.run(main(int(sys.argv[1]), Proxy(known, int(sys.argv[2]))))
