"""What serves, or is named champion, while nothing was ever signed for its model: found, adopted, promoted or ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.oversight import SqlOversight
from services.approvals.models import Decision, Purpose, RequestState
from services.inventory.models import RegistrySnapshot
from services.kernel.clock import FrozenClock
from services.kernel.health import Health
from services.oversight.findings import findings
from services.oversight.models import TodoItem
from services.rollout.models import ActionKind, ActionState
from services.rollout.reconcile import STRANGERS_EVERY
from tests.builders import MODEL, World, a_model, a_version
from tests.unit.approvals.acting import objections
from tests.unit.approvals.test_adoption import asked_to_adopt, signed_by_all


def served_by_hand(world: World, version: str) -> None:
    world.platform.set_routes(MODEL, ((version, 100),), expect_generation=0, op="by-hand")


def copied(world: World, alias: str | None, *, governed: bool = True) -> None:
    """The copy of the registry as the worker keeps it; the alias was set there by hand."""
    store = SqlInventory(world.database)
    if governed:
        store.put_catalog((a_model(),))
    versions = tuple(a_version(number) for number in ("1", "2", "3"))
    aliases = ((MODEL, "champion", alias),) if alias else ()
    store.apply(RegistrySnapshot(versions=versions, aliases=aliases), world.clock.now())
    world.inventory.point_alias(MODEL, alias or "")
    if alias:
        world.registry.set_alias(MODEL, "champion", alias)


def later(world: World, by: timedelta = STRANGERS_EVERY) -> None:
    assert isinstance(world.clock, FrozenClock)
    world.clock.set(world.clock.now() + by)


def told(world: World) -> tuple[TodoItem, ...]:
    return findings(SqlOversight(world.database).served(), (), ())


def test_a_model_that_serves_without_any_approval_is_a_red_finding_with_what_to_do(world: World) -> None:
    served_by_hand(world, "3")

    assert world.rollout.reconcile() == 1

    [finding] = told(world)
    assert (finding.title, finding.state) == (f"{MODEL}: serves without any signed approval", Health.BREACH)
    assert finding.why.startswith("Serves without any signed approval: version 3 100 %.")
    [change] = world.rollout.deployment(MODEL).changes
    assert change.by == "Adopt it by a request, or take it down where it is served."
    later(world)
    assert world.rollout.reconcile() == 1
    assert world.entries("observation:recorded") == 1, "the same difference is one entry"


def test_what_serves_without_approval_is_adopted_by_a_request(world: World) -> None:
    served_by_hand(world, "3")
    world.rollout.reconcile()
    switches = world.platform.switches(MODEL)

    signed_by_all(world, asked_to_adopt(world, "3"))
    assert world.runner.run_pending() == 1

    action = world.rollout.actions(MODEL)[0]
    assert (action.kind, action.state) == (ActionKind.ADOPT, ActionState.APPLIED)
    assert world.platform.switches(MODEL) == switches, "nothing was switched"
    world.rollout.reconcile()
    assert (world.rollout.deployment(MODEL).champion, told(world)) == ("3", ())
    assert objections(world) == set()


def test_another_version_is_not_released_past_what_serves_unsigned(world: World) -> None:
    served_by_hand(world, "3")
    world.submit("2")
    world.rollout.reconcile()

    view = world.approvals.get(world.request_of("2").request_id, actor=world.actor("clara.compliance"))

    assert Decision.APPROVE not in view.allowed
    assert "Serves without any signed approval" in view.stale


def test_what_is_taken_down_ends_the_finding(world: World) -> None:
    served_by_hand(world, "3")
    world.rollout.reconcile()
    world.platform._change(MODEL, 1, "down", routes=())

    assert world.rollout.reconcile() == 0

    assert told(world) == ()


def test_a_champion_that_somebody_named_by_hand_is_found_in_the_copy_of_the_registry(world: World) -> None:
    copied(world, "2")

    assert world.rollout.reconcile() == 1

    [finding] = told(world)
    assert finding.state is Health.BREACH
    assert "Alias `champion` points at version 2 without any signed approval." in finding.why
    assert "ask for its promotion" in world.approvals.draft(
        MODEL, "2", actor=world.actor("dana.datascience"), purpose=Purpose.ADOPTION
    ).blocked_by[0]  # fmt: skip


def test_an_alias_without_approval_is_made_right_by_a_promotion(world: World) -> None:
    copied(world, "2")
    world.rollout.reconcile()

    world.release("2")
    world.inventory.point_alias(MODEL, "2")
    world.rollout.reconcile()

    assert (world.request_of("2").state, told(world)) == (RequestState.APPLIED, ())
    assert objections(world) == set()


def test_the_promotion_of_another_version_does_not_write_over_an_alias_that_nobody_signed(world: World) -> None:
    copied(world, "2")

    world.approve("3")
    world.runner.run_pending()

    assert world.rollout.actions(MODEL)[0].state is ActionState.CONFLICT
    assert world.registry.alias_target(MODEL, "champion") == "2"


def test_an_alias_that_is_taken_away_ends_the_finding_within_a_minute(world: World) -> None:
    copied(world, "2")
    world.rollout.reconcile()
    world.registry._write(world.registry._read() | {"aliases": {}})
    copied(world, None)

    assert world.rollout.reconcile() == 1, "nothing is asked of it before the minute is over"
    later(world)
    assert world.rollout.reconcile() == 0

    assert told(world) == ()


@pytest.mark.parametrize("governed", [True, False])
def test_models_that_nobody_governs_and_without_champion_are_left_alone(world: World, governed: bool) -> None:
    copied(world, None if governed else "2", governed=governed)

    assert world.rollout.reconcile() == 0

    assert (told(world), SqlOversight(world.database).served()) == ((), ())


def test_the_registry_is_asked_once_about_an_alias_and_not_at_each_look(world: World) -> None:
    copied(world, "2")
    world.rollout.reconcile()
    later(world)
    world.registry.away = True

    assert world.rollout.reconcile() == 1

    assert len(told(world)) == 1


def test_a_version_that_is_approved_and_on_its_way_accuses_nobody(world: World) -> None:
    world.approve("2")
    served_by_hand(world, "2")

    assert world.rollout.reconcile() == 0

    assert told(world) == ()
