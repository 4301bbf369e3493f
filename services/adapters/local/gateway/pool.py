"""The scoring processes as the gateway sees them: started on demand, watched, restarted, drained before they end."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from services.adapters.local.gateway.link import Link, start_nursery, take_over
from services.adapters.local.gateway.scorer import FILES

logger = logging.getLogger(__name__)

SCORING_TIMEOUT_SECONDS = 30.0
_DRAIN_SECONDS = 10.0
_MEASURED_SECONDS = 5.0
_BACK_OFF = (0.2, 1.0, 5.0, 15.0, 60.0)
_SOCKETS = "countersign-"
_FAILED_FOR_SECONDS = 5.0


@dataclass(slots=True)
class Scorer:
    """One version of one deployment.

    `state`: `loading`, `ready`, `unreachable` and `restarting` (both come back), `failed` (cannot load) or `stopped`.
    """

    deployment: str
    version: str
    socket: Path
    example: Path
    state: str = "loading"
    reason: str = ""
    pid: int | None = None
    model_bytes: int = 0
    session: aiohttp.ClientSession | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the state is no longer `loading`."""
    in_flight: int = 0
    used_at: float = 0.0
    failed_at: float = 0.0
    restarts: int = 0
    cpu_percent: float | None = None
    """Of one processor, over the time since it was last measured."""
    measured: tuple[float, float] | None = None
    """(monotonic time, CPU seconds) of that measurement."""

    @property
    def key(self) -> str:
        return f"{self.deployment}/{self.version}"

    def cpu_seconds(self) -> float:
        if self.pid is None:
            return 0.0
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def memory_bytes(self) -> int | None:
        """What is in memory for it; pages shared with other versions count in each."""
        if self.pid is None:
            return None
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return None

    def measure(self) -> None:
        now, used = time.monotonic(), self.cpu_seconds()
        if self.measured is None:
            self.measured = (now, used)
        elif now - self.measured[0] >= _MEASURED_SECONDS:
            self.cpu_percent = round(max(used - self.measured[1], 0.0) / (now - self.measured[0]) * 100, 1)
            self.measured = (now, used)

    async def score(self, body: bytes, *, timeout_seconds: float = SCORING_TIMEOUT_SECONDS) -> tuple[int, bytes]:
        """Status and body of the answer. Raises aiohttp.ClientConnectorError when nothing was sent, others after."""
        if self.session is None:
            raise ConnectionRefusedError(f"{self.key} is {self.state}")
        self.in_flight += 1
        self.used_at = time.monotonic()
        try:
            async with self.session.post(
                "http://scorer/invocations",
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            ) as answer:
                return answer.status, await answer.read()
        finally:
            self.in_flight -= 1


