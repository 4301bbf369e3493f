"""Acts out the story while the real data flows: replay up to each beat, then the people do what they did."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from services.container import ControlRoom
from services.kernel.clock import FrozenClock
from services.kernel.errors import ControlRoomError
from services.rollout.models import ActionState
from services.workspace.cast import Cast
from services.workspace.story import beats

logger = logging.getLogger(__name__)

_TRIES = 40
_TABLES_EVERY = timedelta(days=7)


class Replay(Protocol):
    def replay(
        self, start: datetime, end: datetime, progress: Callable[[str, float], None] = ..., *, mature: bool = True
    ) -> int: ...

    def mature(self, start: datetime, end: datetime) -> None: ...


def act(
    room: ControlRoom,
    clock: FrozenClock,
    replay: Replay,
    *,
    start: datetime,
    end: datetime,
    progress: Callable[[str, float], None],
    measure: Callable[[str], None],
) -> None:
    """Raises ControlRoomError when the story cannot be acted out: a gate, a signature or the endpoint said no."""
    made = {
        (item.model, item.version): item.created_at
        for governed in room.inventory.models()
        for item in room.inventory.versions(governed.name)
    }
    cast = Cast(room=room, clock=clock, settle=lambda: settle(room, clock), measure=measure)
    reached, checked = start, None
    for beat in beats(lambda model, version: made[model, version], start=start, end=end):
        if beat.at > reached:
            replay.replay(reached, beat.at, mature=False)
            reached = beat.at
        clock.set(max(beat.at, clock.now() + timedelta(seconds=1)))
        progress(f"{beat.at:%d %b}: {beat.words}", (beat.at - start) / (end - start))
        logger.info("%s %s", beat.at.isoformat(), beat.words)
        # Evidence that people ask for and sign is of the week, as far as feature tables go: checking them for each of
        # eighty acts would take longer than the acts.
        if checked is None or beat.at - checked >= _TABLES_EVERY:
            room.handling.refresh_tables()
            room.handling.refresh_cells(again=False)
            checked = beat.at
        beat.act(cast)
    replay.replay(reached, end, mature=False)
    # Labels carry the time they arrived; writing them once is the same and spares forty passes over the data.
    replay.mature(start, end)
    clock.set(max(end, clock.now()))


def settle(room: ControlRoom, clock: FrozenClock) -> None:
    """Runs the outbox until nothing is pending. The clock moves on a second a try: waiting actions become due."""
    for _ in range(_TRIES):
        room.runner.run_pending()
        waiting = [
            action
            for action in room.rollout.actions(limit=5)
            if action.state in {ActionState.PENDING, ActionState.RUNNING}
        ]
        if not waiting:
            break
        clock.set(clock.now() + timedelta(seconds=2))
    else:
        raise ControlRoomError(f"An action of the story did not finish: {waiting[0].detail}")
    failed = [
        action for action in room.rollout.actions(limit=1) if action.state in {ActionState.FAILED, ActionState.CONFLICT}
    ]
    if failed:
        raise ControlRoomError(f"An action of the story failed: {failed[0].detail}")
