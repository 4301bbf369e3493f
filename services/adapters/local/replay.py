"""The past: sends the streams through the really served models, in their true order and calendar.

Latency, errors, scores and processor time are measured while it runs. The endpoint is told when each request happened
in the workspace's calendar; the wall clock is logged beside it. `LiveReplay` goes on where this ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.adapters.local import late_facts
from services.adapters.local.batch import Day, run_window, write_runs
from services.adapters.local.estate.catalog import decision_threshold
from services.adapters.local.estate.placed import FEATURES
from services.adapters.local.estate.streams import Slot, Stream, stream_for
from services.adapters.local.gateway.client import Caller
from services.adapters.local.inference_log import compact
from services.adapters.local.late_facts import BATCH, REALTIME, CpuMeter, Usage
from services.adapters.local.live_replay import LiveReplay
from services.adapters.local.serving import LocalServing
from services.kernel.errors import ServingUnavailableError

__all__ = ["FaultWindow", "HistoryReplay", "LiveReplay", "hourly"]

IN_FLIGHT = 3
_RETRIES = 20
_RETRY_SECONDS = 1.0

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWindow:
    """A disturbance of the real-time model, shown on purpose. Everything inside carries the label."""

    start: datetime
    end: datetime
    label: str
    latency_ms: float
    error_rate: float


class HistoryReplay:
    """Segments may follow each other, with approvals and traffic moves between them. Repeating one adds no row."""

    def __init__(
        self,
        *,
        url: str,
        token_file: Path,
        journal: Path,
        inference: Path,
        prepared_at: datetime,
        share: float = 1.0,
        faults: tuple[FaultWindow, ...] = (),
    ) -> None:
        self._url = url
        self._token_file = token_file
        self._journal = journal
        self._inference = inference
        self._faults = faults
        self._serving = LocalServing(url, token_file=token_file)
        self._streams = {model: stream_for(model, prepared_at, share=share) for model in (REALTIME, *BATCH)}
        self._meter = CpuMeter()
        self._sizes: dict[tuple[str, str], int] = {}

    def replay(
        self, start: datetime, end: datetime, progress: Progress = lambda _text, _share: None, *, mature: bool = True
    ) -> int:
        """Everything of [start, end), in order; returns the rows scored.

        `mature` writes the labels and reviews that arrived meanwhile; without it call `mature` once at the end.
        Raises ServingUnavailableError when the endpoint stays away.
        """
        rows = 0
        parts = late_facts.days_between(start, end)
        days: list[tuple[datetime, Day, dict[tuple[str, str], float], dict[tuple[str, str], int]]] = []
        for number, (first, last) in enumerate(parts):
            day = asyncio.run(self._send(first, last))
            processes = self._serving.processes()
            self._sizes.update({(item.deployment, item.version): item.model_bytes for item in processes})
            days.append((first, day, self._meter.read(processes), dict(self._sizes)))
            rows += day.rows
            progress(f"{first:%d %B}", (number + 1) / len(parts))
        self._serving.rotate_journal()
        compact(self._journal, self._inference)
        source = f"history {start.isoformat()}"
        write_runs(self._inference, [run for _, day, _, _ in days for run in day.runs], source=source)
        usage = [row for first, day, cpu, sizes in days for row in self._usage(first, day, cpu, sizes)]
        late_facts.write_usage(self._inference, usage, source=source)
        if mature:
            self.mature(start, end)
        return rows

    def mature(self, start: datetime, end: datetime) -> None:
        """Labels and reviews that arrived in [start, end)."""
        source = f"history {start.isoformat()} {end.isoformat()}"
        for model, stream in self._streams.items():
            late_facts.write_labels(self._inference, model, stream.labels(start, end), source=source)
            late_facts.write_reviews(
                self._inference, stream, start, end, threshold=decision_threshold(model) or 0.5, source=source
            )

    async def _send(self, start: datetime, end: datetime) -> Day:
        day = Day()
        serving = {item: bool(self._serving.observe(item).routes) for item in self._serving.deployments()}
        async with Caller(self._url, token_file=self._token_file) as caller, asyncio.TaskGroup() as together:
            if serving.get(REALTIME):
                together.create_task(self._send_requests(caller, day, start, end))
            jobs = [model for model in BATCH if serving.get(model)]
            together.create_task(self._run_jobs(caller, day, jobs, start, end))
        return day

    async def _send_requests(self, caller: Caller, day: Day, start: datetime, end: datetime) -> None:
        """A few at a time, each started in its turn; a fault window has only its own requests in flight."""
        faults: FaultWindow | None = None
        waiting: set[asyncio.Task[None]] = set()
        for slot in hourly(self._streams[REALTIME], start, end):
            wanted = next((fault for fault in self._faults if fault.start <= slot.at < fault.end), None)
            if wanted != faults:
                await _all(waiting)
                self._disturb(wanted)
                faults = wanted
            while len(waiting) >= IN_FLIGHT:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            waiting.add(asyncio.create_task(self._send_one(caller, day, slot)))
            # Give the request its first step now, so that requests leave in the order of their hours.
            await asyncio.sleep(0)
        await _all(waiting)
        if faults is not None:
            self._disturb(None)

    async def _send_one(self, caller: Caller, day: Day, slot: Slot) -> None:
        request_id = f"replay-{slot.model}-{slot.at:%Y%m%dT%H%M}"
        for attempt in range(_RETRIES):
            try:
                scored = await caller.score(slot.model, slot.rows, slot.entities, at=slot.at, request_id=request_id)
            except ServingUnavailableError:
                if attempt == _RETRIES - 1:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                day.note(slot.model, scored.version, seconds=scored.seconds, rows=scored.good_rows)
                return

    async def _run_jobs(self, caller: Caller, day: Day, jobs: list[str], start: datetime, end: datetime) -> None:
        for model in jobs:
            for slot in self._streams[model].slots(start, end):
                run = await run_window(
                    caller, model, slot.rows, slot.entities, window_start=slot.at, started_at=slot.at
                )
                if run is not None:
                    day.note_run(run)

    def _disturb(self, fault: FaultWindow | None) -> None:
        for version, _share in self._serving.observe(REALTIME).routes:
            self._serving.clear_fault(REALTIME, version)
            if fault is not None:
                self._serving.inject_fault(
                    REALTIME,
                    version,
                    label=fault.label,
                    latency_ms=fault.latency_ms,
                    error_rate=fault.error_rate,
                )

    def _usage(
        self, first: datetime, day: Day, cpu: dict[tuple[str, str], float], sizes: dict[tuple[str, str], int]
    ) -> Iterator[Usage]:
        for (model, version), seconds in sorted(day.busy.items()):
            yield Usage(
                model=model,
                version=version,
                component="serving" if model == REALTIME else "batch",
                day=first.date(),
                cpu_seconds=round(cpu.get((model, version), 0.0), 4),
                bytes=0,
                wall_seconds=round(seconds, 4),
            )
        for model in self._streams:
            yield late_facts.storage(
                self._inference, model, first.date(),
                models=sum(size for (name, _), size in sizes.items() if name == model),
            )  # fmt: skip


def hourly(stream: Stream, start: datetime, end: datetime) -> Iterator[Slot]:
    """The decisions of each hour as one request, at the time of the hour's first decision."""
    calendar, inputs = stream.calendar, list(FEATURES[stream.model])
    for number in range(max(0, calendar.day_number(start)), calendar.day_number(end) + 1):
        rows = stream.cases.on_day(number, calendar)
        rows = rows.loc[(rows["event_at"] >= start) & (rows["event_at"] < end)].sort_values("event_at", kind="stable")
        for _, hour in rows.groupby(rows["event_at"].dt.floor("h"), sort=True):
            kept = hour if stream.share >= 1 else hour.head(max(1, int(len(hour) * stream.share)))
            at = kept["event_at"].iloc[0].to_pydatetime().astimezone(UTC)
            yield Slot(at=at, model=stream.model, rows=kept[inputs], entities=kept["entity"])


async def _all(tasks: set[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.gather(*tasks)
        tasks.clear()
