"""What lies outside: registry, endpoint, warehouse, named connections, channels for notices. Read only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import version as installed

from packaging.version import InvalidVersion, Version

from services.adapters.databricks.statements import Warehouse, workspace
from services.adapters.local.serving import LocalServing
from services.adapters.mlflow import probing
from services.adapters.mlflow.registry import MlflowRegistry
from services.adapters.notify.channels import ConfiguredChannels
from services.adapters.warehouse.sources import Estates
from services.doctor.governance import skew
from services.doctor.models import Result, State
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError
from services.kernel.secret import Secret
from services.settings import DATABRICKS_SIGN_IN, Profile, Settings

_OLDEST_SERVER = Version("3.0")


def registry(settings: Settings, mlflow: MlflowRegistry, clock: Clock) -> Iterator[Result]:
    """Raises RegistryUnavailableError."""
    if settings.profile is Profile.MLFLOW:
        yield from _server(settings, clock)
    model = probing.first_model(mlflow)
    where = "the store in a file" if probing.may_write_file(settings.registry_uri) is not None else "the server"
    words = "its models can be listed." if model else "it holds no model yet."
    yield Result(name="registry", state=State.OK, found=f"MLflow {installed('mlflow')} reads {where}; {words}")


def _server(settings: Settings, clock: Clock) -> Iterator[Result]:
    told = probing.server(settings.registry_uri)
    if told is None:
        yield Result(
            name="registry version",
            state=State.UNKNOWN,
            found="The tracking server does not say which release it is.",
            fix="Check that COUNTERSIGN_MLFLOW_URI is the root of an MLflow server; a proxy must pass /version on.",
        )
        return
    ours = installed("mlflow")
    try:
        old = Version(told.version) < _OLDEST_SERVER
    except InvalidVersion:
        old = True
    yield Result(
        name="registry version",
        state=State.FAULT if old else State.OK,
        found=f"The server is MLflow {told.version}, the client {ours}.",
        fix="Upgrade the server to MLflow 3; older ones do not keep what an approval is bound to." if old else "",
    )
    if told.at is not None:
        yield skew("registry clock", told.at - clock.now(), "the tracking server")


def aliases(settings: Settings, mlflow: MlflowRegistry) -> Iterator[Result]:
    """Raises RegistryUnavailableError."""
    writable = probing.may_write_file(settings.registry_uri)
    if writable is not None:
        probing.first_model(mlflow)
        yield _alias_right(probing.Right.HELD if writable else probing.Right.REFUSED)
        return
    model = probing.first_model(mlflow)
    if model is None:
        yield Result(
            name="aliases",
            state=State.UNKNOWN,
            found="The registry holds no model, so the right to move an alias cannot be asked for.",
            fix="Register a model, then look again.",
        )
        return
    yield _alias_right(probing.may_move_aliases(mlflow, model))


def _alias_right(right: probing.Right) -> Result:
    if right is probing.Right.HELD:
        return Result(name="aliases", state=State.OK, found="This account may move aliases; none was moved.")
    if right is probing.Right.REFUSED:
        return Result(
            name="aliases",
            state=State.FAULT,
            found="This account may not move aliases, so no signed decision can be carried out.",
            fix="Give it the permission to edit registered models (MLflow: EDIT or MANAGE; a file: write access).",
        )
    return Result(
        name="aliases",
        state=State.UNKNOWN,
        found="The registry's answer does not say whether this account may move aliases.",
        fix="Try it by hand with a model that serves nobody.",
    )


def endpoint(settings: Settings) -> Iterator[Result]:
    """Raises ServingUnavailableError."""
    if settings.profile is not Profile.EMBEDDED and not settings.serving_url:
        yield Result(
            name="endpoint",
            state=State.UNUSED,
            found="No endpoint is connected: versions are approved and aliases moved, traffic is not.",
            fix="Set COUNTERSIGN_SERVING_URL to let Countersign move traffic.",
        )
        return
    serving = LocalServing(settings.endpoint_url, token_file=settings.keys_folder / "gateway.token")
    try:
        known = serving.deployments()
        serving.processes()  # asks with the key: who may not look may not move traffic either
    finally:
        serving.close()
    yield Result(name="endpoint", state=State.OK, found=f"Answers for {len(known)} deployments, and takes the key.")


def warehouse(settings: Settings) -> Iterator[Result]:
    """Raises TelemetryUnavailableError."""
    if not settings.databricks_warehouse:
        yield Result(name="warehouse", state=State.UNUSED, found="No SQL warehouse is named.")
        return
    missing = [name for name in DATABRICKS_SIGN_IN[:1] if not os.environ.get(name)]
    if missing:
        yield Result(
            name="warehouse",
            state=State.FAULT,
            found=f"A SQL warehouse is named, but {missing[0]} is not set.",
            fix="Set the address of the workspace and its credentials.",
        )
        return
    answer = Warehouse(client=workspace, warehouse_id=settings.databricks_warehouse).rows("SELECT 1 AS one")
    answered = bool(answer) and answer[0].get("one") == "1"
    yield Result(
        name="warehouse",
        state=State.OK if answered else State.UNKNOWN,
        found="The SQL warehouse answers." if answered else "The SQL warehouse answered something else than asked.",
        fix="" if answered else "Look at the warehouse's query history.",
    )


def connections(settings: Settings) -> Iterator[Result]:
    """One line for each named connection that monitors may read."""
    estates = Estates(
        folders=settings.monitor_folders, connections=Secret(settings.monitor_connections.get_secret_value())
    )
    names = estates.places().connections
    if not names:
        yield Result(name="connections", state=State.UNUSED, found="No table outside is named for monitors.")
    for name in names:
        try:
            estates.try_connection(name)
        except ControlRoomError as away:
            yield Result(
                name=f"connection {name}",
                state=State.FAULT,
                found=away.message,
                fix=away.hint or "Correct its address in COUNTERSIGN_MONITOR_CONNECTIONS.",
            )
        else:
            yield Result(name=f"connection {name}", state=State.OK, found="Opens, for reading.")


def channels(settings: Settings) -> Iterator[Result]:
    """Addresses are opened, nothing is sent."""
    known = ConfiguredChannels(
        settings.channels_file,
        urls=Secret(settings.notify_urls.get_secret_value()),
        base_url=settings.notify_base_url,
    )
    found = [*known.faults(), *(words for channel in known.all() if (words := known.problem(channel.name)))]
    if found:
        yield Result(
            name="channels",
            state=State.WARNING,
            found=" ".join(found),
            fix="Correct the channels; until then these notices stay in the app.",
        )
    elif not known.all():
        yield Result(name="channels", state=State.UNUSED, found="No channel is named: notices stay in the app.")
    else:
        yield Result(name="channels", state=State.OK, found=f"{len(known.all())} can be opened; no message was sent.")
