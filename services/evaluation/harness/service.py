"""Evaluations as people ask for them: queued, worked on by the worker, cancelled, gone on with after a crash.

One run at a time is open for a version. A run beats while it works; one that fell silent is taken over and goes on
after its finished checks, as long as files, rows, policy and plan are still the same.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from services.attestation.canonical import sha256_hex
from services.evaluation.harness.models import HarnessRun, Incident, RunState, Spent, StartEvaluation
from services.evaluation.harness.ports import (
    EventRecorder,
    HarnessStore,
    HoldoutSource,
    ModelRunner,
    Narrator,
    People,
    ReportStore,
)
from services.evaluation.service import EvaluationService
from services.inventory.models import GovernedModel
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import ConflictError, ControlRoomError, InputError, InvalidPolicyError, UnavailableError
from services.kernel.identity import Actor, Permission
from services.kernel.ids import new_id
from services.policy.models import GateReport
from services.policy.service import PolicyService

if TYPE_CHECKING:
    from services.evaluation.harness.following import Following

SILENT = timedelta(seconds=60)
REPORTED = "evaluation-reported"
CANCELLED = "evaluation-cancelled"
Progress = Callable[[str, float], None]
_log = logging.getLogger("countersign.harness")


class HarnessService:
    def __init__(
        self,
        *,
        inventory: InventoryService,
        evaluation: EvaluationService,
        policy: PolicyService,
        people: People,
        ledger: EventRecorder,
        store: HarnessStore,
        runner: ModelRunner,
        holdouts: HoldoutSource,
        reports: ReportStore,
        clock: Clock,
        incidents: Callable[[str], tuple[Incident, ...]] = lambda _model: (),
        narrator: Narrator | None = None,
        spent: Callable[[Spent], None] = lambda _spent: None,
    ) -> None:
        """`spent` hears what each run took, however it ended; what it raises is logged and changes no run."""
        self._inventory = inventory
        self._evaluation = evaluation
        self._policy = policy
        self._people = people
        self._ledger = ledger
        self._store = store
        self._runner = runner
        self._holdouts = holdouts
        self._reports = reports
        self._clock = clock
        self._incidents = incidents
        self._narrator = narrator
        self._spent = spent
        self._owner = secrets.token_hex(8)

    # asking

    def start(self, command: StartEvaluation, *, actor: Actor) -> str:
        """Queues a run and gives its id; the open run of this version when there is one.

        Raises RoleMissingError, UnknownModelError, UnknownVersionError, StorageUnavailableError.
        """
        self._people.require(actor, Permission.RUN_EVALUATION)
        key = f"{actor.issuer}:{actor.subject}:{command.command_id}"
        return self._queued(command.model, command.version, command=key, by=actor.name).id

    def queue(self, model: str, version: str, *, by: str) -> str:
        """The worker's: as `start`, asked for by a calendar instead of a person; the open run where there is one."""
        return self._queued(model, version, command=f"queued:{by}:{model}:{version}"[:200], by=by).id

    def cancel(self, run_id: str, *, actor: Actor) -> None:
        """Ends an open run; what it found so far is kept, no report is written. A run that ended stays as it is.

        Raises RoleMissingError, InputError, StorageUnavailableError.
        """
        self._people.require(actor, Permission.RUN_EVALUATION)
        run = self.state(run_id)
        words = f"Cancelled by {actor.name}."
        if run.state.is_open and self._store.finish(
            run_id, state=RunState.CANCELLED, at=self._clock.now(), error=words
        ):
            sentence = f"{actor.name} cancelled the evaluation of {run.model} version {run.version}."
            self._ledger.record_event(
                event=CANCELLED,
                actor=actor,
                model=run.model,
                detail={"run": run_id, "version": run.version, "sentence": sentence},
                idem=f"{CANCELLED}:{run_id}",
            )

    def state(self, run_id: str) -> HarnessRun:
        """Raises InputError for an unknown run."""
        found = self._store.run(run_id)
        if found is None:
            raise InputError(f"There is no evaluation {run_id}.", hint="Choose one from the evaluation screen.")
        return found

    def latest(self, model: str, version: str) -> HarnessRun | None:
        return self._store.latest(model, version)

    # working

    def work(self, limit: int = 1) -> int:
        """Carries out queued runs and those another worker left; the number of runs worked on."""
        done = 0
        for run in self._store.open_runs(silent_since=self._clock.now() - SILENT)[:limit]:
            done += self._carry_out(run, lambda _words, _share: None)
        if not done:
            self._runner.rest()
        return done

    def run_now(
        self, model: str, version: str, *, by: str = "command line", progress: Progress = lambda _words, _share: None
    ) -> HarnessRun:
        """Queues and carries out a run in this process. For the command line and for preparation.

        Raises ConflictError while another process works on this version; otherwise as `start` does.
        """
        run, mine = self._new(model, version, by=by), f"now:{secrets.token_hex(8)}"
        # Ours from its first moment: a worker that looks for queued runs in between would take it from this process.
        kept = self._store.add(run, command=mine, owner=self._owner)
        if kept.id == run.id:
            self._carry_on(run, progress)
        elif not self._carry_out(kept, progress):
            raise ConflictError(
                f"{model} version {version} is being evaluated by another process.",
                hint="Wait for it; the evaluation screen shows how far it is.",
            )
        return self.state(kept.id)

    def _queued(self, model: str, version: str, *, command: str, by: str) -> HarnessRun:
        return self._store.add(self._new(model, version, by=by), command=command)

    def _new(self, model: str, version: str, *, by: str) -> HarnessRun:
        self._inventory.version(model, version)
        now = self._clock.now()
        return HarnessRun(
            id=new_id("eva", now),
            model=model,
            version=version,
            state=RunState.QUEUED,
            steps=(),
            started_at=None,
            finished_at=None,
            error="",
            by=by,
            queued_at=now,
        )

    def _carry_out(self, run: HarnessRun, progress: Progress) -> bool:
        """False when another process has the run."""
        now = self._clock.now()
        if not self._store.take(run.id, owner=self._owner, now=now, silent_since=now - SILENT):
            return False
        self._carry_on(run, progress)
        return True

    def _carry_on(self, run: HarnessRun, progress: Progress) -> None:
        """A run of this process."""
        with self._metered(run, self._clock.now()):
            self._measure_and_end(run, progress)

    @contextmanager
    def _metered(self, run: HarnessRun, begun: datetime) -> Iterator[None]:
        """Tells what the work inside took. Only this thread is counted: a worker does other things beside it."""
        cpu, scoring, wall = time.thread_time(), self._runner.cpu_seconds(), time.monotonic()
        try:
            yield
        finally:
            found = Spent(
                attempt=f"{run.id}:{self._owner}", model=run.model, version=run.version, at=begun,
                cpu_seconds=time.thread_time() - cpu + self._runner.cpu_seconds() - scoring,
                wall_seconds=time.monotonic() - wall,
            )  # fmt: skip
            try:
                self._spent(found)
            except Exception:  # noqa: BLE001 - the report is there and was judged: a cost nobody kept must not undo it
                _log.exception("what an evaluation took could not be recorded", extra={"run": run.id})

    def _measure_and_end(self, run: HarnessRun, progress: Progress) -> None:
        """Whatever goes wrong ends the run with its reason."""
        # Statistics and schemas take half a second to load: only the process that measures pays it.
        from services.evaluation.harness.following import Beating, Following
        from services.evaluation.harness.run import Stopped

        error = ""
        try:
            with Beating(self._store, run.id, self._owner, self._clock) as beating:
                self._measure(run, Following(self._store, run.id, beating, progress))
        except Stopped:
            return
        except ControlRoomError as known:
            error = str(known)
        except Exception as fault:  # noqa: BLE001 - a run must not stay open because of a fault of ours
            _log.exception("an evaluation failed unexpectedly", extra={"run": run.id})
            error = f"Unexpected fault ({type(fault).__name__}); details are in the log of the worker."
        if error:
            self._store.finish(run.id, state=RunState.FAILED, at=self._clock.now(), error=error)

    def _measure(self, run: HarnessRun, watch: Following) -> None:
        from services.evaluation.harness.run import Evaluator
        from services.evaluation.harness.subject import Subjects
        from services.evaluation.report import document, page

        evaluator = Evaluator(
            runner=self._runner,
            holdouts=self._holdouts,
            newest_report=self._ours,
        )
        subjects = Subjects(
            inventory=self._inventory, evaluation=self._evaluation, policy=self._policy, incidents=self._incidents
        )
        report = evaluator.evaluate(subjects.of(run), watch=watch, judge=self._judged)
        if self._narrator is not None:
            report["narrative"] = _told(self._narrator, report, self._inventory.model(run.model))
        data = document.build(report)
        html = page.to_html(document.read(data))
        watch.require_going()
        digest = sha256_hex(data)
        # Vouched for before it is logged: a crash in between leaves a digest without a file, never the reverse.
        self._store.vouch(run.id, digest)
        self._reports.log(run.model, run.version, json=data, html=html)
        self._evaluation.read_again(run.model, run.version)
        receipt = self._ledger.record_event(
            event=REPORTED,
            actor=None,
            model=run.model,
            detail={
                "run": run.id,
                "version": run.version,
                "report": digest,
                "mode": str(report["mode"]),
                "files": str(report["manifest_sha256"]),
                "by": run.by,
                "sentence": f"{run.model} version {run.version} was evaluated for {run.by}; report {digest[:16]}.",
            },
            idem=f"{REPORTED}:{run.id}:{digest}",
        )
        self._store.finish(run.id, state=RunState.DONE, at=self._clock.now(), entry=receipt.seq)

    def _ours(self, model: str, version: str) -> bytes | None:
        """The newest report, when it was written here: another one is no yardstick."""
        found = self._reports.newest(model, version)
        if found is None or sha256_hex(found) != self._store.newest_report(model, version):
            return None
        return found

    def _judged(self, report: Mapping[str, Any]) -> tuple[GateReport, Mapping[str, tuple[str, str]]]:
        from services.evaluation.report import document

        model, version = str(report["model"]), str(report["version"])
        said = self._evaluation.foresee(
            model,
            version,
            report=document.build(report).decode(),
            manifest_sha256=str(report["manifest_sha256"]),
        )
        try:
            gates = self._policy.for_model(self._inventory.model(model)).document.gates
        except InvalidPolicyError:
            return said, {}
        return said, {gate.id: (gate.kind, str(getattr(gate, "metric", ""))) for gate in gates}


def _told(narrator: Narrator, report: Mapping[str, Any], governed: GovernedModel) -> str:
    """A narrator that fails changes nothing: the report is complete without it."""
    from services.evaluation.harness.narrative import findings_for, marked

    try:
        return marked(narrator.tell(findings_for(report, governed)))
    except UnavailableError as away:
        _log.warning("the narrator did not answer", extra={"reason": str(away)})
        return ""
