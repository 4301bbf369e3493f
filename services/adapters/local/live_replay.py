"""From the end of the history on: one real-time decision every few seconds, batch jobs when they are due."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from services.adapters.local import late_facts
from services.adapters.local.batch import Day, run_window, write_runs
from services.adapters.local.estate.calendar import REPLAYED_DAYS
from services.adapters.local.estate.catalog import decision_threshold
from services.adapters.local.estate.placed import FEATURES
from services.adapters.local.estate.streams import Stream, stream_for
from services.adapters.local.gateway.client import Caller
from services.adapters.local.inference_log import compact
from services.adapters.local.late_facts import BATCH, REALTIME, CpuMeter, Usage
from services.adapters.local.serving import LocalServing
from services.kernel.errors import StorageUnavailableError

LIVE_EVERY = timedelta(seconds=6)
LATE_EVERY = timedelta(seconds=60)


class LiveReplay:
    """The held-back days are sent one decision after the other, again and again.

    From the second pass on their prediction ids end in `-r2`, `-r3` and so on. The position is kept in a file, so a
    restart goes on where it was.
    """

    def __init__(
        self,
        *,
        url: str,
        token_file: Path,
        journal: Path,
        inference: Path,
        state_file: Path,
        prepared_at: datetime,
    ) -> None:
        self._url = url
        self._token_file = token_file
        self._journal = journal
        self._inference = inference
        self._state_file = state_file
        self._serving = LocalServing(url, token_file=token_file)
        self._streams = {model: stream_for(model, prepared_at) for model in (REALTIME, *BATCH)}
        self._meter = CpuMeter()
        self._position = _read_position(state_file, prepared_at)
        self._day: tuple[int, pd.DataFrame] | None = None

    @property
    def passes(self) -> int:
        """1 while the held-back days are sent for the first time."""
        return (self._position.day - REPLAYED_DAYS) // self._streams[REALTIME].cases.lap_days + 1

    def tick(self, now: datetime) -> int:
        """Sends what is due, writes matured labels, compacts. Returns the rows scored.

        Raises ServingUnavailableError while the endpoint is away; nothing is skipped by that.
        """
        if now - self._position.sent_at < LIVE_EVERY:
            return 0
        day = asyncio.run(self._send(now))
        self._remember(replace(self._position, sent_at=now, jobs_at=now))
        self._serving.rotate_journal()
        compact(self._journal, self._inference)
        source = f"live {now.isoformat()}"
        write_runs(self._inference, day.runs, source=source)
        if now - self._position.late_at >= LATE_EVERY:
            self._write_late_facts(self._position.late_at, now, source)
            self._remember(replace(self._position, late_at=now))
        return day.rows

    async def _send(self, now: datetime) -> Day:
        day = Day()
        async with Caller(self._url, token_file=self._token_file) as caller:
            if self._serving.observe(REALTIME).routes:
                await self._send_next(caller, day, now)
            for model in BATCH:
                await self._run_due(caller, day, model, now)
        return day

    async def _send_next(self, caller: Caller, day: Day, now: datetime) -> None:
        stream = self._streams[REALTIME]
        row = self._next_row(stream)
        name = str(row.index[0])
        scored = await caller.score(
            REALTIME, row[list(FEATURES[REALTIME])], row["entity"], at=now, request_id=f"live-{name}"
        )
        day.note(REALTIME, scored.version, seconds=scored.seconds, rows=scored.good_rows)
        self._position = replace(self._position, offset=self._position.offset + 1)

    def _next_row(self, stream: Stream) -> pd.DataFrame:
        while True:
            if self._day is None or self._day[0] != self._position.day:
                rows = stream.cases.on_day(self._position.day, stream.calendar)
                self._day = (self._position.day, rows.sort_values("event_at", kind="stable"))
                if self._position.offset < 0:
                    passed = int((self._day[1]["event_at"] < stream.calendar.prepared_at).sum())
                    self._position = replace(self._position, offset=passed)
            rows = self._day[1]
            if self._position.offset < len(rows):
                return rows.iloc[self._position.offset : self._position.offset + 1]
            self._position = replace(self._position, day=self._position.day + 1, offset=0)

    async def _run_due(self, caller: Caller, day: Day, model: str, now: datetime) -> None:
        since = self._position.jobs_at
        for slot in self._streams[model].slots(since, now):
            run = await run_window(
                caller, model, slot.rows, slot.entities, window_start=slot.at, started_at=max(slot.at, now)
            )
            if run is not None:
                day.note_run(run)

    def _write_late_facts(self, since: datetime, now: datetime, source: str) -> None:
        late_facts.write_labels(self._inference, REALTIME, self._due_labels(since, now), source=source)
        for model in BATCH:
            stream = self._streams[model]
            late_facts.write_labels(self._inference, model, stream.labels(since, now), source=source)
            late_facts.write_reviews(
                self._inference, stream, since, now, threshold=decision_threshold(model) or 0.5, source=source
            )
        cpu = self._meter.read(self._serving.processes())
        late_facts.write_usage(self._inference, self._usage(cpu, since, now), source=source)

    def _due_labels(self, since: datetime, now: datetime) -> pd.DataFrame:
        """Labels of real-time decisions, each as long after its decision as in the recorded data."""
        cases = self._streams[REALTIME].cases.rows.set_index("case")
        made = late_facts.predictions(self._inference, REALTIME, now - timedelta(days=3), now)
        recorded = cases.reindex(made["prediction_id"].str.replace(r"-r\d+$", "", regex=True))
        found = made[["prediction_id", "event_at"]].assign(
            # The zone is named: an interval without predictions has no type to add a duration to.
            arrived_at=pd.to_datetime(made["event_at"], utc=True) + recorded["waits"].set_axis(made.index),
            label=recorded["label"].to_numpy(),
        )
        due = found["label"].notna() & (found["arrived_at"] >= since) & (found["arrived_at"] < now)
        return found.loc[due, ["prediction_id", "event_at", "arrived_at", "label"]]

    def _usage(self, cpu: dict[tuple[str, str], float], since: datetime, now: datetime) -> Iterator[Usage]:
        sizes = {(item.deployment, item.version): item.model_bytes for item in self._serving.processes()}
        for (model, version), seconds in sorted(cpu.items()):
            yield Usage(
                model=model,
                version=version,
                component="serving" if model == REALTIME else "batch",
                day=now.date(),
                cpu_seconds=round(seconds, 4),
                bytes=0,
                wall_seconds=round((now - since).total_seconds(), 1),
            )
        for model in self._streams:
            yield late_facts.storage(
                self._inference, model, now.date(),
                models=sum(size for (name, _), size in sizes.items() if name == model),
            )  # fmt: skip

    def _remember(self, position: _Position) -> None:
        self._position = position
        _write_position(self._state_file, position)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Position:
    """How far the live replay is: held-back day and decision, and the moments up to which the rest was done."""

    day: int
    offset: int
    """-1 at the very start: behind the last decision of the history."""
    sent_at: datetime
    jobs_at: datetime
    late_at: datetime


def _read_position(file: Path, prepared_at: datetime) -> _Position:
    if not file.exists():
        return _Position(day=REPLAYED_DAYS, offset=-1, sent_at=prepared_at, jobs_at=prepared_at, late_at=prepared_at)
    try:
        found = json.loads(file.read_text())
        moments = {name: datetime.fromisoformat(found[name]) for name in ("sent_at", "jobs_at", "late_at")}
        return _Position(day=int(found["day"]), offset=int(found["offset"]), **moments)
    except (OSError, ValueError, KeyError) as broken:
        raise StorageUnavailableError(
            f"{file} cannot be read ({type(broken).__name__}).",
            hint="Delete it; the live replay then starts again at the end of the history.",
        ) from broken


def _write_position(file: Path, position: _Position) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    document = {
        "day": position.day,
        "offset": position.offset,
        "sent_at": position.sent_at.isoformat(),
        "jobs_at": position.jobs_at.isoformat(),
        "late_at": position.late_at.isoformat(),
    }
    with draft.open("w") as out:
        json.dump(document, out)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
