"""What needs a human now, and whether the machinery that watches is alive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.inventory.models import InventoryRow, SyncState
from services.kernel.health import Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number for the top of the page, with what it is compared with."""

    title: str
    value: str
    detail: str
    state: Health | None
    target: str
    """Screen to open, as `screen?key=value`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TodoItem:
    """One thing this person can do now."""

    title: str
    why: str
    state: Health
    due: datetime | None
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    greeting: str
    tiles: tuple[Tile, ...]
    todo: tuple[TodoItem, ...]
    others: tuple[TodoItem, ...]
    """Waiting on somebody else."""
    reviews: tuple[TodoItem, ...] = ()
    """Periodic reviews that are overdue or due within thirty days, for everybody to see."""
    on_call: tuple[TodoItem, ...] = ()
    """Who is on call for what serves now, for engineers: nobody first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEvent:
    at: datetime
    kind: str
    title: str
    detail: str
    seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """Age of everything a screen depends on. `worker_seen` is None when no worker ever ran."""

    worker_seen: datetime | None
    worker_alive: bool
    syncs: tuple[SyncState, ...]
    prepared_at: datetime | None
    replay_from: datetime | None
    environment: str
    registry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """What the platform was last read back to serve, and what was found different from what we asked for."""

    model: str
    desired: tuple[tuple[str, int], ...]
    observed: tuple[tuple[str, int], ...]
    observed_at: datetime | None
    champion: str
    candidate: str | None
    plan: tuple[int, ...]
    problem: str
    finding: str
    alias_champion: str | None
    alias_pending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAction:
    """A traffic change that is queued, running, or ended without success lately."""

    action_id: str
    model: str
    kind: str
    state: str
    to_version: str
    requested_by: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """One line of the inventory, prepared by the worker so that a search never computes."""

    row: InventoryRow
    search_text: str
