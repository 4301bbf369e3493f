"""Use cases of batch runs: look, publish, take away, score a window again with a version that served before.

Every decision is a person's signature about exactly one run as it was shown. What consumers read follows at once where
the outputs can be reached, and otherwise by the worker.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.inventory.models import DeploymentKind
from services.kernel.errors import (
    ConflictError,
    ControlRoomError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    RefusalError,
    RollbackTargetError,
    StaleRequestError,
    UnavailableError,
)
from services.kernel.identity import Actor, Permission
from services.ledger.service import LedgerService
from services.people.service import PeopleService
from services.rollout import batch_entries as entries
from services.rollout import batch_triggers as triggers
from services.rollout.batch_judging import BatchParts, replace_others
from services.rollout.batch_models import BatchRun, BatchView, DecideRun, Rerun, RunState
from services.rollout.batch_ports import BatchUnit, BatchUnits, TargetsOf
from services.rollout.batch_work import BatchWork
from services.rollout.models import Deployment
from services.rollout.rollback import consumers_of

_log = logging.getLogger("countersign.batch")
_SHOWN = 50
_LATELY = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    """What a person decides about a run, from which states, and its words."""

    state: RunState
    allowed: frozenset[RunState]
    event: str
    words: str
    reason: str


_PUBLISH = _Decision(
    state=RunState.PUBLISHED,
    allowed=frozenset({RunState.HELD, RunState.QUARANTINED, RunState.REPLACED}),
    event=entries.PUBLISHED,
    words="published the output of",
    reason="Published by a person.",
)
_QUARANTINE = _Decision(
    state=RunState.QUARANTINED,
    allowed=frozenset({RunState.HELD, RunState.PUBLISHED}),
    event=entries.QUARANTINED,
    words="withheld from consumers the output of",
    reason="Withheld by a person.",
)


class BatchReleaseService:
    def __init__(
        self, *, parts: BatchParts, people: PeopleService, ledger: LedgerService, targets_of: TargetsOf
    ) -> None:
        self._parts = parts
        self._people = people
        self._ledger = ledger
        self._targets_of = targets_of
        self._work = BatchWork(parts)

    # looking

    def runs(self, model: str) -> BatchView:
        """Raises UnknownModelError."""
        governed = self._parts.inventory.model(model)
        with self._parts.units.read() as unit:
            row = unit.rollouts.deployment(model)
            found = unit.batches.runs(model, limit=_SHOWN)
        due = triggers.next_window([run.window_start for run in found if run.rerun_of is None])
        view = BatchView(
            model=model,
            pinned=row.champion if row and row.desired else "",
            runs=found,
            held=sum(run.state is RunState.HELD for run in found),
            quarantined=sum(run.state is RunState.QUARANTINED for run in found),
            next_run=due,
            overdue=due is not None and self._work.is_missing(model, due),
            consumers=consumers_of(governed),
            rerun_versions=self._rerun_versions(row),
            unattended_release=self._parts.terms_of(model).unattended_release,
            handed=None,
        )
        try:
            return replace(view, handed=self._parts.outputs.handed(model))
        except UnavailableError as away:
            return replace(view, problem=str(away))

    def run(self, run_id: str) -> BatchRun:
        """Raises InputError for an unknown one."""
        with self._parts.units.read() as unit:
            return _known(unit, run_id)

    def held(self) -> tuple[BatchRun, ...]:
        """Runs of all models that wait for a person, newest first."""
        with self._parts.units.read() as unit:
            return unit.batches.runs(states=(RunState.HELD,))

    def waiting(self) -> tuple[BatchRun, ...]:
        """Held ones, and those a trigger withheld in the last week: nobody has decided on either."""
        since = self._parts.clock.now() - _LATELY
        with self._parts.units.read() as unit:
            found = unit.batches.runs(states=(RunState.HELD, RunState.QUARANTINED))
        return tuple(run for run in found if run.state is RunState.HELD or _undecided(run, since))

    def _rerun_versions(self, row: Deployment | None) -> tuple[str, ...]:
        if row is None or not row.desired:
            return ()
        eligible = [target.version for target in self._targets_of(row.model) if target.eligible]
        return (*eligible, row.champion) if row.champion not in eligible else tuple(eligible)

    # deciding

    def publish(self, command: DecideRun, *, actor: Actor) -> Receipt:
        """Makes a held or withheld run what consumers read for its window; other held runs of its version follow.

        Raises MissingReasonError, IllegalTransitionError, RefusalError (approval revoked), StaleRequestError,
        PassphraseError, KeyLockedError.
        """
        self._people.require(actor, Permission.MANAGE_BATCH_RUN)
        return self._decide(command, actor, _PUBLISH)

    def quarantine(self, command: DecideRun, *, actor: Actor) -> Receipt:
        """Takes a run's output away from consumers; for its window they then read nothing until another is published.

        Raises as `publish`.
        """
        self._people.require(actor, Permission.MANAGE_BATCH_RUN)
        return self._decide(command, actor, _QUARANTINE)

    def rerun(self, command: Rerun, *, actor: Actor) -> Receipt:
        """Orders the window of a run to be scored with another version; its output is published unless it is bad too.

        Raises MissingReasonError, RollbackTargetError, ConflictError (ordered already), PassphraseError,
        KeyLockedError.
        """
        self._people.require(actor, Permission.MANAGE_BATCH_RUN)
        run_id = "rer-" + _digest(actor.issuer, actor.subject, command.command_id)[:20]
        idem = f"batch:{run_id}:ordered"
        now = self._parts.clock.now()
        with self._parts.units.read() as unit:
            earlier, head = unit.ledger.find(idem), unit.ledger.head()
            source = _known(unit, command.run_id)
            row = unit.rollouts.deployment(source.model)
        if earlier is not None:
            return replace(earlier, repeated=True)
        with self._recording(actor, source.model, f"rerun {command.run_id}"):
            note = command.reason.strip()
            _require_reason(note)
            self._require_version(row, command.version)
            salt, _ = salted(note)
            ordered = replace(
                source,
                run_id=run_id,
                version=command.version,
                started_at=now,
                finished_at=None,
                rows=0,
                state=RunState.ORDERED,
                first=False,
                triggers=(),
                reason=f"Waits for the worker: {_window(source)} is scored again.",
                rerun_of=source.run_id,
                decided_by=actor.name,
                note=note,
                salt=salt,
                output_sha256="",
                settled=True,
                incident="",
                updated_at=now,
                revision=0,
            )
            words = f"ordered version {command.version} to score {_window(source)} again"
            payload = entries.decision(
                entries.RERUN_ORDERED, ordered, actor=actor, reason=note, salt=salt, words=words, at=now, head=head
            )
            envelope = self._parts.desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
            with self._parts.units.write() as unit:
                waiting = unit.batches.of_window(source.model, source.window_start)
                if any(run.state is RunState.ORDERED for run in waiting):
                    raise ConflictError("This window is already being scored again.", hint="Wait for its result.")
                receipt = unit.ledger.append(envelope, idem=idem)
                unit.batches.save(replace(ordered, seq=receipt.seq))
        return receipt

    def work(self) -> int:
        """Worker: judges new runs, carries out orders, keeps what consumers read in line; the number judged."""
        return self._work.run()

    def _decide(self, command: DecideRun, actor: Actor, what: _Decision) -> Receipt:
        idem = f"batch:{command.run_id}:{what.event}:{_digest(actor.issuer, actor.subject, command.command_id)[:20]}"
        with self._parts.units.read() as unit:
            earlier, head = unit.ledger.find(idem), unit.ledger.head()
            run = _known(unit, command.run_id)
            revoked = unit.rollouts.revoked_versions(run.model)
        if earlier is not None:
            return replace(earlier, repeated=True)
        now, note = self._parts.clock.now(), command.reason.strip()
        with self._recording(actor, run.model, f"{what.state.value} {run.run_id}"):
            _require_reason(note)
            _require(run, command.revision, what)
            _require_standing(run, revoked, what)
            salt, _ = salted(note)
            words = f"{what.words} {_window(run)}, version {run.version}"
            payload = entries.decision(
                what.event, run, actor=actor, reason=note, salt=salt, words=words, at=now, head=head
            )
            envelope = self._parts.desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
            with self._parts.units.write() as unit:
                _require(_known(unit, run.run_id), command.revision, what)
                receipt = unit.ledger.append(envelope, idem=idem)
                decided = replace(
                    run,
                    state=what.state,
                    reason=what.reason,
                    decided_by=actor.name,
                    note=note,
                    salt=salt,
                    settled=False,
                    seq=receipt.seq,
                    updated_at=now,
                )
                if what.state is RunState.PUBLISHED:
                    replace_others(unit, decided, at=now)
                unit.batches.save(decided)
        self._settle_now(run.run_id)
        return receipt

    def _settle_now(self, run_id: str) -> None:
        """What was signed is recorded; where the outputs are out of reach just now, the worker finishes it."""
        try:
            self._work.settle_one(run_id)
        except ControlRoomError as away:
            _log.warning("consumers do not read the decided output yet", extra={"run": run_id, "reason": str(away)})

    def _require_version(self, row: Deployment | None, version: str) -> None:
        if version in self._rerun_versions(row):
            return
        targets = self._targets_of(row.model) if row else ()
        reason = next((target.reason for target in targets if target.version == version), "there is no such version")
        raise RollbackTargetError(
            f"Version {version} cannot score this window: {reason}.",
            hint="Choose a version that was both approved and served.",
        )

    @contextmanager
    def _recording(self, actor: Actor, model: str, what: str) -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            self._ledger.record_event(
                event=entries.REFUSED, actor=actor, model=model, detail={"target": what, "code": refused.code}
            )
            raise


def _undecided(run: BatchRun, since: datetime) -> bool:
    return not run.decided_by and run.updated_at >= since


def next_batch(units: BatchUnits, model: str) -> str:
    """When a change of the pinned version takes effect, and what consumers keep until then; empty for other models."""
    with units.read() as unit:
        row = unit.rollouts.deployment(model)
        found = unit.batches.runs(model, limit=_SHOWN)
    if row is None or row.kind != DeploymentKind.BATCH:
        return ""
    due = triggers.next_window([run.window_start for run in found if run.rerun_of is None])
    when = f"The next batch run, due {entries.window_words(due)}, uses it" if due else "The next batch run uses it"
    return f"{when}; its first output is judged before consumers read it, and what they read now stays."


def _require(run: BatchRun, revision: int, what: _Decision) -> None:
    if run.state not in what.allowed:
        raise IllegalTransitionError(
            f"This run is {run.state.value}; that is not possible now.", hint="Look at its state again."
        )
    if run.revision != revision:
        raise StaleRequestError("This run changed since it was shown.", hint="Look again.")


def _require_standing(run: BatchRun, revoked: tuple[str, ...], what: _Decision) -> None:
    if what.state is RunState.PUBLISHED and run.version in revoked:
        raise RefusalError(
            f"The approval of version {run.version} was revoked: its output cannot be published.",
            hint="Score the window again with another version.",
        )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise MissingReasonError("A decision about an output needs a sentence.", hint="Write why.")


def _known(unit: BatchUnit, run_id: str) -> BatchRun:
    run = unit.batches.run(run_id)
    if run is None:
        raise InputError("There is no such run.", hint="Look at the list of runs again.")
    return run


def _window(run: BatchRun) -> str:
    return f"the window {entries.window_words(run.window_start)} of {run.model}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
