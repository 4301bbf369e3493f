"""The join guard: which combinations of quasi-identifying inputs single people out, counted as k-anonymity. Pure.

A group is everybody who looks alike in a combination of columns; a group of fewer than `K` people is a small cell
(k-anonymity: Sweeney 2002, doi:10.1142/S0218488502001648). Groups are counted over people, not rows, once as people
read the columns under the access rules and once as the model reads them. The first is judged: that is what somebody
could join with a list of his own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Protocol

from services.inventory.access import CLEAR, AccessRules, ColumnHandling, Mask, MaskKind
from services.inventory.models import GovernedModel
from services.policy.evidence import CellFact

K = 5
"""Fewer people than this in a group is a small cell."""
LINKABLE = frozenset({"PII", "quasi-identifier"})
"""Somebody outside can know these about a person. Health data is what he would find out, not what he joins on."""
MOST_COLUMNS = 20
MOST_AT_ONCE = 3
SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """One combination of columns. `smallest`: people in its smallest group; 0 without rows."""

    columns: tuple[str, ...]
    groups: int
    groups_below: int
    people_below: int
    smallest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCount:
    """Every combination that was counted over `people`. `problem`: why nothing could be counted, or empty."""

    people: int = 0
    as_read: tuple[Cells, ...] = ()
    as_served: tuple[Cells, ...] = ()
    counted_at: datetime | None = None
    basis: str = ""
    """Digest of the columns that were counted and how; another basis means counting again."""
    rows: str = ""
    """Which rows were counted, as the counter's fingerprint."""
    problem: str = ""


class CellCounter(Protocol):
    def fingerprint(self, model: str) -> str:
        """Changes with the recorded rows; empty without any. Raises TelemetryUnavailableError."""
        ...

    def count(
        self, model: str, columns: Sequence[tuple[str, Mask]], sets: Sequence[tuple[str, ...]], *, k: int
    ) -> tuple[int, tuple[Cells, ...]]:
        """People, and one answer per set of columns, counted where the rows are. Raises TelemetryUnavailableError."""
        ...


def linkable(handling: Sequence[ColumnHandling]) -> tuple[ColumnHandling, ...]:
    return tuple(item for item in handling if item.tag is not None and item.tag.category in LINKABLE)


def plan(
    rules: AccessRules, model: GovernedModel, inputs: Sequence[str]
) -> tuple[tuple[tuple[str, Mask], ...], tuple[tuple[str, Mask], ...]]:
    """The linkable columns as people read them, without hidden ones, and as the model reads them."""
    found = linkable(rules.handling(model, inputs))
    read = tuple((item.name, item.mask) for item in found if item.mask.kind is not MaskKind.HIDE)
    return read, tuple((item.name, CLEAR) for item in found)


def sets_of(columns: Sequence[tuple[str, Mask]]) -> tuple[tuple[str, ...], ...]:
    """Every one, two and three of the columns, and all together: the strictest of all."""
    names = tuple(name for name, _ in columns)
    small = [chosen for size in range(1, MOST_AT_ONCE + 1) for chosen in combinations(names, size)]
    return tuple(dict.fromkeys([*small, *([names] if names else [])]))


def worst(cells: Sequence[Cells], limit: int = SHOWN) -> tuple[Cells, ...]:
    """Most people in small cells first; of equals the combination of fewer columns, which is easier to know."""
    return tuple(sorted(cells, key=lambda item: (-item.people_below, len(item.columns), item.columns))[:limit])


def facts(count: CellCount) -> tuple[CellFact, ...] | None:
    """For the gate: the worst combinations; None when nothing could be counted, empty when nothing is linkable."""
    if count.problem or count.counted_at is None:
        return None
    return tuple(CellFact(columns=item.columns, k=K, groups_below=item.groups_below) for item in worst(count.as_read))
