"""A feature table with six quiet weeks, a real database and a catalog of edges, for the tests of data health."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from services.adapters.sql.data_health import SqlDataHealth
from services.adapters.warehouse.table_rows import DuckDbTableRows
from services.attestation.models import Receipt
from services.data_health.models import RuleKind, RuleResult
from services.data_health.ports import TableRows
from services.data_health.service import DataHealthService
from services.inventory import tables as declared
from services.inventory.tables import FeatureTable, QualityRule
from services.kernel.clock import FrozenClock
from services.kernel.errors import RoleMissingError
from services.kernel.identity import Actor, Permission, Role
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, a_database, write

DANA = Actor(
    issuer="local", subject="dana", name="Dana Petrov", role=Role.DATA_SCIENCE_LEAD, session_id="s", signed_in_at=NOON
)
SAM = Actor(issuer="local", subject="sam", name="Sam Reed", role=Role.SRE, session_id="s", signed_in_at=NOON)
RULES = (
    QualityRule(id="age", kind=declared.RuleKind.RANGE, columns=("age",), low=18, high=64),
    QualityRule(id="once", kind=declared.RuleKind.UNIQUE, columns=("prediction_id",)),
)
TABLE = FeatureTable(
    name="features.claims", title="Claims features", owner="Dana", documentation="One row per claim.", models=("m",),
    rules=RULES, recorded="m",
)  # fmt: skip


def rows(day: date, n: int = 60, **changes: Any) -> pd.DataFrame:
    start = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
    frame = pd.DataFrame(
        {
            "prediction_id": [f"{day}-{k}" for k in range(n)],
            "role": "live",
            "age": (20 + np.arange(n) % 40).astype(float),
            "region": np.where(np.arange(n) % 2, "north", "south"),
            "event_at": pd.DatetimeIndex([start + timedelta(minutes=k) for k in range(n)], dtype="datetime64[us, UTC]"),
        }
    )
    return frame.assign(**changes)


def quiet_weeks(folder: Path, *, until: date = TODAY - timedelta(days=1), days: int = 42) -> Path:
    for back in range(days):
        write(folder, "predictions", "m", until - timedelta(days=back), rows(until - timedelta(days=back)))
    return folder


@dataclass
class Ledger:
    entries: list[dict[str, Any]] = field(default_factory=list)

    def record_event(self, **given: Any) -> Receipt:
        idem = given.get("idem")
        known = next((n for n, entry in enumerate(self.entries) if idem and entry.get("idem") == idem), None)
        if known is None:
            self.entries.append(given)
            known = len(self.entries) - 1
        return SimpleNamespace(seq=known)  # type: ignore[return-value]


class People:
    def require(self, actor: Actor, permission: Permission) -> None:
        if actor.role is not Role.DATA_SCIENCE_LEAD:
            raise RoleMissingError(f"{actor.name} may not do that ({permission}).")


class World:
    def __init__(
        self,
        folder: Path,
        home: Path,
        *,
        now: datetime = NOON,
        table: FeatureTable = TABLE,
        read: TableRows | None = None,
    ) -> None:
        """`read`: another reader of rows than that of the files in `folder`."""
        self.read = read or DuckDbTableRows(folder)
        self.folder, self.table, self.ledger = folder, table, Ledger()
        self.clock, self.edges, self.models = FrozenClock(now), set[tuple[str, str]](), {"m"}
        self.database = a_database(home)
        self.store = SqlDataHealth(self.database)
        self.service = self.at(now)

    def at(self, now: datetime, *sources: Any) -> DataHealthService:
        """The same world at another moment."""
        self.clock = FrozenClock(now)
        self.service = DataHealthService(
            tables=SimpleNamespace(tables=lambda: (self.table,)),
            rows=self.read,
            store=self.store,
            sources=sources,
            lineage=SimpleNamespace(edges=lambda: self.edges, models=lambda: self.models),
            people=People(),
            ledger=self.ledger,
            clock=self.clock,
        )
        return self.service

    def day(self, frame: pd.DataFrame, day: date = TODAY - timedelta(days=1), *, name: str = "part-0") -> None:
        write(self.folder, "predictions", "m", day, frame, name=name)

    def said(self, kind: RuleKind, day: date = TODAY - timedelta(days=1)) -> RuleResult:
        self.service.refresh()
        found = next(item for item in self.service.days(self.table.name, back=200) if item.day == day).result(kind)
        assert found is not None
        return found


Make = Callable[..., World]
