"""Profiles, labelled days and batch runs in the governance database; a day is replaced whole or not at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from hashlib import sha256
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, union

from services.adapters.sql import heads
from services.adapters.sql.database import Database
from services.adapters.sql.facts import (
    counts_of,
    fetched,
    forget,
    forget_before,
    packed,
    record_attempt,
    remember,
    seen,
    sums_of,
)
from services.adapters.sql.monitors import SqlMonitors
from services.adapters.sql.schema.facts import facts_seen
from services.adapters.sql.schema.inventory import registry_version
from services.adapters.sql.schema.monitoring import (
    batch_run,
    drift_judged,
    drift_verdict,
    feature_day,
    feature_reference,
    labelled_day,
    monitoring_config,
    schema_change,
    schema_day,
    schema_set,
)
from services.adapters.sql.schema.rollout import deployment
from services.inventory.facts import Partition, Vanished
from services.kernel.health import Health
from services.monitoring import recorded_schema
from services.monitoring.fleet import DriftVerdict, Judged
from services.monitoring.models import Expectation, JobRun, MonitoringConfig
from services.monitoring.monitors import config_of
from services.monitoring.profile import (
    DayProfile,
    FeatureReference,
    LabelledDay,
    Reference,
    ReferenceSlice,
    Uncompared,
    WhyNot,
)
from services.monitoring.recorded_schema import Columns, SchemaChange, SchemaWord

_CONSUMER = "monitoring"
_DAILY = (feature_day, labelled_day, schema_day, batch_run, drift_verdict)
_OF_SOURCE = {"predictions": (feature_day, labelled_day, schema_day), "jobs": (batch_run,)}
"""What is counted of the days of a source. Labels are counted with the day of their prediction."""
_NAME = 200


class SqlMonitoring:
    """Implements monitoring.ports.MonitoringStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self) -> Mapping[tuple[str, str, date], str]:
        with self._database.read() as connection:
            return seen(connection, _CONSUMER)

    def record_sync(self, source: str, *, at: datetime, error: str) -> None:
        with self._database.write() as connection:
            record_attempt(connection, source, at=at, error=error)

    def put_configs(self, configs: tuple[MonitoringConfig, ...]) -> None:
        if not configs:
            return
        names = [config.model for config in configs]
        with self._database.write() as connection:
            for name in names:
                heads.moved(connection, name, heads.DRIFT, heads.PERFORMANCE)
            connection.execute(delete(monitoring_config).where(monitoring_config.c.model.in_(names)))
            connection.execute(
                insert(monitoring_config),
                [{"model": config.model, "document": json.dumps(asdict(config))} for config in configs],
            )

    def config(self, model: str) -> MonitoringConfig | None:
        """Derived from the monitor in force; where none was saved, what was registered with the deployment."""
        with self._database.read() as connection:
            newest = SqlMonitors(connection).newest(model)
            if newest is not None:
                return config_of(newest.monitor, version=newest.version)
            text = connection.scalar(select(monitoring_config.c.document).where(monitoring_config.c.model == model))
        if text is None:
            return None
        document = json.loads(text)
        return MonitoringConfig(**{name: _frozen(value) for name, value in document.items()})

    def put_reference(self, reference: Reference) -> None:
        model = reference.model
        with self._database.write() as connection:
            heads.moved(connection, model, heads.DRIFT)
            connection.execute(delete(feature_reference).where(feature_reference.c.model == model))
            connection.execute(delete(feature_day).where(feature_day.c.model == model))
            connection.execute(
                delete(facts_seen).where(
                    facts_seen.c.consumer == _CONSUMER,
                    facts_seen.c.source == "predictions",
                    facts_seen.c.owner == model,
                )
            )
            connection.execute(
                insert(feature_reference),
                [_reference_row(reference, position) for position in range(len(reference.features))],
            )
            if reference.slices:
                connection.execute(
                    insert(feature_reference),
                    [_slice_row(reference, position) for position in range(len(reference.slices))],
                )
            if reference.uncompared:
                connection.execute(
                    insert(feature_reference), [_uncompared_row(reference, item) for item in reference.uncompared]
                )

    def reference(self, model: str) -> Reference | None:
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(feature_reference)
                .where(feature_reference.c.model == model)
                .order_by(feature_reference.c.position),
            )
        if not found:
            return None
        whole = [(row, json.loads(row.document)) for row in found if not row.slice_key]
        return Reference(
            model=model,
            digest=found[0].digest,
            rows=found[0].rows,
            features=tuple(_feature(row, document) for row, document in whole if "why_not" not in document),
            uncompared=tuple(_uncompared(row, document) for row, document in whole if "why_not" in document),
            slices=tuple(
                ReferenceSlice(
                    feature=row.feature, slice_key=row.slice_key, counts=counts_of(row.counts), sums=sums_of(row.sums)
                )
                for row in found
                if row.slice_key
            ),
        )

    def reference_digests(self) -> Mapping[str, str]:
        with self._database.read() as connection:
            found = fetched(connection, select(feature_reference.c.model, feature_reference.c.digest).distinct())
            return {model: digest for model, digest in found}  # noqa: C416 - rows are not pairs for dict()

    def replace_profiles(
        self, model: str, days: tuple[date, ...], profiles: tuple[DayProfile, ...], read: tuple[Partition, ...]
    ) -> None:
        rows = [
            {
                "model": model, "feature": profile.feature, "slice_key": profile.slice_key, "day": profile.day,
                "counts": packed(profile.counts), "sums": packed(profile.sums),
            }
            for profile in profiles
        ]  # fmt: skip
        self._replace(feature_day, model, days, rows, read)

    def profiles(
        self, model: str, start: date, end: date, feature: str = "", *, slice_key: str | None = ""
    ) -> tuple[DayProfile, ...]:
        table = feature_day.c
        statement = select(table.day, table.feature, table.slice_key, table.counts, table.sums).where(
            table.model == model, table.day >= start, table.day <= end
        )
        if feature:
            statement = statement.where(table.feature == feature)
        if slice_key is not None:
            statement = statement.where(table.slice_key == slice_key)
        with self._database.read() as connection:
            found = fetched(connection, statement.order_by(table.slice_key, table.feature, table.day))
        return tuple(
            DayProfile(day=day, feature=name, slice_key=part, counts=counts_of(counts), sums=sums_of(sums))
            for day, name, part, counts, sums in found
        )

    def sketched_days(self, model: str) -> tuple[date, date] | None:
        table = feature_day.c
        with self._database.read() as connection:
            row: Any = connection.execute(
                select(func.min(table.day), func.max(table.day)).where(table.model == model)
            ).one()
        first, last = row
        return None if first is None or last is None else (first, last)

    def has_reference(self, model: str) -> bool:
        with self._database.read() as connection:
            return (
                connection.scalar(select(feature_reference.c.model).where(feature_reference.c.model == model))
                is not None
            )

    def put_columns(self, model: str, days: tuple[tuple[date, Columns], ...]) -> None:
        documents = {day: json.dumps(sorted(columns.items())) for day, columns in days}
        digests = {day: sha256(document.encode()).hexdigest() for day, document in documents.items()}
        texts = {digests[day]: document for day, document in documents.items()}
        with self._database.write() as connection:
            known = {row.digest for row in fetched(connection, select(schema_set.c.digest))}
            if fresh := [{"digest": key, "document": text} for key, text in texts.items() if key not in known]:
                connection.execute(insert(schema_set), fresh)
            connection.execute(
                delete(schema_day).where(schema_day.c.model == model, schema_day.c.day.in_(list(digests)))
            )
            if digests:
                connection.execute(
                    insert(schema_day),
                    [{"model": model, "day": day, "digest": digest} for day, digest in digests.items()],
                )
            self._find_changes(connection, model)

    def has_columns(self, model: str) -> bool:
        with self._database.read() as connection:
            return connection.scalar(select(schema_day.c.day).where(schema_day.c.model == model).limit(1)) is not None

    def _find_changes(self, connection: Connection, model: str) -> None:
        """Of the days that are kept; what was found about older ones stays."""
        found = fetched(
            connection,
            select(schema_day.c.day, schema_set.c.document)
            .join(schema_set, schema_set.c.digest == schema_day.c.digest)
            .where(schema_day.c.model == model)
            .order_by(schema_day.c.day),
        )
        if not found:
            return
        changes = recorded_schema.schema_changes([(day, dict(json.loads(document))) for day, document in found])
        table = schema_change.c
        connection.execute(delete(schema_change).where(table.model == model, table.day > found[0].day))
        # Names of foreign tables may be longer than what is kept of them.
        kept = {(change.day, change.column[:_NAME]): change for change in changes}
        if kept:
            rows = [
                {**asdict(change), "model": model, "column": name, "before": change.before[:_NAME],
                 "after": change.after[:_NAME]}
                for (_, name), change in kept.items()
            ]  # fmt: skip
            connection.execute(insert(schema_change), rows)

    def schema_changes(self, model: str, since: date) -> tuple[SchemaChange, ...]:
        return tuple(change for _, change in self._changes_since(since, schema_change.c.model == model))

    def all_schema_changes(self, since: date) -> tuple[tuple[str, SchemaChange], ...]:
        return self._changes_since(since)

    def _changes_since(self, since: date, *which: ColumnElement[bool]) -> tuple[tuple[str, SchemaChange], ...]:
        table = schema_change.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(schema_change)
                .where(table.day >= since, *which)
                .order_by(table.day.desc(), table.model, table.column),
            )
        return tuple(
            (
                row.model,
                SchemaChange(
                    day=row.day, column=row.column, change=SchemaWord(row.change), before=row.before, after=row.after,
                    sentence=row.sentence,
                ),
            )
            for row in found
        )  # fmt: skip

    def forget_days(self, gone: Vanished) -> None:
        with self._database.write() as connection:
            heads.moved(connection, gone.owner, heads.DRIFT, heads.VALUE)
            forget(connection, _CONSUMER, gone, *_OF_SOURCE.get(gone.source, ()))
            self._find_changes(connection, gone.owner)

    def forget_before(self, day: date) -> None:
        with self._database.write() as connection:
            older = union(*(select(table.c.model).where(table.c.day < day) for table in _DAILY))
            for row in fetched(connection, older):
                heads.moved(connection, row.model, heads.DRIFT, heads.VALUE)
            for table in _DAILY:
                connection.execute(delete(table).where(table.c.day < day))
            forget_before(connection, _CONSUMER, day)

    def head(self, model: str) -> int:
        return heads.heads(self._database, heads.DRIFT, model).get(model, 0)

    def heads(self) -> Mapping[str, int]:
        return heads.heads(self._database, heads.DRIFT)

    def judged(self) -> Mapping[str, Judged]:
        with self._database.read() as connection:
            found = fetched(connection, select(drift_judged))
        return {row.model: Judged(head=row.head, window_days=row.window_days, at=row.judged_at) for row in found}

    def verdicts_mark(self) -> str:
        table = drift_judged.c
        query = select(func.count(), func.sum(table.head), func.max(table.judged_at))
        with self._database.read() as connection:
            rows, heads_judged, newest = fetched(connection, query)[0]
        return f"{heads.mark(self._database, part=heads.DRIFT)} {rows} {heads_judged} {newest}"

    def put_verdicts(self, model: str, verdicts: tuple[DriftVerdict, ...], judged: Judged) -> None:
        with self._database.write() as connection:
            for table in (drift_verdict, drift_judged):
                connection.execute(delete(table).where(table.c.model == model))
            row = {"model": model, "head": judged.head, "window_days": judged.window_days, "judged_at": judged.at}
            connection.execute(insert(drift_judged).values(**row))
            if verdicts:
                connection.execute(
                    insert(drift_verdict), [{**asdict(item), "state": item.state.value} for item in verdicts]
                )

    def verdicts(self, since: date) -> tuple[DriftVerdict, ...]:
        table = drift_verdict.c
        with self._database.read() as connection:
            found = fetched(
                connection, select(drift_verdict).where(table.day >= since).order_by(table.model, table.day)
            )
        return tuple(
            DriftVerdict(**{**row._mapping, "state": Health(row.state)})  # noqa: SLF001 - SQLAlchemy's public name
            for row in found
        )

    def last_day(self, model: str) -> date | None:
        with self._database.read() as connection:
            day: date | None = connection.scalar(
                select(func.max(feature_day.c.day)).where(feature_day.c.model == model)
            )
            return day

    def last_recorded(self, model: str) -> date | None:
        """Newest day whose predictions were read. It stays when a new reference makes their sketches anew."""
        with self._database.read() as connection:
            day: date | None = connection.scalar(
                select(func.max(labelled_day.c.day)).where(labelled_day.c.model == model)
            )
            return day

    def replace_labelled(
        self, model: str, days: tuple[date, ...], rows: tuple[LabelledDay, ...], read: tuple[Partition, ...]
    ) -> None:
        values = [
            {
                "model": model, "day": row.day, "version": row.version, "predicted": row.predicted,
                "labelled": row.labelled, "positives": packed(row.positives), "negatives": packed(row.negatives),
                "sum_error": row.sum_error, "sum_absolute": row.sum_absolute, "sum_square": row.sum_square,
            }
            for row in rows
        ]  # fmt: skip
        self._replace(labelled_day, model, days, values, read)

    def labelled(self, model: str, start: date) -> tuple[LabelledDay, ...]:
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(labelled_day)
                .where(labelled_day.c.model == model, labelled_day.c.day >= start)
                .order_by(labelled_day.c.day, labelled_day.c.version),
            )
        return tuple(labelled_from(row) for row in found)

    def replace_jobs(self, model: str, runs: tuple[tuple[date, JobRun], ...], read: tuple[Partition, ...]) -> None:
        positions: Counter[date] = Counter()
        rows: list[dict[str, Any]] = []
        for day, run in runs:
            rows.append({"day": day, "position": positions[day], **asdict(run)})
            positions[day] += 1
        self._replace(batch_run, model, tuple(partition.day for partition in read), rows, read)

    def job_runs(self, model: str, limit: int) -> tuple[JobRun, ...]:
        columns = [column for column in batch_run.c if column.name not in {"day", "position"}]
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(*columns)
                .where(batch_run.c.model == model)
                .order_by(batch_run.c.window_start.desc(), batch_run.c.started_at.desc())
                .limit(limit),
            )
        return tuple(JobRun(**row._mapping) for row in found)  # noqa: SLF001 - SQLAlchemy's public name

    def expectation(self, model: str, metric: str) -> Expectation | None:
        with self._database.read() as connection:
            champion = connection.scalar(select(deployment.c.champion).where(deployment.c.model == model))
            document = connection.scalar(
                select(registry_version.c.document).where(
                    registry_version.c.model == model, registry_version.c.version == champion
                )
            )
        if not champion or document is None:
            return None
        metrics = {name: value for name, value in json.loads(document)["metrics"]}  # noqa: C416 - lists from JSON
        return Expectation(
            version=champion, value=metrics.get(f"holdout_{metric}"), baseline=metrics.get(f"baseline_{metric}")
        )

    def _replace(
        self, table: Any, model: str, days: Sequence[date], rows: list[dict[str, Any]], read: tuple[Partition, ...]
    ) -> None:
        counted = (heads.VALUE,) if table is labelled_day or table is batch_run else ()
        with self._database.write() as connection:
            heads.moved(connection, model, heads.DRIFT, *counted)
            connection.execute(delete(table).where(table.c.model == model, table.c.day.in_(list(days))))
            if rows:
                connection.execute(insert(table), rows)
            remember(connection, _CONSUMER, read)


