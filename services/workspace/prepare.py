"""Makes the embedded workspace, once: registry, keys, ledger, and half a year of history through the real services.

Two starters at once: one prepares, the other waits at the lock. A preparation that was interrupted leaves no marker
and is started over. What is written is the same as in production; only the clock follows the replay calendar.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from services.kernel.clock import FrozenClock, utc_text
from services.kernel.errors import ConflictError, SettingsError
from services.settings import Settings
from services.workspace import marker, training
from services.workspace.marker import PreparedFacts, is_prepared, read_facts

if TYPE_CHECKING:
    from services.adapters.local.serving import LocalServing

__all__ = ["PreparedFacts", "is_prepared", "prepare", "read_facts", "reset"]

Progress = Callable[[str, float], None]
"""Called with the step in words and the share of the whole that is done, between 0 and 1."""

_WAIT_SECONDS = 900
_TRAINED, _FOUNDED, _REPLAYED = 0.36, 0.40, 0.94


def prepare(settings: Settings, progress: Progress = lambda _step, _share: None) -> PreparedFacts:
    """The facts of the prepared workspace; returns at once when it already is.

    Raises ControlRoomError with what went wrong; nothing half-made is kept.
    """
    facts = read_facts(settings)
    if facts is not None:
        return facts
    marker.make_home(settings)
    try:
        with FileLock(settings.home / marker.LOCK_NAME, timeout=_WAIT_SECONDS):
            facts = read_facts(settings)
            if facts is not None:
                return facts
            marker.clear(settings)
            return _make(settings, progress)
    except Timeout as slow:
        raise ConflictError(
            "Another process has been preparing this workspace for more than 15 minutes.",
            hint=f"Wait for it, or stop it and remove {settings.home / marker.LOCK_NAME}.",
        ) from slow


def reset(settings: Settings) -> None:
    """Deletes the workspace. Raises ConflictError while it is being prepared or running."""
    if not settings.home.exists():
        return
    try:
        with (
            FileLock(settings.home / marker.RUNNING_LOCK, timeout=1),
            FileLock(settings.home / marker.LOCK_NAME, timeout=1),
        ):
            marker.clear(settings)
    except Timeout as busy:
        raise ConflictError(
            "The workspace is in use, so it was not deleted.", hint="Stop the running Countersign first (Ctrl-C)."
        ) from busy


def _make(settings: Settings, progress: Progress) -> PreparedFacts:
    if settings.mlflow_uri:
        raise SettingsError(
            "COUNTERSIGN_MLFLOW_URI names another registry, and the embedded workspace never writes its demonstration "
            "models into somebody's registry.",
            hint="Unset it to use the embedded store.",
        )
    began = time.monotonic()
    _quiet_mlflow()
    prepared_at = datetime.now(UTC).replace(microsecond=0)
    replay_from = marker.replay_start(prepared_at)
    training.train(settings, prepared_at, lambda words, share: progress(words, share * _TRAINED))
    progress("Founding the deployment: keys, people, first ledger entry", _TRAINED)
    from services.workspace.founding import found

    genesis = found(settings, at=replay_from, replay_from=replay_from, replay_to=prepared_at)
    _live_through(settings, replay_from, prepared_at, progress)
    facts = PreparedFacts(
        prepared_at=prepared_at, replay_from=replay_from, genesis=genesis, seconds=time.monotonic() - began
    )
    marker.write_facts(settings, facts)
    progress(f"Prepared in {facts.seconds:.0f} seconds", 1.0)
    return facts


def _quiet_mlflow() -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")


def _live_through(settings: Settings, start: datetime, end: datetime, progress: Progress) -> None:
    """Half a year: the endpoint serves, the data flows, people decide. Then everything screens need is computed."""
    from services.adapters.local.estate.feature_history import write_feature_history
    from services.adapters.local.processes import start_endpoint
    from services.adapters.local.replay import HistoryReplay
    from services.adapters.local.serving import LocalServing
    from services.container import open_control_room
    from services.workspace import facts, history, replayed
    from services.workspace.story import disturbance

    progress("Starting the local endpoint", _FOUNDED)
    settings.serving_folder.mkdir(parents=True, exist_ok=True)
    clock = FrozenClock(start)
    with (settings.logs_folder / "prepare-endpoint.log").open("ab") as output:
        endpoint = start_endpoint(home=settings.home, tracking_uri=settings.registry_uri, port=0, output=output)
        try:
            serving = LocalServing(endpoint.url, token_file=endpoint.token_file)
            # Nothing watches in real time while half a year passes in minutes; the story looks before each step.
            room = open_control_room(settings, clock=clock, serving=serving, armed=replayed.armed)
            facts.register(room, today=end)
            for model in room.inventory.models():
                if model.kind.value != "vendor":
                    serving.register(model.name, model.kind.value)
            room.inventory.sync()
            room.evaluation.refresh(limit=1000)
            write_feature_history(settings.inference_folder, end)
            room.handling.refresh_lineage()
            replay = HistoryReplay(
                url=endpoint.url,
                token_file=endpoint.token_file,
                journal=settings.serving_folder / "journal",
                inference=settings.inference_folder,
                prepared_at=end,
                faults=(disturbance(end),),
            )
            span = _REPLAYED - _FOUNDED
            history.act(
                room,
                clock,
                replay,
                start=start,
                end=end,
                progress=lambda words, share: progress(words, _FOUNDED + share * span),
                measure=lambda model: replayed.measure(room, model, settings.inference_folder),
            )
            _references(settings, serving)
        finally:
            endpoint.stop()
    progress("Computing drift, service levels, cost and benefit from what was recorded", _REPLAYED)
    _summarise(settings, start, end)


def _references(settings: Settings, serving: LocalServing) -> None:
    """The rows current data is compared with: the hold-out of each live version."""
    from services.adapters.local.estate.training import write_reference

    for deployment in serving.deployments():
        routes = serving.observe(deployment).routes
        if routes:
            live = max(routes, key=lambda route: route[1])[0]
            write_reference(settings.inference_folder / "reference", model=deployment, version=live)


def _summarise(settings: Settings, start: datetime, end: datetime) -> None:
    from services.adapters.sql.ops import SqlOps
    from services.container import open_control_room
    from services.workspace import bookkeeping

    room = open_control_room(settings)
    ops = SqlOps(room.database)
    ops.set_fact("replay_from", utc_text(start), at=end)
    ops.set_fact("prepared_at", utc_text(end), at=end)
    room.inventory.sync()
    for refresh in (
        room.monitoring.refresh,
        room.performance_cubes.run,
        room.reliability.refresh,
        room.feedback.refresh,
        room.corrections.refresh,
        room.value.refresh,
        room.handling.refresh_tables,
        room.handling.refresh_cells,
        room.oversight.refresh_summaries,
        room.oversight.call_reviews,
        room.oversight.refresh_summaries,
    ):
        refresh()
    bookkeeping.keep_months(room, ("claims_triage", "delay_claim_score", "payout_forecast"))
    room.reviews.refresh()  # a model that missed its months waits for its owner from the first sign-in on
    room.portfolio.refresh()
    room.ledger.anchor()
