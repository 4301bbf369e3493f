"""The distance of a handful of scores is chance: it holds nothing, and a person is not asked to sign it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.rollout.analysis.readings import judge_tests
from services.rollout.analysis.settings import Settings
from services.rollout.analysis.state import Evidence

LIVE = (40,) * 10
SETTINGS = Settings()


def scores_of(canary: tuple[int, ...]) -> tuple[bool, float | None, str]:
    evidence = replace(Evidence(), scores_canary=canary, scores_control=LIVE)
    evidence = replace(evidence, sums={**evidence.sums, "scores": (100.0,)}, steps={**evidence.steps, "scores": 1})
    (found,) = (item for item in judge_tests(evidence, kind="shadow", level=None, settings=SETTINGS)
                if item.metric == "scores")  # fmt: skip
    return found.crossing, found.value, found.fact


@pytest.mark.parametrize("n", [1, 15, 99])
def test_fewer_than_ten_scores_to_a_bin_have_no_distance(n: int) -> None:
    crossing, distance, fact = scores_of((n, *(0,) * 9))

    assert distance is None
    assert not crossing
    assert "not yet known" in fact


def test_enough_scores_that_lie_elsewhere_hold_the_release() -> None:
    crossing, distance, _ = scores_of((SETTINGS.score_least, *(0,) * 9))

    assert distance is not None
    assert distance > SETTINGS.score_psi
    assert crossing
