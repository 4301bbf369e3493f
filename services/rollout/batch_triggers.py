"""Is the output of a batch run fit for consumers? Pure triggers with their limits, and what follows from them.

Invalid rows are counted over the whole output, so there is nothing to estimate. Row counts and score shifts are
compared with chance: where a difference of that size could not be seen, the answer is "too few", never "clear".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import exp, lgamma, log, sqrt
from statistics import median

import numpy as np

from services.monitoring.statistics import MINIMUM_EXPECTED, Ints, psi, psi_floor
from services.rollout.batch_models import BatchTerms, Crossing, Output, RunFact, RunState, Shift, TriggerReading

INVALID_LIMIT = 0.01
SHIFT_LIMIT = 0.25
SHIFT_CLEAR = 0.1
"""Conventional readings of the index (Siddiqi 2006): below 0.1 no change, above 0.25 a considerable one."""
USUAL_FACTOR = 2.0
"""Twice the largest index of earlier runs: on half a year of daily runs 1 of 139 exceeded that, a fixed limit of
0.25 alone would have stopped a quarter of them (weekdays and weather move scores without any fault)."""
EARLIER_RUNS = 10
COUNTED_RUNS = 20
FEWEST_FOR_USUAL = 5
SMALLEST_USUAL = 20
"""With fewer rows than this in a usual run even a halved run is within chance."""
_CHANCE = 3.29
"""Two-sided 0.1 % of the normal distribution."""
_TAIL = 0.0005
_EXACT_UP_TO = 200
_WORST = (Crossing.CROSSED, Crossing.UNMEASURED, Crossing.TOO_FEW, Crossing.WATCH, Crossing.CLEAR)


def readings(
    fact: RunFact, output: Output | None, *, usual_rows: Sequence[int], shift: Shift | None
) -> tuple[TriggerReading, ...]:
    """All triggers of one run, in the order people ask for them. `usual_rows` are those of runs before it."""
    if not fact.ok:
        return (_failed(fact),)
    return (_failed(fact), late(fact), row_count(fact.rows, usual_rows), invalid(output), score_shift(shift))


def _failed(fact: RunFact) -> TriggerReading:
    sentence = f"{fact.rows:,} rows were scored." if fact.ok else f"The run failed: {fact.error or 'no reason given'}"
    return TriggerReading(
        id="failed",
        title="Run finished",
        crossing=Crossing.CLEAR if fact.ok else Crossing.CROSSED,
        sentence=sentence,
        n=fact.rows,
    )


def late(fact: RunFact) -> TriggerReading:
    minutes = (fact.finished_at - fact.window_start).total_seconds() / 60
    words = f"Done {_minutes(minutes)} after its window opened"
    return TriggerReading(
        id="late",
        title="On time",
        crossing=Crossing.CLEAR if fact.on_time else Crossing.CROSSED,
        sentence=f"{words}." if fact.on_time else f"{words}: later than promised.",
        value=round(minutes, 1),
        withholds=False,
    )


def row_count(rows: int, usual: Sequence[int]) -> TriggerReading:
    """Half or twice the usual number, and beyond chance; the usual number is the median of the runs before."""
    if len(usual) < FEWEST_FOR_USUAL:
        return _rows(Crossing.TOO_FEW, rows, None, f"{rows:,} rows; only {len(usual)} earlier runs to compare with.")
    expected = float(median(usual[-COUNTED_RUNS:]))
    share = rows / expected if expected else float("inf") if rows else 1.0
    beyond_chance = _beyond_chance(rows, expected)
    words = f"{rows:,} rows where {expected:,.0f} are usual"
    if beyond_chance and not 0.5 <= share <= 2:
        return _rows(Crossing.CROSSED, rows, expected, f"{words}: less than half or more than twice.")
    if expected < SMALLEST_USUAL:
        return _rows(Crossing.TOO_FEW, rows, expected, f"{words}: too few to tell a gap from chance.")
    if beyond_chance and not 0.8 <= share <= 1.25:
        return _rows(Crossing.WATCH, rows, expected, f"{words}: more than chance, within half and twice.")
    return _rows(Crossing.CLEAR, rows, expected, f"{words}.")


def _beyond_chance(rows: int, expected: float) -> bool:
    """Whether independent arrivals would give such a number in less than one run of a thousand."""
    if expected <= 0:
        return rows > 0
    if expected > _EXACT_UP_TO:
        # The square root of a count has about the same spread whatever the count (Anscombe 1948).
        return abs(2 * (sqrt(rows + 0.375) - sqrt(expected + 0.375))) > _CHANCE
    if rows > 10 * expected + 50:
        return True
    at_most = [exp(k * log(expected) - expected - lgamma(k + 1)) for k in range(rows + 1)]
    return min(sum(at_most), 1 - sum(at_most[:-1])) < _TAIL


def _rows(crossing: Crossing, rows: int, expected: float | None, sentence: str) -> TriggerReading:
    return TriggerReading(
        id="rows", title="Row count", crossing=crossing, sentence=sentence, value=rows, limit=expected, n=rows
    )


def invalid(output: Output | None) -> TriggerReading:
    """Rows without a usable score. Every row was looked at, so this share is exact also for five rows."""
    if output is None or output.rows == 0:
        return _invalid(Crossing.UNMEASURED, None, None, "The output holds no row that could be looked at.")
    share = output.invalid / output.rows
    words = f"{output.invalid:,} of {output.rows:,} rows have no usable score"
    if share > INVALID_LIMIT:
        return _invalid(Crossing.CROSSED, share, output.rows, f"{words}; the limit is {INVALID_LIMIT:.0%}.")
    if output.invalid:
        return _invalid(Crossing.WATCH, share, output.rows, f"{words}, within the limit of {INVALID_LIMIT:.0%}.")
    return _invalid(Crossing.CLEAR, share, output.rows, f"All {output.rows:,} rows have a usable score.")


def _invalid(crossing: Crossing, share: float | None, n: int | None, sentence: str) -> TriggerReading:
    return TriggerReading(
        id="invalid",
        title="Invalid scores",
        crossing=crossing,
        sentence=sentence,
        value=share,
        limit=INVALID_LIMIT,
        n=n,
    )


def score_shift(shift: Shift | None) -> TriggerReading:
    """Population stability index against the version before on the same rows, or against the version's own past."""
    if shift is None or not sum(shift.current) or not sum(map(sum, shift.earlier)):
        return _shift(Crossing.UNMEASURED, None, None, None, "There are no scores to compare with.")
    runs, current = np.array(shift.earlier, dtype=np.int64), np.array(shift.current, dtype=np.int64)
    reference = runs.sum(axis=0)
    n, m = int(current.sum()), int(reference.sum())
    value = psi(reference, current) or 0.0
    if not shift.paired and len(runs) < EARLIER_RUNS:
        words = f"Only {len(runs)} runs before: not known yet how much ordinary runs differ."
        return _shift(Crossing.TOO_FEW, value, None, n, words)
    usual = 0.0 if shift.paired else _largest(runs)
    limit = max(SHIFT_LIMIT, USUAL_FACTOR * usual)
    floor = psi_floor(len(reference), n, m)
    against = "the version before on the same rows" if shift.paired else f"its {len(runs)} runs before"
    words = f"Shift {value:.2f} against {against}"
    if value > max(limit, floor):
        return _shift(Crossing.CROSSED, value, limit, n, f"{words}; the limit is {limit:.2f}.")
    if floor > limit or _few(n, len(reference)):
        chance = f"with {n:,} rows chance alone reaches {floor:.2f}"
        return _shift(Crossing.TOO_FEW, value, limit, n, f"{words}; {chance}, the limit is {limit:.2f}.")
    if value <= max(SHIFT_CLEAR, usual):
        return _shift(Crossing.CLEAR, value, limit, n, f"{words}; the limit is {limit:.2f}.")
    return _shift(Crossing.WATCH, value, limit, n, f"{words}: more than usual, below the limit of {limit:.2f}.")


