"""What is remembered survives a restart, and does not depend on when or how often a cell arrives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rollout.analysis.settings import Settings
from services.rollout.analysis.state import Counts, Evidence, State, Tally, Tick
from services.rollout.release_models import TelemetryCell
from tests.benchmarks import canary_simulation
from tests.unit.rollout.analysis.traffic import FAST, Watch, a_cell, said

LAST = 15
LATE = 8
"""Ticks a cell may come late: two minutes."""
CLIENTS = st.lists(st.sampled_from("abcdef"), max_size=3, unique=True).map(tuple)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def cells(draw: st.DrawFn) -> list[TelemetryCell]:
    """Both arms, with gaps, and callers that fail again and again."""
    found = []
    for tick in range(LAST):
        for version, most in (("4", 6), ("3", 60)):
            if draw(st.integers(0, 9)):
                failing = draw(CLIENTS)
                requests = len(failing) + draw(st.integers(0, most))
                scores = tuple(draw(st.integers(0, 3)) for _ in range(3))
                found.append(a_cell(version, tick, requests, len(failing), clients=failing, scores=scores, wins=0))
    return found


@settings(max_examples=15, deadline=None)
@given(cells(), st.randoms(use_true_random=False))
def test_late_repeated_and_disordered_cells_give_the_same_evidence(given: list[TelemetryCell], random: object) -> None:
    arrives = [(_tick(cell) + 1 + random.randint(0, LATE), cell) for cell in given]  # type: ignore[attr-defined]
    random.shuffle(arrives)  # type: ignore[attr-defined]
    bit_by_bit, at_once = Watch(), Watch()

    for at in range(1, LAST + LATE + 1):
        some = [cell for when, cell in arrives if when == at or (when < at and _tick(cell) % 3 == 0)]
        bit_by_bit.look(some, at)
    at_once.look(given, LAST + LATE)

    one, other = State.from_json(bit_by_bit.text), State.from_json(at_once.text)
    assert one.settled == other.settled
    assert one.recent == other.recent


@settings(max_examples=10, deadline=None)
@given(cells())
def test_looking_again_with_the_same_cells_changes_nothing(given: list[TelemetryCell]) -> None:
    watch = Watch()
    first = watch.look(given, LAST)
    text = watch.text

    assert watch.look(given, LAST) == first
    assert watch.text == text


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["errors", "share", "scores"]), st.lists(FLOATS, min_size=1).map(tuple)),
    st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 99), CLIENTS), max_size=5),
    st.one_of(st.none(), st.tuples(FLOATS, FLOATS)),
    st.dictionaries(st.sampled_from(["errors", "share"]), FLOATS),
)
def test_a_state_comes_back_from_json_as_it_was(
    sums: dict[str, tuple[float, ...]],
    ticks: list[tuple[int, int, tuple[str, ...]]],
    reference: tuple[float, float] | None,
    crossed: dict[str, float],
) -> None:
    state = State(
        stage="canary:0.05",
        since=1,
        exposed_since=1,
        settled=Evidence(
            sums=sums,
            steps=dict.fromkeys(sums, 3),
            tallies={"errors": Tally(canary=1, canary_n=2, control=3, control_n=4)},
            seen_canary=("00ff00ff",),
            reference_ms=reference,
            learning=((3, 4),),
            last_canary=7,
        ),
        recent=tuple(
            Tick(at=at, canary=Counts(requests=n, clients=clients, latency=((5, n),), wins=n))
            for at, n, clients in ticks
        ),
        crossed=crossed,
        backwards=(15, 30),
        looked=(15, 30),
    )

    assert State.from_json(state.to_json()) == state


def test_a_long_common_outage_keeps_the_state_small() -> None:
    watch = Watch()
    for at in range(50, 250, 50):
        watch.look(
            [cell for tick in range(at - 50, at) for cell in (a_cell("4", tick, 50, 5), a_cell("3", tick, 950, 95))],
            at,
        )

    assert len(State.from_json(watch.text).settled.seen_control) == 2_000
    assert len(watch.text) < 200_000


@pytest.mark.parametrize("rate", [0.002, 0.05])
def test_what_is_simulated_is_what_the_product_computes(rate: float) -> None:
    """One stage fed tick by tick through look and JSON, beside the benchmark's arithmetic over whole arrays."""
    seen = canary_simulation.arms(np.random.default_rng(3), 150, 1, canary_rate=rate, ticks=80)
    simulated = canary_simulation.mixture(seen)[0]
    watch = Watch(settings=Settings(reference_ms=(FAST, 100.0)))
    evidence = []

    for tick in range(80):
        both = (
            a_cell("4", tick, int(seen.n_canary[0, tick]), int(seen.canary[0, tick])),
            a_cell("3", tick, int(seen.n_control[0, tick]), int(seen.control[0, tick])),
        )
        found = said(watch.look(both, tick + 1), "errors")
        state = State.from_json(watch.text)
        watch.text = replace(state, crossed={}).to_json()
        evidence.append(1.0 if found.evidence is None else found.evidence)

    assert evidence == pytest.approx(np.exp(simulated), rel=1e-9)


def _tick(cell: TelemetryCell) -> int:
    return int((cell.tick - a_cell("4", 0, 0).tick).total_seconds() // 15)
