"""Rules as data and what they said about one version."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    PASSED = "passed"
    SKIPPED = "skipped"
    """Not applicable, with the reason in words."""
    INCONCLUSIVE = "inconclusive"
    """Too few observations to say."""
    ERROR = "error"
    """Could not be evaluated. Never counts as passed."""
    FAILED = "failed"

    @property
    def blocks(self) -> bool:
        return self in {Verdict.FAILED, Verdict.ERROR, Verdict.INCONCLUSIVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """One check: the measured value, the rule in words, the verdict, and what would fix it."""

    gate: str
    title: str
    group: str
    """`performance`, `calibration`, `fairness`, `latency`, `data`, `documentation`, `artifact`."""
    value: str
    rule: str
    verdict: Verdict
    sentence: str
    """Says why in one sentence; for a failure also what would fix it."""
    champion: str = ""
    """The live version's value for the same measure, or empty."""
    data: str = ""
    """Which dataset (name, digest, n) or run the value comes from."""
    n: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRef:
    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumRule:
    """`needed` different people holding `role` must give `decision` (approve or acknowledge)."""

    role: str
    needed: int
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTerms:
    """What the policy allows after approval: traffic shares in order, how long the approval lasts."""

    shares: tuple[int, ...]
    approval_days: int
    request_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    policy: PolicyRef
    outcomes: tuple[GateOutcome, ...]
    evidence_sha256: str

    @property
    def passed(self) -> bool:
        return bool(self.outcomes) and not any(outcome.verdict.blocks for outcome in self.outcomes)

    @property
    def blocking(self) -> tuple[GateOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.verdict.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """One policy as people read it. `problem` says why it cannot be used, naming file and line, or is empty."""

    tier: int
    ref: PolicyRef | None
    file: str
    gates: tuple[str, ...]
    """One sentence per gate."""
    quorum: tuple[QuorumRule, ...]
    realtime_shares: tuple[int, ...]
    batch_shares: tuple[int, ...]
    approval_days: int
    request_days: int
    problem: str = ""
