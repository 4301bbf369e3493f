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
from services.monitoring.profile import DayProfile, FeatureReference, alerting
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
    least: int = 0
    """Predictions a window needs before it is judged at all."""

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
    lost = slice(-reference.missing_cells, None)
    shifts = {
        Statistic.PSI: (distances.psi(was, new), floors.psi(used, size, base, level)),
        Statistic.JENSEN_SHANNON: (distances.jensen_shannon(was, new), floors.jensen_shannon(used, size, base, level)),
        Statistic.MISSING: _share_change(lost, before, now, level),
    }
    error = None
    if reference.numeric:
        numeric, error = _compared_cells(reference, before, now, level)
        shifts |= numeric
        if (above := alerting(reference)) is not None:
            shifts[Statistic.ALERTS] = _rate_change(above, reference, before, now, level)
    else:
        unlisted = slice(-1 - reference.missing_cells, -reference.missing_cells)
        change, floor = _share_change(unlisted, before, now, level)
        shifts[Statistic.UNSEEN] = np.maximum(change, 0.0), floor
    values = {statistic: value for statistic, (value, _) in shifts.items()}
    values[Statistic.MISSING] = np.abs(values[Statistic.MISSING])
    with np.errstate(invalid="ignore", divide="ignore"):
        missing = now.counts[:, lost].sum(axis=-1) / size
    return Course(
        days=now.ends,
        n=n,
        m=m,
        bins=used,
        values=values | {Statistic.CHI_SQUARED: distances.chi_squared(was, new)[0]},
        floors={statistic: floor for statistic, (_, floor) in shifts.items()},
        error=error,
        missing=missing,
        windows=now,
        before=_one_each(before, len(now.ends)),
    )


def _one_each(before: Windows, windows: int) -> Windows:
    """The same reference beside every window, without copying it."""
    shape = (windows, before.counts.shape[-1])
    return Windows(
        ends=before.ends, counts=np.broadcast_to(before.counts, shape), sums=np.broadcast_to(before.sums, shape)
    )


def _compared_cells(
    reference: FeatureReference, before: Windows, now: Windows, level: float
) -> tuple[dict[Statistic, tuple[Floats, Floats]], Floats]:
    """Kolmogorov-Smirnov and Wasserstein among the values that are present, and how far the first can be too low."""
    present = slice(0, reference.cells - reference.missing_cells)
    was, new = before.counts[:, present], now.counts[:, present]
    edges, spread = np.array(reference.edges), spread_of(reference)
    area = distances.wasserstein(was, before.sums[:, present], new, now.sums[:, present], edges=edges, spread=spread)
    n, m = new.sum(axis=-1).astype(np.float64), was.sum(axis=-1).astype(np.float64)
    counts = reference.counts[present]
    means = np.divide(reference.sums[present], counts, out=np.zeros(len(counts)), where=counts > 0)
    shifts = {
        Statistic.KS: (distances.ks(was, new), floors.ks(n, m, level)),
        Statistic.WASSERSTEIN: (area, floors.wasserstein(counts, means, spread, n=n, m=m, level=level)),
    }
    return shifts, distances.ks_error(was, new, single_values(edges))


def _share_change(part: slice, before: Windows, now: Windows, level: float) -> tuple[Floats, Floats]:
    """By how much the share of these cells grew, and by how much it can by chance."""
    was, new = before.counts[:, part].sum(axis=-1), now.counts[:, part].sum(axis=-1)
    m, n = before.n.astype(np.float64), now.n.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return new / n - was / m, floors.share_change(was, new, m, n, level)


def _rate_change(
    above: slice, reference: FeatureReference, before: Windows, now: Windows, level: float
) -> tuple[Floats, Floats]:
    """Relative change of the share of scores at or above the threshold, and what chance can do to it."""
    present = slice(0, reference.cells - reference.missing_cells)
    was, new = before.counts[:, above].sum(axis=-1), now.counts[:, above].sum(axis=-1)
    m, n = (side.counts[:, present].sum(axis=-1).astype(np.float64) for side in (before, now))
    with np.errstate(invalid="ignore", divide="ignore"):
        base = np.maximum(was, 0.5) / m
        return np.abs(new / n - was / m) / base, floors.share_change(was, new, m, n, level) / base


def alert_rates(reference: FeatureReference, windows: Windows) -> Floats | None:
    """Share of scores at or above the threshold in each window; NaN without a score, None where it is not countable."""
    above = alerting(reference)
    if above is None:
        return None
    present = windows.counts[:, : reference.cells - reference.missing_cells].sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(windows.counts[:, above].sum(axis=-1) / present, dtype=np.float64)


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


def statistics_for(column: FeatureReference) -> tuple[Statistic, ...]:
    """What can be said about this column at all, in the order of the definitions."""
    return tuple(key for key in DEFINITIONS if applies(key, column))


def applies(statistic: Statistic, column: FeatureReference) -> bool:
    if statistic is Statistic.ALERTS and alerting(column) is None:
        return False
    return DEFINITIONS[statistic].applies_to(numeric=column.numeric)
