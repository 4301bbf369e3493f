"""Single answers found in an inference table by their id: for corrections and for looking one prediction up.

The id is that of the request, `client_request_id` as the caller sent it or `databricks_request_id` as the platform
gave it, and it names a prediction where the request held one. A request with several predictions has no id for each,
so it is not found: a correction of "the first of them" would be a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from services.adapters.warehouse.duckdb import at_microseconds
from services.adapters.warehouse.payload_tables import Asking, PayloadTable, ServedVersions
from services.adapters.warehouse.statements import payload
from services.audit.lookup import PredictionFact
from services.audit.ports import PredictionLog
from services.feedback.corrections import Made

IDS_AT_ONCE = 5_000
"""Ids are written out in the statement; one statement may not grow with a file of a hundred thousand lines."""
LONGEST = timedelta(days=120)
"""Answers older than this are not looked for: reviews come sooner, and each question scans these days."""


class PayloadAnswers:
    """For one model."""

    def __init__(
        self, warehouse: Asking, table: PayloadTable, *, versions: ServedVersions, today: Callable[[], date]
    ) -> None:
        self._warehouse = warehouse
        self._table = table
        self._versions = versions
        self._today = today

    def made(self, ids: Sequence[str]) -> Mapping[str, Made]:
        """Answers to callers among these ids; the newest where a caller used an id twice.

        Raises TelemetryUnavailableError.
        """
        table, found = self._table, dict[str, Made]()
        wanted = [ident for ident in dict.fromkeys(ids) if ident]
        for start in range(0, len(wanted), IDS_AT_ONCE):
            some = wanted[start : start + IDS_AT_ONCE]
            with self._warehouse.asking(f"{len(some)} ids in the {table.words}") as ask:
                rows = ask(payload.made(table.rows(ask), some, self._today() - LONGEST, table.score))
                names = self._versions.of(ask, table.model, {str(entity) for _, _, entity, *_ in rows})
            asked = frozenset(some)
            for ident, client, entity, at, score in rows:  # oldest first
                answer = Made(
                    version=names[str(entity)],
                    score=None if score is None else float(score),
                    at=at_microseconds(at),
                )
                found |= {key: answer for key in (str(ident), str(client)) if key in asked}
        return found


class RoutedPredictionLog:
    """Implements audit.ports.PredictionLog: the inference folder, and inference tables where they are named.

    `days` speaks of the folder alone: what the platform keeps is kept, and deleted, by the platform.
    """

    def __init__(self, recorded: PredictionLog, mapped: Mapping[str, PayloadAnswers]) -> None:
        self._recorded = recorded
        self._mapped = mapped

    def find(self, prediction_id: str, *, model: str = "") -> tuple[PredictionFact, ...]:
        found = [*self._recorded.find(prediction_id, model=model)]
        for name, answers in self._mapped.items():
            if model and name != model:
                continue
            found += [
                PredictionFact(
                    prediction_id=ident, model=name, version=made.version, role="live", event_at=made.at,
                    score=made.score,
                )
                for ident, made in answers.made([prediction_id]).items()
            ]  # fmt: skip
        return tuple(sorted(found, key=lambda fact: (fact.event_at, fact.model, fact.version, fact.role)))

    def days(self, source: str) -> tuple[int, date | None]:
        return self._recorded.days(source)
