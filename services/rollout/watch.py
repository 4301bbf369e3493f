"""The watcher: looks at every running release every few seconds and does what was signed beforehand, nothing else.

Traffic first, the incident after it: whoever is called reads what was done. One release that cannot be looked at does
not stop the others, and nothing here ever moves a release forward.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, InputError, RefusalError, TelemetryUnavailableError
from services.kernel.health import Health
from services.rollout import plan_measures, watch_state
from services.rollout.judging import TICK_SECONDS
from services.rollout.ports import RolloutUnits
from services.rollout.release_models import (
    Analysis,
    Check,
    Release,
    ReleaseState,
    StageRules,
    TelemetryBatch,
)
from services.rollout.release_ports import Armed, Frozen, Telemetry
from services.rollout.signed_plan import SignedPlan
from services.rollout.watch_acts import WatchActs
from services.rollout.watch_ports import Edges, Judge, MachineRollback, Plans
from services.rollout.watch_rules import BAKE, Decision, Facts, Move, decide
from services.rollout.watch_state import WatchState

_WATCHED = {ReleaseState.SHADOW, ReleaseState.CANARY, ReleaseState.FULL, ReleaseState.PAUSED}
_NOTHING = TelemetryBatch(cells=(), watermark=None)
_MONITORS = ("service-level", "score-monitor")
"""Checks of what has to go on watching while a release runs; the others only matter before a step."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    release: Release
    batch: TelemetryBatch
    analysis: Analysis
    before: WatchState
    after: WatchState
    decision: Decision
    at: datetime


