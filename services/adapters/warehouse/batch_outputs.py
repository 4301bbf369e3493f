"""Outputs of batch runs on disk: each set aside once, and one place that consumers read.

    outputs/runs/model=<model>/window=<start>/run=<run>/scores.parquet     kept apart, never changed, ours alone
    outputs/published/model=<model>/window=<start>/scores.parquet          what consumers read
    outputs/published/model=<model>/window=<start>/manifest.json           which run that is, with its digest

Every row carries its run. A published file is replaced as a whole, and its manifest after it; `read_published` is how
consumers read, and it returns nothing that the manifest does not vouch for.
"""

# ruff: noqa: S608 - names are quoted identifiers of the file, everything that anybody chooses is bound.

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from services.adapters.warehouse.duckdb import ParquetFolder, asking, rows, table_of
from services.kernel.clock import Clock, from_utc_text, utc_text
from services.kernel.errors import TelemetryUnavailableError
from services.rollout.batch_models import BatchRun, Handed, Output, Shift

_FILE, _MANIFEST = "scores.parquet", "manifest.json"
_WINDOW = "%Y%m%dT%H%M%S%fZ"
_ROWS = """
SELECT CAST(prediction_id AS VARCHAR) AS prediction_id, CAST(entity AS VARCHAR) AS entity,
       CAST(version AS VARCHAR) AS version, TRY_CAST(score AS DOUBLE) AS score, event_at
FROM {predictions}
WHERE CAST(version AS VARCHAR) = $version AND epoch_us(event_at) = $window AND {mine}
QUALIFY row_number() OVER (PARTITION BY prediction_id ORDER BY request_id) = 1
ORDER BY 1
"""
_UNUSABLE = "score IS NULL OR NOT isfinite(score) OR score < $low OR score > $high"
_EDGES = "SELECT quantile_cont(score, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) FROM {files} WHERE isfinite(score)"
_COUNTS = """
SELECT filename, len(list_filter($edges, lambda edge: score >= edge)) AS bin, count(*)
FROM read_parquet($all, filename = true, hive_partitioning = false) WHERE isfinite(score) GROUP BY ALL
"""


class ParquetOutputs:
    """Implements rollout.batch_ports.BatchOutputs over the inference log and the folder of outputs."""

    def __init__(self, outputs: Path, inference: Path, *, clock: Clock) -> None:
        self._outputs = outputs
        self._parquet = ParquetFolder(inference)
        self._clock = clock

    def set_aside(self, run: BatchRun, bounds: tuple[float, float] | None) -> Output | None:
        file = self._run_file(run)
        with _translated(run.model), self._writing():
            if not file.exists():
                found = self._logged(run)
                if found is None or not found.num_rows:
                    return None
                # Consumers run under other accounts: what is not published is ours alone.
                file.parent.mkdir(parents=True, exist_ok=True)
                (self._outputs / "runs").chmod(0o700)
                _write(file, found.append_column("run_id", pa.array([run.run_id] * found.num_rows)))
            return _measured(file, bounds)

    def shift(self, run: BatchRun, against: tuple[BatchRun, ...], *, paired: bool) -> Shift | None:
        mine = self._run_file(run)
        others = [str(file) for item in against if (file := self._run_file(item)).exists()]
        if not others or not mine.exists():
            return None
        with asking(f"outputs of {run.model}") as connection:
            [(edges,)] = rows(connection, _EDGES.format(files="read_parquet($files)"), {"files": others})
            if edges is None:
                return None
            edges = sorted(set(edges))
            given = {"all": [str(mine), *others], "edges": edges}
            counted = rows(connection, _COUNTS, given)
        counts = {name: [0] * (len(edges) + 1) for name in given["all"]}
        for name, position, n in counted:
            counts[name][position] = int(n)
        return Shift(
            current=tuple(counts[str(mine)]),
            earlier=tuple(tuple(counts[name]) for name in others),
            paired=paired,
        )

    def publish(self, run: BatchRun) -> Handed:
        with _translated(run.model), self._writing():
            kept = self._run_file(run)
            if not kept.exists() or _sha256(kept) != run.output_sha256:
                raise TelemetryUnavailableError(
                    f"The output of run {run.run_id} is not there as it was judged; it was not published.",
                    hint="Score the window again.",
                )
            folder = self._window_folder(run.model, run.window_start)
            folder.mkdir(parents=True, exist_ok=True)
            handed = Handed(
                model=run.model,
                window_start=run.window_start,
                run_id=run.run_id,
                version=run.version,
                rows=int(pq.read_metadata(kept).num_rows),
                sha256=run.output_sha256,
                published_at=self._clock.now(),
            )
            draft = folder / f"{_FILE}.draft"
            shutil.copyfile(kept, draft)
            _replace(draft, folder / _FILE)
            _write_text(folder / _MANIFEST, _document(handed))
            return _vouched(folder)[0]

    def withdraw(self, run: BatchRun) -> None:
        folder = self._window_folder(run.model, run.window_start)
        with _translated(run.model), self._writing():
            if (folder / _MANIFEST).exists() and _manifest(folder).run_id != run.run_id:
                return
            # The manifest goes first: without it nobody reads the rows any more.
            (folder / _MANIFEST).unlink(missing_ok=True)
            (folder / _FILE).unlink(missing_ok=True)

    def handed(self, model: str, window_start: datetime | None = None) -> Handed | None:
        with _translated(model):
            folder = _folder(self._outputs, model, window_start)
            return _vouched(folder)[0] if folder else None

    def _logged(self, run: BatchRun) -> pa.Table | None:
        days = [(run.window_start + timedelta(days=shift)).astimezone(UTC).date() for shift in (-1, 0, 1)]
        files = self._parquet.files("predictions", run.model, days)
        if not files:
            return None
        # A window that is scored again has the same rows and moment; only the request tells it apart.
        mine = "role = 'live'" if run.rerun_of is None else "role = 'rerun' AND request_id = $request"
        given: dict[str, Any] = {
            "files": files,
            "version": run.version,
            "window": round(run.window_start.timestamp() * 1_000_000),
            "request": run.run_id,
        }
        sql = _ROWS.format(predictions=table_of("files"), mine=mine)
        with asking(f"predictions of {run.model}") as connection:
            return connection.sql(sql, params={k: v for k, v in given.items() if f"${k}" in sql}).to_arrow_table()

    def _run_file(self, run: BatchRun) -> Path:
        window = run.window_start.astimezone(UTC).strftime(_WINDOW)
        folder = self._outputs / "runs" / f"model={quote(run.model, safe='')}" / f"window={window}"
        return folder / f"run={run.run_id}" / _FILE

    def _window_folder(self, model: str, window_start: datetime) -> Path:
        return _published(self._outputs, model) / f"window={window_start.astimezone(UTC).strftime(_WINDOW)}"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._outputs.mkdir(parents=True, exist_ok=True)
        with FileLock(self._outputs / ".writing.lock", timeout=30):
            yield


