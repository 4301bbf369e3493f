"""Telemetry cells become ticks of the running stage: added once, in any order, as often as they are sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from hashlib import blake2b
from math import ceil

from services.inventory.models import ServiceLevel
from services.rollout.analysis.absorb import Frame, absorb
from services.rollout.analysis.settings import Settings
from services.rollout.analysis.state import Counts, Evidence, State, Tick
from services.rollout.release_models import Release, ReleaseState, TelemetryBatch, TelemetryCell

_EXPOSED = {ReleaseState.SHADOW, ReleaseState.CANARY, ReleaseState.FULL}
_HELD_TESTS = ("share", "scores", "business")
"""Their crossing holds the release; who resumes it has looked, so their evidence begins anew."""
_SEGMENTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What the candidate is exposed to now, and which cells speak about which arm."""

    kind: str
    """`shadow`, `canary` or `full`."""
    share: float | None
    """Share of the live requests the candidate was given; None while it gets copies, or everything."""
    canary: tuple[str, str]
    """(version, role)."""
    control: tuple[str, str]

    @property
    def stage(self) -> str:
        return f"{self.kind}:{self.share}"


def exposure_of(release: Release) -> Exposure | None:
    """None while the candidate gets no request at all: there is nothing to judge."""
    state = release.resumes_to if release.state is ReleaseState.PAUSED else release.state
    if state not in _EXPOSED:
        return None
    shadow, full = state is ReleaseState.SHADOW, state is ReleaseState.FULL
    return Exposure(
        kind="shadow" if shadow else "full" if full else "canary",
        share=None if shadow or full else release.share / 100,
        canary=(release.candidate, "mirror" if shadow else "live"),
        # After everything moved, the version before may still get copies: the comparison goes on without any user.
        control=(release.base or "", "mirror" if full else "live"),
    )


def take_in(
    state: State,
    batch: TelemetryBatch,
    *,
    release: Release,
    exposure: Exposure,
    level: ServiceLevel | None,
    settings: Settings,
    now: datetime,
) -> tuple[State, Evidence]:
    """The state with these cells, and the evidence of all ticks that are complete."""
    if state.stage and state.stage != exposure.stage:
        state = _closed(state, batch, release, exposure, level=level, settings=settings)
    if state.stage != exposure.stage:
        state = _entered(state, exposure, release)
    frame = _frame(state, exposure.share, level, settings)
    watermark = ceil(batch.watermark.timestamp()) if batch.watermark else 0
    state = _merged(state, batch.cells, release, exposure, settings, until=now.timestamp() + settings.tick_seconds)
    if watermark > state.watermark:
        state = replace(state, watermark=watermark, looked=(max(state.watermark, state.since), watermark))
    resumed = state.paused and release.state is not ReleaseState.PAUSED
    late = 0 if resumed else int((settings.late + settings.telemetry_lag).total_seconds())
    state = _settled(state, frame, until=state.watermark - late)
    if resumed:
        state = _begun_anew(state)
    state = replace(state, paused=release.state is ReleaseState.PAUSED)
    return state, _with_recent(state, frame)


def _frame(state: State, share: float | None, level: ServiceLevel | None, settings: Settings) -> Frame:
    return Frame(
        kind=state.stage.partition(":")[0],
        share=share,
        cold_until=state.exposed_since + int(settings.cold.total_seconds()),
        level=level,
        settings=settings,
    )


def _entered(state: State, exposure: Exposure, release: Release) -> State:
    """A step of the share goes on with the same evidence; another kind of exposure begins anew."""
    before = state.stage.partition(":")[0]
    since = ceil(release.stage_since.timestamp())
    goes_on = (before, exposure.kind) in {("canary", "canary"), ("canary", "full")}
    known = state.settled.without("go", "share") if goes_on else Evidence(reference_ms=state.settled.reference_ms)
    return replace(
        state,
        stage=exposure.stage,
        since=since,
        exposed_since=state.exposed_since if goes_on else since,
        settled=replace(known, seen_canary=(), seen_control=(), expected=0.0, last_canary=None),
        settled_until=since,
        recent=(),
        crossed={name: e for name, e in state.crossed.items() if name != "share"} if goes_on else {},
    )


