"""What stands for the watcher while history is replayed: looks at a release by the calendar of the replay.

The telemetry of a running deployment is ordered by the wall clock, and half a year passes here in minutes. The counts
are those of the inference log, the tests those of the watcher; only the clock differs.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, rows
from services.container import ControlRoom
from services.kernel.health import Health
from services.reliability.latency import bucket_of
from services.rollout.judging import TICK_SECONDS, SequentialJudge
from services.rollout.release_models import Check, Release, TelemetryBatch, TelemetryCell
from services.rollout.stages import stage_rules

_ROWS = """
SELECT CAST(version AS VARCHAR), role, epoch_us(event_at) // $tick * $tick, status, TRY_CAST(latency_ms AS DOUBLE)
FROM read_parquet($files, union_by_name = true)
WHERE epoch_us(event_at) >= $since AND epoch_us(event_at) < $until AND role IN ('live', 'mirror')
"""
_TICK = TICK_SECONDS * 1_000_000


def armed(model: str, version: str) -> tuple[Check, ...]:
    """Satisfies release_ports.Armed for the replay only."""
    words = f"History of {model} is replayed: version {version} is looked at before each step, by its calendar."
    return (Check(id="replay", title="Replayed history", state=Health.HEALTHY, sentence=words),)


def measure(room: ControlRoom, model: str, inference: Path) -> None:
    """Judges the running release by what was replayed since its stage began, and keeps the look."""
    view = room.releases.view(model)
    if view is None:
        return
    release, now = view.release, room.clock.now()
    batch = TelemetryBatch(cells=_cells(inference, release, until=now), watermark=now)
    judge = SequentialJudge(level_of=lambda name: room.inventory.model(name).service_level, stage_rules=stage_rules)
    analysis, _ = judge.look(release, batch, state="", rules=(), now=now)
    room.releases.keep_look(analysis)


def _cells(inference: Path, release: Release, *, until: datetime) -> tuple[TelemetryCell, ...]:
    since = release.stage_since
    days = [since.date() + timedelta(days=n) for n in range((until - since).days + 2)]
    files = ParquetFolder(inference).files("requests", release.deployment, days, "deployment")
    if not files:
        return ()
    with asking(f"requests to {release.deployment}") as connection:
        given = {"files": files, "since": _microseconds(since), "until": _microseconds(until), "tick": _TICK}
        found = rows(connection, _ROWS, given)
    ticks: dict[tuple[str, str, datetime], list[tuple[int, float | None]]] = defaultdict(list)
    for version, role, at, status, ms in found:
        ticks[version, role, at_microseconds(at)].append((status, ms))
    return tuple(_cell(version, role, tick, answers) for (version, role, tick), answers in sorted(ticks.items()))


def _microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _cell(version: str, role: str, tick: datetime, answers: list[tuple[int, float | None]]) -> TelemetryCell:
    latency: dict[int, int] = defaultdict(int)
    for status, ms in answers:
        if status == HTTPStatus.OK and ms is not None:
            latency[bucket_of(ms)] += 1
    return TelemetryCell(
        version=version,
        role=role,
        tick=tick,
        requests=len(answers),
        errors=sum(status != HTTPStatus.OK for status, _ in answers),
        latency=tuple(sorted(latency.items())),
    )