def read_published(outputs: Path, model: str, window_start: datetime | None = None) -> pa.Table:
    """How consumers read: rows of one window, or of the newest one, checked against their manifest.

    An empty table when nothing is published. Raises TelemetryUnavailableError while a file is being replaced, or when
    it is not the one that was published.
    """
    with _translated(model):
        folder = _folder(outputs, model, window_start)
        return _vouched(folder)[1] if folder else pa.table({})


def _published(outputs: Path, model: str) -> Path:
    return outputs / "published" / f"model={quote(model, safe='')}"


def _folder(outputs: Path, model: str, window_start: datetime | None) -> Path | None:
    place = _published(outputs, model)
    if window_start is not None:
        wanted = place / f"window={window_start.astimezone(UTC).strftime(_WINDOW)}"
        return wanted if (wanted / _MANIFEST).exists() else None
    windows = sorted((item for item in place.glob("window=*") if (item / _MANIFEST).exists()), reverse=True)
    return windows[0] if windows else None


def _vouched(folder: Path) -> tuple[Handed, pa.Table]:
    handed, data = _manifest(folder), (folder / _FILE).read_bytes()
    if hashlib.sha256(data).hexdigest() != handed.sha256:
        raise TelemetryUnavailableError(
            f"The published scores of {handed.model} are not the ones of their manifest.",
            hint="Read again in a moment; if it stays, publish the run again.",
        )
    return handed, pq.read_table(pa.BufferReader(data))


def _manifest(folder: Path) -> Handed:
    found = json.loads((folder / _MANIFEST).read_text())
    moments = {name: from_utc_text(found[name]) for name in ("window_start", "published_at")}
    return Handed(**(found | moments))


def _document(handed: Handed) -> str:
    moments = {"window_start": utc_text(handed.window_start), "published_at": utc_text(handed.published_at)}
    return json.dumps(asdict(handed) | moments, indent=1)


def _measured(file: Path, bounds: tuple[float, float] | None) -> Output:
    low, high = bounds or (float("-inf"), float("inf"))
    with asking("the output of a run") as connection:
        sql = f"SELECT count(*), count(*) FILTER ({_UNUSABLE}) FROM read_parquet($file)"
        [(total, unusable)] = rows(connection, sql, {"file": str(file), "low": low, "high": high})
    return Output(rows=int(total), invalid=int(unusable), sha256=_sha256(file))


def _write(file: Path, table: pa.Table) -> None:
    draft = file.with_suffix(".draft")
    with draft.open("wb") as out:
        pq.write_table(table, out, compression="zstd")
    _replace(draft, file)


def _write_text(file: Path, text: str) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    _replace(draft, file)


def _replace(draft: Path, file: Path) -> None:
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    draft.replace(file)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def _translated(model: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, pa.ArrowException) as broken:
        raise TelemetryUnavailableError(
            f"The outputs of {model} cannot be read or written ({type(broken).__name__}).",
            hint="Check the folder of outputs; what was decided is carried out by the worker afterwards.",
        ) from broken
