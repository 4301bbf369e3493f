"""The answer while no version answers: the last good scores of the entities, marked with their age, or a refusal."""

from __future__ import annotations

import json
from datetime import datetime

from services.adapters.local.gateway.asking import Call, Outcome, failure
from services.adapters.local.gateway.stored import StoredScore, StoredScores

RETRY_AFTER_SECONDS = 60

_Headers = tuple[tuple[str, str], ...]


def from_stock(stored: StoredScores, call: Call, *, now: datetime) -> tuple[str, Outcome, _Headers]:
    """(version, outcome, headers). All rows are known, or the whole request is refused: half an answer misleads."""
    entities = _entities(call)
    try:
        found = stored.find(call.deployment.name, entities)
    except OSError as broken:
        return _refused(f"No version answers, and {broken}.")
    known = [item for item in found if item is not None]
    if len(known) == call.scoring.rows and known:
        return _answered(known, now)
    if not entities:
        return _refused(
            "No version answers at the moment. Name the entity of each row (`entities`, or the header "
            "X-Countersign-Entity for a single row) to get its last batch score."
        )
    missing = len(found) - len(known)
    return _refused(
        f"No version answers at the moment, and there is no batch score for {missing} of {len(found)} entities. "
        "Ask again later, or send the known ones alone."
    )


def _entities(call: Call) -> tuple[str, ...]:
    if call.scoring.entities:
        return call.scoring.entities
    return (call.envelope.entity,) if call.envelope.entity and call.scoring.rows == 1 else ()


def _answered(known: list[StoredScore], now: datetime) -> tuple[str, Outcome, _Headers]:
    versions = sorted({item.version for item in known})
    oldest = min(item.scored_at for item in known)
    body = {
        "predictions": [item.score for item in known],
        "served_from": "last batch scores",
        "versions": [item.version for item in known],
        "scored_at": [item.scored_at.isoformat(timespec="seconds") for item in known],
    }
    headers = (
        ("X-Countersign-Mode", "batch_only"),
        ("X-Countersign-Scored-At", oldest.isoformat(timespec="seconds")),
        ("X-Countersign-Age-Seconds", str(max(int((now - oldest).total_seconds()), 0))),
    )
    return ",".join(versions), Outcome(status=200, body=json.dumps(body).encode()), headers


def _refused(sentence: str) -> tuple[str, Outcome, _Headers]:
    headers = (("X-Countersign-Mode", "batch_only"), ("Retry-After", str(RETRY_AFTER_SECONDS)))
    return "", failure(503, sentence), headers
