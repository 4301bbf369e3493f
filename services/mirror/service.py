"""Copies system tables of the platform before they expire. Wiring:

`MirrorService(tables=DatabricksSystemTables(warehouse), store=SqlMirror(database), sources=chosen(groups),
clock=clock)`. The worker calls `refresh`; everybody else reads what it copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.kernel.clock import Clock
from services.kernel.errors import InputError, TelemetryUnavailableError, UnavailableError
from services.mirror import rules
from services.mirror.models import Batch, MirrorState, Source, Standing
from services.mirror.ports import MirrorStore, SystemTables


class MirrorService:
    def __init__(self, *, tables: SystemTables, store: MirrorStore, sources: tuple[Source, ...], clock: Clock) -> None:
        self._tables = tables
        self._store = store
        self._sources = sources
        self._clock = clock

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is copied; empty where nothing is."""
        return self._sources

    def refresh(self) -> int:
        """Brings every copy up to today; one that fails keeps nobody else waiting, and is raised at the end."""
        written, broken = 0, list[UnavailableError]()
        states = self._store.states()
        for source in self._sources:
            try:
                written += self._copy(source, states.get(source.name))
            except UnavailableError as away:
                broken.append(away)
                self._store.failed(source.name, at=self._clock.now(), error=str(away)[:500])
        if broken:
            raise broken[0]
        return written

    def _copy(self, source: Source, state: MirrorState | None) -> int:
        scope = self._tables.scope(source)
        plan, written = rules.plan(source, state, scope=scope, now=self._clock.now()), 0
        for piece in plan.deep:
            records = self._tables.read(source, piece.first, piece.last)
            written += self._store.copy(
                Batch(
                    source=source.name, records=records, first=piece.first, through=piece.last, whole=False,
                    scope=scope, at=self._clock.now(), deep=True,
                )
            )  # fmt: skip
        for number, piece in enumerate(plan.pieces):
            records = self._tables.read(source, piece.first, piece.last)
            if source.whole and not records and self._store.count(source.name):
                raise TelemetryUnavailableError(
                    f"{source.table} answered without a row, though rows of it are known.",
                    hint="A lost right to read looks the same as an empty table. Check SELECT on it; nothing was "
                    "taken for gone.",
                )
            batch = Batch(
                source=source.name, records=records, first=piece.first, through=piece.last, whole=source.whole,
                scope=scope, at=self._clock.now(), gap=None,
            )  # fmt: skip
            written += self._store.copy(replace(batch, gap=plan.gap) if not number else batch)
        return written

    def standing(self) -> tuple[Standing, ...]:
        """How every copy stands, as they are read."""
        states, gaps, late, now = self._store.states(), self._store.gaps(), self._store.late(), self._clock.now()
        return tuple(
            rules.standing(
                source,
                states.get(source.name),
                gaps,
                now=now,
                rows=self._store.count(source.name),
                late=late.get(source.name),
            )
            for source in self._sources
        )

    def age(self, name: str) -> Standing | None:
        """How one copy stands; None where it is not copied here."""
        source = next((item for item in self._sources if item.name == name), None)
        if source is None:
            return None
        return rules.standing(source, self._store.states().get(name), self._store.gaps(), now=self._clock.now())

    def newest(self, name: str, *, limit: int = 50) -> tuple[Mapping[str, Any], ...]:
        """The rows copied last. Raises InputError for a table that is not copied."""
        if name not in {source.name for source in self._sources}:
            known = ", ".join(source.name for source in self._sources) or "none; COUNTERSIGN_DATABRICKS_MIRROR is empty"
            raise InputError(f"{name} is not copied here.", hint=f"Copied are: {known}.")
        return self._store.newest(name, limit)
