"""Predictions of an inference table by score, for performance and as the denominator of override and rework rates.

Implements monitoring.ports.PerformanceFacts for a model whose predictions no other table holds. No label is in the
table, so nothing arrives; which days there are, and whether they changed, is known from the sketches.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date

import numpy as np

from services.adapters.warehouse.payload_requests import DAYS_AT_ONCE, NEVER
from services.adapters.warehouse.payload_tables import Asking, PayloadTable, ServedVersions
from services.adapters.warehouse.performance import score_days_of
from services.adapters.warehouse.statements import payload
from services.inventory.facts import Partition
from services.monitoring.cubes import Arrival, ScoreDay
from services.monitoring.ports import SliceColumn


class PayloadCubes:
    """`sketched`: what the sketches of every model were made from."""

    def __init__(
        self,
        warehouse: Asking,
        table: PayloadTable,
        *,
        versions: ServedVersions,
        sketched: Callable[[], Mapping[tuple[str, str, date], str]],
    ) -> None:
        self._warehouse = warehouse
        self._table = table
        self._versions = versions
        self._sketched = sketched

    def partitions(self) -> tuple[Partition, ...]:
        return tuple(
            Partition(source=source, owner=owner, day=day, fingerprint=fingerprint)
            for (source, owner, day), fingerprint in self._sketched().items()
            if (source, owner) == ("predictions", self._table.model) and day != NEVER
        )

    def counted_as(self, model: str) -> str:  # noqa: ARG002 - the port has it
        """Another table, or another place of the score, means that all is counted anew."""
        return hashlib.sha256(repr((self._table.name, self._table.score)).encode()).hexdigest()

    def arrived(
        self,
        model: str,  # noqa: ARG002 - the port has them
        arrivals: tuple[date, ...],  # noqa: ARG002
        *,
        scores: bool,  # noqa: ARG002
        slices: tuple[SliceColumn, ...],  # noqa: ARG002
    ) -> tuple[Arrival, ...]:
        return ()

    def scored(
        self,
        model: str,
        days: tuple[date, ...],
        *,
        scores: bool,
        slices: tuple[SliceColumn, ...],  # noqa: ARG002 - the table has no columns to cut by
    ) -> tuple[ScoreDay, ...]:
        table, found = self._table, list[ScoreDay]()
        if model != table.model:
            return ()
        ordered = sorted(days)
        for start in range(0, len(ordered), DAYS_AT_ONCE):
            with self._warehouse.asking(f"scores in the {table.words}") as ask:
                known = payload.each(table.rows(ask), ordered[start : start + DAYS_AT_ONCE], table.score).subquery()
                counted = score_days_of(ask, known, scores=scores, slices=())
                names = self._versions.of(ask, table.model, {item.version for item in counted})
            found += [replace(item, version=names[item.version]) for item in counted]
        return _together(found)


def _together(days: list[ScoreDay]) -> tuple[ScoreDay, ...]:
    """Two served entities of one version are one."""
    groups: dict[tuple[date, str], list[ScoreDay]] = defaultdict(list)
    for item in days:
        groups[item.day, item.version].append(item)
    return tuple(_added(group) for _, group in sorted(groups.items(), key=lambda found: found[0]))


def _added(group: list[ScoreDay]) -> ScoreDay:
    bins, place = np.unique(np.concatenate([item.bins for item in group]), return_inverse=True)
    counts, sums = np.zeros(len(bins), dtype=np.int64), np.zeros(len(bins))
    np.add.at(counts, place, np.concatenate([item.counts for item in group]))
    np.add.at(sums, place, np.concatenate([item.sums for item in group]))
    return replace(
        group[0],
        predicted=sum(item.predicted for item in group),
        unscored=sum(item.unscored for item in group),
        bins=bins,
        counts=counts,
        sums=sums,
    )
