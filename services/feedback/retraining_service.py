"""Retraining by calendar and by drift: what is due, what was skipped and why, and the draft a new version opens.

Nothing is trained here and nothing is promoted: a round waits for a new version in the registry, has it evaluated, and
opens the draft of a promotion request with that evidence. People sign or do not. Wiring:
`RetrainingService(units=units, store=SqlRetraining(database), catalog=inventory, people=people, ledger=ledger,
desk=signing, cadence=…, drifting=…, evaluate=…, evaluated=…, draft=…, clock=clock)`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.attestation.ports import LedgerWriter, SigningDesk
from services.feedback.correction_ports import Authority
from services.feedback.retraining import Cadence, Calendar, Cause, PeriodState, Round, Skip, Trained, calendar
from services.inventory.models import DeploymentKind, GovernedModel, ModelVersion
from services.inventory.recording import command_key
from services.kernel.clock import Clock
from services.kernel.errors import (
    ConflictError,
    ControlRoomError,
    InputError,
    MissingReasonError,
    StorageUnavailableError,
)
from services.kernel.identity import Actor, Permission
from services.kernel.personal_data import finding
from services.ledger import events
from services.ledger.service import LedgerService

SKIPPED, CALLED = "retraining-skipped", "retraining-called"
FINISHED, DRAFTED = "retraining-finished", "retraining-draft-opened"
REASON_MIN, REASON_MAX = 10, 300
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipMonth:
    """Command: this period passes without a new version, and here is why."""

    command_id: str
    model: str
    month: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifting:
    """A drift alert that stands in breach."""

    model: str
    alert: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a promotion request would rest on, computed now."""

    evidence: str
    blocked: tuple[str, ...]


class Catalog(Protocol):
    def model(self, name: str) -> GovernedModel: ...

    def models(self) -> tuple[GovernedModel, ...]: ...

    def versions(self, name: str) -> tuple[ModelVersion, ...]: ...


class RetrainingWriter(Protocol):
    def skip_of(self, model: str, month: str) -> Skip | None: ...

    def add_skip(self, model: str, skip: Skip, *, salt: str, actor: Actor) -> None: ...


class RetrainingUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def retraining(self) -> RetrainingWriter: ...


class RetrainingUnits(Protocol):
    def write(self) -> AbstractContextManager[RetrainingUnit]: ...

    def read(self) -> AbstractContextManager[RetrainingUnit]: ...


class RetrainingStore(Protocol):
    """Raises StorageUnavailableError."""

    def skips(self, model: str) -> Mapping[str, Skip]: ...

    def rounds(self, model: str = "", *, open_only: bool = False) -> tuple[Round, ...]:
        """Newest first."""
        ...

    def open_round(self, item: Round) -> bool:
        """False when this cause was called for before."""
        ...

    def save_round(self, item: Round) -> None: ...


