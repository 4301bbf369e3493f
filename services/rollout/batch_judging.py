"""What becomes of a new batch run: its output is set aside, measured against its triggers, and recorded.

Runs of a version that consumers know are published at once unless a trigger is crossed; the first output of a version
waits until it is judged clear or a person publishes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.attestation.ports import SigningDesk
from services.inventory.models import Task
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import ServingUnavailableError
from services.rollout import batch_entries as entries
from services.rollout import batch_triggers as triggers
from services.rollout.batch_models import BatchRun, RunFact, RunState, Shift
from services.rollout.batch_ports import BatchOutputs, BatchRunner, BatchUnit, BatchUnits, JobLog, TermsOf
from services.rollout.models import Deployment
from services.rollout.release_ports import IncidentDesk

HISTORY = 40
TAKEN_OVER = 20
"""Runs of the past that are handed over as they were when the control of a model begins."""
OUTCOMES = (RunState.PUBLISHED, RunState.REPLACED)
_EVENTS = {
    RunState.HELD: entries.HELD,
    RunState.QUARANTINED: entries.QUARANTINED,
    RunState.FAILED: entries.FAILED,
    RunState.PUBLISHED: entries.PUBLISHED,
}
_NOT_THERE_YET = timedelta(minutes=5)
"""How long a run may miss its rows in the log before it is judged without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchParts:
    """Everything both halves of batch releases work with."""

    units: BatchUnits
    inventory: InventoryService
    desk: SigningDesk
    jobs: JobLog
    outputs: BatchOutputs
    terms_of: TermsOf
    clock: Clock
    runner: BatchRunner | None = None
    incidents: IncidentDesk | None = None


