"""Whether the worker does its work, judged from what it left behind. Pure.

A heartbeat says that a process lives; the age of what it last did says that its lanes do not hang.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from services.inventory.models import SyncState

_LANES = {
    "worker:outbox": "Signed actions were last looked at",
    "worker:watch": "Running releases were last looked at",
}
"""Tasks that must never wait: one of them being late means that its lane hangs."""
_HISTORY = "worker:ledger-history"


def worker_problems(
    seen: datetime | None, syncs: Iterable[SyncState], *, now: datetime, stale: timedelta
) -> tuple[str, ...]:
    """A sentence per thing that is wrong; nothing when the worker lives, its lanes move and it may act."""
    if seen is None:
        return ("No worker ever ran.",)
    if now - seen > stale:
        return (f"No worker answered since {_when(seen)}, {_lasting(now - seen)} ago.",)
    states = {item.source: item for item in syncs}
    attempts = {source: item.last_attempt for source, item in states.items()}
    found = []
    if _HISTORY in states and states[_HISTORY].error:
        found.append(f"Nothing is carried out but what brings traffic back. {states[_HISTORY].error}")
    for source, words in _LANES.items():
        last = attempts.get(source)
        if last is None:
            found.append(f"{words}: never.")
        elif now - last > stale:
            found.append(f"{words} at {_when(last)}, {_lasting(now - last)} ago: a task hangs.")
    return tuple(found)


def _when(at: datetime) -> str:
    return f"{at:%d %b %Y, %H:%M:%S} UTC"


def _lasting(age: timedelta) -> str:
    seconds = round(age.total_seconds())
    return f"{seconds} seconds" if seconds < 120 else f"{seconds // 60} minutes"
