"""A release in memory: a canary at 10 % that can be held, aborted and looked at; shadow for one more model."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from services.attestation.models import Receipt
from services.kernel.errors import IllegalTransitionError, RoleMissingError, TelemetryUnavailableError
from services.kernel.health import Health
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission
from services.rollout.endpoint_models import EndpointVersion, EndpointView
from services.rollout.release_models import (
    Analysis,
    ArmWindow,
    Check,
    Hold,
    Reading,
    Release,
    ReleaseEvent,
    ReleaseState,
    ReleaseView,
    ShadowComparison,
    ShadowTerms,
    StepCommand,
    StepOffer,
    Verdict,
)
from tests.fakes.room_sample import NOW, at

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

CANARY = Release(
    release_id="rel-0002",
    model="delay_claim_score",
    deployment="delay_claim_score",
    kind="realtime",
    request_id="req-0002",
    candidate="4",
    candidate_sha256="c" * 64,
    base="3",
    base_sha256="b" * 64,
    state=ReleaseState.CANARY,
    share=10,
    plan=(5, 10, 20, 100),
    shadow=ShadowTerms(min_days=3, min_records=5000),
    stage_since=at(2.5),
    created_at=at(120),
    updated_at=at(0.1),
    shadow_since=at(100),
    shadow_closed=(30, "d" * 64),
)
SHADOW = replace(
    CANARY,
    release_id="rel-0003",
    model="claims_triage",
    deployment="claims_triage",
    kind="batch",
    state=ReleaseState.SHADOW,
    share=0,
    shadow_since=at(30),
    shadow_closed=None,
    stage_since=at(30),
)
COMPARISON = ShadowComparison(
    since=at(30),
    until=NOW,
    days=1.25,
    records=2310,
    requests=2310,
    agreement=0.962,
    agreement_low=0.953,
    agreement_high=0.969,
    mean_difference=0.004,
    psi=0.031,
    live_p95_ms=61.0,
    candidate_p95_ms=74.0,
    live_errors=2,
    candidate_errors=1,
    would_breach=(),
    dropped=4,
    judged_by="same side of 0.31 (the model's decision threshold)",
    histogram=tuple((n / 10, (n + 1) / 10, 400 - 30 * n, 390 - 29 * n) for n in range(10)),
)
CHECKS = (
    Check(id="owners", title="Owners and on-call", state=Health.HEALTHY, sentence="Ben Okafor, Sam Lindqvist."),
    Check(id="telemetry", title="Telemetry", state=Health.HEALTHY, sentence="Complete up to 6 seconds ago."),
    Check(
        id="drift",
        title="Drift monitor",
        state=Health.UNKNOWN,
        sentence="No reference of version 4 was read yet.",
        target="drift?model=delay_claim_score",
    ),
    Check(id="freeze", title="Freeze windows", state=Health.HEALTHY, sentence="None today."),
)


def looks() -> tuple[Analysis, ...]:
    return tuple(
        Analysis(
            release_id="rel-0002",
            at=NOW - timedelta(minutes=2 * (40 - n)),
            stage_since=at(2.5),
            watermark=NOW - timedelta(minutes=2 * (40 - n), seconds=6),
            verdict=Verdict.UNDECIDED,
            readings=READINGS,
            sentence="No sign that version 4 is worse; not yet enough to say that it keeps the promise.",
            detectable="This stage finds 5 % errors within about 8 minutes, twice the response time within 5.",
            arms=(
                ArmWindow(version="3", role="live", requests=1100, errors=n % 3, p95_ms=58 + n % 7),
                ArmWindow(version="4", role="live", requests=120, errors=n % 5 == 0, p95_ms=66 + n % 9),
            ),
        )
        for n in range(40)
    )


READINGS = (
    Reading(
        metric="errors",
        title="Failed requests",
        verdict=Verdict.UNDECIDED,
        action="roll-back",
        evidence=0.8,
        limit=250,
        canary_events=3,
        canary_n=1210,
        control_events=22,
        control_n=10880,
        sentence="3 of 1,210 canary requests failed, champion 0.20 %.",
    ),
    Reading(
        metric="latency",
        title="Response time",
        verdict=Verdict.GO,
        action="roll-back",
        evidence=0.3,
        limit=250,
        canary_events=51,
        canary_n=1210,
        control_events=512,
        control_n=10880,
        sentence="4.2 % slower than 107 ms, champion 4.7 %.",
    ),
    Reading(
        metric="share",
        title="Share of requests",
        verdict=Verdict.GO,
        action="hold",
        evidence=0.1,
        limit=1000,
        canary_events=1210,
        canary_n=12090,
        control_events=10880,
        control_n=12090,
        sentence="10.0 % of the requests, asked for 10 %.",
    ),
)


def endpoints(*, away: bool = False) -> tuple[EndpointView, ...]:
    """A real-time endpoint in canary, a batch one, and one that belongs to nobody."""
    versions = (
        EndpointVersion(
            version="3", state="ready", role="live", share=90, pid=41, memory_bytes=151_000_000, cpu_percent=4,
            requests_per_minute=37.5, requests=375, errors=1, p50_ms=21, p95_ms=61, window_seconds=600,
        ),
        EndpointVersion(
            version="4", state="ready", role="live", share=10, pid=42, memory_bytes=149_000_000, cpu_percent=1,
            requests_per_minute=4.1, requests=41, errors=0, p50_ms=24, p95_ms=70, window_seconds=600,
            fault="test-panel",
        ),
        EndpointVersion(version="2", state="failed", reason="Its files are gone.", role="", restarts=3),
    )  # fmt: skip
    common: dict[str, Any] = {
        "update": "idle",
        "pending": (),
        "generation": 12,
        "last_op": "act-1",
        "last_op_words": "advance of version 4",
        "read_at": at(0.02),
        "problem": "The local endpoint is not reachable." if away else "",
        "mirror_kind": "live",
    }
    return (
        EndpointView(
            model="delay_claim_score", deployment="delay_claim_score", kind="realtime", desired=(("3", 90), ("4", 10)),
            routes=(("3", 90), ("4", 10)), mode="live", mirror=None, versions=versions, differs=False,
            stored_entities=1204, stored_newest=at(3), **common,
        ),
        EndpointView(
            model="claims_triage", deployment="claims_triage", kind="batch", desired=(("3", 100),),
            routes=(("2", 100),), mode="live", mirror=("4", 100), versions=(), differs=True, copies=2310,
            copies_dropped=4, **common,
        ),
    )  # fmt: skip


class FakeReleases:
    """`held` after a hold, `aborted` after an abort; every command is kept in the room's `written`."""

    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def view(self, model: str) -> ReleaseView | None:
        self._answer()
        if self._room.mode == "empty":
            return None
        release = {"delay_claim_score": CANARY, "claims_triage": SHADOW}.get(model)
        return self._view(self._moved(release)) if release else None

    def running(self) -> tuple[ReleaseView, ...]:
        self._answer()
        return () if self._room.mode == "empty" else (self._view(CANARY), self._view(SHADOW))

    def history(self, model: str) -> tuple[Release, ...]:
        return () if self._room.mode == "empty" else (CANARY,)

    def looks(self, release_id: str, *, limit: int = 300) -> tuple[Analysis, ...]:
        return looks()[-limit:]

    def checklist(self, model: str, version: str | None = None) -> tuple[Check, ...]:
        return CHECKS

    def plan(self, step: str, model: str, *, actor: Actor) -> str:
        needed = Permission.ROLL_BACK if step in {"hold", "abort"} else Permission.ADVANCE_ROLLOUT
        if needed not in ROLE_PERMISSIONS[actor.role]:
            raise RoleMissingError("Only a site reliability engineer takes the steps of a release.")
        return "ch-step"

    def take(self, command: StepCommand, *, actor: Actor) -> Receipt:
        if command.step == "start-canary" and command.model == "claims_triage":
            raise IllegalTransitionError("Shadow needs 3 days and 5,000 records: 1.2 days and 2,310 so far.")
        return self._room.write(command)

    def _moved(self, release: Release) -> Release:
        taken = [item for item in self._room.written if isinstance(item, StepCommand) and item.model == release.model]
        if taken and taken[-1].step == "hold":
            return replace(
                release,
                state=ReleaseState.PAUSED,
                resumes_to=release.state,
                hold=Hold.PERSON,
                hold_reason=taken[-1].reason,
            )
        return release

    def _view(self, release: Release) -> ReleaseView:
        shadow = release.state is ReleaseState.SHADOW
        return ReleaseView(
            release=release,
            checks=CHECKS,
            offers=_offers(release),
            dwell_until=NOW + timedelta(minutes=35),
            shadow=COMPARISON if shadow else None,
            analysis=None if shadow else looks()[-1],
            plan_sentences=(
                "Error rate above 5 % over 5 minutes with at least 50 requests: back to version 3.",
                "Response time p95 above 500 ms over 5 minutes with at least 50 requests: back to version 3.",
            ),
            plan_signers=("Vera Lindholm", "Clara Whitfield", "Ben Okafor"),
            plan_id="of request req-0002, entry 28",
            on_call="Sam Lindqvist",
            events=(
                ReleaseEvent(
                    at=at(120), state=ReleaseState.PLANNED, sentence="Approved; planned.", actor="Countersign", seq=28
                ),
                ReleaseEvent(
                    at=at(100), state=ReleaseState.SHADOW, sentence="Shadow started.", actor="Sam Lindqvist", seq=29
                ),
                ReleaseEvent(
                    at=at(2.5), state=ReleaseState.CANARY, sentence="Raised to 10 %.", actor="Sam Lindqvist", seq=34
                ),
            ),
        )

    def _answer(self) -> None:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The governance database did not answer.")


def _offers(release: Release) -> tuple[StepOffer, ...]:
    stop = StepOffer(step="abort", label="Stop the release", enabled=True, effect="No more copies are sent.")
    hold = StepOffer(step="hold", label="Hold", enabled=True, effect="Traffic stays as it is; no step forward.")
    if release.state is ReleaseState.PAUSED:
        resume = StepOffer(step="resume", label="Resume", enabled=True, effect="Goes on where it was held.")
        return (resume,)
    if release.state is ReleaseState.SHADOW:
        why = "Shadow needs 3 days and 5,000 records: 1.2 days and 2,310 so far."
        close = StepOffer(step="close-shadow", label="Close the shadow run", enabled=False, reason=why)
        return close, hold, stop
    effect = "Version 4 then answers 20 % of the requests."
    advance = StepOffer(step="advance", label="Raise to 20 %", enabled=True, effect=effect, share=20)
    return advance, hold


def fake_endpoints(room: FakeRoom) -> Any:
    """`list()` as EndpointService: never raises for a platform that is away, and says so instead."""
    return SimpleNamespace(list=lambda: () if room.mode == "empty" else endpoints(away=room.mode == "unavailable"))
