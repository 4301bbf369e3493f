"""Held-out rows sent through the endpoint like any caller's, at a steady pace, so that a breach shows quickly."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil, gcd

import pandas as pd

from services.adapters.local.estate.calendar import REPLAYED_DAYS
from services.adapters.local.estate.placed import FEATURES
from services.adapters.local.estate.streams import stream_for
from services.adapters.local.gateway.client import Caller, Scored
from services.kernel.clock import Clock
from services.kernel.errors import InputError, ServingUnavailableError

MOST_PER_SECOND = 100
LONGEST_SECONDS = 120
MOST_ROWS = 100
_GOLDEN = 0.618
CONNECTIONS = 32

Progress = Callable[[int, int], None]
"""(answered so far, asked for)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSent:
    """What came back. `unanswered` is what got no answer at all."""

    asked: int
    answered: int
    failed: int
    unanswered: int
    by_version: tuple[tuple[str, int], ...]
    """(version, answers), also failed ones that name it."""

    @property
    def sentence(self) -> str:
        versions = ", ".join(f"version {version}: {n:,}" for version, n in self.by_version) or "none by a version"
        return (
            f"{self.asked:,} requests sent, {self.answered:,} answered well, {self.failed:,} failed, "
            f"{self.unanswered:,} without an answer ({versions})"
        )


def require_sane(requests: int, per_second: float, rows_each: int = 1) -> None:
    """Raises InputError for nothing, a flood, or a wait that nobody stands."""
    if not 1 <= rows_each <= MOST_ROWS:
        raise InputError(f"A request has 1 to {MOST_ROWS} rows here.", hint="Choose fewer.")
    if not 1 <= requests <= MOST_PER_SECOND * LONGEST_SECONDS or not 0 < per_second <= MOST_PER_SECOND:
        raise InputError(
            f"Send 1 to {MOST_PER_SECOND * LONGEST_SECONDS:,} requests, at most {MOST_PER_SECOND} a second.",
            hint="Choose smaller numbers.",
        )
    if requests / per_second > LONGEST_SECONDS:
        raise InputError(
            f"That would take {requests / per_second:,.0f} seconds.",
            hint=f"Send fewer, or more a second: {LONGEST_SECONDS} seconds at most.",
        )


def held_out_rows(model: str, prepared_at: datetime, n: int) -> pd.DataFrame:
    """Rows from all over the held-back days, none twice before all were sent. Raises InputError for other models."""
    if model not in FEATURES:
        raise InputError(f"There are no held-out rows of {model} here.", hint="Choose a model of the demonstration.")
    stream = stream_for(model, prepared_at)
    days = [stream.cases.on_day(REPLAYED_DAYS + day, stream.calendar) for day in range(stream.cases.lap_days)]
    rows = pd.concat(days)
    return rows.iloc[spread(n, len(rows))]


def spread(n: int, size: int) -> list[int]:
    """Places of `n` rows among `size`, so that also the first few are from everywhere and not from one morning.

    Steps of the golden ratio, made coprime to the size (Weyl's equidistribution): each place comes once in a round.
    """
    step = max(1, round(size * _GOLDEN))
    while gcd(step, size) != 1:
        step += 1
    return [number * step % size for number in range(n)]


async def send(
    caller: Caller,
    model: str,
    rows: pd.DataFrame,
    *,
    per_second: float,
    clock: Clock,
    progress: Progress,
    rows_each: int = 1,
) -> TrafficSent:
    """Requests of `rows_each` rows. A slow answer delays no later request as long as connections are left."""
    asked = ceil(len(rows) / rows_each)
    run, loop = secrets.token_hex(4), asyncio.get_running_loop()
    started, done = loop.time(), Counter[str]()
    versions: Counter[str] = Counter()
    room = asyncio.Semaphore(CONNECTIONS)

    async def one(number: int) -> None:
        name = f"panel-{run}-{number}"
        some = rows.iloc[number * rows_each : (number + 1) * rows_each]
        some = some.set_axis([name] if rows_each == 1 else [f"{name}-{place}" for place in range(len(some))])
        async with room:
            outcome, version = await _score(caller, model, some, name, clock)
        done[outcome] += 1
        if version:
            versions[version] += 1
        progress(done.total(), asked)

    async with asyncio.TaskGroup() as group:
        for number in range(asked):
            await asyncio.sleep(max(0.0, started + number / per_second - loop.time()))
            group.create_task(one(number))
    return TrafficSent(
        asked=asked,
        answered=done["answered"],
        failed=done["failed"],
        unanswered=done["unanswered"],
        by_version=tuple(sorted(versions.items())),
    )


async def _score(caller: Caller, model: str, rows: pd.DataFrame, name: str, clock: Clock) -> tuple[str, str]:
    inputs, entities = rows[list(FEATURES[model])], rows["entity"]
    try:
        found: Scored = await caller.score(model, inputs, entities, at=clock.now(), request_id=name)
    except ServingUnavailableError:
        return "unanswered", ""
    return "answered" if found.status == 200 else "failed", found.version
