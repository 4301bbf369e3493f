"""Labels by day of arrival and scores by day of prediction, counted where they lie. One scan per new day."""

# ruff: noqa: S608 - names are quoted identifiers of the file, everything that anybody chooses is bound.

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from services.adapters.warehouse.duckdb import ParquetFolder, asking, columns_of, quoted, rows, table_of
from services.inventory.facts import Partition
from services.monitoring.cubes import UNMATCHED, Arrival, ScoreDay
from services.monitoring.ports import SliceColumn
from services.monitoring.profile import SCORE_BINS

_LEAD = timedelta(days=31)
"""How long before its prediction a label may have been filed and still be found as the one that was restated."""
_NEIGHBOUR = timedelta(days=1)
_BIN = f"CAST(greatest(0, least({SCORE_BINS - 1}, floor(score * {SCORE_BINS}.0e0))) AS INTEGER)"
_FINITE = "coalesce(isfinite(score), false)"

# Within a day the latest statement counts, once; equal times are settled by the value, so every scan agrees.
_TOLD = """
CREATE TEMP TABLE told AS
SELECT *, lag(label) OVER (PARTITION BY prediction_id ORDER BY arrival) AS before FROM (
    SELECT prediction_id, CAST("date" AS DATE) AS arrival, min(CAST(event_at AS DATE)) AS event_day,
           arg_max(label, {{'at': coalesce(arrived_at, TIMESTAMPTZ '1970-01-01 00:00:00+00'), 'label': label}}) AS label
    FROM (SELECT prediction_id, "date", TRY_CAST(event_at AS TIMESTAMPTZ) AS event_at,
                 TRY_CAST(arrived_at AS TIMESTAMPTZ) AS arrived_at, TRY_CAST(label AS DOUBLE) AS label FROM {labels})
    WHERE isfinite(label) GROUP BY prediction_id, "date")
"""
# A run that is repeated writes the same predictions again: the last one counts, once.
_MADE = """
CREATE TEMP TABLE made AS
SELECT prediction_id, CAST("date" AS DATE) AS day, coalesce(CAST(version AS VARCHAR), 'unknown') AS version,
       TRY_CAST(score AS DOUBLE) AS score{slices}
FROM {predictions} WHERE role = 'live'
QUALIFY row_number() OVER (PARTITION BY prediction_id ORDER BY event_at DESC, "date" DESC) = 1
"""
_NOTHING_MADE = "CREATE TEMP TABLE made (prediction_id VARCHAR, day DATE, version VARCHAR, score DOUBLE{slices})"
_CHANGES = f"""
CREATE TEMP TABLE changes AS
WITH joined AS (
    SELECT coalesce(day, event_day, arrival) AS day, arrival, coalesce(version, '{UNMATCHED}') AS version, score,
           label, before{{slices}}
    FROM told LEFT JOIN made USING (prediction_id)
    WHERE arrival IN (SELECT unnest($arrivals)) AND label IS DISTINCT FROM before
)
SELECT *, 1 AS sign, label AS y FROM joined UNION ALL
SELECT *, -1 AS sign, before AS y FROM joined WHERE before IS NOT NULL
"""
_BY_DAY = f"""
SELECT version, {{key}} AS slice_key, arrival, day, sum(sign)::BIGINT,
       coalesce(sum(sign) FILTER ({_FINITE}), 0)::BIGINT, coalesce(sum(sign * (score - y)) FILTER ({_FINITE}), 0),
       coalesce(sum(sign * abs(score - y)) FILTER ({_FINITE}), 0),
       coalesce(sum(sign * (score - y) ** 2) FILTER ({_FINITE}), 0),
       coalesce(sum(sign * (score - y) ** 4) FILTER ({_FINITE}), 0)
FROM changes GROUP BY ALL ORDER BY ALL
"""
_BY_CELL = f"""
SELECT version, {{key}} AS slice_key, arrival, day, 2 * {_BIN} + CAST(y >= 0.5 AS INTEGER) AS code, sum(sign)::BIGINT
FROM changes WHERE {_FINITE} AND version <> '{UNMATCHED}' GROUP BY ALL HAVING sum(sign) <> 0 ORDER BY ALL
"""
_SCORES = f"""
SELECT version, {{key}} AS slice_key, day, CASE WHEN {_FINITE} AND $scores THEN {_BIN} END AS bin, count(*),
       count(*) FILTER (NOT {_FINITE}), coalesce(sum(score) FILTER ({_FINITE}), 0)
FROM made GROUP BY ALL ORDER BY ALL
"""


