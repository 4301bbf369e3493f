"""The plan follows tier, task, data, policy and what went wrong before; every choice says why."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.evaluation.harness.models import Incident, Mode, Plan, PlannedCheck
from services.evaluation.harness.planner import TITLES, Situation, plan


def a_situation(**changes: Any) -> Situation:
    values: dict[str, Any] = {
        "tier": 1,
        "task": "classification",
        "kind": "realtime",
        "mode": Mode.MODEL,
        "champion": "2",
        "has_times": True,
        "attributes": ("sex",),
        "claims": 8,
    }
    return Situation(**(values | changes))


def check(made: Plan, name: str) -> PlannedCheck:
    return next(item for item in made.checks if item.id == name)


def test_a_tier_1_classifier_with_everything_gets_every_check() -> None:
    assert not [item.id for item in plan(a_situation()).checks if item.skipped]


def test_a_forecast_has_no_calibration() -> None:
    assert check(plan(a_situation(task="regression")), "calibration").skipped


def test_tier_3_is_stressed_only_when_policy_or_past_ask_for_it() -> None:
    calm = a_situation(tier=3)
    assert check(plan(calm), "missing").skipped
    limited = check(plan(a_situation(tier=3, limited=frozenset({"robust_missing_drop"}))), "missing")
    demanded = check(plan(a_situation(tier=3, demanded=frozenset({"missing"}))), "missing")
    assert not limited.skipped
    assert not demanded.skipped
    incident = Incident(kind="rollback", code="DATA", version="2", words="version 2 was brought back (DATA).")
    after = check(plan(a_situation(tier=3, incidents=(incident,))), "missing")
    assert not after.skipped
    assert incident.words in after.reason


def test_a_rollback_for_slowness_doubles_the_requests_and_says_so() -> None:
    incident = Incident(kind="rollback", code="LATENCY", version="2", words="version 2 was brought back (LATENCY).")
    before, after = plan(a_situation()), plan(a_situation(incidents=(incident,)))
    assert after.latency_requests == 2 * before.latency_requests
    assert incident.words in check(after, "latency").reason


def test_columns_tagged_as_personal_divide_the_rows_even_without_logged_groups() -> None:
    assert check(plan(a_situation(attributes=())), "fairness").skipped
    by_tag = check(plan(a_situation(attributes=(), tagged=("female",))), "fairness")
    assert not by_tag.skipped
    assert "female" in by_tag.reason


def test_what_was_refused_before_is_named() -> None:
    made = plan(a_situation(earlier=("version 5: calibration-error",)))
    assert "version 5: calibration-error" in check(made, "performance").reason


@given(
    st.builds(
        Situation,
        tier=st.sampled_from([1, 2, 3]),
        task=st.sampled_from(["classification", "regression"]),
        kind=st.sampled_from(["realtime", "batch", "vendor"]),
        mode=st.sampled_from(Mode),
        champion=st.none() | st.just("2"),
        has_times=st.booleans(),
        attributes=st.just(()) | st.just(("sex",)),
        claims=st.integers(0, 3),
    )
)
def test_every_situation_gets_every_check_once_with_a_reason(situation: Situation) -> None:
    made = plan(situation)
    assert [item.id for item in made.checks] == list(TITLES)
    assert all(item.reason for item in made.checks)
    assert made == plan(situation)
    if situation.mode is Mode.METRICS:
        measured = {item.id for item in made.checks if not item.skipped}
        assert measured <= {"files", "claims", "investigation"}
