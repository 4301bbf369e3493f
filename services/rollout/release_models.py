"""A release: one approved version on its way from planned over shadow and canary to everything, or back.

A release belongs to one approved request. `Deployment` says where traffic is; the release says why it may move on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.kernel.health import Health
from services.kernel.secret import Secret
from services.policy.models import ShadowTerms as ShadowTerms  # noqa: PLC0414 - part of what a release says


class ReleaseState(StrEnum):
    PLANNED = "planned"
    """Approved; production is unchanged."""
    SHADOW = "shadow"
    """Receives copies of live requests; nobody gets its answers."""
    CANARY = "canary"
    """Answers a share of the live requests."""
    FULL = "full"
    """Answers everything; the version before is kept warm until the bake time is over."""
    PAUSED = "paused"
    """Held where it was: no step forward; every way back is open."""
    ABORTED = "aborted"
    """Stopped before it answered anybody."""
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"
    """A change of traffic could not be verified: what is served is mixed or unknown, and somebody is called."""
    RETIRED = "retired"
    """Another release took its place, or its time as way back is over."""

    @property
    def is_final(self) -> bool:
        return self in {ReleaseState.ABORTED, ReleaseState.ROLLED_BACK, ReleaseState.RETIRED}


class Hold(StrEnum):
    """Why a release is paused."""

    PERSON = "person"
    NO_DATA = "no-data"
    SHARE = "share"
    """The candidate gets another share of the requests than it was given."""
    SCORES = "scores"
    BUSINESS = "business"
    FREEZE = "freeze"
    DIFFERENCE = "difference"
    """What serves is not what was asked for."""
    MONITOR = "monitor"
    """A monitor that has to watch is gone."""
    EVIDENCE = "evidence"
    """It does worse than the version it replaces, and nothing that was signed brings it back by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    release_id: str
    model: str
    deployment: str
    kind: str
    """`realtime` or `batch`."""
    request_id: str
    candidate: str
    candidate_sha256: str
    base: str | None
    """The version it replaces, recorded when it was approved; the only target of a rollback of this release."""
    base_sha256: str
    state: ReleaseState
    share: int
    """Percent of live requests the candidate answers, as last verified."""
    plan: tuple[int, ...]
    shadow: ShadowTerms | None
    """None: the policy of the tier asks for none, or there is nothing to compare with."""
    stage_since: datetime
    """When the present state, or the present share, began."""
    created_at: datetime
    updated_at: datetime
    resumes_to: ReleaseState | None = None
    """Where a paused release goes on."""
    shadow_since: datetime | None = None
    shadow_closed: tuple[int, str] | None = None
    """(entry, leaf hash) of the signed closure of the shadow run."""
    hold: Hold | None = None
    hold_reason: str = ""
    accepted: tuple[tuple[str, float], ...] = ()
    """(metric, value) a person signed to go on with: the score shift of the closed shadow run, or of a resumed hold."""
    latched: bool = False
    """The machine rolled back once already; it does not do so again in this release."""
    analysis: str = ""
    """State of the sequential tests as JSON, so that they go on after a restart."""
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the checklist before a step, computed from state; never ticked by hand."""

    id: str
    title: str
    state: Health
    """HEALTHY holds, BREACH does not, UNKNOWN could not be found out; only HEALTHY lets a step through."""
    sentence: str
    target: str = ""
    """Screen where it is put right, as `screen?key=value`."""
    in_the_making: bool = False
    """What it rests on is being computed anew: no step is let through, and a running release waits for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOffer:
    """A step somebody could take now, or the sentence why not."""

    step: str
    """`start-shadow`, `close-shadow`, `start-canary`, `advance`, `hold`, `resume`, `abort`, `rollback`."""
    label: str
    enabled: bool
    reason: str = ""
    effect: str = ""
    """What it does to traffic, before the click."""
    share: int | None = None
    needs_reason: bool = False
    """It may be taken with a reason only, for example on low evidence; `reason` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseView:
    """A release with everything a screen shows about it."""

    release: Release
    checks: tuple[Check, ...]
    offers: tuple[StepOffer, ...]
    dwell_until: datetime | None
    """The earliest time of the next step, as far as time alone decides."""
    shadow: ShadowComparison | None
    analysis: Analysis | None
    plan_sentences: tuple[str, ...]
    plan_signers: tuple[str, ...]
    plan_id: str
    on_call: str
    events: tuple[ReleaseEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseEvent:
    at: datetime
    state: ReleaseState
    sentence: str
    actor: str
    seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCommand:
    """Command: start-shadow, close-shadow, start-canary, hold, resume or abort. Hold and abort need a reason."""

    command_id: str
    model: str
    release_id: str
    step: str
    reason: str
    challenge: str
    passphrase: Secret


# What is measured while a release runs


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryCell:
    """Requests of one version in one role during one tick."""

    version: str
    role: str
    """`live` or `mirror`."""
    tick: datetime
    """Start of the tick."""
    requests: int
    errors: int
    """Without answer or not answered well, over all requests."""
    failing_entities: tuple[str, ...] = ()
    """Distinct entities with a failed request in this tick: one broken caller counts once per stage."""
    latency: tuple[tuple[int, int], ...] = ()
    """(logarithmic bucket of services.reliability.latency, requests) of those that were answered."""
    scores: tuple[int, ...] = ()
    """Counts per bin of the edges that were asked for."""
    injected: int = 0
    wins: int | None = None
    """Requests of the tick that were followed by what the business counts; None where nobody records it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryBatch:
    """Counts only: the judge needs no payload. Complete up to `watermark`; None when nothing was ever recorded."""

    cells: tuple[TelemetryCell, ...]
    watermark: datetime | None
    dropped: int = 0
    """Mirrored copies that were dropped so that no caller waited."""
    failures_missing: str = ""
    """What is missing before few failures are good news, where the source may leave some out; empty: nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SameDecision:
    """When two answers to one request count as the same decision."""

    threshold: float | None = None
    """Both on the same side of it."""
    tolerance: float | None = None
    """Both within this distance, in the unit of the prediction."""
    recorded: bool = False
    """The threshold is the model's own; else one half is taken because none is recorded."""

    @property
    def sentence(self) -> str:
        if self.threshold is not None:
            whose = "the model's decision threshold" if self.recorded else "no decision threshold is recorded"
            return f"same side of {self.threshold:g} ({whose})"
        return f"less than {self.tolerance:g} apart" if self.tolerance is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowComparison:
    """Pairs of answers to the same requests: the live version's and the candidate's."""

    since: datetime
    until: datetime
    days: float
    records: int
    """Rows with both answers."""
    requests: int
    agreement: float | None
    """Share of rows with the same decision (same side of the threshold, or within tolerance for numbers), 0 to 1."""
    agreement_low: float | None
    agreement_high: float | None
    mean_difference: float | None
    """Candidate minus live, in the unit of the prediction."""
    psi: float | None
    """Population stability index of the candidate's scores against the live ones, deciles of the live ones."""
    live_p95_ms: float | None
    candidate_p95_ms: float | None
    live_errors: int
    candidate_errors: int
    would_breach: tuple[str, ...]
    """Promises of the service level the candidate would have broken, in words."""
    dropped: int
    histogram: tuple[tuple[float, float, int, int], ...] = ()
    """(from, to, live rows, candidate rows) per bin of the score."""
    method: str = "mirrored live requests"
    """Or `replayed requests` where the platform has no mirror; shown beside the figures."""
    judged_by: str = ""
    """When two answers counted as the same decision, in words; empty when nobody recorded it."""


