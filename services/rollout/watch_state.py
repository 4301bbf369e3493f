"""What the watcher remembers of a release between two looks, kept beside the release: a restart loses nothing.

Silence is counted in the watcher's own ticks, not by the time of day: a clock that jumps by a day has not waited for
anything, and a worker that was down has not watched.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

GRACE = timedelta(minutes=1)
"""Before telemetry is called silent it was already late for a while."""
LONGEST_TICK = timedelta(minutes=2)
"""More than this between two looks was no silence of the telemetry but an absence of the watcher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchState:
    tests: str = ""
    """State of the sequential tests, in their own words."""
    looked_at: datetime | None = None
    silent: timedelta = timedelta(0)
    requests: int = 0
    """Live requests of the candidate that were counted so far."""
    counted_to: datetime | None = None
    """End of the last tick that was counted."""
    topic: str = ""
    """What somebody was called about last; the same thing calls once."""
    making_since: datetime | None = None
    """First look that found the figures of a monitor being made anew; None while they are there."""

    def after(self, *, silent: bool, now: datetime, elapsed: timedelta | None) -> WatchState:
        """After one more look. `elapsed` is measured by this process since its last look, None at its first."""
        passed = _passed(self.looked_at, now) if elapsed is None else elapsed
        lasted = self.silent + min(passed, LONGEST_TICK) if silent else timedelta(0)
        return replace(self, looked_at=now, silent=lasted)

    def made(self, *, in_the_making: bool, now: datetime) -> WatchState:
        return replace(self, making_since=(self.making_since or now) if in_the_making else None)

    def making_for(self, now: datetime) -> timedelta:
        return _passed(self.making_since, now)

    def silence(self, said: timedelta) -> timedelta:
        """How long telemetry was silent: what its own times say, and no longer than was watched."""
        return min(said, self.silent + GRACE)


def _passed(before: datetime | None, now: datetime) -> timedelta:
    """By the time of day; a clock that went back counts as no time."""
    return max(now - before, timedelta(0)) if before else timedelta(0)


def written(state: WatchState) -> str:
    return json.dumps(
        {
            "tests": state.tests,
            "looked_at": _text(state.looked_at),
            "silent": round(state.silent.total_seconds(), 3),
            "requests": state.requests,
            "counted_to": _text(state.counted_to),
            "topic": state.topic,
            "making_since": _text(state.making_since),
        },
        ensure_ascii=False,
    )


def read(text: str) -> WatchState:
    """A state of an unknown form is a new beginning: evidence is collected again, never assumed."""
    try:
        said: dict[str, Any] = json.loads(text) if text else {}
        return WatchState(
            tests=str(said.get("tests", "")),
            looked_at=_time(said.get("looked_at")),
            silent=timedelta(seconds=float(said.get("silent", 0.0))),
            requests=int(said.get("requests", 0)),
            counted_to=_time(said.get("counted_to")),
            topic=str(said.get("topic", "")),
            making_since=_time(said.get("making_since")),
        )
    except (ValueError, TypeError, AttributeError):
        return WatchState()


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
