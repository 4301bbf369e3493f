"""What people corrected, as frames and export rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pages.components import badges
from pages.components.format import count, day, md, percent, plural, when
from services.feedback.corrections import Batch, Checked
from services.feedback.models import Correction
from services.feedback.rework import TOO_FEW, Rate, Rework


def share(rate: Rate) -> str:
    return percent(rate.estimate.value, 1) if rate.estimate else "unknown"


def of(rate: Rate, noun: str) -> str:
    """The denominator in words, with the interval where there is one."""
    base = f"{count(rate.hits)} of {count(rate.n)} {noun}"
    if rate.estimate is None:
        return f"{base}; {TOO_FEW} are needed" if rate.n < TOO_FEW else base
    return f"{base}; {percent(rate.estimate.low, 1)} to {percent(rate.estimate.high, 1)}"


def summary(found: Rework) -> str:
    """Our Markdown."""
    if found.rework.estimate is None:
        return f":gray[{badges.badge(badges.TOO_FEW)} No rate can be stated. {md(found.delay.sentence)}]"
    return (
        f":gray[People changed {share(found.rework)} of all predictions and {share(found.override)} of those they "
        f"reviewed, predictions of {day(found.start)} to {day(found.end)}.]"
    )


def against(found: Rework) -> str:
    if found.before.estimate is None:
        return "nothing to compare with before"
    return f"{share(found.before)} in the {plural((found.end - found.start).days + 1, 'day')} before"


def slices(found: Rework) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Slice": [md(item.slice_key) for item in found.slices],
            "Rework": [_cell(item.rework) for item in found.slices],
            "Changed of all": [f"{count(item.rework.hits)} of {count(item.rework.n)}" for item in found.slices],
            "Override": [_cell(item.override) for item in found.slices],
            "Changed of reviewed": [
                f"{count(item.override.hits)} of {count(item.override.n)}" for item in found.slices
            ],
        }
    )


def _cell(rate: Rate) -> str:
    return f"**{share(rate)}**" if rate.estimate else badges.badge(badges.TOO_FEW)


def batches(found: Sequence[Batch], zone: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "When": [when(item.at, zone) for item in found],
            "By": [md(item.by_name) for item in found],
            "How": [md(item.name or item.via.value) for item in found],
            "Reviewed": [count(item.rows) for item in found],
            "Corrected": [count(item.corrected) for item in found],
            "Counted": [":green[yes]" if item.published_at else ":gray[within a minute]" for item in found],
            "Ledger entry": [count(item.seq) for item in found],
        }
    )


def corrected(found: Sequence[Correction], zone: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Prediction": [item.prediction_id for item in found],
            "Version": [item.version for item in found],
            "Changed": [item.corrected for item in found],
            "Reason": [item.reason_code for item in found],
            "Reviewer": [item.reviewer for item in found],
            "Reviewed": [when(item.at, zone) for item in found],
        }
    )


def faults(found: Checked) -> pd.DataFrame:
    """As shown in a grid, where text stays text."""
    return pd.DataFrame(
        {
            "Line": [item.line for item in found.faults],
            "Column": [item.column for item in found.faults],
            "What is wrong": [item.sentence for item in found.faults],
        }
    )


def fault_rows(found: Checked) -> list[dict[str, object]]:
    return [{"line": item.line, "column": item.column, "fault": item.sentence} for item in found.faults]


def export(found: Rework) -> list[dict[str, object]]:
    """The whole, then every slice, then every reason: what stands on the screen."""
    pairs = [("whole", "", found.override, found.rework)]
    pairs += [("slice", item.slice_key, item.override, item.rework) for item in found.slices]
    pairs += [("week", week.start.isoformat(), week.override, week.rework) for week in found.weeks]
    rows: list[dict[str, object]] = [
        {
            "model": found.model,
            "part": part,
            "name": name,
            "from": found.start.isoformat(),
            "to": found.end.isoformat(),
            "corrected": rework.hits,
            "predictions": rework.n,
            "rework_rate": rework.estimate.value if rework.estimate else "",
            "reviewed": override.n,
            "override_rate": override.estimate.value if override.estimate else "",
        }
        for part, name, override, rework in pairs
    ]
    rows += [{**dict.fromkeys(rows[0], ""), "model": found.model, "part": "reason", "name": code, "corrected": n}
             for code, n in found.reasons]  # fmt: skip
    return rows
