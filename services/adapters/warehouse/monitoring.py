"""Predictions, labels and batch runs on disk, answered as counts per cell and day."""

# ruff: noqa: S608 - names are quoted identifiers of the file, everything that anybody chooses is bound.

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from services.adapters.warehouse.cells import counting, fit
from services.adapters.warehouse.duckdb import (
    ParquetFolder,
    asking,
    at_microseconds,
    columns_of,
    quoted,
    rows,
    table_of,
)
from services.inventory.facts import Partition
from services.monitoring.models import JobRun
from services.monitoring.profile import (
    SCORE,
    SCORE_BINS,
    DayProfile,
    FeatureReference,
    LabelledDay,
    Reference,
    ReferenceSlice,
    column_and_value,
    slice_key,
)

_NOT_FEATURES = frozenset(
    {"prediction_id", "request_id", "version", "role", "event_at", "logged_at", "entity", "label", "date", "model"}
)
SLICE_SHARE = 0.01
MOST_SLICES = 20
"""Per column. A slice below one row in a hundred never has enough observations for a verdict."""
_DAYS_AT_ONCE = 60
"""Bounds memory while a long history is read for the first time."""


class DuckDbMonitoringFacts:
    """Implements monitoring.ports.MonitoringFacts over the inference folder."""

    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def partitions(self) -> tuple[Partition, ...]:
        return (
            *self._parquet.reference_partitions(),
            *self._parquet.partitions("predictions"),
            *self._parquet.partitions("labels"),
            *self._parquet.partitions("jobs"),
        )

    def fit_reference(self, model: str, digest: str, *, slices: tuple[str, ...] = ()) -> Reference | None:
        file = str(self._parquet.reference_file(model))
        with asking(f"the reference window of {model}") as connection:
            columns = columns_of(connection, [file])
            [(total,)] = rows(connection, f"SELECT count(*) FROM {table_of('files')}", {"files": [file]})
            fitted = [
                fit(connection, file, SCORE if column == "score" else column, column, kind)
                for column, kind in columns.items()
                if column not in _NOT_FEATURES and not column.startswith("__")
            ]
            features = tuple(feature for feature in fitted if feature is not None)
            if not total or not features:
                return None
            connection.execute(
                f"CREATE TEMP TABLE facts AS SELECT DATE '1970-01-01' AS day, * FROM {table_of('files')}",
                {"files": [file]},
            )
            filled = {profile.feature: profile for profile in _count(connection, features)}
            keys = [key for column in slices if column in columns for key in _slice_keys(connection, column)]
            parts = [
                ReferenceSlice(
                    feature=profile.feature, slice_key=profile.slice_key, counts=profile.counts, sums=profile.sums
                )
                for key in keys
                for profile in _count(connection, features, key)
            ]
        return Reference(
            model=model,
            digest=digest,
            rows=int(total),
            features=tuple(
                replace(feature, counts=filled[feature.feature].counts, sums=filled[feature.feature].sums)
                for feature in features
                if feature.feature in filled
            ),
            slices=tuple(parts),
        )

    def profile(self, reference: Reference, days: tuple[date, ...]) -> tuple[DayProfile, ...]:
        sums: dict[tuple[date, str, str], DayProfile] = {}
        keys = reference.slice_keys
        for files, columns in self._alike(reference.model, days):
            wanted = tuple(feature for feature in reference.features if feature.column in columns)
            with asking(f"predictions of {reference.model}") as connection:
                there = [key for key in keys if column_and_value(key)[0] in columns]
                needed = [*(feature.column for feature in wanted), *(column_and_value(key)[0] for key in there)]
                chosen = ", ".join(quoted(name) for name in dict.fromkeys(needed))
                connection.execute(
                    f"CREATE TEMP TABLE facts AS SELECT CAST({quoted('date')} AS DATE) AS day, {chosen or '1'}"
                    f" FROM {table_of('files')} WHERE role = 'live'",
                    {"files": files},
                )
                for part in ("", *there):
                    for profile in _count(connection, wanted, part):
                        key = (profile.day, profile.feature, part)
                        sums[key] = _added(sums[key], profile) if key in sums else profile
        return tuple(sums.values())

    def _alike(self, model: str, days: Sequence[date]) -> Iterator[tuple[list[str], frozenset[str]]]:
        """Files with the same columns together: an input a version does not have is not a missing value."""
        for start in range(0, len(days), _DAYS_AT_ONCE):
            files = self._parquet.files("predictions", model, days[start : start + _DAYS_AT_ONCE])
            if not files:
                continue
            with asking(f"predictions of {model}") as connection:
                found = rows(connection, "SELECT file_name, name FROM parquet_schema($files)", {"files": files})
            columns: dict[str, set[str]] = defaultdict(set)
            for file, name in found:
                columns[file].add(name)
            groups: dict[frozenset[str], list[str]] = defaultdict(list)
            for file in files:
                groups[frozenset(columns[file])].append(file)
            yield from ((group, names) for names, group in groups.items())

    def labelled_on(self, model: str, arrivals: tuple[date, ...]) -> tuple[date, ...]:
        files = self._parquet.files("labels", model, arrivals)
        if not files:
            return ()
        with asking(f"labels of {model}") as connection:
            sql = f"SELECT DISTINCT CAST(event_at AS DATE) AS day FROM {table_of('files')} WHERE event_at IS NOT NULL"
            found = [day for (day,) in rows(connection, f"{sql} ORDER BY day", {"files": files})]
        # A folder's day may be local while the time of the event is UTC: neighbours are read again as well.
        near = {day + timedelta(days=shift) for day in found for shift in (-1, 0, 1)}
        return tuple(sorted(near & set(self._parquet.days("predictions", model))))

    def labelled_days(self, model: str, days: tuple[date, ...], *, scores: bool) -> tuple[LabelledDay, ...]:
        answers: list[LabelledDay] = []
        for start in range(0, len(days), _DAYS_AT_ONCE):
            part = sorted(days)[start : start + _DAYS_AT_ONCE]
            files = self._parquet.files("predictions", model, part)
            if files:
                earliest = part[0] - timedelta(days=1)
                arrivals = [day for day in self._parquet.days("labels", model) if day >= earliest]
                labels = self._parquet.files("labels", model, arrivals)
                answers += _labelled(model, files, labels, scores=scores)
        return tuple(answers)

    def job_runs(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, JobRun], ...]:
        files = self._parquet.files("jobs", model, days)
        if not files:
            return ()
        with asking(f"batch runs of {model}") as connection:
            found = rows(
                connection,
                'SELECT CAST("date" AS DATE), job, CAST(version AS VARCHAR), epoch_us(window_start),'
                ' epoch_us(started_at), epoch_us(finished_at), "rows", ok, on_time, error'
                f" FROM {table_of('files')} ORDER BY started_at",
                {"files": files},
            )
        return tuple((day, _job_run(model, given)) for day, *given in found)


