"""What exceptional ways leave in the ledger stands when an auditor replays it, and an overdue review is a finding."""

from __future__ import annotations

from services.ledger.verify import LogReport, verify_log
from tests.builders import World
from tests.unit.exceptions.commands import CLARA, DANA, SAM, VERA, break_glass, end, granted, move, propose, review


def verified(world: World) -> LogReport:
    return verify_log(world.book.entries(), checkpoints=world.book.checkpoints())


def test_everything_signed_on_exceptional_ways_replays_without_a_void_entry(world: World) -> None:
    granted(world)
    end(world, world.exceptions.all()[0].id)
    propose(world, gate="selection")
    end(world, world.exceptions.all()[0].id, by=DANA)
    world.release("1")
    world.submit("2")
    review_id = break_glass(world, "2")
    review(world, review_id, by=CLARA)
    review(world, review_id, by=VERA)
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor(SAM))
    world.approve("3")
    world.runner.run_pending()
    break_glass(world, "3")
    assert [problem.sentence for problem in verified(world).problems if problem.severity != "note"] == []


def test_an_overdue_review_is_a_finding_of_the_verification(world: World) -> None:
    """Attack 62."""
    world.release("1")
    break_glass(world, "2")
    move(world, days=2, minutes=1)
    propose(world)
    (problem,) = (item for item in verified(world).problems if item.severity != "note")
    assert (problem.severity, "review of the emergency action" in problem.sentence) == ("finding", True)