class Verdict(StrEnum):
    """Of one metric or of all together. No data is never good news."""

    BREACH = "breach"
    GO = "go"
    UNDECIDED = "undecided"
    NO_DATA = "no-data"
    INVALID = "invalid"
    """The candidate gets another share than it should: nothing else that was measured can be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One metric, canary against control over the same window."""

    metric: str
    """`errors`, `latency`, `share`, `scores`, `business`, `go`, or `limit-<rule id>` for a rule of the plan."""
    title: str
    verdict: Verdict
    action: str
    """What crossing leads to: `roll-back` or `hold`; `advance` for the evidence that lets a stage be left upwards."""
    evidence: float | None
    """e-value: how strongly the data speak against "no worse"; crosses at `limit`. For a rule: the measured value."""
    limit: float | None
    canary_events: int
    canary_n: int
    control_events: int
    control_n: int
    sentence: str
    value: float | None = None
    """The measured size of the difference, where the test has one: the index of the scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmWindow:
    """What one version did between this look and the one before: for the chart, canary and base on one axis."""

    version: str
    role: str
    """`live` or `mirror`."""
    requests: int
    errors: int
    p95_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One look of the watcher at a running release."""

    release_id: str
    at: datetime
    stage_since: datetime
    watermark: datetime | None
    verdict: Verdict
    readings: tuple[Reading, ...]
    sentence: str
    detectable: str = ""
    """What this stage can find at all with this traffic, in words."""
    arms: tuple[ArmWindow, ...] = ()
    advice: str = ""
    """What follows for the release: `roll-back`, `hold`, `drain`, `advance`, or empty for going on as it is."""
    silent_minutes: float = 0.0
    """Since when nothing was heard of the candidate although something should have been."""
    impaired: bool = False
    """The live version breaks its limits too: serving is impaired, going back would not mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRules:
    """How long and on what evidence a stage may be left upwards."""

    min_time: timedelta
    min_requests: int
    hold_after: timedelta = timedelta(minutes=2)
    """Without telemetry for this long: paused."""
    drain_after: timedelta = timedelta(minutes=10)
    """Without telemetry for this long: back to the base."""
