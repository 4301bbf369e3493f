"""What a release is asked for and what is measured of it, as values a test sets. Nothing is asked until one does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.inventory.models import GovernedModel
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Health
from services.rollout.job_evidence import JobPart
from services.rollout.release_models import (
    Analysis,
    Check,
    Reading,
    Release,
    ShadowComparison,
    StageRules,
    Verdict,
)


@dataclass(slots=True)
class Conditions:
    unarmed: str = ""
    """What the monitors say is missing; empty when they are armed."""
    window: str = ""
    """The freeze window every model is in."""
    rules: StageRules = field(default_factory=lambda: StageRules(min_time=timedelta(0), min_requests=0))
    records: int | None = 6000
    """Compared records of a shadow run; None: they cannot be read."""
    breaches: tuple[str, ...] = ()
    job: Callable[[GovernedModel], JobPart | None] = lambda _model: None
    """What approvals say about a deployment job; None where they let none go on."""

    def armed(self, model: str, version: str) -> tuple[Check, ...]:
        state = Health.BREACH if self.unarmed else Health.HEALTHY
        words = self.unarmed or f"Version {version} of {model} is watched."
        return (Check(id="service-level", title="Service level", state=state, sentence=words),)

    def frozen(self, model: str) -> str:
        return self.window

    def stage_rules(self, release: Release) -> StageRules:
        return self.rules

    def compare(
        self,
        deployment: str,
        *,
        live: str,
        candidate: str,
        since: datetime,
        until: datetime,
        threshold: float | None,
        tolerance: float | None,
    ) -> ShadowComparison:
        if self.records is None:
            raise TelemetryUnavailableError(f"The copies of {deployment} cannot be read.")
        return ShadowComparison(
            since=since,
            until=until,
            days=(until - since) / timedelta(days=1),
            records=self.records,
            requests=self.records,
            agreement=0.991,
            agreement_low=0.988,
            agreement_high=0.993,
            mean_difference=0.002,
            psi=0.03,
            live_p95_ms=40.0,
            candidate_p95_ms=44.0,
            live_errors=1,
            candidate_errors=2,
            would_breach=self.breaches,
            dropped=0,
        )


def a_look(release: Release, *, at: datetime, verdict: Verdict = Verdict.GO, **changes: Any) -> Analysis:
    """One look of the watcher at this stage; `n` requests reached the candidate."""
    n = changes.pop("n", 1000)
    values: dict[str, Any] = {
        "release_id": release.release_id,
        "at": at,
        "stage_since": release.stage_since,
        "watermark": at,
        "verdict": verdict,
        "readings": (a_reading(verdict=verdict, n=n),),
        "sentence": f"{n} requests; {verdict.value}.",
    }
    return Analysis(**(values | changes))


def a_reading(*, verdict: Verdict = Verdict.GO, n: int = 1000, action: str = "roll-back", **changes: Any) -> Reading:
    values: dict[str, Any] = {
        "metric": "errors",
        "title": "Failed requests",
        "verdict": verdict,
        "action": action,
        "evidence": 0.4,
        "limit": 250.0,
        "canary_events": 1,
        "canary_n": n,
        "control_events": 9,
        "control_n": n * 9,
        "sentence": f"1 of {n} failed, 9 of {n * 9} before.",
    }
    return Reading(**(values | changes))
