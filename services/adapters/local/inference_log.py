"""From the gateway's JSON lines to Parquet, exactly once: `compact`; and the writers of late facts: `append_rows`.

Every day of a model is one file, `<kind>/model=<model>/date=<day>/rows.parquet`, replaced as a whole by a rename. The
file remembers which sources it contains, so a crash between two steps neither loses nor doubles a row.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from services.adapters.local.gateway.journal import closed_segments

logger = logging.getLogger(__name__)

FILE_NAME = "rows.parquet"
LOCK_NAME = ".writing.lock"
_SOURCES = b"countersign.sources"
_REMEMBERED_SOURCES = 200
_WRITERS = 8
_INSTANT = pa.timestamp("us", tz="UTC")

REQUESTS = pa.schema(
    [
        ("request_id", pa.string()),
        ("deployment", pa.string()),
        ("version", pa.string()),
        ("role", pa.string()),
        ("generation", pa.int64()),
        ("event_at", _INSTANT),
        ("logged_at", _INSTANT),
        ("status", pa.int32()),
        ("error", pa.string()),
        ("latency_ms", pa.float64()),
        ("rows", pa.int64()),
        ("injected", pa.string()),
        ("entity", pa.string()),
    ]
)
PREDICTION_KEYS = ("prediction_id", "request_id", "version", "role")
REQUEST_KEYS = ("request_id", "version", "role")
_PARTITION = {"requests": "deployment"}


def compact(journal: Path, inference: Path) -> int:
    """Moves every closed segment of `journal` into requests/ and predictions/. Returns the rows written.

    Requests of batch jobs are not in requests/: their runs are in jobs/. Copies of them to another version are.
    Repeatable at any point of a crash.
    """
    written = 0
    with _lock(inference):
        for segment in closed_segments(journal):
            parts = [
                _Part(
                    file=day_file(inference, kind, model, day),
                    rows=table,
                    keys=REQUEST_KEYS if kind == "requests" else PREDICTION_KEYS,
                )
                for (kind, model, day), table in _tables(segment).items()
            ]
            written += _add_all(parts, source=segment.name)
            segment.unlink()
    return written


def append_rows(
    inference: Path,
    kind: str,
    model: str,
    rows: pd.DataFrame,
    *,
    day_column: str,
    source: str,
    keys: tuple[str, ...] = (),
) -> int:
    """Adds rows to kind/model=<model>/date=<day of day_column, UTC>/; a `source` already there is not added twice.

    With `keys`, a row that is already there is not added again either. Returns the rows written.
    """
    if rows.empty:
        return 0
    parts = []
    days = rows[day_column]
    days = days.dt.tz_convert("UTC").dt.date if isinstance(days.dtype, pd.DatetimeTZDtype) else days
    for day, part in rows.groupby(days, sort=True):
        if not isinstance(day, date):
            raise TypeError(f"{day_column} must hold days or times, not {type(day).__name__}")
        parts.append(_Part(file=day_file(inference, kind, model, day), rows=_table(part), keys=keys))
    with _lock(inference):
        return _add_all(parts, source=source)


def day_file(inference: Path, kind: str, model: str, day: date) -> Path:
    return inference / kind / f"{_PARTITION.get(kind, 'model')}={model}" / f"date={day.isoformat()}" / FILE_NAME


def _lock(inference: Path) -> FileLock:
    inference.mkdir(parents=True, exist_ok=True)
    return FileLock(inference / LOCK_NAME, timeout=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Rows for one day's file. A row whose `keys` are already there is not added again."""

    file: Path
    rows: pa.Table
    keys: tuple[str, ...]


def _add_all(parts: list[_Part], *, source: str) -> int:
    # Most of the time is spent waiting for the disk, and several files can wait together.
    with ThreadPoolExecutor(max_workers=_WRITERS) as writers:
        return sum(writers.map(lambda part: _add(part, source=source), parts))


def _add(part: _Part, *, source: str) -> int:
    """The only place that changes a day's file."""
    file, rows, keys = part.file, part.rows, part.keys
    sources: list[str] = []
    added = rows
    if file.exists():
        existing = pq.read_table(file, partitioning=None)
        sources = json.loads((existing.schema.metadata or {}).get(_SOURCES, b"[]"))
        if source in sources:
            return 0
        added = _unknown(rows, existing, keys)
        rows = pa.concat_tables([existing, added], promote_options="permissive")
    sources = [*sources, source][-_REMEMBERED_SOURCES:]
    rows = rows.replace_schema_metadata({_SOURCES: json.dumps(sources).encode()})
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    with draft.open("wb") as out:
        pq.write_table(rows, out, compression="zstd")
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    return int(added.num_rows)


