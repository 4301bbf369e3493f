"""Recorded predictions and reviews for corrections: looked up by many ids at once, added to, counted by cohort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, timedelta
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from services.adapters.warehouse.duckdb import (
    ParquetFolder,
    asking,
    at_microseconds,
    columns_of,
    facts_of,
    statements,
)
from services.adapters.warehouse.statements import reviews as statement
from services.adapters.warehouse.statements.dialects import duckdb_dialect, relation
from services.feedback.correction_ports import Slices
from services.feedback.corrections import Batch, Made, Reviewed
from services.feedback.rework import CohortDay
from services.feedback.training_sets import LabelRow
from services.inventory.facts import Partition
from services.kernel.errors import TelemetryUnavailableError

_LONGEST = timedelta(days=120)
"""Reviews later than this after the prediction are not looked for."""

_HANDED_IN = "corrections-"


class ReviewParquet:
    """Implements feedback.correction_ports.ReviewLog over the inference folder.

    `elsewhere`: models whose predictions another system keeps, and how it is asked for some by their ids. Reviews are
    ours and lie in the folder.
    """

    def __init__(
        self, folder: Path, *, elsewhere: Mapping[str, Callable[[Sequence[str]], Mapping[str, Made]]] | None = None
    ) -> None:
        self._folder = folder
        self._parquet = ParquetFolder(folder)
        self._elsewhere = dict(elsewhere or {})

    def made(self, model: str, ids: Sequence[str]) -> Mapping[str, Made]:
        if model in self._elsewhere:
            return self._elsewhere[model](ids) if ids else {}
        files = self._parquet.files("predictions", model, self._parquet.days("predictions", model))
        if not files or not ids:
            return {}
        with asking(f"predictions of {model}") as connection:
            known = facts_of(connection, "known", files, statement.PREDICTIONS, where="role = 'live'", copied=False)
            found = statements(connection)(statement.made(known, ids))
        return {
            str(ident): Made(
                version=str(version), score=None if score is None else float(score), at=at_microseconds(at)
            )
            for ident, version, score, at in found
        }

    def reviewed(self, model: str, ids: Sequence[str]) -> frozenset[str]:
        files = self._parquet.files("reviews", model, self._parquet.days("reviews", model))
        if not files or not ids:
            return frozenset()
        with asking(f"reviews of {model}") as connection:
            told = facts_of(connection, "told", files, ("prediction_id",), copied=False)
            found = statements(connection)(statement.reviewed(told, ids))
        return frozenset(str(ident) for (ident,) in found)

    def publish(self, batch: Batch, rows: Sequence[Reviewed]) -> None:
        by_day: dict[date, list[Reviewed]] = defaultdict(list)
        for row in rows:
            by_day[row.reviewed_at.astimezone(UTC).date()].append(row)
        place = self._folder / "reviews" / f"model={quote(batch.model, safe='')}"
        try:
            for day, part in by_day.items():
                folder = place / f"date={day.isoformat()}"
                folder.mkdir(parents=True, exist_ok=True)
                # Written aside and renamed: a reader sees the whole file or none, and a repetition the same one.
                aside = folder / f".{batch.id}.part"
                pq.write_table(_table(part), aside)
                aside.replace(folder / f"{_HANDED_IN}{batch.id}.parquet")
        except OSError as broken:
            raise TelemetryUnavailableError(
                f"Recorded reviews of {batch.model} cannot be written ({broken}).", hint="Check disk and permissions."
            ) from broken

    def holds(self, batch: Batch) -> bool:
        place = self._folder / "reviews" / f"model={quote(batch.model, safe='')}"
        return any(place.glob(f"date=*/{_HANDED_IN}{batch.id}.parquet"))

    def labels(self, model: str, since: date) -> tuple[LabelRow, ...]:
        days = [day for day in self._parquet.days("reviews", model) if day >= since]
        files = self._parquet.files("reviews", model, days)
        if not files:
            return ()
        with asking(f"reviews of {model}") as connection:
            told = facts_of(connection, "told", files, statement.REVIEWS, file_as=statement.FILE, copied=False)
            found = statements(connection)(statement.labels(told))
        return tuple(
            LabelRow(
                prediction_id=str(ident), version=str(version), predicted=predicted, label=label,
                corrected=bool(corrected), reason_code=str(reason), reviewed_at=at_microseconds(at),
                source=_handed_in(file) or f"reviews of {day}",
            )
            for ident, version, predicted, label, corrected, reason, at, day, file in found
        )  # fmt: skip

    def partitions(self) -> tuple[Partition, ...]:
        return self._parquet.partitions("reviews")

    def cohorts(self, model: str, days: tuple[date, ...], slices: Slices) -> tuple[CohortDay, ...]:
        # Of two reviews the first counts, so reviews before these days are read as well.
        since = min(days) - _LONGEST
        reviews = [day for day in self._parquet.days("reviews", model) if since <= day <= max(days)]
        if model in self._elsewhere:
            return self._cohorts_elsewhere(model, days, self._parquet.files("reviews", model, reviews))
        made = [day for day in self._parquet.days("predictions", model) if since <= day <= max(days)]
        files = {
            "reviews": self._parquet.files("reviews", model, reviews),
            "predictions": self._parquet.files("predictions", model, made),
        }
        if not files["reviews"] or not files["predictions"]:
            return ()
        found: list[CohortDay] = []
        with asking(f"reviews of {model}") as connection:
            there = columns_of(connection, files["predictions"])
            cut = [("", ()), *((column, values) for column, values in slices if column in there)]
            read = tuple(dict.fromkeys([*statement.PREDICTIONS, *(column for column, _ in cut if column)]))
            known = facts_of(connection, "known", files["predictions"], read, where="role = 'live'")
            told, ask = facts_of(connection, "told", files["reviews"], statement.REVIEWS), statements(connection)
            for column, values in cut:
                found += [
                    CohortDay(
                        day=day, predicted_day=predicted, version=str(version),
                        slice_key=f"{column}={value}" if column else "", reason_code=str(reason), reviewed=int(n),
                        corrected=int(changed),
                    )
                    for day, predicted, version, value, reason, n, changed in ask(
                        statement.cohorts(told, known, days, column, values)
                    )
                ]  # fmt: skip
        return tuple(found)

    def _cohorts_elsewhere(self, model: str, days: tuple[date, ...], files: list[str]) -> tuple[CohortDay, ...]:
        """As cohorts, the whole alone: the other system is asked for predictions by their ids, not for columns."""
        if not files:
            return ()
        with asking(f"reviews of {model}") as connection:
            told, ask = facts_of(connection, "told", files, statement.REVIEWS), statements(connection)
            ids = [str(ident) for (ident,) in ask(statement.about(told, days))]
            connection.register("known", _known(self._elsewhere[model](ids)))
            known = relation(("known",), statement.PREDICTIONS, duckdb_dialect())
            return tuple(
                CohortDay(
                    day=day, predicted_day=predicted, version=str(version), slice_key="", reason_code=str(reason),
                    reviewed=int(n), corrected=int(changed),
                )
                for day, predicted, version, _, reason, n, changed in ask(statement.cohorts(told, known, days))
            )  # fmt: skip


def _known(made: Mapping[str, Made]) -> pa.Table:
    """The columns of recorded predictions."""
    return pa.table(
        {
            "prediction_id": pa.array(list(made), pa.string()),
            "date": pa.array([item.at.date() for item in made.values()], pa.date32()),
            "version": pa.array([item.version for item in made.values()], pa.string()),
            "score": pa.array([item.score for item in made.values()], pa.float64()),
            "event_at": pa.array([item.at for item in made.values()], pa.timestamp("us", tz="UTC")),
        }
    )


def _handed_in(file: str) -> str:
    """The batch of a file that the screen wrote; empty for recorded reviews."""
    name = Path(file).stem
    return f"batch {name.removeprefix(_HANDED_IN)}" if name.startswith(_HANDED_IN) else ""


def _table(rows: Sequence[Reviewed]) -> pa.Table:
    """The columns of recorded reviews; a confirmed one states what was predicted as its decision."""
    return pa.table(
        {
            "prediction_id": pa.array([row.prediction_id for row in rows], pa.string()),
            "version": pa.array([row.version for row in rows], pa.string()),
            "reviewed_at": pa.array([row.reviewed_at for row in rows], pa.timestamp("us", tz="UTC")),
            "reviewer": pa.array([row.reviewer for row in rows], pa.string()),
            "decision": pa.array([row.decision for row in rows], pa.float64()),
            "predicted": pa.array([row.predicted for row in rows], pa.float64()),
            "corrected": pa.array([row.corrected for row in rows], pa.bool_()),
            "reason_code": pa.array([row.reason_code if row.corrected else "" for row in rows], pa.string()),
        }
    )
