"""What changed, in one table: columns, missing shares, unseen values, slices, volume, versions, schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from services.kernel.health import Health
from services.monitoring.definitions import Statistic
from services.monitoring.drift import Question
from services.monitoring.mix import MixShift
from services.monitoring.models import FeatureDrift, Reading
from services.monitoring.profile import DayProfile, LabelledDay
from services.monitoring.recorded_schema import SchemaChange

_MOVED = frozenset({Health.WATCH, Health.BREACH})
_SHAPE = frozenset({Statistic.PSI, Statistic.JENSEN_SHANNON, Statistic.KS, Statistic.WASSERSTEIN})
"""One shift seen by several of them is one change."""
_HALF, _DOUBLE = 0.5, 2.0
"""A window outside this range of the usual one is a change of volume."""
_USUAL_WINDOWS = 4
_ORDER = [Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is different now. `feature` names the column to open, if there is one."""

    kind: str
    subject: str
    before: str
    now: str
    since: date | None
    state: Health
    sentence: str
    feature: str = ""


def what_changed(
    features: Sequence[FeatureDrift],
    mixes: Sequence[MixShift],
    rows_by_day: Sequence[tuple[date, int]],
    labelled: Sequence[LabelledDay],
    *,
    asked: Question,
    last: date,
) -> tuple[Change, ...]:
    """Gravest first; nothing that stayed the same is in it."""
    found = [change for feature in features for change in _feature_changes(feature)]
    found += [_mix_change(mix) for mix in mixes if mix.state in _MOVED]
    found += [*_volume(rows_by_day, asked, last), *_versions(labelled, asked, last), *_schema(features, last)]
    return tuple(sorted(found, key=lambda change: _ORDER.index(change.state)))


def schema_fact(change: SchemaChange) -> Change:
    """A column that appeared, went, was renamed or became another kind: to be looked at, whatever the figures say."""
    return Change(
        kind="schema", subject=change.column, before=change.before or "not there", now=change.after or "gone",
        since=change.day, state=Health.WATCH, sentence=change.sentence,
    )  # fmt: skip


def _feature_changes(feature: FeatureDrift) -> list[Change]:
    """By what the verdict rests on: the gravest of the distances, missing and unseen values, the alert rate."""
    found, shape = [], _gravest([item for item in feature.readings if item.statistic in _SHAPE and item.judges])
    for reading in feature.readings:
        if reading.state not in _MOVED or not reading.judges or (reading.statistic in _SHAPE and reading is not shape):
            continue
        kind, before, now = _words(feature, reading.statistic)
        found.append(
            Change(
                kind=kind, subject=feature.title, before=before, now=now, since=feature.since,
                state=reading.state or Health.UNKNOWN, sentence=reading.sentence, feature=feature.feature,
            )
        )  # fmt: skip
    return found


def _gravest(readings: Sequence[Reading]) -> Reading | None:
    return min(readings, key=lambda item: _ORDER.index(item.state or Health.UNKNOWN), default=None)


def _words(feature: FeatureDrift, statistic: Statistic) -> tuple[str, str, str]:
    """Kind of change, before and now."""
    if statistic is Statistic.MISSING:
        return "missing values", _percent(feature.missing_reference), _percent(feature.missing_current)
    if statistic is Statistic.UNSEEN:
        return "unseen values", "none listed", _percent(feature.unseen_current)
    rate = feature.alert_rate
    if statistic is Statistic.ALERTS and rate is not None:
        return "alert rate", _percent(rate.before), _percent(rate.now.value if rate.now else None)
    return (
        "prediction" if feature.kind == "prediction" else "column",
        feature.before.words if feature.before else "nothing",
        feature.now.words if feature.now else "nothing",
    )


def _mix_change(mix: MixShift) -> Change:
    first = mix.shares[0]
    return Change(
        kind="mix", subject=mix.title, before=f"{first.value} {_percent(first.before)}",
        now=f"{first.value} {_percent(first.now)}", since=mix.since, state=mix.state, sentence=mix.sentence,
    )  # fmt: skip


def _volume(rows_by_day: Sequence[tuple[date, int]], asked: Question, last: date) -> list[Change]:
    """Predictions of this window against the four windows before it, as far as they are on record.

    A day without a prediction counts as none. Named when it is outside half to double of their median, and outside
    what any of them had: what runs once in ten days has windows without a run.
    """
    size = asked.window_days
    starts = [last - timedelta(days=number * size) for number in range(1, _USUAL_WINDOWS + 2)]
    begun = min((day for day, _ in rows_by_day), default=last)
    here, *usual = [
        sum(rows for day, rows in rows_by_day if start < day <= start + timedelta(days=size)) / size
        for start in starts
        if start == starts[0] or start + timedelta(days=1) >= begun
    ]
    if not usual or not median(usual):
        return []
    there = median(usual)
    if _HALF <= here / there <= _DOUBLE or min(usual) <= here <= max(usual):
        return []
    words = f"{here:,.0f} predictions a day instead of {there:,.0f}: {here / there:.1f} times the usual day."
    return [
        Change(
            kind="volume", subject="Predictions a day", before=f"{there:,.0f}", now=f"{here:,.0f}",
            since=starts[0] + timedelta(days=1), state=Health.WATCH, sentence=words,
        )
    ]  # fmt: skip


def _versions(labelled: Sequence[LabelledDay], asked: Question, last: date) -> list[Change]:
    start = last - timedelta(days=asked.window_days)
    by_version: dict[str, dict[date, int]] = defaultdict(dict)
    for row in labelled:
        if row.predicted:
            by_version[row.version][row.day] = by_version[row.version].get(row.day, 0) + row.predicted
    found = []
    for version, days in by_version.items():
        first, final = min(days), max(days)
        known_before = min((min(other) for other in by_version.values()), default=first)
        if first > start and first > known_before:
            found.append(_version_change(version, "not serving", "serving", first))
        elif final <= start and final > start - timedelta(days=asked.window_days):
            found.append(_version_change(version, "serving", "not serving", final + timedelta(days=1)))
    return found


def _version_change(version: str, before: str, now: str, since: date) -> Change:
    words = f"Version {version} {'began' if now == 'serving' else 'stopped'} to serve. A new version is another model."
    return Change(
        kind="version", subject=f"Version {version}", before=before, now=now, since=since, state=Health.WATCH,
        sentence=words,
    )  # fmt: skip


def _schema(features: Sequence[FeatureDrift], last: date) -> list[Change]:
    """Columns of the reference that no longer arrive although predictions do."""
    if not any(feature.now for feature in features):
        return []
    return [
        Change(
            kind="schema", subject=feature.title, before="recorded", now="not recorded",
            since=feature.series[-1].day + timedelta(days=1) if feature.series else None, state=Health.BREACH,
            sentence=f"{feature.title} is in the reference, and in no prediction of the window to {last:%d %b %Y}.",
            feature=feature.feature,
        )
        for feature in features
        if feature.now is None and feature.is_compared
    ]  # fmt: skip


def rows_by_day(profiles: Sequence[DayProfile]) -> tuple[tuple[date, int], ...]:
    """Predictions per day, from the profiles of one column."""
    return tuple((profile.day, int(profile.counts.sum())) for profile in profiles if not profile.slice_key)


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share * 100:.1f} %"
