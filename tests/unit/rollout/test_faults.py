"""Faults a release has to survive that belong to no single part: the live version dies, nothing is behind, the ledger
was edited.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text

from services.adapters.sql import protection
from services.approvals.models import Decision
from services.container import _impaired
from services.inventory.service import InventoryService
from services.kernel.errors import ControlRoomError, RollbackTargetError, TrustError
from services.rollout.models import Advance
from services.rollout.release_models import Hold, ReleaseState
from tests.builders import MODEL, World
from tests.unit.rollout.watched import Watched, a_watched


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = a_watched(tmp_path)
    yield made
    made.world.database.dispose()


def advance(world: World) -> None:
    sam = world.actor("sam.sre")
    challenge = world.rollout.plan_advance(MODEL, actor=sam)
    command = Advance(command_id="on", model=MODEL, share=100, challenge=challenge, passphrase=world.secret("sam.sre"))
    world.rollout.advance(command, actor=sam)


def suggested(watched: Watched) -> str:
    return _impaired(watched.world.units, cast(InventoryService, watched.world.inventory), MODEL)


def test_a_live_version_that_dies_in_the_canary_holds_the_release_and_promotes_nobody(watched: Watched) -> None:
    """Row 17: next to a version that fails everything, any candidate looks good."""
    watched.serve(5, base_failing=1.0)
    watched.watcher.run()

    assert (watched.release.state, watched.release.hold) == (ReleaseState.PAUSED, Hold.EVIDENCE)
    assert "The live version breaks it (" in watched.release.hold_reason
    assert [(item.severity, item.key.rpartition(":")[2]) for item in watched.open_incidents()] == [(1, "impaired")]
    with pytest.raises(ControlRoomError):
        advance(watched.world)
    assert watched.routes == {"1": 90, "2": 10}
    assert watched.rollbacks() == []


def test_batch_only_is_suggested_when_neither_version_answers_and_not_before(watched: Watched) -> None:
    """Row 17."""
    watched.serve(3, base_failing=1.0)
    watched.watcher.run()
    assert suggested(watched) == ""

    watched.serve(5, base_failing=1.0, failing=1.0)
    watched.watcher.run()
    assert "100" in suggested(watched)
    assert watched.routes == {"1": 90, "2": 10}


def test_a_rollback_with_no_version_before_is_refused_and_names_the_fallback(world: World) -> None:
    """Row 20."""
    world.release("1")
    plan = world.rollout.plan_rollback(MODEL, actor=world.actor("sam.sre"))
    assert plan.proposed is None
    for target, reason in (("1", "serving now"), ("2", "never approved")):
        with pytest.raises(RollbackTargetError, match=reason) as refused:
            world.rollout.roll_back(world.a_rollback(target), actor=world.actor("sam.sre"))
        assert "the fallback of the model: Manual claim form." in refused.value.hint
    assert dict(world.platform.observe(MODEL).routes) == {"1": 100}
    assert world.entries("event:rollback-refused") == 2


def drop_triggers(world: World) -> None:
    with world.database.write() as connection:
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))


def edit(world: World, seq: int) -> None:
    """In place, with the protection taken off for it and put back."""
    drop_triggers(world)
    with world.database.write() as connection:
        connection.execute(
            text("UPDATE log_entry SET envelope = (SELECT envelope FROM log_entry WHERE seq = 3) WHERE seq = :seq"),
            {"seq": seq},
        )
        protection.install(connection)


def test_with_an_edited_entry_nothing_goes_forward_and_a_rollback_still_works(world: World) -> None:
    """Row 38: a signature under the running version is not what was recorded any more."""
    world.release("1")
    world.approve("2")
    world.runner.run_pending()
    world.measure()
    with world.units.read() as unit:
        started = unit.rollouts.action(world.rollout.actions(MODEL)[0].action_id)
    assert started is not None
    edit(world, started.decisions[0][0])

    with pytest.raises(ControlRoomError, match="The approval does not stand"):
        advance(world)
    assert dict(world.platform.observe(MODEL).routes) == {"1": 90, "2": 10}
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    assert dict(world.platform.observe(MODEL).routes) == {"1": 100}
    assert world.entries("outcome:applied") == 3


def test_with_the_protection_of_the_ledger_gone_nobody_decides_and_a_rollback_still_works(world: World) -> None:
    """Row 38."""
    world.release("1")
    world.release("2")
    world.submit("3")
    request_id = world.request_of("3").request_id
    drop_triggers(world)

    with pytest.raises(TrustError, match="Protections"):
        world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    assert dict(world.platform.observe(MODEL).routes) == {"1": 100}
