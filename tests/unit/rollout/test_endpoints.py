"""Endpoints as they really are: what cannot be read is shown as last known, with its age, never as gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from services.rollout.endpoint_models import EndpointView
from services.rollout.endpoints import EndpointService, PlainSight
from services.rollout.last_good import good_versions
from services.rollout.models import Action, ActionKind, ActionState, Deployment, Observed
from tests.fakes.serving import FakeServing

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


class Records:
    """Deployments and actions as a unit of work gives them."""

    def __init__(self, *rows: Deployment) -> None:
        self.rows = rows
        self.done: tuple[Any, ...] = ()

    @contextmanager
    def read(self) -> Iterator[Any]:
        yield SimpleNamespace(
            rollouts=SimpleNamespace(deployments=lambda: self.rows, actions=lambda _model, _limit: self.done)
        )

    write = read


@pytest.fixture
def serving() -> FakeServing:
    serving = FakeServing("score", "stranger")
    for version in ("3", "4"):
        serving.ensure_ready("score", version, op="load")
    serving.set_routes("score", (("3", 90), ("4", 10)), expect_generation=0, op="act-1")
    return serving


@pytest.fixture
def records() -> Records:
    return Records(
        Deployment(model="score", deployment="score", kind="realtime", desired=(("3", 90), ("4", 10)), champion="3")
    )


def a_service(records: Records, serving: FakeServing) -> EndpointService:
    return EndpointService(units=records, sight=PlainSight(serving), serving=serving)


def the(service: EndpointService, deployment: str = "score") -> EndpointView:
    return next(view for view in service.list() if view.deployment == deployment)


def test_a_view_is_what_the_platform_said_just_now(records: Records, serving: FakeServing) -> None:
    view = the(a_service(records, serving))

    assert (view.mode, view.routes, view.generation, view.problem) == ("live", (("3", 90), ("4", 10)), 1, "")
    assert [(item.version, item.role, item.share, item.state) for item in view.versions] == [
        ("3", "live", 90, "ready"),
        ("4", "live", 10, "ready"),
    ]
    assert view.read_at == NOON
    assert view.mirror_kind == "live"
    assert not view.differs


def test_figures_that_a_platform_does_not_give_are_unknown_not_zero(records: Records, serving: FakeServing) -> None:
    view = the(a_service(records, serving))

    assert (view.requests_per_minute, view.errors, view.copies) == (None, None, None)


def test_what_serves_is_compared_with_what_was_asked_for(records: Records, serving: FakeServing) -> None:
    serving.set_routes("score", (("3", 100),), expect_generation=1, op="by-hand")

    view = the(a_service(records, serving))

    assert view.differs
    assert (view.desired, view.routes) == ((("3", 90), ("4", 10)), (("3", 100),))
    assert view.last_op_words == "not an action of Countersign, or an old one"


def test_the_last_operation_is_named_when_it_was_ours(records: Records, serving: FakeServing) -> None:
    records.done = (SimpleNamespace(action_id="act-1", kind=ActionKind.ADVANCE, to_version="4"),)

    assert the(a_service(records, serving)).last_op_words == "advance of version 4"


def test_a_platform_that_went_away_is_shown_as_last_read(records: Records, serving: FakeServing) -> None:
    service = a_service(records, serving)
    service.list()
    serving.away = True

    view = the(service)

    assert "not reachable" in view.problem
    assert view.routes == (("3", 90), ("4", 10))
    assert view.read_at == NOON
    assert view.mirror_kind == ""


def test_a_platform_that_was_never_read_here_is_shown_as_the_worker_read_it(
    records: Records, serving: FakeServing
) -> None:
    earlier = NOON - timedelta(minutes=4)
    observed = Observed(deployment="score", generation=7, routes=(("3", 100),), ready=("3",), op="x", at=earlier)
    records.rows = (replace(records.rows[0], observed=observed, observed_at=earlier),)
    serving.away = True

    view = the(a_service(records, serving))

    assert view.problem
    assert (view.generation, view.routes, view.read_at) == (7, (("3", 100),), earlier)


def test_nothing_ever_read_has_no_time(records: Records, serving: FakeServing) -> None:
    serving.away = True

    view = the(a_service(records, serving))

    assert (view.read_at, view.generation, view.versions) == (None, None, ())


def test_a_deployment_the_platform_does_not_have_is_said(records: Records, serving: FakeServing) -> None:
    records.rows = (*records.rows, Deployment(model="lost", deployment="lost", kind="batch"))

    assert "no such deployment" in the(a_service(records, serving), "lost").problem


def test_a_deployment_that_no_model_has_is_listed_last(records: Records, serving: FakeServing) -> None:
    views = a_service(records, serving).list()

    assert [(view.deployment, view.model) for view in views] == [("score", "score"), ("stranger", "")]


def test_copies_are_shown_with_the_version_that_gets_them(records: Records, serving: FakeServing) -> None:
    serving.ensure_ready("score", "5", op="load")
    serving.set_mirror("score", "5", 100, expect_generation=1, op="shadow")

    view = the(a_service(records, serving))

    assert view.mirror == ("5", 100)
    assert next(item for item in view.versions if item.version == "5").role == "mirror"


# Which scores are good


def an_action(kind: ActionKind, *, from_version: str | None, to: str, state: ActionState = ActionState.APPLIED) -> Any:
    return SimpleNamespace(kind=kind, state=state, from_version=from_version, routes=((to, 100),))


def good(*newest_first: Any) -> tuple[str, ...]:
    actions: tuple[Action, ...] = newest_first
    return good_versions(("1", "2", "3"), ("3",), actions)


def test_approved_versions_are_good_and_revoked_ones_are_not() -> None:
    assert good() == ("1", "2")


def test_a_version_that_was_taken_back_gave_no_good_scores() -> None:
    assert good(an_action(ActionKind.ROLLBACK, from_version="2", to="1")) == ("1",)


def test_a_rollback_that_was_not_carried_out_took_nothing_back() -> None:
    assert good(an_action(ActionKind.ROLLBACK, from_version="2", to="1", state=ActionState.FAILED)) == ("1", "2")


def test_a_version_that_serves_again_is_good_again() -> None:
    back = an_action(ActionKind.ROLLBACK, from_version="2", to="1")

    assert good(an_action(ActionKind.START, from_version="1", to="2"), back) == ("1", "2")
