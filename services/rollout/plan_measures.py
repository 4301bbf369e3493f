"""Rules of a signed rollback plan that a look found exceeded, in the words the machine is asked with. Pure.

The look measures; here its readings become what an order of the machine cites. What was not measured exceeds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.policy.models import RollbackRule
from services.reliability.latency import quantile
from services.rollout.machine import Measured
from services.rollout.release_models import Analysis, Reading, TelemetryCell, Verdict

SILENCE = "silence_minutes"
_ROLL_BACK = "roll-back"
_GRAVEST_FIRST = ("error_evidence", "error_rate", "latency_evidence", "p95_ms")
_SLOW = {"p95_ms", "latency_evidence"}
_LARGEST = 1e12
"""An e-value may be astronomically large; an entry needs no more than a person can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A rule of the plan that is exceeded, with what was measured."""

    rule: RollbackRule
    measured: Measured


def breaches(rules: Iterable[RollbackRule], *, candidate: str, analysis: Analysis) -> tuple[Breach, ...]:
    """The exceeded rules about errors and latency that speak against the candidate alone, gravest first."""
    readings = {reading.metric: reading for reading in analysis.readings}
    found = []
    for rule in rules:
        reading = readings.get(f"limit-{rule.id}")
        if rule.measure in _GRAVEST_FIRST and reading is not None and reading.action == _ROLL_BACK:
            measured = _measured(rule, candidate, reading)
            if reading.verdict is Verdict.BREACH and _exceeds(rule, measured):
                found.append(Breach(rule=rule, measured=measured))
    return tuple(sorted(found, key=lambda breach: _GRAVEST_FIRST.index(breach.rule.measure)))


def silence(rules: Iterable[RollbackRule], *, candidate: str, lasting: timedelta, requests: int) -> Breach | None:
    """The rule about missing telemetry, when it is exceeded. `requests` were counted before it went silent."""
    for rule in rules:
        if rule.measure == SILENCE:
            minutes = f"{lasting.total_seconds() / 60:.2f}"
            measured = Measured(version=candidate, value=minutes, window_minutes=rule.window_minutes, requests=requests)
            if _exceeds(rule, measured):
                return Breach(rule=rule, measured=measured)
    return None


def bad_since(cells: Sequence[TelemetryCell], *, candidate: str, breach: Breach) -> datetime | None:
    """Start of the first tick whose data later proved bad: the first failed, or the first too slow, request."""
    own = sorted(
        (cell for cell in cells if cell.version == candidate and cell.role == "live"), key=lambda cell: cell.tick
    )
    if breach.rule.measure not in _SLOW:
        return next((cell.tick for cell in own if cell.errors), None)
    if breach.rule.measure != "p95_ms":
        return None  # evidence adds up over the whole stage; no single tick is the first bad one
    limit = float(breach.rule.above)
    return next((cell.tick for cell in own if (quantile(cell.latency, 0.95) or 0.0) > limit), None)


def _exceeds(rule: RollbackRule, measured: Measured) -> bool:
    return measured.requests >= rule.min_requests and Decimal(measured.value) > Decimal(rule.above)


def _measured(rule: RollbackRule, candidate: str, reading: Reading) -> Measured:
    value = min(reading.evidence or 0.0, _LARGEST)
    text = f"{value:.4f}" if rule.measure == "error_rate" else f"{value:.1f}"
    return Measured(version=candidate, value=text, window_minutes=rule.window_minutes, requests=reading.canary_n)
