"""A world with a canary at 10 % and a watcher whose telemetry a test sets; everything else is the real thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from services.incidents.models import Incident
from services.incidents.service import IncidentService
from services.inventory.service import InventoryService
from services.kernel.clock import FrozenClock
from services.rollout.judging import SequentialJudge
from services.rollout.models import ActionState
from services.rollout.release_models import Release
from services.rollout.release_ports import Telemetry
from services.rollout.watch import Watcher
from services.rollout.watch_acts import WatchActs
from tests.builders import MODEL, World, a_world
from tests.fakes.telemetry import FakeTelemetry

LOOKS_EVERY = timedelta(seconds=5)


@dataclass(slots=True, kw_only=True)
class Watched:
    world: World
    telemetry: FakeTelemetry
    incidents: IncidentService
    watcher: Watcher

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    @property
    def release(self) -> Release:
        """Of version 2, whatever became of it."""
        with self.world.units.read() as unit:
            return next(item for item in unit.releases.releases(MODEL) if item.candidate == "2")

    @property
    def routes(self) -> dict[str, int]:
        return dict(self.world.platform.observe(MODEL).routes)

    def pass_time(self, delta: timedelta) -> None:
        clock = self.world.clock
        assert isinstance(clock, FrozenClock)
        clock.set(clock.now() + delta)

    def serve(self, minutes: float, *, failing: float = 0.0, base_failing: float = 0.0, ms: float = 40.0) -> None:
        """Ten requests a tick to the canary and ninety to the version before, for so long, until now."""
        since, until = self.now, self.now + timedelta(minutes=minutes)
        self.telemetry.serve("2", since=since, until=until, per_tick=10, failing=failing, ms=ms)
        self.telemetry.serve("1", since=since, until=until, per_tick=90, failing=base_failing)
        self.pass_time(until - since)

    def watch(self, minutes: float) -> None:
        """Looks every five seconds while nothing new arrives."""
        for _ in range(round(minutes * 60 / LOOKS_EVERY.total_seconds())):
            self.pass_time(LOOKS_EVERY)
            self.watcher.run()

    def open_incidents(self) -> tuple[Incident, ...]:
        return self.incidents.open(MODEL)

    def rollbacks(self) -> list[ActionState]:
        return [item.state for item in self.world.rollout.actions(MODEL) if item.kind.value == "rollback"]


def a_watched(folder: Path, *, url: str = "") -> Watched:
    world = a_world(folder, url=url)
    world.release("1")
    world.approve("2")
    world.runner.run_pending()
    world.rollout.reconcile()
    return with_watcher(world)


def with_watcher(
    world: World, telemetry: Telemetry | None = None, *, monotonic: Callable[[], float] | None = None
) -> Watched:
    telemetry = telemetry or FakeTelemetry()
    incidents = IncidentService(
        units=world.units,
        people=world.people,
        ledger=world.ledger,
        catalog=cast(InventoryService, world.inventory),
        desk=world.desk,
        clock=world.clock,
    )
    began = world.clock.now()

    def passed() -> float:
        return (world.clock.now() - began).total_seconds()

    watcher = Watcher(
        units=world.units,
        telemetry=telemetry,
        judge=SequentialJudge(
            level_of=lambda model: world.inventory.model(model).service_level, stage_rules=world.asked.stage_rules
        ),
        plans=world.rollout._signed_plans,
        machine=world.rollout.machine.roll_back_under_plan,
        acts=WatchActs(units=world.units, desk=world.desk, incidents=incidents.rules),
        armed=world.asked.armed,
        frozen=world.asked.frozen,
        stage_rules=world.asked.stage_rules,
        clock=world.clock,
        monotonic=monotonic or passed,
    )
    return Watched(world=world, telemetry=cast(FakeTelemetry, telemetry), incidents=incidents, watcher=watcher)
