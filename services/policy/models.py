"""Rules as data and what they said about one version."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
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
    holds: tuple[str, ...] = ()
    """Roles whose signature is withheld while this blocks; empty when it blocks the request itself."""
    exceptable: bool = False
    """Whether the policy allows a granted exception from this gate."""
    exception: str = ""
    """The granted exception in words ("excepted until ... by ...: control"), or empty."""

    @property
    def stands_in_the_way(self) -> bool:
        return self.verdict.blocks and not self.exception


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
    stage: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTerms:
    """One stage of a decision. It opens when the stage before is complete, and is due `due_days` later."""

    number: int
    title: str
    due_days: int
    escalate_to: str
    """Role that is told when the stage stays open. Being told gives nobody a right to sign."""
    escalate_days: int
    """Days after the stage opened."""


_MEASURES = {
    "error_rate": "Error rate",
    "p95_ms": "Response time p95",
    "error_evidence": "Evidence for more errors than the version before",
    "latency_evidence": "Evidence for slower answers than the version before",
    "silence_minutes": "Time without any measurement",
}
UNITS = {"error_rate": "share", "p95_ms": "ms", "silence_minutes": "min"}
"""Unit of a measure; evidence is an e-value and has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRule:
    """When the machine may bring traffic back by itself. `above` is decimal text in `unit`."""

    id: str
    measure: str
    """`error_rate` (share of requests, 0 to 1), `p95_ms`, `error_evidence`, `latency_evidence` (e-values: how strongly
    the measurements speak against "no worse") or `silence_minutes`."""
    above: str
    unit: str
    window_minutes: int
    min_requests: int

    @property
    def sentence(self) -> str:
        title = _MEASURES.get(self.measure, self.measure)
        if self.measure == "silence_minutes":
            return f"{title} above {self.above} minutes while it answers requests"
        if self.measure in {"error_evidence", "latency_evidence"}:
            return f"{title} above {self.above} with at least {self.min_requests} requests"
        limit = f"{Decimal(self.above) * 100:f}".rstrip("0").rstrip(".") if self.measure == "error_rate" else self.above
        unit = "%" if self.measure == "error_rate" else "ms"
        return (
            f"{title} above {limit} {unit} over {self.window_minutes} minutes "
            f"with at least {self.min_requests} requests"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowTerms:
    """What the policy asks of a shadow run before it may close."""

    min_days: int
    min_records: int

    @property
    def sentence(self) -> str:
        days = f"{self.min_days} {'day' if self.min_days == 1 else 'days'}"
        return f"{days} and {self.min_records:,} records beside the live version first"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningTerms:
    """What the policy asks of every counting signature beside the passphrase."""

    passkey: bool = False
    fresh_login_minutes: int | None = None

    @property
    def sentence(self) -> str:
        asked = ["a passkey"] if self.passkey else []
        if self.fresh_login_minutes is not None:
            asked.append(f"a login at most {self.fresh_login_minutes} minutes old")
        return f"Besides the passphrase every signature needs {' and '.join(asked)}." if asked else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTerms:
    """What the policy allows: traffic shares in order, how long things last, and when the machine may roll back."""

    shares: tuple[int, ...]
    approval_days: int
    request_days: int
    stages: tuple[StageTerms, ...] = ()
    rollback: tuple[RollbackRule, ...] = ()
    review_days: int = 2
    """Days within which two uninvolved people review an emergency release."""
    longest_exception_days: int = 90
    shadow: ShadowTerms | None = None
    """Asked of a version that replaces another; None: this tier asks for no shadow run."""
    signing: SigningTerms | None = None
    """None: the passphrase alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    policy: PolicyRef
    outcomes: tuple[GateOutcome, ...]
    evidence_sha256: str

    @property
    def passed(self) -> bool:
        """True when nothing stands in the way of anybody. A report without outcomes is not a pass."""
        return bool(self.outcomes) and not any(outcome.stands_in_the_way for outcome in self.outcomes)

    @property
    def blocking(self) -> tuple[GateOutcome, ...]:
        """What stands in the way of the request and of every signature."""
        return tuple(outcome for outcome in self.outcomes if outcome.stands_in_the_way and not outcome.holds)

    def holding(self, role: str) -> tuple[GateOutcome, ...]:
        """What stands in the way of this role's signature: what blocks everybody, and what is held for it."""
        return tuple(
            outcome
            for outcome in self.outcomes
            if outcome.stands_in_the_way and (not outcome.holds or role in outcome.holds)
        )


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
    stages: tuple[StageTerms, ...] = ()
    rollback: tuple[RollbackRule, ...] = ()
    review_days: int = 0
    longest_exception_days: int = 0
    limits: tuple[str, ...] = ()
    """Other limits of single use cases, in sentences."""
    freeze: tuple[str, ...] = ()
    shadow: str = ""
    retraining: str = ""
    returns: str = ""
    """The gate of the return, and what follows from missing it, in words."""
    signing: str = ""
    """What is asked of every signature beside the passphrase, in words."""
