"""What a retirement waits for, in words, and what it forbids meanwhile. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from services.rollout.models import Observed
from services.rollout.retirement_models import Counted, Retirement, RetirementState

_AFTER = timedelta(milliseconds=1)
"""The log keeps milliseconds: whoever was answered last is not counted a second time."""


def forbids(item: Retirement | None) -> str:
    """Why nothing of this model is released; empty when nothing forbids it."""
    if item is None or item.state is RetirementState.STOPPED:
        return ""
    if item.state is RetirementState.RETIRED and item.retired_at is not None:
        return (
            f"{item.model} was retired on {item.retired_at:%d %b %Y} (entry {item.seq}): nothing of it is released "
            "any more. Register what replaces it under a name of its own."
        )
    return (
        f"{item.model} is being retired since {item.ordered_at:%d %b %Y} (request {item.request_id}): nothing of it is "
        "released meanwhile. The approval has to be taken back first."
    )


def is_off(observed: Observed) -> bool:
    """Callers are refused, or nothing is routed, and nobody gets copies."""
    return (observed.mode == "off" or not observed.routes) and observed.mirror is None


def not_off(item: Retirement, why: str, *, at: datetime) -> Retirement:
    """The platform is not read back as off: whatever was quiet before proves nothing any more."""
    return replace(
        item, state=RetirementState.ORDERED, off_since=None, counted=None, counted_until=None, detail=why, looked_at=at
    )


def unread(item: Retirement, why: str, *, at: datetime) -> Retirement:
    """Could not find out: it stays open, and nothing that was seen before is forgotten."""
    return replace(item, detail=f"Could not find out: {why} It stays open.", looked_at=at)


def judged(item: Retirement, found: Counted, *, at: datetime) -> Retirement:
    """The next state by what the log says. Closing needs a whole window without anybody, and a log that covers it."""
    off_since = item.off_since or at
    seen = replace(item, state=RetirementState.QUIET, off_since=off_since, looked_at=at)
    if found.requests:
        restart = max(found.newest or at, off_since) + _AFTER
        words = f"{found.requests:,} were answered after it was switched off; the window of {_days(item)} starts again."
        return replace(seen, off_since=restart, counted=found.requests, counted_until=found.until, detail=words)
    seen = replace(seen, counted=0, counted_until=found.until)
    if found.until is None:
        return replace(
            seen, counted=None, detail="Could not find out: nothing says up to when the log is complete. It stays open."
        )
    until = off_since + item.window
    if found.until < until:
        words = (
            f"Switched off since {off_since:%d %b %Y %H:%M} UTC; nobody was answered up to "
            f"{found.until:%d %b %Y %H:%M} UTC. Proven after {until:%d %b %Y %H:%M} UTC."
        )
        return replace(seen, detail=words)
    words = (
        f"Nobody was answered from {off_since:%d %b %Y %H:%M} to {found.until:%d %b %Y %H:%M} UTC, "
        f"{_days(item)} and more, as counted in the log."
    )
    return replace(seen, state=RetirementState.RETIRED, retired_at=at, detail=words)


def _days(item: Retirement) -> str:
    return "1 day" if item.quiet_days == 1 else f"{item.quiet_days} days"
