"""The evaluation report as people look at it: calibration by score bin, and every group with its verdict. Pure.

Gates judge the digested evidence; this reads the same document for drawing and never decides anything.
A group that no gate judged, or that has too few rows, carries a verdict that is not a pass.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.policy.models import GateOutcome, GateReport, Verdict

_WORST_FIRST = (Verdict.FAILED, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.SKIPPED, Verdict.PASSED)
_MEASURES = (("rate", "Selected", "share"), ("tpr", "Positives found", "share"), ("error", "Mean error", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Rows of similar score: what the model said on average, and how often it was true, with its 95 % interval."""

    n: int
    mean_score: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMeasure:
    """One measure of one group. `unit` is `share` or the label's unit; the interval is None when not logged."""

    title: str
    unit: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """One group of a fairness attribute. `verdict` is the worst gate outcome about it, None when nothing judged it."""

    attribute: str
    group: str
    n: int
    measures: tuple[GroupMeasure, ...]
    reference: bool
    """True for the largest group of the attribute: the others are compared with it."""
    verdict: Verdict | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationDetail:
    """`problem` says why nothing can be drawn, or is empty. `sha256` is of the file that was read."""

    bins: tuple[CalibrationBin, ...] = ()
    groups: tuple[GroupRow, ...] = ()
    sha256: str = ""
    read_at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One line of a gate report as printed: the groups of one fairness gate are one line, everything else is itself."""

    title: str
    group: str
    value: str
    champion: str
    rule: str
    verdict: Verdict
    data: str
    n: int | None
    outcomes: tuple[GateOutcome, ...]


def parse(text: str, *, sha256: str, read_at: datetime | None) -> EvaluationDetail:
    """Never raises: a report that cannot be read is a problem in words."""
    if not text:
        return EvaluationDetail(problem="The run has no evaluation report.", read_at=read_at)
    try:
        data = json.loads(text)
        unit = str(data.get("unit") or "")
        rows = [_row(item, unit) for item in data.get("slices") or ()]
        return EvaluationDetail(
            bins=tuple(_bin(item) for item in data.get("reliability") or ()),
            groups=tuple(_with_reference(rows)),
            sha256=sha256,
            read_at=read_at,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as broken:
        problem = f"The evaluation report cannot be read ({type(broken).__name__}: {broken})."
        return EvaluationDetail(problem=problem, sha256=sha256, read_at=read_at)


def judged(detail: EvaluationDetail, report: GateReport) -> tuple[GroupRow, ...]:
    """The groups with what the gates said about each; the worst verdict of several gates stands."""
    return tuple(_judged(row, report) for row in detail.groups)


def criteria(report: GateReport) -> tuple[Criterion, ...]:
    """One line per criterion, in the order of the policy; groups of one fairness gate are counted on one line."""
    gathered: dict[tuple[str, str], list[GateOutcome]] = {}
    for outcome in report.outcomes:
        name, _, of_group = outcome.gate.partition(":")
        attribute = of_group.partition("=")[0]
        gathered.setdefault((name, attribute), []).append(outcome)
    return tuple(_criterion(attribute, items) for (_, attribute), items in gathered.items())


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    return next((verdict for verdict in _WORST_FIRST if verdict in verdicts), Verdict.ERROR)


def _criterion(attribute: str, items: list[GateOutcome]) -> Criterion:
    first, verdict = items[0], worst([item.verdict for item in items])
    if not attribute:
        return Criterion(
            title=first.title,
            group=first.group,
            value=first.value,
            champion=first.champion,
            rule=first.rule,
            verdict=first.verdict,
            data=first.data,
            n=first.n,
            outcomes=tuple(items),
        )
    few = sum(item.verdict in {Verdict.SKIPPED, Verdict.INCONCLUSIVE} for item in items)
    within = sum(item.verdict is Verdict.PASSED for item in items)
    many = "group" if len(items) == 1 else "groups"
    words = [f"{within} of {len(items)} {many} within the rule"] + ([f"{few} too few"] if few else [])
    # One group with too few rows must not hide that the others were judged, nor count as judged itself.
    if verdict is Verdict.SKIPPED and within:
        verdict = Verdict.PASSED
    return Criterion(
        title=f"{first.title.partition(':')[0]} by {attribute.replace('_', ' ')}",
        group=first.group,
        value=", ".join(words),
        champion="",
        rule=first.rule,
        verdict=verdict,
        data=first.data,
        n=sum(item.n or 0 for item in items),
        outcomes=tuple(items),
    )


def _judged(row: GroupRow, report: GateReport) -> GroupRow:
    suffix = f":{row.attribute}={row.group}"
    found = [outcome for outcome in report.outcomes if outcome.gate.endswith(suffix)]
    if not found:
        return row
    verdict = worst([outcome.verdict for outcome in found])
    said = next(outcome.sentence for outcome in found if outcome.verdict is verdict)
    return GroupRow(
        attribute=row.attribute,
        group=row.group,
        n=row.n,
        measures=row.measures,
        reference=row.reference,
        verdict=verdict,
        sentence=said,
    )


def _with_reference(rows: list[GroupRow]) -> list[GroupRow]:
    largest: dict[str, GroupRow] = {}
    for row in sorted(rows, key=lambda item: (item.attribute, item.group)):
        if row.attribute not in largest or row.n > largest[row.attribute].n:
            largest[row.attribute] = row
    return [
        GroupRow(attribute=row.attribute, group=row.group, n=row.n, measures=row.measures, reference=True)
        if row is largest[row.attribute]
        else row
        for row in rows
    ]


def _row(item: dict[str, Any], unit: str) -> GroupRow:
    measures = []
    for key, title, measured in _MEASURES:
        value = _number(item.get(key))
        if value is not None:
            low, high = _number(item.get(f"{key}_low")), _number(item.get(f"{key}_high"))
            measures.append(GroupMeasure(title=title, unit=measured or unit, value=value, low=low, high=high))
    return GroupRow(
        attribute=str(item["attribute"]),
        group=str(item["group"]),
        n=int(item["n"]),
        measures=tuple(measures),
        reference=False,
    )


def _bin(item: dict[str, Any]) -> CalibrationBin:
    observed = float(item["observed"])
    return CalibrationBin(
        n=int(item["n"]),
        mean_score=float(item["mean_score"]),
        observed=observed,
        low=float(item.get("observed_low", observed)),
        high=float(item.get("observed_high", observed)),
    )


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    number = float(value)
    return number if math.isfinite(number) else None
