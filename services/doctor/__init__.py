"""`python -m services doctor`: every connection, permission and version, looked at without changing anything.

Parts that do not answer never hide the others, and no part is called healthy because nothing was heard of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from services import databases
from services.adapters.mlflow.registry import MlflowRegistry
from services.doctor import (
    feature_tables,
    inference_tables,
    machine,
    mirror,
    outside,
    platform,
    platform_rights,
    sign_in,
)
from services.doctor.governance import Governance
from services.doctor.guard import Check, looked_at
from services.doctor.models import Result, State
from services.kernel.clock import Clock, SystemClock
from services.kernel.errors import SettingsError, StorageUnavailableError
from services.kernel.masking import Mask, secrets_of
from services.settings import Profile, Settings, mask_of, read_settings

__all__ = ["examine"]

_DATABASE_AWAY = "First bring the database back, then look again."
_DATABASE_FIX = "Check COUNTERSIGN_DATABASE_URL, the network between, the account and that the server runs."
_REGISTRY_FIX = "Check COUNTERSIGN_MLFLOW_URI, the network between and the credentials."
_ENDPOINT_FIX = "Start the endpoint, or check COUNTERSIGN_SERVING_URL."
_WORKSPACE_FIX = "Check DATABRICKS_HOST, its credentials, and the rights named in docs/databricks.md."
_TABLES_FIX = "Check COUNTERSIGN_DATABRICKS_TABLES, the warehouse and its credentials."
_CATALOG_FIX = "Check COUNTERSIGN_CATALOG_FILE, the warehouse and its credentials."
_LOOK = "Look at it by hand; the program's log may say more."


def examine(environment: Mapping[str, str], *, clock: Clock | None = None, **given: Any) -> tuple[Result, ...]:
    """Every part in order, without any secret in any text. Raises nothing."""
    try:
        settings = read_settings(**given)
    except SettingsError as invalid:
        mask = Mask(secrets_of((), (), environment))
        found = [
            Result(name="settings", state=State.FAULT, found=fault, fix="Correct this environment variable.")
            for fault in invalid.faults
        ]
        found.append(
            Result(
                name="everything else",
                state=State.UNKNOWN,
                found="Not looked at: it is not known where things are.",
                fix="Correct the settings first.",
            )
        )
    else:
        mask = mask_of(settings, environment)
        found = [
            Result(name="settings", state=State.OK, found=f"Valid; profile {settings.profile.value}."),
            *_parts(settings, environment, clock or SystemClock()),
        ]
    return tuple(result.cleaned(mask(result.found), mask(result.fix)) for result in found)


def _parts(settings: Settings, environment: Mapping[str, str], clock: Clock) -> Iterator[Result]:
    yield from looked_at("settings", lambda: machine.variables(environment), fix=_LOOK)
    yield from looked_at("python", machine.python, fix=_LOOK)
    yield from looked_at("libraries", machine.libraries, fix=_LOOK)
    yield from looked_at("home folder", lambda: machine.disk(settings.home), fix=_LOOK)
    yield from looked_at(
        "key bundle", lambda: machine.bundle(settings), away=State.FAULT, fix="Put the key bundle again."
    )
    yield from looked_at("key files", lambda: machine.key_files(settings), fix="Restore the key folder.")
    yield from looked_at(
        "key service", lambda: machine.key_services(settings), away=State.FAULT, fix="Look at the key service."
    )
    yield from looked_at("private files", lambda: machine.private_files(settings), fix=_LOOK)
    yield from looked_at("sign-in", lambda: sign_in.sign_in(settings, environment), fix=_LOOK)
    yield from _governance(settings, clock)
    if settings.profile is Profile.DATABRICKS:
        yield from _workspace(settings, clock)
        return
    mlflow = MlflowRegistry(settings.registry_uri, settings.artifacts_folder)
    outer: tuple[tuple[str, Check, State, str], ...] = (
        ("registry", lambda: outside.registry(settings, mlflow, clock), State.FAULT, _REGISTRY_FIX),
        ("aliases", lambda: outside.aliases(settings, mlflow), State.UNKNOWN, _REGISTRY_FIX),
        ("endpoint", lambda: outside.endpoint(settings), State.FAULT, _ENDPOINT_FIX),
        ("warehouse", lambda: outside.warehouse(settings), State.FAULT, "Check the warehouse and its credentials."),
        ("inference tables", lambda: inference_tables.inference(settings, clock), State.FAULT, _TABLES_FIX),
        ("feature tables", lambda: feature_tables.feature_tables(settings, clock), State.FAULT, _CATALOG_FIX),
        ("connections", lambda: outside.connections(settings), State.UNKNOWN, _LOOK),
        ("channels", lambda: outside.channels(settings), State.UNKNOWN, _LOOK),
    )
    for name, check, away, fix in outer:
        yield from looked_at(name, check, away=away, fix=fix)


def _workspace(settings: Settings, clock: Clock) -> Iterator[Result]:
    for name, check in (
        ("workspace", platform.principal),
        ("registry", lambda: platform.registry(settings)),
        ("rights", lambda: platform_rights.rights(settings)),
        ("endpoints", lambda: platform_rights.endpoints(settings)),
        ("identity", lambda: platform.identity(settings)),
        ("warehouse", lambda: outside.warehouse(settings)),
        ("inference tables", lambda: inference_tables.inference(settings, clock)),
        ("feature tables", lambda: feature_tables.feature_tables(settings, clock)),
        ("connections", lambda: outside.connections(settings)),
        ("channels", lambda: outside.channels(settings)),
    ):
        yield from looked_at(name, check, away=State.FAULT, fix=_WORKSPACE_FIX)


def _governance(settings: Settings, clock: Clock) -> Iterator[Result]:
    missing = _missing_file(settings)
    if missing is not None:
        yield Result(
            name="database",
            state=State.FAULT,
            found=f"There is no database {missing.name} in {settings.home}.",
            fix="Prepare a workspace (python -m services prepare), or set COUNTERSIGN_HOME to where it is.",
        )
        yield from _not_looked_at()
        return
    opened = list(looked_at("database", lambda: _reached(settings, clock), away=State.FAULT, fix=_DATABASE_FIX))
    yield from opened
    if any(result.state in {State.FAULT, State.UNKNOWN} for result in opened):
        yield from _not_looked_at()
        return
    database = databases.connect(settings)
    try:
        part = Governance(settings, database, clock)
        schema = looked_at("schema", part.schema, fix=_DATABASE_AWAY)
        yield from schema
        for name, check in (
            ("rights", part.privileges),
            ("protections", part.triggers),
            ("ledger", part.ledger),
            ("anchors", part.anchors),
            ("clock", part.clock),
            ("worker", part.worker),
            ("second factor", part.second_factor),
            ("system tables", lambda: mirror.mirror(settings, database, clock)),
        ):
            yield from looked_at(name, check, fix=_DATABASE_AWAY)
    finally:
        database.dispose()


def _reached(settings: Settings, clock: Clock) -> Iterator[Result]:
    database = databases.connect(settings)
    try:
        yield from Governance(settings, database, clock).reachable()
    except StorageUnavailableError as away:
        yield Result(name="database", state=State.FAULT, found=away.message, fix=_DATABASE_FIX)
    finally:
        database.dispose()


def _missing_file(settings: Settings) -> Path | None:
    """Opening a SQLite file that is not there would create it."""
    prefix = "sqlite:///"
    if not settings.governance_url.startswith(prefix):
        return None
    file = Path(settings.governance_url.removeprefix(prefix))
    return None if file.exists() else file


def _not_looked_at() -> Iterator[Result]:
    for name in (
        "schema",
        "rights",
        "protections",
        "ledger",
        "anchors",
        "clock",
        "worker",
        "second factor",
        "system tables",
    ):
        yield Result(name=name, state=State.UNKNOWN, found="The database did not answer.", fix=_DATABASE_AWAY)