class DuckDbPerformanceFacts:
    """Implements monitoring.ports.PerformanceFacts over the inference folder."""

    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def partitions(self) -> tuple[Partition, ...]:
        return (*self._parquet.partitions("predictions"), *self._parquet.partitions("labels"))

    def arrived(
        self, model: str, arrivals: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[Arrival, ...]:
        files = self._parquet.files("labels", model, arrivals)
        if not files:
            return ()
        with asking(f"labels of {model}") as connection:
            about = self._event_days(connection, files, arrivals)
            since = min(about) - _LEAD
            told = [day for day in self._parquet.days("labels", model) if since <= day <= max(arrivals)]
            near = {day + shift for day in about for shift in (-_NEIGHBOUR, timedelta(0), _NEIGHBOUR)}
            rows(connection, _TOLD.format(labels=table_of("labels")), {"labels": self._labels(model, told)})
            columns = self._made(connection, self._parquet.files("predictions", model, sorted(near)), slices)
            rows(connection, _CHANGES.format(slices=_names(slices)), {"arrivals": list(arrivals)})
            return tuple(_arrivals(connection, scores=scores, slices=columns))

    def scored(
        self, model: str, days: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[ScoreDay, ...]:
        files = self._parquet.files("predictions", model, days)
        if not files:
            return ()
        with asking(f"predictions of {model}") as connection:
            columns = self._made(connection, files, slices)
            found: dict[tuple[str, str, date], list[tuple[Any, ...]]] = defaultdict(list)
            for key, given in _keys(columns):
                for version, slice_key, day, *rest in rows(
                    connection, _SCORES.format(key=key), {**given, "scores": scores}
                ):
                    if slice_key is not None:
                        found[version, slice_key, day].append(tuple(rest))
        return tuple(_score_day(*key, found[key]) for key in sorted(found))

    def _labels(self, model: str, days: Sequence[date]) -> list[str]:
        return self._parquet.files("labels", model, days)

    def _event_days(
        self, connection: duckdb.DuckDBPyConnection, files: list[str], arrivals: Sequence[date]
    ) -> list[date]:
        sql = f"SELECT DISTINCT CAST(TRY_CAST(event_at AS TIMESTAMPTZ) AS DATE) FROM {table_of('files')}"
        found = [day for (day,) in rows(connection, sql, {"files": files}) if day is not None]
        # Labels that do not say when their prediction was made are looked for on the day they arrived.
        return found or list(arrivals)

    def _made(
        self, connection: duckdb.DuckDBPyConnection, files: list[str], slices: tuple[SliceColumn, ...]
    ) -> tuple[SliceColumn, ...]:
        """The slice columns these predictions have. A renamed column is no slice, not a slice of missing values."""
        if not files:
            rows(connection, _NOTHING_MADE.format(slices="".join(f", s{i} VARCHAR" for i in range(len(slices)))), {})
            return ()
        known = columns_of(connection, files)
        texts = [
            f", CAST({quoted(item.column)} AS VARCHAR) AS s{position}"
            if item.column in known
            else f", CAST(NULL AS VARCHAR) AS s{position}"
            for position, item in enumerate(slices)
        ]
        rows(connection, _MADE.format(predictions=table_of("files"), slices="".join(texts)), {"files": files})
        return tuple(item if item.column in known else SliceColumn(column="") for item in slices)


def _names(slices: Sequence[SliceColumn]) -> str:
    return "".join(f", s{position}" for position in range(len(slices)))


def _keys(slices: Sequence[SliceColumn]) -> Iterator[tuple[str, dict[str, Any]]]:
    """SQL of the slice key with its parameters: the whole first, then one per slice column; NULL is in no slice."""
    yield "''", {}
    for position, item in enumerate(slices):
        if not item.column:
            continue
        name, listed, text = f"column_{position}_", f"values_{position}_", f"s{position}"
        key = f"CASE WHEN list_contains(${listed}, {text}) THEN ${name} || '=' || {text} END"
        yield key, {name: item.column, listed: list(item.values)}


def _arrivals(
    connection: duckdb.DuckDBPyConnection, *, scores: bool, slices: Sequence[SliceColumn]
) -> Iterator[Arrival]:
    by_day: dict[tuple[str, str, date], list[tuple[Any, ...]]] = defaultdict(list)
    by_cell: dict[tuple[str, str, date], list[tuple[int, int, int]]] = defaultdict(list)
    for key, given in _keys(slices):
        for version, slice_key, arrival, day, *rest in rows(connection, _BY_DAY.format(key=key), given):
            if slice_key is not None:
                by_day[version, slice_key, arrival].append((day.toordinal(), *rest))
        for version, slice_key, arrival, day, code, n in (
            rows(connection, _BY_CELL.format(key=key), given) if scores else ()
        ):
            if slice_key is not None:
                by_cell[version, slice_key, arrival].append((day.toordinal(), code, n))
    for (version, slice_key, arrival), found in sorted(by_day.items()):
        yield Arrival(
            version=version,
            slice_key=slice_key,
            day=arrival,
            cells=np.array(by_cell[version, slice_key, arrival], dtype=np.int64).reshape(-1, 3),
            days=np.array([row[:3] for row in found], dtype=np.int64),
            sums=np.array([row[3:] for row in found], dtype=np.float64),
        )


def _score_day(version: str, slice_key: str, day: date, found: Sequence[tuple[Any, ...]]) -> ScoreDay:
    binned = [row for row in found if row[0] is not None]
    return ScoreDay(
        version=version,
        slice_key=slice_key,
        day=day,
        predicted=sum(int(row[1]) for row in found),
        unscored=sum(int(row[2]) for row in found),
        bins=np.array([row[0] for row in binned], dtype=np.int64),
        counts=np.array([row[1] for row in binned], dtype=np.int64),
        sums=np.array([row[3] for row in binned], dtype=np.float64),
    )
