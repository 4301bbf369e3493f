"""A rule as a model: a table of scores by range of one column, optionally per group and times another column.

Logged as code with its numbers in a JSON file, so loading it unpickles nothing. Self-contained: MLflow copies it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.pyfunc.model import PythonModel


def apply_rule(rule: dict[str, Any], rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """One score per row. The last number of a table row answers for a missing value, `*` for an unknown group."""
    values = rows[rule["column"]].to_numpy(dtype="float64")
    place = np.searchsorted(np.asarray(rule["edges"]), values, side="right")
    place = np.where(np.isnan(values), len(rule["edges"]) + 1, place)
    names = rows[rule["group"]].astype(str) if rule["group"] else pd.Series("*", index=rows.index)
    tables = rule["tables"]
    known = [name if name in tables else "*" for name in names]
    groups = sorted(tables)
    grid = np.asarray([tables[name] for name in groups], dtype="float64")
    scores: npt.NDArray[np.float64] = grid[[groups.index(name) for name in known], place]
    return scores * rows[rule["times"]].to_numpy(dtype="float64") if rule["times"] else scores


class RuleModel(PythonModel):
    def load_context(self, context: Any) -> None:
        self.rule = json.loads(Path(context.artifacts["rule"]).read_text())

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        return apply_rule(self.rule, model_input)


mlflow.models.set_model(RuleModel())
