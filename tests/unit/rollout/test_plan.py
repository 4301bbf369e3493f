"""Traffic arithmetic: every plan hypothesis can think of keeps the invariants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import IllegalTransitionError, InputError
from services.rollout import plan
from services.rollout.models import Deployment, ServedVersion
from tests.builders import NOON

plans = st.lists(st.integers(1, 99), max_size=5, unique=True).map(lambda shares: (*sorted(shares), 100))


def a_deployment(**changes: object) -> Deployment:
    values: dict[str, object] = {
        "model": "m",
        "deployment": "m",
        "kind": "realtime",
        "desired": (("1", 90), ("2", 10)),
        "champion": "1",
        "candidate": "2",
        "base": "1",
        "plan": (10, 100),
    }
    return Deployment(**(values | changes))  # type: ignore[arg-type]


@given(plans)
def test_walking_a_plan_ends_at_everything_and_every_step_sums_to_one_hundred(shares: tuple[int, ...]) -> None:
    current, steps = 0, []
    while (following := plan.next_share(shares, current)) is not None:
        routes = plan.routes_for(base="1", candidate="2", share=following)
        assert sum(share for _, share in routes) == 100
        assert {version for version, _ in routes} <= {"1", "2"}
        current = following
        steps.append(following)
    assert tuple(steps) == shares
    assert current == 100


@given(st.lists(st.tuples(st.sampled_from("123"), st.integers(-10, 110)), max_size=4).map(tuple))
def test_only_whole_percents_that_sum_to_one_hundred_are_routes(routes: plan.Routes) -> None:
    good = (
        0 < len(routes) <= 2
        and len({version for version, _ in routes}) == len(routes)
        and all(share >= 1 for _, share in routes)
        and sum(share for _, share in routes) == 100
    )
    if good:
        assert plan.require_valid(routes) == routes
    else:
        with pytest.raises(InputError):
            plan.require_valid(routes)


def test_a_first_release_gets_everything_because_there_is_nothing_to_split_with() -> None:
    assert plan.routes_for(base=None, candidate="1", share=10) == (("1", 100),)


def test_a_step_of_the_plan_cannot_be_skipped() -> None:
    running = a_deployment(plan=(10, 50, 100))
    with pytest.raises(IllegalTransitionError):
        plan.require_next(running, 100)
    assert plan.require_next(running, 50) == (("1", 50), ("2", 50))


def served(version: str, day: int, manifest: str = "aa") -> ServedVersion:
    return ServedVersion(
        version=version,
        last_served=NOON.replace(day=day),
        still_serving=False,
        manifest_sha256=manifest,
        request_id="req-1",
        decisions=((1, "l"),),
    )


def test_the_proposed_target_is_the_last_version_both_approved_and_served_not_the_number_before() -> None:
    row = a_deployment(desired=(("4", 100),), champion="4", candidate=None, base=None, plan=())
    targets = plan.rollback_targets(
        versions=["1", "2", "3", "4", "5"],
        served=[served("1", 2), served("2", 9), served("4", 10)],
        deployment=row,
        approved=["1", "2", "3", "4"],
        revoked=[],
        manifests={"1": "aa", "2": "aa", "4": "aa"},
    )
    assert targets[0].version == "2"
    assert {target.version: target.reason for target in targets if not target.eligible} == {
        "4": "serving now",
        "3": "approved, never served",
        "5": "never approved",
    }


def test_changed_files_and_a_revoked_approval_are_no_targets() -> None:
    row = a_deployment(desired=(("4", 100),), champion="4", candidate=None, base=None, plan=())
    targets = plan.rollback_targets(
        versions=["1", "2", "4"],
        served=[served("1", 2, "old"), served("2", 9)],
        deployment=row,
        approved=["1", "2"],
        revoked=["2"],
        manifests={"1": "new", "2": "aa"},
    )
    assert not any(target.eligible for target in targets)


def test_a_running_release_goes_back_to_its_recorded_base() -> None:
    targets = plan.rollback_targets(
        versions=["0", "1", "2"],
        served=[served("0", 30), served("1", 9), served("2", 31)],
        deployment=a_deployment(),
        approved=["0", "1", "2"],
        revoked=[],
        manifests={},
    )
    assert targets[0].version == "1"


def test_a_version_that_was_deleted_is_no_target() -> None:
    targets = plan.rollback_targets(
        versions=["4"],
        served=[served("1", 2), served("4", 9)],
        deployment=a_deployment(desired=(("4", 100),), champion="4", candidate=None, base=None, plan=()),
        approved=["1", "4"],
        revoked=[],
        manifests={},
    )
    assert {target.version: target.reason for target in targets} == {"4": "serving now", "1": "deleted in the registry"}
