"""Lakebase signs in with a token that lives an hour: asked for before it ends, as the password of each new connection.

    projects/P/branches/B/endpoints/E      Lakebase Autoscaling
    instance:NAME                          a provisioned instance

Expiry counts when a connection is made and not afterwards, so connections that are open go on. Calls and fields:
`WorkspaceClient.postgres.generate_database_credential`, `WorkspaceClient.database.generate_database_credential`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from services.kernel.errors import StorageUnavailableError
from services.kernel.secret import Secret

_EARLY = timedelta(minutes=10)
_INSTANCE = "instance:"
_UNKNOWN_LIFE = timedelta(minutes=20)
"""How long a token is used whose end the platform did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    text: Secret
    ends_at: datetime


Ask = Callable[[str], Token]
"""Endpoint or instance to a fresh token; raises whatever the platform's client raises."""


class LakebaseToken:
    """Implements sql.tuning.Password. Threads that connect at once share one question."""

    def __init__(
        self, place: str, *, ask: Ask | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._place = place
        self._ask = ask or ask_platform
        self._now = now
        self._turn = threading.Lock()
        self._held: Token | None = None

    def __call__(self, *, fresh: bool = False) -> str:
        """Raises StorageUnavailableError when the platform gives none; a token that still lives is used until then."""
        with self._turn:
            held, now = self._held, self._now()
            if fresh or held is None or held.ends_at - now <= _EARLY:
                held = self._renewed(None if fresh else held, now)
                self._held = held
            return held.text.reveal()

    def _renewed(self, held: Token | None, now: datetime) -> Token:
        try:
            return self._ask(self._place)
        except Exception as away:  # noqa: BLE001 - whatever the platform's client raises
            if held is not None and held.ends_at > now:
                return held
            # The client's own words may repeat what it sent.
            raise StorageUnavailableError(
                f"The platform gave no token for the governance database ({type(away).__name__}). "
                "Nothing was signed or recorded.",
                hint="Check DATABRICKS_HOST and its credentials, COUNTERSIGN_DATABASE_TOKEN, and that the account may "
                "connect to this database.",
            ) from None


def ask_platform(place: str) -> Token:
    """Signs in as the Databricks SDK finds it in the environment; short limits, as a start waits for the answer."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    client = WorkspaceClient(config=Config(http_timeout_seconds=10, retry_timeout_seconds=20))
    if place.startswith(_INSTANCE):
        name = place.removeprefix(_INSTANCE)
        given = client.database.generate_database_credential(request_id=str(uuid4()), instance_names=[name])
        return token_of(given.token, given.expiration_time)
    asked = client.postgres.generate_database_credential(endpoint=place)
    return token_of(asked.token, asked.expire_time)


def token_of(text: str | None, ends: Any) -> Token:
    """The end comes as text in one interface and as a protobuf timestamp in the other."""
    if not text:
        msg = "The answer holds no token."
        raise ValueError(msg)
    if isinstance(ends, str) and ends:
        at = datetime.fromisoformat(ends)
    elif ends is not None and hasattr(ends, "ToDatetime"):
        at = cast("datetime", ends.ToDatetime(tzinfo=UTC))
    else:
        at = datetime.now(UTC) + _UNKNOWN_LIFE
    return Token(text=Secret(text), ends_at=at if at.tzinfo else at.replace(tzinfo=UTC))