def _unknown(rows: pa.Table, existing: pa.Table, keys: tuple[str, ...]) -> pa.Table:
    # A file from before somebody gave its rows a key holds none of them.
    if not keys or not set(keys) <= set(existing.column_names):
        return rows
    have = set(zip(*(existing.column(key).to_pylist() for key in keys), strict=True))
    mine = zip(*(rows.column(key).to_pylist() for key in keys), strict=True)
    return rows.filter(pa.array([key not in have for key in mine], type=pa.bool_()))


def _table(frame: pd.DataFrame) -> pa.Table:
    """All times with the same unit and zone, whatever pandas kept them in."""
    naive = frame.copy()
    for name, kind in frame.dtypes.items():
        if isinstance(kind, pd.DatetimeTZDtype):
            naive[name] = frame[name].dt.tz_convert(None)
    table = pa.Table.from_pandas(naive, preserve_index=False)
    for position, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            table = table.set_column(position, column.name, table.column(position).cast(_INSTANT))
    return table


# Reading segments ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Predictions:
    """Columns of one model's day, grown line by line; a column that some lines do not have is null there."""

    rows: int = 0
    fixed: dict[str, list[Any]] = field(default_factory=dict)
    features: dict[str, list[Any]] = field(default_factory=dict)

    def extend(self, line: Mapping[str, Any], event_at: datetime) -> None:
        n = len(line["ids"])
        entities = line["entities"] or [""] * n
        for name, values in (
            ("prediction_id", line["ids"]),
            ("request_id", [line["request"]] * n),
            ("version", [line["version"]] * n),
            ("role", [line["role"]] * n),
            ("event_at", [event_at] * n),
            ("entity", entities),
            ("score", line["scores"]),
        ):
            self.fixed.setdefault(name, []).extend(values)
        for name, values in _columns(line["body"], n):
            if name not in self.fixed:
                column = self.features.setdefault(name, [])
                column.extend([None] * (self.rows - len(column)))
                column.extend(values)
        self.rows += n

    def table(self) -> pa.Table:
        columns = {name: pa.array(values) for name, values in self.fixed.items() if name not in {"event_at", "score"}}
        columns["event_at"] = pa.array(self.fixed["event_at"], _INSTANT)
        columns["score"] = pa.array(self.fixed["score"], pa.float64())
        for name, values in self.features.items():
            values.extend([None] * (self.rows - len(values)))
            columns[name] = _feature(values)
        return pa.table(columns)


def _tables(segment: Path) -> dict[tuple[str, str, date], pa.Table]:
    requests: dict[tuple[str, date], list[dict[str, Any]]] = {}
    predictions: dict[tuple[str, date], _Predictions] = {}
    for line in _lines(segment):
        event_at = datetime.fromisoformat(line["event_at"])
        key = (line["deployment"], event_at.date())
        if line["kind"] == "realtime" or line["role"] != "live":
            requests.setdefault(key, []).append(_request(line, event_at))
        if line["status"] == 200 and line["ids"]:
            predictions.setdefault(key, _Predictions()).extend(line, event_at)
    return {
        **{("requests", *key): pa.Table.from_pylist(rows, REQUESTS) for key, rows in requests.items()},
        **{("predictions", *key): rows.table() for key, rows in predictions.items()},
    }


def _lines(segment: Path) -> Iterator[dict[str, Any]]:
    """Complete lines. The last one may be torn when the gateway was killed; its caller never had an answer."""
    with segment.open("rb") as file:
        for text in file:
            try:
                yield json.loads(text)
            except ValueError:
                if text.endswith(b"\n"):
                    logger.warning("A damaged line of %s was set aside in damaged.jsonl.", segment.name)
                    with (segment.parent / "damaged.jsonl").open("ab") as aside:
                        aside.write(text)


def _request(line: Mapping[str, Any], event_at: datetime) -> dict[str, Any]:
    return {
        "request_id": line["request"],
        "deployment": line["deployment"],
        "version": line["version"],
        "role": line["role"],
        "generation": line["generation"],
        "event_at": event_at,
        "logged_at": datetime.fromisoformat(line["logged_at"]),
        "status": line["status"],
        "error": line["error"],
        "latency_ms": line["ms"],
        "rows": line["rows"],
        "injected": line["injected"],
        "entity": line.get("entity", ""),
    }


def _columns(body: Mapping[str, Any], n: int) -> Iterable[tuple[str, list[Any]]]:
    if "dataframe_split" in body:
        split = body["dataframe_split"]
        return zip(split["columns"], (list(values) for values in zip(*split["data"], strict=True)), strict=True)
    records = body.get("dataframe_records", [{}] * n)
    names = dict.fromkeys(name for record in records for name in record)
    return ((name, [record.get(name) for record in records]) for name in names)


def _feature(values: list[Any]) -> pa.Array:
    """Numbers become doubles, so that a day without a fraction has the same type as any other day."""
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values])
    if pa.types.is_integer(array.type) or pa.types.is_null(array.type):
        return array.cast(pa.float64())
    return array
