"""The monitor of a model: what is watched, in which window, by which statistic, and what a breach costs. Pure.

A monitor is a document. It is never changed: a new one with a reason becomes the next version, and the newest version
is the one in force. Its digest is over canonical bytes, so what a person signed is what the worker obeys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from services.attestation.documents import Change, DocumentKind, changes
from services.kernel.secret import Secret
from services.monitoring.definitions import CODE_RED
from services.monitoring.models import MonitoringConfig

FORMAT = "countersign.monitor/1"

STATISTICS: Mapping[str, str] = {
    "psi": "Population stability index (PSI)",
    "js": "Jensen-Shannon distance",
    "ks": "Kolmogorov-Smirnov statistic",
    "w1": "Wasserstein distance in standard deviations",
    "missing": "Change of the missing share",
    "unseen": "Share of unseen values",
    "alerts": "Shift of the alert rate",
}
"""The statistics a monitor can judge by, with their titles."""


class SourceKind(StrEnum):
    INFERENCE = "inference"
    """The predictions that Countersign records itself, in its inference folder."""
    PARQUET = "parquet"
    DELTA = "delta"
    SQL = "sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the predictions lie. A connection is a name from the settings: addresses and passwords are never here."""

    kind: SourceKind = SourceKind.INFERENCE
    folder: str = ""
    """Of a Parquet folder or a Delta table; must lie under an allowed folder of the settings."""
    connection: str = ""
    table: str = ""
    """`table`, `schema.table` or, on Databricks, `catalog.schema.table`."""

    @property
    def words(self) -> str:
        if self.kind is SourceKind.INFERENCE:
            return "the predictions recorded by this deployment"
        if self.kind is SourceKind.SQL:
            return f"table {self.table} of connection {self.connection}"
        return f"{'Delta table' if self.kind is SourceKind.DELTA else 'Parquet folder'} {self.folder}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMapping:
    """Which column of the source means what. Empty: the source has no such column."""

    timestamp: str
    prediction: str
    label: str = ""
    version: str = ""
    entity: str = ""


RECORDED = ColumnMapping(timestamp="event_at", prediction="score", label="label", version="version", entity="entity")
"""Columns of the inference folder."""


class FeatureKind(StrEnum):
    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    column: str
    title: str
    kind: FeatureKind


class ReferenceKind(StrEnum):
    HOLDOUT = "holdout"
    """Rows the version in force was not fitted on, as the training run kept them."""
    DATES = "dates"
    """Rows of the source between two days, both included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceWindow:
    kind: ReferenceKind = ReferenceKind.HOLDOUT
    start: date | None = None
    end: date | None = None
    words: str = ""

    @property
    def sentence(self) -> str:
        if self.kind is ReferenceKind.DATES and self.start and self.end:
            return f"Rows from {self.start:%d %b %Y} to {self.end:%d %b %Y}"
        return self.words or "Hold-out rows of the version in force"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """From `watch` on somebody looks; from `breach` on it is a fault."""

    statistic: str
    watch: float
    breach: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessImpact:
    """Money per day that is at risk while a threshold is exceeded, and who pays it. None: nobody stated it."""

    watch_per_day: Decimal | None = None
    breach_per_day: Decimal | None = None
    currency: str = "USD"
    payer: str = ""
    """The person or department that carries the loss."""
    basis: str = ""
    """How the amounts were arrived at, in a sentence."""

    @property
    def is_stated(self) -> bool:
        return self.breach_per_day is not None and bool(self.payer)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRed:
    """From when on something that is watched most closely is an emergency: see `services.monitoring.code_red`."""

    columns: tuple[str, ...] = ()
    """The most important ones; without any, the five that moved most are watched."""
    watch: float = CODE_RED.watch
    breach: float = CODE_RED.breach
    windows: int = 2

    @property
    def words(self) -> str:
        return f"amber {self.watch:g}, red {self.breach:g} in {self.windows} windows in a row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    model: str
    features: tuple[Feature, ...]
    source: Source = field(default_factory=Source)
    mapping: ColumnMapping = RECORDED
    reference: ReferenceWindow = field(default_factory=ReferenceWindow)
    windows: tuple[int, ...] = (7,)
    """Days of the current window; the first is what judges, and what screens open with."""
    statistics: tuple[str, ...] = ("psi", "missing", "unseen")
    thresholds: tuple[Threshold, ...] = ()
    slices: tuple[str, ...] = ()
    code_red: CodeRed = field(default_factory=CodeRed)
    minimum_rows: int = 100
    """Small-sample guard: a window with fewer predictions has no verdict."""
    minimum_labels: int = 50
    minimum_coverage: float = 0.5
    label_delay_hours: float | None = None
    score_title: str = "Prediction"
    metric_title: str = ""
    baseline_name: str = "Simple rule on the hold-out rows"
    impact: BusinessImpact = field(default_factory=BusinessImpact)

    @property
    def watches_prediction(self) -> bool:
        return bool(self.mapping.prediction)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(feature.column for feature in self.features)

    def threshold(self, statistic: str) -> Threshold | None:
        return next((item for item in self.thresholds if item.statistic == statistic), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorVersion:
    """One version, immutable. Without a person it is what the deployment began with, signed by the service."""

    model: str
    version: int
    sha256: str
    text: str
    at: datetime
    reason: str
    salt: str
    signed: bool
    """A person put a signature of their own under it."""
    guards: str
    """Which release it guarded when it was saved, in words; empty when none."""
    seq: int
    leaf_hash: str
    by_issuer: str = ""
    by_subject: str = ""
    by_name: str = ""

    @property
    def monitor(self) -> Monitor:
        return read(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The default monitor of a model that has none, as the worker made it. Nobody signed it and nothing obeys it."""

    model: str
    sha256: str
    """Of the text without its amounts, which move every day."""
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveMonitor:
    """Command: this becomes the monitor in force. `based_on` is the version that was looked at, 0 for none."""

    command_id: str
    monitor: Monitor
    based_on: int
    reason: str
    passphrase: Secret | None = None
    """Needed when the monitor guards a release, and before a release may rest on it."""


