"""Deployment jobs of the platform wait for an approval there; a complete approval here is what lets them go on.

The platform's convention: a task whose name begins with `approval` passes when the version carries a tag of that name
with the value `Approved`. The tag is the live authority, so the order matters: first the ledger says what is about to
happen and to which settings of the job, then the tag is set and read back, then the run is repaired. Each step can be
repeated: a worker that is killed anywhere finds the state on the platform and goes on.

What somebody approved there without an approval here is a finding: with a run, read from the platform in every look;
without one, from the copy of the registry, which may be minutes old.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, Protocol

from services.attestation.models import Receipt
from services.kernel.clock import Clock, from_utc_text, utc_text
from services.kernel.errors import ControlRoomError, UnknownVersionError
from services.kernel.identity import Actor
from services.rollout import job_words
from services.rollout.job_evidence import JobEvidence, part_digest
from services.rollout.job_findings import JobFindingKind, JobFindings, Sighting, short
from services.rollout.job_models import APPROVED, MOST_REPAIRS, ApprovalTag, DeploymentJobs, JobRun, Remembered

_SET_HERE = "set"
_NEWEST = 5
"""Versions of a model that are looked at: an older one that still waits was passed over."""


class Memory(Protocol):
    def fact(self, name: str) -> str | None: ...

    def set_fact(self, name: str, value: str, *, at: datetime) -> None: ...


class EventRecorder(Protocol):
    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt: ...


class _Place(NamedTuple):
    model: str
    version: str
    run: JobRun
    task: str


@dataclass(slots=True)
class _Look:
    """One round over everything: what was seen, what was read from the platform itself, what could not be read."""

    seen: set[str] = field(default_factory=set)
    live: set[tuple[str, str, str]] = field(default_factory=set)
    unclear: set[tuple[str, str]] = field(default_factory=set)
    faults: list[ControlRoomError] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentApprovals:
    """`connected` names models with a deployment job, `versions` their versions, newest first.

    `standing` says why an approval of exactly these files does not stand, or nothing; `signed` gives the part of its
    evidence that names the job and its settings, or nothing when it was signed before there was such a part. `tagged`
    are the approval tags of governed models in the copy of the registry.
    """

    jobs: DeploymentJobs
    connected: Callable[[], tuple[str, ...]]
    versions: Callable[[str], tuple[str, ...]]
    tagged: Callable[[], tuple[ApprovalTag, ...]]
    standing: Callable[[str, str], str]
    signed: Callable[[str, str], str]
    evidence: JobEvidence
    memory: Memory
    ledger: EventRecorder
    clock: Clock

    @property
    def findings(self) -> JobFindings:
        return JobFindings(memory=self.memory, ledger=self.ledger, clock=self.clock)

    def work(self) -> int:
        """Looks at every waiting run and every approval tag; the number of runs sent on.

        One model that cannot be read does not stop the others: raises the first such fault after all were looked at.
        """
        sent, look = 0, _Look()
        for model in self.connected():
            for version in self.versions(model)[:_NEWEST]:
                try:
                    sent += self._one(model, version, look)
                except UnknownVersionError:
                    continue
                except ControlRoomError as fault:
                    look.unclear.add((model, version))
                    look.faults.append(fault)
        for tag in self.tagged():
            self._compare(tag, look)
        self.findings.end(but=look.seen, unclear=look.unclear)
        if look.faults:
            raise look.faults[0]
        return sent

    def _one(self, model: str, version: str, look: _Look) -> int:
        run = self.jobs.run_of(model, version)
        if run is None:
            return 0
        known = self._remember(model, version, run)
        why_not = self.standing(model, version)
        sent = 0
        for task in (*run.waiting, *run.passed):
            here = _Place(model, version, run, task)
            tagged = self.jobs.tag(model, version, task).casefold() == APPROVED.casefold()
            look.live.add((model, version, task))
            ours = task in known.ours
            if tagged and why_not and not ours and not self._set_here(model, version, task):
                self._see(here, JobFindingKind.UNSIGNED, job_words.unsigned(version, task, why_not), look)
            elif tagged and why_not and task in run.waiting:
                self.jobs.take_back(model, version, task)
                self._note_tag(model, version, task, utc_text(self.clock.now()))
                self._tell(here, "taken-back", job_words.taken_back(version, task, why_not))
            elif tagged and why_not and not ours:
                self._see(here, JobFindingKind.UNSIGNED, job_words.left_over(version, task, run, why_not), look)
            elif task in run.passed and ours:
                self._tell(here, "went-on", job_words.went_on(version, task, run))
            elif task in run.waiting and not why_not:
                known, done = self._send_on(here, known, look, tagged=tagged)
                sent += done
        return sent

    def _compare(self, tag: ApprovalTag, look: _Look) -> None:
        """A tag of the copy with the approval that stands. What was read from the platform itself is newer."""
        if (tag.model, tag.version, tag.task) in look.live or (tag.model, tag.version) in look.unclear:
            return
        noted = self.memory.fact(_tag_name(tag.model, tag.version, tag.task)) or ""
        if noted == _SET_HERE or (noted and tag.read_at <= from_utc_text(noted)):
            return  # set under an approval that stood then, or taken back since the copy was read
        try:
            why_not = self.standing(tag.model, tag.version)
        except ControlRoomError as fault:
            look.unclear.add((tag.model, tag.version))
            look.faults.append(fault)
            return
        if why_not:
            self._sight(
                key=_unsigned_key(tag.model, tag.version, tag.task),
                kind=JobFindingKind.UNSIGNED,
                place=(tag.model, tag.version, tag.task),
                sentence=job_words.unsigned(tag.version, tag.task, why_not),
                detail={"job": "", "run": "", "settings": ""},
                look=look,
            )

    def _send_on(self, here: _Place, known: Remembered, look: _Look, *, tagged: bool) -> tuple[Remembered, int]:
        model, version, run, task = here
        signed = self.signed(model, version)
        if signed and signed != part_digest(str(run.job_id), run.settings_sha256):
            self._see(here, JobFindingKind.CHANGED, job_words.not_as_signed(version, run), look, "-signed")
            return known, 0
        if run.settings_sha256 != known.settings_sha256:
            self._see(here, JobFindingKind.CHANGED, job_words.changed(version, run, known), look)
            return known, 0
        if known.repairs >= MOST_REPAIRS:
            self._see(here, JobFindingKind.STUCK, job_words.stuck(version, task, run), look)
            return known, 0
        if not run.over:
            return known, 0
        self._tell(here, "intended", job_words.intended(version, task, run))
        if task not in known.ours:
            known = replace(known, ours=(*known.ours, task))
            self._keep(model, version, run, known)
        if not tagged:
            self._note_tag(model, version, task, _SET_HERE)
            self.jobs.approve(model, version, task)
            if self.jobs.tag(model, version, task) != APPROVED:
                return known, 0  # somebody else writes it too; the next look decides
        known = replace(known, repairs=known.repairs + 1)
        self._keep(model, version, run, known)
        self.jobs.repair(run, task)
        return known, 1

    # what is found

    def _see(self, at: _Place, kind: JobFindingKind, sentence: str, look: _Look, more: str = "") -> None:
        key = f"{_name(at.model, at.version, at.run)}:{at.task[:60]}:{kind}"
        if kind is JobFindingKind.CHANGED:
            key += f"{more}-{at.run.settings_sha256[:12]}"
        if kind is JobFindingKind.UNSIGNED:
            key = _unsigned_key(at.model, at.version, at.task)  # the same tag, whichever run meets it
        self._sight(
            key=key,
            kind=kind,
            place=(at.model, at.version, at.task),
            sentence=sentence,
            detail={"job": str(at.run.job_id), "run": str(at.run.run_id), "settings": at.run.settings_sha256},
            look=look,
        )

    def _sight(
        self,
        *,
        key: str,
        kind: JobFindingKind,
        place: tuple[str, str, str],
        sentence: str,
        detail: Mapping[str, str],
        look: _Look,
    ) -> None:
        model, version, task = place
        look.seen.add(key)
        self.findings.see(
            Sighting(
                key=key, kind=kind, model=model, version=version, task=task, sentence=sentence, detail=detail
            )
        )  # fmt: skip

    def _set_here(self, model: str, version: str, task: str) -> bool:
        return self.memory.fact(_tag_name(model, version, task)) == _SET_HERE

    def _note_tag(self, model: str, version: str, task: str, what: str) -> None:
        """`what` is that we set it, or when we took it back."""
        self.memory.set_fact(_tag_name(model, version, task), what, at=self.clock.now())

    # what is remembered and told

    def _remember(self, model: str, version: str, run: JobRun) -> Remembered:
        text = self.memory.fact(_name(model, version, run))
        if text is not None:
            data = json.loads(text)
            return Remembered(
                settings_sha256=data["settings_sha256"], repairs=data["repairs"], ours=tuple(data["ours"])
            )
        known = Remembered(settings_sha256=run.settings_sha256)
        for task in run.waiting:
            self._tell(_Place(model, version, run, task), "waiting", job_words.waiting(version, task, run))
        self._keep(model, version, run, known)
        return known

    def _keep(self, model: str, version: str, run: JobRun, known: Remembered) -> None:
        self.memory.set_fact(_name(model, version, run), json.dumps(asdict(known)), at=self.clock.now())

    def _tell(self, at: _Place, what: str, sentence: str) -> None:
        """Once for each run, task and what happened."""
        self.ledger.record_event(
            event=f"deployment-job-{what}",
            actor=None,
            model=at.model,
            detail={
                "version": at.version,
                "job": str(at.run.job_id),
                "run": str(at.run.run_id),
                "task": at.task,
                "settings": at.run.settings_sha256,
                "sentence": sentence,
            },
            idem=f"deployment-job:{_name(at.model, at.version, at.run)}:{at.task[:60]}:{what}",
        )


def _name(model: str, version: str, run: JobRun) -> str:
    return "job:" + hashlib.sha256(f"{model}\x1f{version}\x1f{run.run_id}".encode()).hexdigest()[:40]


def _tag_name(model: str, version: str, task: str) -> str:
    return f"job-tag:{short(model, version, task)}"


def _unsigned_key(model: str, version: str, task: str) -> str:
    return f"tag:{short(model, version, task)}"
