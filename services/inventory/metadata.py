"""What has to be written down about a model before its tier lets it go live, and what is missing. Pure.

    lint(model).percent                # 82
    [item.title for item in lint(model).missing]
                                       # ["Label definition", "Latency contract"]

A stricter tier asks for everything the laxer ones ask for. Fields of a supplier's model differ where nobody here
could know the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from services.inventory.models import DeploymentKind, GovernedModel

STANDARD = "2"
"""Version of the list below; it changes whenever a field does."""
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST_NAME = 60
NAMING = (
    "Lower-case words of letters and digits, joined by single underscores, beginning with a letter, "
    f"at most {LONGEST_NAME} characters: `payout_forecast`. In Unity Catalog the last part of the name is judged."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One field. `tier` is the laxest tier that requires it; `fix` is where it is filled in."""

    field: str
    title: str
    tier: int
    what: str
    """What belongs there, for the person who fills it in."""
    is_given: Callable[[GovernedModel], bool]
    fix: str = "metadata"
    """`metadata` (form), `owners` (form), `risk` or `lineage` (section of the page), or empty: not on any screen."""
    vendor: bool | None = None
    """True: suppliers' models only; False: own models only; None: both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldState:
    requirement: Requirement
    required: bool
    """By the tier the model has now."""
    present: bool

    @property
    def field(self) -> str:
        return self.requirement.field

    @property
    def title(self) -> str:
        return self.requirement.title


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    fields: tuple[FieldState, ...]

    @property
    def required(self) -> tuple[FieldState, ...]:
        return tuple(item for item in self.fields if item.required)

    @property
    def missing(self) -> tuple[FieldState, ...]:
        return tuple(item for item in self.required if not item.present)

    @property
    def percent(self) -> int:
        """Share of required fields that are given, rounded; 100 only when nothing is missing."""
        wanted, absent = len(self.required), len(self.missing)
        return 100 if not absent else min(99, (200 * (wanted - absent) + wanted) // (2 * wanted))


def _owned(role: str) -> Callable[[GovernedModel], bool]:
    return lambda model: model.owner_of(role) is not None


def follows_naming(name: str) -> bool:
    """Of `catalog.schema.model` the model's own part: catalog and schema are places that nobody names for a model."""
    *place, own = name.split(".")
    return len(place) in {0, 2} and all(place) and len(own) <= LONGEST_NAME and NAME.fullmatch(own) is not None


def has_latency_contract(model: GovernedModel) -> bool:
    """Real time and suppliers: milliseconds per request. Batch: hours from the planned start, and how often."""
    level = model.service_level
    if level is None:
        return False
    if model.kind is DeploymentKind.BATCH:
        return level.window_hours is not None and level.on_time_share is not None
    return level.p95_ms is not None