def document(monitor: Monitor) -> str:
    """Canonical text: equal monitors have equal bytes."""
    return _KIND.write(monitor)


def read(text: str) -> Monitor:
    """What `document` wrote. Raises InputError for anything else."""
    return _KIND.read(text)


def config_of(monitor: Monitor, *, version: int | None = None) -> MonitoringConfig:
    """What drift and performance judge with, derived from the monitor and from nothing else."""
    psi = monitor.threshold("psi")
    return MonitoringConfig(
        model=monitor.model,
        features=tuple((item.column, item.title, item.kind.value) for item in monitor.features),
        score_title=monitor.score_title,
        metric_title=monitor.metric_title,
        baseline_name=monitor.baseline_name,
        watch=psi.watch if psi else 0.10,
        breach=psi.breach if psi else 0.25,
        reference=monitor.reference.sentence,
        label_delay_hours=monitor.label_delay_hours,
        minimum_labels=monitor.minimum_labels,
        minimum_coverage=monitor.minimum_coverage,
        slices=monitor.slices,
        current_days=monitor.windows,
        statistics=monitor.statistics,
        limits=tuple((item.statistic, item.watch, item.breach) for item in monitor.thresholds),
        code_red_columns=monitor.code_red.columns,
        code_red_limits=(monitor.code_red.watch, monitor.code_red.breach),
        code_red_windows=monitor.code_red.windows,
        minimum_rows=monitor.minimum_rows,
        monitor_version=version,
        imported_from="" if monitor.source.kind is SourceKind.INFERENCE else monitor.source.words,
        has_labels=monitor.source.kind is SourceKind.INFERENCE or bool(monitor.mapping.label),
    )


def of_config(config: MonitoringConfig) -> Monitor:
    """The monitor behind facts that came with a deployment."""
    limits = config.limits or (("psi", config.watch, config.breach),)
    return Monitor(
        model=config.model,
        features=tuple(
            Feature(column=column, title=title, kind=FeatureKind(kind)) for column, title, kind in config.features
        ),
        reference=ReferenceWindow(words=config.reference),
        windows=config.current_days,
        thresholds=tuple(Threshold(statistic=name, watch=watch, breach=breach) for name, watch, breach in limits),
        slices=config.slices,
        code_red=CodeRed(
            columns=config.code_red_columns,
            watch=config.red_limits.watch,
            breach=config.red_limits.breach,
            windows=config.code_red_windows,
        ),
        minimum_rows=config.minimum_rows or 100,
        minimum_labels=config.minimum_labels,
        minimum_coverage=config.minimum_coverage,
        label_delay_hours=config.label_delay_hours,
        score_title=config.score_title,
        metric_title=config.metric_title,
        baseline_name=config.baseline_name,
    )


