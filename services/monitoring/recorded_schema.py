"""Columns of recorded predictions over time: what appeared, went, was renamed or became another kind, in sentences.

A change of columns is a fact to show, never a reason to stop. A kind is `number`, `text`, `time` or `other`; `empty`
means that every value of the day was missing, which says nothing about the kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from enum import StrEnum

Columns = Mapping[str, str]
"""Name to kind."""
ALIKE = 0.6
"""Names at least this similar (Ratcliff and Obershelp 1988) may be the same column under another name."""


class SchemaWord(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    RETYPED = "retyped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChange:
    """One column that is different from the day before. `before` and `after` are kinds, or names if renamed."""

    day: date
    column: str
    change: SchemaWord
    before: str
    after: str
    sentence: str


def schema_changes(days: Sequence[tuple[date, Columns]]) -> tuple[SchemaChange, ...]:
    """What differs between each recorded day and the one before it; days in order, oldest first."""
    found: list[SchemaChange] = []
    known: dict[str, str] = {}
    for day, columns in days:
        if known:
            found += _between(day, known, columns)
        # What a column was stays known while it is empty, so that its return is not taken for a new kind.
        known = {name: known.get(name, kind) if kind == "empty" else kind for name, kind in columns.items()}
    return tuple(found)


def _between(day: date, before: Columns, after: Columns) -> list[SchemaChange]:
    gone, fresh = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    found = []
    for old, new in _renames({name: before[name] for name in gone}, {name: after[name] for name in fresh}):
        gone.remove(old)
        fresh.remove(new)
        found.append(
            _said(
                day, new, SchemaWord.RENAMED, (old, new),
                f"Column {old} is gone since {day:%d %b %Y} and {new} of the same kind is new: it looks renamed. "
                f"{old} has no values from that day on; say in the monitor if {new} is its successor.",
            )
        )  # fmt: skip
    for name in gone:
        words = f"Column {name} ({before[name]}) is gone since {day:%d %b %Y}; nothing is known about it from then on."
        found.append(_said(day, name, SchemaWord.REMOVED, (before[name], ""), words))
    for name in fresh:
        words = f"Column {name} ({after[name]}) is new since {day:%d %b %Y}; the reference does not know it."
        found.append(_said(day, name, SchemaWord.ADDED, ("", after[name]), words))
    for name in sorted(set(before) & set(after)):
        old, new = before[name], after[name]
        if old != new and "empty" not in {old, new}:
            words = (
                f"Column {name} was a {old} and is a {new} since {day:%d %b %Y}; values that cannot be read as a {old} "
                "count as missing."
            )
            found.append(_said(day, name, SchemaWord.RETYPED, (old, new), words))
    return found


def _said(day: date, column: str, change: SchemaWord, kinds: tuple[str, str], sentence: str) -> SchemaChange:
    return SchemaChange(day=day, column=column, change=change, before=kinds[0], after=kinds[1], sentence=sentence)


def _renames(gone: Columns, fresh: Columns) -> list[tuple[str, str]]:
    """Pairs of the same kind: the only two there are, or names that look alike; the most alike first."""
    pairs = [
        (1.0 if len(gone) == len(fresh) == 1 else SequenceMatcher(None, old, new).ratio(), old, new)
        for old, kind in gone.items()
        for new, other in fresh.items()
        if "empty" in {kind, other} or kind == other
    ]
    found: list[tuple[str, str]] = []
    for ratio, old, new in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if ratio >= ALIKE and all(old != one and new != other for one, other in found):
            found.append((old, new))
    return found
