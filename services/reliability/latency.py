"""Latency in logarithmic buckets: counts add up over slots and versions, and every quantile is within 2 %.

Bucket i holds latencies in (GAMMA^(i-1), GAMMA^i] milliseconds. Averages of quantiles are never made: a day's p99
is not the mean of its hours' p99s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import ceil, log

ACCURACY = 0.02
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
FASTEST_MS = 0.001


def bucket_of(milliseconds: float) -> int:
    return ceil(log(max(milliseconds, FASTEST_MS)) / log(GAMMA))


def merged(groups: Iterable[Sequence[tuple[int, int]]]) -> tuple[tuple[int, int], ...]:
    total: Counter[int] = Counter()
    for group in groups:
        for bucket, n in group:
            total[bucket] += n
    return tuple(sorted(total.items()))


def quantile(buckets: Sequence[tuple[int, int]], share: float) -> float | None:
    """Milliseconds that `share` of the requests did not exceed, within 2 %; None without requests."""
    ordered = sorted(buckets)
    n = sum(count for _, count in ordered)
    if not n:
        return None
    reached = accumulate(count for _, count in ordered)
    bucket = next(bucket for (bucket, _), seen in zip(ordered, reached, strict=True) if seen >= ceil(share * n))
    return float(2 * GAMMA**bucket / (GAMMA + 1))
