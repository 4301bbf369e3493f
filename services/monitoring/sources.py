"""Tables of other estates as monitors see them: what they hold, a masked look at them, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from services.inventory.access import Mask
from services.monitoring.monitor_rules import ColumnKind, Problem
from services.monitoring.monitors import ColumnMapping, Source

MOST_SAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumn:
    name: str
    kind: ColumnKind
    type: str
    """As the source names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSummary:
    """One column over the whole source, as aggregates. Extremes only of columns that may be shown."""

    name: str
    kind: ColumnKind
    type: str
    missing: float | None
    """Share of rows without a value; None when there are no rows."""
    low: str = ""
    high: str = ""
    mask: str = ""
    """How its values are shown, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`samples` are at most 20 rows, masked where they were read."""

    rows: int
    first: datetime | None
    last: datetime | None
    days: int
    columns: tuple[ColumnSummary, ...]
    sampled: tuple[str, ...]
    samples: tuple[tuple[str, ...], ...]
    faults: tuple[Problem, ...]
    notes: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCount:
    """One day of a source: enough to see that it changed since it was sketched."""

    day: date
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where imports may read from: allowed folders and names of connections. Nothing else can be chosen."""

    folders: tuple[str, ...]
    connections: tuple[str, ...]


class SourceReader(Protocol):
    """Asks other estates for aggregates. Raises SourceRefusedError (an InputError) and TelemetryUnavailableError."""

    def places(self) -> Places: ...

    def columns(self, source: Source) -> tuple[SourceColumn, ...]: ...

    def preview(self, source: Source, mapping: ColumnMapping, masks: Mapping[str, Mask]) -> Preview:
        """A column without a mask in `masks` is hidden."""
        ...

    def history(self, source: Source, mapping: ColumnMapping) -> tuple[date | None, date | None]:
        """First and last day that has rows."""
        ...


def suggested(columns: Sequence[SourceColumn]) -> ColumnMapping:
    """A mapping by the names people usually give; empty where no name fits, never a guess by position."""

    def first(names: Sequence[str], kinds: set[ColumnKind]) -> str:
        by_name = {item.name.lower(): item for item in columns if item.kind in kinds}
        return next((by_name[name].name for name in names if name in by_name), "")

    times, numbers = {ColumnKind.TIME, ColumnKind.TEXT}, {ColumnKind.NUMBER}
    keys = {ColumnKind.TEXT, ColumnKind.NUMBER}
    return ColumnMapping(
        timestamp=first(
            ("event_at", "timestamp", "ts", "event_time", "scored_at", "created_at", "time", "date"), times
        ),
        prediction=first(("score", "prediction", "predicted", "probability", "forecast", "y_pred"), numbers),
        label=first(("label", "target", "actual", "outcome", "y_true", "y"), {*numbers, ColumnKind.BOOLEAN}),
        version=first(("version", "model_version"), keys),
        entity=first(("entity", "entity_id", "customer_id", "id"), keys),
    )
