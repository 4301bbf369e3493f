"""An answer that is used again for a while: for questions that are dear and whose answer may be a minute old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from services.kernel.clock import Clock

T = TypeVar("T")


def remembered(ask: Callable[[], T], *, clock: Clock, lasting: timedelta) -> Callable[[], T]:
    """A failure is raised and not kept. Two threads may ask at once; both answers are good."""
    known: list[tuple[datetime, T]] = []

    def answer() -> T:
        now = clock.now()
        if known and now - known[0][0] <= lasting:
            return known[0][1]
        found = ask()
        known[:] = [(now, found)]
        return found

    return answer