def _largest(runs: Ints) -> float:
    """The largest index one of the earlier runs reaches against all others together: how much ordinary days differ."""
    total = runs.sum(axis=0)
    return max((psi(total - run, run) or 0.0 for run in runs), default=0.0)


def _few(n: int, bins: int) -> bool:
    return n < MINIMUM_EXPECTED * bins


def _shift(
    crossing: Crossing, value: float | None, limit: float | None, n: int | None, sentence: str
) -> TriggerReading:
    return TriggerReading(
        id="scores", title="Score shift", crossing=crossing, sentence=sentence, value=value, limit=limit, n=n
    )


def worst(found: Sequence[TriggerReading]) -> Crossing:
    """Of all triggers together; nothing measured is nothing known."""
    words = {item.crossing for item in found}
    return next((word for word in _WORST if word in words), Crossing.UNMEASURED)


def decide(  # noqa: PLR0911 - one line per way a run can go
    found: Sequence[TriggerReading], *, first: bool, ordered: bool, terms: BatchTerms
) -> tuple[RunState, str]:
    """What becomes of a run, and why. `ordered`: a person signed for a run with a version that served before."""
    crossed = [item for item in found if item.crossing is Crossing.CROSSED]
    failed = next((item for item in crossed if item.id == "failed"), None)
    if failed is not None:
        return RunState.FAILED, failed.sentence
    withheld = [item for item in crossed if item.withholds]
    if withheld:
        return RunState.QUARANTINED, " ".join(item.sentence for item in withheld)
    if ordered:
        return RunState.PUBLISHED, "Scored again under a signed order; no trigger was crossed."
    if not first:
        return RunState.PUBLISHED, "No trigger was crossed."
    unclear = [item for item in found if item.crossing is not Crossing.CLEAR]
    if unclear or not found:
        why = " ".join(item.sentence for item in unclear)
        return RunState.HELD, f"First output of this version, and not everything is clear. {why}".strip()
    if not terms.unattended_release:
        return RunState.HELD, "First output of this version: all triggers are clear, a person publishes it."
    return RunState.PUBLISHED, "First output of this version; all triggers are clear."


def next_window(windows: Sequence[datetime]) -> datetime | None:
    """When the next run is due, as the last windows followed each other; None when there is no rhythm to see."""
    if len(windows) < 3:
        return None
    ordered = sorted(windows)[-COUNTED_RUNS:]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(ordered)]
    return ordered[-1] + timedelta(seconds=median(gaps))


def _minutes(minutes: float) -> str:
    if minutes < 1:
        return "within a minute"
    return f"{minutes:,.0f} minutes" if minutes < 120 else f"{minutes / 60:,.1f} hours"
