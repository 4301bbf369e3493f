"""What granted exceptions change in a gate report: never the verdict, only whether it stands in the way. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from services.policy.models import GateOutcome, GateReport

NEVER = {
    "manifest": "Without the digest of its files nobody can say what was signed.",
    "signature": "Without inputs and outputs nobody can say what the version may be asked.",
}
"""Gate kinds that no policy document can open, with the reason. Separation of duties is no gate at all."""
_NEVER_GROUP = "artifact"


class Excepting(Protocol):
    """An exception that counts now."""

    @property
    def gate(self) -> str: ...
    @property
    def until(self) -> datetime: ...
    @property
    def granted_by(self) -> str: ...
    @property
    def control(self) -> str: ...


def apply_exceptions(report: GateReport, active: Iterable[Excepting]) -> GateReport:
    """The same report, with the exception in words beside each outcome it covers.

    A verdict stays what it is. An outcome that passes, or that the policy lets nobody except, is left alone.
    """
    by_gate = {item.gate: item for item in active}
    return replace(report, outcomes=tuple(_with(outcome, by_gate.get(outcome.gate)) for outcome in report.outcomes))


def _with(outcome: GateOutcome, granted: Excepting | None) -> GateOutcome:
    if granted is None or not outcome.verdict.blocks or not outcome.exceptable or outcome.group == _NEVER_GROUP:
        return outcome
    return replace(outcome, exception=words(granted))


def words(granted: Excepting) -> str:
    """As it stands beside the verdict: "excepted until 12 Dec 2030 by Clara Whitfield: manual check of each case"."""
    return f"excepted until {granted.until:%d %b %Y} by {granted.granted_by}: {granted.control}"
