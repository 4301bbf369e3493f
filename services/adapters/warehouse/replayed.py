"""Answers to replayed requests beside those of their callers, as Parquet. Implements serving_ports.ReplayedAnswers.

Scores and ids only, in a folder of the shape of the inference folder: `predictions` and `requests`, the caller's answer
with the role `live`, the other version's with `mirror`. So what compares copies of a mirror compares these, too. Files
are rewritten whole, one for each hour of replaying; the position is written in the last of them, so answers without a
position are asked again and counted once.
"""

from __future__ import annotations

import math
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from services.adapters.warehouse.duckdb import ParquetFolder
from services.kernel.errors import TelemetryUnavailableError
from services.rollout.serving_ports import LoggedRequest, ReplayedAnswer

KEPT = timedelta(days=90)
_POSITION = b"position"
_OWNER = {"predictions": "model", "requests": "deployment"}
_TIME = pa.timestamp("us", tz="UTC")
_REQUESTS = pa.schema(
    [
        ("request_id", pa.string()), ("version", pa.string()), ("role", pa.string()), ("event_at", _TIME),
        ("logged_at", _TIME), ("status", pa.int32()), ("latency_ms", pa.float64()), ("injected", pa.string()),
        ("entity", pa.string()),
    ]
)  # fmt: skip
_PREDICTIONS = pa.schema(
    [
        ("prediction_id", pa.string()), ("request_id", pa.string()), ("version", pa.string()), ("role", pa.string()),
        ("event_at", _TIME), ("score", pa.float64()),
    ]
)  # fmt: skip
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]")


class ReplayedParquet:
    """`paths`: where the score lies in one prediction, by deployment. One process writes."""

    def __init__(self, folder: Path, *, paths: Mapping[str, str]) -> None:
        self._folder = folder
        self._parquet = ParquetFolder(folder)
        self._paths = dict(paths)

    def position(self, deployment: str, version: str) -> str:
        days = self._parquet.days("requests", deployment, "deployment")
        try:
            known = [
                (pq.read_schema(file).metadata or {}).get(_POSITION, b"").decode()
                for file in self._parquet.files("requests", deployment, days[-2:], "deployment")
                if Path(file).name.startswith(_prefix(version))
            ]
        except (OSError, pa.ArrowException) as broken:
            raise _unreadable(self._folder, broken) from broken
        return max(known, default="")

    def add(self, deployment: str, version: str, answers: tuple[ReplayedAnswer, ...], *, position: str) -> None:
        """With no answer the position moves on over requests that were left out."""
        at = datetime.fromtimestamp(int(position.partition(" ")[0]) / 1_000_000, UTC)
        by_day: dict[date, list[ReplayedAnswer]] = defaultdict(list)
        for answer in answers:
            by_day[answer.asked_at.astimezone(UTC).date()].append(answer)
        by_day.setdefault(at.date(), [])
        hour = max((answer.replayed_at for answer in answers), default=at).astimezone(UTC)
        name = f"{_prefix(version)}{hour:%Y%m%d%H}.parquet"
        path = self._paths.get(deployment, "")
        try:
            self._forget(deployment, at.date() - KEPT)
            for day, some in sorted(by_day.items()):
                scores = [row for answer in some for row in _scores(answer, path)]
                _extend(self._day("predictions", deployment, day) / name, scores, _PREDICTIONS)
            for day, some in sorted(by_day.items()):
                asked = [row for answer in some for row in _asked(answer)]
                schema = _REQUESTS.with_metadata({_POSITION: position.encode()})
                _extend(self._day("requests", deployment, day) / name, asked, schema)
        except (OSError, pa.ArrowException) as broken:
            raise _unreadable(self._folder, broken) from broken

    def _day(self, source: str, deployment: str, day: date) -> Path:
        return self._folder / source / f"{_OWNER[source]}={quote(deployment, safe='')}" / f"date={day.isoformat()}"

    def _forget(self, deployment: str, before: date) -> None:
        for source, key in _OWNER.items():
            for day in self._parquet.days(source, deployment, key):
                if day < before:
                    shutil.rmtree(self._day(source, deployment, day))


def _extend(file: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    """The file with these rows, in place of what it says about the same requests. Seen whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = {row["request_id"] for row in rows}
    before = pq.read_table(file).to_pylist() if file.exists() else []
    kept = [row for row in before if row["request_id"] not in fresh]
    aside = file.with_name(f".{file.name}.part")
    pq.write_table(pa.Table.from_pylist([*kept, *rows], schema=schema), aside)
    aside.replace(file)


def scores_of(answer: Mapping[str, Any] | None, path: str) -> list[float | None]:
    """One score for each prediction of an answer; None where there is none at the path."""
    predictions = answer.get("predictions") if answer else None
    return [_score(item, path) for item in predictions] if isinstance(predictions, list) else []


def _score(prediction: Any, path: str) -> float | None:
    for key, place in _STEP.findall(path):
        if key:
            prediction = prediction.get(key) if isinstance(prediction, dict) else None
        else:
            inside = isinstance(prediction, list) and int(place) < len(prediction)
            prediction = prediction[int(place)] if inside else None
    number = isinstance(prediction, int | float) and not isinstance(prediction, bool) and math.isfinite(prediction)
    return float(prediction) if number else None


def _scores(answer: ReplayedAnswer, path: str) -> list[dict[str, Any]]:
    logged = answer.logged
    given = [(answer.version, "mirror", scores_of(answer.answer, path))]
    given += [(logged.version, "live", scores_of(logged.answer, path))] if logged else []
    return [
        {"prediction_id": f"{answer.request_id}#{number}", "request_id": answer.request_id, "version": version,
         "role": role, "event_at": answer.asked_at, "score": score}
        for version, role, scores in given
        for number, score in enumerate(scores)
    ]  # fmt: skip


def _asked(answer: ReplayedAnswer) -> list[dict[str, Any]]:
    """Without a latency: what was measured here is the network and our own waiting, not what a caller would wait."""
    same = {
        "request_id": answer.request_id,
        "event_at": answer.asked_at,
        "latency_ms": None,
        "injected": "",
        "entity": "",
    }
    copy = {**same, "version": answer.version, "role": "mirror", "logged_at": answer.replayed_at,
            "status": 500 if answer.error else 200}  # fmt: skip
    return [copy, *([_live(same, answer.logged)] if answer.logged else [])]


def _live(same: Mapping[str, Any], logged: LoggedRequest) -> dict[str, Any]:
    return {**same, "version": logged.version, "role": "live", "logged_at": logged.at, "status": 200}


def _prefix(version: str) -> str:
    return f"v{quote(version, safe='')}-"


def _unreadable(folder: Path, broken: Exception) -> TelemetryUnavailableError:
    return TelemetryUnavailableError(
        f"Answers to replayed requests ({folder}) cannot be read or written ({type(broken).__name__}).",
        hint="Check disk and permissions; the replay goes on from where it was.",
    )
