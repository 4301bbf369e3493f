"""Evidence and what follows from it, under the names the other slices use."""

from __future__ import annotations

from services.policy.evidence import Evidence
from services.policy.models import GateOutcome, GateReport, Verdict

__all__ = ["Evidence", "GateOutcome", "GateReport", "Verdict"]
