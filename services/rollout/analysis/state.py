"""What the sequential tests remember between two looks, as values that survive a restart as JSON.

`settled` holds ticks that can no longer change; `recent` the counts of those that may still be completed by late
cells. The evidence of a look is always `settled` with the complete recent ticks added in their order, so looking
twice, or receiving cells in another order, gives the same numbers.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from services.kernel.errors import InputError

Sums = tuple[float, ...]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One arm in one tick."""

    requests: int = 0
    errors: int = 0
    clients: tuple[str, ...] = ()
    """Short keyed hashes of the callers with a failed request; empty where callers are not known."""
    latency: Pairs = ()
    scores: tuple[int, ...] = ()
    wins: int | None = None

    @property
    def rank(self) -> tuple[object, ...]:
        """Of two reports about the same tick the fuller one counts."""
        return (self.requests, self.errors, self.clients, self.latency, self.scores, self.wins or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    at: int
    """Start, seconds since the epoch."""
    canary: Counts = Counts()
    control: Counts = Counts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Events over observations in both arms, as far as they entered the evidence."""

    canary: int = 0
    canary_n: int = 0
    control: int = 0
    control_n: int = 0

    def plus(self, canary: int, canary_n: int, control: int, control_n: int) -> Tally:
        return Tally(
            canary=self.canary + canary,
            canary_n=self.canary_n + canary_n,
            control=self.control + control,
            control_n=self.control_n + control_n,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Running sums per test and what was counted."""

    sums: dict[str, Sums] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    """Ticks with events per test."""
    tallies: dict[str, Tally] = field(default_factory=dict)
    seen_canary: tuple[str, ...] = ()
    """Callers whose error counted already in this stage."""
    seen_control: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Different callers with an error in the canary since it is exposed; as many as are asked for."""
    anonymous: int = 0
    """Errors in the canary without a caller."""
    scores_canary: tuple[int, ...] = ()
    scores_control: tuple[int, ...] = ()
    reference_ms: tuple[float, float] | None = None
    learning: Pairs = ()
    """Latencies of the control until there are enough for a reference."""
    expected: float = 0.0
    """Requests the canary should have had since its last one."""
    last_canary: int | None = None
    """End of the last tick in which the canary had a request."""

    def without(self, *tests: str) -> Evidence:
        """The same without these tests: they begin anew."""
        return replace(
            self,
            sums={name: value for name, value in self.sums.items() if name not in tests},
            steps={name: value for name, value in self.steps.items() if name not in tests},
            tallies={name: value for name, value in self.tallies.items() if name not in tests},
        )

    def plain(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "tallies": {name: asdict(tally) for name, tally in self.tallies.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    stage: str = ""
    """`shadow`, `canary` or `full` with the share: what the candidate is exposed to."""
    since: int = 0
    exposed_since: int = 0
    """Start of this kind of exposure; steps of the share go on with the same evidence."""
    paused: bool = False
    settled: Evidence = Evidence()
    settled_until: int = 0
    recent: tuple[Tick, ...] = ()
    crossed: dict[str, float] = field(default_factory=dict)
    """Greatest e-value of tests that crossed: a breach stays one until the release is judged anew."""
    backwards: tuple[int, ...] = ()
    """Ticks whose counters went back: the source began a new segment, the evidence goes on."""
    watermark: int = 0
    looked: tuple[int, int] = (0, 0)
    """What came in with the newest look that brought anything: from the watermark before to its own."""

    def to_json(self) -> str:
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain["settled"] = self.settled.plain()
        plain["recent"] = [asdict(tick) for tick in self.recent]
        return json.dumps(plain, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> State:
        """A fresh state for no text. Raises InputError for what is no state: it is never silently begun anew."""
        if not text:
            return State()
        try:
            return _state(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as broken:
            raise InputError(
                "The recorded state of the sequential tests cannot be read.",
                hint="Hold the release, or roll it back; the evidence so far is in its looks.",
            ) from broken


def _state(plain: dict[str, Any]) -> State:
    ticks = tuple(
        Tick(at=int(item["at"]), canary=_counts(item["canary"]), control=_counts(item["control"]))
        for item in plain["recent"]
    )
    begin, end = plain["looked"]
    return State(
        **{
            **plain,
            "settled": _evidence(plain["settled"]),
            "recent": ticks,
            "backwards": tuple(plain["backwards"]),
            "looked": (int(begin), int(end)),
        }
    )


def _counts(plain: dict[str, Any]) -> Counts:
    return Counts(
        **{
            **plain,
            "clients": tuple(plain["clients"]),
            "latency": _pairs(plain["latency"]),
            "scores": tuple(plain["scores"]),
        }
    )


def _evidence(plain: dict[str, Any]) -> Evidence:
    reference = plain["reference_ms"]
    listed = ("seen_canary", "seen_control", "sources", "scores_canary", "scores_control")
    return Evidence(
        **{
            **plain,
            **{name: tuple(plain[name]) for name in listed},
            "sums": {name: tuple(map(float, value)) for name, value in plain["sums"].items()},
            "tallies": {name: Tally(**value) for name, value in plain["tallies"].items()},
            "reference_ms": None if reference is None else (float(reference[0]), float(reference[1])),
            "learning": _pairs(plain["learning"]),
        }
    )


def _pairs(plain: list[list[int]]) -> Pairs:
    return tuple((int(bucket), int(n)) for bucket, n in plain)
