"""The local endpoint under 200 requests a second: switches, rollbacks, a killed gateway, and what the hop costs.

Callers keep their connections and send at a fixed pace whether or not earlier answers came, as real callers do. The
cost of the hop is measured against the same scoring process, asked directly on its socket, in turn with the gateway.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import numpy as np
import psutil

from tests.benchmarks.inventory_rerun import Figure
from tests.fakes.endpoint import BODY, wait_until
from tests.fakes.held_gateway import HeldGateway
from tests.fakes.tiny_models import register_versions

PER_SECOND = int(os.environ.get("COUNTERSIGN_BENCH_PER_SECOND", "200"))
"""Lower it on a machine that is busy with other work: a queue that only grows measures the machine."""
CONNECTIONS = 32
SWITCHES = 20
ROLLBACKS = 20
MODEL = "load"


@dataclass
class Heard:
    """What callers of one phase experienced."""

    milliseconds: list[float] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Ids of the requests that were answered with 200."""
    failed: int = 0
    refused: int = 0
    """No connection at all."""
    broken: int = 0
    """Sent, and the connection ended."""
    late: int = 0
    """No answer within a minute."""
    finished: list[float] = field(default_factory=list)


def measure(folder: Path) -> Iterator[Figure]:
    uri = register_versions(folder, MODEL, (0.0, 100.0))
    gateway = HeldGateway(folder / "home", uri)
    try:
        gateway.serving.register(MODEL, "realtime")
        for version in ("1", "2"):
            wait_until(_ready(gateway, version))
        _route(gateway, "1", "first")
        asyncio.run(_warm(gateway))
        yield from _switching(gateway)
        yield from _hop(gateway)
        yield from _killed(gateway)
    finally:
        gateway.stop()


def _ready(gateway: HeldGateway, version: str) -> Callable[[], bool]:
    return lambda: gateway.serving.ensure_ready(MODEL, version, op="load")


def _route(gateway: HeldGateway, version: str, op: str) -> None:
    state = gateway.serving.observe(MODEL)
    gateway.serving.set_routes(MODEL, ((version, 100),), expect_generation=state.generation, op=op)


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


# Phases


def _switching(gateway: HeldGateway) -> Iterator[Figure]:
    """A switch and the rollback of it, twenty times, each read back by probes."""
    took: list[float] = []

    async def switch() -> None:
        for number in range(SWITCHES):
            for version, word in (("2", "switch"), ("1", "rollback")):
                began = time.perf_counter()
                await asyncio.to_thread(_route, gateway, version, f"{word}-{number}")
                await asyncio.to_thread(gateway.serving.probe_routed, MODEL, 3)
                took.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(0.25)

    before = set(gateway.logged())
    heard = asyncio.run(_under_load(gateway.url, switch()))
    lost = set(heard.requests) - (set(gateway.logged()) - before)
    n = f"{len(heard.requests):,} answered, {SWITCHES} switches and {ROLLBACKS} rollbacks at {PER_SECOND} a second"
    why = f"{heard.failed} answered badly, {heard.refused} refused, {heard.broken} broken, {heard.late} after a minute"
    failed = heard.failed + heard.refused + heard.broken + heard.late
    yield Figure(value=failed, unit="requests", name="failed while traffic was switched", note=f"{n}; {why}; bar 0")
    yield Figure(value=len(lost), unit="rows", name="answered and not in the log", note="bar 0")
    yield Figure(value=float(np.quantile(took, 0.95)), unit="ms", name="switch read back by probes, p95")


def _hop(gateway: HeldGateway, rounds: int = 3, seconds: float = 2.5) -> Iterator[Figure]:
    """Through the gateway and directly, in turn, at the same pace."""
    through, direct = Heard(), Heard()
    socket = asyncio.run(_socket_of(gateway, "1"))
    scorer = next(item.pid for item in gateway.serving.processes() if item.version == "1") or 0
    used = {"gateway": 0.0, "scorer": 0.0}
    for _ in range(rounds):
        before = _cpu(gateway.process.pid), _cpu(scorer)
        asyncio.run(_call(gateway.url, f"/endpoints/{MODEL}/invocations", through, asyncio.sleep(seconds)))
        used["gateway"] += _cpu(gateway.process.pid) - before[0]
        used["scorer"] += _cpu(scorer) - before[1]
        asyncio.run(_call("http://scorer", "/invocations", direct, asyncio.sleep(seconds), socket=socket))
    n = max(len(through.milliseconds), 1)
    yield Figure(
        value=used["gateway"] / used["scorer"],
        unit="ratio",
        name="CPU of the gateway beside that of the scoring process",
        note=f"{used['gateway'] / n * 1000:.2f} ms beside {used['scorer'] / n * 1000:.2f} ms a request",
    )
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        here, there = (float(np.quantile(heard.milliseconds, share)) for heard in (through, direct))
        note = f"{here:.1f} ms beside {there:.1f} ms, {len(through.milliseconds):,} requests each way"
        yield Figure(value=here / there, unit="ratio", name=f"through the gateway beside the scoring process, {name}",
                     note=note)  # fmt: skip


