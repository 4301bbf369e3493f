"""One call through the endpoint: pick the version, ask it, log it, answer. The caller never waits for a mirror."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import SystemRandom
from typing import Any

import aiohttp

from services.adapters.local.gateway.journal import Journal
from services.adapters.local.gateway.pool import Pool, Scorer
from services.adapters.local.gateway.request import Envelope, Scoring, read_scoring, scores_of
from services.adapters.local.gateway.table import Deployment, RefusedError, TableFile
from services.kernel.clock import Clock

logger = logging.getLogger(__name__)

MIRRORS_IN_FLIGHT = 64
MIRROR_TIMEOUT_SECONDS = 2.0
_LOADING_WAIT_SECONDS = 20.0
_PROBE_SECONDS = 2.0
_NOTHING = Scoring(body=b"{}", rows=0, ids=(), entities=())
_chance = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A disturbance asked for by the operator. Everything it touches carries its label."""

    label: str
    latency_ms: float
    error_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    version: str
    generation: int
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What one version made of one request. `refused` means nothing was sent, so another version may be asked."""

    status: int
    body: bytes
    error: str = ""
    injected: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One request on its way: where it goes, what it says, when it came."""

    deployment: Deployment
    envelope: Envelope
    scoring: Scoring
    started: float


@dataclass(slots=True)
class Counts:
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    mirrored: int = 0
    mirrors_dropped: int = 0


class Router:
    def __init__(self, *, table: TableFile, pool: Pool, journal: Journal, clock: Clock) -> None:
        self.table = table
        self.pool = pool
        self.journal = journal
        self.clock = clock
        self.faults: dict[tuple[str, str], Fault] = {}
        self.counts = Counts()
        self._mirrors: set[asyncio.Task[None]] = set()

    async def answer(self, name: str, data: bytes, envelope: Envelope) -> Answer:
        """Raises RefusedError when the call never reached a version (unknown deployment, nothing in production)."""
        started = time.perf_counter()
        deployment = self.table.get(name)
        if deployment.mode != "live" and not envelope.probe and not envelope.version:
            raise RefusedError(503, f"{name} answers nobody at the moment: its mode is {deployment.mode}.")
        version = envelope.version or deployment.pick(envelope.key)
        lines: list[bytes] = []
        try:
            scoring = read_scoring(await self._body(deployment, version, data, envelope), envelope.request_id)
            call = _Call(deployment=deployment, envelope=envelope, scoring=scoring, started=started)
        except RefusedError as malformed:
            # Counted against the version it would have reached: comparing versions stays fair either way.
            outcome = _failure(malformed.status, malformed.sentence)
            call = _Call(deployment=deployment, envelope=envelope, scoring=_NOTHING, started=started)
        else:
            outcome = await self._ask(deployment, version, scoring)
            other = self._fallback(deployment, version) if outcome.refused and not envelope.version else None
            if other is not None:
                lines.append(self._record(call, version, outcome))
                version, outcome = other, await self._ask(deployment, other, scoring)
            if not envelope.version:
                self._mirror(call, version)
        lines.append(self._record(call, version, outcome))
        if not envelope.probe:
            self._log(lines)
        return Answer(
            status=outcome.status,
            body=outcome.body,
            version=version,
            generation=deployment.generation,
            request_id=envelope.request_id,
        )

    async def probe(self, deployment: Deployment, version: str) -> bool:
        """Whether a version answers its own example now."""
        if deployment.kind == "batch":
            self.pool.ensure(deployment.name, version)
        elif self.pool.find(deployment.name, version) is None:
            return False
        scorer = await self.pool.settled(deployment.name, version, timeout_seconds=_PROBE_SECONDS)
        if scorer.state != "ready":
            return False
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                return (await _score(scorer, scorer.example.read_bytes(), "")).status == 200
        except (TimeoutError, OSError):
            return False

    def beat(self) -> None:
        """Answers and lines are written in one thread, so at this moment none is without the other."""
        try:
            self.journal.beat(self.clock.now())
        except OSError as full:
            logger.warning("The inference log cannot be written (%s).", full.strerror)

    async def close(self) -> None:
        if self._mirrors:
            await asyncio.wait(self._mirrors, timeout=MIRROR_TIMEOUT_SECONDS)

    async def _body(self, deployment: Deployment, version: str, data: bytes, envelope: Envelope) -> bytes:
        """A probe may come without a body; it then asks the version's own example."""
        if data or not envelope.probe:
            return data
        scorer = await self.pool.settled(deployment.name, version, timeout_seconds=_LOADING_WAIT_SECONDS)
        if scorer.state != "ready":
            raise RefusedError(503, f"Version {version} of {deployment.name} is {scorer.state}. {scorer.reason}")
        return scorer.example.read_bytes()

    async def _ask(self, deployment: Deployment, version: str, scoring: Scoring) -> _Outcome:
        fault = self.faults.get((deployment.name, version))
        injected = fault.label if fault else ""
        if fault is not None:
            await asyncio.sleep(fault.latency_ms / 1000)
            if _chance.random() < fault.error_rate:
                return _failure(503, "Failed on purpose by an injected fault.", injected=injected)
        scorer = self.pool.find(deployment.name, version)
        if scorer is None or scorer.state != "ready":
            scorer = await self._wait_for(deployment, version, scorer)
        if scorer.state != "ready":
            sentence = f"Version {version} of {deployment.name} is not available: {scorer.reason or scorer.state}."
            return _failure(503, sentence, injected=injected, refused=True)
        outcome = await _score(scorer, scoring.body, injected)
        if outcome.refused:
            self.pool.lost(scorer)
        return outcome

    async def _wait_for(self, deployment: Deployment, version: str, scorer: Scorer | None) -> Scorer:
        """Right after a start, and for batch runs, the version is still being loaded: better late than refused."""
        if (
            scorer is not None
            and scorer.state in {"failed", "unreachable", "restarting"}
            and deployment.kind == "realtime"
        ):
            return scorer
        scorer = self.pool.ensure(deployment.name, version)
        return await self.pool.settled(scorer.deployment, version, timeout_seconds=_LOADING_WAIT_SECONDS)

    def _fallback(self, deployment: Deployment, version: str) -> str | None:
        ready = self.pool.ready(deployment.name)
        others = [(share, other) for other, share in deployment.routes if other != version and other in ready]
        return max(others)[1] if others else None

    def _mirror(self, call: _Call, version: str) -> None:
        mirror = call.deployment.mirror
        if mirror is None or call.envelope.probe or mirror[0] == version or _chance.random() * 100 >= mirror[1]:
            return
        if len(self._mirrors) >= MIRRORS_IN_FLIGHT:
            self.counts.mirrors_dropped += 1
            return
        task = asyncio.create_task(self._score_mirror(call, mirror[0]))
        self._mirrors.add(task)
        task.add_done_callback(self._mirrors.discard)

    async def _score_mirror(self, call: _Call, version: str) -> None:
        started = time.perf_counter()
        scorer = self.pool.find(call.deployment.name, version)
        if scorer is None or scorer.state != "ready":
            self.counts.mirrors_dropped += 1
            return
        fault = self.faults.get((call.deployment.name, version))
        try:
            async with asyncio.timeout(MIRROR_TIMEOUT_SECONDS):
                await asyncio.sleep(fault.latency_ms / 1000 if fault else 0)
                outcome = await _score(scorer, call.scoring.body, fault.label if fault else "")
        except TimeoutError:
            self.counts.mirrors_dropped += 1
            return
        self.counts.mirrored += 1
        self._log([self._line(replace(call, started=started), version, "mirror", outcome)])

    def _record(self, call: _Call, version: str, outcome: _Outcome) -> bytes:
        if not call.envelope.probe and not call.envelope.version:
            self.counts.requests[call.deployment.name, version] += 1
            self.counts.errors[call.deployment.name, version] += outcome.status != 200
        return self._line(call, version, call.envelope.role, outcome)

    def _log(self, lines: list[bytes]) -> None:
        try:
            self.journal.append(b"".join(lines))
        except OSError as full:
            # An answer that is not in the log must not be given: the record is the product.
            raise RefusedError(503, f"The inference log cannot be written ({full.strerror}).") from full

    def _line(self, call: _Call, version: str, role: str, outcome: _Outcome) -> bytes:
        facts: dict[str, Any] = {
            "request": call.envelope.request_id,
            "deployment": call.deployment.name,
            "kind": call.deployment.kind,
            "version": version,
            "role": role,
            "generation": call.deployment.generation,
            "event_at": _text(call.envelope.event_at),
            "logged_at": _text(self.clock.now()),
            "status": outcome.status,
            "error": outcome.error,
            "ms": round((time.perf_counter() - call.started) * 1000, 3),
            "rows": call.scoring.rows,
            "entity": call.scoring.entities[0] if call.scoring.entities else call.envelope.entity,
            "injected": outcome.injected,
        }
        if outcome.status == 200:
            facts |= {"ids": call.scoring.ids, "entities": call.scoring.entities, "scores": scores_of(outcome.body)}
        head = json.dumps(facts, separators=(",", ":")).encode()
        # The body was written by json.dumps a moment ago, so it is one line and need not be encoded again.
        return head[:-1] + b',"body":' + call.scoring.body + b"}\n"


