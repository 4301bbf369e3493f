"""Governance facts of the embedded workspace's models, read from catalog.yaml as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from services.inventory.models import GovernedModel

CATALOG_FILE = Path(__file__).with_name("catalog.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringFacts:
    """What to watch for one model. PSI limits `watch` and `breach`; `metric` is `auc` or `mae`."""

    model: str
    features: tuple[tuple[str, str, str], ...]
    """(column, title in words, `numeric` or `categorical`), most important first."""
    score_title: str
    metric: str
    metric_title: str
    higher_is_better: bool
    decision_threshold: float | None
    """Scores at or above it count as a positive decision; None for regression."""
    watch: float
    breach: float
    label_delay_hours: float
    """Typical time between a prediction and its label."""
    baseline_metric: str
    """Run metric of the simple rule on the holdout, for comparison (`baseline_auc`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitFacts:
    """One countable benefit: quantity (a word the value slice knows) x unit value, marked as assumed or sourced."""

    id: str
    title: str
    quantity: str
    unit_value: Decimal
    unit_low: Decimal
    unit_high: Decimal
    currency: str
    assumed: str
    """Which factor nobody measured, or empty."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineFacts:
    """A measure as it was before the model, with its source."""

    id: str
    title: str
    before: Decimal
    unit: str
    lower_is_better: bool
    source: str
    assumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFacts:
    model: str
    setup_cost: Decimal
    monthly_cost_fixed: Decimal
    """Licence and people, per month, beside the measured compute, storage and serving."""
    currency: str
    cost_source: str
    benefits: tuple[BenefitFacts, ...]
    baselines: tuple[BaselineFacts, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorContract:
    model: str
    supplier: str
    contract: str
    from_day: date
    until_day: date
    service_level: str
    monthly_fee: Decimal
    currency: str
    exit_plan: str
    last_assurance: str


def load_catalog(today: date | None = None, file: Path = CATALOG_FILE) -> tuple[GovernedModel, ...]:
    """Every governed model. Dates in the file are days before `today` (default: the file's own reference day)."""
    raise NotImplementedError


def load_monitoring(file: Path = CATALOG_FILE) -> tuple[MonitoringFacts, ...]:
    raise NotImplementedError


def load_value(file: Path = CATALOG_FILE) -> tuple[ValueFacts, ...]:
    raise NotImplementedError


def load_vendor_contracts(today: date | None = None, file: Path = CATALOG_FILE) -> tuple[VendorContract, ...]:
    raise NotImplementedError
