"""Predictions, labels and batch runs on disk, answered as counts per cell and day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
from sqlalchemy import FromClause, select

from services.adapters.warehouse.cells import (
    TEXT,
    added,
    counted_by,
    reference_of,
    splits_of,
)
from services.adapters.warehouse.columns_beside import FACTS, THINNED_FROM, ColumnsBeside, as_one_day, rows_of
from services.adapters.warehouse.day_counts import VERSION, Counting, Files, version_rows
from services.adapters.warehouse.duckdb import (
    ParquetFolder,
    arrays,
    asking,
    at_microseconds,
    columns_of,
    facts_of,
    kind_of,
    rows,
    statements,
    table_from,
)
from services.adapters.warehouse.labelled import labelled_from
from services.adapters.warehouse.statements import labels as label_statement
from services.adapters.warehouse.statements import logged
from services.adapters.warehouse.statements.counting import DAY
from services.adapters.warehouse.statements.dialects import compiled, duckdb_dialect, relation
from services.inventory.facts import Partition
from services.monitoring.models import JobRun
from services.monitoring.ports import Days
from services.monitoring.profile import DayProfile, LabelledDay, Reference
from services.monitoring.versions import VersionRows, version_key

_NOT_FEATURES = frozenset(
    {"prediction_id", "request_id", "version", "role", "event_at", "logged_at", "entity", "label", "date", "model"}
)
_LIVE = "role = 'live'"
_DAYS_AT_ONCE = 60
"""Bounds memory while a long history is read for the first time."""


_FOOTERS = """
    SELECT file_name, any_value(num_rows), list(name), bool_or(live)
    FROM (SELECT file_name, name FROM parquet_schema($files))
    JOIN (SELECT file_name, num_rows FROM parquet_file_metadata($files)) USING (file_name)
    LEFT JOIN (
        SELECT file_name, bool_and(
            coalesce(stats_min_value = 'live' AND stats_max_value = 'live' AND stats_null_count = 0, false)
        ) AS live
        FROM parquet_metadata($files) WHERE path_in_schema = 'role' GROUP BY file_name
    ) USING (file_name)
    GROUP BY file_name ORDER BY file_name
