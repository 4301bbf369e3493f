"""What each version did lately: requests, errors and latency of the last minutes, from counts that add up."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from services.reliability.latency import bucket_of, merged, quantile

WINDOW_SECONDS = 300
_SLOT_SECONDS = 10

Key = tuple[str, str, str]
"""(deployment, version, role): `live`, `mirror` or `stored`."""


@dataclass(slots=True)
class _Slot:
    number: int
    requests: int = 0
    errors: int = 0
    latency: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """Over the last five minutes, or since the start if that is shorter. Quantiles are None without an answer."""

    seconds: float
    requests: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None


class Traffic:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._slots: dict[Key, deque[_Slot]] = {}
        self.requests: Counter[Key] = Counter()
        """Since the start."""
        self.errors: Counter[Key] = Counter()

    def note(self, key: Key, *, ms: float, failed: bool) -> None:
        self.requests[key] += 1
        self.errors[key] += failed
        number = int(self._clock() // _SLOT_SECONDS)
        slots = self._slots.setdefault(key, deque(maxlen=WINDOW_SECONDS // _SLOT_SECONDS))
        if not slots or slots[-1].number != number:
            slots.append(_Slot(number=number))
        slots[-1].requests += 1
        slots[-1].errors += failed
        if not failed:
            slots[-1].latency[bucket_of(ms)] += 1

    def recent(self, key: Key) -> Recent:
        now = self._clock()
        oldest = int(now // _SLOT_SECONDS) - WINDOW_SECONDS // _SLOT_SECONDS
        slots = [slot for slot in self._slots.get(key, ()) if slot.number > oldest]
        latency = merged(tuple(slot.latency.items()) for slot in slots)
        return Recent(
            seconds=max(min(now - self._started, WINDOW_SECONDS), 1.0),
            requests=sum(slot.requests for slot in slots),
            errors=sum(slot.errors for slot in slots),
            p50_ms=quantile(latency, 0.5),
            p95_ms=quantile(latency, 0.95),
        )
