"""The settings of a deployment job are part of what people sign: the real SDK against the workspace on localhost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from databricks.sdk.service.jobs import JobSettings, Task

from services.adapters.databricks.client import Workspace
from services.adapters.databricks.deployment_jobs import WorkspaceJobs
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.ops import SqlOps
from services.adapters.sql.sweeping import SqlSweep
from services.approvals.models import Decision, RequestView
from services.inventory.models import DeploymentKind
from services.inventory.sweeping import Sweep
from services.kernel.clock import FrozenClock
from services.kernel.errors import ControlRoomError, GateNotPassedError, StaleEvidenceError, StaleRequestError
from services.rollout.job_evidence import NONE, PART, Connection, JobEvidence, part_digest
from tests.builders import MODEL, World, a_model
from tests.contract.databricks_server.server import Platform, a_workspace
from tests.fakes.databricks import a_catalog
from tests.unit.approvals.acting import objections

THERE, JOB, OTHER = "main.claims.score", 55, 56
"""The model's name in the catalog; in this world it has a short one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderItsName:
    store: SqlSweep

    def connection(self, _model: str) -> Connection | None:
        return self.store.connection(THERE)

    def jobs(self) -> tuple[str, ...]:
        return self.store.jobs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    world: World
    platform: Platform
    sweep: Sweep
    evidence: JobEvidence

    def look(self, **later: float) -> int:
        """What the worker does in a minute; how many requests turned void."""
        clock = self.world.clock
        assert isinstance(clock, FrozenClock)
        clock.set(clock.now() + timedelta(**(later or {"minutes": 1})))
        self.sweep.run()
        with suppress(ControlRoomError):  # told by the worker's task; what was known stays
            self.evidence.refresh()
        return self.world.approvals.revalidate()

    def signed_once(self) -> str:
        self.world.submit("3")
        request_id = self.world.request_of("3").request_id
        self.world.sign_off(request_id, "vera.validator", Decision.APPROVE)
        return request_id

    def view(self, request_id: str) -> RequestView:
        return self.world.approvals.get(request_id, actor=self.world.actor("otto.auditor"))

    def change_the_job(self) -> None:
        self.platform.jobs.all[JOB].tasks = [Task(task_key="Deployment")]


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    """A model whose deployment job is known."""
    with a_workspace() as platform:
        platform.models.add(THERE, 1, files={"MLmodel": b"flavors: {}\n"})
        platform.models.all[THERE].deployment_job = str(JOB)
        keys = ("Evaluation", "Approval_Check", "Deployment")
        platform.jobs.all[JOB] = JobSettings(name="deploy", tasks=[Task(task_key=key) for key in keys])
        catalog, store = a_catalog(platform), SqlSweep(world.database)
        SqlInventory(world.database).put_catalog((a_model(name=THERE),))
        evidence = JobEvidence(
            connections=UnderItsName(store=store),
            reader=WorkspaceJobs(Workspace(platform.connection()), catalog),
            memory=SqlOps(world.database),
            clock=world.clock,
        )
        world.asked.job = evidence.part
        made = Scene(
            world=world,
            platform=platform,
            sweep=Sweep(registry=catalog, store=store, clock=world.clock),
            evidence=evidence,
        )
        made.look()
        yield made


def test_signatures_turn_void_and_name_the_job_when_its_settings_change_after_signing(scene: Scene) -> None:
    request_id = scene.signed_once()
    assert scene.look() == 0, "nothing changed"
    scene.change_the_job()

    assert scene.look() == 1

    cause = scene.view(request_id).signatures[0].void_reason
    assert cause.startswith("Void: The settings of the deployment job changed: ")
    assert scene.world.entries("event:signatures-void") == 1
    with pytest.raises(StaleEvidenceError, match="The settings of the deployment job changed"):
        scene.world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    assert objections(scene.world) == set(), "neither verifier objects to the log offline"


def test_after_the_change_it_is_submitted_again_and_signed_with_the_new_settings(scene: Scene) -> None:
    scene.signed_once()
    scene.change_the_job()
    scene.look()

    scene.world.approve("3")

    settings = scene.evidence.reader.settings_of(str(JOB))
    assert scene.world.approvals.signed_parts(MODEL, "3")[PART] == part_digest(str(JOB), settings)


