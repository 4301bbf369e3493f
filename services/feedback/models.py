"""Human corrections: ids and codes only, never free text about a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from services.kernel.health import Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    prediction_id: str
    model: str
    version: str
    corrected: str
    reason_code: str
    reviewer: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideRate:
    """Corrections over reviewed predictions, by reason."""

    model: str
    reviewed: int
    corrected: int
    by_reason: tuple[tuple[str, int], ...]
    window: str
    explanation: Explanation

    @property
    def rate(self) -> float | None:
        return self.corrected / self.reviewed if self.reviewed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDay:
    """Reviews of one day, version and reason. Reviews that left the prediction as it was have an empty reason."""

    day: date
    version: str
    reason_code: str
    reviewed: int
    corrected: int
