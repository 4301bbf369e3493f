"""What a monitor must satisfy before it is saved: each fault says what, why and what to do. Pure.

Faults stop; notes do not. A note is what somebody should know before signing, for example times without a zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from math import isfinite

from services.kernel.errors import InputError, RefusalError
from services.monitoring.monitors import (
    STATISTICS,
    ColumnMapping,
    Feature,
    FeatureKind,
    Monitor,
    ReferenceKind,
    SourceKind,
    Threshold,
)

MOST_CLOSELY = 5
MOST_FEATURES, MOST_SLICES, MOST_WINDOWS, LONGEST_WINDOW = 500, 5, 4, 366
_SHARES = frozenset({"js", "ks", "missing", "unseen"})
"""Statistics that cannot exceed 1."""


class ColumnKind(StrEnum):
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What is known about the source. `columns` None: it could not be found out; days None: nothing is recorded yet."""

    columns: Mapping[str, ColumnKind] | None = None
    first: date | None = None
    last: date | None = None
    holdout: bool = True
    """There is a hold-out the reference can be taken from."""

    @property
    def days(self) -> int | None:
        return None if self.first is None or self.last is None else (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    field: str
    what: str
    why: str
    next: str

    @property
    def sentence(self) -> str:
        return f"{self.what} {self.why} {self.next}"


class MonitorInvalidError(InputError):
    """A monitor with faults; `problems` lists all of them."""

    code = "monitor-invalid"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        first, more = problems[0], len(problems) - 1
        others = f" ({more} more to correct.)" if more else ""
        super().__init__(f"{first.what} {first.why}{others}", hint=first.next)
        self.problems = problems


class SignatureNeededError(RefusalError):
    """The monitor guards a release, and what guards a release changes by signature only."""

    code = "signature-needed"


def problems(monitor: Monitor, facts: SourceFacts, *, guards: str = "") -> tuple[Problem, ...]:
    """Every fault, in the order of the form."""
    return (
        *_source(monitor),
        *mapping_problems(monitor.mapping, facts),
        *_features(monitor, facts),
        *_reference(monitor, facts),
        *_windows(monitor, facts),
        *_judging(monitor),
        *_slices(monitor, facts),
        *_code_red(monitor),
        *_guards(monitor),
        *_impact(monitor, guards),
    )


def _problem(field_: str, what: str, why: str, next_: str) -> Problem:
    return Problem(field=field_, what=what, why=why, next=next_)


def _source(monitor: Monitor) -> Iterator[Problem]:
    source = monitor.source
    if source.kind in {SourceKind.PARQUET, SourceKind.DELTA} and not source.folder.strip():
        yield _problem("source", "No folder is named.", "There is nothing to read.", "Name a folder.")
    if source.kind is SourceKind.SQL and not (source.connection and source.table.strip()):
        yield _problem(
            "source", "No connection or no table is named.", "There is nothing to read.", "Choose both from the list."
        )


def mapping_problems(mapping: ColumnMapping, facts: SourceFacts) -> Iterator[Problem]:
    """Columns that are not there, of another type, or given two meanings."""
    if not mapping.timestamp:
        yield _problem(
            "timestamp",
            "No time column is named.",
            "Drift compares days; without a time no row belongs to one.",
            "Choose the column that says when the prediction was made.",
        )
    if not mapping.prediction:
        yield _problem(
            "prediction",
            "No prediction column is named.",
            "A monitor that does not watch what the model says guards nothing.",
            "Choose the column with the score or forecast.",
        )
    wanted = {
        "timestamp": (mapping.timestamp, {ColumnKind.TIME, ColumnKind.TEXT}, "a time"),
        "prediction": (mapping.prediction, {ColumnKind.NUMBER}, "a number"),
        "label": (mapping.label, {ColumnKind.NUMBER, ColumnKind.BOOLEAN}, "a number or true and false"),
        "version": (mapping.version, {ColumnKind.TEXT, ColumnKind.NUMBER}, "text or a number"),
        "entity": (mapping.entity, {ColumnKind.TEXT, ColumnKind.NUMBER}, "text or a number"),
    }
    for name, (column, kinds, words) in wanted.items():
        if column:
            yield from _column(facts, column, kinds, words, field_=name, role=f"the {name} column")
    used = [column for column, _, _ in wanted.values() if column]
    for column in dict.fromkeys(column for column in used if used.count(column) > 1):
        yield _problem(
            "mapping",
            f"`{column}` is given two meanings.",
            "A column cannot be time and prediction, or prediction and label, at once.",
            "Choose another column for one of them.",
        )


def _column(
    facts: SourceFacts, column: str, kinds: set[ColumnKind], words: str, *, field_: str, role: str
) -> Iterator[Problem]:
    if facts.columns is None:
        return
    kind = facts.columns.get(column)
    if kind is None:
        near = ", ".join(f"`{name}`" for name in list(facts.columns)[:6])
        yield _problem(
            field_,
            f"`{column}` is not a column of the source.",
            f"It was chosen as {role}, and nothing could be read.",
            f"Choose one that is there: {near or 'the source has no columns'}.",
        )
    elif kind not in kinds:
        yield _problem(
            field_,
            f"`{column}` holds {_KIND_WORDS[kind]}.",
            f"As {role} it has to be {words}.",
            "Choose another column, or convert this one where it is written.",
        )


_KIND_WORDS = {
    ColumnKind.NUMBER: "numbers",
    ColumnKind.TEXT: "text",
    ColumnKind.BOOLEAN: "true and false",
    ColumnKind.TIME: "times",
    ColumnKind.OTHER: "a type that cannot be counted (a list, a structure or bytes)",
}


def _features(monitor: Monitor, facts: SourceFacts) -> Iterator[Problem]:
    mapping = monitor.mapping
    meaning = {
        mapping.label: ("the label", "It is the answer itself: it would be watched as if the model had known it."),
        mapping.prediction: ("the prediction", "The prediction is watched anyway."),
        mapping.timestamp: ("the time", "Time moves by itself, so it would always drift."),
    }
    if len(monitor.features) > MOST_FEATURES:
        yield _problem(
            "features",
            f"{len(monitor.features):,} features are named.",
            f"At most {MOST_FEATURES} are sketched per model.",
            "Leave out the least important ones.",
        )
    if not monitor.features:
        yield _problem(
            "features",
            "No feature is named.",
            "A shift of the inputs would not be noticed.",
            "Name at least one input, or start from the proposed default.",
        )
    names = list(monitor.columns)
    for column in dict.fromkeys(names):
        if names.count(column) > 1:
            yield _problem(
                "features", f"`{column}` is listed twice.", "One column is one feature.", "Remove one of the lines."
            )
        if column and column in meaning:
            words, why = meaning[column]
            yield _problem("features", f"`{column}` is {words}.", why, "Remove it from the features.")
    for feature in monitor.features:
        yield from _feature(feature, facts)


def _feature(feature: Feature, facts: SourceFacts) -> Iterator[Problem]:
    numbers = {ColumnKind.NUMBER, ColumnKind.BOOLEAN}
    kinds = numbers if feature.kind is FeatureKind.NUMERIC else {*numbers, ColumnKind.TEXT}
    words = "a number" if feature.kind is FeatureKind.NUMERIC else "text, a number or true and false"
    yield from _column(facts, feature.column, kinds, words, field_="features", role=f"a {feature.kind.value} feature")


def _reference(monitor: Monitor, facts: SourceFacts) -> Iterator[Problem]:
    window = monitor.reference
    if window.kind is ReferenceKind.HOLDOUT:
        if monitor.source.kind is not SourceKind.INFERENCE or not facts.holdout:
            yield _problem(
                "reference",
                "There is no hold-out to compare with.",
                "The source holds predictions only, and its training rows are elsewhere."
                if monitor.source.kind is not SourceKind.INFERENCE
                else "No reference rows were kept for the version in force.",
                "Choose a period of the source as the reference window.",
            )
        return
    if window.start is None or window.end is None or window.end < window.start:
        yield _problem(
            "reference",
            "The reference window has no start, no end, or ends before it starts.",
            "Every later day is compared with it.",
            "Choose its first and last day.",
        )
    elif facts.last and window.start <= facts.last and window.end > (last := _last_settled(monitor, facts.last)):
        yield _problem(
            "reference",
            f"The reference window ends on {window.end:%d %b %Y}, and rows may still come for that day.",
            "Every row that comes would make another reference, and all days would be compared anew.",
            f"Choose days up to {last:%d %b %Y}.",
        )
    elif facts.first and facts.last and (window.end < facts.first or window.start > facts.last):
        yield _problem(
            "reference",
            f"Nothing is recorded from {window.start:%d %b %Y} to {window.end:%d %b %Y}.",
            f"The source holds {facts.first:%d %b %Y} to {facts.last:%d %b %Y}.",
            "Choose days inside that period.",
        )


def _last_settled(monitor: Monitor, last: date) -> date:
    """Recorded predictions go on through their last day."""
    return last - timedelta(days=1) if monitor.source.kind is SourceKind.INFERENCE else last


def _windows(monitor: Monitor, facts: SourceFacts) -> Iterator[Problem]:
    windows = monitor.windows
    if not windows or len(windows) > MOST_WINDOWS or len(set(windows)) < len(windows):
        yield _problem(
            "windows",
            f"{len(windows)} current windows are named, or one twice.",
            f"Between one and {MOST_WINDOWS} different lengths can be compared.",
            "Name for example 7 and 28 days.",
        )
    for days in windows:
        if not 1 <= days <= LONGEST_WINDOW:
            yield _problem(
                "windows",
                f"A window of {days} days cannot be judged.",
                f"A window has between 1 and {LONGEST_WINDOW} days.",
                "Choose a length between the two.",
            )
        elif facts.days is not None and days > facts.days:
            yield _problem(
                "windows",
                f"The window of {days} days is longer than the history.",
                f"Only {facts.days} days are recorded, so no window would be full.",
                f"Choose at most {facts.days} days.",
            )


def _judging(monitor: Monitor) -> Iterator[Problem]:
    if not monitor.statistics:
        yield _problem("statistics", "No statistic is chosen.", "Nothing would be judged.", "Choose at least one.")
    for name in monitor.statistics:
        if name not in STATISTICS:
            yield _problem(
                "statistics",
                f"`{name}` is not a statistic that is computed here.",
                "It would never have a value.",
                f"Choose among {', '.join(STATISTICS)}.",
            )
        elif monitor.threshold(name) is None:
            yield _problem(
                "thresholds",
                f"{STATISTICS[name]} has no thresholds.",
                "A statistic that judges needs a level from which it warns.",
                "Give it a watch and a breach level.",
            )
    names = [item.statistic for item in monitor.thresholds]
    for item in monitor.thresholds:
        yield from _threshold(item, twice=names.count(item.statistic) > 1)


def _threshold(item: Threshold, *, twice: bool) -> Iterator[Problem]:
    title = STATISTICS.get(item.statistic, item.statistic)
    if twice:
        yield _problem("thresholds", f"{title} has two pairs of levels.", "Only one can hold.", "Remove one.")
    if not (isfinite(item.watch) and isfinite(item.breach)) or item.watch <= 0:
        yield _problem(
            "thresholds",
            f"The levels of {title} are {item.watch:g} and {item.breach:g}.",
            "A level is a number above 0; at 0 every window would warn.",
            "Correct the numbers.",
        )
    elif item.watch > item.breach:
        yield _problem(
            "thresholds",
            f"{title} warns from {item.watch:g} and is a breach from {item.breach:g}.",
            "A breach would come before its warning.",
            "Make the watch level the smaller one.",
        )
    elif item.statistic in _SHARES and item.breach > 1:
        yield _problem(
            "thresholds",
            f"The breach level of {title} is {item.breach:g}.",
            "This statistic lies between 0 and 1, so it could never be reached.",
            "Choose a level of at most 1.",
        )


def _slices(monitor: Monitor, facts: SourceFacts) -> Iterator[Problem]:
    if len(monitor.slices) > MOST_SLICES:
        yield _problem(
            "slices",
            f"{len(monitor.slices)} columns split the rows.",
            f"Each splits every sketch again; at most {MOST_SLICES} are kept.",
            "Keep the ones somebody would act on.",
        )
    kinds = {ColumnKind.TEXT, ColumnKind.NUMBER, ColumnKind.BOOLEAN}
    for column in monitor.slices:
        if "=" in column:
            yield _problem(
                "slices", f"`{column}` holds an equals sign.", "A slice is written column=value.", "Rename the column."
            )
        yield from _column(facts, column, kinds, "text or a number", field_="slices", role="a slice")


def _code_red(monitor: Monitor) -> Iterator[Problem]:
    rule = monitor.code_red
    yield from _threshold(Threshold(statistic="code red", watch=rule.watch, breach=rule.breach), twice=False)
    if not 1 <= rule.windows <= MOST_WINDOWS:
        yield _problem(
            "code_red",
            f"Code red is asked for after {rule.windows} windows in a row.",
            f"Between 1 and {MOST_WINDOWS} can be asked for.",
            "Choose 2 where nothing speaks against it.",
        )
    strangers = [column for column in rule.columns if column not in monitor.columns]
    if strangers:
        yield _problem(
            "code_red",
            f"`{strangers[0]}` is watched most closely and is no feature.",
            "Only what is watched at all can be watched closely.",
            "Add it to the features, or leave it out here.",
        )
    if len(rule.columns) > MOST_CLOSELY:
        yield _problem(
            "code_red",
            f"{len(rule.columns)} columns are watched most closely.",
            f"Where everything is urgent nothing is; at most {MOST_CLOSELY} are.",
            "Keep the most important ones.",
        )


def _guards(monitor: Monitor) -> Iterator[Problem]:
    if monitor.minimum_rows < 1 or monitor.minimum_labels < 1 or not 0 < monitor.minimum_coverage <= 1:
        yield _problem(
            "minimum",
            "The small-sample guard is switched off.",
            "A handful of rows would be called healthy or a breach.",
            "Ask for at least one row, one label and a share of labels between 0 and 1.",
        )
    if monitor.label_delay_hours is not None and not 0 <= monitor.label_delay_hours <= 24 * 3660:
        yield _problem(
            "label_delay",
            f"A label delay of {monitor.label_delay_hours:g} hours is no delay.",
            "It says how long after the prediction the truth is known.",
            "Give hours of 0 or more, or leave it empty when nobody knows.",
        )


def _impact(monitor: Monitor, guards: str) -> Iterator[Problem]:
    impact = monitor.impact
    amounts = [amount for amount in (impact.watch_per_day, impact.breach_per_day) if amount is not None]
    if any(not amount.is_finite() or amount < 0 for amount in amounts):
        yield _problem(
            "impact",
            "Money at risk below 0 is stated.",
            "It is what a day of wrong decisions can cost.",
            "Give 0 or more, or leave it empty when nobody stated it.",
        )
    if len(amounts) == 2 and amounts[0] > amounts[1]:
        yield _problem(
            "impact",
            "More money is at risk on watch than on breach.",
            "A breach is the worse of the two.",
            "Correct the amounts.",
        )
    if amounts and not impact.payer:
        yield _problem(
            "impact",
            "Money is at risk and nobody is named who pays.",
            "Whoever pays decides how soon it is looked at.",
            "Name the person or department.",
        )
    if guards and not impact.is_stated:
        yield _problem(
            "impact",
            "The money per day at risk, or who pays it, is not stated.",
            f"{guards} Its thresholds have to be tied to what a breach costs.",
            "State the amount at risk on breach and who pays.",
        )
