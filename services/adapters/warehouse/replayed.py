"""Answers to replayed requests beside those of their callers, as Parquet. Implements serving_ports.ReplayedAnswers.

Scores and ids only, in a folder of the shape of the inference folder: `predictions` and `requests`, the caller's answer
with the role `live`, the other version's with `mirror`. So what compares copies of a mirror compares these, too. Files
are rewritten whole, one for each hour of replaying; the position is written in the last of them, so answers without a
position are asked again and counted once. A shelf carries the files to processes that do not have this disk.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from services.adapters.warehouse.duckdb import ParquetFolder
from services.kernel.errors import TelemetryUnavailableError
from services.rollout.release_models import ShadowComparison
from services.rollout.release_ports import ShadowFacts
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


class Shelf(Protocol):
    """Files by their path, where every process reaches them. Methods raise StorageUnavailableError."""

    def listed(self) -> Mapping[str, datetime]: ...

    def get(self, path: str) -> bytes | None: ...

    def put(self, path: str, content: bytes, *, at: datetime) -> None: ...

    def forget(self, paths: Sequence[str]) -> None: ...


class ReplayedParquet:
    """`paths`: where the score lies in one prediction, by deployment. One process writes, others fetch."""

    def __init__(self, folder: Path, *, paths: Mapping[str, str], shelf: Shelf | None = None) -> None:
        self._folder = folder
        self._parquet = ParquetFolder(folder)
        self._paths = dict(paths)
        self._shelf = shelf

    def fetch(self) -> None:
        """Brings what the shelf has newer. A file that this process wrote is never older than there."""
        if self._shelf is None:
            return
        for path, at in self._shelf.listed().items():
            file = self._folder / path
            if not file.resolve().is_relative_to(self._folder.resolve()):
                continue
            if file.exists() and _changed(file) >= at:
                continue
            content = self._shelf.get(path)
            if content is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                aside = file.with_name(f".{file.name}.part")
                aside.write_bytes(content)
                os.utime(aside, (at.timestamp(), at.timestamp()))
                aside.replace(file)

    def keep(self) -> None:
        """Puts what changed here on the shelf, and takes away what is gone here."""
        if self._shelf is None:
            return
        there = self._shelf.listed()
        here = {str(file.relative_to(self._folder)): file for file in sorted(self._folder.rglob("*.parquet"))}
        here = {path: file for path, file in here.items() if not file.name.startswith(".")}
        for path, file in here.items():
            at = _changed(file)
            if path not in there or there[path] < at:
                self._shelf.put(path, file.read_bytes(), at=at)
        self._shelf.forget(sorted(there.keys() - here.keys()))

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


def _changed(file: Path) -> datetime:
    """In whole seconds, which every database keeps; rounded down, so that what follows within one is newer."""
    return datetime.fromtimestamp(int(file.stat().st_mtime), UTC)


class SharedShadow:
    """Implements rollout.release_ports.ShadowFacts: brings the newest answers, then compares."""

    def __init__(self, answers: ReplayedParquet, compared: ShadowFacts) -> None:
        self._answers = answers
        self._compared = compared

    def compare(
        self,
        deployment: str,
        *,
        live: str,
        candidate: str,
        since: datetime,
        until: datetime,
        threshold: float | None,
        tolerance: float | None,
    ) -> ShadowComparison:
        self._answers.fetch()
        return self._compared.compare(
            deployment,
            live=live,
            candidate=candidate,
            since=since,
            until=until,
            threshold=threshold,
            tolerance=tolerance,
        )


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
