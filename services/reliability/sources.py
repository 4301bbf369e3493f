"""What may be said about a service whose requests a platform records: late, perhaps not all, and from the model. Pure.

Rows of an inference table arrive up to an hour after their request. So the newest hours are shown and never judged,
and a table that was not read for a while says nothing about now. A breach that was counted stays one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from services.kernel.health import Health, Signal
from services.reliability.models import MonthKept, RequestSlot, RequestSource
from services.reliability.slo import BudgetView

_GOOD = {Health.HEALTHY, Health.WATCH}
_MISSING = "requests that failed with 401, 403, 429 or 500 may be missing from the table"


def complete(slots: Sequence[RequestSlot], until: datetime, width: timedelta) -> tuple[RequestSlot, ...]:
    """Slots that have ended and whose rows have arrived."""
    return tuple(slot for slot in slots if slot.start + width <= until)


def silence(source: RequestSource, read_at: datetime | None, now: datetime) -> str:
    """Why nothing is known about now, in a sentence; empty while the table is read."""
    if read_at is None:
        return f"The {source.words} was never read."
    if now - read_at > source.stale:
        return f"The {source.words} was last read on {read_at:%Y-%m-%d at %H:%M} UTC: what happened since is not known."
    return ""


def as_known(signal: Signal, silent: str) -> Signal:
    """No news is not good news: what was fine when the table was last read is unknown now."""
    if not silent:
        return signal
    state = Health.UNKNOWN if signal.state in _GOOD else signal.state
    return replace(signal, state=state, sentence=f"{silent} {signal.sentence}")


def of_errors(signal: Signal, source: RequestSource) -> Signal:
    """A failure rate from a table that may miss failures is the least it can be: enough to blame, not to acquit."""
    if source.failures_logged or signal.n is None or not signal.n:
        return signal
    state = Health.UNKNOWN if signal.state in _GOOD else signal.state
    return replace(signal, state=state, sentence=f"At least {signal.sentence[:1].lower()}{signal.sentence[1:]} "
                   f"{_MISSING[:1].upper()}{_MISSING[1:]}, so this shows no kept promise.")  # fmt: skip


def of_budget(view: BudgetView, source: RequestSource, silent: str) -> BudgetView:
    words = [silent] if silent else []
    if not source.failures_logged:
        words.append(f"At least so many: {_MISSING}.")
    state = Health.UNKNOWN if words and view.state in _GOOD else view.state
    return replace(view, state=state, sentence=" ".join([view.sentence, *words]))


def of_month(month: MonthKept, source: RequestSource, silent: str, until: datetime) -> MonthKept:
    """Kept is said of what was seen whole: a table that is complete up to the end of the month, with every failure."""
    end = (month.month + timedelta(days=32)).replace(day=1)
    words = []
    if until < datetime.combine(end, time(), UTC) and (silent or not month.so_far):
        words.append(silent or f"The table is complete up to {until:%Y-%m-%d %H:%M} UTC only.")
    if not source.failures_logged:
        words.append(f"Counted failures are the least: {_MISSING}.")
    state = Health.UNKNOWN if words and month.state in _GOOD else month.state
    return replace(month, state=state, parts=(*month.parts, *words))


def notice(source: RequestSource, until: datetime, *, sampled: bool) -> str:
    """What the figures are, for the screen."""
    said = [f"From the {source.words}, complete up to {until:%Y-%m-%d %H:%M} UTC; later hours are not judged yet."]
    if source.model_time:
        said.append("Latency is the time of the model, not what callers waited.")
    if not source.failures_logged:
        said.append(f"Failures are the least: {_MISSING}.")
    if sampled:
        said.append("The endpoint writes a sample: throughput is estimated from it, rates and percentiles are those of "
                    "the rows that were written.")  # fmt: skip
    return " ".join(said)
