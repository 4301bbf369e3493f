"""A version is watched before it answers anybody: each line is computed, and what is unknown lets nothing through."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from services.inventory.models import ServiceLevel
from services.kernel.health import Health
from services.rollout.armed import ArmedFacts, checks
from services.rollout.models import Basis
from services.rollout.release_models import Check
from services.rollout.signed_plan import SignedPlan
from tests.builders import MODEL, NOON
from tests.unit.rollout.watching import ERRORS

PLAN = SignedPlan(
    request=Basis(request_id="req-1", request_sha256="", request_seq=4, policy_sha256="", decisions=()),
    version="2",
    to="1",
    sha256="1" * 64,
    rules=(ERRORS,),
    machine="key-1",
    signers=("Clara Whitfield",),
)


def facts(**changes: Any) -> ArmedFacts:
    values: dict[str, Any] = {
        "model": MODEL,
        "version": "2",
        "realtime": True,
        "level": ServiceLevel(p95_ms=150.0, error_rate=0.01),
        "watermark": NOON - timedelta(seconds=10),
        "telemetry_problem": "",
        "telemetry_within": timedelta(seconds=45),
        "score_reference": True,
        "scores_until": date(2030, 1, 30),
        "watcher_at": NOON - timedelta(seconds=8),
        "plan": PLAN,
        "plan_is_signed_for": True,
        "machine": "key-1",
        "rolled_back_at": None,
    }
    return ArmedFacts(**(values | changes))


def failing(**changes: Any) -> list[Check]:
    return [item for item in checks(facts(**changes), NOON) if item.state is not Health.HEALTHY]


def test_a_watched_version_has_every_line_in_order() -> None:
    assert failing() == []


@pytest.mark.parametrize(
    ("changes", "line", "says"),
    [
        ({"level": None}, "service-level", "nothing could be called a breach"),
        ({"level": ServiceLevel(p95_ms=None, error_rate=0.01)}, "service-level", "latency and errors"),
        ({"watermark": None}, "telemetry", "No request was ever recorded"),
        ({"watermark": NOON - timedelta(seconds=46)}, "telemetry", "46 seconds ago"),
        ({"score_reference": False}, "score-monitor", "no reference"),
        ({"scores_until": None}, "score-monitor", "has not delivered"),
        ({"scores_until": date(2030, 1, 28)}, "score-monitor", "2030-01-28"),
        ({"monitor": "No monitor is saved for this model."}, "score-monitor", "No monitor is saved"),
        ({"watcher_at": None}, "watcher", "python -m services worker"),
        ({"watcher_at": NOON - timedelta(seconds=61)}, "watcher", "61 seconds ago"),
        ({"plan": None}, "rollback-plan", "cannot be verified"),
        ({"machine": "key-2"}, "rollback-plan", "another key"),
        ({"rolled_back_at": NOON - timedelta(minutes=29)}, "cool-down", "wait until 12:01 UTC"),
        ({"quarantined": "Version 2 was rolled back under this approval."}, "cool-down", "under this approval"),
    ],
)
def test_each_thing_that_is_missing_is_its_own_line(changes: dict[str, Any], line: str, says: str) -> None:
    found = failing(**changes)
    assert [item.id for item in found] == [line]
    assert says in found[0].sentence


def test_figures_that_are_made_anew_are_no_monitor_that_is_gone_and_let_nothing_through() -> None:
    """Predictions are read up to yesterday, their comparison is being made: after an upgrade, or a new reference."""
    for until, words in ((None, "no day is ready yet"), (date(2029, 12, 1), "they reach 2029-12-01")):
        [found] = failing(scores_until=until, recorded_until=date(2030, 1, 30), making_since=NOON)
        assert (found.id, found.state, found.in_the_making) == ("score-monitor", Health.UNKNOWN, True)
        assert found.sentence.endswith(f"made anew, since 2030-01-31 12:00 UTC: {words}.")


def test_a_monitor_that_stopped_reading_predictions_makes_nothing() -> None:
    [found] = failing(scores_until=date(2030, 1, 27), recorded_until=date(2030, 1, 28))
    assert (found.state, found.in_the_making) == (Health.BREACH, False)
    [hindered] = failing(scores_until=None, recorded_until=date(2030, 1, 30), monitor="No monitor is saved.")
    assert (hindered.state, hindered.in_the_making) == (Health.BREACH, False)


def test_telemetry_that_could_not_be_read_is_unknown_and_not_fresh() -> None:
    found = failing(watermark=None, telemetry_problem="The inference log cannot be read.")
    assert [(item.id, item.state) for item in found] == [("telemetry", Health.UNKNOWN)]


def test_without_anything_to_go_back_to_no_plan_is_asked_for() -> None:
    assert failing(plan=None, plan_is_signed_for=False) == []


def test_a_batch_model_is_asked_for_its_promise_and_the_watcher_alone() -> None:
    found = checks(facts(realtime=False, level=ServiceLevel(p95_ms=None, error_rate=0.02)), NOON)
    assert [(item.id, item.state) for item in found] == [
        ("service-level", Health.HEALTHY),
        ("watcher", Health.HEALTHY),
        ("cool-down", Health.HEALTHY),
    ]


def test_the_cool_down_ends_after_half_an_hour_and_a_clock_set_back_starts_none() -> None:
    assert failing(rolled_back_at=NOON - timedelta(minutes=30)) == []
    assert failing(rolled_back_at=NOON + timedelta(days=1)) == []
