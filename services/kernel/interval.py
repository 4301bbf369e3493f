"""A measured value with its 95 % interval. A share from few observations is wide, and says so."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    value: float
    low: float
    high: float


def share_of(hits: int, n: int) -> Estimate | None:
    """A share with its interval after Wilson (1927), honest near 0 and 1; None without observations."""
    if not n:
        return None
    share, z2 = hits / n, Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Estimate(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))
