"""Rows of releases as frozen values and back; looks are kept as one JSON document each."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from services.rollout.release_models import (
    Analysis,
    ArmWindow,
    Hold,
    Reading,
    Release,
    ReleaseEvent,
    ReleaseState,
    ShadowTerms,
    Verdict,
)

_PLAIN = (
    "release_id",
    "model",
    "deployment",
    "kind",
    "request_id",
    "candidate",
    "candidate_sha256",
    "base",
    "base_sha256",
    "share",
    "stage_since",
    "created_at",
    "updated_at",
    "shadow_since",
    "hold_reason",
    "latched",
    "analysis",
    "revision",
)


def release_from(row: Row[Any]) -> Release:
    closed = None if row.shadow_closed_seq is None else (row.shadow_closed_seq, row.shadow_closed_leaf)
    return Release(
        **{name: getattr(row, name) for name in _PLAIN},
        state=ReleaseState(row.state),
        plan=tuple(json.loads(row.plan)),
        accepted=tuple((str(metric), float(value)) for metric, value in json.loads(row.accepted)),
        shadow=ShadowTerms(**json.loads(row.shadow)) if row.shadow else None,
        resumes_to=ReleaseState(row.resumes_to) if row.resumes_to else None,
        shadow_closed=closed,
        hold=Hold(row.hold) if row.hold else None,
    )


def release_values(release: Release) -> dict[str, Any]:
    seq, leaf = release.shadow_closed or (None, "")
    return {name: getattr(release, name) for name in _PLAIN} | {
        "state": release.state.value,
        "plan": json.dumps(release.plan),
        "accepted": json.dumps(release.accepted),
        "shadow": json.dumps(asdict(release.shadow)) if release.shadow else "",
        "resumes_to": release.resumes_to.value if release.resumes_to else None,
        "shadow_closed_seq": seq,
        "shadow_closed_leaf": leaf,
        "hold": release.hold.value if release.hold else None,
    }


def event_from(row: Row[Any]) -> ReleaseEvent:
    return ReleaseEvent(at=row.at, state=ReleaseState(row.state), sentence=row.sentence, actor=row.actor, seq=row.seq)


def analysis_text(analysis: Analysis) -> str:
    return json.dumps(asdict(analysis), default=_plain, separators=(",", ":"), ensure_ascii=False)


def analysis_from(text: str) -> Analysis:
    """Fields that an earlier release did not write read as absent."""
    data: dict[str, Any] = json.loads(text)
    watermark = data["watermark"]
    return Analysis(
        **{
            **data,
            "at": datetime.fromisoformat(data["at"]),
            "stage_since": datetime.fromisoformat(data["stage_since"]),
            "watermark": datetime.fromisoformat(watermark) if watermark else None,
            "verdict": Verdict(data["verdict"]),
            "readings": tuple(Reading(**{**item, "verdict": Verdict(item["verdict"])}) for item in data["readings"]),
            "arms": tuple(ArmWindow(**item) for item in data.get("arms", ())),
        }
    )


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
