"""Measured use and the counts that benefits are read from, in the governance database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import ceil
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, union

from services.adapters.sql import heads
from services.adapters.sql.database import Database
from services.adapters.sql.facts import counts_of, fetched, remember, seen
from services.adapters.sql.schema.feedback import review_day
from services.adapters.sql.schema.monitoring import batch_run, labelled_day
from services.adapters.sql.schema.value import usage_day, usage_superseded, value_config, value_statement
from services.inventory.facts import Partition
from services.monitoring.profile import SCORE_BINS
from services.value.calculation import BEFORE_USE
from services.value.models import Baseline, BenefitRule, Quantity, Tally, UsageDay, ValueConfig

_CONSUMER = "value"
_HOUR = timedelta(hours=1)


class SqlValue:
    """Implements value.ports.ValueStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self) -> Mapping[tuple[str, str, date], str]:
        with self._database.read() as connection:
            return seen(connection, _CONSUMER)

    def replace_usage(self, model: str, rows: tuple[UsageDay, ...], read: tuple[Partition, ...]) -> None:
        days = [partition.day for partition in read]
        with self._database.write() as connection:
            heads.moved(connection, model, heads.VALUE)
            _supersede(connection, model, days, rows)
            connection.execute(delete(usage_day).where(usage_day.c.model == model, usage_day.c.day.in_(days)))
            if rows:
                connection.execute(insert(usage_day), [{"model": model, **asdict(row)} for row in rows])
            remember(connection, _CONSUMER, read)

    def usage(self, model: str, start: date, end: date) -> tuple[UsageDay, ...]:
        columns = [column for column in usage_day.c if column.name != "model"]
        with self._database.read() as connection:
            found = fetched(
                connection, select(*columns).where(*_window(usage_day, model, start, end)).order_by(usage_day.c.day)
            )
        return tuple(UsageDay(**row._mapping) for row in found)  # noqa: SLF001 - SQLAlchemy's public name

    def put_configs(self, configs: tuple[ValueConfig, ...]) -> None:
        if not configs:
            return
        names = [config.model for config in configs]
        with self._database.write() as connection:
            for name in names:
                heads.moved(connection, name, heads.VALUE)
            connection.execute(delete(value_config).where(value_config.c.model.in_(names)))
            connection.execute(
                insert(value_config),
                [{"model": config.model, "document": json.dumps(asdict(config), default=str)} for config in configs],
            )

    def config(self, model: str) -> ValueConfig | None:
        with self._database.read() as connection:
            text = connection.scalar(select(value_config.c.document).where(value_config.c.model == model))
        return None if text is None else _config(json.loads(text))

    def counted_models(self, start: date, end: date) -> tuple[str, ...]:
        used = select(usage_day.c.model).where(usage_day.c.day >= start, usage_day.c.day <= end)
        with self._database.read() as connection:
            stated = (select(value_config.c.model), select(value_statement.c.model))
            found = fetched(connection, union(used, *stated))
        return tuple(sorted(name for (name,) in found))

    def used_since(self, model: str) -> date | None:
        made = labelled_day.c
        days = (
            select(func.min(usage_day.c.day)).where(
                usage_day.c.model == model, usage_day.c.component.not_in(BEFORE_USE)
            ),
            select(func.min(made.day)).where(made.model == model, made.predicted > 0),
        )
        with self._database.read() as connection:
            return min(filter(None, map(connection.scalar, days)), default=None)

    def predictions(self, model: str, start: date, end: date) -> Mapping[date, int]:
        table = labelled_day.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.day, func.sum(table.predicted))
                .where(*_window(labelled_day, model, start, end))
                .group_by(table.day),
            )
            return {day: int(n) for day, n in found}

    def reviews(self, model: str, start: date, end: date) -> Tally:
        table = review_day.c
        with self._database.read() as connection:
            n, hits = fetched(
                connection,
                select(func.coalesce(func.sum(table.reviewed), 0), func.coalesce(func.sum(table.corrected), 0)).where(
                    *_window(review_day, model, start, end)
                ),
            )[0]
        return Tally(n=int(n), hits=int(hits))

    def referrals(self, model: str, start: date, end: date, threshold: float) -> Tally:
        first = _first_bin(threshold)
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(labelled_day.c.positives, labelled_day.c.negatives).where(
                    *_window(labelled_day, model, start, end)
                ),
            )
        hits = sum(int(counts_of(positives)[first:].sum()) for positives, _ in found)
        misses = sum(int(counts_of(negatives)[first:].sum()) for _, negatives in found)
        return Tally(n=hits + misses, hits=hits)

    def positives(self, model: str, start: date, end: date, threshold: float) -> Tally:
        first = _first_bin(threshold)
        with self._database.read() as connection:
            found = fetched(
                connection, select(labelled_day.c.positives).where(*_window(labelled_day, model, start, end))
            )
        counted = [counts_of(positives) for (positives,) in found]
        return Tally(n=sum(int(bins.sum()) for bins in counted), hits=sum(int(bins[first:].sum()) for bins in counted))

    def errors(self, model: str, start: date, end: date) -> Tally:
        table = labelled_day.c
        with self._database.read() as connection:
            n, total, square = fetched(
                connection,
                select(
                    func.coalesce(func.sum(table.labelled), 0),
                    func.coalesce(func.sum(table.sum_absolute), 0.0),
                    func.coalesce(func.sum(table.sum_square), 0.0),
                ).where(*_window(labelled_day, model, start, end)),
            )[0]
        return Tally(n=int(n), total=float(total), square=float(square))

    def tallies(self, quantity: Quantity, model: str, start: date, end: date, threshold: float) -> Mapping[date, Tally]:
        match quantity:
            case Quantity.AVOIDED_REWORK:
                return self._review_days(model, start, end)
            case Quantity.CORRECT_REFERRALS:
                return self._referral_days(model, start, end, threshold)
            case Quantity.ERROR_REDUCTION:
                return self._error_days(model, start, end)
            case Quantity.LABOUR_HOURS:
                made, reviewed = self.predictions(model, start, end), self._review_days(model, start, end)
                nobody = Tally(n=0)
                return {day: Tally(n=made.get(day, 0), hits=reviewed.get(day, nobody).n) for day in {*made, *reviewed}}

    def _review_days(self, model: str, start: date, end: date) -> Mapping[date, Tally]:
        table = review_day.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.day, func.sum(table.reviewed), func.sum(table.corrected))
                .where(*_window(review_day, model, start, end))
                .group_by(table.day),
            )
        return {day: Tally(n=int(n), hits=int(hits)) for day, n, hits in found}

    def _referral_days(self, model: str, start: date, end: date, threshold: float) -> Mapping[date, Tally]:
        first = _first_bin(threshold)
        table = labelled_day.c
        with self._database.read() as connection:
            rows = fetched(
                connection,
                select(table.day, table.positives, table.negatives).where(*_window(labelled_day, model, start, end)),
            )
        found: dict[date, Tally] = {}
        for day, positives, negatives in rows:
            hits, misses = int(counts_of(positives)[first:].sum()), int(counts_of(negatives)[first:].sum())
            known = found.get(day, Tally(n=0))
            found[day] = Tally(n=known.n + hits + misses, hits=known.hits + hits)
        return found

    def _error_days(self, model: str, start: date, end: date) -> Mapping[date, Tally]:
        table = labelled_day.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.day, func.sum(table.labelled), func.sum(table.sum_absolute), func.sum(table.sum_square))
                .where(*_window(labelled_day, model, start, end))
                .group_by(table.day),
            )
        return {day: Tally(n=int(n), total=float(total), square=float(square)) for day, n, total, square in found}

    def predictions_by_version(self, model: str, start: date, end: date) -> Mapping[str, int]:
        table = labelled_day.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.version, func.sum(table.predicted))
                .where(*_window(labelled_day, model, start, end))
                .group_by(table.version),
            )
        return {version: int(n) for version, n in found}

    def hours_to_decision(self, model: str, start: date, end: date) -> tuple[float, ...]:
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(batch_run.c.window_start, batch_run.c.finished_at)
                .where(*_window(batch_run, model, start, end), batch_run.c.ok.is_(True))
                .order_by(batch_run.c.window_start),
            )
        runs: dict[Any, Any] = dict(found)  # times of the window by when it began
        return tuple((runs[later] - earlier) / _HOUR for earlier, later in pairwise(runs))

    def runs(self, model: str, start: date, end: date) -> Sequence[tuple[datetime, datetime]]:
        table = batch_run.c
        with self._database.read() as connection:
            found = fetched(
                connection, select(table.started_at, table.finished_at).where(*_window(batch_run, model, start, end))
            )
        return [(began, ended) for began, ended in found]

    def hours_between_runs(self, model: str, start: date, end: date) -> tuple[float, ...]:
        with self._database.read() as connection:
            found: list[Any] = list(
                connection.scalars(
                    select(batch_run.c.window_start)
                    .where(*_window(batch_run, model, start, end), batch_run.c.ok.is_(True))
                    .order_by(batch_run.c.window_start)
                ).all()
            )
        return tuple((later - earlier) / _HOUR for earlier, later in pairwise(dict.fromkeys(found)))


