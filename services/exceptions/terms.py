"""What a policy document says about exceptions: which gates, and for how long. Pure."""

from __future__ import annotations

from services.exceptions.models import ExceptionTerms, GateTerms
from services.policy.exceptions import NEVER
from services.policy.gates import Gate
from services.policy.schema import PolicyDocument


def terms_of(document: PolicyDocument, *, task: str) -> ExceptionTerms:
    """For a model that does `task` (classification or regression)."""
    return ExceptionTerms(
        gates=tuple(
            GateTerms(gate=gate.id, title=gate.title, refusal=_refusal(gate, document.name))
            for gate in document.gates
            if gate.task is None or gate.task == task
        ),
        longest_days=document.longest_exception_days,
    )


def _refusal(gate: Gate, policy: str) -> str:
    fixed = NEVER.get(gate.kind)
    if fixed is not None:
        return fixed
    return "" if gate.exceptable else f"The policy {policy} does not allow it."
