"""What exceptional ways do to requests and approvals: signed with them, stale without them, held up by late reviews."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from services.adapters.sql.schema.approvals import promotion_request
from services.approvals.models import Decision
from services.kernel.errors import GateNotPassedError, ReviewOverdueError, StaleEvidenceError
from services.policy.models import Verdict
from services.rollout.models import Advance
from tests.builders import GOOD_METRICS, MODEL, World, a_version
from tests.unit.exceptions.commands import BEN, CLARA, SAM, VERA, break_glass, disable, end, granted, move, review


def a_red_version(world: World, number: str = "3") -> None:
    """Its calibration in the large misses the limit; everything else passes."""
    metrics = GOOD_METRICS | {"holdout_calibration_gap": 0.2}
    world.inventory.put_version(a_version(number, metrics=tuple(metrics.items())))


def test_without_an_exception_a_red_gate_keeps_the_version_from_being_asked_for(stored: World) -> None:
    a_red_version(stored)
    with pytest.raises(GateNotPassedError, match="Mean score minus observed rate"):
        stored.submit("3")


def test_with_an_exception_it_is_asked_for_and_the_quorum_signs_the_exception(stored: World) -> None:
    a_red_version(stored)
    exception_id = granted(stored)
    stored.approve("3")

    with stored.database.read() as connection:
        row = connection.execute(select(promotion_request)).one()
    asked = stored.ledger.require_valid(row.seq, row.leaf_hash)
    (signed,) = asked["exceptions"]
    assert (signed["id"], signed["gate"]) == (exception_id, "calibration-in-the-large")
    assert signed["granted"]["entry"] == stored.exceptions.get(exception_id).seq
    view = stored.approvals.get(row.request_id, actor=stored.actor(CLARA))
    outcome = next(item for item in view.report.outcomes if item.gate == "calibration-in-the-large")
    assert outcome.verdict is Verdict.FAILED
    assert outcome.exception.startswith("excepted until 02 Mar 2030 by Clara Whitfield: A claims handler")
    assert view.exceptions == (f"Mean score minus observed rate: {outcome.exception}",)
    assert stored.approvals.approved(MODEL, "3").valid


@pytest.mark.parametrize("how", ["ended", "time", "owner"])
def test_an_open_request_that_rests_on_it_becomes_stale_when_it_ends(stored: World, how: str) -> None:
    a_red_version(stored)
    exception_id = granted(stored, until=stored.clock.now().replace(day=31, hour=18))
    stored.submit("3")
    request_id = stored.request_of("3").request_id
    stored.sign_off(request_id, VERA, Decision.APPROVE)
    challenge = stored.approvals.open_review(request_id, actor=stored.actor(CLARA)).challenge
    if how == "ended":
        end(stored, exception_id)
    elif how == "owner":
        disable(stored, BEN)
    else:
        move(stored, hours=6)
        challenge = stored.approvals.open_review(request_id, actor=stored.actor(CLARA)).challenge
    view = stored.approvals.get(request_id, actor=stored.actor(CLARA))
    assert "evidence changed" in view.stale
    assert Decision.APPROVE not in view.allowed
    with pytest.raises((StaleEvidenceError, GateNotPassedError)):
        stored.sign_off(request_id, CLARA, Decision.APPROVE, challenge=challenge)


def test_a_complete_approval_that_rests_on_an_ended_exception_is_marked_for_confirmation(stored: World) -> None:
    a_red_version(stored)
    exception_id = granted(stored)
    request_id = stored.approve("3")
    assert stored.approvals.approved(MODEL, "3").valid
    end(stored, exception_id)
    status = stored.approvals.approved(MODEL, "3")
    assert (status.valid, status.reason) == (
        False,
        "It rests on an ended exception (calibration-in-the-large). Ask for it to be confirmed again.",
    )
    assert "rests on an ended exception" in stored.approvals.get(request_id, actor=stored.actor(CLARA)).stale


def test_an_approval_that_rests_on_no_exception_does_not_care(world: World) -> None:
    exception_id = granted(world)
    world.approve("2")
    end(world, exception_id)
    assert world.approvals.approved(MODEL, "2").valid


# late reviews


def test_an_overdue_review_refuses_request_completion_and_advance_until_it_is_done(stored: World) -> None:
    """Attack 62."""
    stored.release("1")
    review_id = break_glass(stored, "2")
    stored.submit("3")
    request_id = stored.request_of("3").request_id
    move(stored, days=2, minutes=1)
    stored.sign_off(request_id, VERA, Decision.APPROVE)
    stored.sign_off(request_id, BEN, Decision.ACKNOWLEDGE)
    with pytest.raises(ReviewOverdueError, match="should have been reviewed"):
        stored.sign_off(request_id, CLARA, Decision.APPROVE)
    assert stored.entries("action:start") == 1
    with pytest.raises(ReviewOverdueError):
        stored.submit("1")
    review(stored, review_id, by=CLARA)
    review(stored, review_id, by=VERA)
    stored.sign_off(request_id, CLARA, Decision.APPROVE)
    assert stored.entries("action:start") == 2


def test_a_running_release_is_not_raised_while_a_review_is_overdue(world: World) -> None:
    """Attack 62."""
    world.release("1")
    review_id = break_glass(world, "2")
    world.approve("3")
    world.runner.run_pending()
    move(world, days=2, minutes=1)
    world.measure()
    sam = world.actor(SAM)

    def an_advance() -> Advance:
        return Advance(
            command_id="raise",
            model=MODEL,
            share=100,
            challenge=world.rollout.plan_advance(MODEL, actor=sam),
            passphrase=world.secret(SAM),
        )

    with pytest.raises(ReviewOverdueError):
        world.rollout.advance(an_advance(), actor=sam)
    review(world, review_id, by=CLARA)
    review(world, review_id, by=VERA)
    world.rollout.advance(an_advance(), actor=sam)
