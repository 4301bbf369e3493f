"""Figures of the last minutes: counts add up, and what is older than the window is gone."""

from __future__ import annotations

import numpy as np
import pytest

from services.adapters.local.gateway.counts import WINDOW_SECONDS, Traffic

KEY = ("score", "1", "live")


class Watch:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_without_requests_there_is_no_latency() -> None:
    recent = Traffic(Watch()).recent(KEY)

    assert (recent.requests, recent.errors, recent.p50_ms, recent.p95_ms) == (0, 0, None, None)


def test_quantiles_are_those_of_all_answers_of_the_window() -> None:
    watch = Watch()
    traffic = Traffic(watch)
    milliseconds = np.random.default_rng(2).lognormal(3, 1, 500)
    for ms in milliseconds:
        watch.seconds += 0.5
        traffic.note(KEY, ms=float(ms), failed=False)

    recent = traffic.recent(KEY)

    assert recent.requests == 500
    assert recent.p95_ms == pytest.approx(np.quantile(milliseconds, 0.95, method="inverted_cdf"), rel=0.021)


def test_failed_requests_count_and_have_no_latency() -> None:
    traffic = Traffic(Watch())
    traffic.note(KEY, ms=5000.0, failed=True)
    traffic.note(KEY, ms=10.0, failed=False)

    recent = traffic.recent(KEY)

    assert (recent.requests, recent.errors) == (2, 1)
    assert recent.p95_ms == pytest.approx(10.0, rel=0.021)


def test_what_is_older_than_the_window_is_gone_and_totals_stay() -> None:
    watch = Watch()
    traffic = Traffic(watch)
    traffic.note(KEY, ms=10.0, failed=True)
    watch.seconds += WINDOW_SECONDS + 10
    traffic.note(KEY, ms=10.0, failed=False)

    assert (traffic.recent(KEY).requests, traffic.recent(KEY).errors) == (1, 0)
    assert (traffic.requests[KEY], traffic.errors[KEY]) == (2, 1)


def test_a_pause_longer_than_the_window_leaves_nothing_behind() -> None:
    watch = Watch()
    traffic = Traffic(watch)
    traffic.note(KEY, ms=10.0, failed=False)
    watch.seconds += 10 * WINDOW_SECONDS

    assert traffic.recent(KEY).requests == 0
    assert traffic.recent(KEY).seconds == WINDOW_SECONDS