def diff(before: Monitor | None, after: Monitor) -> tuple[Change, ...]:
    """Field by field, features and thresholds by name; empty when nothing differs."""
    return changes(_words(before) if before else {}, _words(after))


def money(amount: Decimal | None, currency: str) -> str:
    return "not stated" if amount is None else f"{amount:,.0f} {currency} a day"


def _words(monitor: Monitor) -> dict[str, str]:
    mapping, impact = monitor.mapping, monitor.impact
    said = {
        "Source": monitor.source.words,
        "Time column": mapping.timestamp,
        "Prediction column": mapping.prediction,
        "Label column": mapping.label,
        "Version column": mapping.version,
        "Entity column": mapping.entity,
        "Reference window": monitor.reference.sentence,
        "Current windows": ", ".join("1 day" if days == 1 else f"{days} days" for days in monitor.windows),
        "Judged by": ", ".join(STATISTICS.get(name, name) for name in monitor.statistics),
        "Slices": ", ".join(monitor.slices),
        "Code red": monitor.code_red.words,
        "Watched most closely": ", ".join(monitor.code_red.columns) or "the five that moved most",
        "Fewest predictions in a window": f"{monitor.minimum_rows:,}",
        "Fewest labels in a week": f"{monitor.minimum_labels:,}",
        "Share of labels a week needs": f"{monitor.minimum_coverage:.0%}",
        "Label delay": "" if monitor.label_delay_hours is None else f"{monitor.label_delay_hours:g} hours",
        "Title of the prediction": monitor.score_title,
        "Title of the metric": monitor.metric_title,
        "Compared with": monitor.baseline_name,
        "At risk on watch": money(impact.watch_per_day, impact.currency),
        "At risk on breach": money(impact.breach_per_day, impact.currency),
        "Who pays": impact.payer,
        "Basis of the amounts": impact.basis,
    }
    said |= {f"Feature {item.column}": f"{item.title} ({item.kind.value})" for item in monitor.features}
    limits = {item.statistic: f"watch {item.watch:g}, breach {item.breach:g}" for item in monitor.thresholds}
    return said | {f"Threshold {STATISTICS.get(name, name)}": text for name, text in limits.items()}


def _monitor(found: dict[str, Any]) -> Monitor:
    reference, impact = found["reference"], found["impact"]
    return Monitor(
        model=found["model"],
        features=tuple(Feature(**{**item, "kind": FeatureKind(item["kind"])}) for item in found["features"]),
        source=Source(**{**found["source"], "kind": SourceKind(found["source"]["kind"])}),
        mapping=ColumnMapping(**found["mapping"]),
        reference=ReferenceWindow(
            kind=ReferenceKind(reference["kind"]),
            start=_day(reference["start"]),
            end=_day(reference["end"]),
            words=reference["words"],
        ),
        windows=tuple(int(days) for days in found["windows"]),
        statistics=tuple(found["statistics"]),
        thresholds=tuple(
            Threshold(statistic=item["statistic"], watch=float(item["watch"]), breach=float(item["breach"]))
            for item in found["thresholds"]
        ),
        slices=tuple(found["slices"]),
        code_red=_code_red(found.get("code_red")),
        minimum_rows=int(found["minimum_rows"]),
        minimum_labels=int(found["minimum_labels"]),
        minimum_coverage=float(found["minimum_coverage"]),
        label_delay_hours=float(found["label_delay_hours"]) if found["label_delay_hours"] else None,
        score_title=found["score_title"],
        metric_title=found["metric_title"],
        baseline_name=found["baseline_name"],
        impact=BusinessImpact(
            **{**impact, "watch_per_day": _amount(impact["watch_per_day"]),
               "breach_per_day": _amount(impact["breach_per_day"])}
        ),
    )  # fmt: skip


def _code_red(found: dict[str, Any] | None) -> CodeRed:
    """Documents from before this setting do not have it."""
    if found is None:
        return CodeRed()
    return CodeRed(
        columns=tuple(found["columns"]),
        watch=float(found["watch"]),
        breach=float(found["breach"]),
        windows=int(found["windows"]),
    )


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _amount(text: str) -> Decimal | None:
    return Decimal(text) if text else None


_KIND = DocumentKind(
    format=FORMAT, name="a monitor", hint="Start from the proposed default.", build=_monitor, later=("code_red",)
)
