"""Brings the catalog's facts into the services: models, what to watch, what counts as benefit."""

from __future__ import annotations

from datetime import datetime

from services.adapters.local.estate.catalog import (
    MonitoringFacts,
    ValueFacts,
    load_catalog,
    load_monitoring,
    load_value,
)
from services.container import ControlRoom
from services.monitoring.models import MonitoringConfig
from services.value.models import Baseline, BenefitRule, ValueConfig


def register(room: ControlRoom, *, today: datetime) -> None:
    """May be repeated: the newest facts replace the earlier ones."""
    watched = load_monitoring()
    thresholds = {facts.model: facts.decision_threshold for facts in watched}
    room.inventory.register_catalog(load_catalog(today.date()))
    room.monitoring.register_config(tuple(_watch(facts) for facts in watched))
    room.value.register_value_config(tuple(_value(facts, thresholds.get(facts.model)) for facts in load_value()))


def _watch(facts: MonitoringFacts) -> MonitoringConfig:
    return MonitoringConfig(
        model=facts.model,
        features=facts.features,
        score_title=facts.score_title,
        metric_title=facts.metric_title,
        watch=facts.watch,
        breach=facts.breach,
        reference="Hold-out rows of the live version",
        label_delay_hours=facts.label_delay_hours,
    )


def _value(facts: ValueFacts, threshold: float | None) -> ValueConfig:
    return ValueConfig(
        model=facts.model,
        benefits=tuple(
            BenefitRule(
                id=rule.id,
                title=rule.title,
                quantity=rule.quantity,
                unit_value=rule.unit_value,
                unit_low=rule.unit_low,
                unit_high=rule.unit_high,
                assumed=rule.assumed,
                source=rule.source,
            )
            for rule in facts.benefits
        ),
        baselines=tuple(
            Baseline(
                id=base.id,
                title=base.title,
                before=base.before,
                unit=base.unit,
                lower_is_better=base.lower_is_better,
                source=base.source,
                assumed=base.assumed,
            )
            for base in facts.baselines
        ),
        setup_cost=facts.setup_cost,
        monthly_cost_fixed=facts.monthly_cost_fixed,
        cost_source=facts.cost_source,
        decision_threshold=threshold if threshold is not None else 0.5,
        note=facts.note,
    )