class Watcher:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        telemetry: Telemetry,
        judge: Judge,
        plans: Plans,
        machine: MachineRollback,
        acts: WatchActs,
        armed: Armed,
        frozen: Frozen,
        stage_rules: Callable[[Release], StageRules],
        clock: Clock,
        edges: Edges = lambda _model: (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._units = units
        self._telemetry = telemetry
        self._judge = judge
        self._plans = plans
        self._machine = machine
        self._acts = acts
        self._armed = armed
        self._frozen = frozen
        self._stage_rules = stage_rules
        self._clock = clock
        self._edges = edges
        self._monotonic = monotonic
        self._seen: dict[str, float] = {}

    def run(self) -> int:
        """Looks at every running release; how many. What one of them could not do is raised after the others."""
        broken = list[ControlRoomError]()
        with self._units.read() as unit:
            running = _watched(unit.releases.running_releases(), self._clock.now())
        for release in running:
            try:
                self._act(self._look(release))
            except InputError as unreadable:
                self._acts.unjudged(release, unreadable.message, at=self._clock.now())
                broken.append(unreadable)
            except ControlRoomError as problem:
                _log.warning("release not watched", extra={"release": release.release_id, "reason": str(problem)})
                broken.append(problem)
        if broken:
            raise broken[0]
        return len(running)

    # looking

    def _look(self, release: Release) -> _Look:
        now = self._clock.now()
        with self._units.read() as unit:
            row = unit.rollouts.deployment(release.model)
            plan = self._plans.of(unit.rollouts, row) if row else None
        rules = plan.rules if plan is not None and plan.version == release.candidate else ()
        before = watch_state.read(release.analysis)
        since = self._judge.since(release, state=before.tests, rules=rules, now=now)
        batch = self._measured(release, since)
        analysis, tests = self._judge.look(release, batch, state=before.tests, rules=rules, now=now)
        after = before.after(silent=analysis.silent_minutes > 0, now=now, elapsed=self._elapsed(release.release_id))
        after = _counted(replace(after, tests=tests), release, batch)
        unwatched = self._unwatched(release)
        after = after.made(in_the_making=any(check.in_the_making for check in unwatched), now=now)
        facts = self._facts(release, plan, analysis, after, row.finding if row else "")
        decision = decide(replace(facts, unwatched=unwatched, making_for=after.making_for(now)))
        return _Look(
            release=release,
            batch=batch,
            analysis=analysis,
            before=before,
            after=replace(after, topic=decision.topic),
            decision=decision,
            at=now,
        )

    def _measured(self, release: Release, since: datetime) -> TelemetryBatch:
        try:
            return self._telemetry.since(
                release.deployment, since, tick_seconds=TICK_SECONDS, score_edges=self._edges(release.model)
            )
        except TelemetryUnavailableError as away:
            _log.warning("no telemetry", extra={"release": release.release_id, "reason": away.message})
            return _NOTHING

    def _facts(
        self, release: Release, plan: SignedPlan | None, analysis: Analysis, state: WatchState, difference: str
    ) -> Facts:
        rules = plan.rules if plan is not None and plan.version == release.candidate else ()
        silent_for = state.silence(timedelta(minutes=analysis.silent_minutes))
        return Facts(
            release=release,
            analysis=analysis,
            rules=self._stage_rules(release),
            breaches=plan_measures.breaches(rules, candidate=release.candidate, analysis=analysis),
            silent_for=silent_for,
            silence=plan_measures.silence(
                rules, candidate=release.candidate, lasting=silent_for, requests=state.requests
            ),
            difference=difference,
            frozen=self._frozen(release.model),
        )

    def _unwatched(self, release: Release) -> tuple[Check, ...]:
        checks = self._armed(release.model, release.candidate)
        return tuple(item for item in checks if item.id in _MONITORS and item.state is not Health.HEALTHY)

    def _elapsed(self, release_id: str) -> timedelta | None:
        """Since this process looked last, by a clock that nobody can set; None at the first look."""
        now = self._monotonic()
        before = self._seen.get(release_id)
        self._seen[release_id] = now
        return None if before is None else timedelta(seconds=now - before)

    # acting

    def _act(self, look: _Look) -> None:
        decision = look.decision
        if decision.move is Move.ROLL_BACK:
            self._roll_back(look)
        held = decision.move is Move.HOLD and self._acts.hold(look.release, decision, at=look.at)
        self._acts.keep(look.release, look.after, look.analysis)
        called = decision.move is Move.CALL and decision.topic != look.before.topic
        if decision.severity and (held or called):
            self._acts.call(look.release, decision, at=look.at)

    def _roll_back(self, look: _Look) -> None:
        decision, release = look.decision, look.release
        breach = decision.breach
        if breach is None:
            return
        began = plan_measures.bad_since(look.batch.cells, candidate=release.candidate, breach=breach)
        try:
            receipt = self._machine(release.model, breach.rule.id, breach.measured, look.at)
        except RefusalError as refused:
            sentence = f"{decision.sentence} The machine may not act: {refused.message}"
            doubt = replace(decision, sentence=sentence, severity=1, topic="outside-plan")
            if look.before.topic != decision.topic:
                self._acts.refused(release, doubt, at=look.at, impact_start=began)
            return
        since = began or release.stage_since
        self._acts.rolled_back(release, decision, receipt, at=look.at, impact_start=since)


def _watched(running: tuple[Release, ...], now: datetime) -> list[Release]:
    """The newest of each model: the one before is its control. Everything moved a day ago is no release any more."""
    newest = {release.model: release for release in reversed(running)}
    return [
        release
        for release in newest.values()
        if release.kind == "realtime"
        and release.state in _WATCHED
        and (release.state is not ReleaseState.FULL or now - release.stage_since < BAKE)
    ]


def _counted(state: WatchState, release: Release, batch: TelemetryBatch) -> WatchState:
    """Live requests of the candidate so far; each tick is counted once, when it is complete."""
    if batch.watermark is None:
        return state
    since = state.counted_to or release.stage_since
    until = batch.watermark - timedelta(seconds=TICK_SECONDS)
    new = sum(
        cell.requests
        for cell in batch.cells
        if cell.version == release.candidate and cell.role == "live" and since < cell.tick <= until
    )
    return replace(state, requests=state.requests + new, counted_to=max(since, until))
