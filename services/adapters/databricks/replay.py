"""Shadow by replay: logged requests are sent again to a version that answers nobody, straight to its own address.

The platform has no mirror. What this gives is delayed, asks nobody's client to wait, and is always labelled
"replayed requests": a feature that changed in between gives another answer than it would have given live.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.adapters.databricks.changes import InvocationFailed
from services.adapters.databricks.serving import DatabricksServing
from services.kernel.errors import ServingUnavailableError
from services.rollout.serving_ports import LoggedRequest, LoggedRequests, ReplayedAnswer, ReplayedAnswers

METHOD = "replayed requests"
_CHUNK = 20
_LARGEST_BODY = 1_000_000

_Line = Callable[[Mapping[str, object]], Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What one call did."""

    version: str = ""
    sent: int = 0
    answered: int = 0
    skipped: int = 0
    """Left out by the percentage of the wish, or without a body that can be sent again."""
    stopped: str = ""
    """Why it ended before its limit, in words."""


@dataclass(slots=True)
class _Tally:
    sent: int = 0
    answered: int = 0
    skipped: int = 0
    answers: list[ReplayedAnswer] = field(default_factory=list)


class ShadowReplayer:
    """Goes on where it stopped; killed at any moment, it asks at most one chunk of requests twice."""

    def __init__(
        self,
        *,
        serving: DatabricksServing,
        requests: LoggedRequests,
        answers: ReplayedAnswers,
        now: Callable[[], datetime],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._serving = serving
        self._requests = requests
        self._answers = answers
        self._now = now
        self._elapsed = elapsed

    def replay(self, deployment: str, *, limit: int, seconds: float) -> Replay:
        """At most `limit` requests and about `seconds`, one at a time. Raises TelemetryUnavailableError.

        Nothing is sent unless a shadow is wished for and the version answers no caller at this moment.
        """
        until = self._elapsed() + seconds
        tally = _Tally()
        version, stopped = "", ""
        while not stopped and tally.sent + tally.skipped < limit:
            # Looked at before each chunk: a shadow that was ended, or became a canary, gets nothing more.
            version, percent, stopped = self._wish(deployment)
            if not stopped:
                room = min(_CHUNK, limit - tally.sent - tally.skipped)
                stopped = self._chunk(deployment, version, percent, room, tally)
            if not stopped and self._elapsed() >= until:
                stopped = "The time of this run is over; the next one goes on from here."
        return Replay(version=version, sent=tally.sent, answered=tally.answered, skipped=tally.skipped, stopped=stopped)

    def _wish(self, deployment: str) -> tuple[str, int, str]:
        try:
            observed = self._serving.observe(deployment)
        except ServingUnavailableError as away:
            return "", 0, away.message
        if observed.mirror is None:
            return "", 0, "No shadow is wished for."
        version, percent = observed.mirror
        if observed.share(version):
            return version, percent, f"Version {version} answers callers, so it is no shadow any more."
        if version not in observed.ready:
            return version, percent, f"Version {version} is not ready."
        return version, percent, ""

    def _chunk(self, deployment: str, version: str, percent: int, room: int, tally: _Tally) -> str:
        position = self._answers.position(deployment, version)
        logged = self._requests.after(deployment, position, room)
        if not logged:
            return "Every logged request was sent."
        stopped = ""
        ask = self._serving.line_to(deployment, version)
        for request in logged:
            if not _chosen(request, percent):
                tally.skipped += 1
            else:
                try:
                    tally.answers.append(self._ask(ask, version, request))
                except ServingUnavailableError as away:
                    stopped = away.message
                    break
                tally.sent += 1
                tally.answered += not tally.answers[-1].error
            position = request.position
        self._answers.add(deployment, version, tuple(tally.answers), position=position)
        tally.answers.clear()
        return stopped

    def _ask(self, ask: _Line, version: str, request: LoggedRequest) -> ReplayedAnswer:
        began, at = self._elapsed(), self._now()
        answer: dict[str, Any] | None = None
        error = ""
        # The id says what it is wherever the platform logs it, and pairs it with the answer callers got.
        body = {**request.body, "client_request_id": f"countersign-replay-{request.request_id}"}
        try:
            answer = dict(ask(body))
        except InvocationFailed as failed:
            error = str(failed)
        return ReplayedAnswer(
            request_id=request.request_id,
            position=request.position,
            version=version,
            asked_at=request.at,
            replayed_at=at,
            seconds=self._elapsed() - began,
            answer=answer,
            error=error,
            method=METHOD,
            logged=request,
        )


def _chosen(request: LoggedRequest, percent: int) -> bool:
    """The same requests each time, whichever run meets them; too large ones are logged without their body."""
    if not request.body or len(str(request.body)) > _LARGEST_BODY:
        return False
    slot = int.from_bytes(hashlib.blake2b(request.request_id.encode(), digest_size=4).digest(), "big") % 100
    return slot < percent
