"""Every statistic of one column for every window at once, each with what chance alone would reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from services.monitoring import distances, floors
from services.monitoring.definitions import DEFINITIONS, Statistic, Versus
from services.monitoring.distances import Floats, Ints
from services.monitoring.profile import DayProfile, FeatureReference
from services.monitoring.windows import Bins, Windows, bins_of, stacked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """Arrays with one entry per window. `bins` are those in use; `error` is how far KS can be too low."""

    days: tuple[date, ...]
    n: Ints
    m: Ints
    bins: Ints
    values: Mapping[Statistic, Floats]
    floors: Mapping[Statistic, Floats]
    error: Floats | None
    missing: Floats
    """Share of missing values of each window."""
    windows: Windows
    before: Windows

    def __len__(self) -> int:
        return len(self.days)


def course(
    reference: FeatureReference,
    profiles: Sequence[DayProfile],
    *,
    days: int,
    since: date,
    level: float,
    versus: Versus = Versus.REFERENCE,
) -> Course:
    """Profiles are of one column and slice, ordered by day, from `since` minus two windows on."""
    cells = reference.cells
    now = stacked(profiles, cells, days=days, since=since)
    if versus is Versus.PREVIOUS:
        before = stacked(profiles, cells, days=days, since=since, back=timedelta(days=days))
    else:
        before = Windows(ends=now.ends, counts=reference.counts[None, :], sums=reference.sums[None, :])
    return _compared(reference, bins_of(reference), before, now, level)


def _compared(reference: FeatureReference, bins: Bins, before: Windows, now: Windows, level: float) -> Course:
    was, new = bins.fill_all(before.counts), bins.fill_all(now.counts)
    n, m = now.n, np.broadcast_to(before.n, now.n.shape)
    used = np.count_nonzero((was > 0) | (new > 0), axis=-1)
    size, base = n.astype(np.float64), m.astype(np.float64)
    values = {Statistic.PSI: distances.psi(was, new), Statistic.JENSEN_SHANNON: distances.jensen_shannon(was, new)}
    noise = {
        Statistic.PSI: floors.psi(used, size, base, level),
        Statistic.JENSEN_SHANNON: floors.jensen_shannon(used, size, base, level),
    }
    values[Statistic.CHI_SQUARED] = distances.chi_squared(was, new)[0]
    _compare_share(Statistic.MISSING, reference.missing_cells, 0, before, now, level, values, noise)
    error = None
    if reference.numeric:
        error = _compare_cells(reference, before, now, level, values, noise)
    else:
        _compare_share(Statistic.UNSEEN, 1 + reference.missing_cells, reference.missing_cells, before, now, level,
                       values, noise)  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):
        missing = now.counts[:, -reference.missing_cells :].sum(axis=-1) / size
    return Course(
        missing=missing, days=now.ends, n=n, m=m, bins=used, values=values, floors=noise, error=error, windows=now,
        before=_one_each(before, len(now.ends)),
    )  # fmt: skip


def _one_each(before: Windows, windows: int) -> Windows:
    """The same reference beside every window, without copying it."""
    shape = (windows, before.counts.shape[-1])
    return Windows(
        ends=before.ends, counts=np.broadcast_to(before.counts, shape), sums=np.broadcast_to(before.sums, shape)
    )


def _compare_cells(
    reference: FeatureReference,
    before: Windows,
    now: Windows,
    level: float,
    values: dict[Statistic, Floats],
    noise: dict[Statistic, Floats],
) -> Floats:
    """Kolmogorov-Smirnov and Wasserstein among the values that are present."""
    present = slice(0, reference.cells - reference.missing_cells)
    was, new = before.counts[:, present], now.counts[:, present]
    edges, spread = np.array(reference.edges), spread_of(reference)
    values[Statistic.KS] = distances.ks(was, new)
    values[Statistic.WASSERSTEIN] = distances.wasserstein(
        was, before.sums[:, present], new, now.sums[:, present], edges, spread
    )
    n, m = new.sum(axis=-1).astype(np.float64), was.sum(axis=-1).astype(np.float64)
    counts = reference.counts[present]
    means = np.divide(reference.sums[present], counts, out=np.zeros(len(counts)), where=counts > 0)
    noise[Statistic.KS] = floors.ks(n, m, level)
    noise[Statistic.WASSERSTEIN] = floors.wasserstein(counts, means, spread, n, m, level)
    return distances.ks_error(was, new, single_values(edges))


def _compare_share(
    statistic: Statistic,
    first: int,
    after: int,
    before: Windows,
    now: Windows,
    level: float,
    values: dict[Statistic, Floats],
    noise: dict[Statistic, Floats],
) -> None:
    """Share of the cells from `first` to `after`, both counted from the end."""
    part = slice(-first, -after or None)
    was, new = before.counts[:, part].sum(axis=-1), now.counts[:, part].sum(axis=-1)
    m, n = before.n.astype(np.float64), now.n.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = new / n - was / m
    values[statistic] = np.abs(change) if statistic is Statistic.MISSING else np.maximum(change, 0.0)
    noise[statistic] = floors.share_change(was, new, m, n, level)


def single_values(edges: Floats) -> np.ndarray:
    """Which cells hold exactly one value: those between neighbouring floating-point numbers."""
    inner = np.nextafter(edges[:-1], np.inf) >= edges[1:]
    return np.array([False, *inner, False])


def spread_of(reference: FeatureReference) -> float:
    """Standard deviation of the present values; worked out from the cells where it was not measured on the rows."""
    if reference.spread is not None:
        return reference.spread
    present = slice(0, reference.cells - reference.missing_cells)
    counts, sums = reference.counts[present], reference.sums[present]
    total = counts.sum()
    if not total or not reference.numeric:
        return 0.0
    means = np.divide(sums, counts, out=np.zeros(len(counts)), where=counts > 0)
    widths = np.diff(np.array(reference.edges), prepend=reference.edges[0])
    within = float((counts[: len(widths)] * widths**2).sum()) / 12
    between = float((counts * (means - sums.sum() / total) ** 2).sum())
    return math.sqrt((within + between) / total)


def statistics_for(*, numeric: bool) -> tuple[Statistic, ...]:
    return tuple(key for key, definition in DEFINITIONS.items() if definition.applies_to(numeric=numeric))
