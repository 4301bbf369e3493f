"""Values of the watcher's tests: a canary at 10 %, a look at it, and the rules of its signed plan."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.policy.models import RollbackRule
from services.rollout.release_models import (
    Analysis,
    Reading,
    Release,
    ReleaseState,
    StageRules,
    TelemetryCell,
    Verdict,
)
from tests.builders import MODEL, NOON

RULES = StageRules(min_time=timedelta(minutes=30), min_requests=200)
ERRORS = RollbackRule(id="errors", measure="error_rate", above="0.05", unit="share", window_minutes=5, min_requests=50)
SLOW = RollbackRule(id="slow", measure="p95_ms", above="500", unit="ms", window_minutes=5, min_requests=50)
WORSE = RollbackRule(id="worse", measure="error_evidence", above="250", unit="", window_minutes=60, min_requests=3)
SILENT = RollbackRule(id="silent", measure="silence_minutes", above="10", unit="min", window_minutes=10, min_requests=1)


def a_release(**changes: Any) -> Release:
    values: dict[str, Any] = {
        "release_id": "rel-1",
        "model": MODEL,
        "deployment": MODEL,
        "kind": "realtime",
        "request_id": "req-1",
        "candidate": "2",
        "candidate_sha256": "2" * 64,
        "base": "1",
        "base_sha256": "1" * 64,
        "state": ReleaseState.CANARY,
        "share": 10,
        "plan": (10, 100),
        "shadow": None,
        "stage_since": NOON,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Release(**(values | changes))


def a_reading(metric: str, verdict: Verdict = Verdict.BREACH, **changes: Any) -> Reading:
    values: dict[str, Any] = {
        "metric": metric,
        "title": metric,
        "verdict": verdict,
        "action": "roll-back",
        "evidence": 0.2,
        "limit": 0.05,
        "canary_events": 20,
        "canary_n": 100,
        "control_events": 1,
        "control_n": 900,
        "sentence": f"What was measured about {metric}.",
    }
    return Reading(**(values | changes))


def an_analysis(*readings: Reading, **changes: Any) -> Analysis:
    values: dict[str, Any] = {
        "release_id": "rel-1",
        "at": NOON,
        "stage_since": NOON,
        "watermark": NOON,
        "verdict": Verdict.UNDECIDED,
        "readings": readings,
        "sentence": "Nothing speaks against the version so far.",
    }
    return Analysis(**(values | changes))


def a_cell(minute: float, *, version: str = "2", **changes: Any) -> TelemetryCell:
    values: dict[str, Any] = {
        "version": version,
        "role": "live",
        "tick": NOON + timedelta(minutes=minute),
        "requests": 10,
        "errors": 0,
    }
    return TelemetryCell(**(values | changes))
