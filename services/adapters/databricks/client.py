"""One connection to a workspace, made when it is first needed: constructing an SDK client already asks the host.

Every call is one HTTP request with a short limit. The SDK's own waiting is off unless patience was given: it would
sleep as long as the platform asks, and it would send a change again without anybody having looked whether the first
one arrived. Whoever only reads may be given a few seconds of patience.
"""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.clock import Clock as SdkClock
from databricks.sdk.config import Config

from services.adapters.databricks.errors import (
    Redactor,
    WaitRefusedError,
    cleaned,
    in_our_words,
    in_registry_words,
)
from services.kernel.errors import SettingsError
from services.kernel.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where the workspace is, and as whom: a token, the id and secret of a service principal, or whom a job runs as."""

    host: str
    token: Secret | None = None
    client_id: str = ""
    client_secret: Secret | None = None
    in_runtime: bool = False
    """In a job of the platform: its runtime gives tokens of the principal the job runs as, and renews them."""
    timeout_seconds: float = 8.0
    patience_seconds: float = 0.0
    """For reading alone: how long the SDK may wait and ask again when it is throttled; 0 asks once."""


class _ShortWaiting(SdkClock):
    """Waits as the platform asks, but never longer at once than it was given."""

    def __init__(self, longest: float) -> None:
        self._longest = longest

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        if seconds > self._longest:
            raise WaitRefusedError(seconds)
        time.sleep(seconds)


class Workspace:
    """Safe to share between threads."""

    def __init__(self, connection: Connection) -> None:
        if not connection.host:
            raise SettingsError("The address of the Databricks workspace is missing.")
        pair = connection.client_id and connection.client_secret
        if not connection.token and not pair and not connection.in_runtime:
            raise SettingsError(
                f"There are no credentials for {connection.host}.",
                hint="Give a token, or client id and client secret of a service principal.",
            )
        self._connection = connection
        self._lock = threading.Lock()
        self._client: WorkspaceClient | None = None
        secrets = [item.reveal() for item in (connection.token, connection.client_secret) if item]
        self._redactor = Redactor(*secrets)

    @property
    def client(self) -> WorkspaceClient:
        """Use it inside `asking` or `changing` only."""
        with self._lock:
            if self._client is None:
                self._client = WorkspaceClient(config=_config(self._connection))
            return self._client

    def asking(self, what: str) -> AbstractContextManager[None]:
        """Around one reading call: whatever goes wrong is ServingUnavailableError."""
        return in_our_words(what, self._redactor, reading=True)

    def changing(self, what: str) -> AbstractContextManager[None]:
        """Around one changing call. Raises ConflictError, InputError, RefusalError or ServingUnavailableError."""
        return in_our_words(what, self._redactor)

    def registry(self, what: str) -> AbstractContextManager[None]:
        """Around one call about Unity Catalog. Raises UnknownVersionError, RegistryUnavailableError."""
        return in_registry_words(what, self._redactor)

    def cleaned(self, vendor: Exception) -> Exception:
        """The same error without anything secret in it, to chain from."""
        return cleaned(vendor, self._redactor)


def _config(connection: Connection) -> Config:
    # The kind of sign-in is named, so that other credentials in the environment are neither used nor in the way.
    who: dict[str, Any]
    if connection.token:
        who = {"token": connection.token.reveal(), "auth_type": "pat"}
    elif connection.client_secret:
        secret = connection.client_secret.reveal()
        who = {"client_id": connection.client_id, "client_secret": secret, "auth_type": "oauth-m2m"}
    else:
        who = {"auth_type": "runtime"}
    return Config(
        host=connection.host,
        http_timeout_seconds=connection.timeout_seconds,
        retry_timeout_seconds=max(1, round(connection.patience_seconds)),
        clock=_ShortWaiting(connection.patience_seconds),
        product="countersign",
        product_version="0.1.0",
        **who,
    )
