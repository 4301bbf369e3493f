"""Whether a registry answers, and what this account may do there, without changing anything.

The right to move an alias is asked for with a version that cannot exist: MLflow decides about the right before it
looks for the version, so a refusal and a version that is not found are different answers, and neither writes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

import httpx

from services.adapters.mlflow.initialise import store_file
from services.adapters.mlflow.registry import MlflowRegistry
from services.adapters.mlflow.translate import translated
from services.kernel.errors import RegistryUnavailableError

_NO_SUCH_VERSION = str(2**31 - 1)
_PROBE_ALIAS = "countersign-doctor"
_SECONDS = 10.0
_REFUSED = {"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}


class Right(StrEnum):
    HELD = "held"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    version: str
    at: datetime | None
    """The server's clock, where it tells the time."""


def first_model(registry: MlflowRegistry) -> str | None:
    """The name of a registered model; None when there is none yet. Raises RegistryUnavailableError."""
    client = registry.client()
    with translated("its models"):
        page = client.search_registered_models(max_results=1)
    return str(page[0].name) if page else None


def may_move_aliases(registry: MlflowRegistry, model: str) -> Right:
    """Raises RegistryUnavailableError when the registry does not answer."""
    import requests
    from mlflow.exceptions import MlflowException

    client = registry.client()
    try:
        client.set_registered_model_alias(model, _PROBE_ALIAS, _NO_SUCH_VERSION)
    except MlflowException as answer:
        code = str(answer.error_code)
        if code == "RESOURCE_DOES_NOT_EXIST":
            return Right.HELD
        return Right.REFUSED if code in _REFUSED else Right.UNKNOWN
    except requests.RequestException as away:
        raise RegistryUnavailableError(f"The registry did not answer ({type(away).__name__}).") from away
    # A registry that points aliases at nothing: taken back at once, and nothing is concluded from it.
    client.delete_registered_model_alias(model, _PROBE_ALIAS)
    return Right.UNKNOWN


def may_write_file(tracking_uri: str) -> bool | None:
    """Of a store in a file; None for a server."""
    file = store_file(tracking_uri)
    return None if file is None else os.access(file, os.W_OK)


def server(tracking_uri: str) -> Server | None:
    """What a tracking server says about itself; None for one that does not. Raises RegistryUnavailableError."""
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(
            f"{tracking_uri.rstrip('/')}/version",
            auth=(user, password) if user and password else None,
            headers=headers,
            timeout=_SECONDS,
        )
    except httpx.HTTPError as away:
        raise RegistryUnavailableError(
            f"The tracking server did not answer ({type(away).__name__}).",
            hint="Check COUNTERSIGN_MLFLOW_URI, the network between, and that the server runs.",
        ) from away
    if answer.status_code in {401, 403}:
        raise RegistryUnavailableError(
            f"The tracking server refused this account ({answer.status_code}).",
            hint="Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.",
        )
    text = answer.text.strip()
    if answer.status_code != 200 or not text[:1].isdigit() or len(text) > 40:
        return None
    return Server(version=text, at=_moment(answer.headers.get("date", "")))


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