def _job_run(model: str, given: Sequence[Any]) -> JobRun:
    job, version, window, started, finished, count, ok, on_time, error = given
    return JobRun(
        job=str(job or ""), model=model, version=str(version or ""), window_start=at_microseconds(window),
        started_at=at_microseconds(started), finished_at=at_microseconds(finished), rows=int(count or 0),
        ok=bool(ok), on_time=bool(on_time), error=str(error or ""),
    )  # fmt: skip


def _slice_keys(connection: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    """Commonest values of a column of the reference in the table `facts`; rare ones would be noise alone."""
    found = rows(
        connection,
        f"SELECT v FROM (SELECT CAST({quoted(column)} AS VARCHAR) AS v FROM facts) WHERE v IS NOT NULL GROUP BY v"
        f" HAVING count(*) >= {SLICE_SHARE:e} * (SELECT count(*) FROM facts) ORDER BY count(*) DESC, v"
        f" LIMIT {MOST_SLICES}",
        {},
    )
    return [] if "=" in column else [slice_key(column, str(value)) for (value,) in found]


def _count(
    connection: duckdb.DuckDBPyConnection, features: Sequence[FeatureReference], part: str = ""
) -> Iterator[DayProfile]:
    """One small GROUP BY per feature in one statement over the table `facts`, or over one slice of it."""
    if not features:
        return
    parts, given, source = [], dict[str, Any](), "facts"
    if part:
        column, given["part"] = column_and_value(part)
        source = f"(SELECT * FROM facts WHERE CAST({quoted(column)} AS VARCHAR) = $part)"
    for position, feature in enumerate(features):
        sql, values = counting(feature, position, source)
        parts.append(sql)
        given |= values
    found: dict[tuple[int, date], DayProfile] = {}
    for position, day, cell, n, total in rows(connection, " UNION ALL ".join(parts), given):
        feature = features[position]
        profile = found.get((position, day))
        if profile is None:
            profile = found[position, day] = DayProfile(
                day=day,
                feature=feature.feature,
                slice_key=part,
                counts=np.zeros(feature.cells, dtype=np.int64),
                sums=np.zeros(feature.cells),
            )
        profile.counts[cell] += n
        profile.sums[cell] += total
    yield from found.values()


def _added(one: DayProfile, other: DayProfile) -> DayProfile:
    return replace(one, counts=one.counts + other.counts, sums=one.sums + other.sums)


_KNOWN = """
CREATE TEMP TABLE known AS
SELECT prediction_id, arg_max(TRY_CAST(label AS DOUBLE), arrived_at) AS label
FROM {labels} WHERE label IS NOT NULL GROUP BY prediction_id
"""
_NOTHING_KNOWN = "CREATE TEMP TABLE known (prediction_id VARCHAR, label DOUBLE)"
# A run that is repeated writes the same predictions again: the last one counts, once.
_JOINED = """
CREATE TEMP TABLE joined AS
SELECT day, version, score, label, score - label AS error
FROM (
    SELECT prediction_id, CAST("date" AS DATE) AS day, CAST(version AS VARCHAR) AS version,
           TRY_CAST(score AS DOUBLE) AS score
    FROM {predictions} WHERE role = 'live'
    QUALIFY row_number() OVER (PARTITION BY prediction_id ORDER BY event_at DESC) = 1
) LEFT JOIN known USING (prediction_id)
"""
_TOTALS = """
SELECT day, version, count(*), count(*) FILTER (isfinite(error)),
       coalesce(sum(error) FILTER (isfinite(error)), 0), coalesce(sum(abs(error)) FILTER (isfinite(error)), 0),
       coalesce(sum(error * error) FILTER (isfinite(error)), 0)
FROM joined GROUP BY day, version ORDER BY day, version
"""
_BY_SCORE = f"""
SELECT day, version, greatest(0, least({SCORE_BINS - 1}, CAST(floor(score * {SCORE_BINS}) AS INTEGER))) AS bin,
       label >= 0.5 AS positive, count(*)
FROM joined WHERE isfinite(error) GROUP BY day, version, bin, positive
"""


def _labelled(model: str, files: list[str], labels: list[str], *, scores: bool) -> list[LabelledDay]:
    with asking(f"predictions and labels of {model}") as connection:
        known = _KNOWN.format(labels=table_of("labels")) if labels else _NOTHING_KNOWN
        rows(connection, known, {"labels": labels})
        rows(connection, _JOINED.format(predictions=table_of("files")), {"files": files})
        totals = rows(connection, _TOTALS, {})
        by_score = rows(connection, _BY_SCORE, {}) if scores else []
    bins = SCORE_BINS if scores else 0
    counts: dict[tuple[date, str, bool], Any] = defaultdict(lambda: np.zeros(bins, dtype=np.int64))
    for day, version, position, positive, n in by_score:
        counts[day, str(version), bool(positive)][position] += n
    return [
        LabelledDay(
            day=day, version=str(version), predicted=int(predicted), labelled=int(labelled),
            positives=counts[day, str(version), True], negatives=counts[day, str(version), False],
            sum_error=float(error), sum_absolute=float(absolute), sum_square=float(square),
        )
        for day, version, predicted, labelled, error, absolute, square in totals
    ]  # fmt: skip
