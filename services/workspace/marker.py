"""The marker that is written last: a home folder with it is prepared, one without it is not.

Reading it needs nothing but the standard library, so that a start on a prepared workspace takes no time.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from services.kernel.clock import from_utc_text, utc_text
from services.kernel.errors import StorageUnavailableError
from services.settings import Settings

FORMAT = "1"
LOCK_NAME = "prepare.lock"
RUNNING_LOCK = "supervisor.lock"
RUNNING_NOTE = "supervisor.pid"
_KEPT = {LOCK_NAME, RUNNING_LOCK, RUNNING_NOTE}
_REPLAYED = timedelta(days=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFacts:
    """`replay_from` to `prepared_at` is the replayed history; what comes after is live."""

    prepared_at: datetime
    replay_from: datetime
    genesis: str
    seconds: float


def make_home(settings: Settings) -> None:
    """Raises StorageUnavailableError when the home folder can neither be found nor made."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as broken:
        raise StorageUnavailableError(
            f"The workspace folder {settings.home} cannot be used ({broken.strerror or broken}).",
            hint="Choose another one: COUNTERSIGN_HOME=folder.",
        ) from broken


def marker_file(settings: Settings) -> Path:
    return settings.home / "prepared.json"


def replay_start(prepared_at: datetime) -> datetime:
    """Midnight UTC 180 days before."""
    return (prepared_at - _REPLAYED).replace(hour=0, minute=0, second=0, microsecond=0)


def is_prepared(settings: Settings) -> bool:
    return marker_file(settings).exists()


def read_facts(settings: Settings) -> PreparedFacts | None:
    """None when the workspace is not prepared. Raises StorageUnavailableError when the marker cannot be read."""
    file = marker_file(settings)
    if not file.exists():
        return None
    try:
        facts = json.loads(file.read_text())
        return PreparedFacts(
            prepared_at=from_utc_text(facts["prepared_at"]),
            replay_from=from_utc_text(facts["replay_from"]),
            genesis=facts["genesis"],
            seconds=float(facts["seconds"]),
        )
    except (OSError, ValueError, KeyError) as broken:
        raise StorageUnavailableError(
            f"{file} cannot be read ({type(broken).__name__}).",
            hint="Restore the file from a backup, or start over with `make reset`.",
        ) from broken


def write_facts(settings: Settings, facts: PreparedFacts) -> None:
    """Atomic: the marker is complete or absent."""
    draft = marker_file(settings).with_suffix(".draft")
    document = {
        "format": FORMAT,
        "prepared_at": utc_text(facts.prepared_at),
        "replay_from": utc_text(facts.replay_from),
        "genesis": facts.genesis,
        "seconds": round(facts.seconds, 1),
    }
    with draft.open("w") as file:
        json.dump(document, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(marker_file(settings))


def clear(settings: Settings) -> None:
    """Removes everything but the locks. Only for a workspace nobody prepared to the end, or on `reset`."""
    for entry in settings.home.iterdir():
        if entry.name in _KEPT:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
