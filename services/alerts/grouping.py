"""Many things with one cause are one alert: which parts it holds, and what they add up to. Pure.

A part joins when it is bad, and leaves when it is measured and healthy. One that cannot be measured any more stays:
the alert is not over because somebody stopped looking at what opened it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.alerts.models import Alert, Condition, Part
from services.kernel.health import Health

_BAD = frozenset({Health.WATCH, Health.BREACH})
_ORDER = (Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY)
_NAMED = 4
_GONE = "Its source does not report it any more."


def gathered(alert: Alert | None, seen: Condition, *, now: datetime) -> Condition:
    """The condition of a group in the words of its gravest part; `parts` are then those the alert holds."""
    if not seen.parts:
        return seen
    kept = _kept(alert.parts if alert is not None and alert.closed_at is None else (), seen.parts, now)
    bad = [part for part in kept if part.state in _BAD]
    if not bad:
        lost = [part for part in (kept or seen.parts) if part.state is Health.UNKNOWN]
        blind = bool(kept) or len(lost) == len(seen.parts)
        sentence = lost[0].sentence if blind else f"All {len(seen.parts)} {_noun(seen, len(seen.parts))} are healthy."
        if not blind and (unknown := sum(part.state is Health.UNKNOWN for part in seen.parts)):
            sentence = f"No {seen.noun} is beyond its limits; {unknown} of {len(seen.parts)} cannot be judged."
        return replace(seen, state=Health.UNKNOWN if blind else Health.HEALTHY, sentence=sentence, parts=kept)
    first, more = bad[0], len(bad) - 1
    return replace(
        seen,
        state=first.state,
        title=f"{seen.title} {first.title}{f' and {more} more {_noun(seen, more)}' if more else ''}",
        sentence=first.sentence if not more else _together(seen, bad, first),
        target=first.target,
        value=first.value,
        parts=kept,
    )


def gravest(seen: Condition) -> tuple[Health, str]:
    """State and measure of what is as bad as it gets in it; of one without parts, its own."""
    if not seen.parts:
        return seen.state, seen.measure
    first = min(seen.parts, key=lambda part: _ORDER.index(part.state))
    return first.state, first.measure


def _kept(before: Sequence[Part], seen: Sequence[Part], now: datetime) -> tuple[Part, ...]:
    """The gravest first, else in the order in which the source names them."""
    known, there = {part.name: part for part in before}, {part.name for part in seen}
    found = []
    for part in seen:
        earlier = known.get(part.name)
        if part.state in _BAD:
            found.append(replace(part, since=earlier.since if earlier else now.replace(microsecond=0)))
        elif earlier is not None and part.state is Health.UNKNOWN:
            found.append(replace(earlier, state=Health.UNKNOWN, sentence=part.sentence))
    found += [replace(part, state=Health.UNKNOWN, sentence=_GONE) for part in before if part.name not in there]
    return tuple(sorted(found, key=lambda part: _ORDER.index(part.state)))


def _together(seen: Condition, bad: Sequence[Part], first: Part) -> str:
    names = ", ".join(part.title for part in bad[:_NAMED])
    rest = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return f"{len(bad)} of {len(seen.parts)} {_noun(seen, 2)}: {names}{rest}. {first.title}: {first.sentence}"


def _noun(seen: Condition, n: int) -> str:
    return seen.noun if n == 1 else f"{seen.noun}s"


def healthy(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Still named until the alert is over, so that one that is not measured next keeps it open."""
    return tuple(replace(part, state=Health.HEALTHY) for part in parts)


def same(one: Sequence[Part], other: Sequence[Part]) -> bool:
    return {(part.name, part.state) for part in one} == {(part.name, part.state) for part in other}


def moves(before: Sequence[Part], after: Sequence[Part]) -> str:
    """What joined and what left, in words; empty when the same parts are in it."""
    was = {part.name for part in before if part.state is not Health.HEALTHY}
    now = {part.name for part in after}
    joined = [part.title for part in after if part.name not in was]
    left = [part.title for part in before if part.name in was and part.name not in now]
    words = [
        f"Joined: {', '.join(joined)}." if joined else "",
        f"Back within the limits: {', '.join(left)}." if left else "",
    ]
    return " ".join(word for word in words if word)
