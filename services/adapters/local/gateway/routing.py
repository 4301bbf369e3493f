"""One call through the endpoint: pick the version, ask it, log it, answer. The caller never waits for a copy."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.adapters.local.gateway.asking import Call, Fault, Outcome, ask, disturbed, failure
from services.adapters.local.gateway.counts import Traffic
from services.adapters.local.gateway.fallback import from_stock
from services.adapters.local.gateway.journal import Journal
from services.adapters.local.gateway.mirrors import Mirrors
from services.adapters.local.gateway.pool import Pool, Scorer
from services.adapters.local.gateway.request import Envelope, Scoring, read_scoring, scores_of
from services.adapters.local.gateway.stored import StoredScores
from services.adapters.local.gateway.table import Deployment, RefusedError, TableFile
from services.kernel.clock import Clock

logger = logging.getLogger(__name__)

_LOADING_WAIT_SECONDS = 20.0
_RESTART_WAIT_SECONDS = 5.0
_PROBE_SECONDS = 2.0
_NOTHING = Scoring(body=b"{}", rows=0, ids=(), entities=())
_DOWN = frozenset({"unreachable", "restarting"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    version: str
    generation: int
    request_id: str
    more: tuple[tuple[str, str], ...] = ()
    """Further headers."""


class Router:
    def __init__(self, *, table: TableFile, pool: Pool, journal: Journal, stored: StoredScores, clock: Clock) -> None:
        self.table = table
        self.pool = pool
        self.journal = journal
        self.stored = stored
        self.clock = clock
        self.faults: dict[tuple[str, str], Fault] = {}
        self.traffic = Traffic()
        self.mirrors = Mirrors(pool=pool, faults=self.faults, record=self._record_apart)

    async def answer(self, name: str, data: bytes, envelope: Envelope) -> Answer:
        """Raises RefusedError when the call never reached a version (unknown deployment, nothing in production)."""
        started = time.perf_counter()
        deployment = self.table.get(name)
        if deployment.mode != "live" and not envelope.probe and not envelope.version:
            return self._without_versions(deployment, data, envelope, started)
        version = envelope.version or deployment.pick(envelope.key)
        lines: list[bytes] = []
        try:
            scoring = read_scoring(await self._body(deployment, version, data, envelope), envelope.request_id)
            call = Call(deployment=deployment, envelope=envelope, scoring=scoring, started=started)
        except RefusedError as malformed:
            # Counted against the version it would have reached: comparing versions stays fair either way.
            outcome = failure(malformed.status, malformed.sentence)
            call = Call(deployment=deployment, envelope=envelope, scoring=_NOTHING, started=started)
        else:
            outcome = await self._ask(deployment, version, scoring)
            other = self._stand_in(deployment, version) if outcome.refused and not envelope.version else None
            if other is not None:
                lines.append(self._line(call, version, envelope.role, outcome))
                version, outcome = other, await self._ask(deployment, other, scoring)
            if not envelope.version:
                self.mirrors.offer(call, version)
        lines.append(self._line(call, version, envelope.role, outcome))
        if not envelope.probe:
            self._log(lines)
        return _answer(call, version, outcome)

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
                return (await ask(scorer, scorer.example.read_bytes(), "")).status == 200
        except (TimeoutError, OSError):
            return False

    def beat(self) -> None:
        """Answers and lines are written in one thread, so at this moment none is without the other."""
        try:
            self.journal.beat(self.clock.now())
        except OSError as full:
            logger.warning("The inference log cannot be written (%s).", full.strerror)

    async def close(self) -> None:
        await self.mirrors.close()
        self.stored.close()

    # Versions -------------------------------------------------------------------------------------------------

    async def _body(self, deployment: Deployment, version: str, data: bytes, envelope: Envelope) -> bytes:
        """A probe may come without a body; it then asks the version's own example."""
        if data or not envelope.probe:
            return data
        scorer = await self.pool.settled(deployment.name, version, timeout_seconds=_LOADING_WAIT_SECONDS)
        if scorer.state != "ready":
            raise RefusedError(503, f"Version {version} of {deployment.name} is {scorer.state}. {scorer.reason}")
        return scorer.example.read_bytes()

    async def _ask(self, deployment: Deployment, version: str, scoring: Scoring) -> Outcome:
        fault = self.faults.get((deployment.name, version))
        injected = fault.label if fault else ""
        failed = await disturbed(fault)
        if failed is not None:
            return failed
        scorer = self.pool.find(deployment.name, version)
        if scorer is None or scorer.state != "ready":
            scorer = await self._wait_for(deployment, version, scorer)
        if scorer.state != "ready":
            sentence = f"Version {version} of {deployment.name} is not available: {scorer.reason or scorer.state}."
            return failure(503, sentence, injected=injected, refused=True)
        outcome = await ask(scorer, scoring.body, injected)
        if outcome.refused:
            self.pool.lost(scorer)
        return outcome

    async def _wait_for(self, deployment: Deployment, version: str, scorer: Scorer | None) -> Scorer:
        """Right after a start, and for batch runs, the version is still being loaded: better late than refused.

        A version that crashed is waited for only where nobody may stand in for it, and only while it comes back soon.
        """
        if scorer is not None and deployment.kind == "realtime":
            if scorer.state in _DOWN and self._stand_in(deployment, version) is None and scorer.restarts == 0:
                scorer = await self._restarted(scorer)
            if scorer.state in _DOWN or scorer.state == "failed":
                return scorer
        scorer = self.pool.ensure(deployment.name, version)
        return await self.pool.settled(scorer.deployment, version, timeout_seconds=_LOADING_WAIT_SECONDS)

    async def _restarted(self, scorer: Scorer) -> Scorer:
        deadline = time.monotonic() + _RESTART_WAIT_SECONDS
        while scorer.state in _DOWN and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            scorer = self.pool.find(scorer.deployment, scorer.version) or scorer
        return scorer

    def _stand_in(self, deployment: Deployment, version: str) -> str | None:
        """Only the version that was there before: a canary never gets more than the share it was signed for."""
        base = deployment.base
        return base if base != version and base in self.pool.ready(deployment.name) else None

    # Without versions -----------------------------------------------------------------------------------------

    def _without_versions(self, deployment: Deployment, data: bytes, envelope: Envelope, started: float) -> Answer:
        if deployment.mode == "off":
            raise RefusedError(503, f"{deployment.name} is switched off: it answers nobody until it is live again.")
        scoring = read_scoring(data, envelope.request_id)
        call = Call(deployment=deployment, envelope=envelope, scoring=scoring, started=started)
        version, outcome, more = from_stock(self.stored, call, now=self.clock.now())
        self._log([self._line(call, version, "stored", outcome)])
        return _answer(call, version, outcome, more)

    # The log --------------------------------------------------------------------------------------------------

    def _record_apart(self, call: Call, version: str, role: str, outcome: Outcome) -> None:
        self._log([self._line(call, version, role, outcome)])

    def _log(self, lines: list[bytes]) -> None:
        try:
            self.journal.append(b"".join(lines))
        except OSError as full:
            # An answer that is not in the log must not be given: the record is the product.
            raise RefusedError(503, f"The inference log cannot be written ({full.strerror}).") from full

    def _line(self, call: Call, version: str, role: str, outcome: Outcome) -> bytes:
        ms = (time.perf_counter() - call.started) * 1000
        if not call.envelope.probe and role != "dropped":
            self.traffic.note((call.deployment.name, version, role), ms=ms, failed=outcome.status != 200)
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
            "ms": round(ms, 3),
            "rows": call.scoring.rows,
            "entity": call.scoring.entities[0] if call.scoring.entities else call.envelope.entity,
            "injected": outcome.injected,
        }
        if outcome.status == 200:
            facts |= {"ids": call.scoring.ids, "entities": call.scoring.entities, "scores": scores_of(outcome.body)}
        head = json.dumps(facts, separators=(",", ":")).encode()
        # The body was written by json.dumps a moment ago, so it is one line and need not be encoded again.
        return head[:-1] + b',"body":' + call.scoring.body + b"}\n"


def _answer(call: Call, version: str, outcome: Outcome, more: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(
        status=outcome.status,
        body=outcome.body,
        version=version,
        generation=call.deployment.generation,
        request_id=call.envelope.request_id,
        more=more,
    )


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
