"""Data rules, days of tables and runs of pipelines in the governance database. Implements data_health.HealthStore."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched
from services.adapters.sql.schema.data_health import pipeline_run, table_check, table_day, table_result, table_rules
from services.adapters.sql.schema.monitoring import batch_run
from services.data_health.models import (
    OWN_JOB,
    ColumnFact,
    Family,
    HealthDay,
    LastWord,
    PipelineRun,
    RuleKind,
    RuleResult,
    Standing,
    TableDay,
    Zones,
)
from services.data_health.rules import ColumnRule, TableRules
from services.kernel.health import Health

_AT_ONCE = 200


class SqlDataHealth:
    def __init__(self, database: Database) -> None:
        self._database = database

    # Rules -------------------------------------------------------------------------------------------------------

    def rules(self, table: str) -> TableRules | None:
        found = self.revisions(table, limit=1)
        return found[0] if found else None

    def revisions(self, table: str, *, limit: int = 100) -> tuple[TableRules, ...]:
        c = table_rules.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(c.document, c.changed_at).where(c.name == table).order_by(c.revision.desc()).limit(limit),
            )
        return tuple(_rules(document, at) for document, at in found)

    def add_rules(self, rules: TableRules) -> bool:
        values = {
            "name": rules.table, "revision": rules.revision, "document": json.dumps(_document(rules), sort_keys=True),
            "changed_at": rules.changed_at,
        }  # fmt: skip
        c = table_rules.c
        with self._database.write() as connection:
            there = select(c.revision).where(c.name == rules.table, c.revision >= rules.revision)
            if connection.execute(there).first() is not None:
                return False
            try:
                with connection.begin_nested():
                    connection.execute(insert(table_rules).values(**values))
            except IntegrityError:
                return False
        return True

    def unrecorded(self) -> tuple[TableRules, ...]:
        c = table_rules.c
        with self._database.read() as connection:
            found = fetched(connection, select(c.document, c.changed_at).where(c.seq.is_(None)))
        return tuple(_rules(document, at) for document, at in found)

    def set_entry(self, table: str, revision: int, seq: int) -> None:
        c = table_rules.c
        with self._database.write() as connection:
            connection.execute(update(table_rules).where(c.name == table, c.revision == revision).values(seq=seq))

    # Days --------------------------------------------------------------------------------------------------------

    def fingerprints(self, table: str) -> Mapping[date, str]:
        c = table_day.c
        with self._database.read() as connection:
            return dict(fetched(connection, select(c.day, c.fingerprint).where(c.name == table)))

    def put_days(self, table: str, days: Mapping[date, tuple[str, TableDay]]) -> None:
        rows = [
            {"name": table, "day": day, "fingerprint": text, "facts": json.dumps(_day_document(facts))}
            for day, (text, facts) in days.items()
        ]
        with self._database.write() as connection:
            _replace(connection, table_day, table, rows)

    def days(self, table: str, since: date) -> tuple[TableDay, ...]:
        c = table_day.c
        with self._database.read() as connection:
            found = fetched(connection, select(c.facts).where(c.name == table, c.day >= since).order_by(c.day))
        return tuple(_day(text) for (text,) in found)

    def put_results(self, table: str, results: tuple[HealthDay, ...], *, at: datetime) -> None:
        rows = [
            {
                "name": table, "day": item.day, "revision": item.revision, "state": item.state.value,
                "rows": item.rows, "results": json.dumps([asdict(result) for result in item.results]),
                "judged_at": at,
            }
            for item in results
        ]  # fmt: skip
        with self._database.write() as connection:
            _replace(connection, table_result, table, rows)

    def results(self, table: str, since: date) -> tuple[HealthDay, ...]:
        c = table_result.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(c.day, c.revision, c.rows, c.results).where(c.name == table, c.day >= since).order_by(c.day),
            )
        return tuple(
            HealthDay(
                table=table, day=day, revision=revision, rows=rows,
                results=tuple(_result(item) for item in json.loads(text)),
            )
            for day, revision, rows, text in found
        )  # fmt: skip

    def forget_before(self, table: str, day: date) -> None:
        with self._database.read() as connection:
            oldest = [
                connection.scalar(select(func.min(kept.c.day)).where(kept.c.name == table))
                for kept in (table_day, table_result)
            ]
        if all(first is None or first >= day for first in oldest):
            return
        with self._database.write() as connection:
            for kept in (table_day, table_result):
                connection.execute(delete(kept).where(kept.c.name == table, kept.c.day < day))

    def in_force(self) -> Mapping[str, int]:
        c = table_rules.c
        with self._database.read() as connection:
            found = fetched(connection, select(c.name, func.max(c.revision)).group_by(c.name))
        return {name: revision for name, revision in found}  # noqa: C416 - rows are not pairs for dict()

    def put_last_word(self, table: str, word: LastWord) -> None:
        text = json.dumps([_standing_document(item) for item in word.standings])
        with self._database.write() as connection:
            _of_table(connection, table, {"standings": text, "last_day": word.last_day})

    def last_words(self) -> Mapping[str, LastWord]:
        c = table_check.c
        with self._database.read() as connection:
            found = fetched(connection, select(c.name, c.standings, c.last_day))
        return {
            name: LastWord(standings=tuple(_standing(item) for item in json.loads(text)), last_day=last)
            for name, text, last in found
        }

    def checked(self) -> Mapping[str, tuple[datetime, str]]:
        c = table_check.c
        with self._database.read() as connection:
            found = fetched(connection, select(c.name, c.at, c.problem))
        return {name: (at, problem) for name, at, problem in found}

    def record_check(self, table: str, *, at: datetime, problem: str) -> None:
        with self._database.write() as connection:
            _of_table(connection, table, {"at": at, "problem": problem})

    # Pipelines ---------------------------------------------------------------------------------------------------

    def replace_runs(self, source: str, since: datetime, runs: tuple[PipelineRun, ...], *, at: datetime) -> None:
        """Runs since then are what is given; older ones stay, because the platform forgets them."""
        c = pipeline_run.c
        rows = [
            {
                "source": source, "pipeline": run.pipeline, "run_id": run.run_id, "title": run.title, "kind": run.kind,
                "started_at": run.started_at, "finished_at": run.finished_at, "ok": run.ok, "on_time": run.on_time,
                "error": run.error, "writes": json.dumps(run.writes), "models": json.dumps(run.models), "copied_at": at,
                "aside": run.aside or None, "known_to": run.known_to,
            }
            for run in runs
        ]  # fmt: skip
        with self._database.write() as connection:
            connection.execute(delete(pipeline_run).where(c.source == source, c.started_at >= since))
            for start in range(0, len(rows), _AT_ONCE):
                part = rows[start : start + _AT_ONCE]
                # A run that began before the window may be told again: the newer word replaces the older one.
                for row in part:
                    same = (c.source == source, c.pipeline == row["pipeline"], c.run_id == row["run_id"])
                    connection.execute(delete(pipeline_run).where(*same))
                connection.execute(insert(pipeline_run), part)

    def runs(self, since: datetime) -> tuple[PipelineRun, ...]:
        c = pipeline_run.c
        with self._database.read() as connection:
            copied = fetched(connection, select(pipeline_run).where(c.started_at >= since).order_by(c.started_at))
            own = _batch_runs(connection, since)
        others = tuple(
            PipelineRun(
                pipeline=row.pipeline, title=row.title, kind=row.kind, run_id=row.run_id, started_at=row.started_at,
                finished_at=row.finished_at, ok=row.ok, on_time=row.on_time, error=row.error,
                writes=tuple(json.loads(row.writes)), models=tuple(json.loads(row.models)), aside=bool(row.aside),
                # Rows of a release that kept no watermark: at least what they say themselves was known.
                known_to=row.known_to or row.finished_at, copied_at=row.copied_at,
            )
            for row in copied
        )  # fmt: skip
        return (*own, *others)


def _of_table(connection: Connection, table: str, values: dict[str, Any]) -> None:
    """One row per table: when it was looked at, and the last word on it. Neither overwrites the other."""
    done = connection.execute(update(table_check).where(table_check.c.name == table).values(**values))
    if not done.rowcount:
        never = {"at": _EPOCH, "problem": "Not checked yet.", "standings": "[]", "last_day": None}
        connection.execute(insert(table_check).values(name=table, **(never | values)))


def _standing_document(item: Standing) -> dict[str, Any]:
    return {"result": asdict(item.result), "day": item.day.isoformat(), "since": item.since.isoformat()}


def _standing(given: dict[str, Any]) -> Standing:
    return Standing(
        result=_result(given["result"]), day=date.fromisoformat(given["day"]), since=date.fromisoformat(given["since"])
    )


def _batch_runs(connection: Connection, since: datetime) -> tuple[PipelineRun, ...]:
    """The recorded batch jobs of the workspace: each scores one model."""
    c = batch_run.c
    found = fetched(
        connection,
        select(c.model, c.job, c.window_start, c.started_at, c.finished_at, c.ok, c.on_time, c.error)
        .where(c.started_at >= since)
        .order_by(c.started_at),
    )
    return tuple(
        PipelineRun(
            pipeline=f"{model}/{job}", title=job or model, kind=OWN_JOB, run_id=f"{window:%Y%m%dT%H%M%S}",
            started_at=started, finished_at=finished, ok=ok, on_time=on_time, error=error, models=(model,),
        )
        for model, job, window, started, finished, ok, on_time, error in found
    )  # fmt: skip


def _replace(connection: Connection, table: Table, name: str, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        days = [row["day"] for row in part]
        connection.execute(delete(table).where(table.c.name == name, table.c.day.in_(days)))
        connection.execute(insert(table), part)


def _document(rules: TableRules) -> dict[str, Any]:
    return asdict(replace(rules, changed_at=None))


def _rules(text: str, at: datetime) -> TableRules:
    given = json.loads(text)
    columns = tuple(ColumnRule(**{**item, "family": Family(item["family"])}) for item in given["columns"])
    return TableRules(**{**given, "columns": columns, "key": tuple(given["key"]), "changed_at": at})


def _day_document(facts: TableDay) -> dict[str, Any]:
    return {
        **asdict(facts),
        "day": facts.day.isoformat(),
        "newest": None if facts.newest is None else int((facts.newest - _EPOCH) / _MICROSECOND),
    }


def _day(text: str) -> TableDay:
    given = json.loads(text)
    newest = given["newest"]
    return TableDay(
        **{
            **given,
            "day": date.fromisoformat(given["day"]),
            "newest": None if newest is None else _EPOCH + newest * _MICROSECOND,
            "zones": Zones(given["zones"]),
            "columns": tuple(ColumnFact(**{**item, "family": Family(item["family"])}) for item in given["columns"]),
        }
    )


def _result(given: dict[str, Any]) -> RuleResult:
    return RuleResult(**{**given, "kind": RuleKind(given["kind"]), "state": Health(given["state"])})


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
