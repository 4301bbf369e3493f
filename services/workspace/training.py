"""Trains the estate's models in two processes side by side: the real-time model takes as long as all the others."""

from __future__ import annotations

import multiprocessing
import os
from datetime import datetime
from multiprocessing.queues import Queue
from queue import Empty
from typing import TYPE_CHECKING

from services.kernel.errors import ControlRoomError
from services.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from services.adapters.local.estate.training import Spent

_GROUPS = (frozenset({"delay_claim_score"}), frozenset({"claims_triage", "payout_forecast", "plan_utilisation"}))
_POLL_SECONDS = 0.5

_News = tuple[int, str, float]


def train(settings: Settings, prepared_at: datetime, progress: Callable[[str, float], None]) -> None:
    """Registers every version of the history. Raises ControlRoomError when one process could not finish."""
    from services.adapters.mlflow.initialise import initialise_store

    progress("Training models on the early part of the data", 0.0)
    initialise_store(settings.registry_uri)
    context = multiprocessing.get_context("spawn")
    news: Queue[_News] = context.Queue()
    processes = [
        context.Process(
            target=_train_group,
            args=(number, settings, prepared_at, news),
            daemon=True,
        )
        for number in range(len(_GROUPS))
    ]
    for process in processes:
        process.start()
    shares = [0.0] * len(_GROUPS)
    try:
        while any(process.is_alive() for process in processes) or not news.empty():
            try:
                number, words, share = news.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            shares[number] = share
            progress(words, sum(shares) / len(shares))
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
            process.join()
    if any(process.exitcode for process in processes):
        raise ControlRoomError(
            "Training a model of the workspace failed; the lines above say why.", hint="Start the preparation again."
        )


def _train_group(number: int, settings: Settings, prepared_at: datetime, news: Queue[_News]) -> None:
    # Two processes share two cores: more threads each would only get in each other's way.
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 2) // len(_GROUPS)))
    from services.adapters.local.estate.training import train_all

    train_all(
        settings.registry_uri,
        settings.artifacts_folder,
        prepared_at,
        lambda words, share: news.put((number, words, share)),
        only=set(_GROUPS[number]),
        spent=lambda spent: _record(settings.inference_folder, spent),
    )


def _record(inference: Path, spent: Spent) -> None:
    """Computing time is a cost of the model on the day its version was made."""
    from services.adapters.local.late_facts import Usage, write_usage

    row = Usage(
        model=spent.model, version=spent.version, component="training", day=spent.at.date(),
        cpu_seconds=round(spent.cpu_seconds, 4), bytes=0, wall_seconds=round(spent.wall_seconds, 4),
    )  # fmt: skip
    write_usage(inference, [row], source=f"training {spent.model} {spent.version}")
