"""Rerun of the drift screen over many stored sketches, beside an empty page of the app in the same run (medians).

    python -m tests.benchmarks.drift_rerun [MODELS [FEATURES [DAYS]]]

Sketches are generated: every model draws its days from a few prepared ones, since what is read is what costs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import insert

from services.adapters.sql.facts import packed
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.schema.monitoring import feature_day
from services.monitoring.profile import SCORE, FeatureReference, Reference
from tests.benchmarks import big_registry, served
from tests.benchmarks.inventory_rerun import room_over
from tests.benchmarks.promised import Line

if TYPE_CHECKING:
    from services.container import ControlRoom

CELLS, DRAWN = 82, 24
MOST_WARM = 3.0
"""Promised: times an empty page of the app, drawn again by the same person."""
SCREENS: tuple[served.Screen, ...] = (
    ("drift, one model", "drift", {"model": "model_00000"}),
    ("drift, one column", "drift", {"model": "model_00000", "show": "column"}),
    ("drift, all models", "drift", {"show": "fleet"}),
)


def rerun(_sizes: argparse.Namespace | None, models: int = 100, features: int = 50, days: int = 365) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        uri = big_registry.build(folder / "mlflow.db", models=models, versions=2)
        room, _ = room_over(folder, uri, models)
        fill(room, models, features, days)
        began = time.process_time()
        room.monitoring.refresh()
        spent = time.process_time() - began
        yield Line(value=spent, unit="s CPU", words=f"judging all {models} models once")
        token = room.people.open_session(room.people.sign_in_demo("clara.compliance"))
        room.database.dispose()
        size = f"{models} models x {features} columns x {days} days"
        for figure in served.compared(folder, folder / "home", uri, token, SCREENS):
            promised = MOST_WARM if "warm" in figure.name else None
            words = f"{figure.name}, {size}  {figure.note}"
            yield Line(value=figure.value, unit=figure.unit, words=words, at_most=promised)


def fill(room: ControlRoom, models: int, features: int, days: int) -> None:
    random, store, today = np.random.default_rng(3), SqlMonitoring(room.database), datetime.now(UTC).date()
    edges = tuple(float(edge) for edge in np.linspace(0.01, 0.99, CELLS - 3))
    shares = np.append(np.full(CELLS - 2, 1 / (CELLS - 2)), [0.0, 0.0])
    middles = np.append(np.linspace(0, 1, CELLS - 2), [0.0, 0.0])
    drawn = [random.multinomial(2000, shares).astype(np.int64) for _ in range(DRAWN)]
    blobs = [(packed(counts), packed(counts * middles)) for counts in drawn]
    names = [SCORE, *(f"feature_{number:02d}" for number in range(1, features))]
    whole = np.round(shares * 100_000).astype(np.int64)
    for index in range(models):
        model = f"model_{index:05d}"
        columns = tuple(
            FeatureReference(
                feature=name, column=name, numeric=True, edges=edges, deciles=edges[7::8], values=(), counts=whole,
                sums=whole * middles, spread=0.29,
            )
            for name in names
        )  # fmt: skip
        store.put_reference(Reference(model=model, digest="generated", rows=100_000, features=columns))
        rows: list[dict[str, Any]] = [
            {"model": model, "feature": name, "slice_key": "", "day": today - timedelta(days=back),
             "counts": blobs[pick][0], "sums": blobs[pick][1]}
            for name in names
            for back, pick in enumerate(random.integers(0, DRAWN, days))
        ]  # fmt: skip
        with room.database.write() as connection:
            connection.execute(insert(feature_day), rows)


if __name__ == "__main__":
    for line in rerun(None, *map(int, sys.argv[1:])):
        print(line, flush=True)