class Pool:
    """Owns the nursery process and the sockets. All methods run on the gateway's event loop."""

    def __init__(self, *, tracking_uri: str, logs: Path, note: Path) -> None:
        self._tracking_uri = tracking_uri
        self._logs = logs
        self._note = note
        self._scorers: dict[str, Scorer] = {}
        self._nursery: Link | None = None
        self._sockets = Path()
        self._watch: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def open(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        if await self._take_over():
            return
        # A path below the home folder may be longer than a socket address can be (about 100 characters).
        self._remove_sockets()
        self._sockets = Path(tempfile.mkdtemp(prefix=_SOCKETS))
        self._note.write_text(str(self._sockets))
        await self._start_nursery()

    async def close(self) -> None:
        self._closing = True
        if self._nursery is not None:
            await self._nursery.end()
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        for scorer in self._scorers.values():
            if scorer.session is not None:
                await scorer.session.close()
        self._remove_sockets()

    async def _take_over(self) -> bool:
        """Versions that a killed gateway left loaded answer on at once, under the next one."""
        folder = self._left_behind()
        link = await take_over(folder, tracking_uri=self._tracking_uri) if folder else None
        if folder is None or link is None:
            return False
        self._sockets, self._nursery = folder, link
        for item in link.roster:
            deployment, _, version = item["ready"].rpartition("/")
            scorer = self._scorer(deployment, version, Path(item["socket"]), Path(item["example"]))
            scorer.pid = item["pid"]
            await self._settle("ready", scorer, item)
        self._watch = asyncio.create_task(self._listen(link))
        return True

    def _left_behind(self) -> Path | None:
        if not self._note.exists():
            return None
        left = Path(self._note.read_text())
        return left if left.name.startswith(_SOCKETS) and left.parent == Path(tempfile.gettempdir()) else None

    def _remove_sockets(self) -> None:
        """The sockets of this run, or those that a killed gateway left behind."""
        left = self._left_behind()
        if left is not None:
            shutil.rmtree(left, ignore_errors=True)
        self._note.unlink(missing_ok=True)

    def find(self, deployment: str, version: str) -> Scorer | None:
        return self._scorers.get(f"{deployment}/{version}")

    def of(self, deployment: str) -> tuple[Scorer, ...]:
        return tuple(item for item in self._scorers.values() if item.deployment == deployment)

    def all(self) -> tuple[Scorer, ...]:
        return tuple(self._scorers.values())

    def ready(self, deployment: str) -> frozenset[str]:
        return frozenset(item.version for item in self.of(deployment) if item.state == "ready")

    def ensure(self, deployment: str, version: str) -> Scorer:
        """Starts the version unless it is loaded or loading. A failed one is tried again after a few seconds.

        Until then it stays `failed`, so that somebody who asks every moment hears the reason.
        """
        scorer = self.find(deployment, version)
        if scorer is None or scorer.state == "stopped":
            return self._start(deployment, version)
        if scorer.state == "failed" and time.monotonic() - scorer.failed_at > _FAILED_FOR_SECONDS:
            return self._start(deployment, version)
        return scorer

    async def settled(self, deployment: str, version: str, *, timeout_seconds: float) -> Scorer:
        """The scorer once it is ready or failed, or still loading after the time."""
        scorer = self.find(deployment, version) or self.ensure(deployment, version)
        with suppress(TimeoutError):
            await asyncio.wait_for(scorer.settled.wait(), timeout_seconds)
        return scorer

    def unload(self, deployment: str, version: str) -> None:
        """Ends the process after its last request; nothing new is sent to it from now on."""
        scorer = self._scorers.pop(f"{deployment}/{version}", None)
        if scorer is not None:
            self._later(self._drain(scorer))

    def lost(self, scorer: Scorer) -> None:
        """It refuses connections although it never ended: its socket was removed, as cleaners of /tmp do."""
        if scorer.state == "ready":
            logger.warning("%s version %s cannot be reached any more.", scorer.deployment, scorer.version)
            scorer.state, scorer.reason = "unreachable", "it cannot be reached and is being started again"
            self._kill(scorer)

    async def _drain(self, scorer: Scorer) -> None:
        deadline = time.monotonic() + _DRAIN_SECONDS
        while (scorer.in_flight or scorer.pid is None) and time.monotonic() < deadline:  # noqa: ASYNC110 - a plain count
            await asyncio.sleep(0.05)
        scorer.state = "stopped"
        if scorer.session is not None:
            await scorer.session.close()
            scorer.session = None
        self._kill(scorer)
        _remove_files(scorer)

    def _kill(self, scorer: Scorer) -> None:
        if scorer.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(scorer.pid, 15)

    def _start(self, deployment: str, version: str, *, restarts: int = 0) -> Scorer:
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        name = f"{len(self._scorers)}-{time.monotonic_ns() % 10**9}"
        scorer = self._scorer(deployment, version, self._sockets / f"{name}.sock", self._sockets / f"{name}.json")
        scorer.restarts = restarts
        self._order(
            {
                "start": scorer.key,
                "uri": f"models:/{deployment}/{version}",
                "socket": str(scorer.socket),
                "example": str(scorer.example),
                "log": str(self._logs / f"scoring-{deployment}-{version}.log"),
            }
        )
        return scorer

    def _scorer(self, deployment: str, version: str, socket: Path, example: Path) -> Scorer:
        scorer = Scorer(
            deployment=deployment, version=version, socket=socket, example=example, used_at=time.monotonic()
        )
        self._scorers[scorer.key] = scorer
        return scorer

    def _order(self, order: Mapping[str, Any]) -> None:
        if self._nursery is not None:
            self._nursery.send(order)

    async def _start_nursery(self) -> None:
        self._nursery = await start_nursery(self._sockets, tracking_uri=self._tracking_uri)
        self._watch = asyncio.create_task(self._listen(self._nursery))

    async def _listen(self, nursery: Link) -> None:
        async for news in nursery.news():
            await self._hear(news)
        if not self._closing:
            logger.error("The parent of the scoring processes ended; starting it again.")
            await asyncio.sleep(1.0)
            self._later(self._start_over())

    async def _start_over(self) -> None:
        lost = list(self._scorers.values())
        await self._start_nursery()
        for scorer in lost:
            if scorer.state in {"ready", "loading"}:
                await self._restart(scorer)

    async def _hear(self, report: Mapping[str, Any]) -> None:
        for word in ("forked", "ready", "failed", "exited"):
            if word in report:
                scorer = self._scorers.get(report[word])
                if scorer is not None:
                    await self._settle(word, scorer, report)

    async def _settle(self, word: str, scorer: Scorer, report: Mapping[str, Any]) -> None:
        if word == "forked":
            scorer.pid = report["pid"]
        elif report["pid"] != scorer.pid and (word == "exited" or scorer.pid is not None):
            return  # news of a predecessor
        elif word == "ready":
            scorer.model_bytes = report["bytes"]
            scorer.session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path=str(scorer.socket), limit=256, keepalive_timeout=60)
            )
            scorer.state = "ready"
            scorer.settled.set()
            logger.info("%s version %s is ready (%s ms).", scorer.deployment, scorer.version, report["load_ms"])
        elif word == "failed":
            scorer.state, scorer.reason, scorer.failed_at = "failed", report["reason"], time.monotonic()
            scorer.settled.set()
            logger.warning("%s version %s failed: %s", scorer.deployment, scorer.version, scorer.reason)
        elif scorer.state in {"ready", "loading", "unreachable"}:
            logger.warning("%s version %s ended (code %s).", scorer.deployment, scorer.version, report["code"])
            await self._restart(scorer)

    async def _restart(self, scorer: Scorer) -> None:
        """A crashed process is started again, later each time; meanwhile its connections are refused."""
        scorer.state, scorer.reason = "restarting", "its scoring process ended and is being started again"
        if scorer.session is not None:
            await scorer.session.close()
            scorer.session = None
        _remove_files(scorer)
        delay = _BACK_OFF[min(scorer.restarts, len(_BACK_OFF) - 1)]

        async def again() -> None:
            await asyncio.sleep(delay)
            if self._scorers.get(scorer.key) is scorer and not self._closing:
                self._start(scorer.deployment, scorer.version, restarts=scorer.restarts + 1)

        self._later(again())

    def _later(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _remove_files(scorer: Scorer) -> None:
    """Model files that were fetched for a process that ended; nothing where they lie on this machine."""
    shutil.rmtree(scorer.example.with_suffix(FILES), ignore_errors=True)