def _supersede(connection: Connection, model: str, days: list[date], rows: tuple[UsageDay, ...]) -> None:
    """Figures that a second reading replaces are kept beside, numbered, before they go."""
    new = {(row.day, row.version, row.component): row for row in rows}
    stored = fetched(connection, select(usage_day).where(usage_day.c.model == model, usage_day.c.day.in_(days)))
    changed = [
        row._mapping  # noqa: SLF001 - SQLAlchemy's public name
        for row in stored
        if new.get((row.day, row.version, row.component))
        != UsageDay(**{name: value for name, value in row._mapping.items() if name != "model"})  # noqa: SLF001
    ]
    if not changed:
        return
    table = usage_superseded.c
    known = fetched(
        connection,
        select(table.day, table.version, table.component, func.max(table.number))
        .where(table.model == model, table.day.in_(days))
        .group_by(table.day, table.version, table.component),
    )
    numbers = {(day, version, component): int(number) for day, version, component, number in known}
    connection.execute(
        insert(usage_superseded),
        [{**row, "number": numbers.get((row["day"], row["version"], row["component"]), 0) + 1} for row in changed],
    )


def _first_bin(threshold: float) -> int:
    return max(0, min(SCORE_BINS, ceil(threshold * SCORE_BINS - 1e-9)))


def _window(table: Any, model: str, start: date, end: date) -> tuple[Any, Any, Any]:
    return table.c.model == model, table.c.day >= start, table.c.day <= end


def _config(document: dict[str, Any]) -> ValueConfig:
    benefits = tuple(
        BenefitRule(**{**item, **{key: Decimal(item[key]) for key in ("unit_value", "unit_low", "unit_high")}})
        for item in document.pop("benefits")
    )
    baselines = tuple(Baseline(**{**item, "before": Decimal(item["before"])}) for item in document.pop("baselines"))
    money: dict[str, Any] = {key: Decimal(document.pop(key)) for key in ("setup_cost", "monthly_cost_fixed")}
    if document.get("monthly_budget") is not None:
        money["monthly_budget"] = Decimal(document.pop("monthly_budget"))
    if "gate_monthly_net" in document:
        money["gate_monthly_net"] = Decimal(document.pop("gate_monthly_net"))
    if "budget_alerts" in document:
        money["budget_alerts"] = tuple(Decimal(share) for share in document.pop("budget_alerts"))
    return ValueConfig(benefits=benefits, baselines=baselines, **money, **document)
