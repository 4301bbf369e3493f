"""Partitions of recorded facts: one day of one model in one table, and whether it changed since it was last read.

Facts arrive as files. A partition is known by name, size and time of change of its files, so a refresh reads new
and changed days only, and reading the same day twice gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

NO_DAY = date(1970, 1, 1)
"""Of a partition that is no day: a reference, or a source that could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One folder of files. `owner` is a model or a deployment; `fingerprint` changes with any file in it."""

    source: str
    owner: str
    day: date
    fingerprint: str

    @property
    def key(self) -> tuple[str, str, date]:
        return (self.source, self.owner, self.day)


def changed(found: Iterable[Partition], seen: Mapping[tuple[str, str, date], str]) -> tuple[Partition, ...]:
    """Partitions that are new or differ from what was read, oldest first."""
    fresh = [partition for partition in found if seen.get(partition.key) != partition.fingerprint]
    return tuple(sorted(fresh, key=lambda partition: (partition.owner, partition.day, partition.source)))


def kept_from(first: date, found: Iterable[Partition]) -> tuple[Partition, ...]:
    """Partitions of this day and later, and those that are no day."""
    return tuple(item for item in found if item.day >= first or item.day == NO_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """Days of one source that were read and that it does not list any more, oldest first; `listed` days are left."""

    source: str
    owner: str
    days: tuple[date, ...]
    listed: int

    @property
    def is_believable(self) -> bool:
        """More days gone than left looks like half an answer, not like days that somebody deleted."""
        return len(self.days) <= self.listed


def vanished(found: Iterable[Partition], seen: Mapping[tuple[str, str, date], str]) -> tuple[Vanished, ...]:
    """Days that were read and are gone between days that their source still lists.

    Days before its first and after its last one stay: a source that answers with nothing is one that is away, and one
    that keeps its raw rows for a month has not taken back what older ones said.
    """
    there: dict[tuple[str, str], set[date]] = {}
    for item in found:
        if item.day != NO_DAY:
            there.setdefault((item.source, item.owner), set()).add(item.day)
    gone: dict[tuple[str, str], list[date]] = {}
    for source, owner, day in seen:
        listed = there.get((source, owner))
        if listed and min(listed) < day < max(listed) and day not in listed:
            gone.setdefault((source, owner), []).append(day)
    return tuple(
        Vanished(source=source, owner=owner, days=tuple(sorted(days)), listed=len(there[source, owner]))
        for (source, owner), days in sorted(gone.items())
    )


def by_owner(partitions: Iterable[Partition]) -> dict[str, tuple[Partition, ...]]:
    grouped: dict[str, list[Partition]] = {}
    for partition in partitions:
        grouped.setdefault(partition.owner, []).append(partition)
    return {owner: tuple(days) for owner, days in grouped.items()}
