"""What happened in the replayed half year: who asked, who signed, what moved, what went wrong.

Every line is acted out through the services by the person named, with that person's passphrase; gates, quorum and
traffic moves are real. Times are relative to when each version was made, so the story follows the training calendar.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.adapters.local.replay import FaultWindow
from services.approvals.models import Decision, Purpose
from services.rollout.fallback_models import FallbackMode
from services.workspace import bookkeeping, episodes, fallbacks, troubles
from services.workspace.cast import BEN, SAM, Cast

SHADOW = timedelta(days=3, hours=18)
"""Longer than the policy asks for: three days around a quiet day have fewer records than it wants to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One thing somebody did at one calendar time."""

    at: datetime
    words: str
    act: Callable[[Cast], None]


def beats(made: Callable[[str, str], datetime], *, start: datetime, end: datetime) -> tuple[Beat, ...]:
    """The story in order of time. `made` tells when a version was created in the replay calendar."""
    lines: list[Beat] = []

    def after(model: str, version: str, **delta: float) -> datetime:
        return max(made(model, version), start) + timedelta(**delta)

    def at(when: datetime, words: str, act: Callable[[Cast], None]) -> datetime:
        lines.append(Beat(at=min(when, end), words=words, act=act))
        return when

    def promote(model: str, version: str, *, asked: datetime, note: str, shares: tuple[int, ...] = ()) -> None:
        """Request, then the whole quorum over the following two days; for a real-time model also the release.

        `shares` are those it is given, from the first canary on, after a shadow run of more than three days.
        """
        at(asked, f"Dana asks for {model} v{version}", lambda cast: cast.request(model, version, note))
        at(asked + timedelta(hours=5), f"Vera signs {model} v{version}", lambda cast: cast.validate(model, version))
        at(asked + timedelta(hours=22), f"Ben on {model} v{version}", lambda cast: cast.acknowledge(model, version))
        at(asked + timedelta(hours=27), f"Clara signs {model} v{version}", lambda cast: cast.approve(model, version))
        if not shares:
            return
        copied = asked + timedelta(hours=30)
        at(copied, f"Sam starts the shadow of {model} v{version}", lambda cast: cast.take(model, "start-shadow"))
        seen = copied + SHADOW
        at(seen, f"Sam closes the shadow of {model} v{version}", lambda cast: cast.take(model, "close-shadow"))
        at(
            seen + timedelta(hours=1),
            f"Sam gives {model} v{version} {shares[0]} %",
            lambda cast: cast.take(model, "start-canary"),
        )
        for number, share in enumerate(shares[1:], 1):
            at(
                seen + timedelta(days=number),
                f"Sam gives {model} v{version} {share} %",
                lambda cast, share=share: cast.advance(model, share),  # type: ignore[misc]
            )

    first = "First release; replaces the manual rule."
    for model, hours in (
        ("delay_claim_score", 2),
        ("claims_triage", 3),
        ("payout_forecast", 4),
        ("plan_utilisation", 6),
    ):
        at(start + timedelta(hours=1), f"Ben signs the baseline of {model}", _baseline(model))
        at(start + timedelta(hours=1), f"Dana signs how {model} is watched", _monitor(model))
        promote(model, "1", asked=start + timedelta(hours=hours), note=first)

    _delay(at, promote, after, end)
    _claims(at, promote, after, end)
    _payout(at, promote, after)
    _plan(at, after, end)
    _vendor(at, end)
    _troubles(at, after, end)
    _fallbacks(at, start, end)
    return tuple(sorted(lines, key=lambda beat: beat.at))


def _baseline(model: str) -> Callable[[Cast], None]:
    return lambda cast: bookkeeping.sign_baseline(cast, model)


def _monitor(model: str) -> Callable[[Cast], None]:
    return lambda cast: bookkeeping.sign_monitor(cast, model)


def _fallbacks(at: At, start: datetime, end: datetime) -> None:
    at(start + timedelta(days=9), "Sam writes the fallback cards", fallbacks.write_cards)
    # A little more than ninety days ago: the next drill is due on the day of the demonstration.
    words = "Eleven minutes until the reviewers knew. The second shift had no phone number on the card; it has now."
    at(
        end - timedelta(days=97),
        "Sam drills claims_triage",
        lambda cast: fallbacks.drill(cast, "claims_triage", FallbackMode.BATCH_ONLY, words),
    )


def disturbance(end: datetime) -> FaultWindow:
    """One bad working day of the real-time model, caused on purpose and labelled so in the log and on the charts."""
    day = (end - timedelta(days=26)).replace(hour=13, minute=0, second=0, microsecond=0)
    return FaultWindow(
        start=day,
        end=day + timedelta(hours=9),
        label="demonstration: slow and failing host",
        latency_ms=450.0,
        error_rate=0.3,
    )


At = Callable[[datetime, str, Callable[[Cast], None]], datetime]
After = Callable[..., datetime]
Promote = Callable[..., None]


def _delay(at: At, promote: Promote, after: After, end: datetime) -> None:
    name = "delay_claim_score"
    early = after(name, "2", hours=20)
    at(early, "Dana asks too early", lambda cast: cast.request(name, "2", "Weekly retrain, please promote."))
    at(
        early + timedelta(hours=3),
        "Dana withdraws",
        lambda cast: cast.withdraw(name, "2", "Wrong training window named."),
    )
    everything = (5, 10, 20, 100)
    promote(name, "2", asked=early + timedelta(days=2), note="Logistic model with weather.", shares=everything)
    promote(name, "3", asked=after(name, "3", days=1), note="Boosted trees with recent delays.", shares=everything)
    renewed = after(name, "3", days=76)
    at(
        renewed,
        "Dana asks to approve v3 again",
        lambda cast: cast.request(name, "3", "Nothing changed; the approval ends soon.", Purpose.REATTESTATION),
    )
    at(renewed + timedelta(hours=4), "Vera confirms v3", lambda cast: cast.validate(name, "3"))
    at(renewed + timedelta(hours=9), "Ben confirms v3", lambda cast: cast.acknowledge(name, "3"))
    at(renewed + timedelta(hours=30), "Clara confirms v3", lambda cast: cast.approve(name, "3"))
    refused = min(after(name, "5", hours=8), end - timedelta(days=1))
    at(refused, "Dana tries the leaking version", lambda cast: cast.try_request(name, "5", "Best AUC so far."))
    asked = min(after(name, "4", days=1), end - timedelta(days=7))
    promote(name, "4", asked=asked, note="Retrained on the summer; canary first.", shares=(5, 10))
    at(after(name, "6", hours=2), "Dana has v6 evaluated", lambda cast: cast.evaluate(name, "6"))


def _claims(at: At, promote: Promote, after: After, end: datetime) -> None:
    name = "claims_triage"
    promote(name, "2", asked=after(name, "2", days=2), note="Learned from the first reviewed year.")
    promote(name, "3", asked=after(name, "3", days=2), note="Boosted trees, calibrated.")
    refused = min(after(name, "5", hours=8), end - timedelta(days=3))
    at(refused, "Dana tries the badly calibrated version", lambda cast: cast.try_request(name, "5", "Higher recall."))
    held = after(name, "3", days=24)
    at(
        held,
        "Clara places a legal hold",
        lambda cast: episodes.hold_records(cast, name, "Complaint of a member about a late review; counsel asked."),
    )
    # Validated a week ago: the stage of business and compliance is overdue on the day of the demonstration.
    asked = end - timedelta(days=9)
    at(asked, "Dana asks for v4", lambda cast: cast.request(name, "4", "Retrained on the newest cohort."))
    at(asked + timedelta(hours=20), "Vera signs v4", lambda cast: cast.validate(name, "4"))
    late = end - timedelta(days=4)
    at(
        late,
        "Dana asks to approve v3 again",
        lambda cast: cast.request(name, "3", "It serves on until version 4 is decided.", Purpose.REATTESTATION),
    )
    at(late + timedelta(hours=20), "Vera confirms v3", lambda cast: cast.validate(name, "3"))


def _payout(at: At, promote: Promote, after: After) -> None:
    name = "payout_forecast"
    promote(name, "2", asked=after(name, "2", days=1), note="Gradient boosting on routes and season.")
    promote(name, "3", asked=after(name, "3", days=1), note="Adds weather of the day before.")
    at(after(name, "5", hours=3), "Dana has v5 evaluated", lambda cast: cast.evaluate(name, "5"))
    asked = after(name, "4", days=1)
    promote(name, "4", asked=asked, note="Retrained after the summer.")
    at(
        asked + timedelta(days=4),
        "Sam rolls payout_forecast back",
        lambda cast: cast.roll_back(name, "3", "DATA", "Weather feed of two days was missing; forecasts jumped."),
    )
    at(
        asked + timedelta(days=7),
        "Sam breaks the glass for payout_forecast v4",
        lambda cast: episodes.break_glass(
            cast, name, "4", "HARM", "Weather feed restored; version 3 misses the autumn schedule and overpays."
        ),
    )
    words = "The feed was complete again and the approved files were the same; the quorum was away for a holiday."
    at(
        asked + timedelta(days=8),
        "Carl reviews the emergency",
        lambda cast: episodes.review(cast, "carl.compliance", name, words),
    )
    # Late on purpose: the record shows it in red for ever.
    at(
        asked + timedelta(days=13),
        "Viktor reviews the emergency, late",
        lambda cast: episodes.review(cast, "viktor.validator", name, "Figures checked against the runs of that week."),
    )


def _troubles(at: At, after: After, end: datetime) -> None:
    """What went wrong, as it was noticed, ended and learned from; one is still worked on."""
    name = "payout_forecast"
    back = after(name, "4", days=5)
    at(back - timedelta(minutes=50), "Ben reports the jump", lambda cast: troubles.report(cast, BEN, troubles.FEED))
    at(back - timedelta(minutes=41), "Sam takes it up", lambda cast: troubles.take_up(cast, name))
    at(back + timedelta(minutes=2), "Sam links the rollback", lambda cast: troubles.link_newest_change(cast, name))
    at(
        back + timedelta(days=2),
        "Sam signs what was learned of the feed",
        lambda cast: troubles.learn(cast, name, troubles.FEED_LEARNED),
    )
    glass = after(name, "4", days=8)
    at(
        glass - timedelta(minutes=35),
        "Ben reports overpaying",
        lambda cast: troubles.report(cast, BEN, troubles.OVERPAYS),
    )
    at(glass - timedelta(minutes=31), "Sam takes it up", lambda cast: troubles.take_up(cast, name))
    at(glass + timedelta(minutes=3), "Sam links the release", lambda cast: troubles.link_newest_change(cast, name))
    at(
        glass + timedelta(days=3),
        "Sam signs what was learned of the schedule",
        lambda cast: troubles.learn(cast, name, troubles.OVERPAYS_LEARNED),
    )
    fault, slow = disturbance(end), "delay_claim_score"
    seen = fault.start + troubles.SLOW_HOST.began
    at(seen, "Sam reports the slow host", lambda cast: troubles.report(cast, SAM, troubles.SLOW_HOST))
    at(seen + timedelta(minutes=1), "Sam takes it up", lambda cast: troubles.take_up(cast, slow))
    over = "The disturbance ended; answers of the last minutes are within the promise, looked at on the chart."
    at(fault.end + timedelta(minutes=6), "The host is quiet", lambda cast: troubles.is_over(cast, slow, over))
    at(
        fault.end + timedelta(hours=40),
        "Sam signs what was learned of the host",
        lambda cast: troubles.learn(cast, slow, troubles.SLOW_HOST_LEARNED),
    )
    late = end - timedelta(hours=26)
    at(late, "Ben asks about the season", lambda cast: troubles.report(cast, BEN, troubles.LATE_SEASON))
    at(late + timedelta(minutes=38), "Sam takes it up", lambda cast: troubles.take_up(cast, name))


def _plan(at: At, after: After, end: datetime) -> None:
    name = "plan_utilisation"
    asked = after(name, "2", days=1)
    at(asked, "Dana asks for v2", lambda cast: cast.request(name, "2", "Adds health status."))
    at(
        asked + timedelta(hours=9),
        "Clara rejects v2",
        lambda cast: cast.decide(
            "clara.compliance",
            name,
            "2",
            Decision.REJECT,
            reason="DOCS",
            comment="The limits of use do not name the age groups left out. Add them and ask again.",
        ),
    )
    again = asked + timedelta(days=3)
    away = "On leave; planning aids only."
    words = "Limits of use name the age groups now; checked for Clara."
    at(
        again - timedelta(hours=1),
        "Clara lends her role to Viktor",
        lambda cast: episodes.lend_role(cast, tier=3, days=14, reason=away),
    )
    at(again, "Dana asks for v2 again", lambda cast: cast.request(name, "2", "Limits of use now name the age groups."))
    at(
        again + timedelta(hours=27),
        "Viktor signs for Clara",
        lambda cast: episodes.approve_by_delegation(cast, name, "2", words),
    )
    excepted = after(name, "3", days=20)
    at(
        excepted,
        "Dana proposes an exception",
        lambda cast: episodes.propose_exception(
            cast,
            name,
            "error-vs-rule",
            owner="ben.business",
            days=80,
            reason="Version 3 covers the people that version 2 leaves out, at a slightly larger error than the rule.",
            control="Planners see the figure of the rule beside the forecast and take the larger one.",
        ),
    )
    at(
        excepted + timedelta(days=1),
        "Carl grants the exception",
        lambda cast: episodes.grant_exception(cast, name, "A planning aid; the control keeps the figure prudent."),
    )
    asked_again = end - timedelta(days=3)
    at(asked_again, "Dana asks for v3", lambda cast: cast.request(name, "3", "Covers everybody; see the exception."))


def _vendor(at: At, end: datetime) -> None:
    """A supplier's model is treated more strictly than its score sheet says, by two people and until a day."""
    name = "damage_photo_vendor"
    why = "The supplier grants no validation of the model; treated as tier 1 until the audit is done."
    at(
        end - timedelta(days=40),
        "Dana proposes tier 1 for the vendor model",
        lambda cast: episodes.override_tier(cast, name, 1, days=100, reason=why),
    )
    at(
        end - timedelta(days=39),
        "Vera confirms tier 1 for the vendor model",
        lambda cast: episodes.confirm_tier(cast, name, "Agreed; the audit is planned for the spring."),
    )
