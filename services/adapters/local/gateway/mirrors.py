"""Copies of live requests to a version that answers nobody. The caller never waits for one and never fails by one.

A copy is sent after the caller's version was asked, on connections of the copied version's own process, within bounds
of number, bytes and time. What does not fit is dropped, counted, and a line of the log: a comparison knows its holes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from services.adapters.local.gateway.asking import Call, Fault, Outcome, ask, chance, disturbed, failure
from services.adapters.local.gateway.pool import Pool, Scorer
from services.adapters.local.gateway.request import Scoring

logger = logging.getLogger(__name__)

IN_FLIGHT = 64
"""Copies of one deployment at once: one slow candidate must not use up the room of another."""
BYTES_IN_FLIGHT = 64 * 1024 * 1024
SECONDS = 2.0
BATCH_SECONDS = 120.0
"""A job's request has thousands of rows and nobody waits: its copy gets the time that the job itself would get."""
_LOADING_SECONDS = 30.0

Record = Callable[[Call, str, str, Outcome], None]
"""Writes one line of the log: (call, version, role, outcome)."""


class Mirrors:
    def __init__(self, *, pool: Pool, faults: Mapping[tuple[str, str], Fault], record: Record) -> None:
        self._pool = pool
        self._faults = faults
        self._record = record
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes: Counter[str] = Counter()
        self._in_flight: Counter[str] = Counter()
        self.copied: Counter[str] = Counter()
        """Per deployment since the start of the gateway; the log has all of them."""
        self.dropped: Counter[tuple[str, str]] = Counter()
        """Per deployment and reason: `busy`, `late`, `not-ready`."""

    def offer(self, call: Call, answered_by: str) -> None:
        """Sends a copy if this request is one to copy. Returns at once."""
        mirror, name = call.deployment.mirror, call.deployment.name
        if mirror is None or call.envelope.probe or mirror[0] == answered_by or chance.random() * 100 >= mirror[1]:
            return
        size = len(call.scoring.body)
        if self._in_flight[name] >= IN_FLIGHT or self._bytes[name] + size > BYTES_IN_FLIGHT:
            self._drop(call, mirror[0], "busy", failure(503, "Too many copies were on their way."))
            return
        self._in_flight[name] += 1
        self._bytes[name] += size
        task = asyncio.create_task(self._send(replace(call, started=time.perf_counter()), mirror[0]))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._settle(done, name, size))

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SECONDS)

    async def _send(self, call: Call, version: str) -> None:
        name, batch = call.deployment.name, call.deployment.kind == "batch"
        fault = self._faults.get((name, version))
        injected = fault.label if fault else ""
        limit = BATCH_SECONDS if batch else SECONDS
        scorer = await self._loaded(name, version) if batch else self._pool.find(name, version)
        if scorer is None or scorer.state != "ready":
            state = "not loaded" if scorer is None else scorer.reason or scorer.state
            self._drop(call, version, "not-ready", failure(503, f"The version was not ready: {state}."))
            return
        call = replace(call, started=time.perf_counter())
        try:
            async with asyncio.timeout(limit):
                outcome = await disturbed(fault) or await self._ask(scorer, call, injected, again=batch)
        except TimeoutError:
            late = failure(504, f"The copy was given up after {limit:g} seconds.", injected=injected)
            self._drop(call, version, "late", late)
            return
        self.copied[name] += 1
        self._record(call, version, "mirror", outcome)

    async def _ask(self, scorer: Scorer, call: Call, injected: str, *, again: bool) -> Outcome:
        """A job's copy finds its process gone more easily, as it is loaded for runs only; nothing was sent then."""
        outcome = await ask(scorer, call.scoring.body, injected, timeout_seconds=BATCH_SECONDS)
        if not outcome.refused:
            return outcome
        self._pool.lost(scorer)
        fresh = await self._loaded(scorer.deployment, scorer.version) if again else scorer
        return await self._ask(fresh, call, injected, again=False) if fresh.state == "ready" else outcome

    async def _loaded(self, name: str, version: str) -> Scorer:
        """Batch versions are loaded for their runs; the job goes on meanwhile."""
        deadline = time.monotonic() + _LOADING_SECONDS
        scorer = self._pool.ensure(name, version)
        while scorer.state not in {"ready", "failed"} and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            scorer = self._pool.ensure(name, version)
        return scorer

    def _drop(self, call: Call, version: str, why: str, outcome: Outcome) -> None:
        self.dropped[call.deployment.name, why] += 1
        nothing = Scoring(body=b"{}", rows=call.scoring.rows, ids=(), entities=call.scoring.entities[:1])
        try:
            self._record(replace(call, scoring=nothing), version, "dropped", outcome)
        except Exception:
            # A caller's answer may depend on this moment: a copy that cannot even be noted is no reason to fail it.
            logger.exception("A dropped copy could not be noted.")

    def _settle(self, task: asyncio.Task[None], name: str, size: int) -> None:
        self._tasks.discard(task)
        self._in_flight[name] -= 1
        self._bytes[name] -= size
        if not task.cancelled() and task.exception() is not None:
            logger.error("A copy to %s was lost: %s", name, task.exception())
