"""Pins of batch jobs: one request that changes the version and nothing else, read back, by the real SDK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk.service.jobs import JobParameterDefinition, JobSettings, NotebookTask, Task, TaskDependency

from services.adapters.databricks.client import Workspace
from services.adapters.databricks.job_pins import DatabricksJobPins, PinnedJob
from services.adapters.databricks.serving import DatabricksServing
from services.adapters.databricks.snapshots import SnapshotFiles
from services.kernel.errors import ConflictError, InputError, RefusalError, ServingUnavailableError
from tests.contract.databricks_server.server import Platform, a_workspace
from tests.fakes.databricks import NOON, targets

BY_PARAMETER, BY_TASK = 11, 12


@pytest.fixture
def platform() -> Iterator[Platform]:
    with a_workspace() as made:
        tasks = [Task(task_key=f"step_{number}", notebook_task=NotebookTask(notebook_path="/x")) for number in range(5)]
        score = NotebookTask(notebook_path="/score", base_parameters={"model_version": "3", "table": "claims"})
        made.jobs.page = 2
        made.jobs.all[BY_PARAMETER] = JobSettings(
            name="score claims",
            parameters=[
                JobParameterDefinition(name="model_version", default="3"),
                JobParameterDefinition(name="table", default="claims"),
            ],
            tags={"cost_center": "42"},
            tasks=list(tasks),
        )
        depends = [TaskDependency(task_key="step_0")]
        made.jobs.all[BY_TASK] = JobSettings(
            name="score claims by task",
            tasks=[*tasks, Task(task_key="score", notebook_task=score, depends_on=depends, max_retries=2)],
        )
        yield made


@pytest.fixture
def pins(platform: Platform) -> DatabricksJobPins:
    jobs = {"by_parameter": PinnedJob(job_id=BY_PARAMETER), "by_task": PinnedJob(job_id=BY_TASK, task="score")}
    return DatabricksJobPins(Workspace(platform.connection()), jobs, now=lambda: NOON)


@pytest.fixture(params=["by_parameter", "by_task"])
def job(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pin(pins: DatabricksJobPins, job: str, version: str, *, op: str) -> None:
    pins.pin(job, version, expect_generation=pins.pinned(job).generation, op=op)


def test_the_version_a_job_scores_with_is_read(pins: DatabricksJobPins, job: str) -> None:
    assert pins.pinned(job).routes == (("3", 100),)


def test_a_pin_is_read_back_with_its_operation(pins: DatabricksJobPins, job: str) -> None:
    before = pins.pinned(job)

    after = pins.pin(job, "4", expect_generation=before.generation, op="start")

    assert (after.routes, after.op) == ((("4", 100),), "start")
    assert after.generation > before.generation
    assert pins.pinned(job) == after


def test_everything_else_of_the_job_stays(pins: DatabricksJobPins, platform: Platform) -> None:
    by_parameter, by_task = (JobSettings.from_dict(item.as_dict()) for item in platform.jobs.all.values())

    pin(pins, "by_parameter", "4", op="a")
    pin(pins, "by_task", "4", op="b")

    now = platform.jobs.all[BY_PARAMETER]
    assert {item.name: item.default for item in now.parameters or []} == {"model_version": "4", "table": "claims"}
    assert [task.as_dict() for task in now.tasks or []] == [task.as_dict() for task in by_parameter.tasks or []]
    assert (now.tags or {})["cost_center"] == "42"
    score = (platform.jobs.all[BY_TASK].tasks or [])[-1]
    assert score.notebook_task
    assert score.notebook_task.base_parameters == {"model_version": "4", "table": "claims"}
    assert (score.max_retries, [item.task_key for item in score.depends_on or []]) == (2, ["step_0"])
    others = [task.as_dict() for task in platform.jobs.all[BY_TASK].tasks or []][:-1]
    assert others == [task.as_dict() for task in by_task.tasks or []][:-1]


def test_pin_and_operation_travel_in_one_request(pins: DatabricksJobPins, platform: Platform) -> None:
    pin(pins, "by_parameter", "4", op="start")

    (update,) = platform.jobs.updates
    assert update["new_settings"]["tags"]["countersign_op"] == "start"
    assert update["new_settings"]["parameters"][0] == {"name": "model_version", "default": "4"}


def test_a_repeated_operation_changes_nothing(pins: DatabricksJobPins, platform: Platform, job: str) -> None:
    known = pins.pinned(job).generation
    pins.pin(job, "4", expect_generation=known, op="start")

    again = pins.pin(job, "4", expect_generation=known, op="start")

    assert again.routes == (("4", 100),)
    assert len(platform.jobs.updates) == 1


def test_a_lost_answer_is_found_out_by_looking(pins: DatabricksJobPins, platform: Platform, job: str) -> None:
    known = pins.pinned(job).generation
    platform.lose.add(("POST", "jobs/update"))
    with pytest.raises(ServingUnavailableError):
        pins.pin(job, "4", expect_generation=known, op="start")

    assert pins.pin(job, "4", expect_generation=known, op="start").routes == (("4", 100),)
    assert len(platform.jobs.updates) == 1


def test_a_pin_changed_by_hand_makes_what_was_known_stale(pins: DatabricksJobPins, platform: Platform) -> None:
    pin(pins, "by_parameter", "4", op="start")
    known = pins.pinned("by_parameter").generation
    (platform.jobs.all[BY_PARAMETER].parameters or [])[0].default = "9"

    with pytest.raises(ConflictError, match="changed meanwhile"):
        pins.pin("by_parameter", "5", expect_generation=known, op="next")
    assert pins.pinned("by_parameter").routes == (("9", 100),)

    pin(pins, "by_parameter", "4", op="revert")
    assert pins.pinned("by_parameter").routes == (("4", 100),)


def test_a_pin_overwritten_in_the_same_moment_is_a_conflict(pins: DatabricksJobPins, platform: Platform) -> None:
    known = pins.pinned("by_parameter").generation

    def by_hand(method: str, path: str) -> None:
        if method == "GET" and platform.jobs.updates:
            platform.before = lambda _method, _path: None
            (platform.jobs.all[BY_PARAMETER].parameters or [])[0].default = "9"

    platform.before = by_hand
    with pytest.raises(ConflictError, match="version 9 pinned instead of 4"):
        pins.pin("by_parameter", "4", expect_generation=known, op="start")


@pytest.mark.parametrize(
    "place",
    [
        PinnedJob(job_id=BY_PARAMETER, parameter="version"),
        PinnedJob(job_id=BY_TASK, task="nothing"),
        PinnedJob(job_id=BY_TASK),
    ],
    ids=["no such parameter", "no such task", "no parameter of the job"],
)
def test_where_nothing_can_be_pinned_nothing_is_added(platform: Platform, place: PinnedJob) -> None:
    pins = DatabricksJobPins(Workspace(platform.connection()), {"job": place}, now=lambda: NOON)

    with pytest.raises(InputError):
        pins.pin("job", "4", expect_generation=0, op="start")
    assert platform.jobs.updates == []


def test_a_job_that_is_gone_is_unavailable_and_one_without_rights_is_refused(
    pins: DatabricksJobPins, platform: Platform
) -> None:
    known = pins.pinned("by_parameter").generation
    platform.forbidden.add(("POST", "jobs/update"))
    with pytest.raises(RefusalError):
        pins.pin("by_parameter", "4", expect_generation=known, op="start")
    del platform.jobs.all[BY_PARAMETER]
    with pytest.raises(ServingUnavailableError, match="does not exist"):
        pins.pinned("by_parameter")


def test_a_batch_deployment_goes_the_same_way_as_an_endpoint(
    platform: Platform, pins: DatabricksJobPins, tmp_path: Path
) -> None:
    serving = DatabricksServing(
        Workspace(platform.connection()),
        targets("score"),
        snapshots=SnapshotFiles(tmp_path),
        now=lambda: NOON,
        jobs=pins,
    )

    assert serving.deployments() == ("by_parameter", "by_task", "score")
    assert serving.ensure_ready("by_task", "4", op="start")
    known = serving.observe("by_task").generation
    after = serving.set_routes("by_task", (("4", 100),), expect_generation=known, op="start")

    assert after.routes == (("4", 100),)
    assert serving.capabilities("by_task").granularity == 100
    with pytest.raises(InputError, match="one version scores the whole run"):
        serving.set_routes("by_task", (("3", 50), ("4", 50)), expect_generation=after.generation, op="split")
    with pytest.raises(InputError, match="no requests to send again"):
        serving.set_mirror("by_task", "4", 100, expect_generation=after.generation, op="shadow")
    assert serving.probe_routed("by_task", 2).failed == 2
    assert serving.probe_version("by_task", "4").failed == 1
