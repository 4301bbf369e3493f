"""A small simulation of what the benchmark does at full size: intervals hold the truth about 95 times in a hundred."""

from __future__ import annotations

import pytest

from tests.benchmarks.interval_coverage import STUDIES, covered

REPEATS = 150
# Four standard errors of 95 % among so many repeats: an interval that forgets ties, pairs or bins misses more.
LEAST = 0.95 - 4 * (0.95 * 0.05 / REPEATS) ** 0.5


@pytest.mark.parametrize("title", STUDIES)
def test_intervals_hold_the_truth(title: str) -> None:
    shares = covered(STUDIES[title], repeats=REPEATS, rows=600, population=400_000)

    assert shares
    assert {name: share for name, share in shares.items() if share < LEAST} == {}
