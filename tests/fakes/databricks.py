"""The real Databricks adapter against the workspace on localhost, with deployments that stand for nothing yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.adapters.databricks.changes import ServedModel
from services.adapters.databricks.client import Workspace
from services.adapters.databricks.serving import DatabricksServing
from services.adapters.databricks.snapshots import SnapshotFiles
from services.adapters.mlflow.unity_catalog import Catalog
from services.adapters.mlflow.unity_files import CatalogFiles
from services.adapters.mlflow.unity_registry import UnityRegistry
from tests.contract.databricks_server.server import TOKEN, Platform, a_workspace

SCHEMA = "main.claims"
PROBE = {"dataframe_records": [{"dep_delay": 1.0}]}
NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    platform: Platform
    serving: DatabricksServing
    snapshots: SnapshotFiles

    def ready(self, deployment: str, *versions: str) -> None:
        for version in versions:
            while not self.serving.ensure_ready(deployment, version, op=f"load-{version}"):
                pass

    def route(self, deployment: str, *routes: tuple[str, int], op: str) -> None:
        """Sets the shares and waits until the platform carried it out."""
        generation = self.serving.observe(deployment).generation
        self.serving.set_routes(deployment, routes, expect_generation=generation, op=op)
        self.platform.endpoints.settle(deployment)


def a_catalog(
    platform: Platform, environment: pytest.MonkeyPatch | None = None, *, schemas: tuple[str, ...] = ()
) -> UnityRegistry:
    """The registry of that workspace. MLflow's own client signs in with what the environment says."""
    if environment is not None:
        environment.setenv("DATABRICKS_HOST", platform.url)
        environment.setenv("DATABRICKS_TOKEN", TOKEN)
    reading = Workspace(platform.connection(patience_seconds=6.0))
    return UnityRegistry(Catalog(reading, Workspace(platform.connection())), CatalogFiles(reading), schemas=schemas)


def targets(*names: str) -> dict[str, ServedModel]:
    return {name: ServedModel(endpoint=name, model=f"{SCHEMA}.{name}", probe=dict(PROBE)) for name in names}


@contextmanager
def a_scene(folder: Path, *names: str, versions: str = "123", **changes: Any) -> Iterator[Scene]:
    """`versions` of each model are registered in Unity Catalog."""
    with a_workspace() as platform:
        platform.endpoints.registered |= {(f"{SCHEMA}.{name}", version) for name in names for version in versions}
        snapshots = SnapshotFiles(folder / "snapshots")
        serving = DatabricksServing(
            Workspace(platform.connection()), targets(*names), snapshots=snapshots, now=lambda: NOON, **changes
        )
        yield Scene(platform=platform, serving=serving, snapshots=snapshots)
