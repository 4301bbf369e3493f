"""One vocabulary for "how is it?": healthy, watch, breach, or honestly unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Health(StrEnum):
    HEALTHY = "healthy"
    WATCH = "watch"
    BREACH = "breach"
    UNKNOWN = "unknown"

    @staticmethod
    def worst(states: list[Health]) -> Health:
        """The state to show for a group. Unknown outranks healthy: nothing unknown is green."""
        order = [Health.HEALTHY, Health.UNKNOWN, Health.WATCH, Health.BREACH]
        return max(states, key=order.index, default=Health.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A judged number: its state, the value with unit, one sentence of fact, how many observations, how old."""

    state: Health
    value: float | None
    unit: str
    sentence: str
    n: int | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Behind "how is this computed": formula in words, source, window, freshness and number of observations."""

    formula: str
    source: str
    window: str
    as_of: datetime | None
    n: int | None
    note: str = ""
