"""What a business does while a model does not serve: a card per model, rehearsed in drills, switched by a signature."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.kernel.health import Health
from services.kernel.secret import Secret


class FallbackMode(StrEnum):
    BATCH_ONLY = "batch-only"
    """Callers get the last batch scores; for a batch model consumers keep what was last published, its job rests."""
    LAST_GOOD = "last-good"
    """The last published scores stay in use, marked with their age."""
    RULES = "rules"
    """People or fixed rules decide; nothing of the model is used."""
    LIVE = "live"
    """No fallback: the model serves."""


class SwitchState(StrEnum):
    ORDERED = "ordered"
    DONE = "done"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackStep:
    text: str
    owner: str
    """Role of the person who does it, as in the list of owners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeCard:
    """One way to do without the model."""

    mode: FallbackMode
    consumers_get: str
    """What users of the model get while it is in force."""
    steps: tuple[FallbackStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackCard:
    model: str
    modes: tuple[ModeCard, ...]
    consumers: tuple[str, ...]
    """Who notices, and has to be told."""
    contact: str = ""
    """Where people reach each other while it lasts."""
    revision: int = 0
    edited_by: str = ""
    edited_at: datetime | None = None
    seq: int | None = None

    def mode(self, wanted: FallbackMode) -> ModeCard | None:
        return next((item for item in self.modes if item.mode is wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillStep:
    text: str
    owner: str
    done_by: str = ""
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A rehearsal of one mode: every step is done and ticked, nothing is switched."""

    drill_id: str
    model: str
    card_revision: int
    mode: FallbackMode
    started_by: str
    started_at: datetime
    steps: tuple[DrillStep, ...]
    finished_at: datetime | None = None
    cancelled: bool = False
    note: str = ""
    """What was learned."""
    seq: int
    """Entry of the start, later of the end."""
    revision: int = 0

    @property
    def is_running(self) -> bool:
        return self.finished_at is None

    @property
    def left(self) -> int:
        return sum(step.done_at is None for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A signed order to change how a model's users are served, and what became of it."""

    switch_id: str
    model: str
    deployment: str
    mode: FallbackMode
    platform_mode: str
    """`live`, `batch_only` or `off`: what the serving platform is asked for."""
    state: SwitchState
    ordered_by: str
    ordered_at: datetime
    reason: str
    salt: str
    detail: str = ""
    """What happened last, in words."""
    done_at: datetime | None = None
    """When the platform was read back in that mode."""
    incident: str = ""
    seq: int
    seq_outcome: int | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackView:
    """Everything a screen shows about the fallback of one model."""

    model: str
    title: str
    card: FallbackCard | None
    in_force: FallbackMode
    """As last read back from the platform after a signed order."""
    switch: Switch | None
    """The newest order, whatever its state."""
    last_used: datetime | None
    """When a fallback was last really in force; drills do not count."""
    drill: Drill | None
    """The one that runs now."""
    last_drill: Drill | None
    """The newest one that was finished."""
    readiness: Health
    sentence: str
    """Whether the drill is recent enough, in words."""
    suggestion: str = ""
    """Why a switch would help now, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchPlan:
    """What a switch would do, before it is signed."""

    model: str
    mode: FallbackMode
    effect: tuple[str, ...]
    unchecked: tuple[str, ...]
    refusal: str
    """Why it cannot be ordered now, or empty."""
    revision: int
    """Number of orders so far: another one in between makes this plan stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditCard:
    """Command: replaces the card; earlier ones stay in the record."""

    command_id: str
    model: str
    revision: int
    """Of the card that was edited; 0 for the first one."""
    modes: tuple[ModeCard, ...]
    consumers: tuple[str, ...]
    contact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartDrill:
    command_id: str
    model: str
    mode: FallbackMode


@dataclass(frozen=True, slots=True, kw_only=True)
class TickStep:
    command_id: str
    drill_id: str
    step: int
    """Position on the card, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishDrill:
    """Command: ends a drill. `cancelled`: it was broken off and proves nothing."""

    command_id: str
    drill_id: str
    note: str
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchFallback:
    """Command: puts a fallback into force, or ends it with mode `live`. `model_confirmation` repeats the name."""

    command_id: str
    model: str
    mode: FallbackMode
    reason: str
    model_confirmation: str
    revision: int
    passphrase: Secret
