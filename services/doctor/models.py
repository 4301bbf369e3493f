"""What a look at one part of the deployment found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    UNUSED = "not used"
    """This deployment does without it."""
    WARNING = "warning"
    """It works; somebody should know."""
    UNKNOWN = "unknown"
    """Could not find out. Never counted as healthy."""
    FAULT = "fault"


SERIOUS = frozenset({State.FAULT, State.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    name: str
    state: State
    found: str
    fix: str = ""

    def __post_init__(self) -> None:
        if self.state in SERIOUS and not self.fix:
            msg = f"{self.name}: what is not in order is shown with what to do."
            raise ValueError(msg)

    def cleaned(self, found: str, fix: str) -> Result:
        return replace(self, found=found, fix=fix)


def in_order(results: Iterable[Result]) -> bool:
    """Nothing is red, and nothing could not be found out."""
    return not any(result.state in SERIOUS for result in results)


def lines(results: Iterable[Result]) -> tuple[str, ...]:
    """A table for a terminal: state, part, what was found; the way out below what is not in order."""
    rows = tuple(results)
    width = max((len(row.name) for row in rows), default=0)
    shown = []
    for row in rows:
        word = row.state.value.upper() if row.state in SERIOUS else row.state.value
        shown.append(f"{word:8}  {row.name:{width}}  {row.found}")
        if row.fix and row.state is not State.OK:
            shown.append(f"{'':8}  {'':{width}}  fix: {row.fix}")
    return tuple(shown)


def summary(results: Iterable[Result]) -> str:
    states = [row.state for row in results]
    faults, unknown, warned = (states.count(state) for state in (State.FAULT, State.UNKNOWN, State.WARNING))
    if not faults and not unknown:
        return f"In order; {warned} to know about." if warned else "In order."
    return f"NOT IN ORDER: {faults} faults, {unknown} could not be found out, {warned} to know about."
