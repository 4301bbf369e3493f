"""Held-out rows and logged predictions of a run: Parquet files beside a description in JSON.

Parquet is read by Arrow with limits; nothing in it is executed. Types become plain numpy columns.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from services.adapters.mlflow.artifacts import RunFiles
from services.evaluation.harness.ports import Holdout
from services.evaluation.harness.rows import Array, is_number, missing, numbers, words
from services.kernel.errors import ArtifactRefusedError

_ROWS, _DESCRIBED = "data/holdout.parquet", "data/holdout.json"
_PREDICTIONS, _PREDICTIONS_DESCRIBED = "predictions.parquet", "predictions.json"
_LARGEST_ROWS = 512 * 1024**2
_LARGEST_TEXT = 1024**2
_MOST_ROWS = 5_000_000
_MOST_COLUMNS = 2_000


class RunHoldouts:
    """Implements evaluation.harness.ports.HoldoutSource."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files

    def holdout(self, model: str, version: str) -> Holdout | None:
        return self._read(model, version, _ROWS, _DESCRIBED, scored=False)

    def predictions(self, model: str, version: str) -> Holdout | None:
        return self._read(model, version, _PREDICTIONS, _PREDICTIONS_DESCRIBED, scored=True)

    def _read(self, model: str, version: str, rows: str, described: str, *, scored: bool) -> Holdout | None:
        data = self._files.read(model, version, rows, largest=_LARGEST_ROWS)
        if data is None:
            return None
        text = self._files.read(model, version, described, largest=_LARGEST_TEXT)
        try:
            return _holdout(data, json.loads(text) if text else {}, name=rows, scored=scored)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as odd:
            raise ArtifactRefusedError(f"{rows} cannot be understood ({type(odd).__name__}: {odd}).") from odd


def _holdout(data: bytes, described: Mapping[str, Any], *, name: str, scored: bool) -> Holdout:
    columns = read_parquet(data)
    label_name, time_name = str(described.get("label") or "label"), str(described.get("time") or "event_at")
    if label_name not in columns:
        raise ValueError(f"it has no column {label_name!r} with the label")
    label, times = columns.pop(label_name), columns.pop(time_name, None)
    score = columns.pop("score", None) if scored else None
    if scored and score is None:
        raise ValueError("it has no column 'score' with the predictions")
    if not is_number(label) or missing(label).any() or not len(label):
        raise ValueError("the label is not a number on every row")
    groups = {
        str(attribute): words(columns.pop(column))
        for attribute in described.get("attributes") or ()
        for column in (f"{attribute} (group)", str(attribute))[: 1 if f"{attribute} (group)" in columns else 2]
        if column in columns
    }
    late = described.get("late")
    threshold = described.get("threshold")
    return Holdout(
        rows=columns,
        label=numbers(label),
        scores=None if score is None else numbers(score),
        name=str(described.get("name") or name),
        digest=hashlib.sha256(data).hexdigest()[:16],
        window=str(described.get("window") or _window(times)),
        task=str(described.get("task") or ""),
        unit=str(described.get("unit") or ""),
        threshold=None if threshold is None else float(threshold),
        attributes=groups,
        times=times if times is not None and times.dtype.kind == "M" else None,
        late=None if late is None else tuple(sorted((str(key), str(note)) for key, note in late.items())),
    )


def read_parquet(data: bytes) -> dict[str, Array]:
    """Raises ValueError for what is no flat table of numbers, texts and times, or too large."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        facts = file.metadata
        if facts.num_rows > _MOST_ROWS or facts.num_columns > _MOST_COLUMNS:
            raise ValueError(f"it has {facts.num_rows:,} rows and {facts.num_columns:,} columns, which is too much")
        table = file.read()
    except pa.ArrowException as broken:
        raise ValueError(str(broken)[:200]) from broken
    return {name: _column(table.column(name)) for name in table.column_names}


def _column(values: Any) -> Array:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return np.asarray(values.cast(pa.timestamp("us"), safe=False).to_numpy()).astype("datetime64[ns]")
    if pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    elif (pa.types.is_integer(kind) or pa.types.is_boolean(kind)) and values.null_count:
        values = values.cast(pa.float64()) if pa.types.is_integer(kind) else values.cast(pa.int8()).cast(pa.float64())
    elif not (
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
    ):
        raise ValueError(f"a column holds {kind}, which is no number, text or time")
    found: Array = np.asarray(values.to_numpy())
    return found


def _window(times: Array | None) -> str:
    if times is None or times.dtype.kind != "M" or missing(times).all():
        return ""
    known = times[~missing(times)].astype("datetime64[D]")
    return f"{known.min()} to {known.max()}"
