"""Partitions of recorded facts: one day of one model in one table, and whether it changed since it was last read.

Facts arrive as files. A partition is known by name, size and time of change of its files, so a refresh reads new
and changed days only, and reading the same day twice gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date


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


def by_owner(partitions: Iterable[Partition]) -> dict[str, tuple[Partition, ...]]:
    grouped: dict[str, list[Partition]] = {}
    for partition in partitions:
        grouped.setdefault(partition.owner, []).append(partition)
    return {owner: tuple(days) for owner, days in grouped.items()}
