"""Corrections handed in by people: checked line by line, recorded whole or not at all, by one entry of the ledger.

What is recorded joins the reviews that systems record, and every figure is counted from there: the worker does it
within half a minute. Wiring: `CorrectionService(units=units, store=SqlCorrectionReads(database),
log=ReviewParquet(folder), catalog=inventory, people=people, ledger=ledger, desk=signing, threshold=…, slices=…,
delay=…, clock=clock)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta

from services.attestation.canonical import sha256_hex, to_bytes
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.feedback import intake, rework
from services.feedback.correction_ports import (
    Authority,
    CorrectionCatalog,
    CorrectionReads,
    CorrectionUnits,
    DelayOf,
    ReviewLog,
    SlicesOf,
    ThresholdOf,
)
from services.feedback.corrections import (
    MOST_ROWS,
    REASONS,
    Batch,
    Checked,
    CorrectionRow,
    CorrectionsRefusedError,
    ImportFile,
    RecordCorrections,
    Reviewed,
    Via,
)
from services.feedback.models import Correction
from services.inventory.facts import by_owner, changed
from services.inventory.models import Task
from services.inventory.recording import command_key
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import ConflictError, InputError, TelemetryUnavailableError
from services.kernel.identity import Actor, Permission
from services.kernel.ids import new_id
from services.ledger import events
from services.ledger.service import LedgerService

RECORDED = "corrections-recorded"
_ALL = 1_000_000


class CorrectionService:
    def __init__(
        self,
        *,
        units: CorrectionUnits,
        store: CorrectionReads,
        log: ReviewLog,
        catalog: CorrectionCatalog,
        people: Authority,
        ledger: LedgerService,
        desk: SigningDesk,
        threshold: ThresholdOf,
        slices: SlicesOf,
        delay: DelayOf,
        clock: Clock,
    ) -> None:
        self._units = units
        self._store = store
        self._log = log
        self._catalog = catalog
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._threshold = threshold
        self._slices = slices
        self._delay = delay
        self._clock = clock
        self._whole = False
        """Whether this process has looked for batches that its disk does not have."""

    # looking

    def rework(self, model: str, *, days: int = 60) -> rework.Rework:
        """Override and rework rate by reason, slice and week. Raises UnknownModelError, StorageUnavailableError."""
        name, today = self._catalog.model(model).name, self._clock.now().date()
        since = today - timedelta(days=max(2 * days, rework.LOOK_BACK) + 60)
        return rework.rates(
            name,
            self._store.cohorts(name, since),
            self._store.predicted(name, since),
            days=days,
            today=today,
            stated_hours=self._delay(name),
        )

    def batches(self, model: str, limit: int = 20) -> tuple[Batch, ...]:
        """What people handed in, newest first."""
        return self._store.batches(model, limit)

    def reasons(self, model: str) -> tuple[str, ...]:
        """Codes that may be used for this model."""
        return tuple(sorted({*REASONS, *self._store.reasons(model)}))

    def corrected(self, model: str, reason: str = "", limit: int = 100) -> tuple[Correction, ...]:
        """Single corrected predictions as ids and codes, newest first."""
        return self._store.recent(model, reason, limit)

    # recording

    def check_file(self, command: ImportFile, *, actor: Actor) -> Checked:
        """What the file would do; nothing is recorded. Raises as `import_file`, but lists faults instead."""
        self._people.require(actor, Permission.RECORD_CORRECTION)
        return self._checked(command.model, intake.read_csv(command.data))

    def import_file(self, command: ImportFile, *, actor: Actor) -> Receipt:
        """As `record`; also raises InputError for a file that is no such list."""
        self._people.require(actor, Permission.RECORD_CORRECTION)
        rows = intake.read_csv(command.data)
        name = command.name.replace("\\", "/").rpartition("/")[2][:120]
        return self._record(command.model, rows, Via.FILE, name, command.command_id, actor)

    def record(self, command: RecordCorrections, *, actor: Actor) -> Receipt:
        """All rows or none.

        Raises RoleMissingError (recorded), UnknownModelError, CorrectionsRefusedError with a fault per line,
        TelemetryUnavailableError when the predictions cannot be looked up.
        """
        self._people.require(actor, Permission.RECORD_CORRECTION)
        if not 0 < len(command.rows) <= MOST_ROWS:
            raise InputError(f"Hand in 1 to {MOST_ROWS:,} corrections at once.", hint="Nothing was recorded.")
        return self._record(command.model, command.rows, command.via, "", command.command_id, actor)

    def _checked(self, model: str, rows: Sequence[CorrectionRow]) -> Checked:
        governed = self._catalog.model(model)
        ids = tuple(dict.fromkeys(row.prediction_id.strip() for row in rows))
        plain = [ident for ident in ids if ident.isascii() and ident.isprintable()]
        with self._units.read() as unit:
            handed_in = unit.corrections.known(governed.name, plain)
        return intake.check(
            rows,
            made=self._log.made(governed.name, plain),
            known=handed_in | self._log.reviewed(governed.name, plain),
            reasons=self.reasons(governed.name),
            threshold=self._threshold(governed.name) if governed.task is Task.CLASSIFICATION else None,
            now=self._clock.now(),
        )

    def _record(  # noqa: PLR0917 - private, two callers above
        self, model: str, rows: Sequence[CorrectionRow], via: Via, name: str, command_id: str, actor: Actor
    ) -> Receipt:
        self._ledger.require_trustworthy()
        idem = command_key("corrections", actor, command_id)
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
        if earlier is not None:
            return replace(earlier, repeated=True)
        checked = self._checked(model, rows)
        if checked.faults:
            raise CorrectionsRefusedError(checked)
        now = self._clock.now()
        batch = Batch(
            id=new_id("cor", now), model=self._catalog.model(model).name, via=via, name=name,
            sha256=digest_of(checked.reviewed), rows=checked.rows, corrected=checked.corrected, at=now,
            by_issuer=actor.issuer, by_subject=actor.subject, by_name=actor.name, seq=0, leaf_hash="",
        )  # fmt: skip
        return self._keep(batch, checked.reviewed, idem, actor)

    def _keep(self, batch: Batch, rows: Sequence[Reviewed], idem: str, actor: Actor) -> Receipt:
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            # Asked again inside the transaction: somebody may have handed in the same reviews meanwhile.
            if unit.corrections.known(batch.model, [row.prediction_id for row in rows]):
                raise ConflictError(
                    "Somebody handed in a review of the same prediction meanwhile.",
                    hint="Nothing was recorded. Check the list again.",
                )
            payload = events.payload(
                RECORDED, actor=actor, model=batch.model, detail=_detail(batch), at=batch.at, head=unit.ledger.head()
            )
            receipt = unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)
            unit.corrections.add(replace(batch, seq=receipt.seq, leaf_hash=receipt.leaf_hash), rows)
        return receipt

    def publish(self) -> int:
        """Adds what was handed in to the recorded reviews; batches done. Raises TelemetryUnavailableError.

        At first of all batches: the recorded reviews may lie on a disk that did not last, the database has the rows.
        """
        waiting = self._store.unpublished()
        if not self._whole:
            known = {batch.id for batch in waiting}
            lost = (batch for batch in self._store.batches("", _ALL) if not self._log.holds(batch))
            waiting += tuple(batch for batch in lost if batch.id not in known)
        for batch in waiting:
            self._log.publish(batch, self._store.rows(batch.id))
            if batch.published_at is None:
                self._store.published(batch.id, self._clock.now())
        self._whole = True
        return len(waiting)

    # the worker

    def refresh(self) -> int:
        """Adds what was handed in to the recorded reviews, and counts them by cohort; days and batches done.

        Raises TelemetryUnavailableError at the end.
        """
        done = self.publish()
        broken = list[TelemetryUnavailableError]()
        for model, partitions in by_owner(changed(self._log.partitions(), self._store.seen_cohorts())).items():
            try:
                days = tuple(partition.day for partition in partitions)
                self._store.replace_cohorts(model, self._log.cohorts(model, days, self._slices(model)), partitions)
                done += len(partitions)
            except TelemetryUnavailableError as missing:
                broken.append(missing)
        if broken:
            raise broken[0]
        return done


def digest_of(rows: Sequence[Reviewed]) -> str:
    """Of what was recorded, in canonical form and whatever the order it came in. Numbers are written as text."""
    documents = [
        {key: utc_text(value) if hasattr(value, "tzinfo") else "" if value is None else str(value)
         for key, value in asdict(row).items()}
        for row in sorted(rows, key=lambda row: row.prediction_id)
    ]  # fmt: skip
    return sha256_hex(to_bytes({"corrections": documents}))


def _detail(batch: Batch) -> dict[str, str]:
    how = {Via.FORM: "by form", Via.FILE: "from a file", Via.CALL: "by a call"}[batch.via]
    return {
        "batch": batch.id,
        "rows": str(batch.rows),
        "corrected": str(batch.corrected),
        "content": batch.sha256,
        "via": batch.via.value,
        "sentence": f"{batch.by_name} recorded {batch.rows:,} reviewed predictions of {batch.model} {how}, "
        f"{batch.corrected:,} of them corrected.",
    }