LINEAGE = (
    "Where its data come from and where its results go. Nobody types it here: it is declared under `lineage` in the "
    "catalog file (COUNTERSIGN_CATALOG_FILE), or read from Unity Catalog for versions that were logged with their "
    "feature tables (COUNTERSIGN_DATABRICKS_WAREHOUSE); the worker puts the graph together within minutes."
)
REQUIREMENTS = (
    Requirement(
        field="name", title="Name by the naming standard", tier=3, what=NAMING, fix="",
        is_given=lambda model: follows_naming(model.name),
    ),
    Requirement(
        field="use_case", title="Use case", tier=3, what="The use case in the inventory that this model serves.",
        is_given=lambda model: bool(model.use_case_id),
    ),
    Requirement(
        field="purpose", title="Purpose", tier=3, what="What is decided or estimated with it, for whom, and how often.",
        is_given=lambda model: bool(model.purpose),
    ),
    Requirement(
        field="label", title="Label in words", tier=3, what="What the model predicts, in one sentence.",
        is_given=lambda model: bool(model.label),
    ),
    Requirement(
        field="limits_of_use", title="Limits of use", tier=3,
        what="For whom and for what it must not be used; printed on every approval.",
        is_given=lambda model: bool(model.limits_of_use),
    ),
    Requirement(
        field="owner_business_owner", title="Owner: business", tier=3,
        what="Who is accountable for purpose and benefit.",
        is_given=_owned("business_owner"), fix="owners",
    ),
    Requirement(
        field="label_definition", title="Label definition", tier=2, vendor=False,
        what="How the label is computed: source, condition, and the time when it is final.",
        is_given=lambda model: bool(model.label_definition),
    ),
    Requirement(
        field="service_level", title="Latency contract", tier=2,
        what="Real time: p95 in milliseconds. Batch: hours in which a run is finished, and the share on time.",
        is_given=has_latency_contract,
    ),
    Requirement(
        field="fallback", title="Fallback", tier=2, what="What happens with the work when the model is switched off.",
        is_given=lambda model: bool(model.fallback),
    ),
    Requirement(
        field="owner_data_science_lead", title="Owner: data science lead", tier=2,
        what="Who answers for label, features and metrics.",
        is_given=_owned("data_science_lead"), fix="owners",
    ),
    Requirement(
        field="owner_sre", title="Owner: site reliability", tier=2, what="Who answers for serving and rollback.",
        is_given=_owned("sre"), fix="owners",
    ),
    Requirement(
        field="contract", title="Supplier's contract", tier=3, vendor=True, what="Number and end of the contract.",
        is_given=lambda model: model.supplier is not None and bool(model.supplier.contract),
    ),
    Requirement(
        field="audit_right", title="Audit right", tier=2, vendor=True,
        what="What we may inspect at the supplier, or have inspected.",
        is_given=lambda model: model.supplier is not None and bool(model.supplier.audit_right),
    ),
    Requirement(
        field="assessment", title="Assessment documents", tier=2, vendor=True,
        what="What an independent person wrote about the supplier's model, with its date.",
        is_given=lambda model: model.supplier is not None and bool(model.supplier.documents),
    ),
    Requirement(
        field="exit_plan", title="Exit plan", tier=2, vendor=True, what="How we leave, and within what time.",
        is_given=lambda model: model.supplier is not None and bool(model.supplier.exit_plan),
    ),
    Requirement(
        field="lineage", title="Lineage", tier=1, what=LINEAGE,
        is_given=lambda model: bool(model.lineage) or model.traced, fix="lineage",
    ),
    Requirement(
        field="owner_data_engineer", title="Owner: data engineer", tier=1,
        what="Who answers for source data and feature tables.",
        is_given=_owned("data_engineer"), fix="owners",
    ),
    Requirement(
        field="owner_platform", title="Owner: platform", tier=1, what="Who answers for registry and workspace.",
        is_given=_owned("platform"), fix="owners",
    ),
    Requirement(
        field="owner_compliance_officer", title="Owner: compliance", tier=1, what="Who answers for policy and records.",
        is_given=_owned("compliance_officer"), fix="owners",
    ),
    Requirement(
        field="owner_cost_owner", title="Owner: cost", tier=1, what="Who pays for running it, and for its damage.",
        is_given=_owned("cost_owner"), fix="owners",
    ),
    Requirement(
        field="risk", title="Risk score sheet", tier=1, what="Exposure and purpose, factor by factor.",
        is_given=lambda model: model.risk is not None, fix="risk",
    ),
)  # fmt: skip


def lint(model: GovernedModel) -> Completeness:
    """Every field that can matter for this model, with what its tier requires first."""
    is_vendor = model.kind is DeploymentKind.VENDOR
    states = [
        FieldState(requirement=item, required=int(model.tier) <= item.tier, present=item.is_given(model))
        for item in REQUIREMENTS
        if item.vendor is None or item.vendor is is_vendor
    ]
    return Completeness(fields=tuple(sorted(states, key=lambda state: not state.required)))


def requirement(field: str) -> Requirement | None:
    return next((item for item in REQUIREMENTS if item.field == field), None)


def fix_target(model: str, item: Requirement) -> str:
    """Address of the place where the field is filled in, as `screen?key=value`; empty when no screen can."""
    if item.fix in {"metadata", "owners"}:
        return f"model?name={model}&show=metadata&fix={item.field}"
    return f"model?name={model}&show={item.fix}" if item.fix else ""
