"""What the endpoint answered becomes facts, where callers send the requests and nobody replays any."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from services.adapters.local import late_facts
from services.adapters.local.inference_log import compact
from services.adapters.local.late_facts import CpuMeter, Usage
from services.adapters.local.serving import ScoringProcess
from services.inventory.models import DeploymentKind

EVERY = timedelta(seconds=6)
"""As often as the replay of the embedded workspace does it: figures of screens are that much behind."""
USAGE_EVERY = timedelta(seconds=60)


class Endpoint(Protocol):
    """Raises ServingUnavailableError while the endpoint is away."""

    def rotate_journal(self) -> tuple[Path, ...]: ...

    def processes(self) -> tuple[ScoringProcess, ...]: ...

    def kinds(self) -> Mapping[str, str]: ...


class LogKeeper:
    """Takes over the journal of an endpoint whose files are on this machine; of another one there is nothing here."""

    def __init__(self, endpoint: Endpoint, *, journal: Path, inference: Path) -> None:
        self._endpoint = endpoint
        self._journal = journal
        self._inference = inference
        self._meter = CpuMeter()
        self._kept_at: datetime | None = None
        self._measured_at: datetime | None = None

    def tick(self, now: datetime) -> int:
        """The rows that were taken over. Raises ServingUnavailableError; what was answered waits until it is back."""
        if not self._journal.is_dir() or not _is_due(self._kept_at, now, EVERY):
            return 0
        self._endpoint.rotate_journal()
        written = compact(self._journal, self._inference)
        self._kept_at = now
        if _is_due(self._measured_at, now, USAGE_EVERY):
            self._measure(now)
        return written

    def _measure(self, now: datetime) -> None:
        """Computing time since the last measurement. The first one counts nothing: who ran before has written that."""
        processes = self._endpoint.processes()
        used, since = self._meter.read(processes), self._measured_at
        if since is not None:
            kinds = self._endpoint.kinds()
            sizes = {(item.deployment, item.version): item.model_bytes for item in processes}
            rows = [
                Usage(
                    model=model,
                    version=version,
                    component="batch" if kinds.get(model) == DeploymentKind.BATCH else "serving",
                    day=now.date(),
                    cpu_seconds=round(seconds, 4),
                    bytes=0,
                    wall_seconds=round((now - since).total_seconds(), 1),
                )
                for (model, version), seconds in sorted(used.items())
            ]
            rows += [
                late_facts.storage(
                    self._inference, model, now.date(),
                    models=sum(size for (name, _), size in sizes.items() if name == model),
                )
                for model in sorted(kinds)
            ]  # fmt: skip
            late_facts.write_usage(self._inference, rows, source=f"kept {now.isoformat()}")
        self._measured_at = now


def _is_due(last: datetime | None, now: datetime, every: timedelta) -> bool:
    """Also after a clock that was set back: a moment that has not come says nothing."""
    return last is None or not timedelta(0) <= now - last < every
