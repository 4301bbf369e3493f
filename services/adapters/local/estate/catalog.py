"""Governance facts of the embedded workspace's models, read from catalog.yaml as frozen values.

Days in the file count back from `today`, so that reviews fall due whenever the workspace is prepared.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from services.adapters.local.estate.recipes import MODEL_PLANS
from services.inventory.governance import FactorLevel, RiskStanding, UseCase, VendorDocument, VendorTerms
from services.inventory.models import (
    DeploymentKind,
    GovernedModel,
    Owner,
    SensitiveColumn,
    ServiceLevel,
    Task,
    Tier,
)
from services.inventory.tiering import SHEET, assess
from services.kernel.clock import SystemClock
from services.monitoring.models import MonitoringConfig
from services.monitoring.monitor_rules import MOST_CLOSELY
from services.monitoring.monitors import BusinessImpact
from services.value.models import Baseline, BenefitRule, ValueConfig

CATALOG_FILE = Path(__file__).with_name("catalog.yaml")
REFERENCE_WORDS = "Hold-out rows of the live version: the rows right after its training window"


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorContract:
    """What is agreed with the supplier of a model that runs outside."""

    model: str
    supplier: str
    contract: str
    from_day: date
    until_day: date
    service_level: str
    monthly_fee: Decimal
    exit_plan: str
    last_assurance: str


def load_catalog(today: date | None = None, file: Path = CATALOG_FILE) -> tuple[GovernedModel, ...]:
    """Every governed model, vendor models included."""
    day = today or _today()
    titles = {item.id: item.title for item in load_use_cases(file)}
    return tuple(_model(entry, day, titles) for entry in _entries(file))


def load_use_cases(file: Path = CATALOG_FILE) -> tuple[UseCase, ...]:
    """What the models are for, kept apart from them."""
    entries = yaml.safe_load(file.read_text())["use_cases"]
    return tuple(UseCase(**{**entry, "owner": Owner(**entry["owner"])}) for entry in entries)


def load_monitoring(file: Path = CATALOG_FILE) -> tuple[MonitoringConfig, ...]:
    """How each model with predictions is watched."""
    return tuple(
        MonitoringConfig(
            model=entry["name"],
            features=tuple((column, title, kind) for column, title, kind in entry["monitoring"]["features"]),
            score_title=entry["monitoring"]["score_title"],
            metric_title=entry["monitoring"]["metric_title"],
            baseline_name=entry["monitoring"]["baseline_name"],
            label_delay_hours=float(entry["monitoring"]["label_delay_hours"]),
            reference=REFERENCE_WORDS,
            slices=tuple(entry["monitoring"].get("slices", ())),
            # The file lists them by what the model leans on most.
            code_red_columns=tuple(column for column, _, _ in entry["monitoring"]["features"][:MOST_CLOSELY]),
        )
        for entry in _entries(file)
        if "monitoring" in entry
    )


def load_at_risk(file: Path = CATALOG_FILE) -> dict[str, BusinessImpact]:
    """What a day beyond the levels of its monitor costs and who pays it, by model, as stated."""
    return {
        entry["name"]: BusinessImpact(
            watch_per_day=Decimal(stated["watch_per_day"]),
            breach_per_day=Decimal(stated["breach_per_day"]),
            payer=stated["payer"],
            basis=stated["basis"],
        )
        for entry in _entries(file)
        if (stated := entry.get("monitoring", {}).get("at_risk"))
    }


def load_value(file: Path = CATALOG_FILE) -> tuple[ValueConfig, ...]:
    """What each model costs beside its measured use, and how recorded facts become money."""
    return tuple(_value(entry) for entry in _entries(file) if "value" in entry)


def load_vendor_contracts(today: date | None = None, file: Path = CATALOG_FILE) -> tuple[VendorContract, ...]:
    day = today or _today()
    return tuple(
        VendorContract(
            model=entry["name"],
            supplier=entry["vendor"]["supplier"],
            contract=entry["vendor"]["contract"],
            from_day=day - timedelta(days=entry["vendor"]["from_days_ago"]),
            until_day=day + timedelta(days=entry["vendor"]["until_days_ahead"]),
            service_level=entry["vendor"]["service_level"],
            monthly_fee=Decimal(entry["vendor"]["monthly_fee"]),
            exit_plan=entry["vendor"]["exit_plan"],
            last_assurance=entry["vendor"]["last_assurance"],
        )
        for entry in _entries(file)
        if "vendor" in entry
    )


def decision_threshold(model: str) -> float | None:
    """Scores at or above it are a positive decision; None for forecasts and models without recorded predictions."""
    plan = MODEL_PLANS.get(model)
    return plan.threshold if plan else None


def _model(entry: dict[str, Any], today: date, use_cases: dict[str, str]) -> GovernedModel:
    level = entry.get("service_level")
    return GovernedModel(
        name=entry["name"],
        title=entry["title"],
        use_case=use_cases[entry["use_case"]],
        use_case_id=entry["use_case"],
        purpose=entry["purpose"],
        tier=Tier(entry["tier"]),
        kind=DeploymentKind(entry["kind"]),
        task=Task(entry["task"]),
        team=entry["team"],
        owners=tuple(Owner(**owner) for owner in entry["owners"]),
        review_every_days=entry["review_every_days"],
        last_review=today - timedelta(days=entry["last_review_days_ago"]),
        service_level=ServiceLevel(**level) if level else None,
        label=entry["label"],
        label_definition=entry.get("label_definition", ""),
        limits_of_use=entry["limits_of_use"],
        fallback=entry["fallback"],
        sensitive=tuple(SensitiveColumn(**column) for column in entry["sensitive"]),
        lineage=tuple((source, target) for source, target in entry["lineage"]),
        vendor=entry.get("vendor", {}).get("supplier", ""),
        supplier=_terms(entry["vendor"], today) if "vendor" in entry else None,
        risk=_risk(entry["risk"]),
    )


def _terms(facts: dict[str, Any], today: date) -> VendorTerms:
    return VendorTerms(
        contract=facts["contract"],
        until=today + timedelta(days=facts["until_days_ahead"]),
        audit_right=facts["audit_right"],
        exit_plan=facts["exit_plan"],
        promise=facts["service_level"],
        documents=tuple(
            VendorDocument(
                title=paper["title"], reference=paper["reference"], day=today - timedelta(days=paper["days_ago"])
            )
            for paper in facts["documents"]
        ),
    )


def _risk(sheet: dict[str, Any]) -> RiskStanding:
    """The score sheet as it came with the catalog: the tier is what it gives, nobody has overridden it."""
    levels = tuple(
        FactorLevel(factor=factor, level=line["level"], evidence=line["evidence"]) for factor, line in sheet.items()
    )
    return RiskStanding(
        sheet=SHEET, levels=levels, computed=assess(levels).tier, assessed_by="the catalog", assessed_at=None
    )


def _value(entry: dict[str, Any]) -> ValueConfig:
    facts = entry["value"]
    threshold = decision_threshold(entry["name"])
    return ValueConfig(
        model=entry["name"],
        setup_cost=Decimal(facts["setup_cost"]),
        monthly_cost_fixed=Decimal(facts["monthly_cost_fixed"]),
        cost_source=facts["cost_source"],
        note=facts.get("note", ""),
        monthly_budget=Decimal(facts["monthly_budget"]) if "monthly_budget" in facts else None,
        decision_threshold=0.5 if threshold is None else threshold,
        benefits=tuple(BenefitRule(**_money(benefit)) for benefit in facts["benefits"]),
        baselines=tuple(
            Baseline(**(baseline | {"before": Decimal(baseline["before"])})) for baseline in facts["baselines"]
        ),
    )


def _money(benefit: dict[str, Any]) -> dict[str, Any]:
    return benefit | {name: Decimal(benefit[name]) for name in ("unit_value", "unit_low", "unit_high")}


def _entries(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(file.read_text())["models"]
    return found


def _today() -> date:
    return SystemClock().now().date()
