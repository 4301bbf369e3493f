"""Looking at requests: the counts of the headline, what ends soon, and whose step it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.approvals.models import Decision, QueueQuery
from services.kernel.clock import FrozenClock
from services.kernel.errors import DuplicateSignerError, IllegalTransitionError
from tests.builders import DOCUMENTS, MODEL, World, a_world


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


def _effect(world: World, version: str, subject: str) -> str:
    request_id = world.request_of(version).request_id
    decision = Decision.ACKNOWLEDGE if subject == "ben.business" else Decision.APPROVE
    return dict(world.approvals.get(request_id, actor=world.actor(subject)).effects)[decision]


def _all_but_the_last(world: World, version: str) -> str:
    world.submit(version)
    request_id = world.request_of(version).request_id
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)
    return request_id


@pytest.fixture
def shadowed(tmp_path: Path) -> Iterator[World]:
    """The policies as they ship: tier 1 asks for a shadow run; version 1 serves."""
    world = a_world(tmp_path, policies=DOCUMENTS)
    world.approve("1")
    world.runner.run_pending()
    yield world
    world.database.dispose()


def test_the_last_signer_is_told_that_production_stays_and_the_shadow_run_is_next(shadowed: World) -> None:
    _all_but_the_last(shadowed, "2")

    said = _effect(shadowed, "2", "clara.compliance")

    assert "production is unchanged" in said
    assert "shadow run, started by a site reliability engineer (3 days and 5,000 records" in said
    assert "%" not in said


def test_a_request_whose_release_is_planned_says_so_and_not_that_something_runs(shadowed: World) -> None:
    shadowed.approve("2")

    assert shadowed.request_of("2").planned
    assert not shadowed.request_of("1").planned


def test_the_last_signer_is_told_that_the_first_share_is_queued_where_no_shadow_is_asked_for(world: World) -> None:
    world.release("1")
    _all_but_the_last(world, "3")

    assert _effect(world, "3", "clara.compliance").startswith("The release is queued: version 3 gets 10 % of traffic")


def test_the_last_signer_is_told_what_the_release_waits_for(world: World) -> None:
    world.release("1")
    _all_but_the_last(world, "3")
    world.asked.window = "the year is being closed until 5 January"

    said = _effect(world, "3", "clara.compliance")

    assert "production is unchanged. The release is planned" in said
    assert "the year is being closed until 5 January" in said


def test_draft_and_request_name_the_release_that_has_to_end_first(shadowed: World) -> None:
    shadowed.approve("2")
    shadowed.take("start-shadow")
    draft = shadowed.approvals.draft(MODEL, "3", actor=shadowed.actor("dana.datascience"))
    request_id = _all_but_the_last(shadowed, "3")
    clara = shadowed.actor("clara.compliance")

    view = shadowed.approvals.get(request_id, actor=clara)

    assert draft.blocked_by == ()
    assert draft.ahead.startswith("Version 2 is in shadow since ")
    assert view.ahead == draft.ahead
    assert dict(view.effects)[Decision.APPROVE] == f"This signature would be refused now. {draft.ahead}"
    with pytest.raises(IllegalTransitionError, match="Version 2 is still being released"):
        shadowed.sign_off(request_id, "clara.compliance", Decision.APPROVE)
