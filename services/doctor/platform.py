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


def identity(settings: Settings) -> Iterator[Result]:
    if settings.databricks_identity != "headers":
        yield Result(name="identity", state=State.UNUSED, found="The platform's headers are not believed.")
        return
    yield Result(
        name="identity",
        state=State.WARNING,
        found="People are whom the proxy of Databricks Apps names, after the workspace confirmed it; whether the app "
        "was given the scope for that, only a visit shows.",
        fix="Open the app once as somebody the ledger knows; give it the scope iam.current-user:read.",
    )