class BatchJudge:
    def __init__(self, parts: BatchParts) -> None:
        self._parts = parts

    def judge_new(self, row: Deployment) -> int:
        facts = self._parts.jobs.runs(row.model, limit=HISTORY)
        with self._parts.units.read() as unit:
            known = unit.batches.runs(row.model, limit=HISTORY * 3)
        if not known:
            return self._take_over(facts)
        seen = {(run.window_start, run.version) for run in known if run.rerun_of is None}
        oldest = min(window for window, _ in seen) if seen else None
        new = [
            fact
            for fact in facts
            if (fact.window_start, fact.version) not in seen and (oldest is None or fact.window_start > oldest)
        ]
        return sum(self._judge(fact, facts) for fact in new)

    def _take_over(self, facts: tuple[RunFact, ...]) -> int:
        """What consumers have read so far stays what they read; nothing is judged after the fact."""
        taken = facts[-TAKEN_OVER:]
        for fact in taken:
            run = _new_run(fact, first=False, at=self._parts.clock.now())
            output = self._parts.outputs.set_aside(run, self._bounds(fact.model)) if fact.ok else None
            state = RunState.PUBLISHED if output else RunState.FAILED
            reason = "Ran before batch runs were released one by one; handed over as it was."
            run = replace(run, state=state, reason=reason, output_sha256=output.sha256 if output else "")
            with self._parts.units.write() as unit:
                unit.batches.save(replace(run, settled=state is not RunState.PUBLISHED))
        return len(taken)

    def _judge(self, fact: RunFact, facts: tuple[RunFact, ...]) -> bool:
        with self._parts.units.read() as unit:
            before = unit.batches.runs(fact.model, states=OUTCOMES, limit=HISTORY)
        before = tuple(run for run in before if run.window_start < fact.window_start)
        last = next((run for run in before if run.rerun_of is None), None)
        first = last is None or last.version != fact.version
        run = _new_run(fact, first=first, at=self._parts.clock.now())
        return self.conclude(run, fact, facts, before)

    def conclude(self, run: BatchRun, fact: RunFact, facts: tuple[RunFact, ...], before: tuple[BatchRun, ...]) -> bool:
        """Measures, decides, records. False while the rows of the run are not in the log yet."""
        now = self._parts.clock.now()
        output = self._parts.outputs.set_aside(run, self._bounds(run.model)) if fact.ok else None
        if fact.ok and output is None and now - fact.finished_at < _NOT_THERE_YET:
            return False
        usual = [item.rows for item in facts if item.ok and item.window_start < run.window_start]
        shift = self._shift(run, before) if output else None
        found = triggers.readings(fact, output, usual_rows=usual, shift=shift)
        terms = self._parts.terms_of(run.model)
        state, reason = triggers.decide(found, first=run.first, ordered=run.rerun_of is not None, terms=terms)
        run = replace(
            run,
            state=state,
            reason=reason,
            triggers=found,
            output_sha256=output.sha256 if output else "",
            settled=state is not RunState.PUBLISHED,
            updated_at=now,
        )
        self.record(run)
        return True

    def record(self, run: BatchRun) -> None:
        """The run and, unless it is the ordinary case, its entry; a window has one published run."""
        with self._parts.units.write() as unit:
            seq = run.seq
            if run.state is not RunState.PUBLISHED or run.first or run.rerun_of:
                seq = self._append(unit, run)
            if run.state is RunState.PUBLISHED:
                replace_others(unit, run, at=run.updated_at)
            unit.batches.save(replace(run, seq=seq))

    def _append(self, unit: BatchUnit, run: BatchRun) -> int:
        what = {
            RunState.HELD: "is held",
            RunState.QUARANTINED: "was withheld from consumers",
            RunState.FAILED: "produced nothing",
            RunState.PUBLISHED: "was published",
        }[run.state]
        words = (
            f"The run of {run.model} version {run.version} for {entries.window_words(run.window_start)} {what}. "
            f"{run.reason}"
        )
        payload = entries.finding(_EVENTS[run.state], run, words=words, at=run.updated_at, head=unit.ledger.head())
        envelope = self._parts.desk.sign_as_service(payload)
        return unit.ledger.append(envelope, idem=f"batch:{run.run_id}:{run.state.value}:{run.revision}").seq

    def _bounds(self, model: str) -> tuple[float, float] | None:
        """Scores of a classification are probabilities; anything else is no usable score."""
        return (0.0, 1.0) if self._parts.inventory.model(model).task is Task.CLASSIFICATION else None

    def _shift(self, run: BatchRun, before: tuple[BatchRun, ...]) -> Shift | None:
        """Against the version's own past where it has one; a new one against the version before, on the same rows."""
        outputs = self._parts.outputs
        own = tuple(item for item in before if item.version == run.version)[: triggers.COUNTED_RUNS]
        if own:
            # Also after a rollback: being unlike the version that was taken back is no fault.
            return outputs.shift(run, own, paired=False)
        companion = self._companion(run, before[0].version) if before else None
        return outputs.shift(run, (companion,), paired=True) if companion else None

    def _companion(self, run: BatchRun, version: str) -> BatchRun | None:
        """The same rows scored by the version before, for comparison only: it is never published."""
        if self._parts.runner is None:
            return None
        name = f"cmp-{run.run_id}"
        try:
            fact = self._parts.runner.score(run.model, version, window_start=run.window_start, request_id=name)
        except ServingUnavailableError:
            return None
        if not fact.ok:
            return None
        twin = replace(_new_run(fact, first=False, at=run.updated_at), run_id=name, rerun_of=run.run_id)
        return twin if self._parts.outputs.set_aside(twin, None) else None


def replace_others(unit: BatchUnit, run: BatchRun, *, at: datetime) -> None:
    """Whatever else was published or held for the window gives way to this run."""
    after = {RunState.PUBLISHED: RunState.REPLACED, RunState.HELD: RunState.QUARANTINED}
    for other in unit.batches.of_window(run.model, run.window_start):
        if other.run_id != run.run_id and other.state in after:
            unit.batches.save(
                replace(
                    other,
                    state=after[other.state],
                    reason=f"Version {run.version} was published for this window instead.",
                    settled=True,
                    updated_at=at,
                )
            )


def _new_run(fact: RunFact, *, first: bool, at: datetime) -> BatchRun:
    key = f"{fact.model}\x1f{fact.version}\x1f{fact.window_start.isoformat()}"
    return BatchRun(
        run_id="run-" + hashlib.sha256(key.encode()).hexdigest()[:20],
        model=fact.model,
        job=fact.job,
        version=fact.version,
        window_start=fact.window_start,
        started_at=fact.started_at,
        finished_at=fact.finished_at,
        rows=fact.rows,
        state=RunState.HELD,
        first=first,
        updated_at=at,
    )
