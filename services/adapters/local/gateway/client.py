"""How the workspace itself calls the endpoint: rows of a frame with their ids, entities and moment in the calendar."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import aiohttp
import pandas as pd

from services.kernel.errors import ServingUnavailableError

_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What came back. `status` 503 without a version means that nothing is in production."""

    status: int
    version: str
    rows: int
    seconds: float
    error: str

    @property
    def good_rows(self) -> int:
        return self.rows if self.status == 200 else 0


class Caller:
    """An async context manager around one connection pool."""

    def __init__(self, url: str, *, token_file: Path, connections: int = 8) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            token = self._token_file.read_text().strip()
        except OSError as missing:
            raise ServingUnavailableError(
                f"The key of the local endpoint ({self._token_file}) cannot be read.", hint="Start it with `make run`."
            ) from missing
        # The endpoint keeps idle connections for 75 seconds: this side must be the one that closes them.
        connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=30)
        self._session = aiohttp.ClientSession(
            connector=connector, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def score(
        self,
        deployment: str,
        rows: pd.DataFrame,
        entities: pd.Series,
        *,
        at: datetime,
        request_id: str,
        version: str = "",
    ) -> Scored:
        """One request; its rows are named by the frame's index. With `version` that one answers, routed or not.

        Raises ServingUnavailableError when nobody answers.
        """
        if self._session is None:
            raise RuntimeError("Caller is used outside its `async with` block")
        headers = {
            "Content-Type": "application/json",
            "X-Countersign-Event-At": at.isoformat(),
            "X-Countersign-Request": request_id,
        }
        if version:
            headers["X-Countersign-Version"] = version
        started = time.perf_counter()
        try:
            async with self._session.post(
                f"{self._url}/endpoints/{deployment}/invocations", data=_body(rows, entities), headers=headers
            ) as answer:
                text = await answer.read()
                return Scored(
                    status=answer.status,
                    version=answer.headers.get("X-Countersign-Version", ""),
                    rows=len(rows),
                    seconds=time.perf_counter() - started,
                    error="" if answer.status == 200 else _sentence(text),
                )
        except (aiohttp.ClientError, TimeoutError) as away:
            raise ServingUnavailableError(
                f"The local endpoint at {self._url} did not answer ({type(away).__name__}).",
                hint="It is started again by itself; the next attempt goes on from here.",
            ) from away


def _body(rows: pd.DataFrame, entities: pd.Series) -> bytes:
    document = {
        "prediction_ids": [str(name) for name in rows.index],
        "entities": [str(thing) for thing in entities],
        "dataframe_split": {
            "columns": list(rows.columns),
            "data": list(zip(*(_values(rows[column]) for column in rows.columns), strict=True)),
        },
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _values(column: pd.Series) -> list[Any]:
    """Plain values, None for what is missing: column by column, which pandas' own writer does row by row."""
    return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124 - only NaN differs from itself


def _sentence(text: bytes) -> str:
    try:
        return str(json.loads(text)["error"])[:300]
    except (ValueError, KeyError, TypeError):
        return "The endpoint gave no reason."
