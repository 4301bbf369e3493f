"""Right-sizing what runs batches, from the runs themselves. Pure.

A cluster that is kept around the clock is paid between runs too. What it could do without follows from when runs began
and ended: stopped between runs each run ends later, which is advised only where it still ends before the next begins;
half the size does where runs leave most of the processors alone while they last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median

from services.kernel.health import Explanation
from services.value.budgets import COLD_START_SECONDS, Advice, part
from services.value.returns import Span

FEWEST_RUNS = 5
FEWEST_HOURS = 72
_IDLE_ENOUGH = 0.5
_BUSY_AT_MOST = 0.35
"""Of the processors while runs last: below it, half of them would do."""
_MONTH_HOURS = Decimal(720)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Batch runs that began and ended, by time of start, and the processor time they used."""

    spans: tuple[tuple[datetime, datetime], ...]
    cpu_seconds: float

    @property
    def hours(self) -> float:
        """From the first start to the last start: whole rounds of running and waiting."""
        return _hours(self.spans[-1][0] - self.spans[0][0]) if self.spans else 0.0

    @property
    def running(self) -> float:
        """Hours in which at least one run was under way, of the rounds that `hours` holds."""
        last, total, reached = self.spans[-1][0], 0.0, self.spans[0][0]
        for start, end in self.spans:
            begins, ends = max(start, reached), min(end, last)
            total += max(0.0, _hours(ends - begins))
            reached = max(reached, ends)
        return total

    @property
    def longest(self) -> float:
        """Hours of the longest run."""
        return max((_hours(end - start) for start, end in self.spans), default=0.0)

    @property
    def window(self) -> float:
        """Median hours from one start to the next."""
        return median(_hours(later - earlier) for (earlier, _), (later, _) in pairwise(self.spans))


def right_size(runs: Runs, *, cpus: Decimal, cpu_hour: Decimal, currency: str) -> Advice:
    """One suggestion against `cpus` processors that are paid for around the clock."""
    if len(runs.spans) < FEWEST_RUNS or runs.hours < FEWEST_HOURS:
        return _advice(
            runs, "No advice",
            f"{len(runs.spans)} runs of batches are recorded; {FEWEST_RUNS} over {FEWEST_HOURS} hours are needed to "
            "say anything.",
        )  # fmt: skip
    if not cpus:
        return _advice(runs, "No advice", "Nobody stated how many processors are kept for it.")
    idle = 1 - runs.running / runs.hours
    used = runs.cpu_seconds / 3600 / (runs.hours * float(cpus))
    busy = runs.cpu_seconds / 3600 / (runs.running * float(cpus)) if runs.running else 0.0
    paid = cpus * cpu_hour * _MONTH_HOURS
    low, high = COLD_START_SECONDS
    told = f"the longest of {len(runs.spans)} runs took {_time(runs.longest)}, one begins every {_time(runs.window)}"
    if idle >= _IDLE_ENOUGH and runs.longest + high / 3600 < runs.window:
        saved = paid * Decimal(repr(idle))
        return _advice(
            runs, "Stop it between runs",
            f"No run in {part(idle, 1)} of {runs.hours:,.0f} hours; {part(used, 1)} of the size paid for was used.",
            used=used, idle=idle, saving=Span(low=saved * Decimal("0.8"), base=saved, high=saved),
            latency=f"Each run ends {low} to {high} seconds later: {told}. {currency} saved is the idle share of what "
            "is paid; the low end leaves a fifth for starting and stopping.",
        )  # fmt: skip
    if busy < _BUSY_AT_MOST:
        return _advice(
            runs, "Half the size",
            f"Runs used {busy:.0%} of the processors while they lasted.",
            used=used, idle=idle, saving=Span(low=paid / 2, base=paid / 2, high=paid / 2),
            latency=f"Half of them would be {2 * busy:.0%} busy: a run is expected to take as long as now; try it on "
            f"one. Today {told}.",
        )  # fmt: skip
    return _advice(
        runs, "Keep the size", f"Runs fill their window: {told}.", used=used, idle=idle,
        latency="Nothing changes.",
    )  # fmt: skip


def _advice(
    runs: Runs,
    title: str,
    sentence: str,
    *,
    used: float | None = None,
    idle: float | None = None,
    saving: Span | None = None,
    latency: str = "",
) -> Advice:
    return Advice(
        title=title, sentence=sentence, utilisation=used, idle_share=idle, saving=saving, latency=latency,
        idle_words="Hours without a run",
        explanation=Explanation(
            formula="Utilisation = CPU seconds used / (processors x seconds); idle = hours without a run / hours",
            source="Runs of batches as recorded; CPU seconds of the batch processes; size as stated in the settings",
            window=f"{runs.hours:,.0f} hours" if runs.spans else "nothing recorded",
            as_of=None,
            n=len(runs.spans),
        ),
    )  # fmt: skip


def spans_of(found: Sequence[tuple[datetime, datetime]]) -> tuple[tuple[datetime, datetime], ...]:
    """By start; what ended before it began is a fault of the record and left out."""
    return tuple(sorted((start, end) for start, end in found if end >= start))


def _hours(span: timedelta) -> float:
    return span.total_seconds() / 3600


def _time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} hours"
    if hours * 3600 < 1:
        return "less than a second"
    return f"{hours * 60:,.1f} minutes" if hours * 60 >= 1 else f"{hours * 3600:,.1f} seconds"
