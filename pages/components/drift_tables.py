"""Drift as rows: movers, readings, slices, changes. Pure; the same rows are shown and exported."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pages.components import badges
from pages.components.format import NOTHING, count, md, percent, short_day
from services.kernel.health import Health
from services.monitoring.changes import Change
from services.monitoring.definitions import DEFINITIONS, Limits, Statistic
from services.monitoring.events import Event
from services.monitoring.mix import MixShift
from services.monitoring.models import DriftView, FeatureDrift, Reading, SliceDrift
from services.monitoring.verdicts import written as level


def written(value: float | None, statistic: Statistic) -> str:
    if value is None:
        return NOTHING
    if DEFINITIONS[statistic].share:
        return percent(value, 1)
    return f"{value:,.1f}" if statistic is Statistic.CHI_SQUARED else f"{value:.3f}"


def probability(p: float | None) -> str:
    return NOTHING if p is None else "under 0.001" if p < 0.001 else f"{p:.3f}"


def readings(feature: FeatureDrift) -> pd.DataFrame:
    """Every statistic of the last window; cells are our Markdown."""
    rows = []
    for item in feature.readings:
        definition = DEFINITIONS[item.statistic]
        bound = item.limits
        rows.append(
            {
                "Statistic": md(definition.title),
                "Value": written(item.value, item.statistic),
                "Noise floor": written(item.floor, item.statistic),
                "Watch / breach": NOTHING if bound is None else _levels(bound, item.statistic),
                "p": probability(item.p),
                "Verdict": badges.badge(item.state) if item.state and item.judges else _informs(item),
            }
        )
    return pd.DataFrame(rows)


def _levels(bound: Limits, statistic: Statistic) -> str:
    share = DEFINITIONS[statistic].share
    return f"{level(bound.watch, share)} / {level(bound.breach, share)}"


def _informs(item: Reading) -> str:
    """What it would say, without the colour of a verdict: nothing rests on it."""
    return f":gray[informs: {badges.word(item.state).lower()}]" if item.state else ":gray[informs only]"


def movers(view: DriftView) -> list[dict[str, object]]:
    """For export: one row per judged column."""
    return [
        {
            "column": item.feature,
            "title": item.title,
            "kind": item.kind,
            "state": badges.word(item.state),
            "sustained": item.sustained,
            "since": item.since.isoformat() if item.since else "",
            "before": item.before.words if item.before else "",
            "now": item.now.words if item.now else "",
            "n": item.latest.n if item.latest else 0,
            **{str(reading.statistic): reading.value for reading in item.readings},
            **{f"{reading.statistic}_floor": reading.floor for reading in item.readings if reading.floor is not None},
            "missing_before": item.missing_reference,
            "missing_now": item.missing_current,
            "sentence": item.sentence,
            "next_step": item.next_step,
        }
        for item in view.features
    ]


def slices(found: Sequence[SliceDrift]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Slice": md(item.slice_key.replace("=", ": ", 1)),
                "State": badges.badge(item.state),
                "Predictions": count(item.n),
                "Moved": f"{item.moved} of {item.judged}",
                "First in its list": f"{md(item.title)} :gray[{written(item.value, Statistic.PSI)}]",
            }
            for item in found
        ]
    )


def slices_exported(found: Sequence[SliceDrift]) -> list[dict[str, object]]:
    return [
        {
            "slice": item.slice_key, "state": badges.word(item.state), "n": item.n, "moved": item.moved,
            "judged": item.judged, "first_column": item.feature, "psi": item.value,
        }
        for item in found
    ]  # fmt: skip


def mix_exported(mix: MixShift) -> list[dict[str, object]]:
    """A row per value with its shares now and before, then one per window with its distance."""
    shares: list[dict[str, object]] = [
        {"value": share.value, "reference": share.before, "previous": share.previous, "now": share.now, "n": mix.n}
        for share in mix.shares
    ]
    windows: list[dict[str, object]] = [
        {"window_to": point.day.isoformat(), "psi": point.value, "noise_floor": point.floor} for point in mix.series
    ]
    return [*shares, *windows]


def changes(found: Sequence[Change]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "What": md(item.kind),
                "Where": md(item.subject),
                "From": md(item.before),
                "To": md(item.now),
                "Since": short_day(item.since) if item.since else NOTHING,
                "State": badges.badge(item.state),
            }
            for item in found
        ]
    )


def changes_exported(found: Sequence[Change]) -> list[dict[str, object]]:
    return [
        {
            "what": item.kind, "where": item.subject, "from": item.before, "to": item.now,
            "since": item.since.isoformat() if item.since else "", "state": badges.word(item.state),
            "sentence": item.sentence,
        }
        for item in found
    ]  # fmt: skip


def events(found: Sequence[Event]) -> pd.DataFrame:
    """Runs of unusual days; cells are our Markdown."""
    return pd.DataFrame(
        [
            {
                "When": short_day(item.first) if item.first == item.last else
                f"{short_day(item.first)} to {short_day(item.last)}",
                "Column": md(item.title),
                "Reference": md(item.before.words) if item.before else NOTHING,
                "That day": md(item.now.words) if item.now else NOTHING,
                "Distance": f"{DEFINITIONS[item.statistic].short} {written(item.value, item.statistic)}",
                "Usually up to": written(item.usual, item.statistic) + (" (weeks after)" if item.hindsight else ""),
            }
            for item in found
        ]
    )  # fmt: skip


def events_exported(found: Sequence[Event]) -> list[dict[str, object]]:
    return [
        {
            "first": item.first.isoformat(), "last": item.last.isoformat(), "peak": item.peak.isoformat(),
            "column": item.feature, "title": item.title, "statistic": item.statistic.value, "value": item.value,
            "usual": item.usual, "usual_from": "the weeks after" if item.hindsight else "the weeks before",
            "n": item.n, "sentence": item.sentence,
        }
        for item in found
    ]  # fmt: skip


def moved(features: Sequence[FeatureDrift]) -> int:
    return sum(item.state in {Health.WATCH, Health.BREACH} for item in features)
