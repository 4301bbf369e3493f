"""Windows made of daily profiles: sums of counts, compared with the reference bin by bin, and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from services.kernel.health import Health
from services.monitoring import statistics
from services.monitoring.models import Distribution, DriftPoint, FeatureDrift
from services.monitoring.profile import SCORE, Counts, DayProfile, FeatureReference, Sums

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
class Window:
    """Cells and sums of the days in (end - days, end]."""

    end: date
    counts: Counts
    sums: Sums

    @property
    def n(self) -> int:
        return int(self.counts.sum())


def windows(profiles: Sequence[DayProfile], *, days: int, since: date) -> tuple[Window, ...]:
    """One window per recorded day from `since` on; profiles are of one feature, ordered by day."""
    if not profiles:
        return ()
    ordinals = np.array([profile.day.toordinal() for profile in profiles])
    counts = np.cumsum([np.zeros_like(profiles[0].counts), *(profile.counts for profile in profiles)], axis=0)
    sums = np.cumsum([np.zeros_like(profiles[0].sums), *(profile.sums for profile in profiles)], axis=0)
    first = np.searchsorted(ordinals, ordinals - days, side="right")
    return tuple(
        Window(
            end=profile.day,
            counts=counts[index + 1] - counts[first[index]],
            sums=sums[index + 1] - sums[first[index]],
        )
        for index, profile in enumerate(profiles)
        if profile.day >= since
    )


def point(reference: FeatureReference, bins: Bins, window: Window) -> DriftPoint | None:
    """PSI of one window with its noise floor, or None when the window or the reference is empty."""
    before, after = bins.fill(reference.counts), bins.fill(window.counts)
    value = statistics.psi(before, after)
    if value is None:
        return None
    floor = statistics.psi_floor(used_bins(before, after), window.n, reference.n)
    return DriftPoint(day=window.end, value=value, n=window.n, floor=floor)


def used_bins(before: Counts, after: Counts) -> int:
    return int(np.count_nonzero((before > 0) | (after > 0)))


def judge(latest: DriftPoint | None, bins: int, *, watch: float, breach: float) -> tuple[Health, str]:
    """State and sentence. Nothing is green, and nothing red, when the number of predictions is too small to say."""
    if latest is None:
        return Health.UNKNOWN, "No predictions were recorded in this window."
    figures = f"PSI {latest.value:.3f} over {latest.n:,} predictions (99 % noise floor {latest.floor:.3f})"
    too_few = _too_few(latest, bins, figures, watch)
    if too_few:
        return Health.UNKNOWN, too_few
    if latest.value >= breach:
        return Health.BREACH, f"{figures} is at or over the limit {breach:g}."
    if latest.value >= watch:
        return Health.WATCH, f"{figures} is at or over the warning level {watch:g}."
    return Health.HEALTHY, f"{figures} stays under the warning level {watch:g}."


def _too_few(latest: DriftPoint, bins: int, figures: str, watch: float) -> str:
    needed = statistics.MINIMUM_EXPECTED * bins
    if latest.n < needed:
        return f"Too few: {latest.n:,} predictions in {bins} bins; at least {needed:,} are needed."
    if watch <= latest.value <= latest.floor:
        return f"Too few to tell drift from noise: {figures}."
    if latest.value < watch <= latest.floor:
        return f"Too few to exclude drift: {figures}; noise alone can reach the limit {watch:g}."
    return ""


def feature_drift(
    reference: FeatureReference,
    profiles: Sequence[DayProfile],
    *,
    title: str,
    days: int,
    since: date,
    watch: float,
    breach: float,
) -> FeatureDrift:
    bins = bins_of(reference)
    found = windows(profiles, days=days, since=since)
    series = tuple(made for window in found if (made := point(reference, bins, window)) is not None)
    last = found[-1] if found and found[-1].n else None
    count = used_bins(bins.fill(reference.counts), bins.fill(last.counts)) if last else 0
    latest = series[-1] if last else None
    state, sentence = judge(latest, count, watch=watch, breach=breach)
    return FeatureDrift(
        feature=reference.feature,
        title=title,
        kind=_kind(reference),
        state=state,
        latest=latest,
        series=series,
        sentence=sentence + _mean_shift(reference, last),
        ks=_ks(reference, last),
        missing_reference=missing_share(reference, reference.counts),
        missing_current=missing_share(reference, last.counts) if last else None,
    )


def _kind(reference: FeatureReference) -> str:
    if reference.feature == SCORE:
        return "prediction"
    return "numeric" if reference.numeric else "categorical"


def _ks(reference: FeatureReference, window: Window | None) -> float | None:
    if not reference.numeric or window is None:
        return None
    return statistics.ks(reference.counts[: -reference.missing_cells], window.counts[: -reference.missing_cells])


def _mean_shift(reference: FeatureReference, window: Window | None) -> str:
    if not reference.numeric or window is None:
        return ""
    before, after = mean_of(reference, reference.counts, reference.sums), mean_of(reference, window.counts, window.sums)
    return "" if before is None or after is None else f" Mean {before:.4g} in the reference, {after:.4g} now."


def mean_of(reference: FeatureReference, counts: Counts, sums: Sums) -> float | None:
    """Mean of the present values; infinite ones count but add nothing, so it is a lower-tail answer for them."""
    present = int(counts[: -reference.missing_cells].sum())
    return float(sums.sum() / present) if present else None


def missing_share(reference: FeatureReference, counts: Counts) -> float | None:
    total = int(counts.sum())
    return float(counts[-reference.missing_cells :].sum() / total) if total else None


def distribution(reference: FeatureReference, window: Window | None) -> Distribution:
    """Shares per bin; an empty window has shares of zero and says so with `current_n`."""
    bins = bins_of(reference)
    before = bins.fill(reference.counts)
    after = bins.fill(window.counts) if window else np.zeros_like(before)
    shown = [
        index for index, name in enumerate(bins.names) if name not in {OTHER, MISSING} or before[index] + after[index]
    ]
    return Distribution(
        bins=tuple(bins.names[index] for index in shown),
        reference=tuple(float(before[index] / max(1, before.sum())) for index in shown),
        current=tuple(float(after[index] / max(1, after.sum())) for index in shown),
        reference_n=int(before.sum()),
        current_n=int(after.sum()),
    )


def window_start(end: date, days: int) -> date:
    return end - timedelta(days=days - 1)
