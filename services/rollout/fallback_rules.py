"""What a usable fallback card is, how old a drill may be, and what each mode asks of the platform. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from services.attestation import canonical
from services.inventory.models import DeploymentKind, GovernedModel
from services.kernel.errors import InputError
from services.kernel.health import Health
from services.rollout.fallback_models import (
    Drill,
    EditCard,
    FallbackCard,
    FallbackMode,
    FallbackStep,
    ModeCard,
    Switch,
    SwitchFallback,
    SwitchState,
)
from services.rollout.release_models import Reading

DRILL_EVERY = timedelta(days=90)
FEWEST_REQUESTS = 50
"""Below this many requests of either version nothing is said about both."""
LONGEST = 500
MODE_TITLES = {
    FallbackMode.BATCH_ONLY: "Batch-only",
    FallbackMode.LAST_GOOD: "Last good scores",
    FallbackMode.RULES: "Rules without the model",
    FallbackMode.LIVE: "The model serves",
}


def platform_mode(mode: FallbackMode, kind: str) -> str:
    """`batch_only` exists for models that answer callers; the job of a batch model can only run or rest."""
    if mode is FallbackMode.LIVE:
        return "live"
    if mode is FallbackMode.RULES or kind == DeploymentKind.BATCH:
        return "off"
    return "batch_only"


def order_words(mode: FallbackMode) -> str:
    if mode is FallbackMode.LIVE:
        return "ordered the end of the fallback of"
    return f"ordered the fallback {MODE_TITLES[mode].lower()} for"


def effect(mode: FallbackMode, card: FallbackCard | None, governed: GovernedModel) -> tuple[str, ...]:
    """What happens when the order is signed, line by line."""
    batch = governed.kind is DeploymentKind.BATCH
    if mode is FallbackMode.LIVE:
        what = "The job runs again from its next window on." if batch else "Callers are answered by the model again."
        return (what, "Versions and shares stay as they were.")
    found = card.mode(mode) if card else None
    asked = {
        "off": "The job rests: no new scores are made." if batch else "The endpoint answers no caller.",
        "batch_only": "The endpoint answers from the last batch scores, marked with their age and version.",
    }[platform_mode(mode, governed.kind.value)]
    lines = [asked, *([found.consumers_get] if found else [])]
    if card and card.consumers:
        lines.append(f"To be told: {', '.join(card.consumers)}.")
    return (*lines, "An incident is opened; coming back needs versions that answer and another signature.")


def readiness(card: FallbackCard | None, drilled: Drill | None, *, tier: int, now: datetime) -> tuple[Health, str]:
    """Whether people know what to do, judged by the last finished drill."""
    if card is None:
        state = Health.BREACH if tier == 1 else Health.UNKNOWN
        return state, "There is no fallback card."
    if drilled is None or drilled.finished_at is None:
        state = Health.BREACH if tier == 1 else Health.UNKNOWN
        return state, "Never drilled: nobody knows whether the steps work."
    days = (now - drilled.finished_at).days
    words = f"Last drill {drilled.finished_at:%Y-%m-%d}, {days} days ago"
    if now - drilled.finished_at > DRILL_EVERY:
        return Health.WATCH, f"{words}; due every {DRILL_EVERY.days} days."
    return Health.HEALTHY, f"{words}."


def in_force(switches: Sequence[Switch]) -> FallbackMode:
    """What the newest order that was carried out left in force. `switches` are newest first."""
    done = next((item for item in switches if item.state is SwitchState.DONE), None)
    return done.mode if done else FallbackMode.LIVE


def last_used(switches: Sequence[Switch]) -> datetime | None:
    return next(
        (item.done_at for item in switches if item.state is SwitchState.DONE and item.mode is not FallbackMode.LIVE),
        None,
    )


def impaired(readings: Sequence[Reading], promised: float) -> str:
    """Why going back would not help: both versions break the promise at once; empty when they do not, or few asked."""
    errors = next((item for item in readings if item.metric == "errors"), None)
    if errors is None or min(errors.canary_n, errors.control_n) < FEWEST_REQUESTS:
        return ""
    canary, control = errors.canary_events / errors.canary_n, errors.control_events / errors.control_n
    if min(canary, control) <= promised:
        return ""
    return (
        f"Both versions fail more often than promised ({canary:.1%} and {control:.1%}, promised {promised:.1%}): "
        "rolling back would not help."
    )


def checked(command: EditCard, governed: GovernedModel) -> FallbackCard:
    """The edition as it is kept. Raises InputError for a card nobody could follow."""
    modes = tuple(_mode(mode) for mode in command.modes)
    if not modes:
        raise InputError("A card needs at least one way to do without the model.", hint="Add one with its steps.")
    if len({mode.mode for mode in modes}) != len(modes):
        raise InputError("Each way may be on the card once.", hint="Put the steps of both together.")
    roles = {owner.role for owner in governed.owners}
    for mode in modes:
        strange = [step.owner for step in mode.steps if step.owner not in roles]
        if strange:
            raise InputError(
                f"{strange[0]} is no owner of {governed.name}: nobody would do this step.",
                hint=f"Choose one of {', '.join(sorted(roles))}.",
            )
    consumers = tuple(dict.fromkeys(_text(name, "A consumer") for name in command.consumers if name.strip()))
    return FallbackCard(
        model=governed.name,
        modes=modes,
        consumers=consumers,
        contact=command.contact.strip()[:LONGEST],
        revision=command.revision + 1,
    )


def _mode(mode: ModeCard) -> ModeCard:
    if mode.mode is FallbackMode.LIVE:
        raise InputError("Serving by the model is not a fallback.")
    steps = tuple(FallbackStep(text=_text(step.text, "A step"), owner=step.owner) for step in mode.steps)
    if not steps:
        raise InputError(f"{MODE_TITLES[mode.mode]} has no step.", hint="Write what somebody does first.")
    return replace(mode, consumers_get=_text(mode.consumers_get, "What users get"), steps=steps)


def _text(text: str, what: str) -> str:
    text = text.strip()
    if not text:
        raise InputError(f"{what} is empty.", hint="Write it, or leave the line out.")
    if len(text) > LONGEST:
        raise InputError(f"{what} is longer than {LONGEST} characters.", hint="Shorten it.")
    return text


def digest(card: FallbackCard) -> str:
    """Of what the card says, so that the entry pins the edition."""
    document = {
        "modes": [
            {"mode": mode.mode.value, "get": mode.consumers_get, "steps": [asdict(step) for step in mode.steps]}
            for mode in card.modes
        ],
        "consumers": list(card.consumers),
        "contact": card.contact,
    }
    return hashlib.sha256(canonical.to_bytes(document)).hexdigest()


def new_switch(
    command: SwitchFallback, governed: GovernedModel, *, switch_id: str, by: str, salt: str, at: datetime
) -> Switch:
    return Switch(
        switch_id=switch_id,
        model=governed.name,
        deployment=governed.name,
        mode=command.mode,
        platform_mode=platform_mode(command.mode, governed.kind.value),
        state=SwitchState.ORDERED,
        ordered_by=by,
        ordered_at=at,
        reason=command.reason.strip(),
        salt=salt,
        detail="Recorded; the platform is asked next.",
        seq=0,
    )
