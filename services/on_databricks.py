"""What stands behind the ports in the profile `databricks`. Wiring only; the SDK is loaded where it is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from services.adapters.mlflow.unity_catalog import Catalog
from services.adapters.mlflow.unity_files import CatalogFiles
from services.adapters.mlflow.unity_registry import UnityRegistry
from services.adapters.sql.database import Database
from services.adapters.sql.ops import SqlOps
from services.adapters.sql.sweeping import SqlSweep
from services.inventory.models import GovernedModel
from services.inventory.sweeping import Sweep
from services.kernel.clock import Clock
from services.kernel.errors import SettingsError
from services.kernel.secret import Secret
from services.people.platform_sign_in import PlatformSignIn
from services.people.ports import EventRecorder
from services.people.service import PeopleService
from services.profile_rules import RUNTIME
from services.rollout.deployment_jobs import DeploymentApprovals
from services.rollout.job_evidence import PART, JobEvidence, JobPart
from services.settings import Settings

if TYPE_CHECKING:
    from services.adapters.databricks.changes import ServedModel
    from services.adapters.databricks.client import Connection, Workspace
    from services.adapters.databricks.job_pins import PinnedJob
    from services.adapters.databricks.serving import DatabricksServing

PATIENCE_SECONDS = 20.0
"""How long a reading call may wait while the platform throttles; only the worker and the command line read."""


def connection(environment: Mapping[str, str] | None = None, *, patience: float = 0.0) -> Connection:
    """The workspace and the app's own principal, as the environment names them.

    The pair of a service principal comes first, the token that a job's runtime gives last.
    Raises SettingsError when something is missing.
    """
    from services.adapters.databricks.client import Connection

    given = os.environ if environment is None else environment
    host, pair = given.get("DATABRICKS_HOST", ""), given.get("DATABRICKS_CLIENT_SECRET", "")
    if not host:
        raise SettingsError("DATABRICKS_HOST, the address of the workspace, is not set.")
    if pair and given.get("DATABRICKS_CLIENT_ID"):
        return Connection(
            host=host, client_id=given["DATABRICKS_CLIENT_ID"], client_secret=Secret(pair), patience_seconds=patience
        )
    token = given.get("DATABRICKS_TOKEN", "")
    return Connection(
        host=host,
        token=Secret(token) if token else None,
        in_runtime=bool(given.get(RUNTIME)),
        patience_seconds=patience,
    )


def workspace(*, patience: float = 0.0) -> Workspace:
    """Nothing is asked before it is used. Raises SettingsError for a connection without credentials."""
    from services.adapters.databricks.client import Workspace

    return Workspace(connection(patience=patience))


def registry(settings: Settings) -> UnityRegistry:
    reading = workspace(patience=PATIENCE_SECONDS)
    return UnityRegistry(Catalog(reading, workspace()), CatalogFiles(reading), schemas=settings.catalog_schemas)


def sweep(settings: Settings, database: Database, source: object, clock: Clock) -> Sweep | None:
    """For Unity Catalog; every other registry is small enough to be read at once."""
    if not isinstance(source, UnityRegistry):
        return None
    return Sweep(
        registry=source,
        store=SqlSweep(database),
        clock=clock,
        full_every=timedelta(hours=settings.databricks_reread_hours),
    )


def serving(settings: Settings, clock: Clock) -> DatabricksServing:
    """Endpoints and jobs of `COUNTERSIGN_DATABRICKS_SERVING`."""
    from services.adapters.databricks.changes import ServedModel
    from services.adapters.databricks.job_pins import PinnedJob

    endpoints = {
        model: ServedModel(
            endpoint=item.endpoint,
            model=model,
            probe=item.probe,
            workload_size=item.workload_size,
            workload_type=item.workload_type,
        )
        for model, item in settings.databricks_serving.items()
        if item.endpoint
    }
    jobs = {
        model: PinnedJob(job_id=item.job, parameter=item.parameter, task=item.task)
        for model, item in settings.databricks_serving.items()
        if item.job
    }
    return serving_of(settings, connection(), endpoints=endpoints, jobs=jobs, clock=clock)


def serving_of(
    settings: Settings,
    where: Connection,
    *,
    endpoints: Mapping[str, ServedModel],
    jobs: Mapping[str, PinnedJob],
    clock: Clock,
) -> DatabricksServing:
    """Databricks Model Serving, for `open_control_room`.

    Nothing is asked of the workspace here. Raises SettingsError for a connection without credentials.
    """
    from services.adapters.databricks.client import Workspace
    from services.adapters.databricks.job_pins import DatabricksJobPins
    from services.adapters.databricks.serving import DatabricksServing
    from services.adapters.databricks.snapshots import SnapshotFiles

    at = Workspace(where)
    return DatabricksServing(
        at,
        endpoints,
        snapshots=SnapshotFiles(settings.serving_folder / "databricks"),
        jobs=DatabricksJobPins(at, jobs, now=clock.now),
        now=clock.now,
    )


def platform_sign_in(
    settings: Settings, *, people: PeopleService, ledger: EventRecorder, clock: Clock
) -> PlatformSignIn | None:
    """None unless the settings say that the proxy of Databricks Apps stands in front."""
    if settings.databricks_identity != "headers":
        return None
    from services.adapters.databricks.people import WorkspacePeople

    return PlatformSignIn(people=people, directory=WorkspacePeople(connection().host), ledger=ledger, clock=clock)


def job_evidence(settings: Settings, database: Database, source: object, clock: Clock) -> JobEvidence | None:
    """None unless approvals are to let deployment jobs go on."""
    if not settings.databricks_deployment_jobs or not isinstance(source, UnityRegistry):
        return None
    from services.adapters.databricks.deployment_jobs import WorkspaceJobs

    return JobEvidence(
        connections=SqlSweep(database),
        reader=WorkspaceJobs(workspace(), source),
        memory=SqlOps(database),
        clock=clock,
    )


def job_part(evidence: JobEvidence | None) -> Callable[[GovernedModel], JobPart | None]:
    """What an approval of a model says about its deployment job; nothing where approvals let none go on."""
    return evidence.part if evidence is not None else lambda _model: None


def deployment_jobs(
    evidence: JobEvidence | None,
    database: Database,
    source: object,
    *,
    versions: Callable[[str], tuple[str, ...]],
    standing: Callable[[str, str], str],
    signed: Callable[[str, str], Mapping[str, str]],
    ledger: EventRecorder,
    clock: Clock,
) -> DeploymentApprovals | None:
    """`signed`: parts of the evidence of the approval that stands. None unless approvals let deployment jobs go on."""
    if evidence is None or not isinstance(source, UnityRegistry):
        return None
    from services.adapters.databricks.deployment_jobs import WorkspaceJobs

    return DeploymentApprovals(
        jobs=WorkspaceJobs(workspace(), source),
        connected=SqlSweep(database).connected,
        tagged=SqlSweep(database).approval_tags,
        versions=versions,
        standing=standing,
        signed=lambda model, version: signed(model, version).get(PART, ""),
        evidence=evidence,
        memory=SqlOps(database),
        ledger=ledger,
        clock=clock,
    )
