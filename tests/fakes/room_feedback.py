"""Corrections of a fake room: one model with reviews, judged by the real arithmetic."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.attestation.models import Receipt
from services.feedback import intake, rework
from services.feedback.corrections import (
    REASONS,
    Batch,
    Checked,
    CorrectionsRefusedError,
    ImportFile,
    Made,
    RecordCorrections,
    Via,
)
from services.feedback.models import Correction
from services.feedback.retraining import Cadence, Calendar, Cause, Round, Skip, Trained, calendar
from services.feedback.retraining_service import SkipMonth
from services.feedback.rework import CohortDay, Predicted
from services.feedback.training_sets import Origin, ProposeSet, TrainingSet
from services.kernel.errors import TelemetryUnavailableError, UnknownModelError
from services.kernel.identity import Permission
from tests.fakes.room_sample import HOSTILE, NOW

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

MODEL = "claims_triage"
CODES = ("NO-ONGOING-TREATMENT", "CHRONIC-CONDITION", "WRONG-DATA")
TODAY = NOW.date()


class FakeCorrections:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self._slice = f"carrier={HOSTILE}" if room.hostile else "female=1.0"

    def rework(self, model: str, *, days: int = 60) -> rework.Rework:
        self._readable()
        if model not in {"claims_triage", "delay_claim_score", "payout_forecast", "plan_utilisation",
                         "damage_photo_vendor"}:  # fmt: skip
            raise UnknownModelError(f"There is no model called {model!r}.")
        known = model == MODEL and self._room.mode != "empty"
        return rework.rates(
            model, self._cohorts() if known else (), self._predicted() if known else (), days=days, today=TODAY,
            stated_hours=72.0,
        )  # fmt: skip

    def reasons(self, model: str) -> tuple[str, ...]:
        return tuple(sorted({*REASONS, *CODES}))

    def corrected(self, model: str, reason: str = "", limit: int = 100) -> tuple[Correction, ...]:
        self._readable()
        if model != MODEL or self._room.mode == "empty":
            return ()
        return tuple(
            Correction(
                prediction_id=f"clt-00{n:04}", model=model, version="3", corrected="0.41 \N{RIGHTWARDS ARROW} 0",
                reason_code=reason or CODES[n % 3], reviewer=f"reviewer-0{n % 6}", at=NOW - timedelta(hours=7 * n),
            )
            for n in range(40)
        )  # fmt: skip

    def batches(self, model: str, limit: int = 20) -> tuple[Batch, ...]:
        self._readable()
        if model != MODEL or self._room.mode == "empty":
            return ()
        name = HOSTILE if self._room.hostile else "reviews-november.csv"
        return tuple(
            Batch(
                id=f"cor-{n}", model=model, via=Via.FILE if n else Via.FORM, name=name if n else "", sha256="ab" * 32,
                rows=1 + 240 * n, corrected=1 + 31 * n, at=NOW - timedelta(days=3 * n, minutes=1), by_issuer="x",
                by_subject="dana.datascience", by_name="Dana Petrov", seq=40 - n, leaf_hash="ab" * 32,
                published_at=NOW - timedelta(days=3 * n) if n else None,
            )
            for n in range(3)
        )  # fmt: skip

    def check_file(self, command: ImportFile, *, actor: Any) -> Checked:
        self._room.people.require(actor, Permission.RECORD_CORRECTION)
        return self._checked(intake.read_csv(command.data))

    def import_file(self, command: ImportFile, *, actor: Any) -> Receipt:
        checked = self.check_file(command, actor=actor)
        if checked.faults:
            raise CorrectionsRefusedError(checked)
        return self._room.write(command)

    def record(self, command: RecordCorrections, *, actor: Any) -> Receipt:
        self._room.people.require(actor, Permission.RECORD_CORRECTION)
        checked = self._checked(command.rows)
        if checked.faults:
            raise CorrectionsRefusedError(checked)
        return self._room.write(command)

    def _checked(self, rows: Any) -> Checked:
        made = {f"clt-{n}": Made(version="3", score=0.2, at=NOW - timedelta(days=5)) for n in range(50)}
        return intake.check(
            rows, made=made, known={"clt-49"}, reasons=self.reasons(MODEL), threshold=0.5, now=NOW
        )  # fmt: skip

    def _cohorts(self) -> tuple[CohortDay, ...]:
        found = []
        for back in range(1, 160):
            made = TODAY - timedelta(days=back)
            for after in range(min(back, 4)):
                for key, part in (("", 1.0), (self._slice, 0.45)):
                    wrong = 6 if back > 60 else 4 if back > 20 else 3
                    for number, code in enumerate(("", *CODES)):
                        n = round(part * (40 if not code else max(1, wrong - 2 * number)))
                        found.append(
                            CohortDay(
                                day=made + timedelta(days=after), predicted_day=made, version="3", slice_key=key,
                                reason_code=code, reviewed=n, corrected=n if code else 0,
                            )
                        )  # fmt: skip
        return tuple(found)

    def _predicted(self) -> tuple[Predicted, ...]:
        return tuple(
            Predicted(day=TODAY - timedelta(days=back), version="3", slice_key=key, n=n)
            for back in range(160)
            for key, n in (("", 420), (self._slice, 190))
        )

    def _readable(self) -> None:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The inference log cannot be read.", hint="Look at the worker's log.")


class FakeTrainingSets:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def sets(self, model: str, limit: int = 20) -> tuple[TrainingSet, ...]:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The database cannot be read.", hint="Look at the worker's log.")
        if model != MODEL or self._room.mode == "empty":
            return ()
        reason = HOSTILE if self._room.hostile else "Codes of the new catalogue"
        return tuple(
            TrainingSet(
                model=model, number=n, sha256=f"{n}f" * 32, rows=400 * n, reason=reason, salt="s",
                lineage=(Origin(source="batch cor-1", rows=90, sha256="ab" * 32), Origin(source="reviews", rows=310)),
                at=NOW - timedelta(days=9 - 3 * n), by_issuer="x", by_subject="dana.datascience",
                by_name="Dana Petrov", seq=30 + n, leaf_hash="ab" * 32, run_id="" if n == 2 else "7c1e" * 8,
                logged_at=None if n == 2 else NOW - timedelta(days=6),
            )
            for n in (2, 1)
        )  # fmt: skip

    def propose(self, command: ProposeSet, *, actor: Any) -> Receipt:
        self._room.people.require(actor, Permission.RECORD_CORRECTION)
        return self._room.write(command)


class FakeRetraining:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def calendar(self, model: str) -> Calendar:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The database cannot be read.", hint="Look at the worker's log.")
        known = model == MODEL and self._room.mode != "empty"
        cadence = Cadence(
            months=1, extra_days=14, on_drift=True, stated="the default, as tier-1 version 3 says nothing"
        )
        trained = [Trained(version=str(n), at=NOW - timedelta(days=32 * (6 - n))) for n in (1, 2, 4)] if known else []
        words = HOSTILE if self._room.hostile else "Too few labels came in"
        skip = Skip(month="2030-08", reason=words, by_name="Dana Petrov", at=NOW, seq=12)
        return calendar(
            model, trained, {"2030-08": skip}, cadence, today=TODAY, rounds=self._rounds(model) if known else ()
        )

    def _rounds(self, model: str) -> tuple[Round, ...]:
        call = Round(
            id="ret-2", model=model, cause=Cause.DRIFT, subject="alr-1", opened_at=NOW - timedelta(days=2),
            sentence="Drift is red in hospital visits, two windows running.", due=TODAY + timedelta(days=12),
        )  # fmt: skip
        done = Round(
            id="ret-1", model=model, cause=Cause.CALENDAR, subject="2030-09", opened_at=NOW - timedelta(days=70),
            sentence="A new version is due by 30 Sep 2030.", due=TODAY - timedelta(days=50), version="4",
            finished_at=NOW - timedelta(days=64), evaluation="eva-1", draft_at=NOW - timedelta(days=64),
            evidence="ab" * 32, blocked="Calibration: 0.061 is above 0.05.",
        )  # fmt: skip
        return (call, done)

    def skip(self, command: SkipMonth, *, actor: Any) -> Receipt:
        self._room.people.require(actor, Permission.EDIT_METADATA)
        return self._room.write(command)
