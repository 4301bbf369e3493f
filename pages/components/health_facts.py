"""Rows and sentences about data health. Pure: no Streamlit; everything typed is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from pages.components import badges
from pages.components.format import NOTHING, count, day, md, percent, plural, seconds, when
from services.data_health.models import HealthDay, Hurt, PipelineHealth, RuleKind, Standing, TableHealth
from services.data_health.rules import ColumnRule, TableRules
from services.kernel.health import Explanation, Health
from services.kernel.interval import Estimate
from services.monitoring.recorded_schema import SchemaChange

TITLES = {
    RuleKind.FRESHNESS: "Fresh",
    RuleKind.VOLUME: "Volume",
    RuleKind.SCHEMA: "Schema",
    RuleKind.NULLS: "Missing",
    RuleKind.RANGE: "Range",
    RuleKind.UNIQUE: "Unique",
}


def summary(tables: Sequence[TableHealth], hurt: Sequence[Hurt]) -> str:
    if not tables:
        return ":gray[No feature table is declared.]"
    counts = {state: sum(item.state is state for item in tables) for state in Health}
    words = [f"{counts[state]} {badges.word(state).lower()}" for state in Health if counts[state]]
    models = len({item.model for item in hurt})
    return f":gray[{plural(len(tables), 'table')}: {', '.join(words)}. {plural(models, 'model')} hurt.]"


def tables(found: Sequence[TableHealth]) -> pd.DataFrame:
    rows = [
        (
            badges.badge(item.state),
            md(item.title),
            *(_cell(item.standing(kind)) for kind in RuleKind),
            day(item.last_day) if item.last_day else NOTHING,
            ", ".join(md(name) for name in item.models) or NOTHING,
        )
        for item in found
    ]
    return pd.DataFrame(rows, columns=["State", "Table", *TITLES.values(), "Last rows", "Models"])


def _cell(standing: Standing | None) -> str:
    if standing is None:
        return f":gray[{NOTHING}]"
    return badges.mark(standing.result.state)


def rules(table: TableHealth, given: TableRules) -> pd.DataFrame:
    rows = []
    for kind in given.kinds:
        standing = table.standing(kind)
        found = standing.result if standing else None
        rows.append(
            (
                TITLES[kind],
                badges.badge(found.state if found else Health.UNKNOWN),
                md(found.sentence if found else "Not judged yet."),
                count(found.n) if found else NOTHING,
                day(standing.since) if standing else NOTHING,
                md(given.words(kind)),
            )
        )
    return pd.DataFrame(rows, columns=["Rule", "State", "Found", "n", "Since", "Limit"])


def columns(given: TableRules) -> pd.DataFrame:
    rows = [(md(item.name), item.family.value, _missing(item), _bounds(item)) for item in given.columns]
    return pd.DataFrame(rows, columns=["Column", "Type", "Missing at most", "Range"])


def _missing(item: ColumnRule) -> str:
    return ":gray[not limited]" if item.most_missing is None else percent(item.most_missing, 1)


def _bounds(item: ColumnRule) -> str:
    if not item.bounded:
        return ":gray[none]"
    low, high = ("any" if bound is None else f"{bound:g}" for bound in (item.low, item.high))
    words = f"{low} to {high}" + (f", {percent(item.most_outside, 1)} may lie outside" if item.most_outside else "")
    return words if item.stated else f"{words} :gray[(derived: watched only)]"


def revisions(found: Sequence[TableRules], zone: str) -> pd.DataFrame:
    rows = [(str(item.revision), md(item.changed_by), when(item.changed_at, zone), md(item.reason)) for item in found]
    return pd.DataFrame(rows, columns=["Revision", "By", "When", "Why"])


def pipelines(found: Sequence[PipelineHealth], zone: str) -> pd.DataFrame:
    rows = [
        (
            badges.badge(item.state),
            md(item.title),
            md(item.kind),
            share(item.on_time),
            f"{count(item.runs)}",
            count(item.failed),
            count(item.late),
            count(item.aside),
            _took(item),
            when(item.last.finished_at, zone) if item.last else NOTHING,
            when(item.expected_by, zone) if item.expected_by else ":gray[not known]",
            md(item.sentence),
        )
        for item in found
    ]
    names = [
        *("State", "Pipeline", "Kind", "On time", "Runs", "Failed", "Late", "Skipped or cancelled", "Took"),
        *("Last ended", "Due by", "Says"),
    ]
    return pd.DataFrame(rows, columns=names)


def exported_pipelines(found: Sequence[PipelineHealth]) -> list[dict[str, object]]:
    return [
        {
            "pipeline": item.pipeline, "title": item.title, "kind": item.kind, "state": item.state.value,
            "on_time": item.on_time.value if item.on_time else None,
            "on_time_low": item.on_time.low if item.on_time else None,
            "on_time_high": item.on_time.high if item.on_time else None,
            "runs": item.runs, "failed": item.failed, "late": item.late, "typical_seconds": item.typical_seconds,
            "slow_seconds": item.slow_seconds, "last_ended": item.last.finished_at.isoformat() if item.last else None,
            "due_by": item.expected_by.isoformat() if item.expected_by else None, "models": ", ".join(item.models),
            "sentence": item.sentence,
        }
        for item in found
    ]  # fmt: skip


def _took(item: PipelineHealth) -> str:
    if item.typical_seconds is None:
        return NOTHING
    slow = f" :gray[to {seconds(item.slow_seconds)}]" if item.slow_seconds is not None else ""
    return f"{seconds(item.typical_seconds)}{slow}"


def share(estimate: Estimate | None) -> str:
    if estimate is None:
        return ":gray[not known]"
    return f"{percent(estimate.value)} :gray[({percent(estimate.low)} to {percent(estimate.high)})]"


def way(item: Hurt) -> str:
    return " → ".join(md(node) for node in item.way)


def explanation(tables: Sequence[TableHealth]) -> Explanation:
    checked = [item.checked_at for item in tables if item.checked_at]
    return Explanation(
        formula="Each rule is judged once per day of UTC. Volume: within k robust deviations (1.4826 x median absolute "
        "deviation) of the median of the same weekday in eight weeks. Missing and outside: broken when the Wilson "
        "interval of the share lies beyond its limit. A table is as bad as its worst rule.",
        source="Rows of the feature tables, counted where they are; shadow and mirrored copies are left out of volume",
        window="The newest settled day of each rule",
        as_of=min(checked) if checked else None,
        n=len(tables),
        note="Fewer than twenty rows say nothing about a share and are grey. A table that cannot be read is grey, "
        "never green. Bounds that nobody stated are watched, never a breach.",
    )


def column_changes(found: Sequence[tuple[str, SchemaChange]]) -> pd.DataFrame:
    rows = [(day(item.day), md(model), md(item.column), item.change.value, md(item.sentence)) for model, item in found]
    return pd.DataFrame(rows, columns=["Since", "Model", "Column", "What", "Says"])


def columns_explanation(found: Sequence[tuple[str, SchemaChange]], *, days: int) -> Explanation:
    return Explanation(
        formula="Columns and kinds (number, text, time, other) of each day against those of the recorded day before. "
        "One gone and one new of the same kind, with no other or with a like name (Ratcliff and Obershelp, 0.6), "
        "is taken for renamed.",
        source="Recorded predictions and imports, as their files or tables said when the day was read",
        window=f"Last {days} days",
        as_of=None,
        n=len(found),
        note="A table that has one set of columns is noted for its newest day. Feature tables have their own rule.",
    )


def exported_columns(found: Iterable[tuple[str, SchemaChange]]) -> list[dict[str, object]]:
    return [
        {
            "model": model, "since": item.day.isoformat(), "column": item.column, "change": item.change.value,
            "before": item.before, "after": item.after, "sentence": item.sentence,
        }
        for model, item in found
    ]  # fmt: skip


def export(days: Iterable[tuple[str, HealthDay]]) -> list[dict[str, object]]:
    return [
        {
            "table": name,
            "day": item.day.isoformat(),
            "rule": result.kind.value,
            "state": result.state.value,
            "value": result.value,
            "rows": result.n,
            "settled": result.settled,
            "revision": item.revision,
            "sentence": result.sentence,
        }
        for name, item in days
        for result in item.results
    ]
