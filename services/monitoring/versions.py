"""Sketches by the version that made the predictions: a slice that every model has whose source names the version.

The reference has no versions, since it is one window for all of them: a version is compared with the whole of it.

    a day with one version     its sketch is that of the day, and nothing is kept twice
    a day with several         each version has a sketch of its own beside the whole
    every day                  how many rows each version had, and how many the others had
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np

from services.monitoring.profile import DayProfile, column_and_value, slice_key

ROWS = "__rows"
"""Stands for a column in the counts of rows of a version. No input of a model begins with two underscores."""
_VERSION = "__version"


def split_column() -> str:
    """Names the split by version, whatever the source calls its column."""
    return _VERSION


def version_key(version: str) -> str:
    """The key of its slice."""
    return slice_key(_VERSION, version)


def version_of(key: str) -> str | None:
    """The version of a slice; None for a slice of another kind."""
    column, value = column_and_value(key)
    return value if column == _VERSION else None


@dataclass(slots=True)
class VersionRows:
    """Rows of each day by version, as they were counted; "" stands for rows that name none, and for the rarest."""

    found: dict[date, dict[str, int]] = field(default_factory=dict)

    def add(self, day: date, version: str, rows: int) -> None:
        held = self.found.setdefault(day, {})
        held[version] = held.get(version, 0) + rows

    def add_all(self, other: VersionRows) -> None:
        for day, held in other.found.items():
            for version, n in held.items():
                self.add(day, version, n)

    def add_counted(self, counted: Iterable[Sequence[Any]]) -> None:
        """(day, version or None, its rows, all rows of the day); what is left of a day has no version."""
        rest: dict[date, int] = {}
        for day, version, n, total in counted:
            rest.setdefault(day, int(total))
            if version:
                rest[day] -= int(n)
                self.add(day, str(version), int(n))
        for day, n in rest.items():
            if n:
                self.add(day, "", n)

    def several(self, days: Iterable[date]) -> tuple[date, ...]:
        """Days on which a version did not make all predictions."""
        return tuple(day for day in days if len(self.found.get(day, {})) > 1)

    def named(self, days: Iterable[date]) -> tuple[str, ...]:
        """Versions on these days."""
        return tuple(sorted({version for day in days for version in self.found.get(day, {}) if version}))

    def only(self, day: date) -> str:
        """The version that made all predictions of a day; empty where there is none."""
        held = self.found.get(day, {})
        return next(iter(held)) if len(held) == 1 else ""

    def marks(self) -> Iterator[DayProfile]:
        """What is kept of it: of each day and version its rows and those of all others."""
        for day, held in self.found.items():
            total = sum(held.values())
            for version, n in held.items():
                if version:
                    counts = np.array([n, total - n], dtype=np.int64)
                    yield DayProfile(
                        day=day, feature=ROWS, slice_key=version_key(version), counts=counts, sums=np.zeros(2)
                    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """A version and the days on which predictions of it were recorded."""

    version: str
    first: date
    last: date
    rows: int


def served(marks: Sequence[DayProfile]) -> tuple[ServedVersion, ...]:
    """The one with the newest predictions first, then by rows."""
    found: dict[str, ServedVersion] = {}
    for mark in sorted(marks, key=lambda item: item.day):
        version = version_of(mark.slice_key)
        if version is None or mark.feature != ROWS:
            continue
        n, known = int(mark.counts[0]), found.get(version)
        found[version] = (
            replace(known, last=mark.day, rows=known.rows + n)
            if known
            else ServedVersion(version=version, first=mark.day, last=mark.day, rows=n)
        )
    return tuple(sorted(found.values(), key=lambda item: (-item.last.toordinal(), -item.rows, item.version)))


def of_version(
    version: str, marks: Sequence[DayProfile], whole: Sequence[DayProfile], own: Sequence[DayProfile]
) -> tuple[DayProfile, ...]:
    """Its sketches, by column and day: the day's own where it made all predictions, else what was counted apart."""
    alone = {mark.day for mark in marks if version_of(mark.slice_key) == version and not mark.counts[1]}
    days: Mapping[bool, Sequence[DayProfile]] = {True: whole, False: own}
    found = [
        item for is_alone, profiles in days.items() for item in profiles
        if item.feature != ROWS and (item.day in alone) is is_alone
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda item: (item.feature, item.day)))
