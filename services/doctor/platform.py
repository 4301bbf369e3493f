"""The workspace behind the profile `databricks`: who the app is there, and what it may read. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

from services import on_databricks
from services.doctor.models import Result, State
from services.settings import Settings


def principal() -> Iterator[Result]:
    """Raises SettingsError, ServingUnavailableError."""
    workspace = on_databricks.workspace()
    with workspace.asking("The workspace did not say who this app is"):
        found = workspace.client.current_user.me()
    name = found.display_name or found.user_name or found.id
    yield Result(name="workspace", state=State.OK, found=f"Answers; this app is {name} there.")


def registry(settings: Settings) -> Iterator[Result]:
    """Raises RegistryUnavailableError."""
    source = on_databricks.registry(settings)
    listed = source.listed()
    where = ", ".join(settings.catalog_schemas) or "everything this app may see"
    if not listed:
        yield Result(
            name="registry",
            state=State.UNKNOWN,
            found=f"Unity Catalog lists no model in {where}; a missing right looks the same.",
            fix="Grant USE CATALOG, USE SCHEMA and EXECUTE to the app's principal, or correct "
            "COUNTERSIGN_DATABRICKS_SCHEMAS.",
        )
        return
    source.read_model(listed[0].name, {})
    yield Result(
        name="registry", state=State.OK, found=f"Unity Catalog lists {len(listed):,} models in {where}; one was read."
    )


def aliases() -> Iterator[Result]:
    yield Result(
        name="aliases",
        state=State.WARNING,
        found="Unity Catalog says whether aliases may be moved only when one is moved.",
        fix="Make a group that holds the app's principal the owner of the models; the first promotion shows it.",
    )


def endpoints(settings: Settings) -> Iterator[Result]:
    """Every endpoint and job that a model is served by. Raises SettingsError, ServingUnavailableError."""
    if not settings.databricks_serving:
        yield Result(
            name="endpoints",
            state=State.UNUSED,
            found="No endpoint is named: versions are approved and aliases moved, traffic is not.",
            fix="Set COUNTERSIGN_DATABRICKS_SERVING to let Countersign move traffic.",
        )
        return
    workspace = on_databricks.workspace()
    with workspace.asking("The endpoints cannot be listed"):
        known = {item.name for item in workspace.client.serving_endpoints.list()}
    missing = sorted(
        item.endpoint for item in settings.databricks_serving.values() if item.endpoint and item.endpoint not in known
    )
    if missing:
        yield Result(
            name="endpoints",
            state=State.WARNING,
            found=f"Not there, or not to be seen by this app: {', '.join(missing)}. They are made with the first "
            "approved version.",
            fix="Check the names, or grant CAN_MANAGE on the endpoints.",
        )
        return
    yield Result(
        name="endpoints",
        state=State.OK,
        found=f"{len(settings.databricks_serving)} models have an endpoint or job.",
    )


def identity(settings: Settings) -> Iterator[Result]:
    if settings.databricks_identity != "headers":
        yield Result(name="identity", state=State.UNUSED, found="The platform's headers are not believed.")
        return
    yield Result(
        name="identity",
        state=State.OK,
        found="People are whom the proxy of Databricks Apps names, after the workspace confirmed it.",
    )