async def _score(scorer: Scorer, body: bytes, injected: str) -> _Outcome:
    try:
        status, answer = await scorer.score(body)
        if status == 200:
            scores_of(answer)
    except (aiohttp.ClientConnectorError, ConnectionRefusedError):
        return _failure(502, "The scoring process refused the connection.", injected=injected, refused=True)
    except TimeoutError:
        return _failure(504, "The scoring process did not answer in time.", injected=injected)
    except aiohttp.ClientError as broken:
        # Bytes were sent, so the model may have acted on them: never asked twice.
        return _failure(502, f"The scoring process broke off ({type(broken).__name__}).", injected=injected)
    except ValueError as strange:
        return _failure(502, f"The model answered something else than predictions ({strange}).", injected=injected)
    error, answer = ("", answer) if status == 200 else _readable(answer)
    return _Outcome(status=status, body=answer, error=error, injected=injected)


def _readable(answer: bytes) -> tuple[str, bytes]:
    """MLflow's error code for the log (its message may repeat the caller's data), and an answer without a traceback."""
    try:
        document = json.loads(answer)
        code, message = str(document["error_code"]), str(document.get("message", ""))
    except (ValueError, KeyError, TypeError):
        return "MODEL_FAILED", json.dumps({"error": "The model failed on this request."}).encode()
    return code, json.dumps({"error": message.strip(), "error_code": code}).encode()


def _failure(status: int, sentence: str, *, injected: str = "", refused: bool = False) -> _Outcome:
    body = json.dumps({"error": sentence}).encode()
    return _Outcome(status=status, body=body, error=sentence, injected=injected, refused=refused)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
