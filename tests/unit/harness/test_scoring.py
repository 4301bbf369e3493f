"""A model that hangs, eats memory, kills itself or answers nonsense ends its own process and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from services.adapters.mlflow import wire
from services.adapters.mlflow.holdouts import read_parquet
from services.adapters.mlflow.runner import Limits, ScoringModels
from services.evaluation.harness.ports import ScoringFailed
from tests.unit.harness.lab import MODEL, Lab, fitted, good_rows
from tests.unit.harness.rows import INPUTS

ODD_MODEL = Path(__file__).with_name("odd_model.py")


@pytest.fixture(scope="module")
def odd(lab: Lab) -> Iterator[ScoringModels]:
    training, holdout = good_rows()
    lab.log("odd", fitted(training), holdout=holdout, code=ODD_MODEL)
    runner = ScoringModels(lab.registry, limits=Limits(seconds=3.0, memory=512 * 1024**2))
    yield runner
    runner.close()


def asked(lab: Lab, runner: ScoringModels, code: float) -> np.ndarray:
    rows = {name: np.full(4, code) for name in INPUTS}
    with runner.fetch(MODEL, lab.versions["odd"]) as files, files.load() as model:
        return model.score(rows)


def test_a_model_in_order_is_scored(lab: Lab, odd: ScoringModels) -> None:
    assert asked(lab, odd, 0.0).tolist() == [0.5] * 4


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (1.0, "took longer"),
        (2.0, "more memory"),
        (3.0, "ended by itself"),
        (4.0, "shape"),
        (5.0, "2 scores for 4 rows"),
    ],
)
def test_what_goes_wrong_inside_is_one_sentence_outside(lab: Lab, odd: ScoringModels, code: float, why: str) -> None:
    with pytest.raises(ScoringFailed, match=why):
        asked(lab, odd, code)
    assert len(asked(lab, odd, 0.0)) == 4


def test_model_code_sees_none_of_our_settings(lab: Lab, odd: ScoringModels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", "postgresql://secret")
    lab_runner = ScoringModels(lab.registry)
    try:
        assert asked(lab, lab_runner, 6.0).tolist() == [0.0] * 4
    finally:
        lab_runner.close()


def test_columns_survive_the_way_to_the_model_and_back() -> None:
    columns = {
        "number": np.array([1.5, np.nan]),
        "whole": np.array([1, 2]),
        "text": np.array(["a", None], dtype=object),
        "time": np.array(["2030-01-01", "NaT"], dtype="datetime64[ns]"),
    }
    frame = wire.unpacked(wire.packed(columns))
    assert frame["number"].isna().tolist() == [False, True]
    assert frame["whole"].tolist() == [1, 2]
    assert frame["text"].isna().tolist() == [False, True]
    assert frame["time"].isna().tolist() == [False, True]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"not parquet at all"])
def test_rows_that_are_no_parquet_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_parquet(data)


def test_the_nursery_ends_when_it_is_idle_and_comes_back_when_needed(lab: Lab, odd: ScoringModels) -> None:
    asked(lab, odd, 0.0)
    odd._nursery.end_when_idle(3600.0)
    assert odd._nursery._process is not None
    odd._nursery.end_when_idle(0.0)
    assert odd._nursery._process is None
    assert len(asked(lab, odd, 0.0)) == 4
