"""One window of a batch model of the embedded workspace scored with a version of choice: the pinned one or another.

The rows are those the job was given; the answers are logged under the order's name and never mixed with the job's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from services.adapters.local.batch import Run, run_window
from services.adapters.local.estate.streams import Slot, stream_for
from services.adapters.local.gateway.client import Caller
from services.adapters.local.inference_log import compact
from services.adapters.local.serving import LocalServing
from services.kernel.clock import Clock
from services.kernel.errors import ServingUnavailableError
from services.rollout.batch_models import RunFact


class LocalBatchRunner:
    """Implements rollout.batch_ports.BatchRunner through the local endpoint."""

    def __init__(
        self,
        *,
        url: str,
        token_file: Path,
        journal: Path,
        inference: Path,
        prepared_at: Callable[[], datetime | None],
        clock: Clock,
    ) -> None:
        self._url = url
        self._token_file = token_file
        self._journal = journal
        self._inference = inference
        self._prepared_at = prepared_at
        self._clock = clock
        self._serving = LocalServing(url, token_file=token_file)

    def score(self, model: str, version: str, *, window_start: datetime, request_id: str) -> RunFact:
        slot = self._slot(model, window_start)
        started = self._clock.now()
        if slot is None:
            return _nothing(model, version, window_start, started, "The rows of this window are not known any more.")
        run = asyncio.run(self._send(slot, version, request_id, started))
        # Written to the log before anybody asks for it.
        self._serving.rotate_journal()
        compact(self._journal, self._inference)
        return RunFact(
            model=model,
            job=run.job,
            version=version,
            window_start=window_start,
            started_at=run.started_at,
            finished_at=run.finished_at,
            rows=run.rows,
            ok=run.ok,
            on_time=run.on_time,
            error=run.error,
        )

    async def _send(self, slot: Slot, version: str, request_id: str, started: datetime) -> Run:
        async with Caller(self._url, token_file=self._token_file) as caller:
            run = await run_window(
                caller,
                slot.model,
                slot.rows,
                slot.entities,
                window_start=slot.at,
                started_at=started,
                version=version,
                request_id=request_id,
            )
        if run is None:
            raise ServingUnavailableError(
                f"Version {version} of {slot.model} could not be asked.", hint="It is tried again by itself."
            )
        return run

    def _slot(self, model: str, window_start: datetime) -> Slot | None:
        prepared_at = self._prepared_at()
        if prepared_at is None:
            return None
        slots = stream_for(model, prepared_at).slots(window_start, window_start + timedelta(microseconds=1))
        return next(iter(slots), None)


def _nothing(model: str, version: str, window_start: datetime, at: datetime, why: str) -> RunFact:
    return RunFact(
        model=model,
        job=f"{model}-scoring",
        version=version,
        window_start=window_start,
        started_at=at,
        finished_at=at,
        rows=0,
        ok=False,
        on_time=False,
        error=why,
    )
