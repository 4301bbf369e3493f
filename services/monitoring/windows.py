"""Windows made of daily profiles: sums of counts per cell, and the bins they are compared in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from services.monitoring.models import Distribution
from services.monitoring.profile import Counts, DayProfile, FeatureReference, Sums

RARE_SHARE = 0.01
"""Values rarer than this in the reference share one bin: an expected count near zero says nothing."""
MISSING = "missing"
OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bins:
    """Which bin each cell belongs to. Numeric bins are reference deciles; the last bin holds missing values."""

    names: tuple[str, ...]
    of_cell: Counts

    def fill(self, cells: Counts) -> Counts:
        return np.bincount(self.of_cell, weights=cells, minlength=len(self.names)).astype(np.int64)

    def fill_all(self, windows: Counts) -> Counts:
        """The same for one window per row."""
        belongs = self.of_cell[:, None] == np.arange(len(self.names))
        return np.asarray(windows @ belongs.astype(np.int64))


def bins_of(reference: FeatureReference) -> Bins:
    if reference.numeric:
        upper = np.searchsorted(np.array(reference.deciles), np.array(reference.edges), side="left")
        last = len(reference.deciles)
        of_cell = np.array([*upper, last, last + 1, last + 1], dtype=np.int64)
        return Bins(names=(*_ranges(reference.deciles), MISSING), of_cell=of_cell)
    known = reference.counts[: len(reference.values)]
    common = known >= RARE_SHARE * max(1, reference.n)
    names = tuple(value for value, keep in zip(reference.values, common, strict=True) if keep)
    places = np.where(common, np.cumsum(common) - 1, len(names))
    of_cell = np.array([*places, len(names), len(names) + 1], dtype=np.int64)
    return Bins(names=(*names, OTHER, MISSING), of_cell=of_cell)


def _ranges(deciles: Sequence[float]) -> tuple[str, ...]:
    if not deciles:
        return ("all",)
    between = [f"{low:.4g} to {high:.4g}" for low, high in zip(deciles, deciles[1:], strict=False)]  # noqa: RUF007
    return (f"up to {deciles[0]:.4g}", *between, f"over {deciles[-1]:.4g}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """One window per row: the cells and sums of the days in (end - days, end]."""

    ends: tuple[date, ...]
    counts: Counts
    sums: Sums

    @property
    def n(self) -> Counts:
        return np.asarray(self.counts.sum(axis=-1))


def stacked(
    profiles: Sequence[DayProfile], cells: int, *, days: int, since: date, back: timedelta = timedelta()
) -> Windows:
    """One window per recorded day from `since` on, or the one that ended `back` before it.

    Profiles are of one column and slice, ordered by day.
    """
    ends = tuple(profile.day for profile in profiles if profile.day >= since)
    ordinals = np.array([profile.day.toordinal() for profile in profiles], dtype=np.int64)
    counts, sums = np.zeros((len(profiles) + 1, cells), dtype=np.int64), np.zeros((len(profiles), cells))
    if profiles:
        np.cumsum([profile.counts for profile in profiles], axis=0, out=counts[1:])
        # Infinite sums add nothing, as infinite values do.
        sums = np.nan_to_num(np.array([profile.sums for profile in profiles]), posinf=0.0, neginf=0.0)
    last = np.array([(end - back).toordinal() for end in ends], dtype=np.int64)
    upper, lower = np.searchsorted(ordinals, last, side="right"), np.searchsorted(ordinals, last - days, side="right")
    return Windows(ends=ends, counts=counts[upper] - counts[lower], sums=_between(sums, lower, upper))


def _between(sums: Sums, lower: Counts, upper: Counts) -> Sums:
    """Rows from `lower` up to `upper` added up, and not taken as differences of running sums: one absurd value would
    otherwise blur every later window.
    """
    if not len(lower):
        return np.zeros((0, sums.shape[-1]))
    padded = np.concatenate([sums, np.zeros((1, sums.shape[-1]))])
    added = np.add.reduceat(padded, np.column_stack([lower, upper]).ravel(), axis=0)[::2]
    return np.where((upper > lower)[:, None], added, 0.0)


def summed(profiles: Iterable[DayProfile]) -> Counts | None:
    """Cells of all these days together; None without any."""
    counts = [profile.counts for profile in profiles]
    return np.sum(counts, axis=0) if counts else None


def mean_of(reference: FeatureReference, counts: Counts, sums: Sums) -> float | None:
    """Mean of the present values; infinite ones count but add nothing, so it is a lower-tail answer for them."""
    present = int(counts[: -reference.missing_cells].sum())
    return float(sums.sum() / present) if present else None


def missing_share(reference: FeatureReference, counts: Counts) -> float | None:
    total = int(counts.sum())
    return float(counts[-reference.missing_cells :].sum() / total) if total else None


def unlisted_share(reference: FeatureReference) -> float | None:
    """Share of the reference whose values have no cell of their own; None for an empty one."""
    total = reference.n
    return float(reference.counts[len(reference.values)] / total) if total else None


def distribution(reference: FeatureReference, current: Counts | None, previous: Counts | None = None) -> Distribution:
    """Shares per bin; an empty window has shares of zero and says so with `current_n`."""
    bins = bins_of(reference)
    before = bins.fill(reference.counts)
    after, earlier = (
        bins.fill(counts) if counts is not None else np.zeros_like(before) for counts in (current, previous)
    )
    shown = [
        index
        for index, name in enumerate(bins.names)
        if name not in {OTHER, MISSING} or before[index] + after[index] + earlier[index]
    ]

    def of(counts: Counts) -> tuple[float, ...]:
        return tuple(float(counts[index] / max(1, counts.sum())) for index in shown)

    return Distribution(
        bins=tuple(bins.names[index] for index in shown),
        reference=of(before),
        current=of(after),
        reference_n=int(before.sum()),
        current_n=int(after.sum()),
        previous=of(earlier),
        previous_n=int(earlier.sum()),
    )


def window_start(end: date, days: int) -> date:
    return end - timedelta(days=days - 1)
