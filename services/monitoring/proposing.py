"""The default monitor of a model, from the signature and the training dataset of its version. Pure.

One click gives something that can be saved: inputs of the signature as features, the hold-out as reference, the
statistics and limits that the verdicts use by default, the business owner as the one who pays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from services.inventory.models import GovernedModel, ModelVersion
from services.monitoring.monitor_rules import ColumnKind
from services.monitoring.monitors import (
    BusinessImpact,
    ColumnMapping,
    Feature,
    FeatureKind,
    Monitor,
    ReferenceKind,
    ReferenceWindow,
    Source,
    Threshold,
)
from services.monitoring.sources import SourceColumn

WINDOWS = (7, 28)
"""A week evens out weekdays; four weeks show a slow change."""
DEFAULT_THRESHOLDS = (
    Threshold(statistic="psi", watch=0.10, breach=0.25),
    Threshold(statistic="missing", watch=0.05, breach=0.10),
    Threshold(statistic="unseen", watch=0.01, breach=0.05),
    Threshold(statistic="alerts", watch=0.25, breach=0.50),
)
_KINDS = {
    "double": ColumnKind.NUMBER,
    "float": ColumnKind.NUMBER,
    "long": ColumnKind.NUMBER,
    "integer": ColumnKind.NUMBER,
    "string": ColumnKind.TEXT,
    "boolean": ColumnKind.BOOLEAN,
    "datetime": ColumnKind.TIME,
}
_FEATURE_KINDS = {
    ColumnKind.NUMBER: FeatureKind.NUMERIC,
    ColumnKind.TEXT: FeatureKind.CATEGORICAL,
    ColumnKind.BOOLEAN: FeatureKind.CATEGORICAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a day of this model brings, as recorded; the most that a broken model can cost a day."""

    per_day: Decimal | None
    currency: str
    basis: str


def signature_columns(version: ModelVersion | None) -> dict[str, ColumnKind]:
    """Inputs of the signature with the kind of their type; a type we do not know is `other`."""
    inputs = version.inputs if version else ()
    return {name: _KINDS.get(kind.lower(), ColumnKind.OTHER) for name, kind in inputs}


def propose(
    model: GovernedModel, version: ModelVersion | None, *, worth: Worth, earlier: Monitor | None = None
) -> Monitor:
    """`earlier` keeps what the registry cannot know: titles, the label delay and amounts somebody stated."""
    columns = signature_columns(version)
    titles = {item.column: item.title for item in earlier.features} if earlier else {}
    features = tuple(
        Feature(column=name, title=titles.get(name) or _title(name), kind=_FEATURE_KINDS[kind])
        for name, kind in columns.items()
        if kind in _FEATURE_KINDS
    )
    base = earlier or Monitor(model=model.name, features=())
    return replace(
        base,
        features=features or base.features,
        reference=ReferenceWindow(words=_reference(version)),
        windows=WINDOWS,
        statistics=tuple(item.statistic for item in DEFAULT_THRESHOLDS),
        thresholds=DEFAULT_THRESHOLDS,
        slices=_slices(model, columns),
        impact=base.impact if base.impact.is_stated else impact_of(model, worth),
    )


def propose_import(
    model: GovernedModel,
    *,
    source: Source,
    mapping: ColumnMapping,
    columns: Sequence[SourceColumn],
    history: tuple[date | None, date | None],
    inputs: Mapping[str, ColumnKind],
    worth: Worth,
    earlier: Monitor | None = None,
) -> Monitor:
    """Features are the inputs of the signature that the table has, or every usable column where it has none of them.

    `earlier` keeps what does not depend on the source: titles, levels, guards, the label delay, what was stated.
    """
    base = earlier or Monitor(model=model.name, features=(), thresholds=DEFAULT_THRESHOLDS)
    titles = {item.column: item.title for item in base.features}
    used = {mapping.timestamp, mapping.prediction, mapping.label, mapping.version, mapping.entity}
    usable = {item.name: item.kind for item in columns if item.kind in _FEATURE_KINDS and item.name not in used}
    known = {name: kind for name, kind in usable.items() if name in inputs} or usable
    first, last = history
    days = (last - first).days + 1 if first and last else 0
    length = max(1, min(28, days // 2))
    reference = (
        ReferenceWindow(kind=ReferenceKind.DATES, start=first, end=first + timedelta(days=length - 1))
        if first
        else ReferenceWindow(kind=ReferenceKind.DATES)
    )
    windows = tuple(item for item in WINDOWS if item <= days) or (max(1, days),)
    return replace(
        base,
        source=source,
        mapping=mapping,
        features=tuple(
            Feature(column=name, title=titles.get(name) or _title(name), kind=_FEATURE_KINDS[kind])
            for name, kind in known.items()
        ),
        reference=reference,
        windows=windows,
        slices=_slices(model, known),
        impact=base.impact if base.impact.is_stated else impact_of(model, worth),
    )


def impact_of(model: GovernedModel, worth: Worth) -> BusinessImpact:
    owner = model.owner_of("business_owner")
    return BusinessImpact(
        breach_per_day=worth.per_day,
        currency=worth.currency,
        payer=f"{owner.name}, business owner" if owner else "",
        basis=worth.basis,
    )


def _title(column: str) -> str:
    words = column.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _reference(version: ModelVersion | None) -> str:
    if version is None:
        return ""
    trained = next((item for item in version.datasets if "train" in item.context.lower()), None)
    trained = trained or next(iter(version.datasets), None)
    beside = f", beside its training dataset {trained.name} ({trained.digest[:12]})" if trained else ""
    return f"Hold-out rows of version {version.version}{beside}"


def _slices(model: GovernedModel, columns: Mapping[str, ColumnKind]) -> tuple[str, ...]:
    """The first category that says nothing about people: who splits people into groups should decide it."""
    personal = {item.name for item in model.sensitive if item.category != "not personal"}
    texts = (name for name, kind in columns.items() if kind is ColumnKind.TEXT and "=" not in name)
    return tuple(name for name in texts if name not in personal)[:1]
