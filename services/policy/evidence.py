"""Evidence: the facts about one version that gates judge, collected at one time, with one digest.

Numbers are decimal text, so that the bytes that are digested and signed are the numbers that are shown.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal

from services.attestation.canonical import sha256_hex, to_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceFact:
    """One group of a fairness comparison. `rate`: share predicted positive; `tpr`: positives found."""

    attribute: str
    group: str
    n: int
    rate: str = ""
    tpr: str = ""
    rate_low: str = ""
    rate_high: str = ""
    positives: int | None = None
    """Positive labels in the group, where known: `tpr` rests on these alone."""
    error: str = ""
    """Regression: mean error of the group in the label's unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectFact:
    """How well one feature alone predicts the label. Near 1 means it probably knows the answer."""

    feature: str
    auc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailabilityFact:
    """Whether a feature is known at the moment of the decision."""

    feature: str
    available: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFact:
    name: str
    digest: str
    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitiveFact:
    name: str
    category: str

    @property
    def is_personal(self) -> bool:
        """False for a column that only looks sensitive by its name; the inventory says why."""
        return self.category != "not personal"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalFact:
    """The 95 % interval of one measured metric. `method` names how it was made, for example DeLong."""

    metric: str
    low: str
    high: str
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedFact:
    """Candidate minus live version on the same rows, with its 95 % interval."""

    metric: str
    delta: str
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessFact:
    """One group compared with the reference group of its attribute. `n`: rows of the compared group."""

    attribute: str
    measure: str
    """`rate_ratio`, `tpr_gap`, `fpr_gap` or `error_gap`."""
    group: str
    reference: str
    value: str
    low: str = ""
    high: str = ""
    n: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFact:
    """One check of the evaluation harness. `status`: done, skipped, inconclusive or error."""

    id: str
    status: str
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFact:
    """How many combinations of these columns are shared by fewer than `k` rows."""

    columns: tuple[str, ...]
    k: int
    groups_below: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFact:
    """A feature table the version reads. `problems` are sentences about its owner, documentation or data quality."""

    name: str
    owner: str = ""
    documented: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFact:
    """What the confirmed score sheet says, and the tier in force. Scores are decimal text, 0 to 100."""

    sheet: str
    score: str
    exposure: str
    purpose: str
    computed: int
    tier: int
    until: str = ""
    """End of the override by which `tier` stands instead of `computed`, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerFact:
    """Who is named for one role, and whether that is an active person of this deployment."""

    role: str
    name: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    model: str
    version: str
    task: str
    base: str | None
    """The live version this one is compared with."""
    run_id: str
    created_at: str
    source: str
    metrics: tuple[tuple[str, str], ...]
    base_metrics: tuple[tuple[str, str], ...]
    datasets: tuple[DatasetFact, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    has_input_example: bool
    documentation: tuple[tuple[str, str], ...]
    """Field and text of the inventory entry; an empty text is a missing field."""
    sensitive: tuple[SensitiveFact, ...]
    manifest_sha256: str
    evaluation_sha256: str
    policy_sha256: str
    slices: tuple[SliceFact, ...] = ()
    suspects: tuple[SuspectFact, ...] | None = None
    """None when the leakage scan was not run; empty when it ran and found nothing."""
    availability: tuple[AvailabilityFact, ...] | None = None
    base_on_same_rows: bool = False
    """True when the live version was measured on the candidate's own holdout rows."""
    latency_limit_ms: str = ""
    missing: str = ""
    """Why some facts could not be read, in words, or empty."""
    measured: str = ""
    """What the harness had to measure with: `model`, `predictions`, `metrics`; empty when it did not measure."""
    measured_manifest: str = ""
    """Digest of the files the harness loaded. Different from `manifest_sha256`, other files were measured."""
    intervals: tuple[IntervalFact, ...] = ()
    paired: tuple[PairedFact, ...] = ()
    fairness: tuple[FairnessFact, ...] = ()
    checks: tuple[CheckFact, ...] = ()
    metadata_percent: str = ""
    metadata_missing: tuple[str, ...] = ()
    """Titles of the fields that the tier requires and nobody filled in."""
    risk: RiskFact | None = None
    """None when nobody filled in a score sheet."""
    masked: tuple[str, ...] = ()
    """Sensitive columns that the serving identity sees masked."""
    readable: tuple[str, ...] = ()
    """Sensitive columns that the serving identity reads in clear."""
    small_cells: tuple[CellFact, ...] | None = None
    """None when small cells were not counted; empty when they were and there are none."""
    tables: tuple[TableFact, ...] = ()
    lineage_sha256: str = ""
    owners: tuple[OwnerFact, ...] = ()
    monitors: tuple[str, ...] | None = None
    """Monitors that are set up for the model; None when that was not looked at."""

    def metric(self, name: str) -> Decimal | None:
        return _number(self.metrics, name)

    def base_metric(self, name: str) -> Decimal | None:
        return _number(self.base_metrics, name)

    def document(self) -> bytes:
        """Canonical JSON of everything here: the bytes behind `sha256`."""
        return to_bytes(asdict(self))

    @property
    def sha256(self) -> str:
        return sha256_hex(self.document())


def _number(pairs: tuple[tuple[str, str], ...], name: str) -> Decimal | None:
    text = dict(pairs).get(name)
    return Decimal(text) if text else None
