"""The bill as measured use: copied rows of the platform, priced and laid on models. Implements value.ports.UsageFacts.

Cost is worked out again for every day whose rows, prices or owners changed. What a day cost before stays beside it
(`usage_superseded`): a correction of last month is a new figure of last month, with the old one next to it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched, seen
from services.adapters.sql.mirror import newest_of
from services.adapters.sql.schema.mirror import (
    mirror_endpoint_usage,
    mirror_price,
    mirror_served_entity,
    mirror_state,
    mirror_usage,
)
from services.inventory.facts import Partition
from services.value import billing
from services.value.billing import Attribution, BilledRow, Price, PriceBook
from services.value.models import UsageDay

SOURCE = "billing"
_CONSUMER = "value"
_GONE = "no row is left"
_SPAN = timedelta(days=31)


class BilledUsage:
    """`said` gives who pays for what, and raises TelemetryUnavailableError where that cannot be read."""

    def __init__(self, database: Database, *, said: Callable[[], Attribution], currency: str) -> None:
        self._database = database
        self._said = said
        self._currency = currency
        self._worked_out: dict[date, dict[str, tuple[UsageDay, ...]]] = {}
        self._settled = ""

    def partitions(self) -> tuple[Partition, ...]:
        """A day of an owner is known by its rows, by the prices and by who is said to pay.

        Nothing is listed while nothing was copied since everything listed had been read.
        """
        self._worked_out = {}
        said, mark = self._said(), self._copied()
        if self._settled == _digest(said, mark):
            return ()
        served = self._served()
        basis = _digest(said, self._prices(), served)
        facts: dict[tuple[str, date], list[str]] = defaultdict(list)
        for row, count, newest in self._groups():
            facts[billing.owner_of(row, said, served)[0], row.day].append(f"{count} {newest} {row}")
        found = {(SOURCE, owner, day): _digest(basis, sorted(lines)) for (owner, day), lines in facts.items()}
        with self._database.read() as connection:
            before = {key: text for key, text in seen(connection, _CONSUMER).items() if key[0] == SOURCE}
        # A row that changed its owner leaves a day without rows: it has to be read again, too.
        told = dict.fromkeys(before, _GONE) | found
        self._settled = _digest(said, mark) if told == before else ""
        return tuple(Partition(source=s, owner=owner, day=day, fingerprint=p) for (s, owner, day), p in told.items())

    def _copied(self) -> tuple[Any, ...]:
        with self._database.read() as connection:
            asked = select(mirror_state.c.source, mirror_state.c.copied_at).order_by(mirror_state.c.source)
            return tuple(tuple(row) for row in fetched(connection, asked))

    def usage(self, model: str, days: tuple[date, ...]) -> tuple[UsageDay, ...]:
        self._work_out({day for day in days if day not in self._worked_out})
        return tuple(row for day in days for row in self._worked_out[day].get(model, ()))

    def _work_out(self, days: Collection[date]) -> None:
        if not days:
            return
        said, served = self._said(), self._served()
        book = PriceBook(said.prices, self._prices())
        for day in days:
            self._worked_out[day] = {}
        first, last = min(days), max(days)
        while first <= last:
            rows = [row for row in self._rows(first, min(first + _SPAN, last)) if row.day in days]
            for owner, found in billing.costs(rows, said, served, book).items():
                for item in found:
                    of_day = self._worked_out[item.day]
                    of_day[owner] = (*of_day.get(owner, ()), item)
            first += _SPAN + timedelta(days=1)

    def _rows(self, first: date, last: date) -> Iterable[BilledRow]:
        current = newest_of(mirror_usage)
        with self._database.read() as connection:
            found = fetched(connection, select(current).where(current.c.day >= first, current.c.day <= last))
        return (_row(row, row.sku, row.cloud, row.unit, Decimal(row.quantity)) for row in found)

    def _groups(self) -> Iterable[tuple[BilledRow, int, Any]]:
        """Rows that certainly have the same owner and day: how many, and when the last of them was copied."""
        c = newest_of(mirror_usage).c
        keys = (c.day, c.product, c.kind, c.endpoint, c.job_id, c.tags)
        with self._database.read() as connection:
            found = fetched(connection, select(*keys, func.count().label("n"), func.max(c.copied_at).label("at"))
                            .group_by(*keys))  # fmt: skip
        return ((_row(row, "", "", "", Decimal(0)), int(row.n), row.at) for row in found)

    def _prices(self) -> tuple[Price, ...]:
        """Of the currency figures are shown in; use that is priced in another one has no price here."""
        current = newest_of(mirror_price)
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(current)
                .where(current.c.currency == self._currency, current.c.price != "")
                .order_by(current.c.sku, current.c.key),
            )
        return tuple(
            Price(
                sku=row.sku, unit=row.unit, cloud=row.cloud, amount=Decimal(row.price), starts_at=row.starts_at,
                ends_at=row.ends_at,
            )
            for row in found
        )  # fmt: skip

    def _served(self) -> Mapping[str, tuple[str, ...]]:
        """Endpoint to the models it was ever given, by name. Gone entities count: their use is billed still."""
        c = mirror_served_entity.c
        with self._database.read() as connection:
            found = fetched(connection, select(c.endpoint, c.entity).where(c.entity != "", c.endpoint != "").distinct())
        models: dict[str, set[str]] = defaultdict(set)
        for endpoint, entity in found:
            models[endpoint].add(entity)
        return {endpoint: tuple(sorted(names)) for endpoint, names in sorted(models.items())}


class SqlRequestVolume:
    """Requests to the endpoints of a model by day, as the platform counted them."""

    def __init__(self, database: Database, *, said: Callable[[], Attribution]) -> None:
        self._database = database
        self._said = said

    def __call__(self, model: str, start: date, end: date) -> Mapping[date, int]:
        mapped = [endpoint for endpoint, named in self._said().endpoints.items() if named == model]
        entity, usage = mirror_served_entity.c, newest_of(mirror_endpoint_usage).c
        serves = select(entity.served_entity_id).where((entity.entity == model) | entity.endpoint.in_(mapped))
        asked = (
            select(usage.day, func.sum(usage.requests))
            .where(usage.day >= start, usage.day <= end, usage.served_entity_id.in_(serves))
            .group_by(usage.day)
        )
        with self._database.read() as connection:
            return {day: int(n) for day, n in fetched(connection, asked)}


def _row(row: Any, sku: str, cloud: str, unit: str, quantity: Decimal) -> BilledRow:
    ended_at = getattr(row, "ended_at", None) or datetime.combine(row.day, time(), UTC)
    return BilledRow(
        day=row.day, ended_at=ended_at, sku=sku, cloud=cloud, unit=unit, quantity=quantity, product=row.product,
        kind=row.kind, endpoint=row.endpoint, job_id=row.job_id, tags=json.loads(row.tags or "{}"),
    )  # fmt: skip


def _digest(*facts: Any) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()