class RetrainingService:
    def __init__(
        self,
        *,
        units: RetrainingUnits,
        store: RetrainingStore,
        catalog: Catalog,
        people: Authority,
        ledger: LedgerService,
        desk: SigningDesk,
        cadence: Callable[[GovernedModel], Cadence],
        drifting: Callable[[], Sequence[Drifting]],
        evaluate: Callable[[str, str], str],
        evaluated: Callable[[str], bool],
        draft: Callable[[str, str], Draft],
        clock: Clock,
    ) -> None:
        """`evaluate` queues an evaluation and gives its id; `evaluated` says whether one has ended."""
        self._units = units
        self._store = store
        self._catalog = catalog
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._cadence = cadence
        self._drifting = drifting
        self._evaluate = evaluate
        self._evaluated = evaluated
        self._draft = draft
        self._clock = clock

    def calendar(self, model: str) -> Calendar:
        """Raises UnknownModelError, InvalidPolicyError."""
        governed = self._catalog.model(model)
        return calendar(
            governed.name,
            self._trained(governed),
            self._store.skips(governed.name),
            self._cadence(governed),
            today=self._clock.now().date(),
            rounds=self._store.rounds(governed.name),
        )

    def skip(self, command: SkipMonth, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError (recorded), UnknownModelError, InputError, MissingReasonError, ConflictError."""
        self._people.require(actor, Permission.EDIT_METADATA)
        self._ledger.require_trustworthy()
        idem = command_key("retraining-skip", actor, command.command_id)
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
        if earlier is not None:
            return replace(earlier, repeated=True)
        reason, found = _reason(command.reason), self.calendar(command.model)
        period = next((item for item in found.periods if item.month == command.month), None)
        if not _MONTH.fullmatch(command.month) or period is None:
            raise InputError("This is no period of the calendar of this model.", hint="Choose one of the list.")
        if period.state not in {PeriodState.DUE, PeriodState.MISSED}:
            raise ConflictError(f"{command.month} is {period.state.value} already.", hint="Nothing was recorded.")
        salt, reason_sha256 = salted(reason)
        now = self._clock.now()
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            if unit.retraining.skip_of(found.model, command.month) is not None:
                raise ConflictError(f"{command.month} was skipped meanwhile.", hint="Nothing was recorded.")
            words = f"{actor.name} skipped the retraining of {found.model} due in {command.month}."
            payload = events.payload(
                SKIPPED,
                actor=actor,
                model=found.model,
                detail={"month": command.month, "reason": reason_sha256, "sentence": words},
                at=now,
                head=unit.ledger.head(),
            )
            receipt = unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)
            kept = Skip(month=command.month, reason=reason, by_name=actor.name, at=now, seq=receipt.seq)
            unit.retraining.add_skip(found.model, kept, salt=salt, actor=actor)
        return receipt

    # the worker

    def refresh(self) -> int:
        """Calls for what is due, takes up new versions, opens drafts; how many rounds moved.

        One model whose policy or registry cannot be read does not hold up the others; its error is raised at the end.
        """
        moved, broken = 0, list[ControlRoomError]()
        for governed in self._catalog.models():
            try:
                moved += self._call(self.calendar(governed.name))
            except StorageUnavailableError:
                raise
            except ControlRoomError as away:
                broken.append(away)
        moved += sum(self._call_for_drift(red) for red in self._drifting())
        for item in self._store.rounds(open_only=True):
            try:
                moved += self._advance(item)
            except StorageUnavailableError:
                raise
            except ControlRoomError as away:
                broken.append(away)
        if broken:
            raise broken[0]
        return moved

    def _call(self, found: Calendar) -> int:
        period = found.periods[0] if found.periods else None
        if period is None or period.state is not PeriodState.DUE:
            return 0
        return self._open(
            Round(
                id=_id(found.model, Cause.CALENDAR, period.month), model=found.model, cause=Cause.CALENDAR,
                subject=period.month, sentence=period.sentence, opened_at=self._clock.now(), due=period.due,
            )
        )  # fmt: skip

    def _call_for_drift(self, item: Drifting) -> int:
        try:
            cadence = self._cadence(self._catalog.model(item.model))
        except StorageUnavailableError:
            raise
        except ControlRoomError:
            return 0
        now = self._clock.now()
        if not cadence.on_drift:
            return 0
        return self._open(
            Round(
                id=_id(item.model, Cause.DRIFT, item.alert), model=item.model, cause=Cause.DRIFT, subject=item.alert,
                sentence=item.sentence, opened_at=now, due=now.date() + timedelta(days=cadence.extra_days),
            )
        )  # fmt: skip

    def _open(self, item: Round) -> int:
        if not self._store.open_round(item):
            return 0
        if item.cause is Cause.DRIFT:
            words = f"Drift calls for an extra retraining of {item.model} by {item.due:%d %b %Y}. {item.sentence}"
            self._record(CALLED, item, {"cause": item.cause.value, "subject": item.subject, "sentence": words})
        return 1

    def _advance(self, item: Round) -> int:
        if not item.version:
            return self._take_up(item)
        if not self._evaluated(item.evaluation):
            return 0
        found, now = self._draft(item.model, item.version), self._clock.now()
        blocked = " ".join(found.blocked)
        words = f"A promotion request for version {item.version} of {item.model} is drafted with its evidence" + (
            f"; it cannot be submitted yet. {blocked}" if blocked else "."
        )
        self._record(
            DRAFTED, item, {"version": item.version, "evidence": found.evidence, "evaluation": item.evaluation,
                            "sentence": words[:900]},
        )  # fmt: skip
        self._store.save_round(replace(item, draft_at=now, evidence=found.evidence, blocked=blocked))
        return 1

    def _take_up(self, item: Round) -> int:
        """A version registered since the call, or in the month it was called for, is its result."""
        since = _start(item)
        new = [known for known in self._trained(self._catalog.model(item.model)) if known.at >= since]
        if not new:
            return self._give_up(item)
        newest = max(new, key=lambda known: known.at)
        evaluation = self._evaluate(item.model, newest.version)
        words = f"Version {newest.version} of {item.model} answers the retraining asked for ({item.cause.value})."
        self._record(FINISHED, item, {"version": newest.version, "evaluation": evaluation, "sentence": words})
        self._store.save_round(replace(item, version=newest.version, finished_at=newest.at, evaluation=evaluation))
        return 1

    def _give_up(self, item: Round) -> int:
        """A calendar round ends when its period was skipped, or was over; the calendar keeps saying which."""
        if item.cause is not Cause.CALENDAR:
            return 0
        skipped = item.subject in self._store.skips(item.model)
        if not skipped and item.due >= self._clock.now().date():
            return 0
        why = "skipped with a reason" if skipped else "missed"
        self._store.save_round(replace(item, closed_at=self._clock.now(), closed_why=why))
        return 1

    def _record(self, event: str, item: Round, detail: Mapping[str, str]) -> None:
        self._ledger.record_event(
            event=event, actor=None, model=item.model, detail={"round": item.id, **detail}, idem=f"{event}:{item.id}"
        )

    def _trained(self, governed: GovernedModel) -> tuple[Trained, ...]:
        if governed.kind is DeploymentKind.VENDOR:
            return ()
        return tuple(
            Trained(version=item.version, at=item.created_at) for item in self._catalog.versions(governed.name)
        )


def _start(item: Round) -> datetime:
    if item.cause is Cause.DRIFT:
        return item.opened_at
    first = datetime.fromisoformat(f"{item.subject}-01T00:00:00+00:00")
    return min(first, item.opened_at)


def _id(model: str, cause: Cause, subject: str) -> str:
    return f"ret-{hashlib.sha256(f'{model}|{cause.value}|{subject}'.encode()).hexdigest()[:20]}"


def _reason(text: str) -> str:
    reason = text.strip()
    if len(reason) < REASON_MIN:
        raise MissingReasonError(
            "A month without retraining needs its reason in a sentence.", hint=f"At least {REASON_MIN} characters."
        )
    if len(reason) > REASON_MAX:
        raise InputError(f"The reason is longer than {REASON_MAX} characters.", hint="Shorten it.")
    if kind := finding(reason):
        raise InputError(f"The reason seems to hold {kind}.", hint="Everybody reads it; leave people out.")
    return reason
