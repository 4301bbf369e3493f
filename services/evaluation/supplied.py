"""Gates of a supplier's model: what can be known here is judged, the rest is set aside with the reason. Pure."""

from __future__ import annotations

from dataclasses import replace

from services.policy.models import GateOutcome, GateReport, Verdict
from services.policy.schema import PolicyDocument

JUDGED = frozenset({"documentation", "completeness", "owners", "sensitive", "manifest"})
"""Kinds of gate that rest on the inventory and on the supplier's documents alone."""
_WHY = "It runs at the supplier, so nothing can be measured here; the assessment documents stand in for it."


def of_supplier(report: GateReport, document: PolicyDocument) -> GateReport:
    """The report without verdicts about what nobody here could measure. Those are set aside, never passed."""
    judged = {gate.id for gate in document.gates if gate.kind in JUDGED}
    return replace(
        report,
        outcomes=tuple(item if item.gate.partition(":")[0] in judged else _set_aside(item) for item in report.outcomes),
    )


def _set_aside(item: GateOutcome) -> GateOutcome:
    return replace(item, verdict=Verdict.SKIPPED, value="not measured here", sentence=_WHY, champion="", n=None)