def _frozen(value: Any) -> Any:
    """Lists of a JSON document are tuples of a frozen value."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def labelled_from(row: Any) -> LabelledDay:
    return LabelledDay(
        day=row.day, version=row.version, predicted=row.predicted, labelled=row.labelled,
        positives=counts_of(row.positives), negatives=counts_of(row.negatives), sum_error=row.sum_error,
        sum_absolute=row.sum_absolute, sum_square=row.sum_square,
    )  # fmt: skip


def _reference_row(reference: Reference, position: int) -> dict[str, Any]:
    feature = reference.features[position]
    document = {
        "column": feature.column, "numeric": feature.numeric, "coded": feature.coded, "edges": feature.edges,
        "deciles": feature.deciles, "values": feature.values, "spread": feature.spread,
        "threshold": feature.threshold,
    }  # fmt: skip
    return {
        "model": reference.model, "feature": feature.feature, "slice_key": "", "position": position,
        "digest": reference.digest, "rows": reference.rows, "document": json.dumps(document),
        "counts": packed(feature.counts), "sums": packed(feature.sums),
    }  # fmt: skip


def _slice_row(reference: Reference, position: int) -> dict[str, Any]:
    part = reference.slices[position]
    return {
        "model": reference.model, "feature": part.feature, "slice_key": part.slice_key, "position": position,
        "digest": reference.digest, "rows": reference.rows, "document": "", "counts": packed(part.counts),
        "sums": packed(part.sums),
    }  # fmt: skip


def _uncompared_row(reference: Reference, item: Uncompared) -> dict[str, Any]:
    """Beside the others of its reference; without cells."""
    document = {"column": item.column, "why_not": item.why.value, "values": item.values}
    return {
        "model": reference.model, "feature": item.feature, "slice_key": "", "position": len(reference.features),
        "digest": reference.digest, "rows": reference.rows, "document": json.dumps(document),
        "counts": packed(np.zeros(0, dtype=np.int64)), "sums": packed(np.zeros(0)),
    }  # fmt: skip


def _uncompared(row: Any, document: Mapping[str, Any]) -> Uncompared:
    return Uncompared(
        feature=row.feature, column=document["column"], why=WhyNot(document["why_not"]), values=document["values"]
    )


def _feature(row: Any, document: Mapping[str, Any]) -> FeatureReference:
    return FeatureReference(
        feature=row.feature, column=document["column"], numeric=document["numeric"], coded=document["coded"],
        edges=tuple(document["edges"]), deciles=tuple(document["deciles"]), values=tuple(document["values"]),
        counts=counts_of(row.counts), sums=sums_of(row.sums), spread=document.get("spread"),
        threshold=document.get("threshold"),
    )  # fmt: skip
