"""Incidents of the story, acted out against the real services: each ends as its words say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from services.container import ControlRoom
from services.incidents.models import IncidentQuery, IncidentState
from services.kernel.clock import FrozenClock
from services.workspace import troubles
from services.workspace.cast import BEN, SAM, Cast
from tests.builders import MODEL, a_world


def test_a_rollback_ends_the_impact_and_the_post_mortem_is_signed(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    room: Any = SimpleNamespace(people=world.people, incidents=world.incidents, rollout=world.rollout)
    acting = Cast(
        room=cast(ControlRoom, room), clock=clock, settle=world.runner.run_pending, measure=lambda _model: None
    )
    world.release("1")
    world.release("2")

    def later(**delta: float) -> None:
        clock.set(clock.now() + timedelta(**delta))

    troubles.report(acting, BEN, replace(troubles.FEED, model=MODEL, version="2"))
    later(minutes=9)
    troubles.take_up(acting, MODEL)
    later(minutes=41)
    world.rollout.roll_back(world.a_rollback("1", reason_code="DATA"), actor=world.actor(SAM))
    later(minutes=2)
    troubles.link_newest_change(acting, MODEL)
    later(days=2)
    troubles.learn(acting, MODEL, troubles.FEED_LEARNED)

    (found,) = world.incidents.find(IncidentQuery()).items
    view = world.incidents.view(found.incident_id, actor=world.actor(SAM))
    assert found.state is IncidentState.CLOSED
    assert view.time_to_detect == timedelta(hours=26)
    assert view.time_to_restore == timedelta(hours=26, minutes=50)
    assert found.post_mortem.follow_ups[0].due is not None


def test_an_impact_without_a_change_of_traffic_ends_by_word(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    room: Any = SimpleNamespace(people=world.people, incidents=world.incidents, rollout=world.rollout)
    acting = Cast(room=cast(ControlRoom, room), clock=clock, settle=lambda: None, measure=lambda _model: None)
    troubles.report(acting, SAM, troubles.SLOW_HOST)
    troubles.take_up(acting, MODEL)
    clock.set(clock.now() + timedelta(hours=9))
    troubles.is_over(acting, MODEL, "The disturbance ended; answers are within the promise.")
    troubles.learn(acting, MODEL, troubles.SLOW_HOST_LEARNED)

    (found,) = world.incidents.past(MODEL)
    assert found.state is IncidentState.CLOSED