def _killed(gateway: HeldGateway) -> Iterator[Figure]:
    moment: list[float] = []

    async def kill() -> None:
        await asyncio.sleep(2.0)
        moment.append(time.perf_counter())
        await asyncio.to_thread(gateway.kill_and_start)
        await asyncio.sleep(12.0)

    heard = asyncio.run(_under_load(gateway.url, kill()))
    lost = set(heard.requests) - set(gateway.logged())
    back = min((at for at in heard.finished if at > moment[0] + 0.2), default=float("inf")) - moment[0]
    note = f"{len(heard.requests):,} answered, {heard.late} not within a minute"
    yield Figure(
        value=heard.refused, unit="requests", name="refused while the gateway was killed", note=f"{note}; bar 0"
    )
    yield Figure(value=heard.broken + heard.failed, unit="requests", name="on their way at that moment, failed",
                 note="bar 64")  # fmt: skip
    yield Figure(value=len(lost), unit="rows", name="answered and not in the log after the kill", note="bar 0")
    yield Figure(value=back, unit="s", name="until the next answer after the kill", note="process and version started")


# Callers


async def _under_load(url: str, work: Awaitable[None]) -> Heard:
    heard = Heard()
    await _call(url, f"/endpoints/{MODEL}/invocations", heard, work)
    return heard


async def _call(url: str, path: str, heard: Heard, work: Awaitable[None], *, socket: Path | None = None) -> None:
    """Sends at the fixed pace until `work` is done, then waits for what is on its way."""
    body = json.dumps(BODY).encode()
    async with _session(socket) as session:
        until = asyncio.ensure_future(work)
        tasks: set[asyncio.Task[None]] = set()
        started, sent = time.perf_counter(), 0
        while not until.done():
            task = asyncio.create_task(_ask(session, f"{url}{path}", body, heard))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
            await asyncio.sleep(max(0.0, started + sent / PER_SECOND - time.perf_counter()))
        await until
        if tasks:
            await asyncio.wait(tasks)


async def _ask(session: aiohttp.ClientSession, url: str, body: bytes, heard: Heard) -> None:
    began = time.perf_counter()
    try:
        async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
            await answer.read()
    except aiohttp.ClientConnectorError:
        heard.refused += 1
    except TimeoutError:
        heard.late += 1
    except aiohttp.ClientError:
        heard.broken += 1
    else:
        if answer.status != 200:
            heard.failed += 1
            return
        heard.finished.append(time.perf_counter())
        heard.milliseconds.append((heard.finished[-1] - began) * 1000)
        heard.requests.append(answer.headers.get("X-Countersign-Request", ""))


@asynccontextmanager
async def _session(socket: Path | None) -> AsyncIterator[aiohttp.ClientSession]:
    connector: aiohttp.BaseConnector = (
        aiohttp.UnixConnector(path=str(socket), limit=CONNECTIONS)
        if socket
        else aiohttp.TCPConnector(limit=CONNECTIONS)
    )
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session


async def _socket_of(gateway: HeldGateway, version: str) -> Path:
    """The socket behind which `version` answers: told by what it adds to its input."""
    wanted = 1.0 if version == "1" else 101.0
    for socket in gateway.sockets():
        async with _session(socket) as session, session.post("http://scorer/invocations", json=BODY) as answer:
            if (await answer.json())["predictions"][0] == wanted:
                return socket
    raise LookupError(f"no scoring process answers as version {version}")


async def _warm(gateway: HeldGateway) -> None:
    heard = Heard()
    await _call(gateway.url, f"/endpoints/{MODEL}/invocations", heard, asyncio.sleep(1.0))
