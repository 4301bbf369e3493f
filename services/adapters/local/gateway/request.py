"""What a caller sends, read once: the scoring body for the model, and the keys that are only for us.

Body: MLflow's `{"dataframe_split": {...}}` or `{"dataframe_records": [...]}`, optionally with `prediction_ids` and
`entities`, one per row; both are taken out before the model sees the body. Headers: `X-Countersign-Entity` is the
key the split follows; `X-Countersign-Probe`, `X-Countersign-Event-At` and `X-Countersign-Request` need the admin
token, because each of them changes what the log says.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.adapters.local.gateway.table import RefusedError

MAX_BODY_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The headers of one call, before its body is understood."""

    request_id: str
    key: str
    """What the split follows: the entity, or the request where none was named."""
    entity: str
    probe: bool
    event_at: datetime
    version: str = ""
    """The version that was asked for by name, or empty: the routes decide."""

    @property
    def role(self) -> str:
        """What was asked by name says nothing about what callers get."""
        return "rerun" if self.version else "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """The body for the model, and the rows as they will be logged."""

    body: bytes
    rows: int
    ids: tuple[str, ...]
    entities: tuple[str, ...]


def read_envelope(headers: Mapping[str, str], *, is_admin: bool, now: datetime) -> Envelope:
    """Raises RefusedError 403 when a header that rewrites the log comes without the token, 422 for a bad time."""
    given = [name for name in ("probe", "event-at", "request", "version") if f"x-countersign-{name}" in headers]
    if given and not is_admin:
        raise RefusedError(403, f"X-Countersign-{given[0].title()} is only accepted with the endpoint's admin token.")
    request_id = headers.get("x-countersign-request") or f"req-{secrets.token_hex(10)}"
    entity = headers.get("x-countersign-entity", "")
    return Envelope(
        request_id=request_id,
        key=entity or request_id,
        entity=entity,
        probe="x-countersign-probe" in headers,
        event_at=_time(headers["x-countersign-event-at"]) if "x-countersign-event-at" in headers else now,
        version=_named(headers.get("x-countersign-version", "")),
    )


def read_scoring(data: bytes, request_id: str) -> Scoring:
    """Raises RefusedError 400 for a body that is not understood, 422 for ids that do not fit the rows."""
    if len(data) > MAX_BODY_BYTES:
        raise RefusedError(413, f"A request may have {MAX_BODY_BYTES // 2**20} MiB; send fewer rows at once.")
    try:
        document = json.loads(data)
        rows = _count(document)
    except (ValueError, KeyError, TypeError) as strange:
        raise RefusedError(
            400, 'Send JSON with "dataframe_split" (columns, data) or "dataframe_records" (a list of rows).'
        ) from strange
    ids = _labels(document.pop("prediction_ids", None), rows, "prediction_ids")
    entities = _labels(document.pop("entities", None), rows, "entities")
    return Scoring(
        body=json.dumps(document, separators=(",", ":")).encode(),
        rows=rows,
        ids=ids or tuple(f"{request_id}-{number}" for number in range(rows)),
        entities=entities,
    )


def scores_of(answer: bytes) -> list[float]:
    """One number per row: the prediction itself, or the last of several (the positive class comes last).

    Raises ValueError for an answer that has no such number.
    """
    try:
        predictions = json.loads(answer)["predictions"]
        return [_number(item) for item in predictions]
    except (KeyError, TypeError, IndexError) as strange:
        raise ValueError("the model's answer has no predictions") from strange


def _number(item: Any) -> float:
    if isinstance(item, Mapping):
        item = item["score"] if "score" in item else list(item.values())
    if isinstance(item, list):
        item = item[-1]
    return float(item)


def _count(document: Any) -> int:
    if "dataframe_split" in document:
        return len(document["dataframe_split"]["data"])
    return len(document["dataframe_records"])


def _labels(given: Any, rows: int, name: str) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) != rows:
        raise RefusedError(422, f'"{name}" must have one text for each of the {rows} rows.')
    return tuple(str(item) for item in given)


def _named(version: str) -> str:
    if version and (not version.isdigit() or len(version) > 9):
        raise RefusedError(422, "X-Countersign-Version must be the number of a version.")
    return version


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as strange:
        raise RefusedError(422, "X-Countersign-Event-At must be an ISO 8601 time.") from strange
    if at.tzinfo is None:
        raise RefusedError(422, "X-Countersign-Event-At must name its time zone.")
    return at.astimezone(UTC)
