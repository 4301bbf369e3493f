"""Incidents of the replayed half year: who noticed what, who took it up, what ended it, what was learned.

Each is acted out through the incident service at its calendar time, like everything else in the story.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from services.incidents.models import (
    CloseIncident,
    FollowUp,
    Incident,
    LinkChange,
    OpenIncident,
    PostMortem,
    Step,
    TakeStep,
)
from services.kernel.errors import ControlRoomError
from services.workspace.cast import DANA, SAM, Cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What somebody notices; `began` is how long before that it had begun."""

    model: str
    version: str
    severity: int
    title: str
    text: str
    began: timedelta


FEED = Report(
    model="payout_forecast",
    version="4",
    severity=2,
    title="Payout forecasts jumped after a gap in the weather feed",
    text="Treasury planned far too much cash for two days; the weather columns of those days are empty.",
    began=timedelta(hours=26),
)
FEED_LEARNED = PostMortem(
    impact="Two daily forecasts were far too high; treasury held cash that it did not need.",
    cause="The weather feed delivered nothing for two days, and version 4 reads weather that is missing as calm.",
    went_well="The rollback was one signed click, and the version before was still warm.",
    went_wrong="Nobody was told that the feed was empty; treasury saw it before we did.",
    follow_ups=(
        FollowUp(
            text="Alert when a day of the weather feed is missing.",
            owner_subject=DANA,
            owner_name="Dana Petrov",
            due=None,
        ),
    ),
)
OVERPAYS = Report(
    model="payout_forecast",
    version="3",
    severity=1,
    title="Version 3 overpays on the autumn schedule",
    text="Flights of the new schedule are unknown to version 3; their delays are forecast as the worst of the route.",
    began=timedelta(hours=18),
)
OVERPAYS_LEARNED = PostMortem(
    impact="One day of payouts was planned about a third too high.",
    cause="The version that was brought back was trained before the autumn schedule.",
    went_well="The feed was known to be complete, so version 4 could be released again at once.",
    went_wrong="Nobody checked the schedule before the rollback; the quorum was away for a holiday.",
    follow_ups=(
        FollowUp(
            text="Show on the rollback form which schedule a version was trained on.",
            owner_subject=SAM,
            owner_name="Sam Lindqvist",
            due=None,
        ),
    ),
)
SLOW_HOST = Report(
    model="delay_claim_score",
    version="",
    severity=2,
    title="Slow and failing answers of the delay score",
    text="The portal waits for scores; about a third of the requests fail. The host was disturbed on purpose.",
    began=timedelta(minutes=12),
)
SLOW_HOST_LEARNED = PostMortem(
    impact="Nine hours of slow or missing scores; members were sent to the manual form.",
    cause="A disturbance of the host, made for this demonstration and labelled so in the log.",
    went_well="The latency chart showed it within minutes, and the manual form took over.",
    went_wrong="No other host was ready, so the disturbance lasted as long as it was made to last.",
    follow_ups=(
        FollowUp(
            text="Keep a second host warm for the real-time score.",
            owner_subject=SAM,
            owner_name="Sam Lindqvist",
            due=None,
        ),
    ),
)
LATE_SEASON = Report(
    model="payout_forecast",
    version="4",
    severity=3,
    title="Late flights of the season are outside of what the forecast knows",
    text="The late share of the airports is in breach on the drift screen; treasury asks whether the plan holds.",
    began=timedelta(hours=20),
)


def report(cast: Cast, subject: str, what: Report) -> None:
    now = cast.clock.now()
    cast.room.incidents.report(
        OpenIncident(
            command_id=cast.command(),
            model=what.model,
            version=what.version,
            severity=what.severity,
            title=what.title,
            text=what.text,
            impact_start=now - what.began,
        ),
        actor=cast.actor(subject),
    )


def take_up(cast: Cast, model: str) -> None:
    """Sam acknowledges the newest open incident of the model."""
    _take(cast, model, Step.ACKNOWLEDGED, "")


def link_newest_change(cast: Cast, model: str) -> None:
    """Sam links the newest change of traffic; a verified one ends the impact at the time it was read back."""
    cast.room.incidents.link(
        LinkChange(
            command_id=cast.command(),
            incident_id=_open(cast, model).incident_id,
            action_id=cast.room.rollout.actions(model)[0].action_id,
        ),
        actor=cast.actor(SAM),
    )


def is_over(cast: Cast, model: str, how: str) -> None:
    _take(cast, model, Step.MITIGATED, how)


def learn(cast: Cast, model: str, written: PostMortem, *, due_days: int = 45) -> None:
    """Sam signs the post-mortem; follow-ups are due so many days later."""
    due = (cast.clock.now() + timedelta(days=due_days)).date()
    follow_ups = tuple(
        FollowUp(text=item.text, owner_subject=item.owner_subject, owner_name=item.owner_name, due=due)
        for item in written.follow_ups
    )
    cast.room.incidents.close(
        CloseIncident(
            command_id=cast.command(),
            incident_id=_open(cast, model).incident_id,
            post_mortem=PostMortem(
                impact=written.impact,
                cause=written.cause,
                went_well=written.went_well,
                went_wrong=written.went_wrong,
                follow_ups=follow_ups,
            ),
            passphrase=cast.passphrase(SAM),
        ),
        actor=cast.actor(SAM),
    )


def _take(cast: Cast, model: str, step: Step, text: str) -> None:
    cast.room.incidents.take(
        TakeStep(command_id=cast.command(), incident_id=_open(cast, model).incident_id, step=step, text=text),
        actor=cast.actor(SAM),
    )


def _open(cast: Cast, model: str) -> Incident:
    found = cast.room.incidents.open(model)
    if not found:
        raise ControlRoomError(f"No incident of {model} is open in the story.")
    return max(found, key=lambda item: item.opened_seq)
