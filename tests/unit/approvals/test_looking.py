"""Looking at requests: the counts of the headline, what ends soon, and whose step it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.approvals.models import QueueQuery
from services.kernel.clock import FrozenClock
from services.kernel.errors import DuplicateSignerError
from tests.builders import MODEL, World


def _later(world: World, **delta: float) -> None:
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    clock.set(clock.now() + timedelta(**delta))


def test_the_headline_counts_what_waits_for_the_reader_and_what_is_overdue(world: World) -> None:
    vera, otto = world.actor("vera.validator"), world.actor("otto.auditor")
    assert world.approvals.counts(vera).mine == 0

    world.submit("3")
    counts = world.approvals.counts(vera)

    assert (counts.mine, counts.overdue) == (1, 0)
    assert world.approvals.counts(otto).mine == 0
    assert {role: waiting for role, waiting, _ in counts.by_role}["validator"] == 1


def test_a_late_request_counts_as_overdue_for_the_one_who_holds_it_up(world: World) -> None:
    world.submit("3")
    vera = world.actor("vera.validator")
    row = world.approvals.queue(QueueQuery(), actor=vera).items[0]
    _later(world, hours=(row.due_at - world.clock.now()).total_seconds() / 3600 + 1)

    counts = world.approvals.counts(vera)
    late = world.approvals.queue(QueueQuery(mine_only=True), actor=vera).items

    assert counts.overdue == 1
    assert [(item.overdue, item.opens_step) for item in late] == [(True, "validator")]


def test_opening_the_step_of_another_role_is_refused_and_recorded(world: World) -> None:
    world.submit("3")
    request_id = world.request_of("3").request_id
    before = world.ledger.head().size

    with pytest.raises(DuplicateSignerError, match="one person fills one quorum role"):
        world.approvals.open_review(request_id, actor=world.actor("clara.compliance"), role="validator")

    assert world.ledger.head().size == before + 1


def test_an_approval_that_ends_is_named_with_whether_it_serves(world: World) -> None:
    world.release("1")
    now = world.clock.now()

    assert world.approvals.ending(now, timedelta(days=1)) == ()
    [ending] = world.approvals.ending(now, timedelta(days=400))

    assert (ending.model, ending.version, ending.ended, ending.serving) == (MODEL, "1", False, True)


def test_an_input_that_looks_sensitive_and_has_no_tag_is_named_with_the_problem(world: World) -> None:
    version = world.inventory.version(MODEL, "3")
    world.submit("3")
    request_id = world.request_of("3").request_id
    world.inventory.put_version(replace(version, inputs=(*version.inputs, ("birth_year", "long"))))

    columns = world.approvals.get(request_id, actor=world.actor("clara.compliance")).columns

    assert [(item.name, item.tagged) for item in columns if not item.tagged] == [("birth_year", False)]
    assert "nobody has tagged it" in columns[-1].problem
