"""Figures of the platform's own monitoring in the governance database. Implements VendorStore."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.facts import record_attempt
from services.adapters.sql.schema.vendor import vendor_reading
from services.monitoring.vendor import VendorDrift, VendorProfile
from services.monitoring.vendor_service import VendorReading

_TIMES = ("start", "end")


class SqlVendor:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, reading: VendorReading) -> None:
        document = {
            "drift": [_plain(item) for item in reading.drift],
            "profiles": [_plain(i) for i in reading.profiles],
        }
        with self._database.write() as connection:
            connection.execute(delete(vendor_reading).where(vendor_reading.c.model == reading.model))
            connection.execute(
                insert(vendor_reading).values(
                    model=reading.model, source=reading.table, read_at=reading.read_at, document=json.dumps(document),
                    error="",
                )
            )  # fmt: skip

    def failed(self, model: str, table: str, error: str) -> None:
        known = self.reading(model)
        if known is None or known.table != table:
            self.put(VendorReading(model=model, table=table, read_at=None))
        with self._database.write() as connection:
            connection.execute(update(vendor_reading).where(vendor_reading.c.model == model).values(error=error))

    def reading(self, model: str) -> VendorReading | None:
        with self._database.read() as connection:
            row = connection.execute(select(vendor_reading).where(vendor_reading.c.model == model)).first()
        if row is None:
            return None
        held = json.loads(row.document)
        return VendorReading(
            model=model,
            table=row.source,
            read_at=row.read_at,
            drift=tuple(VendorDrift(**_timed(item)) for item in held["drift"]),
            profiles=tuple(VendorProfile(**_timed(item)) for item in held["profiles"]),
            error=row.error,
        )

    def record_sync(self, source: str, *, at: datetime, error: str) -> None:
        with self._database.write() as connection:
            record_attempt(connection, source, at=at, error=error)


def _plain(item: VendorDrift | VendorProfile) -> dict[str, Any]:
    return {**asdict(item), **{name: getattr(item, name).isoformat() for name in _TIMES}}


def _timed(held: dict[str, Any]) -> dict[str, Any]:
    return {**held, **{name: datetime.fromisoformat(held[name]) for name in _TIMES}}
