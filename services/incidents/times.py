"""When an incident began, was noticed and was over; how long that took; the means of many. Pure.

Order is the sequence number of the ledger, never a time of day: where a later step carries an earlier time, a clock
was moved, and the duration is left out and counted as such. No duration is ever negative or guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from services.incidents.models import Figures, Incident, IncidentEvent, Spread, Step, Times
from services.kernel.clock import from_utc_text


def of_events(events: Iterable[IncidentEvent]) -> Times:
    """What the recorded steps add up to. The first step must be the opening."""
    first, *later = sorted(events, key=lambda event: event.seq)
    if first.step is not Step.OPENED:
        msg = "The steps of an incident begin with its opening."
        raise ValueError(msg)
    impact, detected = _moment(first, "impactStart"), from_utc_text(first.fact("detected"))
    acknowledged = mitigated = closed = None
    for event in later:
        match event.step:
            case Step.IMPACT:
                impact = _moment(event, "impactStart")
            case Step.ACKNOWLEDGED:
                acknowledged = event.at
            case Step.MITIGATED:
                mitigated = _moment(event, "mitigated")
            case Step.RECURRED:
                mitigated = None
            case Step.CLOSED:
                closed = event.at
            case _:
                continue
    return Times(impact_start=impact, detected=detected, acknowledged=acknowledged, mitigated=mitigated, closed=closed)


def elapsed(start: datetime | None, end: datetime | None) -> timedelta | None:
    """None when either is not known, or when the end carries the earlier time."""
    if start is None or end is None or end < start:
        return None
    return end - start


def to_detect(times: Times) -> timedelta | None:
    return elapsed(times.impact_start, times.detected)


def to_restore(times: Times) -> timedelta | None:
    return elapsed(times.impact_start, times.mitigated)


def clock_since(times: Times) -> datetime | None:
    """Start of the clock that runs while nothing is mitigated: of the impact, or of detection as long as that is all
    that is known.
    """
    if times.mitigated or times.closed:
        return None
    return times.impact_start or times.detected


def figures(incidents: Sequence[Incident], *, since: datetime | None = None, until: datetime | None = None) -> Figures:
    """Of incidents detected in [since, until)."""
    inside = [
        item.times
        for item in incidents
        if (since is None or item.times.detected >= since) and (until is None or item.times.detected < until)
    ]
    return Figures(
        since=since,
        until=until,
        count=len(inside),
        open=sum(item.closed is None for item in inside),
        detect=spread((item.impact_start, item.detected) for item in inside),
        restore=spread((item.impact_start, item.mitigated) for item in inside if item.mitigated is not None),
    )


def spread(pairs: Iterable[tuple[datetime | None, datetime | None]]) -> Spread:
    """Mean, smallest and largest of (start, end); pairs that cannot be measured are counted apart."""
    durations: list[timedelta] = []
    no_start = clock_moved = 0
    for start, end in pairs:
        if start is None or end is None:
            no_start += 1
        elif end < start:
            clock_moved += 1
        else:
            durations.append(end - start)
    if not durations:
        return Spread(n=0, no_start=no_start, clock_moved=clock_moved)
    return Spread(
        n=len(durations),
        mean=sum(durations, timedelta()) / len(durations),
        low=min(durations),
        high=max(durations),
        no_start=no_start,
        clock_moved=clock_moved,
    )


def _moment(event: IncidentEvent, name: str) -> datetime | None:
    text = event.fact(name)
    return from_utc_text(text) if text else None
