"""Requests, decisions, actions and leases behave the same on SQLite and PostgreSQL, also when two people hurry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.adapters.sql.ops import SqlOps
from services.approvals.models import Decision, QueueQuery, RequestState
from services.kernel.clock import FrozenClock
from services.kernel.errors import ControlRoomError
from services.rollout.models import ActionState
from tests.builders import MODEL, NOON, World, a_world


@pytest.fixture
def stored(database_url: str, tmp_path: Path) -> Iterator[World]:
    built = a_world(tmp_path, url=database_url)
    yield built
    built.database.dispose()


def test_a_request_reads_back_as_it_was_written(stored: World) -> None:
    stored.submit("3", note="Ünïcode & 'quotes'; drop table x; --")
    request_id = stored.request_of("3").request_id
    with stored.units.read() as unit:
        request = unit.requests.get(request_id)
        assert request is not None
        assert unit.requests.latest(MODEL, "3") == request
    assert request.note == "Ünïcode & 'quotes'; drop table x; --"
    assert request.created_at == NOON
    assert request.frozen.report.passed
    assert request.frozen.terms.shares == (10, 100)


def test_nothing_of_a_failed_unit_of_work_remains(stored: World) -> None:
    stored.submit("3")
    request_id = stored.request_of("3").request_id

    def half() -> None:
        with stored.units.write() as unit:
            unit.requests.add_event(request_id, "half", seq=None, at=NOON)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    with stored.units.read() as unit:
        assert [line.sentence for line in unit.requests.trail(request_id)] == [
            "Dana Petrov asked to promote version 3."
        ]


def test_the_queue_is_filtered_counted_and_cut_in_the_database(stored: World) -> None:
    for version in ("1", "2", "3"):
        stored.submit(version)
    vera = stored.actor("vera.validator")
    page = stored.approvals.queue(QueueQuery(limit=2, mine_only=True), actor=vera)
    assert (len(page.items), page.total) == (2, 3)
    assert stored.approvals.queue(QueueQuery(states=(RequestState.REJECTED,)), actor=vera).total == 0
    assert stored.approvals.queue(QueueQuery(text="dana"), actor=vera).total == 3
    assert stored.approvals.queue(QueueQuery(text="_"), actor=vera).total == 3
    assert stored.approvals.queue(QueueQuery(text="d%a"), actor=vera).total == 0


def test_a_challenge_is_used_once(stored: World) -> None:
    stored.submit("3")
    request_id = stored.request_of("3").request_id
    challenge = stored.approvals.open_review(request_id, actor=stored.actor("vera.validator")).challenge
    with stored.units.write() as unit:
        assert unit.rollouts.use_challenge(challenge)
        assert not unit.rollouts.use_challenge(challenge)
        assert not unit.rollouts.use_challenge("unknown")


def test_two_last_approvers_at_once_make_exactly_one_action(stored: World) -> None:
    stored.submit("3")
    request_id = stored.request_of("3").request_id
    stored.sign_off(request_id, "vera.validator", Decision.APPROVE)
    failures: list[ControlRoomError] = []
    start = threading.Barrier(2)

    def sign(subject: str, decision: Decision) -> None:
        start.wait()
        try:
            stored.sign_off(request_id, subject, decision)
        except ControlRoomError as refused:
            failures.append(refused)

    pairs = (("ben.business", Decision.ACKNOWLEDGE), ("clara.compliance", Decision.APPROVE))
    threads = [threading.Thread(target=sign, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert stored.entries("action:start") == 1
    assert stored.request_of("3").state is RequestState.APPROVED


def test_one_lease_at_a_time_and_in_order_per_model(stored: World) -> None:
    stored.approve("1")
    with stored.units.read() as unit:
        action = unit.rollouts.open_actions(MODEL)[0]
    with stored.units.write() as unit:
        unit.rollouts.add_action(
            replace(action, action_id="act-later", seq_intent=action.seq_intent + 1000, state=ActionState.PENDING)
        )
    until = NOON + timedelta(seconds=15)
    with stored.units.write() as unit:
        assert not unit.rollouts.claim("act-later", owner="a", now=NOON, until=until)
        assert unit.rollouts.claim(action.action_id, owner="a", now=NOON, until=until)
        assert not unit.rollouts.claim(action.action_id, owner="b", now=NOON, until=until)
        assert unit.rollouts.claim(action.action_id, owner="b", now=until + timedelta(seconds=1), until=until)


def test_release_rollback_and_history_read_back(stored: World) -> None:
    stored.release("1")
    stored.release("2")
    stored.rollout.roll_back(stored.a_rollback("1"), actor=stored.actor("sam.sre"))
    assert [change.champion for change in stored.rollout.history(MODEL)] == ["1", "2", "1", "1"]
    assert stored.rollout.actions(MODEL)[0].state is ActionState.APPLIED
    view = stored.rollout.deployments()[0]
    assert view.desired == (("1", 100),)
    assert view.live_since == NOON


def test_heartbeat_lease_and_task_results(stored: World) -> None:
    ops = SqlOps(stored.database)
    clock = FrozenClock(NOON)
    ops.beat("w1", at=clock.now(), started_at=NOON, host="h", pid=1)
    ops.beat("w1", at=NOON + timedelta(seconds=5), started_at=NOON, host="h", pid=1)
    assert ops.last_beat() == NOON + timedelta(seconds=5)
    assert ops.take_lease("worker", "w1", now=NOON, lasting=timedelta(seconds=30))
    assert not ops.take_lease("worker", "w2", now=NOON, lasting=timedelta(seconds=30))
    ops.set_fact("prepared_at", "then", at=NOON)
    ops.set_fact("prepared_at", "now", at=NOON)
    assert ops.fact("prepared_at") == "now"