"""
"""Of each file: rows, columns, and whether every row is live as far as the limits in its footer tell."""


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

    def fit_reference(
        self,
        model: str,
        digest: str,
        *,
        slices: tuple[str, ...] = (),
        threshold: float | None = None,
        window: Days | None = None,
    ) -> Reference | None:
        days = self._days_inside(model, window) if window else ()
        files = (
            self._parquet.files("predictions", model, days) if window else [str(self._parquet.reference_file(model))]
        )
        if not files:
            return None
        where = _LIVE if window else "true"
        with asking(f"the reference window of {model}") as connection:
            columns = columns_of(connection, files)
            as_one_day(connection, files, where)
            kinds = {
                name: kind_of(type_name)
                for name, type_name in columns.items()
                if name not in _NOT_FEATURES and not name.startswith("__")
            }
            source = relation((FACTS,), (DAY, *columns), duckdb_dialect())
            asked_of = partial(
                reference_of, source=source, kinds=kinds, model=model, digest=digest, slices=slices,
                arrays=lambda asked: arrays(connection, compiled(asked, duckdb_dialect())), threshold=threshold,
            )  # fmt: skip
            held = rows_of(connection, files)
            if held < THINNED_FROM:
                made = asked_of(statements(connection))
            else:
                with ColumnsBeside(connection, files, held, where) as threads:
                    made = asked_of(threads.ask, thinned=threads.thinned, pool=threads.pool)
        # Day by day, as every other day is counted: a column that some files do not have is not missing from them.
        return counted_by(made, self.profile(made, days)) if made and window else made

    def _days_inside(self, model: str, window: Days) -> tuple[date, ...]:
        return tuple(day for day in self._parquet.days("predictions", model) if window[0] <= day <= window[1])

    def profile(self, reference: Reference, days: tuple[date, ...]) -> tuple[DayProfile, ...]:
        sums: dict[tuple[date, str, str], DayProfile] = {}
        made = VersionRows()
        with asking(f"predictions of {reference.model}") as connection:
            groups = [
                (files, columns, "true" if live else _LIVE, VersionRows())
                for files, columns, live in self._alike(connection, reference.model, days)
            ]
            for files, columns, where, held in groups:
                _count_versions(connection, files, columns, held, where)
                made.add_all(held)
            for files, columns, where, held in groups:
                wanted = tuple(feature for feature in reference.features if feature.column in columns)
                splits = splits_of(reference, columns)
                for part, versions in _parted(files, held):
                    counting = Counting(connection, wanted, splits, where, versions)
                    for profile in _by_version(counting.profiles(part), held, made):
                        key = (profile.day, profile.feature, profile.slice_key)
                        sums[key] = added(sums[key], profile) if key in sums else profile
        return (*sums.values(), *made.marks())

    def _alike(
        self, connection: duckdb.DuckDBPyConnection, model: str, days: Sequence[date]
    ) -> Iterator[tuple[Files, frozenset[str], bool]]:
        """Files with the same columns together: an input a version does not have is not a missing value.

        Whether all rows are live is read off the footers: files of one role need not be asked for it row by row.
        """
        for start in range(0, len(days), _DAYS_AT_ONCE):
            found = self._parquet.files("predictions", model, days[start : start + _DAYS_AT_ONCE])
            files = {file: date.fromisoformat(unquote(Path(file).parent.name).removeprefix("date=")) for file in found}
            groups: dict[tuple[frozenset[str], bool], Files] = defaultdict(dict)
            if files:
                for file, held, columns, live in rows(connection, _FOOTERS, {"files": list(files)}):
                    groups[frozenset(columns), bool(live)].setdefault(files[file], {})[file] = int(held)
            yield from ((group, names, live) for (names, live), group in groups.items())

    def columns_by_day(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, dict[str, str]], ...]:
        """Implements monitoring.ports.RecordedColumns. Read from the footers of the files, not from rows."""
        found: dict[date, dict[str, str]] = {}
        for day in sorted(days):
            if files := self._parquet.files("predictions", model, (day,)):
                with asking(f"columns of {model}") as connection:
                    sql = "SELECT name, duckdb_type FROM parquet_schema($files) WHERE duckdb_type IS NOT NULL"
                    described = rows(connection, sql, {"files": files})
                kinds = found.setdefault(day, {})
                for name, type_name in described:
                    if not name.startswith("__"):
                        kinds[name] = _together(kinds.get(name, "empty"), kind_of(type_name))
        return tuple(found.items())

    def labelled_on(self, model: str, arrivals: tuple[date, ...]) -> tuple[date, ...]:
        files = self._parquet.files("labels", model, arrivals)
        if not files:
            return ()
        with asking(f"labels of {model}") as connection:
            told = facts_of(connection, "told", files, ("event_at",), copied=False)
            found = [day for (day,) in statements(connection)(label_statement.event_days(told)) if day is not None]
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
            jobs = facts_of(connection, "jobs", files, logged.JOBS)
            found = statements(connection)(logged.job_runs(jobs))
        return tuple((day, _job_run(model, given)) for day, *given in found)


def _count_versions(
    connection: duckdb.DuckDBPyConnection, files: Files, columns: frozenset[str], held: VersionRows, where: str
) -> None:
    if VERSION in columns:
        held.add_counted(version_rows(connection, files, where))
        return
    for day, own in files.items():
        held.add(day, "", sum(own.values()))


def _parted(files: Files, held: VersionRows) -> Iterator[tuple[Files, tuple[str, ...]]]:
    """Days that are counted as they are, and those on which every row has to say its version."""
    several = held.several(files)
    if plain := {day: own for day, own in files.items() if day not in several}:
        yield plain, ()
    if several:
        yield {day: files[day] for day in several}, held.named(several)


def _by_version(profiles: Iterable[DayProfile], held: VersionRows, made: VersionRows) -> Iterator[DayProfile]:
    """Where the predictions of a day are of several versions, these files may still be of one alone."""
    mixed = frozenset(made.several(made.found))
    for profile in profiles:
        yield profile
        if profile.day in mixed and not profile.slice_key and (version := held.only(profile.day)):
            yield replace(profile, slice_key=version_key(version))


def _together(one: str, other: str) -> str:
    """The kind of a column that several files have; a number in one and a text in another is read as text."""
    if "empty" in {one, other}:
        return other if one == "empty" else one
    return one if one == other else TEXT


def _job_run(model: str, given: Sequence[Any]) -> JobRun:
    job, version, window, started, finished, count, ok, on_time, error = given
    return JobRun(
        job=str(job or ""), model=model, version=str(version or ""), window_start=at_microseconds(window),
        started_at=at_microseconds(started), finished_at=at_microseconds(finished), rows=int(count or 0),
        ok=bool(ok), on_time=bool(on_time), error=str(error or ""),
    )  # fmt: skip


def _labelled(model: str, files: list[str], labels: list[str], *, scores: bool) -> list[LabelledDay]:
    with asking(f"predictions and labels of {model}") as connection:
        ask = statements(connection)
        made = facts_of(connection, "made", files, label_statement.PREDICTIONS, where="role = 'live'")
        if labels:
            told = facts_of(connection, "told", labels, label_statement.TOLD)
            known: FromClause = label_statement.stated(told).subquery()
        else:
            connection.execute("CREATE TEMP TABLE known (i VARCHAR, label DOUBLE)")
            known = relation(("known",), ("i", "label"), duckdb_dialect())
        joined = label_statement.once(label_statement.beside(made, known).subquery())
        kept = table_from(connection, "joined", select(*joined.c))
        totals = ask(label_statement.totals(kept))
        by_score = ask(label_statement.by_score(kept)) if scores else []
    return list(labelled_from(totals, by_score, scores=scores))
