"""Inference tables of serving endpoints: which there are, what a served entity is called, how often they are asked.

A table that does not answer raises TelemetryUnavailableError and is left alone for a minute: the last known figures
stay, and nothing is made of its silence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import RLock, Thread
from typing import Any, Protocol, TypeVar

from sqlalchemy import FromClause, false, select, text

from services.adapters.warehouse.statements import payload
from services.kernel.errors import TelemetryUnavailableError

SERVED_ENTITIES = ("system", "serving", "served_entities")
UNKNOWN = "unknown"
"""Version of what a served entity answered that no table of the platform names yet."""
_VERSION_LENGTH = 40
_LET_ALONE_SECONDS = 60.0

Answer = TypeVar("Answer")


class Asked(Protocol):
    """Somebody who answers Core statements: a session of a SQL warehouse."""

    def __call__(self, statement: Any) -> list[Sequence[Any]]: ...

    def relation(self, name: tuple[str, ...], columns: tuple[str, ...]) -> FromClause: ...


class Asking(Protocol):
    def asking(self, about: str) -> AbstractContextManager[Asked]:
        """Raises TelemetryUnavailableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadTable:
    """The inference table of the endpoint that serves a model; deployments carry the name of their model."""

    model: str
    name: tuple[str, ...]
    """Catalog, schema, table."""
    score: str = ""
    """Where the score lies in one prediction, as a path of JSON; empty: the prediction is the number."""
    late_seconds: float = 3600.0
    every_seconds: float = 600.0
    failures_logged: bool = False

    @property
    def words(self) -> str:
        return f"inference table {'.'.join(self.name)}"

    def rows(self, ask: Asked) -> FromClause:
        return ask.relation(self.name, payload.NEEDED)


class ServedVersions:
    """Names of served entities, from the platform's table of them; a name once known is not asked for again."""

    def __init__(
        self, *, table: tuple[str, ...] = SERVED_ENTITIES, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._table = table
        self._elapsed = elapsed
        self._known: dict[str, tuple[str, str]] = {}
        self._asked: dict[str, float] = {}

    def of(self, ask: Asked, model: str, ids: Iterable[str]) -> dict[str, str]:
        """Version by served entity. One of another model carries its full name, so that it does not look like ours."""
        wanted, now = set(ids), self._elapsed()
        fresh = [
            item for item in sorted(wanted - {""} - self._known.keys())
            if now - self._asked.get(item, -_LET_ALONE_SECONDS) >= _LET_ALONE_SECONDS
        ]  # fmt: skip
        if fresh:
            columns = ("served_entity_id", "entity_name", "entity_version", "change_time")
            for ident, entity, version in ask(payload.served(ask.relation(self._table, columns), fresh)):
                if entity and version:
                    self._known[str(ident)] = (str(entity), str(version))
            self._asked |= dict.fromkeys(fresh, now)
        return {ident: self._called(ident, model) for ident in wanted}

    def _called(self, ident: str, model: str) -> str:
        if ident not in self._known:
            return UNKNOWN
        entity, version = self._known[ident]
        return version if entity == model else f"{entity}/{version}"[-_VERSION_LENGTH:]


@dataclass(slots=True)
class NotSoOften:
    """The last answer, or the last failure, until it is old enough to ask again."""

    seconds: float
    elapsed: Callable[[], float] = time.monotonic
    patience: float | None = None
    """How long is waited for an answer. It is asked for all the same, and there for whoever asks next; None: always."""
    _answers: dict[Any, tuple[float, Any]] = field(default_factory=dict)
    _failures: dict[Any, tuple[float, TelemetryUnavailableError]] = field(default_factory=dict)
    _pending: dict[Any, tuple[float, Future[Any]]] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    def __call__(
        self, key: Any, ask: Callable[[], Answer], *, still: Callable[[Answer], bool] = lambda _: True
    ) -> Answer:
        """`still`: whether the answer there is speaks of what is asked now. Raises TelemetryUnavailableError."""
        while True:
            with self._lock:
                now = self.elapsed()
                at, answer = self._answers.get(key, (0.0, None))
                if key in self._answers and now - at < self.seconds and still(answer):
                    return answer  # type: ignore[no-any-return]  # kept under the key it was asked with
                failed_at, failure = self._failures.get(key, (0.0, None))
                if failure is not None and now - failed_at < min(self.seconds, _LET_ALONE_SECONDS):
                    raise failure
                if key not in self._pending:
                    self._pending[key] = (now, Future() if self.patience is None else _begun(ask))
                began, pending = self._pending[key]
                if self.patience is None:
                    _carry_out(ask, pending)
            found: Answer = self._waited(key, began, pending)
            # Somebody who asked before may have asked for less.
            if still(found):
                return found

    def _waited(self, key: Any, began: float, pending: Future[Answer]) -> Answer:
        if not wait([pending], timeout=self.patience).done:
            raise TelemetryUnavailableError(
                "The SQL warehouse is still being asked; perhaps it is starting.",
                hint="Look again in a moment. Nothing counts as good news meanwhile.",
            )
        with self._lock:
            self._pending.pop(key, None)
            broken = pending.exception()
            if broken is None:
                self._failures.pop(key, None)
                self._answers[key] = (began, pending.result())
            elif isinstance(broken, TelemetryUnavailableError):
                self._failures[key] = (began, broken)
        return pending.result()


def _begun(ask: Callable[[], Answer]) -> Future[Answer]:
    """In a thread that holds up nobody, not even the end of the process."""
    pending: Future[Answer] = Future()
    Thread(target=_carry_out, args=(ask, pending), name="inference-table", daemon=True).start()
    return pending


def _carry_out(ask: Callable[[], Answer], pending: Future[Answer]) -> None:
    try:
        pending.set_result(ask())
    except BaseException as broken:  # noqa: BLE001 - whoever waits is told, in the words it was raised with
        pending.set_exception(broken)


def missing_columns(ask: Any, table: PayloadTable) -> tuple[str, ...]:
    """Columns that the table should have and has not. Raises TelemetryUnavailableError."""
    there = ask.kinds(select(text("*")).select_from(ask.relation(table.name, ())).where(false()))
    return tuple(name for name in payload.NEEDED if name not in there)
