"""Approvals that let deployment jobs go on, with the real SDK against the workspace on localhost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from databricks.sdk.service.jobs import JobSettings, RunLifeCycleState, Task

from services.adapters.databricks.client import Workspace
from services.adapters.databricks.deployment_jobs import WorkspaceJobs
from services.kernel.clock import FrozenClock
from services.kernel.errors import RefusalError, RegistryUnavailableError, ServingUnavailableError
from services.rollout.deployment_jobs import DeploymentApprovals
from services.rollout.job_evidence import Connection, JobEvidence, part_digest
from services.rollout.job_findings import JobFinding, JobFindingKind
from services.rollout.job_models import ApprovalTag
from tests.contract.databricks_server.jobs import JobRun
from tests.contract.databricks_server.server import Platform, a_workspace
from tests.fakes.databricks import a_catalog

MODEL, JOB, TASK = "main.claims.score", 55, "Approval_Check"
NOON = datetime(2031, 3, 31, 12, tzinfo=UTC)


@dataclass
class Book:
    """Remembers facts, and entries once for each key."""

    facts: dict[str, str] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def fact(self, name: str) -> str | None:
        return self.facts.get(name)

    def set_fact(self, name: str, value: str, *, at: datetime) -> None:
        self.facts[name] = value

    def record_event(self, *, idem: str, **entry: Any) -> Any:
        self.entries.setdefault(idem, entry)

    @property
    def sentence(self) -> str:
        """Of the newest entry."""
        return str(list(self.entries.values())[-1]["detail"]["sentence"])

    @property
    def events(self) -> list[str]:
        return [entry["event"].removeprefix("deployment-job-") for entry in self.entries.values()]


class OneModel:
    def connection(self, _model: str) -> Connection:
        return Connection(job=str(JOB), read_at=NOON)

    def jobs(self) -> tuple[str, ...]:
        return (str(JOB),)


@dataclass
class Scene:
    platform: Platform
    book: Book
    approvals: DeploymentApprovals
    copied: tuple[ApprovalTag, ...] = ()
    """Approval tags in the copy of the registry."""
    refusal: str = ""
    signed: str = ""
    """The part of the signed evidence that names the job, where the approval has one."""

    def part_now(self) -> str:
        return part_digest(str(JOB), self.approvals.evidence.reader.settings_of(str(JOB)))

    @property
    def standing(self) -> list[tuple[JobFindingKind, str]]:
        """(kind, version) of the findings."""
        return [(item.kind, item.version) for item in self.found]

    @property
    def found(self) -> tuple[JobFinding, ...]:
        return self.approvals.findings.standing(MODEL)

    @property
    def run(self) -> JobRun:
        return self.platform.jobs.runs[900]

    @property
    def tags(self) -> dict[str, str]:
        return self.platform.models.version(MODEL, "1").tags

    @property
    def last(self) -> list[tuple[str, str]]:
        found = {task.task_key: task for task in self.run.tasks}
        return [(key, task.state.result_state.value) for key, task in found.items()]  # type: ignore[union-attr]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with a_workspace() as platform:
        platform.models.add(MODEL, 1)
        keys = ("Evaluation", TASK, "Deployment")
        platform.jobs.all[JOB] = JobSettings(name="deploy", tasks=[Task(task_key=key) for key in keys])
        platform.jobs.deploy(platform.models, JOB, MODEL, "1")
        book = Book()
        made: Scene

        def standing(_model: str, _version: str) -> str:
            return made.refusal

        jobs = WorkspaceJobs(Workspace(platform.connection()), a_catalog(platform))
        made = Scene(
            platform=platform,
            book=book,
            approvals=DeploymentApprovals(
                jobs=jobs,
                connected=lambda: (MODEL,),
                versions=lambda _model: ("1",),
                tagged=lambda: made.copied,
                standing=standing,
                signed=lambda _model, _version: made.signed,
                evidence=JobEvidence(connections=OneModel(), reader=jobs, memory=book, clock=FrozenClock(NOON)),
                memory=book,
                ledger=book,
                clock=FrozenClock(NOON),
            ),
        )
        yield made


def test_a_waiting_job_without_an_approval_goes_on_waiting(scene: Scene) -> None:
    scene.refusal = "nobody approved it."
    assert scene.approvals.work() == 0
    assert scene.tags == {}
    assert scene.book.events == ["waiting"]
    assert scene.platform.jobs.repaired == []


def test_an_approval_sets_the_tag_and_sends_the_run_on_from_the_approval(scene: Scene) -> None:
    assert scene.approvals.work() == 1
    assert scene.approvals.work() == 0

    assert scene.tags == {TASK: "Approved"}
    assert scene.platform.jobs.repaired == [{"run_id": 900, "rerun_tasks": [TASK], "rerun_dependent_tasks": True}]
    assert scene.last == [("Evaluation", "SUCCESS"), (TASK, "SUCCESS"), ("Deployment", "SUCCESS")]
    assert scene.book.events == ["waiting", "intended", "went-on"]
    intended = next(entry for entry in scene.book.entries.values() if entry["event"].endswith("intended"))
    assert len(intended["detail"]["settings"]) == 64


def test_a_second_repair_names_the_one_before(scene: Scene) -> None:
    scene.run.repairs.append(4711)
    scene.approvals.work()
    assert scene.platform.jobs.repaired[0]["latest_repair_id"] == 4711


def test_a_run_that_still_runs_is_not_touched_until_it_is_over(scene: Scene) -> None:
    scene.run.state = RunLifeCycleState.RUNNING
    assert scene.approvals.work() == 0
    assert scene.tags == {}
    scene.run.state = RunLifeCycleState.TERMINATED
    assert scene.approvals.work() == 1


def test_a_job_changed_since_it_was_first_seen_is_not_sent_on(scene: Scene) -> None:
    scene.refusal = "not yet."
    scene.approvals.work()
    scene.platform.jobs.all[JOB].name = "deploy something else"
    scene.refusal = ""

    assert scene.approvals.work() == 0

    assert scene.tags == {}
    assert scene.book.events == ["waiting", "changed"]
    assert "start a new run of it" in scene.book.sentence
    assert scene.standing == [(JobFindingKind.CHANGED, "1")]


def test_a_job_that_is_as_it_was_signed_is_sent_on(scene: Scene) -> None:
    scene.signed = scene.part_now()
    assert scene.approvals.work() == 1


def test_a_job_changed_since_it_was_signed_is_not_sent_on_by_the_approval_that_stands(scene: Scene) -> None:
    scene.signed = scene.part_now()
    scene.platform.jobs.all[JOB].name = "deploy something else"

    assert scene.approvals.work() == 0
    assert scene.approvals.work() == 0

    assert scene.tags == {}
    assert scene.platform.jobs.repaired == []
    assert scene.book.events == ["waiting", "changed"]
    assert "ask for the approval of this version again" in scene.book.sentence


def test_an_approval_that_was_signed_when_no_job_was_connected_sends_none_on(scene: Scene) -> None:
    scene.signed = part_digest("", "")
    assert scene.approvals.work() == 0
    assert "not what was signed" in scene.book.sentence


def test_a_job_without_its_settings_is_not_known_rather_than_empty(scene: Scene) -> None:
    scene.platform.jobs.without_settings = True
    with pytest.raises(ServingUnavailableError, match="given without its settings"):
        scene.approvals.work()
    assert scene.book.facts == {}


def test_a_tag_set_by_somebody_in_the_workspace_is_a_finding(scene: Scene) -> None:
    scene.refusal = "nobody approved it."
    scene.approvals.work()
    scene.tags[TASK] = "approved"

    scene.approvals.work()
    scene.approvals.work()

    assert scene.standing == [(JobFindingKind.UNSIGNED, "1")]
    assert scene.found[0].since == NOON
    assert "nobody approved it." in scene.found[0].sentence
    assert scene.book.events == ["waiting", "unsigned"]
    assert scene.tags == {TASK: "approved"}, "what others wrote is reported, never overwritten"


def test_a_finding_ends_when_the_tag_is_gone_and_is_told_again_when_it_comes_back(scene: Scene) -> None:
    scene.refusal = "nobody approved it."
    scene.tags[TASK] = "approved"
    scene.approvals.work()
    scene.tags.clear()
    scene.approvals.work()
    assert scene.standing == []
    assert scene.book.events == ["waiting", "unsigned", "over"]
    assert "no longer stands" in scene.book.sentence

    scene.tags[TASK] = "approved"
    scene.approvals.work()

    assert scene.standing == [(JobFindingKind.UNSIGNED, "1")]
    assert scene.book.events == ["waiting", "unsigned", "over", "unsigned"]


def test_a_finding_ends_with_the_approval_that_was_missing(scene: Scene) -> None:
    scene.refusal = "nobody approved it."
    scene.tags[TASK] = "Approved"
    scene.approvals.work()

    scene.refusal = ""
    scene.approvals.work()

    assert scene.standing == []


def test_a_finding_stays_while_its_version_cannot_be_looked_at(scene: Scene) -> None:
    scene.refusal = "nobody approved it."
    scene.tags[TASK] = "Approved"
    scene.approvals.work()

    scene.platform.broken.add(("GET", "runs/get"))
    with pytest.raises(ServingUnavailableError):
        scene.approvals.work()

    assert scene.standing == [(JobFindingKind.UNSIGNED, "1")]
    assert scene.book.events == ["waiting", "unsigned"]


def a_copied_tag(version: str = "7", task: str = TASK) -> ApprovalTag:
    return ApprovalTag(model=MODEL, version=version, task=task, read_at=NOON)


def test_a_tag_in_the_copy_without_any_run_is_a_finding_until_it_is_gone(scene: Scene) -> None:
    scene.refusal = "nobody approved it."
    scene.copied = (a_copied_tag(),)
    scene.approvals.work()
    scene.approvals.work()
    assert scene.standing == [(JobFindingKind.UNSIGNED, "7")]
    assert scene.book.events == ["waiting", "unsigned"]

    scene.copied = ()
    scene.approvals.work()

    assert scene.standing == []
    assert scene.book.events[-1] == "over"


def test_a_tag_in_the_copy_under_an_approval_that_stands_is_none(scene: Scene) -> None:
    scene.copied = (a_copied_tag(),)
    scene.approvals.work()
    assert scene.standing == []


def test_a_tag_that_was_set_here_is_no_finding_when_its_approval_ends(scene: Scene) -> None:
    scene.approvals.work()
    scene.copied = (a_copied_tag("1"),)
    scene.platform.models.version(MODEL, "1").job = {}
    scene.refusal = "it has ended."
    scene.approvals.work()
    assert scene.standing == []


def test_what_the_platform_says_counts_more_than_the_copy(scene: Scene) -> None:
    scene.refusal = "nobody approved it."
    scene.copied = (a_copied_tag("1"),)
    scene.approvals.work()
    assert scene.tags == {}
    assert scene.standing == []


def test_a_tag_taken_back_here_is_no_finding_while_the_copy_still_has_it_and_one_set_again_is(scene: Scene) -> None:
    scene.platform.forbidden.add(("POST", "runs/repair"))
    with pytest.raises(RefusalError):
        scene.approvals.work()
    scene.refusal = "it was withdrawn."
    scene.approvals.work()
    assert scene.tags == {}
    scene.platform.models.version(MODEL, "1").job = {}

    scene.copied = (a_copied_tag("1"),)
    scene.approvals.work()
    assert scene.standing == [], "the copy is older than the taking back"

    scene.copied = (replace(a_copied_tag("1"), read_at=NOON + timedelta(minutes=1)),)
    scene.approvals.work()
    assert scene.standing == [(JobFindingKind.UNSIGNED, "1")]


def test_a_new_run_that_passes_by_an_old_tag_of_ours_is_a_finding_once_the_approval_ended(scene: Scene) -> None:
    scene.approvals.work()
    scene.approvals.work()
    scene.refusal = "it has ended."
    scene.platform.jobs.deploy(scene.platform.models, JOB, MODEL, "1")

    scene.approvals.work()

    assert scene.standing == [(JobFindingKind.UNSIGNED, "1")]
    assert "set for an earlier run" in scene.found[0].sentence


def test_an_approval_that_is_lost_before_the_job_went_on_is_taken_back(scene: Scene) -> None:
    scene.platform.lose.clear()
    scene.platform.forbidden.add(("POST", "runs/repair"))
    with pytest.raises(RefusalError, match="was not sent on"):
        scene.approvals.work()
    assert scene.tags == {TASK: "Approved"}

    scene.refusal = "it was withdrawn."
    scene.approvals.work()

    assert scene.tags == {}
    assert scene.book.events[-1] == "taken-back"


@pytest.mark.parametrize("lost", ["model-versions/set-tag", "runs/repair"])
def test_a_lost_answer_is_no_failure_and_nothing_is_done_twice(scene: Scene, lost: str) -> None:
    scene.platform.lose.add(("POST", lost))
    with pytest.raises(Exception, match="Databricks"):
        scene.approvals.work()

    for _ in range(3):
        scene.approvals.work()

    assert len(scene.platform.jobs.repaired) == 1
    assert scene.book.events == ["waiting", "intended", "went-on"]


def test_a_task_that_fails_for_another_reason_is_not_repaired_for_ever(scene: Scene) -> None:
    key = "approval_other"
    scene.platform.jobs.all[JOB].tasks = [Task(task_key=key)]
    scene.run.tasks.clear()
    scene.platform.jobs._attempt(scene.run, [key], scene.platform.models)
    scene.platform.jobs._attempt = lambda *_: None  # type: ignore[method-assign]

    sent = sum(scene.approvals.work() for _ in range(6))

    assert sent == 3
    assert scene.standing == [(JobFindingKind.STUCK, "1")]
    assert scene.book.events[-1] == "stuck"


def test_a_model_that_cannot_be_read_is_said_after_the_others_were_looked_at(scene: Scene) -> None:
    scene.platform.models.add("main.claims.hidden", 1)
    both = replace(scene.approvals, connected=lambda: ("main.claims.hidden", MODEL))
    scene.platform.broken.add(("GET", "nothing"))

    def hide(_method: str, path: str) -> None:
        if path.endswith("model-versions/get"):
            scene.platform.throttle = 1 if not scene.platform.sent("GET", "model-versions/get") else 0
            scene.platform.retry_after = "600"

    scene.platform.before = hide
    with pytest.raises(RegistryUnavailableError):
        both.work()
    assert scene.tags == {TASK: "Approved"}
