"""One evaluation from files and rows to a report: open, plan, check, investigate, assemble.

What it finds depends on files, rows, plan and policy alone; only seconds and response times differ from run to run.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.attestation.canonical import sha256_hex
from services.evaluation.harness import assembling
from services.evaluation.harness import rows as tables
from services.evaluation.harness.assembling import Subject, basis_of, report_of
from services.evaluation.harness.checks import CHECKS
from services.evaluation.harness.inquiry import inquiries
from services.evaluation.harness.investigation import investigate
from services.evaluation.harness.material import Material
from services.evaluation.harness.models import CheckResult, FinishedStep, Mode, Plan, PlannedCheck, Status
from services.evaluation.harness.planner import Situation, plan
from services.evaluation.harness.ports import Holdout, HoldoutSource, ModelFiles, ModelRunner, ScoringFailed
from services.evaluation.harness.rows import Array
from services.kernel.errors import ArtifactMissingError, ControlRoomError, UnknownVersionError
from services.policy.models import GateReport

_FEW_GROUPS = 12
_log = logging.getLogger("countersign.harness")


class Watch(Protocol):
    """Is told how far the run is; may end it by raising Stopped."""

    def planned(self, plan: Plan, basis: str) -> Mapping[str, FinishedStep]:
        """The steps that were finished before on the same basis."""
        ...

    def started(self, check: PlannedCheck) -> None: ...

    def finished(self, step: FinishedStep) -> None: ...


class Stopped(Exception):  # noqa: N818 - not a fault: somebody said so
    """The run was cancelled, or another process goes on with it."""


Judge = Callable[[Mapping[str, Any]], tuple[GateReport, Mapping[str, tuple[str, str]]]]
"""What the gates say about a report, and kind and metric of each gate by its id."""


@dataclass(slots=True, kw_only=True)
class Evaluator:
    runner: ModelRunner
    holdouts: HoldoutSource
    newest_report: Callable[[str, str], bytes | None]
    seconds: Callable[[], float] = field(default=time.monotonic)

    def evaluate(self, subject: Subject, *, watch: Watch, judge: Judge) -> dict[str, Any]:
        """The report as a dictionary. Raises Stopped, RegistryUnavailableError, UnknownVersionError."""
        with ExitStack() as opened:
            material = self._opened(subject, opened)
            before = watch.planned(material.plan, basis_of(subject, material))
            for check in material.plan.checks:
                step = before.get(check.id)
                if step is None:
                    watch.started(check)
                    step = self._step(subject, material, check, judge)
                    watch.finished(step)
                material.finished[check.id] = step
            return report_of(subject, material)

    def _opened(self, subject: Subject, opened: ExitStack) -> Material:
        files, files_problem = self._files(subject, opened)
        holdout, rows_problem = _read(lambda: self.holdouts.holdout(subject.model, subject.version))
        loaded, reason = None, rows_problem or "The run logged no held-out rows (data/holdout.parquet)."
        if files is None:
            reason = files_problem
        elif holdout is not None:
            try:
                loaded, reason = opened.enter_context(files.load()), ""
            except ScoringFailed as failed:
                reason = f"The model cannot be loaded. {failed}"
        mode = Mode.MODEL
        if loaded is None:
            predictions, _ = _read(lambda: self.holdouts.predictions(subject.model, subject.version))
            mode, holdout = (Mode.METRICS, None) if predictions is None else (Mode.PREDICTIONS, predictions)
        earlier_bytes = self.newest_report(subject.model, subject.version)
        material = Material(
            model=subject.model,
            version=subject.version,
            task=subject.task,
            unit=holdout.unit if holdout else "",
            threshold=holdout.threshold if holdout else None,
            mode=mode,
            mode_reason=reason,
            holdout=holdout,
            files=files,
            files_problem=files_problem,
            runner=self.runner,
            opened=opened,
            plan=_EMPTY,
            champion=subject.champion,
            created_day=subject.created_day,
            logged=subject.logged,
            p95_ms=subject.p95_ms,
            others=subject.others,
            earlier=_parsed(earlier_bytes),
            earlier_sha256=sha256_hex(earlier_bytes) if earlier_bytes else "",
            loaded=loaded,
        )
        by_tag = _tagged_groups(subject, holdout, tuple(material.inputs)) if holdout else {}
        material.groups = {**(holdout.attributes if holdout else {}), **by_tag}
        material.plan = plan(_situation(subject, material, tuple(by_tag)))
        return material

    def _files(self, subject: Subject, opened: ExitStack) -> tuple[ModelFiles | None, str]:
        try:
            return opened.enter_context(self.runner.fetch(subject.model, subject.version)), ""
        except ArtifactMissingError as gone:
            return None, gone.message

    def _step(self, subject: Subject, material: Material, check: PlannedCheck, judge: Judge) -> FinishedStep:
        if check.skipped:
            result = CheckResult(status=Status.SKIPPED, sentence=check.reason)
            return FinishedStep(check=check, result=result, seconds=0.0)
        begun = self.seconds()
        try:
            if check.id == "investigation":
                result = _investigated(subject, material, judge, self.seconds)
            else:
                result = CHECKS[check.id](material)
        except (ScoringFailed, ControlRoomError) as failed:
            result = CheckResult(status=Status.ERROR, sentence=_sentence(failed))
        except Exception as fault:  # noqa: BLE001 - one check that breaks must not hide what the others find
            _log.exception("a check failed unexpectedly", extra={"check": check.id})
            words = f"It broke ({type(fault).__name__}); details are in the log of the worker."
            result = CheckResult(status=Status.ERROR, sentence=words)
        return FinishedStep(check=check, result=result, seconds=round(self.seconds() - begun, 3))


def _investigated(subject: Subject, material: Material, judge: Judge, seconds: Callable[[], float]) -> CheckResult:
    report, gates = judge(report_of(subject, material))
    about = inquiries(material, report, gates) if material.holdout is not None else []
    if not about:
        failed = sum(outcome.verdict.blocks for outcome in report.outcomes)
        sentence = (
            f"{failed} gates object; none of it can be followed in the rows."
            if failed
            else "No limit is broken and no figure looks wrong, so there was nothing to follow."
        )
        return CheckResult(status=Status.DONE, sentence=sentence, sections={"investigation": []})
    taken = investigate(material, about, material.plan.budget, clock=seconds)
    listed = ", ".join(dict.fromkeys(item.about.value for item in about))
    return CheckResult(
        status=Status.DONE,
        sentence=f"{len(taken)} steps about {listed}. {taken[0]['found'] if taken else ''}".strip(),
        sections={"investigation": taken},
    )


def _situation(subject: Subject, material: Material, by_tag: tuple[str, ...]) -> Situation:
    held = material.holdout
    return Situation(
        tier=subject.tier,
        task=subject.task,
        kind=subject.kind,
        mode=material.mode,
        mode_reason=material.mode_reason,
        champion=subject.champion,
        has_times=held is not None and held.times is not None,
        attributes=tuple(held.attributes) if held else (),
        tagged=by_tag,
        claims=sum(name.startswith("holdout_") for name in subject.logged),
        limited=subject.limited,
        demanded=subject.demanded,
        incidents=subject.incidents,
        earlier=subject.earlier_refused,
        earlier_groups=subject.earlier_groups,
        p95_ms=subject.p95_ms,
    )


def _tagged_groups(subject: Subject, holdout: Holdout, inputs: tuple[str, ...]) -> dict[str, Array]:
    """Inputs tagged as personal that have few values; one that the logged groups repeat is not shown twice."""
    known = [tables.words(values) for values in holdout.attributes.values()]
    found: dict[str, Array] = {}
    for name in subject.tagged:
        if name not in inputs or name in holdout.attributes:
            continue
        groups = tables.words(holdout.rows[name])
        many = len(set(groups.tolist()))
        if 1 < many <= _FEW_GROUPS and not any(_same_parts(groups, other) for other in known):
            found[name] = groups
    return found


def _same_parts(one: Array, other: Array) -> bool:
    """Whether two columns of names divide the rows alike, whatever the names are."""
    pairs = len(set(zip(one.tolist(), other.tolist(), strict=True)))
    return pairs == len(set(one.tolist())) == len(set(other.tolist()))


def _read(ask: Callable[[], Holdout | None]) -> tuple[Holdout | None, str]:
    try:
        return ask(), ""
    except (ArtifactMissingError, UnknownVersionError) as refused:
        return None, refused.message


def _parsed(data: bytes | None) -> dict[str, Any] | None:
    if not data:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("format") == assembling.FORMAT else None


def _sentence(failed: Exception) -> str:
    return failed.message if isinstance(failed, ControlRoomError) else str(failed)


_EMPTY = plan(Situation(tier=1, task="", kind="", mode=Mode.METRICS))
