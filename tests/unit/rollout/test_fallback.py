"""Fallback cards, drills and switches: what people may order, what the platform really does, and what a drill shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.inventory.models import DeploymentKind
from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    ConflictError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    RefusalError,
    RoleMissingError,
    StaleRequestError,
)
from services.kernel.health import Health
from services.rollout.fallback_models import (
    EditCard,
    FallbackMode,
    FallbackStep,
    FinishDrill,
    ModeCard,
    StartDrill,
    SwitchFallback,
    SwitchState,
    TickStep,
)
from services.rollout.fallback_rules import impaired, platform_mode, readiness
from services.rollout.release_models import Reading, Verdict
from tests.builders import MODEL, NOON, World

STEPS = (
    FallbackStep(text="Switch the price list to the standard price.", owner="business_owner"),
    FallbackStep(text="Tell check-in.", owner="sre"),
)
MODES = (
    ModeCard(mode=FallbackMode.BATCH_ONLY, consumers_get="Prices of the last batch.", steps=STEPS),
    ModeCard(mode=FallbackMode.RULES, consumers_get="The standard price.", steps=STEPS[:1]),
)


def an_edit(**changes: object) -> EditCard:
    command = EditCard(command_id="e-1", model=MODEL, revision=0, modes=MODES, consumers=("check-in",))
    return replace(command, **changes)  # type: ignore[arg-type]


def a_switch(world: World, mode: FallbackMode = FallbackMode.BATCH_ONLY, **changes: object) -> SwitchFallback:
    command = SwitchFallback(
        command_id=f"s-{mode.value}", model=MODEL, mode=mode, reason="Neither version answers in time.",
        model_confirmation=MODEL, revision=len(world.fallbacks.switches(MODEL)), passphrase=world.secret("sam.sre"),
    )  # fmt: skip
    return replace(command, **changes)  # type: ignore[arg-type]


def with_a_card(world: World) -> None:
    world.fallbacks.edit(an_edit(), actor=world.actor("sam.sre"))


def a_finished_drill(world: World, command_id: str = "d-1") -> None:
    sam = world.actor("sam.sre")
    world.fallbacks.start_drill(StartDrill(command_id=command_id, model=MODEL, mode=FallbackMode.BATCH_ONLY), actor=sam)
    drill = world.fallbacks.view(MODEL).drill
    assert drill is not None
    for number in range(len(drill.steps)):
        world.fallbacks.tick(TickStep(command_id=f"t-{number}", drill_id=drill.drill_id, step=number), actor=sam)
    world.fallbacks.finish_drill(FinishDrill(command_id="f", drill_id=drill.drill_id, note="Took 4 min."), actor=sam)


def later(world: World, **delta: float) -> None:
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    clock.set(clock.now() + timedelta(**delta))


def test_without_card_or_drill_a_tier_one_model_is_red(world: World) -> None:
    assert world.fallbacks.view(MODEL).readiness is Health.BREACH
    with_a_card(world)

    view = world.fallbacks.view(MODEL)

    assert (view.readiness, view.sentence) == (
        Health.BREACH,
        "Never drilled: nobody knows whether the steps work.",
    )
    assert readiness(view.card, None, tier=2, now=NOON)[0] is Health.UNKNOWN


def test_a_finished_drill_makes_it_green_for_ninety_days(world: World) -> None:
    with_a_card(world)
    a_finished_drill(world)
    assert world.fallbacks.view(MODEL).readiness is Health.HEALTHY

    later(world, days=91)

    view = world.fallbacks.view(MODEL)
    assert view.readiness is Health.WATCH
    assert "91 days ago" in view.sentence
    assert view.last_used is None


def test_a_drill_counts_only_with_every_step_done(world: World) -> None:
    with_a_card(world)
    sam = world.actor("sam.sre")
    world.fallbacks.start_drill(StartDrill(command_id="d", model=MODEL, mode=FallbackMode.BATCH_ONLY), actor=sam)
    drill = world.fallbacks.view(MODEL).drill
    assert drill is not None

    with pytest.raises(IllegalTransitionError, match="2 of 2 steps"):
        world.fallbacks.finish_drill(FinishDrill(command_id="f", drill_id=drill.drill_id, note=""), actor=sam)
    with pytest.raises(ConflictError):
        world.fallbacks.start_drill(StartDrill(command_id="d2", model=MODEL, mode=FallbackMode.RULES), actor=sam)
    with pytest.raises(MissingReasonError):
        world.fallbacks.finish_drill(
            FinishDrill(command_id="f", drill_id=drill.drill_id, note="", cancelled=True), actor=sam
        )
    world.fallbacks.finish_drill(
        FinishDrill(command_id="f", drill_id=drill.drill_id, note="A real incident came.", cancelled=True), actor=sam
    )

    view = world.fallbacks.view(MODEL)
    assert (view.drill, view.last_drill, view.readiness) == (None, None, Health.BREACH)


def test_a_drill_names_who_did_each_step_and_touches_no_traffic(world: World) -> None:
    world.release("1")
    with_a_card(world)
    switched = world.platform.switches(MODEL)
    a_finished_drill(world)

    drill = world.fallbacks.view(MODEL).last_drill

    assert drill is not None
    assert [step.done_by for step in drill.steps] == ["Sam Lindqvist", "Sam Lindqvist"]
    assert world.platform.switches(MODEL) == switched
    assert world.entries("event:fallback-drill-finished") == 1
    assert world.entries("event:fallback-drill-step") == 2


def test_a_card_keeps_editions_and_refuses_steps_that_nobody_owns(world: World) -> None:
    with_a_card(world)
    sam = world.actor("sam.sre")
    stranger = ModeCard(mode=FallbackMode.RULES, consumers_get="x", steps=(FallbackStep(text="y", owner="astronaut"),))

    with pytest.raises(InputError, match="astronaut is no owner"):
        world.fallbacks.edit(an_edit(command_id="e-2", revision=1, modes=(stranger,)), actor=sam)
    with pytest.raises(InputError, match="at least one way"):
        world.fallbacks.edit(an_edit(command_id="e-3", revision=1, modes=()), actor=sam)
    with pytest.raises(StaleRequestError):
        world.fallbacks.edit(an_edit(command_id="e-4", revision=0), actor=sam)
    with pytest.raises(RoleMissingError):
        world.fallbacks.edit(an_edit(command_id="e-5", revision=1), actor=world.actor("dana.datascience"))
    world.fallbacks.edit(an_edit(command_id="e-6", revision=1, contact="#delay"), actor=sam)

    card = world.fallbacks.view(MODEL).card
    assert card is not None
    assert (card.revision, card.contact, card.edited_by) == (2, "#delay", "Sam Lindqvist")
    assert world.entries("event:fallback-card-edited") == 2


def test_a_signed_switch_changes_the_platform_and_is_read_back_before_it_counts(world: World) -> None:
    world.release("1")
    with_a_card(world)
    world.fallbacks.switch(a_switch(world), actor=world.actor("sam.sre"))

    view = world.fallbacks.view(MODEL)
    assert world.platform.observe(MODEL).mode == "batch_only"
    assert world.platform.observe(MODEL).routes == (("1", 100),)
    assert (view.in_force, view.last_used) == (FallbackMode.BATCH_ONLY, NOON)
    assert view.switch is not None
    assert (view.switch.state, view.switch.incident) == (SwitchState.DONE, "inc-1")
    assert (world.entries("event:fallback-ordered"), world.entries("event:fallback-switched")) == (1, 1)
    (incident,) = world.incident_desk.opened.values()
    assert incident["severity"] == 2


def test_while_the_platform_is_away_the_order_waits_and_the_worker_finishes_it_once(world: World) -> None:
    world.release("1")
    with_a_card(world)
    world.platform.away = True
    world.fallbacks.switch(a_switch(world), actor=world.actor("sam.sre"))
    view = world.fallbacks.view(MODEL)
    assert view.in_force is FallbackMode.LIVE
    assert view.switch is not None
    assert "does not answer" in view.switch.detail
    assert world.fallbacks.work() == 0

    world.platform.away = False

    assert (world.fallbacks.work(), world.fallbacks.work()) == (1, 0)
    assert world.fallbacks.view(MODEL).in_force is FallbackMode.BATCH_ONLY
    assert world.entries("event:fallback-switched") == 1


def test_coming_back_needs_versions_that_answer_and_another_signature(world: World) -> None:
    world.release("1")
    with_a_card(world)
    sam = world.actor("sam.sre")
    world.fallbacks.switch(a_switch(world), actor=sam)
    world.platform.unloadable.add("1")

    with pytest.raises(RefusalError, match="does not answer a probe"):
        world.fallbacks.switch(a_switch(world, FallbackMode.LIVE), actor=sam)
    assert world.platform.observe(MODEL).mode == "batch_only"
    assert world.entries("event:fallback-refused") == 1

    world.platform.unloadable.clear()
    world.fallbacks.switch(a_switch(world, FallbackMode.LIVE), actor=sam)

    assert world.platform.observe(MODEL).mode == "live"
    assert world.fallbacks.view(MODEL).in_force is FallbackMode.LIVE
    assert world.fallbacks.view(MODEL).last_used == NOON


def test_refused_switches_say_why(world: World) -> None:
    world.release("1")
    sam = world.actor("sam.sre")
    with pytest.raises(RefusalError, match="does not say how"):
        world.fallbacks.switch(a_switch(world), actor=sam)
    with_a_card(world)

    with pytest.raises(RoleMissingError):
        world.fallbacks.switch(a_switch(world), actor=world.actor("ben.business"))
    with pytest.raises(InputError, match="typed name"):
        world.fallbacks.switch(a_switch(world, model_confirmation="other"), actor=sam)
    with pytest.raises(MissingReasonError):
        world.fallbacks.switch(a_switch(world, reason=" "), actor=sam)
    with pytest.raises(StaleRequestError):
        world.fallbacks.switch(a_switch(world, revision=7), actor=sam)
    with pytest.raises(RefusalError, match="No fallback is in force"):
        world.fallbacks.switch(a_switch(world, FallbackMode.LIVE), actor=sam)

    assert world.platform.observe(MODEL).mode == "live"
    assert world.entries("event:fallback-ordered") == 0


def test_the_same_command_twice_is_one_order(world: World) -> None:
    world.release("1")
    with_a_card(world)
    sam, command = world.actor("sam.sre"), a_switch(world)

    first, second = world.fallbacks.switch(command, actor=sam), world.fallbacks.switch(command, actor=sam)

    assert (second.seq, second.repeated) == (first.seq, True)
    assert len(world.fallbacks.switches(MODEL)) == 1


def test_a_later_order_takes_the_place_of_one_that_was_not_carried_out(world: World) -> None:
    world.release("1")
    with_a_card(world)
    sam = world.actor("sam.sre")
    world.platform.away = True
    world.fallbacks.switch(a_switch(world), actor=sam)
    world.fallbacks.switch(a_switch(world, FallbackMode.RULES), actor=sam)
    world.platform.away = False
    world.fallbacks.work()

    states = {switch.mode: switch.state for switch in world.fallbacks.switches(MODEL)}
    assert states == {FallbackMode.RULES: SwitchState.DONE, FallbackMode.BATCH_ONLY: SwitchState.SUPERSEDED}
    assert world.platform.observe(MODEL).mode == "off"


@pytest.mark.parametrize(
    ("mode", "kind", "asked"),
    [
        (FallbackMode.BATCH_ONLY, DeploymentKind.REALTIME, "batch_only"),
        (FallbackMode.LAST_GOOD, DeploymentKind.REALTIME, "batch_only"),
        (FallbackMode.RULES, DeploymentKind.REALTIME, "off"),
        (FallbackMode.BATCH_ONLY, DeploymentKind.BATCH, "off"),
        (FallbackMode.LIVE, DeploymentKind.BATCH, "live"),
    ],
)
def test_each_mode_asks_the_platform_for_something_it_has(mode: FallbackMode, kind: DeploymentKind, asked: str) -> None:
    assert platform_mode(mode, kind.value) == asked


@pytest.mark.parametrize(
    ("canary", "control", "n", "suggested"),
    [(10, 10, 100, True), (10, 0, 100, False), (0, 10, 100, False), (10, 10, 20, False)],
)
def test_a_fallback_is_suggested_only_when_both_versions_break_the_promise(
    canary: int, control: int, n: int, *, suggested: bool
) -> None:
    errors = Reading(
        metric="errors",
        title="Errors",
        verdict=Verdict.UNDECIDED,
        action="roll-back",
        evidence=None,
        limit=None,
        canary_events=canary,
        canary_n=n,
        control_events=control,
        control_n=n,
        sentence="",
    )

    assert bool(impaired((errors,), 0.01)) is suggested
