"""A small inference folder as the embedded workspace writes it, a governance database, and a catalog."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from services.adapters.sql import schema
from services.adapters.sql.database import Database
from services.adapters.sql.schema.base import metadata
from services.inventory.models import DeploymentKind, GovernedModel, Owner, ServiceLevel, Task, Tier
from services.kernel.errors import UnknownModelError

TODAY = date(2031, 3, 31)
NOON = datetime(2031, 3, 31, 12, tzinfo=UTC)


def a_database(folder: Path) -> Database:
    return with_tables(Database(f"sqlite:///{folder / 'governance.db'}"))


def with_tables(database: Database) -> Database:
    for module in pkgutil.iter_modules(schema.__path__):
        importlib.import_module(f"{schema.__name__}.{module.name}")
    metadata.create_all(database.writer_engine)
    return database


def a_model(name: str = "m", **changes: object) -> GovernedModel:
    facts: dict[str, object] = {
        "name": name,
        "title": name.replace("_", " ").title(),
        "use_case": "Delay claims",
        "purpose": "Points at claims worth a look",
        "tier": Tier.TWO,
        "kind": DeploymentKind.REALTIME,
        "task": Task.CLASSIFICATION,
        "team": "Claims",
        "owners": (Owner(role="business_owner", subject="ben.business", name="Ben Okafor"),),
        "review_every_days": 180,
        "last_review": date(2031, 1, 1),
        "service_level": ServiceLevel(p95_ms=200.0, error_rate=0.01, on_time_share=0.95),
        "label": "Paid within 60 days",
        "limits_of_use": "",
        "fallback": "",
    }
    return GovernedModel(**{**facts, **changes})  # type: ignore[arg-type]


class ACatalog:
    def __init__(self, *models: GovernedModel) -> None:
        self._models = {model.name: model for model in models}

    def model(self, name: str) -> GovernedModel:
        if name not in self._models:
            raise UnknownModelError(f"There is no model called {name!r}.")
        return self._models[name]

    def models(self) -> tuple[GovernedModel, ...]:
        return tuple(self._models.values())


def write(folder: Path, source: str, owner: str, day: date, frame: pd.DataFrame, *, name: str = "part-0") -> Path:
    key = "deployment" if source == "requests" else "model"
    place = folder / source / f"{key}={owner}" / f"date={day.isoformat()}"
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{name}.parquet"
    frame.to_parquet(file)
    return file


def write_reference(folder: Path, model: str, frame: pd.DataFrame) -> None:
    (folder / "reference").mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / "reference" / f"{model}.parquet")


def at(day: date, n: int) -> pd.DatetimeIndex:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return pd.DatetimeIndex([start + timedelta(seconds=60 + second) for second in range(n)])


def predictions(
    day: date, features: pd.DataFrame, scores: object, *, role: str = "live", version: str = "1"
) -> pd.DataFrame:
    n = len(features)
    ids = [f"{day}-{version}-{role}-{number}" for number in range(n)]
    keys = pd.DataFrame(
        {
            "prediction_id": ids,
            "request_id": ids,
            "version": version,
            "role": role,
            "event_at": at(day, n),
            "entity": "e",
        }
    )
    return pd.concat([keys.assign(score=np.asarray(scores, dtype=float)), features.reset_index(drop=True)], axis=1)


def labels(of: pd.DataFrame, values: object, *, delay_days: int = 1) -> pd.DataFrame:
    arrived = of["event_at"] + pd.Timedelta(days=delay_days)
    return pd.DataFrame(
        {
            "prediction_id": of["prediction_id"],
            "event_at": of["event_at"],
            "arrived_at": arrived,
            "label": np.asarray(values, dtype=float),
        }
    )


def requests(day: date, milliseconds: object, **changes: object) -> pd.DataFrame:
    latencies = np.asarray(milliseconds, dtype=float)
    n = len(latencies)
    frame = pd.DataFrame(
        {"request_id": [f"r{number}" for number in range(n)], "deployment": "m", "version": "1", "role": "live",
         "generation": 1, "event_at": at(day, n), "logged_at": at(day, n), "status": 200, "error": "",
         "latency_ms": latencies, "rows": 1, "injected": ""}
    )  # fmt: skip
    return frame.assign(**changes)
