"""A canary at work: cells of both arms, and the watcher's look at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.inventory.models import ServiceLevel
from services.reliability.latency import bucket_of
from services.rollout.analysis.look import look
from services.rollout.analysis.settings import Settings
from services.rollout.analysis.state import State
from services.rollout.release_models import (
    Analysis,
    Reading,
    Release,
    ReleaseState,
    StageRules,
    TelemetryBatch,
    TelemetryCell,
)

BEGIN = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
TICK = timedelta(seconds=15)
LEVEL = ServiceLevel(p95_ms=150.0, error_rate=0.01)
RULES = StageRules(min_time=timedelta(minutes=30), min_requests=200)
FAST, SLOW = 40.0, 400.0


def a_release(**changes: object) -> Release:
    made = Release(
        release_id="rel-1",
        model="delay_claim_score",
        deployment="delay_claim_score",
        kind="realtime",
        request_id="REQ-1",
        candidate="4",
        candidate_sha256="c" * 64,
        base="3",
        base_sha256="b" * 64,
        state=ReleaseState.CANARY,
        share=5,
        plan=(5, 10, 20, 100),
        shadow=None,
        stage_since=BEGIN,
        created_at=BEGIN,
        updated_at=BEGIN,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def a_cell(
    version: str, tick: int, requests: int, errors: int = 0, *, role: str = "live", **more: object
) -> TelemetryCell:
    """`more` may name the clients, the latency buckets, the scores or the wins."""
    clients = more.pop("clients", None)
    named = clients if clients is not None else tuple(f"{version}-{tick}-{number}" for number in range(errors))
    latency = more.pop("latency", ((bucket_of(FAST), max(0, requests - errors)),))
    return TelemetryCell(
        version=version,
        role=role,
        tick=BEGIN + tick * TICK,
        requests=requests,
        errors=errors,
        failing_entities=named,  # type: ignore[arg-type]
        latency=latency,  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


Arm = Callable[[int], tuple[int, int]]
"""Tick -> (requests, errors)."""


def ticks(first: int, last: int, *, canary: tuple[int, int], control: tuple[int, int]) -> tuple[TelemetryCell, ...]:
    """The same (requests, errors) in each tick of each arm."""
    return tuple(
        cell for tick in range(first, last) for cell in (a_cell("4", tick, *canary), a_cell("3", tick, *control))
    )


def after(tick: int) -> datetime:
    return BEGIN + tick * TICK


class Watch:
    """Looks again and again at one release, with the state going through JSON each time."""

    def __init__(self, release: Release | None = None, settings: Settings | None = None, **more: object) -> None:
        self.release = release or a_release()
        self.settings = settings or Settings(reference_ms=(FAST, 100.0))
        self.level = more.get("level", LEVEL)
        self.text = ""

    def look(self, cells: Sequence[TelemetryCell], at: int, *, watermark: int | None = -1) -> Analysis:
        """`at` and `watermark` in ticks; the watermark is now unless given, None for none at all."""
        complete = at if watermark == -1 else watermark
        batch = TelemetryBatch(cells=tuple(cells), watermark=None if complete is None else after(complete))
        state, analysis = look(
            State.from_json(self.text),
            batch,
            release=self.release,
            rules=RULES,
            level=self.level,  # type: ignore[arg-type]
            now=after(at),
            settings=self.settings,
        )
        self.text = state.to_json()
        return analysis

    def goes_to(self, share: int, at: int) -> None:
        self.release = replace(self.release, share=share, stage_since=after(at))


def said(analysis: Analysis, metric: str) -> Reading:
    return next(reading for reading in analysis.readings if reading.metric == metric)
