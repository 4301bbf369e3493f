"""Retraining sets: proposed by a person, recorded with their digest, logged to the registry by the worker.

The bytes are kept beside the entry until they are logged, so that exactly what was proposed arrives there, once.
Wiring: `TrainingSetService(units=units, store=SqlTrainingSets(database), facts=ReviewParquet(folder), registry=...,
catalog=inventory, people=people, ledger=ledger, desk=signing, clock=clock)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Protocol

from services.attestation.canonical import sha256_hex
from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.attestation.ports import LedgerWriter, SigningDesk
from services.feedback.correction_ports import Authority, CorrectionCatalog
from services.feedback.training_sets import LabelRow, ProposeSet, TrainingSet, content, lineage_text, origins
from services.inventory.recording import command_key
from services.kernel.clock import Clock
from services.kernel.errors import InputError, MissingReasonError, UnavailableError
from services.kernel.identity import Actor, Permission
from services.kernel.personal_data import finding
from services.ledger import events
from services.ledger.service import LedgerService

PROPOSED, LOGGED = "retraining-set-proposed", "retraining-set-logged"
REASON_MIN, REASON_MAX = 3, 300
LONGEST = 730


class LabelFacts(Protocol):
    def labels(self, model: str, since: date) -> tuple[LabelRow, ...]:
        """Reviewed predictions since this day; of two reviews of one prediction the first.

        Raises TelemetryUnavailableError.
        """
        ...


class SetWriter(Protocol):
    def newest(self, model: str) -> TrainingSet | None: ...

    def add(self, item: TrainingSet, content: bytes) -> None: ...


class SetUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def training_sets(self) -> SetWriter: ...


class SetUnits(Protocol):
    def write(self) -> AbstractContextManager[SetUnit]: ...

    def read(self) -> AbstractContextManager[SetUnit]: ...


class SetStore(Protocol):
    """Raises StorageUnavailableError."""

    def sets(self, model: str, limit: int) -> tuple[TrainingSet, ...]:
        """Newest first."""
        ...

    def waiting(self) -> tuple[TrainingSet, ...]: ...

    def content(self, model: str, number: int) -> bytes: ...

    def logged(self, item: TrainingSet, *, run_id: str, at: datetime | None, error: str) -> None: ...

    def digests(self, model: str) -> dict[str, str]:
        """Digest of each source as it was recorded: batches by their entry, days by the files that were read."""
        ...


class DatasetRegistry(Protocol):
    def log(self, item: TrainingSet, content: bytes) -> str:
        """The run that holds the set; one that holds it already is found again. Raises RegistryUnavailableError."""
        ...


class TrainingSetService:
    def __init__(
        self,
        *,
        units: SetUnits,
        store: SetStore,
        facts: LabelFacts,
        registry: DatasetRegistry,
        catalog: CorrectionCatalog,
        people: Authority,
        ledger: LedgerService,
        desk: SigningDesk,
        clock: Clock,
        whole: Callable[[], object] = lambda: None,
    ) -> None:
        """`whole` is asked before labels are read, where what others handed in does not reach this disk by itself."""
        self._units = units
        self._store = store
        self._whole = whole
        self._facts = facts
        self._registry = registry
        self._catalog = catalog
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._clock = clock

    def sets(self, model: str, limit: int = 20) -> tuple[TrainingSet, ...]:
        """Newest first."""
        return self._store.sets(model, limit)

    def propose(self, command: ProposeSet, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError (recorded), MissingReasonError, InputError when there is nothing new to learn from,
        TelemetryUnavailableError.
        """
        self._people.require(actor, Permission.RECORD_CORRECTION)
        self._ledger.require_trustworthy()
        idem = command_key("retraining-set", actor, command.command_id)
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
        if earlier is not None:
            return replace(earlier, repeated=True)
        reason, model = _reason(command.reason), self._catalog.model(command.model).name
        if not 1 <= command.days <= LONGEST:
            raise InputError(f"A set covers 1 to {LONGEST} days.", hint="Nothing was recorded.")
        now = self._clock.now()
        self._whole()
        rows = self._facts.labels(model, now.date() - timedelta(days=command.days))
        if not any(row.corrected for row in rows):
            raise InputError(
                f"Nobody corrected a prediction of {model} in {command.days} days.",
                hint="There is nothing to learn from corrections yet.",
            )
        return self._keep(model, rows, reason, idem, actor)

    def _keep(self, model: str, rows: Sequence[LabelRow], reason: str, idem: str, actor: Actor) -> Receipt:
        data, now = content(rows), self._clock.now()
        salt, reason_sha256 = salted(reason)
        lineage = origins(rows, self._store.digests(model))
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            newest, digest = unit.training_sets.newest(model), sha256_hex(data)
            if newest is not None and newest.sha256 == digest:
                raise InputError(
                    f"Set {newest.number} holds exactly these reviews already.", hint="Nothing was recorded."
                )
            item = TrainingSet(
                model=model, number=newest.number + 1 if newest else 1, sha256=digest, rows=len(rows), lineage=lineage,
                reason=reason, salt=salt, at=now, by_issuer=actor.issuer, by_subject=actor.subject, by_name=actor.name,
            )  # fmt: skip
            detail = {
                "set": str(item.number),
                "rows": str(item.rows),
                "content": digest,
                "lineage": sha256_hex(lineage_text(lineage).encode()),
                "reason": reason_sha256,
                "sentence": f"{actor.name} proposed retraining set {item.number} of {model}: {item.rows:,} reviewed "
                f"predictions, {sum(row.corrected for row in rows):,} of them corrected.",
            }
            payload = events.payload(PROPOSED, actor=actor, model=model, detail=detail, at=now, head=unit.ledger.head())
            receipt = unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)
            unit.training_sets.add(replace(item, seq=receipt.seq, leaf_hash=receipt.leaf_hash), data)
        return receipt

    def refresh(self) -> int:
        """Worker: logs what waits; how many were logged. A registry that is away is tried again."""
        done, broken = 0, list[UnavailableError]()
        for item in self._store.waiting():
            data = self._store.content(item.model, item.number)
            try:
                run_id = self._registry.log(item, data)
            except UnavailableError as away:
                self._store.logged(item, run_id="", at=None, error=str(away))
                broken.append(away)
                continue
            words = f"Retraining set {item.number} of {item.model} is in the registry, run {run_id}."
            self._ledger.record_event(
                event=LOGGED,
                actor=None,
                model=item.model,
                detail={"set": str(item.number), "content": item.sha256, "run": run_id, "sentence": words},
                idem=f"{LOGGED}:{item.model}:{item.number}",
            )
            self._store.logged(item, run_id=run_id, at=self._clock.now(), error="")
            done += 1
        if broken:
            raise broken[0]
        return done


def _reason(text: str) -> str:
    reason = text.strip()
    if len(reason) < REASON_MIN:
        raise MissingReasonError("Say in a sentence what this set is for.", hint="The history shows it.")
    if len(reason) > REASON_MAX:
        raise InputError(f"The reason is longer than {REASON_MAX} characters.", hint="Shorten it.")
    if kind := finding(reason):
        raise InputError(f"The reason seems to hold {kind}.", hint="It goes to the registry; leave people out of it.")
    return reason
