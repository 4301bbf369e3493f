"""Fallback cards of the embedded workspace: what people do without each model, and the drill Sam held."""

from __future__ import annotations

from services.kernel.errors import ControlRoomError
from services.rollout.fallback_models import (
    EditCard,
    FallbackMode,
    FallbackStep,
    FinishDrill,
    ModeCard,
    StartDrill,
    TickStep,
)
from services.workspace.cast import SAM, Cast


def _mode(mode: FallbackMode, consumers_get: str, *steps: tuple[str, str]) -> ModeCard:
    return ModeCard(
        mode=mode,
        consumers_get=consumers_get,
        steps=tuple(FallbackStep(owner=owner, text=text) for owner, text in steps),
    )


_CARDS: dict[str, tuple[tuple[ModeCard, ...], tuple[str, ...], str]] = {
    "claims_triage": (
        (
            _mode(
                FallbackMode.BATCH_ONLY,
                "Reviewers keep the order of the last published scores; new claims join at the end, oldest first.",
                ("sre", "Switch to batch-only and check that the job rests: no run two hours later."),
                ("sre", "Read the newest published window and its age, and write both into the channel."),
                ("business_owner", "Tell the reviewers that the order is old and from when it is."),
                ("data_science_lead", "Find out what is wrong with the newest run; keep ten of its rows."),
            ),
            _mode(
                FallbackMode.RULES,
                "Every claim goes to a reviewer, oldest first, as before the model.",
                ("business_owner", "Set the review queue to oldest first and call in the second shift."),
                ("sre", "Stop the job and confirm that no score reaches the queue."),
                ("compliance_officer", "Record from when on claims were ordered without the model."),
            ),
        ),
        ("queue:claims_review", "second shift of the reviewers"),
        "Channel claims-operations, desk 4711",
    ),
    "delay_claim_score": (
        (
            _mode(
                FallbackMode.BATCH_ONLY,
                "Check-in gets the last score of the aircraft, marked with its age; unknown ones the standard price.",
                ("sre", "Switch to batch-only and ask for one known and one unknown aircraft."),
                ("business_owner", "Tell check-in that prices no longer follow today's weather."),
                ("sre", "Watch the share of unknown aircraft; above one half go to rules."),
            ),
            _mode(
                FallbackMode.RULES,
                "The standard price by time of departure, the rule of version 1.",
                ("business_owner", "Put the standard price list into force at check-in."),
                ("sre", "Switch the endpoint off, so that nobody waits for an answer."),
                ("cost_owner", "Estimate the loss per hour and agree how long this may last."),
            ),
        ),
        ("endpoint:delay_claim_score", "check-in", "customer care"),
        "Channel delay-cover, on-call phone 12",
    ),
    "payout_forecast": (
        (
            _mode(
                FallbackMode.LAST_GOOD,
                "Treasury keeps yesterday's forecast and adds ten percent.",
                ("sre", "Switch to the last good scores and name the day they are from."),
                ("business_owner", "Tell treasury to add ten percent until the forecast is back."),
            ),
            _mode(
                FallbackMode.RULES,
                "The average payout per flight by airport and distance, the rule of version 1.",
                ("data_science_lead", "Send treasury the table of averages of the last quarter."),
                ("business_owner", "Agree with treasury on the reserve for the coming day."),
            ),
        ),
        ("report:treasury_reserve",),
        "Channel treasury",
    ),
    "plan_utilisation": (
        (
            _mode(
                FallbackMode.LAST_GOOD,
                "Planning keeps last week's figures.",
                ("sre", "Switch to the last good scores."),
                ("business_owner", "Tell planning which week the figures are from."),
            ),
        ),
        ("report:capacity_plan",),
        "Planning meeting on Mondays",
    ),
}


def write_cards(cast: Cast) -> None:
    """Sam writes down what everybody agreed on."""
    for model, (modes, consumers, contact) in _CARDS.items():
        cast.room.fallbacks.edit(
            EditCard(
                command_id=cast.command(), model=model, revision=0, modes=modes, consumers=consumers, contact=contact
            ),
            actor=cast.actor(SAM),
        )


def drill(cast: Cast, model: str, mode: FallbackMode, note: str) -> None:
    """Sam rehearses one mode with everybody who has a step in it."""
    sam, fallbacks = cast.actor(SAM), cast.room.fallbacks
    fallbacks.start_drill(StartDrill(command_id=cast.command(), model=model, mode=mode), actor=sam)
    running = fallbacks.view(model).drill
    if running is None:
        raise ControlRoomError(f"The drill of {model} did not start in the story.")
    for number in range(len(running.steps)):
        fallbacks.tick(TickStep(command_id=cast.command(), drill_id=running.drill_id, step=number), actor=sam)
    fallbacks.finish_drill(FinishDrill(command_id=cast.command(), drill_id=running.drill_id, note=note), actor=sam)
