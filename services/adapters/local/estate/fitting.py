"""Fits one version: a rule's table from mean labels, or a small scikit-learn pipeline with a fixed seed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from services.adapters.local.estate.recipes import Learner, Rule
from services.adapters.local.estate.scores import score_of
from services.inventory.models import Task

SEED = 20130201
_SMOOTHING = 20.0
"""A cell of a rule counts this many rows of the overall mean, so that a thin cell does not invent a rate."""


def fit_rule(rule: Rule, rows: pd.DataFrame, label: pd.Series) -> dict[str, Any]:
    """The rule as plain numbers: `tables` per group, with `*` for all rows."""
    units = rows[rule.times].to_numpy(dtype="float64") if rule.times else np.ones(len(rows))
    overall = float(label.sum() / units.sum())
    values = rows[rule.column].to_numpy(dtype="float64")
    cells = len(rule.edges) + 2
    place = np.where(np.isnan(values), cells - 1, np.searchsorted(rule.edges, values, side="right"))
    groups = {"*": np.ones(len(rows), dtype=bool)}
    if rule.group:
        names = rows[rule.group].astype(str).to_numpy()
        groups |= {str(name): names == name for name in np.unique(names)}
    tables = {}
    for name, members in groups.items():
        total = np.bincount(place[members], weights=label.to_numpy()[members], minlength=cells)
        weight = np.bincount(place[members], weights=units[members], minlength=cells)
        means = (total + _SMOOTHING * overall) / (weight + _SMOOTHING)
        tables[name] = [round(float(mean), 6) for mean in means]
    return {
        "column": rule.column,
        "edges": list(rule.edges),
        "group": rule.group,
        "times": rule.times,
        "tables": tables,
    }


def fit_learner(learner: Learner, task: Task, rows: pd.DataFrame, label: pd.Series) -> Any:
    """A fitted scikit-learn pipeline that accepts the rows as they are, missing values included."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    words = [name for name in rows.columns if not pd.api.types.is_numeric_dtype(rows[name])]
    numbers = [name for name in rows.columns if name not in words]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, min_frequency=30)
    prepared = make_column_transformer((_numbers(learner), numbers), (encoder, words))
    pipeline = make_pipeline(prepared, _estimator(learner, task))
    with one_thread():
        return pipeline.fit(rows, label.to_numpy())


def predict(model: Any, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The scores of a fitted pipeline or of a rule."""
    if isinstance(model, dict):
        from services.adapters.local.estate.rule_model import apply_rule

        return apply_rule(model, rows)
    with one_thread():
        return score_of(model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows))


def one_thread() -> AbstractContextManager[Any]:
    """Small fits gain little from a second thread, and lose tenfold to spinning when the machine is busy."""
    limits: AbstractContextManager[Any] = _thread_pools().limit(limits=1)
    return limits


@cache
def _thread_pools() -> Any:
    """Found once, after scikit-learn has loaded its libraries: looking for them takes longer than scoring a row."""
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _numbers(learner: Learner) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if learner.kind == "boosted":
        return "passthrough"
    return make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())


def _estimator(learner: Learner, task: Task) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    if learner.kind == "linear":
        return LogisticRegression(max_iter=300) if task is Task.CLASSIFICATION else Ridge(alpha=10.0)
    settings: dict[str, Any] = {
        "max_iter": learner.rounds,
        "learning_rate": learner.rate,
        "max_leaf_nodes": learner.leaves,
        "min_samples_leaf": learner.leaf_rows,
        "early_stopping": False,
        "random_state": SEED,
    }
    if task is Task.CLASSIFICATION:
        weight = "balanced" if learner.balanced else None
        return HistGradientBoostingClassifier(class_weight=weight, **settings)
    return HistGradientBoostingRegressor(**settings)
