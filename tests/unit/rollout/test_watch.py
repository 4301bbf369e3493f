"""The watcher on a real ledger, a real plan and a real outbox; only what it measures is made up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.kernel.identity import MACHINE_NAME
from services.ledger.verify import verify_log
from services.rollout.models import ActionState
from services.rollout.release_models import Hold, ReleaseState
from tests.builders import MODEL
from tests.unit.rollout.watched import Watched, a_watched, with_watcher


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = a_watched(tmp_path)
    yield made
    made.world.database.dispose()


def test_a_healthy_canary_is_looked_at_and_left_where_it_is(watched: Watched) -> None:
    watched.serve(10)
    assert watched.watcher.run() == 1
    assert watched.routes == {"1": 90, "2": 10}
    with watched.world.units.read() as unit:
        look = unit.releases.analysis(watched.release.release_id)
    assert look is not None
    assert look.watermark == watched.now


def test_a_breach_is_rolled_back_in_the_same_look_with_rule_value_and_incident(watched: Watched) -> None:
    watched.serve(3)
    watched.watcher.run()
    began = watched.now
    watched.serve(3, failing=0.5)
    watched.watcher.run()
    assert watched.routes == {"1": 100}
    assert watched.release.state is ReleaseState.ROLLED_BACK
    assert watched.release.latched
    [incident] = watched.open_incidents()
    assert incident.times.impact_start == began
    assert incident.times.detected == watched.now
    assert incident.times.mitigated is not None, "the switch was verified in the same look"
    action = watched.world.rollout.actions(MODEL)[0]
    assert (action.state, action.requested_by) == (ActionState.APPLIED, MACHINE_NAME)
    assert incident.actions == (action.action_id,)


def test_what_the_machine_did_verifies_in_the_ledger(watched: Watched) -> None:
    watched.serve(5, failing=0.5)
    watched.watcher.run()
    assert watched.routes == {"1": 100}
    book = watched.world.book
    report = verify_log(book.entries(), checkpoints=book.checkpoints(), anchors=())
    assert [item.sentence for item in report.problems if item.severity in {"integrity", "void", "finding"}] == []


def test_flapping_is_one_rollback_and_nothing_moves_forward_again(watched: Watched) -> None:
    """Row 31: bad, good, bad."""
    watched.serve(5, failing=0.5)
    watched.watcher.run()
    for failing in (0.0, 0.5, 0.0):
        watched.serve(3, failing=failing)
        watched.watcher.run()
    assert watched.rollbacks() == [ActionState.APPLIED]
    assert watched.routes == {"1": 100}
    assert watched.world.entries("event:automatic-rollback-refused") == 0


def test_an_outage_of_both_versions_holds_the_release_and_calls_people(watched: Watched) -> None:
    watched.serve(5, failing=0.5, base_failing=0.5)
    watched.watcher.run()
    assert watched.routes == {"1": 90, "2": 10}
    assert watched.release.state is ReleaseState.PAUSED
    assert [(item.severity, item.key.rpartition(":")[2]) for item in watched.open_incidents()] == [(1, "impaired")]


def test_telemetry_that_stops_holds_after_two_minutes_and_drains_after_ten(watched: Watched) -> None:
    """Row 24."""
    watched.serve(5)
    watched.watch(1.5)
    assert watched.release.state is ReleaseState.CANARY
    watched.watch(2)
    assert (watched.release.state, watched.release.hold) == (ReleaseState.PAUSED, Hold.NO_DATA)
    assert watched.routes == {"1": 90, "2": 10}
    watched.watch(8)
    assert watched.routes == {"1": 100}
    assert watched.release.state is ReleaseState.ROLLED_BACK
    assert len([item for item in watched.open_incidents() if "no-data" in item.key]) == 1


def test_telemetry_that_cannot_be_read_is_silence_and_not_health(watched: Watched) -> None:
    watched.serve(5)
    watched.watcher.run()
    watched.telemetry.away = True
    watched.watch(4)
    assert (watched.release.state, watched.release.hold) == (ReleaseState.PAUSED, Hold.NO_DATA)


def test_old_telemetry_that_is_still_there_is_silence(watched: Watched) -> None:
    """Row 25: the numbers are there, their watermark does not move."""
    watched.serve(5)
    watched.watch(4)
    assert watched.release.hold is Hold.NO_DATA


def test_a_restarted_watcher_goes_on_with_the_silence_it_had_counted(watched: Watched) -> None:
    watched.serve(5)
    watched.watch(6)
    again = with_watcher(watched.world, watched.telemetry)
    again.watch(6)
    assert again.routes == {"1": 100}


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=1), timedelta(hours=-1), timedelta(days=-1)])
def test_a_clock_that_jumps_moves_no_traffic(watched: Watched, jump: timedelta) -> None:
    """Row 27: an hour (also of daylight saving) or a day, forward or back; telemetry follows the same clock."""
    watched.serve(5)
    watched.watcher.run()
    watched.watcher._monotonic = lambda: 0.0
    watched.pass_time(jump)
    watched.watcher.run()
    assert watched.routes == {"1": 90, "2": 10}
    assert watched.release.state is ReleaseState.CANARY


def test_a_monitor_that_is_removed_during_the_canary_holds_it(watched: Watched) -> None:
    """Row 36."""
    watched.serve(5)
    watched.world.asked.unarmed = "There is no reference of the scores any more."
    watched.watcher.run()
    assert (watched.release.state, watched.release.hold) == (ReleaseState.PAUSED, Hold.MONITOR)
    assert watched.world.entries("event:release-held") == 1


def test_traffic_moved_by_hand_holds_the_release_and_a_rollback_still_works(watched: Watched) -> None:
    """Row 22."""
    watched.serve(5)
    watched.world.platform.move_by_hand(MODEL, (("1", 50), ("2", 50)))
    watched.world.rollout.reconcile()
    watched.watcher.run()
    assert watched.release.hold is Hold.DIFFERENCE
    watched.world.rollout.roll_back(watched.world.a_rollback("1"), actor=watched.world.actor("sam.sre"))
    assert watched.routes == {"1": 100}


def test_a_freeze_holds_the_share_and_a_breach_inside_it_is_rolled_back_and_recorded(watched: Watched) -> None:
    """Row 32."""
    watched.serve(5)
    watched.world.asked.window = "Month end, until 02 Feb 2030 (UTC)"
    watched.watcher.run()
    assert (watched.release.state, watched.release.hold) == (ReleaseState.PAUSED, Hold.FREEZE)
    assert watched.routes == {"1": 90, "2": 10}
    watched.serve(5, failing=0.5)
    watched.watcher.run()
    assert watched.routes == {"1": 100}
    assert watched.world.entries("outcome:applied") == 3


def test_a_hold_is_one_entry_however_often_the_watcher_looks(watched: Watched) -> None:
    watched.serve(5)
    watched.world.asked.window = "Month end"
    for _ in range(5):
        watched.watcher.run()
    assert watched.world.entries("event:release-held") == 1
    assert [item.state for item in watched.world.releases.view(MODEL).events].count(ReleaseState.PAUSED) == 1  # type: ignore[union-attr]


def test_a_release_held_by_a_person_is_still_watched(watched: Watched) -> None:
    watched.serve(2)
    watched.world.take("hold", reason="Waiting for the morning.")
    watched.serve(5, failing=0.5)
    watched.watcher.run()
    assert watched.routes == {"1": 100}


def test_a_machine_that_may_not_act_says_so_once_holds_and_calls(watched: Watched) -> None:
    """The plan was signed for another key of the machine: the refusal is one entry, the incident the gravest."""
    machine = watched.world.rollout.machine

    class AnotherKey:
        machine_key = None

    watched.serve(5, failing=0.5)
    machine._desk = AnotherKey()  # type: ignore[assignment]
    for _ in range(3):
        watched.watcher.run()
        watched.serve(1, failing=0.5)
    assert watched.routes == {"1": 90, "2": 10}
    assert watched.release.state is ReleaseState.PAUSED
    assert watched.world.entries("event:automatic-rollback-refused") == 1
    assert [(item.severity, item.title) for item in watched.open_incidents()] == [
        (1, f"{MODEL}: the machine may not roll back version 2")
    ]


def test_one_release_that_cannot_be_judged_is_told_and_its_plan_still_holds_others(watched: Watched) -> None:
    with watched.world.units.write() as unit:
        unit.releases.keep_watch(watched.release.release_id, '{"tests": "no state"}')
    watched.serve(5)
    with pytest.raises(Exception, match="cannot be read"):
        watched.watcher.run()
    assert watched.release.state is ReleaseState.PAUSED
