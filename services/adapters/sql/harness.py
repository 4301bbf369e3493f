"""Evaluation runs and their steps in the governance database. One owner at a time works on a run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, delete, insert, or_, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.schema.harness import harness_run, harness_step
from services.evaluation.harness.models import HarnessRun, RunState, StepState
from services.evaluation.harness.ports import KeptStep

_OPEN = (RunState.QUEUED.value, RunState.RUNNING.value)
_run, _step = harness_run.c, harness_step.c


class SqlHarness:
    """Implements evaluation.harness.ports.HarnessStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: HarnessRun, *, command: str, owner: str = "") -> HarnessRun:
        same = or_(
            _run.command == command,
            (_run.model == run.model) & (_run.version == run.version) & _run.state.in_(_OPEN),
        )
        with self._database.write() as connection:
            # The command first: a repeated command gives its own run, also when another one is open by now.
            known = connection.execute(
                select(harness_run).where(same).order_by((_run.command == command).desc()).limit(1)
            ).first()
            if known is not None:
                return _value(connection, known)
            begun = {"owner": owner, "beat_at": run.queued_at, "started_at": run.queued_at} if owner else {}
            connection.execute(
                insert(harness_run).values(
                    id=run.id,
                    model=run.model,
                    version=run.version,
                    state=(RunState.RUNNING if owner else run.state).value,
                    by_name=run.by,
                    command=command,
                    queued_at=run.queued_at,
                    **begun,
                )
            )
        return run

    def run(self, run_id: str) -> HarnessRun | None:
        with self._database.read() as connection:
            row = connection.execute(select(harness_run).where(_run.id == run_id)).first()
            return _value(connection, row) if row is not None else None

    def latest(self, model: str, version: str) -> HarnessRun | None:
        mine = (_run.model == model) & (_run.version == version)
        newest = select(harness_run).where(mine).order_by(_run.queued_at.desc(), _run.id.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(newest).first()
            return _value(connection, row) if row is not None else None

    def open_runs(self, *, silent_since: datetime) -> tuple[HarnessRun, ...]:
        with self._database.read() as connection:
            rows = connection.execute(
                select(harness_run).where(_free(silent_since)).order_by(_run.queued_at, _run.id)
            ).all()
            return tuple(_value(connection, row) for row in rows)

    def take(self, run_id: str, *, owner: str, now: datetime, silent_since: datetime) -> bool:
        mine = (_run.id == run_id) & _free(silent_since)
        with self._database.write() as connection:
            done = connection.execute(
                update(harness_run).where(mine).values(state=RunState.RUNNING.value, owner=owner, beat_at=now)
            )
            if done.rowcount:
                first = (_run.id == run_id) & _run.started_at.is_(None)
                connection.execute(update(harness_run).where(first).values(started_at=now))
        return bool(done.rowcount)

    def beat(self, run_id: str, *, owner: str, now: datetime) -> bool:
        mine = (_run.id == run_id) & (_run.owner == owner) & (_run.state == RunState.RUNNING.value)
        with self._database.write() as connection:
            return bool(connection.execute(update(harness_run).where(mine).values(beat_at=now)).rowcount)

    def steps(self, run_id: str) -> tuple[KeptStep, ...]:
        with self._database.read() as connection:
            return _steps(connection, run_id)

    def put_steps(self, run_id: str, steps: tuple[KeptStep, ...]) -> None:
        with self._database.write() as connection:
            connection.execute(delete(harness_step).where(_step.run_id == run_id))
            if steps:
                connection.execute(
                    insert(harness_step),
                    [{"run_id": run_id, "number": number, **_row(step)} for number, step in enumerate(steps)],
                )

    def put_step(self, run_id: str, step: KeptStep) -> None:
        mine = (_step.run_id == run_id) & (_step.check_id == step.check)
        with self._database.write() as connection:
            connection.execute(update(harness_step).where(mine).values(**_row(step)))

    def basis(self, run_id: str) -> str:
        with self._database.read() as connection:
            return str(connection.execute(select(_run.basis).where(_run.id == run_id)).scalar() or "")

    def set_basis(self, run_id: str, basis: str) -> None:
        with self._database.write() as connection:
            connection.execute(update(harness_run).where(_run.id == run_id).values(basis=basis))

    def vouch(self, run_id: str, report_sha256: str) -> None:
        with self._database.write() as connection:
            connection.execute(update(harness_run).where(_run.id == run_id).values(report_sha256=report_sha256))

    def finish(self, run_id: str, *, state: RunState, at: datetime, error: str = "", entry: int | None = None) -> bool:
        mine = (_run.id == run_id) & _run.state.in_(_OPEN)
        values: dict[str, Any] = {"state": state.value, "finished_at": at, "error": error, "entry": entry}
        if state is not RunState.DONE:
            values["report_sha256"] = ""
        with self._database.write() as connection:
            return bool(connection.execute(update(harness_run).where(mine).values(**values)).rowcount)

    def newest_report(self, model: str, version: str) -> str:
        mine = (_run.model == model) & (_run.version == version) & (_run.report_sha256 != "")
        # By place in the ledger, which no clock can turn round; a report about to be logged has none yet.
        about_to_be = case((_run.entry.is_(None), 1), else_=0).desc()
        newest = select(_run.report_sha256).where(mine).order_by(about_to_be, _run.entry.desc()).limit(1)
        with self._database.read() as connection:
            return str(connection.execute(newest).scalar() or "")


def _free(silent_since: datetime) -> Any:
    """Queued, or left by an owner that fell silent."""
    silent = (_run.state == RunState.RUNNING.value) & (_run.beat_at < silent_since)
    return or_(_run.state == RunState.QUEUED.value, silent)


def _value(connection: Connection, row: Any) -> HarnessRun:
    return HarnessRun(
        id=row.id,
        model=row.model,
        version=row.version,
        state=RunState(row.state),
        steps=tuple(
            StepState(check=step.check, state=step.state, sentence=step.sentence, seconds=step.seconds)
            for step in _steps(connection, row.id)
        ),
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=row.error,
        by=row.by_name,
        queued_at=row.queued_at,
        report_sha256=row.report_sha256,
        entry=row.entry,
    )


def _steps(connection: Connection, run_id: str) -> tuple[KeptStep, ...]:
    rows = connection.execute(select(harness_step).where(_step.run_id == run_id).order_by(_step.number)).all()
    return tuple(
        KeptStep(
            check=row.check_id,
            state=row.state,
            sentence=row.sentence,
            seconds=float(row.seconds),
            document=row.document,
        )
        for row in rows
    )


def _row(step: KeptStep) -> dict[str, str]:
    return {
        "check_id": step.check,
        "state": step.state,
        "sentence": step.sentence,
        "seconds": f"{step.seconds:.3f}",
        "document": step.document,
    }
