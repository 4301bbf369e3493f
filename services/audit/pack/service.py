"""Audit packs: everything an auditor needs to check decisions without this software, in one zip.

The whole log goes in, whatever the scope: whether a quorum was complete depends on entries about keys and roles, and
an entry reduced to its hash cannot be judged. Pages, proofs and evidence are cut to the scope.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from services.attestation import envelope, statement
from services.attestation.models import LogHead, Receipt
from services.attestation.ports import SigningDesk
from services.audit.models import LedgerQuery
from services.audit.offline import verify as offline
from services.audit.pack.archive import Archive, writing
from services.audit.pack.composing import Composer, Maker, Sources
from services.audit.pack.gathering import Gathered
from services.audit.pack.jobs import Jobs
from services.audit.pack.logfiles import LogFiles
from services.audit.pack.models import PackInfo, PackJob, PackScope
from services.audit.pack.ports import PackFacts, PackFolder, PolicyFiles
from services.audit.ports import LedgerIndex
from services.kernel.clock import Clock, from_utc_text, utc_text
from services.kernel.errors import BrokenChainError, ConflictError, ForeignStatementError, InputError
from services.kernel.identity import Actor, Permission
from services.kernel.ids import new_id
from services.kernel.page import Page
from services.ledger import note
from services.ledger.ports import AnchorStore, CheckpointSigner, LedgerReader
from services.ledger.service import LedgerService
from services.ledger.verify import INTEGRITY, VOID, LogReport, Trusted, verify_log
from services.people.service import PeopleService

BUILT = "audit-pack-built"
Progress = Callable[[str, float], None]
_VERIFYING, _WRITING, _CHECKING = 0.45, 0.6, 0.98


class PackService:
    def __init__(
        self,
        *,
        reader: LedgerReader,
        index: LedgerIndex,
        anchors: AnchorStore,
        facts: PackFacts,
        folder: PackFolder,
        policies: PolicyFiles,
        people: PeopleService,
        ledger: LedgerService,
        desk: SigningDesk,
        keys: CheckpointSigner,
        clock: Clock,
        retention: Callable[[str], tuple[str, ...]] = lambda _model: (),
    ) -> None:
        """`retention` gives sentences about retention classes and holds for a model, or for all when it is empty."""
        self._reader = reader
        self._index = index
        self._anchors = anchors
        self._facts = facts
        self._folder = folder
        self._policies = policies
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._keys = keys
        self._clock = clock
        self._retention = retention
        self._jobs = Jobs()

    # making

    def build(self, scope: PackScope, *, actor: Actor, progress: Progress = lambda _step, _share: None) -> PackInfo:
        """Builds, checks and keeps a pack, then records it in the ledger.

        `progress(step, share)` tells what is done. A broken log is packed all the same: the pack shows where it breaks.
        Raises RoleMissingError, InputError for a scope without a beginning, StorageUnavailableError.
        """
        self._people.require(actor, Permission.BUILD_PACK)
        if scope.since is not None and scope.until is not None and scope.until < scope.since:
            raise InputError("The pack would end before it begins.", hint="Choose a later last day.")
        started, begun = self._clock.now(), time.perf_counter()
        pack_id = new_id("pack", started)
        with self._folder.drafting(pack_id) as draft:
            gathered, head, missing = self._write(draft, scope, actor, progress)
            progress("Checking the pack with the verifier inside it", _WRITING)
            checked = offline.verify(draft)
            progress("Recording the pack", _CHECKING)
            sha256, size = _digest(draft), draft.stat().st_size
        detail = {
            "pack": pack_id,
            "sha256": sha256,
            "bytes": str(size),
            "files": str(len(checked.files)),
            "entries": str(head.size),
            "decisions": str(gathered.decisions),
            "since": utc_text(scope.since) if scope.since else "",
            "until": utc_text(scope.until) if scope.until else "",
            "seconds": f"{time.perf_counter() - begun:.1f}",
            "verdict": checked.verdict,
            "missing": json.dumps(missing, ensure_ascii=False),
            "builtAt": utc_text(started),
            "sentence": f"{actor.name} built the audit pack {pack_id} of {scope.model or 'the whole deployment'}: "
            f"{head.size} entries, sha256 {sha256[:16]}.",
        }
        receipt = self._ledger.record_event(
            event=BUILT, actor=actor, model=scope.model, detail=detail, idem=f"pack:{pack_id}"
        )
        progress("Done", 1.0)
        return self._info(receipt, detail, model=scope.model, by=actor.name)

    def start(self, scope: PackScope, *, actor: Actor) -> PackJob:
        """Builds in the background, so that the page may be left. The same scope is built once at a time."""
        self._people.require(actor, Permission.BUILD_PACK)
        return self._jobs.start(
            scope,
            owner=actor.subject,
            at=self._clock.now(),
            work=lambda progress: self.build(scope, actor=actor, progress=progress),
        )

    def jobs(self, actor: Actor) -> tuple[PackJob, ...]:
        """What this person started since the app runs, newest first."""
        return self._jobs.of(actor.subject)

    # finding again

    def packs(self, actor: Actor, *, model: str = "", offset: int = 0, limit: int = 50) -> Page[PackInfo]:
        """Every pack the ledger recorded, newest first. Raises RoleMissingError, StorageUnavailableError."""
        self._people.require(actor, Permission.EXPORT)
        found = self._index.search(
            LedgerQuery(text=f"event:{BUILT}", kinds=("event",), model=model, offset=offset, limit=limit)
        )
        items = tuple(info for row in found.items if (info := self._recorded(row.seq)) is not None)
        return Page(items=items, total=found.total, offset=offset, limit=limit)

    def read(self, pack_id: str, actor: Actor) -> bytes:
        """The file, once it is the one the ledger recorded. Raises InputError, ConflictError, BrokenChainError."""
        self._people.require(actor, Permission.EXPORT)
        info = self.pack(pack_id)
        data = self._folder.read(pack_id)
        if info is None:
            raise InputError(f"The ledger records no pack {pack_id}.", hint="Choose one from the list.")
        if data is None:
            raise ConflictError("The file of this pack is no longer in the workspace.", hint="Build it again.")
        if hashlib.sha256(data).hexdigest() != info.sha256:
            raise BrokenChainError(
                "The file of this pack is not the one that was built: its digest differs from the ledger's.",
                hint="Do not hand it out. Build it again.",
            )
        return data

    def pack(self, pack_id: str) -> PackInfo | None:
        found = self._index.search(LedgerQuery(text=f"event:{BUILT} {pack_id}", kinds=("event",), limit=500))
        infos = (self._recorded(row.seq) for row in found.items)
        return next((info for info in infos if info is not None and info.pack_id == pack_id), None)

    def _recorded(self, seq: int) -> PackInfo | None:
        entry = self._reader.entry(seq)
        if entry is None:
            return None
        try:
            predicate = statement.read(envelope.read(entry.envelope).payload).predicate
        except ForeignStatementError:
            return None
        if predicate.get("event") != BUILT:
            return None
        receipt = Receipt(
            seq=seq, leaf_hash=entry.leaf_hash, root=entry.root, size=seq + 1, checkpoint="", key_id="", repeated=True
        )
        actor = predicate.get("actor") or {}
        return self._info(receipt, predicate["detail"], model=predicate["model"], by=actor.get("name", ""))

    def _info(self, receipt: Receipt, detail: dict[str, str], *, model: str, by: str) -> PackInfo:
        size = int(detail["bytes"])
        return PackInfo(
            pack_id=detail["pack"],
            scope=PackScope(model=model, since=_time(detail["since"]), until=_time(detail["until"])),
            sha256=detail["sha256"],
            bytes=size,
            files=int(detail["files"]),
            entries=int(detail["entries"]),
            decisions=int(detail["decisions"]),
            missing=tuple(json.loads(detail["missing"])),
            verdict=detail["verdict"],
            built_at=from_utc_text(detail["builtAt"]),
            built_by=by,
            seconds=float(detail["seconds"]),
            seq=receipt.seq,
            leaf_hash=receipt.leaf_hash,
            available=self._folder.size(detail["pack"]) == size,
        )

    # writing

    def _write(
        self, draft: Path, scope: PackScope, actor: Actor, progress: Progress
    ) -> tuple[Gathered, LogHead, list[str]]:
        checkpoint = self._reader.checkpoint()
        if checkpoint is None:
            raise InputError("The ledger is empty; there is nothing to pack.")
        size = note.read(checkpoint).size
        with writing(draft) as archive:
            gathered, files, report = self._pack_log(archive, scope, checkpoint, size, progress)
            progress("Writing pages, proofs and evidence", _VERIFYING)
            sources = Sources(
                facts=self._facts, anchors=self._anchors, policies=self._policies, retention=self._retention
            )
            maker = Maker(name=actor.name, role=actor.role.value, at=self._clock.now())
            composer = Composer(archive=archive, gathered=gathered, files=files, checkpoint=checkpoint, report=report)
            missing = composer.write(sources, maker, verifier=Path(offline.__file__).read_bytes())
            head = LogHead(origin=report.origin, size=report.entries, root=report.root)
            composer.seal(self._desk.sign_as_service, maker=maker, head=head)
        return gathered, head, missing

    def _pack_log(
        self, archive: Archive, scope: PackScope, checkpoint: str, size: int, progress: Progress
    ) -> tuple[Gathered, LogFiles, LogReport]:
        gathered, files = Gathered(scope=scope), LogFiles(archive=archive)

        def told(done: int, total: int) -> None:
            progress(f"Verifying and writing the log: {done:,} of {total:,} entries", _VERIFYING * done / max(1, total))

        report = verify_log(
            gathered.passing(files.passing(iter(self._reader.entries()), size)),
            checkpoints=self._checkpoints(size),
            anchors=[(place, text) for place, text in self._anchors.notes() if place <= size],
            trusted=Trusted(origin=self._keys.origin, log_key=self._keys.log_key),
            total=size,
            progress=told,
            growing_from=(size, checkpoint),
        )
        files.finish()
        gathered.mark(
            {
                item.seq: item.sentence
                for item in report.problems
                if item.seq is not None and item.severity in {VOID, INTEGRITY}
            }
        )
        return gathered, files, report

    def _checkpoints(self, size: int) -> Iterator[tuple[int, str]]:
        return ((place, text) for place, text in self._reader.checkpoints() if place <= size)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _time(text: str) -> datetime | None:
    return from_utc_text(text) if text else None
