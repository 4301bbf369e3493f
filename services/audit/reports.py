"""What an auditor reads, in one place: any day's inventory, decisions, segregation, overrides, controls, exports.

Every answer is computed from the ledger's facts; none of it needs the registry or the serving platform to answer.
Wiring: `ReportService(chronicle=Chronicle(book), samples=..., retention=..., ...)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, datetime

from services.audit import asof, controls, exports, lookup, overrides, rendering, segregation
from services.audit.asof import AsOfView
from services.audit.chronicle import Chronicle
from services.audit.controls import ControlLine
from services.audit.exports import Export, ExportProfile
from services.audit.history import History
from services.audit.keeping import RetentionService
from services.audit.lookup import LookUp
from services.audit.overrides import EmergencyLine, ExceptionLine, Words
from services.audit.ports import PredictionLog
from services.audit.samples import SampleService
from services.audit.segregation import SegregationReport
from services.kernel.clock import Clock
from services.kernel.errors import InputError, UnavailableError
from services.kernel.identity import Actor, Permission
from services.ledger.service import LedgerService
from services.people.service import PeopleService

EXPORTED = "report-exported"


class ReportService:
    def __init__(
        self,
        *,
        chronicle: Chronicle,
        samples: SampleService,
        retention: RetentionService,
        predictions: PredictionLog,
        people: PeopleService,
        ledger: LedgerService,
        clock: Clock,
        note_of: Callable[[str], str],
        exception_words: Words,
    ) -> None:
        """`note_of` gives the requester's words for a request id; both word sources may return empty texts."""
        self._chronicle = chronicle
        self.samples = samples
        self.retention = retention
        self._predictions = predictions
        self._people = people
        self._ledger = ledger
        self._clock = clock
        self._note_of = note_of
        self._exception_words = exception_words

    def recorded(self) -> tuple[date, date]:
        """First and last day the ledger can speak about."""
        return self._history().began.date(), self._clock.now().date()

    def models(self) -> tuple[str, ...]:
        """Every model the ledger ever named, by name."""
        return tuple(sorted({fact.model for fact in self._history().facts} - {""}))

    def as_of(self, day: date) -> AsOfView:
        """Raises InputError for a day outside the recorded time, StorageUnavailableError."""
        history = self._history()
        at = asof.moment_of(day, history=history, now=self._clock.now())
        return asof.view(history, day=day, at=at)

    def moment(self, day: date | None) -> datetime:
        """The end of a day, or now. Raises InputError for a day outside the recorded time."""
        now = self._clock.now()
        return now if day is None else asof.moment_of(day, history=self._history(), now=now)

    # decisions

    def look_up(self, model: str, at: datetime) -> LookUp:
        """By traffic split at a moment. Raises InputError for a model or moment the ledger knows nothing of."""
        history = self._history()
        if model not in {fact.model for fact in history.facts}:
            raise InputError(f"The ledger names no model {model!r}.", hint="Choose one from the list.")
        asof.moment_of(at.date(), history=history, now=self._clock.now())
        if at > self._clock.now():
            raise InputError("This moment lies in the future.", hint="Choose an earlier one.")
        return lookup.at_moment(history, model, at)

    def look_up_prediction(self, prediction_id: str, *, model: str = "") -> tuple[LookUp, ...]:
        """Every answer recorded under this id. Raises InputError when there is none, TelemetryUnavailableError."""
        wanted = prediction_id.strip()
        if not wanted:
            raise InputError("Enter a prediction id.")
        found = self._predictions.find(wanted, model=model)
        if not found:
            where = f" of {model}" if model else ""
            raise InputError(
                f"The inference log holds no prediction {wanted!r}{where}.",
                hint="Ids are exact. Records older than their retention class may be gone.",
            )
        history = self._history()
        return tuple(lookup.of_prediction(history, fact) for fact in found)

    # lists

    def segregation(self, day: date | None = None) -> SegregationReport:
        return segregation.report(self._history(), at=self.moment(day))

    def exceptions(self, day: date | None = None) -> tuple[ExceptionLine, ...]:
        return overrides.exceptions(self._history(), at=self.moment(day), words=self._exception_words)

    def emergencies(self, day: date | None = None) -> tuple[EmergencyLine, ...]:
        return overrides.emergency_lines(self._history(), at=self.moment(day))

    def controls(self, day: date | None = None) -> tuple[ControlLine, ...]:
        return controls.matrix(self._history(), at=self.moment(day))

    # exports

    def profiles(self) -> tuple[ExportProfile, ...]:
        return exports.load()

    def preview(self, profile_id: str, day: date | None = None) -> Export:
        """Raises InputError for an unknown profile or a day outside the recorded time."""
        history = self._history()
        at = self.moment(day)
        view = asof.view(history, day=day or at.date(), at=at)
        return exports.fill(
            exports.profile_of(profile_id),
            view,
            history,
            controls=controls.matrix(history, at=at),
            note_of=self._note,
        )

    def export(self, export: Export, kind: str, *, actor: Actor) -> bytes:
        """The bytes of a previewed export; that it was taken out is recorded. Raises RoleMissingError, InputError."""
        self._people.require(actor, Permission.EXPORT)
        data = rendering.render(export, kind)
        self._ledger.record_event(
            event=EXPORTED,
            actor=actor,
            detail={
                "profile": export.profile.id,
                "profileVersion": export.profile.version,
                "asOf": f"{export.as_of:%Y-%m-%dT%H:%M:%SZ}",
                "format": kind,
                "sha256": hashlib.sha256(data).hexdigest(),
                "sentence": f"{actor.name} exported {export.profile.title} as of {export.as_of:%Y-%m-%d} ({kind}).",
            },
        )
        return data

    def _history(self) -> History:
        return self._chronicle.history()

    def _note(self, request_id: str) -> str:
        try:
            return self._note_of(request_id)
        except UnavailableError:
            return ""