def _closed(
    state: State,
    batch: TelemetryBatch,
    release: Release,
    exposure: Exposure,
    *,
    level: ServiceLevel | None,
    settings: Settings,
) -> State:
    """The stage before, with the last ticks that lie whole before the change."""
    kind, _, share = state.stage.partition(":")
    before = replace(
        exposure,
        kind=kind,
        share=None if share == "None" else float(share),
        canary=(release.candidate, "mirror" if kind == "shadow" else "live"),
        control=(release.base or "", "mirror" if kind == "full" else "live"),
    )
    end = release.stage_since.timestamp()
    merged = _merged(state, batch.cells, release, before, settings, until=end)
    return _settled(merged, _frame(merged, before.share, level, settings), until=int(end))


def _begun_anew(state: State) -> State:
    # Counted scores stay: what was signed is a distance over all of them, and a new one over a few would be another.
    settled = state.settled.without(*_HELD_TESTS)
    crossed = {name: value for name, value in state.crossed.items() if name not in _HELD_TESTS}
    return replace(state, settled=settled, crossed=crossed)


def _merged(
    state: State,
    cells: Iterable[TelemetryCell],
    release: Release,
    exposure: Exposure,
    settings: Settings,
    *,
    until: float,
) -> State:
    """Cells of ticks that lie whole in the stage and are not settled; the fuller of two reports about one counts."""
    known = {tick.at: tick for tick in state.recent}
    backwards, begin = set(state.backwards), max(state.since, state.settled_until)
    for cell in cells:
        at, arm = ceil(cell.tick.timestamp()), (cell.version, cell.role)
        if arm not in {exposure.canary, exposure.control} or at < begin or at + settings.tick_seconds > until:
            continue
        tick = known.get(at, Tick(at=at))
        had = tick.canary if arm == exposure.canary else tick.control
        # Counters that went back belong to a new segment of the source: what was counted stays counted.
        if cell.requests < had.requests:
            backwards.add(at)
            continue
        said = _counts(cell, release.release_id)
        fuller = max(had, said, key=lambda counts: counts.rank)
        known[at] = replace(tick, canary=fuller) if arm == exposure.canary else replace(tick, control=fuller)
    recent = tuple(known[at] for at in sorted(known))
    return replace(state, recent=recent, backwards=tuple(sorted(backwards))[-_SEGMENTS:])


def _counts(cell: TelemetryCell, release_id: str) -> Counts:
    return Counts(
        requests=cell.requests,
        errors=cell.errors,
        clients=tuple(sorted({_client(name, release_id) for name in cell.failing_entities})),
        latency=tuple(sorted((bucket, n) for bucket, n in cell.latency if n)),
        scores=cell.scores,
        wins=cell.wins,
    )


def _client(name: str, release_id: str) -> str:
    """Enough to know a caller again within one release, too little to name one."""
    return blake2b(name.encode(), key=release_id.encode()[:64], digest_size=4).hexdigest()


def _settled(state: State, frame: Frame, *, until: int) -> State:
    length = frame.settings.tick_seconds
    done = [tick for tick in state.recent if tick.at + length <= until]
    return replace(
        state,
        settled=reduce(lambda evidence, tick: absorb(evidence, tick, frame), done, state.settled),
        settled_until=max(state.settled_until, until),
        recent=state.recent[len(done) :],
    )


def _with_recent(state: State, frame: Frame) -> Evidence:
    length = frame.settings.tick_seconds
    complete = [tick for tick in state.recent if tick.at + length <= state.watermark]
    return reduce(lambda evidence, tick: absorb(evidence, tick, frame), complete, state.settled)
