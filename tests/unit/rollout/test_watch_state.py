"""The watcher's memory: silence is counted in its own ticks, whatever the time of day does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.rollout import watch_state
from services.rollout.watch_state import LONGEST_TICK, WatchState
from tests.builders import NOON


def ticking(state: WatchState, *, minutes: float, silent: bool = True) -> WatchState:
    """Looks every five seconds, measured by one process."""
    for step in range(round(minutes * 12)):
        at = NOON + timedelta(seconds=5 * step)
        state = state.after(silent=silent, now=at, elapsed=timedelta(seconds=5))
    return state


def test_silence_adds_up_and_ends_with_the_first_news() -> None:
    state = ticking(WatchState(), minutes=3)
    assert state.silence(timedelta(hours=1)) == timedelta(minutes=4)
    assert ticking(state, minutes=0.1, silent=False).silent == timedelta(0)


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=1), timedelta(hours=-1), timedelta(days=-1)])
def test_a_clock_that_jumps_is_no_silence(jump: timedelta) -> None:
    """Row 27: an hour or a day, forward or back, drains nothing."""
    state = WatchState(looked_at=NOON).after(silent=True, now=NOON + jump, elapsed=timedelta(seconds=5))
    assert state.silence(abs(jump)) < timedelta(minutes=2)


def test_a_restart_keeps_what_was_counted_and_adds_no_absence_of_the_watcher() -> None:
    before = ticking(WatchState(), minutes=5)
    again = watch_state.read(watch_state.written(before))
    later = again.after(silent=True, now=NOON + timedelta(hours=3), elapsed=None)
    assert later.silent == before.silent + LONGEST_TICK


def test_figures_are_made_since_the_first_look_that_found_it_and_not_any_more_once_they_are_there() -> None:
    first = WatchState().made(in_the_making=True, now=NOON)
    later = watch_state.read(watch_state.written(first)).made(in_the_making=True, now=NOON + timedelta(minutes=7))
    assert later.making_for(NOON + timedelta(minutes=7)) == timedelta(minutes=7)
    assert later.made(in_the_making=False, now=NOON).making_for(NOON) == timedelta(0)


def test_memory_is_written_and_read_back() -> None:
    state = WatchState(
        tests='{"stage":"canary"}',
        looked_at=NOON,
        silent=timedelta(seconds=7),
        requests=12,
        counted_to=NOON,
        topic="x",
        making_since=NOON,
    )
    assert watch_state.read(watch_state.written(state)) == state


@pytest.mark.parametrize("text", ["", "[]", "{", '{"silent": "long"}', '{"looked_at": "noon"}'])
def test_a_memory_of_an_unknown_form_is_a_new_beginning(text: str) -> None:
    assert watch_state.read(text) == WatchState()