def test_a_signature_is_refused_when_the_settings_changed_before_the_worker_voided_anything(scene: Scene) -> None:
    request_id = scene.signed_once()
    scene.change_the_job()
    scene.evidence._tried.clear()
    scene.evidence.refresh()
    with pytest.raises(StaleEvidenceError, match="The settings of the deployment job changed"):
        scene.world.sign_off(request_id, "clara.compliance", Decision.APPROVE)


def test_another_job_with_the_same_settings_is_a_change(scene: Scene) -> None:
    request_id = scene.signed_once()
    scene.platform.jobs.all[OTHER] = scene.platform.jobs.all[JOB]
    scene.platform.models.all[THERE].deployment_job = str(OTHER)
    assert scene.look() == 1
    assert "deployment job changed" in scene.view(request_id).signatures[0].void_reason


def test_a_model_without_a_deployment_job_says_so_and_connecting_one_voids(scene: Scene) -> None:
    scene.platform.models.all[THERE].deployment_job = ""
    scene.look()
    request_id = scene.signed_once()
    assert dict(scene.view(request_id).parts)[PART] == NONE.sha256
    scene.platform.models.all[THERE].deployment_job = str(JOB)
    assert scene.look() == 1
    assert "deployment job changed" in scene.view(request_id).signatures[0].void_reason


def test_a_complete_approval_outlives_a_later_change_of_the_job_which_is_not_sent_on_by_it(scene: Scene) -> None:
    scene.world.approve("3")
    signed = scene.world.approvals.signed_parts(MODEL, "3")[PART]
    scene.change_the_job()
    assert scene.look() == 0
    assert scene.world.approvals.approved(MODEL, "3").valid
    assert signed != part_digest(str(JOB), scene.evidence.reader.settings_of(str(JOB)))


def test_settings_that_cannot_be_read_for_long_are_not_known_so_nobody_signs_and_nothing_falls(scene: Scene) -> None:
    request_id = scene.signed_once()
    scene.platform.forbidden.add(("GET", "jobs/get"))
    assert scene.look() == 0
    assert scene.view(request_id).stale == "", "a short failure is bridged by what was read before"

    assert scene.look(minutes=40) == 0

    assert "were last read at" in scene.view(request_id).stale
    assert scene.view(request_id).signatures[0].valid
    with pytest.raises(StaleEvidenceError, match=r"Not everything could be found out.*deployment job"):
        scene.world.sign_off(request_id, "clara.compliance", Decision.APPROVE)
    scene.platform.forbidden.clear()
    scene.look()
    scene.world.sign_off(request_id, "clara.compliance", Decision.APPROVE)


def test_a_job_that_was_never_read_blocks_the_request_with_the_reason(scene: Scene) -> None:
    scene.platform.models.all[THERE].deployment_job = str(OTHER)
    scene.look()
    with pytest.raises(GateNotPassedError, match="settings of deployment job 56 were never read"):
        scene.world.submit("3")


def test_a_copy_that_does_not_hold_the_model_yet_says_nothing_about_its_job(scene: Scene) -> None:
    part = scene.evidence.part
    scene.platform.models.all.pop(THERE)
    scene.platform.models.add("main.claims.other", 1)
    scene.look()
    found = part(a_model())
    assert (found.sha256, "does not say yet" in found.sentence) == ("", True)
    assert part(a_model(kind=DeploymentKind.VENDOR)) == NONE, "a supplier's model is in no registry of ours"


def test_nothing_is_signed_about_jobs_where_approvals_let_none_go_on(world: World) -> None:
    world.approve("3")
    assert PART not in world.approvals.signed_parts(MODEL, "3")


def test_without_an_approval_that_stands_there_are_no_signed_parts(scene: Scene) -> None:
    scene.signed_once()
    with pytest.raises(StaleRequestError, match="No approval of"):
        scene.world.approvals.signed_parts(MODEL, "3")


def test_one_job_that_cannot_be_read_does_not_keep_the_others_from_being_read(scene: Scene) -> None:
    scene.platform.models.add("main.claims.gone", 1)
    scene.platform.models.all["main.claims.gone"].deployment_job = "12"
    SqlInventory(scene.world.database).put_catalog((a_model(name=THERE), a_model(name="main.claims.gone")))
    scene.sweep.run()
    scene.evidence._tried.clear()
    with pytest.raises(ControlRoomError, match="deployment job 12"):
        scene.evidence.refresh()
    assert scene.evidence.part(a_model()).sha256
