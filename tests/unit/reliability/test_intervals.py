"""The interval of a p95 that is read off buckets holds the true one as often as it says."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import binomtest, lognorm

from services.reliability.latency import bucket_of
from services.reliability.models import RequestSlot
from services.reliability.promise import errors_interval, latency_interval

NOW = datetime(2031, 3, 31, 12, tzinfo=UTC)


def slot(milliseconds: list[float], failed: int = 0) -> RequestSlot:
    buckets = tuple(sorted(Counter(map(bucket_of, milliseconds)).items()))
    return RequestSlot(
        start=NOW, version="1", requests=len(milliseconds) + failed, errors=failed, injected=0, buckets=buckets
    )


@pytest.mark.parametrize("n", [100, 1_000])
def test_the_interval_of_p95_covers_the_true_one_in_about_nineteen_of_twenty_draws(n: int) -> None:
    made = np.random.default_rng(3)
    true, draws, inside = float(lognorm.ppf(0.95, 0.6, scale=40)), 400, 0
    for _ in range(draws):
        found = latency_interval([slot(list(made.lognormal(np.log(40), 0.6, n)))])
        assert found is not None
        assert found.low <= found.value <= found.high
        inside += found.low * 0.98 <= true <= found.high * 1.02  # a bucket is 2 % wide
    assert 0.92 <= inside / draws <= 1.0


def test_slots_are_added_up_before_and_few_requests_have_no_interval() -> None:
    values = [float(n) for n in range(1, 201)]
    assert latency_interval([slot(values)]) == latency_interval([slot(values[::2]), slot(values[1::2])])
    assert latency_interval([slot(values[:19])]) is None
    assert latency_interval([]) is None


def test_the_share_that_failed_has_the_interval_after_wilson() -> None:
    found = errors_interval([slot([1.0] * 9_960, failed=40)])
    assert found is not None
    share = binomtest(40, 10_000).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((share.low, share.high))
    assert errors_interval([]) is None
