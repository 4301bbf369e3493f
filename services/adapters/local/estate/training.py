"""Trains every version of the workspace's history on the data known at its time and registers it in MLflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path

Progress = Callable[[str, float], None]
"""Called with what was finished and the share of the work done so far, between 0 and 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPlan:
    """One version of the history: `day` is the workspace day of its creation (negative: before the replay)."""

    model: str
    version: str
    title: str
    day: int
    at: time = time(9, 30)


VERSION_PLANS: tuple[VersionPlan, ...] = ()


def created_at(plan: VersionPlan, prepared_at: datetime) -> datetime:
    """When this version was made, in the workspace's calendar, UTC."""
    raise NotImplementedError


def train_all(
    mlflow_uri: str,
    artifacts: Path,
    prepared_at: datetime,
    progress: Progress = lambda _text, _share: None,
    *,
    only: set[str] | None = None,
    scale: float = 1.0,
    processes: int = 2,
) -> None:
    """Trains and registers all versions, the same every time. `only` names models; `scale` < 1 uses fewer rows."""
    raise NotImplementedError


def write_reference(
    mlflow_uri: str, artifacts: Path, prepared_at: datetime, *, model: str, version: str, folder: Path
) -> Path:
    """Writes `folder/<model>.parquet`: features, score and label of the version's holdout. Returns the file."""
    raise NotImplementedError
