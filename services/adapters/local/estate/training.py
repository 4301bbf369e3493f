"""Trains every version of the workspace's history and registers it in MLflow; writes reference windows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from services.adapters.local.estate.calendar import ReplayCalendar
from services.adapters.local.estate.recipes import VERSION_PLANS, VersionPlan
from services.adapters.local.estate.registration import Registrar
from services.adapters.local.estate.trained import Trained, created_at, train
from services.kernel.clock import require_utc
from services.kernel.errors import UnknownVersionError

Progress = Callable[[str, float], None]
"""Called with what was finished and the share of the work done so far, between 0 and 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What making one version took in this process: fitting, measuring, registering."""

    model: str
    version: str
    at: datetime
    """When the version was made, in the workspace's calendar."""
    cpu_seconds: float
    wall_seconds: float


__all__ = ["VERSION_PLANS", "Spent", "VersionPlan", "created_at", "reference_rows", "train_all", "write_reference"]


def train_all(
    mlflow_uri: str,
    artifacts: Path,
    prepared_at: datetime,
    progress: Progress = lambda _text, _share: None,
    *,
    only: set[str] | None = None,
    scale: float = 1.0,
    spent: Callable[[Spent], None] = lambda _spent: None,
) -> None:
    """Trains and registers all versions, the same every time; versions that are already registered are left alone.

    `spent` hears what each new version took. `only` names models; `scale` below 1 trains smaller models on fewer rows,
    for tests.
    """
    registrar = Registrar(mlflow_uri, artifacts, ReplayCalendar(prepared_at=require_utc(prepared_at)))
    plans = [plan for plan in VERSION_PLANS if only is None or plan.model in only]
    champions: dict[str, Trained] = {}
    for done, plan in enumerate(plans):
        before = champions.get(plan.model)
        cpu, wall = time.process_time(), time.monotonic()
        trained = train(plan, scale=scale, champion=before)
        if not registrar.has(plan.model, plan.version):
            registrar.register(trained)
            spent(
                Spent(
                    model=plan.model, version=plan.version, at=created_at(plan, prepared_at),
                    cpu_seconds=time.process_time() - cpu, wall_seconds=time.monotonic() - wall,
                )
            )  # fmt: skip
        if not plan.flawed:
            champions[plan.model] = trained
        progress(f"{plan.model} version {plan.version}: {plan.title}", (done + 1) / len(plans))


def reference_rows(model: str, version: str) -> pd.DataFrame:
    """Holdout rows of a version: its inputs, score and label. Raises UnknownVersionError."""
    plan = next((plan for plan in VERSION_PLANS if (plan.model, plan.version) == (model, version)), None)
    if plan is None:
        raise UnknownVersionError(f"The estate has no {model} version {version}.")
    trained = train(plan)
    rows = trained.holdout[list(plan.inputs)].assign(score=trained.score, label=trained.holdout["label"])
    return rows.set_index(pd.Index(trained.holdout["case"], name="prediction_id"))


def write_reference(folder: Path, *, model: str, version: str) -> Path:
    """Writes `folder/<model>.parquet`: inputs, score and label of the version's holdout. Returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{model}.parquet"
    draft = file.with_suffix(".draft")
    reference_rows(model, version).reset_index().to_parquet(draft, compression="zstd")
    draft.replace(file)
    return file
