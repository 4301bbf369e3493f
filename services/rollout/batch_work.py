"""The worker's part of batch releases: judge what jobs produced, carry out orders, keep what consumers read in line.

Every step is decided from the record and may be repeated: a crash between two of them is made good by the next turn.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from services.kernel.errors import ControlRoomError
from services.rollout import batch_entries as entries
from services.rollout import batch_triggers as triggers
from services.rollout.batch_judging import HISTORY, OUTCOMES, BatchJudge, BatchParts
from services.rollout.batch_models import BatchRun, RunState
from services.rollout.fallback_models import FallbackMode
from services.rollout.fallback_rules import in_force
from services.rollout.models import Deployment
from services.rollout.release_ports import IncidentDesk


class BatchWork:
    def __init__(self, parts: BatchParts) -> None:
        self._parts = parts
        self._judge = BatchJudge(parts)

    def run(self) -> int:
        """Everything that is due, model by model; the number of runs that were judged.

        One model that cannot be read does not hold up the others; the first fault is raised at the end.
        """
        judged, faults = 0, []
        with self._parts.units.read() as unit:
            rows = [row for row in unit.rollouts.deployments() if row.kind == "batch"]
        for row in rows:
            try:
                judged += self._judge.judge_new(row)
                self._rerun(row.model)
                self._release_waiting(row.model)
                self._call_somebody(row)
            except ControlRoomError as fault:
                faults.append(fault)
        self.settle()
        if faults:
            raise faults[0]
        return judged

    def settle(self) -> None:
        """Puts what consumers read in line with what was decided. Raises TelemetryUnavailableError."""
        with self._parts.units.read() as unit:
            waiting = unit.batches.unsettled()
        for run in waiting:
            self.settle_one(run.run_id)

    def settle_one(self, run_id: str) -> None:
        with self._parts.units.read() as unit:
            run = unit.batches.run(run_id)
        if run is None or run.settled:
            return
        if run.state is RunState.PUBLISHED:
            self._parts.outputs.publish(run)
        elif run.state is not RunState.ORDERED:
            self._parts.outputs.withdraw(run)
        now = self._parts.clock.now()
        with self._parts.units.write() as unit:
            current = unit.batches.run(run_id)
            if current is not None and current.revision == run.revision:
                unit.batches.save(replace(run, settled=True, updated_at=now))
                return
            # Decided anew while this was carried out: whatever was done last is looked at again.
            for other in unit.batches.of_window(run.model, run.window_start):
                if other.run_id == run_id or other.state is RunState.PUBLISHED:
                    unit.batches.save(replace(other, settled=False))

    # orders

    def _rerun(self, model: str) -> None:
        with self._parts.units.read() as unit:
            ordered = unit.batches.runs(model, states=(RunState.ORDERED,))
        for run in reversed(ordered):
            if self._parts.runner is None:
                return
            fact = self._parts.runner.score(model, run.version, window_start=run.window_start, request_id=run.run_id)
            facts = self._parts.jobs.runs(model, limit=HISTORY)
            with self._parts.units.read() as unit:
                before = unit.batches.runs(model, states=OUTCOMES, limit=HISTORY)
            scored = replace(
                run, started_at=fact.started_at, finished_at=fact.finished_at, rows=fact.rows, job=fact.job
            )
            # A window that is scored again is late by nature; that says nothing about the rows.
            self._judge.conclude(
                scored,
                replace(fact, on_time=True),
                facts,
                tuple(item for item in before if item.window_start < run.window_start),
            )

    def _release_waiting(self, model: str) -> None:
        """Held runs follow once the first output of their version was published."""
        with self._parts.units.read() as unit:
            held = unit.batches.runs(model, states=(RunState.HELD,))
            published = unit.batches.runs(model, states=(RunState.PUBLISHED,), limit=HISTORY)
        newest = next((run for run in published if run.rerun_of is None), None)
        for run in reversed(held):
            if newest is not None and newest.version == run.version:
                self._judge.record(
                    replace(
                        run,
                        state=RunState.PUBLISHED,
                        reason="The first output of this version was published; no trigger was crossed here.",
                        settled=False,
                        updated_at=self._parts.clock.now(),
                    )
                )

    # people

    def _call_somebody(self, row: Deployment) -> None:
        """An incident for every run that failed, was withheld, came late or did not come; one per version."""
        desk = self._parts.incidents
        if desk is None:
            return
        with self._parts.units.read() as unit:
            recent = unit.batches.runs(row.model, limit=HISTORY)
            serves = in_force(unit.fallbacks.switches(row.model)) is FallbackMode.LIVE
        if serves and row.desired:
            self._call_for_missing(desk, row, recent)
        for run in recent:
            if run.incident or not run.crossed or run.state is RunState.ORDERED:
                continue
            opened = self._open_incident(desk, run)
            with self._parts.units.write() as unit:
                current = unit.batches.run(run.run_id)
                if current is not None and not current.incident:
                    unit.batches.save(replace(current, incident=opened))

    def _open_incident(self, desk: IncidentDesk, run: BatchRun) -> str:
        withheld = [item for item in run.crossed if item.withholds]
        worst = (withheld or list(run.crossed))[0]
        tier = int(self._parts.inventory.model(run.model).tier)
        words = "withheld from consumers" if withheld else "late"
        return desk.open_by_rule(
            key=f"batch:{run.model}:{run.version}" if withheld else f"batch-late:{run.model}",
            model=run.model,
            severity=(2 if tier == 1 else 3) if withheld else 4,
            title=f"Batch output of {run.model} {words}",
            sentence=f"The run for {entries.window_words(run.window_start)}: {worst.sentence}",
            version=run.version,
            rule=f"batch-{worst.id}",
            measured="" if worst.value is None else f"{worst.value:.6g}",
            impact_start=run.window_start,
            detected_at=run.updated_at,
        )

    def _call_for_missing(self, desk: IncidentDesk, row: Deployment, recent: tuple[BatchRun, ...]) -> None:
        due = triggers.next_window([run.window_start for run in recent if run.rerun_of is None])
        if due is None or not self.is_missing(row.model, due):
            return
        desk.open_by_rule(
            key=f"batch-missing:{row.model}",
            model=row.model,
            severity=2 if int(self._parts.inventory.model(row.model).tier) == 1 else 3,
            title=f"Batch run of {row.model} did not come",
            sentence=f"The run for {entries.window_words(due)} is missing; consumers still read the window before.",
            version=row.champion,
            rule="batch-missing",
            impact_start=due,
            detected_at=self._parts.clock.now(),
        )

    def is_missing(self, model: str, due: datetime) -> bool:
        """Whether a run that was due is later than the model's terms allow."""
        allowed = timedelta(minutes=self._parts.terms_of(model).allowed_lateness_minutes)
        return self._parts.clock.now() > due + allowed
