"""What a shadow run would have broken: said from numbers, and only where something was promised."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.inventory.models import ServiceLevel
from services.rollout.release_models import ShadowComparison
from services.rollout.shadow import JudgedShadow, would_breach

NOON = datetime(2031, 3, 31, 12, tzinfo=UTC)
LEVEL = ServiceLevel(p95_ms=200.0, error_rate=0.01, on_time_share=0.95)
GOOD = ShadowComparison(
    since=NOON - timedelta(days=3),
    until=NOON,
    days=3.0,
    records=5000,
    requests=5000,
    agreement=0.97,
    agreement_low=0.965,
    agreement_high=0.974,
    mean_difference=0.01,
    psi=0.02,
    live_p95_ms=80.0,
    candidate_p95_ms=90.0,
    live_errors=3,
    candidate_errors=4,
    would_breach=(),
    dropped=0,
)


def test_a_candidate_within_its_promises_breaks_none() -> None:
    assert would_breach(GOOD, LEVEL) == ()


def test_a_slow_candidate_is_named_with_both_latencies_and_the_promise() -> None:
    (sentence,) = would_breach(replace(GOOD, candidate_p95_ms=312.4, dropped=20), LEVEL)

    assert sentence == (
        "p95 312 ms over 5,020 copied requests, 20 of them dropped; promised 200 ms. The live version: 80 ms."
    )


def test_a_failing_candidate_is_named_with_its_rate_and_the_promise() -> None:
    (sentence,) = would_breach(replace(GOOD, candidate_errors=250), LEVEL)

    assert sentence == (
        "250 of 5,000 copied requests failed (5.00%); promised at most 1.00%. The live version failed on 3 of them."
    )


@pytest.mark.parametrize(
    "found",
    [
        replace(GOOD, requests=19, candidate_p95_ms=900.0, candidate_errors=0),
        replace(GOOD, requests=100, candidate_errors=2),
        replace(GOOD, requests=0, candidate_p95_ms=None, candidate_errors=0),
    ],
    ids=["too few for a quantile", "two failures may be chance", "nothing was copied"],
)
def test_little_evidence_breaks_no_promise(found: ShadowComparison) -> None:
    assert would_breach(found, LEVEL) == ()


def test_where_nothing_was_promised_nothing_is_broken() -> None:
    terrible = replace(GOOD, candidate_p95_ms=9000.0, candidate_errors=4000)

    assert would_breach(terrible, None) == ()
    assert len(would_breach(terrible, replace(LEVEL, p95_ms=None))) == 1


def test_the_comparison_comes_back_with_its_sentences() -> None:
    class Slow:
        def compare(self, _deployment: str, **_window: object) -> ShadowComparison:
            return replace(GOOD, candidate_p95_ms=900.0)

    judged = JudgedShadow(facts=Slow(), level_of={"m": LEVEL}.get)

    found = judged.compare("m", live="1", candidate="2", since=NOON, until=NOON, threshold=0.5, tolerance=None)

    assert len(found.would_breach) == 1
