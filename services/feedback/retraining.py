"""The retraining calendar of a model: which periods had a new version, which were skipped, what is due. Pure.

A period is `every` months from the month of the first version on. It is kept by a version registered inside it: that
is what the registry proves, whoever trained it. Extra runs are asked for by drift and have their own day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

DEFAULT_MONTHS = 1
DEFAULT_EXTRA_DAYS = 14
SHOWN = 12


class Cause(StrEnum):
    CALENDAR = "calendar"
    DRIFT = "drift"


class PeriodState(StrEnum):
    KEPT = "kept"
    SKIPPED = "skipped"
    """Nobody retrained, and somebody said why."""
    MISSED = "missed"
    """Nobody retrained and nobody said why."""
    DUE = "due"
    """Still running, without a new version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """`stated`: in words where it comes from, the policy of the tier or the default."""

    months: int
    extra_days: int
    on_drift: bool
    stated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    version: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    month: str
    reason: str
    by_name: str
    at: datetime
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """`month` names its first month, as 2031-03; `due` is its last day."""

    month: str
    due: date
    state: PeriodState
    sentence: str
    versions: tuple[str, ...] = ()
    skip: Skip | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One retraining that is asked for, from the call to the draft of its promotion request."""

    id: str
    model: str
    cause: Cause
    subject: str
    """The month, or the alert."""
    sentence: str
    opened_at: datetime
    due: date
    version: str = ""
    finished_at: datetime | None = None
    evaluation: str = ""
    draft_at: datetime | None = None
    evidence: str = ""
    """Digest of the evidence the draft was opened with."""
    blocked: str = ""
    """What stands in the way of submitting it, as known then."""
    closed_at: datetime | None = None
    closed_why: str = ""

    @property
    def is_open(self) -> bool:
        return self.draft_at is None and self.closed_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    model: str
    cadence: Cadence
    periods: tuple[Period, ...]
    """Newest first, at most twelve."""
    next_due: date | None
    """None for a model that was never trained here."""
    last: Trained | None
    rounds: tuple[Round, ...] = ()

    @property
    def missed(self) -> int:
        return sum(period.state is PeriodState.MISSED for period in self.periods)


def calendar(
    model: str,
    trained: Sequence[Trained],
    skips: Mapping[str, Skip],
    cadence: Cadence,
    *,
    today: date,
    rounds: tuple[Round, ...] = (),
) -> Calendar:
    """A model without a version has no calendar: nothing was promised yet."""
    if not trained:
        return Calendar(model=model, cadence=cadence, periods=(), next_due=None, last=None, rounds=rounds)
    by_time = sorted(trained, key=lambda item: item.at)
    start = by_time[0].at.date().replace(day=1)
    periods = list[Period]()
    while start <= today:
        end = shifted(start, cadence.months) - timedelta(days=1)
        inside = tuple(item.version for item in by_time if start <= item.at.date() <= end)
        periods.append(_period(start, end, inside, skips.get(f"{start:%Y-%m}"), today))
        start = shifted(start, cadence.months)
    newest = periods[-1]
    following = start + timedelta(days=-1)
    answered = newest.state in {PeriodState.KEPT, PeriodState.SKIPPED}
    return Calendar(
        model=model,
        cadence=cadence,
        periods=tuple(reversed(periods))[:SHOWN],
        next_due=shifted(following + timedelta(days=1), cadence.months) - timedelta(days=1) if answered else newest.due,
        last=by_time[-1],
        rounds=rounds,
    )


def shifted(first: date, months: int) -> date:
    """The first day of the month that many months later."""
    count = first.year * 12 + first.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def _period(start: date, end: date, versions: tuple[str, ...], skip: Skip | None, today: date) -> Period:
    if versions:
        state, words = PeriodState.KEPT, f"Version {', '.join(versions)} was registered."
    elif skip is not None:
        state, words = PeriodState.SKIPPED, f"Skipped by {skip.by_name}: {skip.reason}"
    elif end < today:
        state, words = PeriodState.MISSED, "Nobody retrained, and nobody said why."
    else:
        state, words = PeriodState.DUE, f"A new version is due by {end:%d %b %Y}."
    return Period(month=f"{start:%Y-%m}", due=end, state=state, sentence=words, versions=versions, skip=skip)
