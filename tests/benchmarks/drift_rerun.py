"""Rerun of the drift screen over many stored sketches, beside an empty page in the same run (CPU, medians).

    python -m tests.benchmarks.drift_rerun [MODELS [FEATURES [DAYS]]]

Sketches are generated: every model draws its days from a few prepared ones, since what is read is what costs.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import insert

from services.adapters.sql.facts import packed
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.schema.monitoring import feature_day
from services.monitoring.profile import SCORE, FeatureReference, Reference
from tests.benchmarks import big_registry
from tests.benchmarks.inventory_rerun import ROOT, room_over

if TYPE_CHECKING:
    from services.container import ControlRoom

ROUNDS, CELLS, DRAWN = 9, 82, 24


def main(models: int = 100, features: int = 50, days: int = 365) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        uri = big_registry.build(folder / "mlflow.db", models=models, versions=2)
        room, _ = room_over(folder, uri, models)
        fill(room, models, features, days)
        began = time.process_time()
        room.monitoring.refresh()
        print(f"judging all {models} models once: {time.process_time() - began:.1f} s CPU")
        figures = measure(room)
        print(f"{models} models x {features} features x {days} days of sketches, medians of {ROUNDS}, ms CPU")
        for name, value in figures.items():
            print(f"{name:32} {value * 1000:8.1f}  {value / figures['empty page']:5.1f} x")


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


def measure(room: ControlRoom) -> dict[str, float]:
    from streamlit.testing.v1 import AppTest

    def cpu(work: Callable[[], object]) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    empty = AppTest.from_file(str(ROOT / "tests" / "benchmarks" / "empty_page.py"), default_timeout=60)
    empty.run()
    screen = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    screen.session_state["control_room"] = room
    screen.session_state["token"] = room.people.open_session(room.people.sign_in_demo("clara.compliance"))
    screen.run()
    found: dict[str, float] = {"empty page": statistics.median(cpu(empty.run) for _ in range(ROUNDS))}
    for name, given in (
        ("drift, one model", {"model": "model_00000"}),
        ("drift, one column", {"model": "model_00000", "show": "column"}),
        ("drift, all models", {"show": "fleet"}),
    ):
        for key in ("model", "show"):
            screen.query_params.pop(key, None)
        for key, value in given.items():
            screen.query_params[key] = value
        screen.switch_page("pages/screens/drift.py")
        for key, value in given.items():
            screen.query_params[key] = value
        found[f"{name}, first"] = cpu(screen.run)
        assert not screen.exception
        found[f"{name}, warm"] = statistics.median(cpu(screen.run) for _ in range(ROUNDS))
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
