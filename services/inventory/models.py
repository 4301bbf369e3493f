"""Registered models, versions and the governance facts beside them, as our frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum

from services.inventory.governance import Owner as Owner  # noqa: PLC0414 - part of what a model says
from services.inventory.governance import ReviewCall, RiskStanding, VendorTerms
from services.kernel.health import Health, Signal


class Tier(IntEnum):
    """Risk tier: selects the policy. 1 is the most critical."""

    ONE = 1
    TWO = 2
    THREE = 3


class DeploymentKind(StrEnum):
    REALTIME = "realtime"
    BATCH = "batch"
    VENDOR = "vendor"
    """Runs at a supplier; no version in our registry."""


class Task(StrEnum):
    CLASSIFICATION = "classification"
    REGRESSION = "regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """What the use case promises. Latency in milliseconds per request; shares between 0 and 1."""

    p95_ms: float | None
    error_rate: float
    on_time_share: float | None = None
    """For batch: share of runs finished inside their window."""
    window_hours: float | None = None
    """For batch: hours from the planned start within which a run has to be finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitiveColumn:
    name: str
    category: str
    """`PII`, `PHI`, `quasi-identifier`, or `not personal` for a column that only looks sensitive by its name."""
    basis: str
    tagged_by: str = ""
    tagged_at: datetime | None = None


COLUMN_CATEGORIES = ("PII", "PHI", "quasi-identifier", "not personal")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagColumn:
    """Command: say what kind of data a column holds and on what ground it is used. Replaces an earlier tag."""

    command_id: str
    model: str
    column: str
    category: str
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernedModel:
    """One line of the inventory: who owns it, how critical it is, where it runs, what it promises."""

    name: str
    title: str
    use_case: str
    purpose: str
    tier: Tier
    kind: DeploymentKind
    task: Task
    team: str
    owners: tuple[Owner, ...]
    review_every_days: int
    last_review: date
    service_level: ServiceLevel | None
    label: str
    """Definition of the label in words, or empty when nobody wrote it down."""
    limits_of_use: str
    fallback: str
    sensitive: tuple[SensitiveColumn, ...] = ()
    lineage: tuple[tuple[str, str], ...] = ()
    """Edges source -> target, from raw table to endpoint, as far as known."""
    vendor: str = ""
    use_case_id: str = ""
    """The use case in the inventory; `use_case` is its title. Empty when nobody assigned one."""
    label_definition: str = ""
    """How the label is computed: source, condition, and when it is final."""
    supplier: VendorTerms | None = None
    risk: RiskStanding | None = None
    review_calls: tuple[ReviewCall, ...] = ()
    """Events since the last review that ask for one before the regular day."""
    traced: bool = False
    """A graph that says where its data come from is kept. Found out on reading; no part of the stored entry."""

    @property
    def regular_review(self) -> date:
        """By cadence alone."""
        return date.fromordinal(self.last_review.toordinal() + self.review_every_days)

    @property
    def next_review(self) -> date:
        return min((self.regular_review, *(call.due for call in self.review_calls)))

    def owner_of(self, role: str) -> Owner | None:
        return next((owner for owner in self.owners if owner.role == role), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRef:
    name: str
    digest: str
    context: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One immutable version in the registry with the facts of its run. `version` is decimal text."""

    model: str
    version: str
    created_at: datetime
    run_id: str
    model_id: str
    source: str
    status: str
    description: str = ""
    metrics: tuple[tuple[str, float], ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    datasets: tuple[DatasetRef, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    """Input columns of the signature: name, type."""
    outputs: tuple[tuple[str, str], ...] = ()
    has_input_example: bool = False
    size_bytes: int | None = None
    missing: str = ""
    """Why some facts are absent (for example a missing artifact), or empty."""
    author: str = ""
    """Who registered it, where the registry says so."""

    def metric(self, name: str) -> float | None:
        return dict(self.metrics).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySnapshot:
    """Everything the registry says in one sweep: versions by model, and alias targets."""

    versions: tuple[ModelVersion, ...]
    aliases: tuple[tuple[str, str, str], ...]
    """(model, alias, version)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """How old the copy of an outside source is, and what went wrong last, if anything."""

    source: str
    last_success: datetime | None
    last_attempt: datetime | None
    error: str = ""


class InventorySort(StrEnum):
    NAME = "name"
    TIER = "tier"
    HEALTH = "health"
    OWNER = "owner"
    NEXT_REVIEW = "next_review"
    DRIFT = "drift"
    COMPLETENESS = "completeness"


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryQuery:
    """Filters of the inventory; empty means all. `text` matches name, title, owner, use case, team."""

    text: str = ""
    tiers: tuple[int, ...] = ()
    owners: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    use_cases: tuple[str, ...] = ()
    """Titles of use cases."""
    health: tuple[Health, ...] = ()
    sort: InventorySort = InventorySort.HEALTH
    descending: bool = False
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryRow:
    name: str
    title: str
    use_case: str
    tier: Tier
    kind: DeploymentKind
    team: str
    owner: str
    health: Health
    live: tuple[tuple[str, int], ...]
    """(version, percent of traffic) as last read back from the platform; batch shows its pinned version at 100."""
    live_as_of: datetime | None
    versions: int
    newest_version: str
    drift: Signal
    drift_trend: tuple[float, ...]
    """Daily values, oldest first, for a sparkline of the last 30 days; empty when unknown."""
    sla: Signal
    open_requests: int
    findings: int
    next_review: date
    review_overdue: bool
    completeness: int | None = None
    """Percent of the metadata its tier requires; None while it was not computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryCounts:
    models: int
    in_production: int
    by_health: dict[Health, int] = field(default_factory=dict)
    by_tier: dict[int, int] = field(default_factory=dict)
    reviews_overdue: int = 0
    owners: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    use_cases: tuple[str, ...] = ()
