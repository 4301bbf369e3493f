"""What an alert becomes when its condition is looked at again, and what people may do with it. Pure.

    severity          BREACH 2, 2, 3   WATCH 3, 3, 4   UNKNOWN 3, 4, 4   for impact high, medium, low
                      one graver where the condition cannot wait (`urgent`)
    opens             BREACH in one window, WATCH in two in a row, UNKNOWN after a day (of a whole measurement)
    closes            after `WINDOWS[kind]` healthy windows in a row; never because nothing was measured
    reopens           as the same alert within a day of its end; later it is a new one

The severity of an alert is the gravest since it opened: a value that swings around a limit neither worsens an alert
each time nor breaks a snooze each time. Windows count, not looks: a worker that asks twice a minute sees one window.
After the advice of the SRE workbook (Google, chapter 5) that an alert must end when the fault does, and not before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from services.alerts import grouping
from services.alerts.models import About, Alert, AlertKind, AlertState, Change, Condition, Happening, Impact
from services.kernel.clock import require_utc, utc_text
from services.kernel.errors import AlreadyDecidedError, IllegalTransitionError, InputError, MissingReasonError
from services.kernel.health import Health

WINDOWS = {
    AlertKind.DRIFT: 2,
    AlertKind.PERFORMANCE: 2,
    AlertKind.DATA: 2,
    AlertKind.PIPELINE: 2,
    AlertKind.SERVICE_LEVEL: 2,
    AlertKind.BURN_RATE: 2,
    AlertKind.BUDGET: 1,
    AlertKind.ROLLBACK: 1,
    AlertKind.OWNERSHIP: 1,
}
"""Healthy windows in a row that end an alert. A rollback is carried out or not: that is no measurement, nor is a
name; a forecast rests on four weeks already."""
SUSPICIOUS = 2
"""Windows in a row at the warning level before anybody is told; one alone is often noise."""
UNKNOWN_AFTER = timedelta(days=1)
SAME_THREAD = timedelta(days=1)
ACKNOWLEDGE_WITHIN = {1: timedelta(minutes=10), 2: timedelta(hours=1), 3: timedelta(hours=8), 4: timedelta(days=2)}
"""By severity; after that somebody else is told."""
SNOOZE_AT_MOST = {1: timedelta(days=1), 2: timedelta(days=3), 3: timedelta(days=7)}
"""By risk tier."""
LONGEST_TEXT = 2000
_SHORTEST = 10
_SHORTEST_SNOOZE = timedelta(minutes=5)
_BASE = {
    (Health.BREACH, Impact.HIGH): 2,
    (Health.BREACH, Impact.MEDIUM): 2,
    (Health.BREACH, Impact.LOW): 3,
    (Health.WATCH, Impact.HIGH): 3,
    (Health.WATCH, Impact.MEDIUM): 3,
    (Health.WATCH, Impact.LOW): 4,
    (Health.UNKNOWN, Impact.HIGH): 3,
    (Health.UNKNOWN, Impact.MEDIUM): 4,
    (Health.UNKNOWN, Impact.LOW): 4,
}
_BAD = frozenset({Health.WATCH, Health.BREACH})
_IMMEDIATE = frozenset({AlertKind.SERVICE_LEVEL, AlertKind.BURN_RATE, AlertKind.PIPELINE, AlertKind.ROLLBACK})


def severity(state: Health, impact: Impact, *, urgent: bool = False) -> int:
    """1 to 4, the gravest first; a healthy condition has none and counts as the mildest."""
    return max(1, _BASE.get((state, impact), 4) - (1 if urgent and state in _BAD else 0))


def wakes(alert: Alert) -> bool:
    """Told also in quiet hours: what is wrong with answers right now. A distribution that moved waits for the day."""
    return alert.severity == 1 or (alert.severity == 2 and alert.key.kind in _IMMEDIATE)


def look(alert: Alert | None, seen: Condition, about: About, *, now: datetime) -> Change | None:
    """What this look makes of it; None when there is nothing to keep. `alert` is the newest one of this key.

    An `alert_id` of "" asks for a new row; a watched alert that turned out to be nothing comes back as closed, and is
    not kept.
    """
    seen = grouping.gathered(alert, seen, now=now)
    if alert is None or _is_past(alert, seen, now):
        return _begin(seen, about, now=now)
    if alert.closed_at is not None:
        return _again(alert, seen, about, now=now) if seen.state in _BAD else None
    if seen.state is Health.UNKNOWN:
        return _not_known(alert, seen, now=now)
    if seen.state is Health.HEALTHY:
        return _healthy(alert, seen, now=now)
    return _bad(alert, seen, about, now=now)


def not_reported(alert: Alert, *, now: datetime, why: str) -> Change | None:
    """Its source says nothing about it any more, or could not be read: open, and honest about it."""
    if not alert.stands or alert.unknown_since is not None:
        return None
    return _now_unknown(alert, why, now=now)


def _is_past(alert: Alert, seen: Condition, now: datetime) -> bool:
    """Over for longer than a thread lasts; that nothing is measured any more is a matter of its own."""
    if alert.closed_at is None:
        return False
    return seen.state is Health.UNKNOWN or now - alert.closed_at > SAME_THREAD


def _begin(seen: Condition, about: About, *, now: datetime) -> Change | None:
    if seen.state is Health.HEALTHY or (seen.state is Health.UNKNOWN and not seen.alarms_unknown):
        return None
    unknown = seen.state is Health.UNKNOWN
    alert = Alert(
        alert_id="",
        key=seen.key,
        thread="",
        tier=about.tier,
        impact=about.impact,
        severity=severity(seen.state, about.impact, urgent=seen.urgent),
        urgent=seen.urgent,
        state_seen=seen.state,
        title=seen.title,
        sentence=seen.sentence,
        target=seen.target,
        value=seen.value,
        unit=seen.unit,
        window=seen.window,
        first_seen=now,
        last_seen=now,
        as_of=seen.as_of,
        unknown_since=now if unknown else None,
        owner=about.owner,
        owner_role=about.owner_role,
        incident_key=seen.incident_key,
        at_risk=about.at_risk,
        parts=seen.parts,
    )
    return _open(alert, now=now) if _is_due(alert, now=now) else Change(alert=alert)


def _is_due(alert: Alert, *, now: datetime) -> bool:
    if alert.state_seen is Health.BREACH:
        return True
    if alert.state_seen is Health.WATCH:
        return alert.bad >= SUSPICIOUS
    return alert.unknown_since is not None and now - alert.unknown_since >= UNKNOWN_AFTER


def _open(alert: Alert, *, now: datetime) -> Change:
    opened = replace(alert, opened_at=now, told_from=now)
    return Change(alert=opened, happened=Happening.OPENED, sentence=alert.sentence)


def _again(alert: Alert, seen: Condition, about: About, *, now: datetime) -> Change:
    """The same trouble within a day: the same alert. Who had acknowledged it still knows, unless it is graver now."""
    grave = severity(seen.state, about.impact, urgent=seen.urgent)
    worse = grave < alert.severity
    back = replace(
        _shown(alert, seen, about, now=now),
        closed_at=None,
        told_from=now,
        reopened=alert.reopened + 1,
        severity=min(grave, alert.severity),
        acknowledged=None if worse else alert.acknowledged,
        snooze=None,
    )
    return Change(alert=back, happened=Happening.REOPENED, sentence=f"It came back. {seen.sentence}")


def _bad(alert: Alert, seen: Condition, about: About, *, now: datetime) -> Change | None:
    grave = severity(seen.state, about.impact, urgent=seen.urgent)
    is_new = seen.window != alert.window or alert.state_seen is Health.UNKNOWN
    worse = grave < alert.severity
    as_before = (seen.state, seen.target) == (alert.state_seen, alert.target)
    if not is_new and not worse and as_before and grouping.same(seen.parts, alert.parts):
        return None
    shown = _shown(alert, seen, about, now=now)
    if alert.opened_at is None:
        shown = replace(shown, severity=grave, value=seen.value, sentence=seen.sentence)
        return _open(shown, now=now) if _is_due(shown, now=now) else Change(alert=shown)
    if worse:
        # Graver than anything before: whoever looked away looked away from something smaller.
        woken = " The snooze ended by that." if alert.snooze is not None and now < alert.snooze.until else ""
        worsened = replace(
            shown,
            severity=grave,
            sentence=seen.sentence,
            value=seen.value,
            urgent=seen.urgent,
            acknowledged=None,
            snooze=None,
            told_from=now,
        )
        return Change(alert=worsened, happened=Happening.WORSENED, sentence=f"{seen.sentence}{woken}")
    if alert.unknown_since is not None:
        return Change(alert=shown, happened=Happening.KNOWN, sentence=f"It is measured again. {seen.sentence}")
    moved = grouping.moves(alert.parts, seen.parts)
    return Change(alert=shown, happened=Happening.CHANGED if moved else None, sentence=moved)


def _shown(alert: Alert, seen: Condition, about: About, *, now: datetime) -> Alert:
    """One more window that shows it."""
    return replace(
        alert,
        state_seen=seen.state,
        title=seen.title,
        sentence=seen.sentence,
        target=seen.target,
        value=seen.value,
        unit=seen.unit,
        window=seen.window,
        as_of=seen.as_of,
        last_seen=now,
        repeats=alert.repeats + (seen.window != alert.window),
        bad=alert.bad + (seen.window != alert.window),
        healthy=0,
        unknown_since=None,
        owner=about.owner,
        owner_role=about.owner_role,
        tier=about.tier,
        impact=about.impact,
        incident_key=seen.incident_key,
        at_risk=about.at_risk,
        parts=seen.parts,
    )


def _healthy(alert: Alert, seen: Condition, *, now: datetime) -> Change | None:
    if alert.opened_at is None:
        return Change(alert=replace(alert, closed_at=now, healthy=1))
    # The window that showed the trouble may be judged milder when more of it has arrived: that is no second window.
    if seen.window == alert.window:
        if alert.unknown_since is None:
            return None
        known = replace(alert, state_seen=Health.HEALTHY, unknown_since=None)
        return Change(alert=known, happened=Happening.KNOWN, sentence=f"It is measured again. {seen.sentence}")
    counted = alert.healthy + 1
    better = replace(
        alert,
        state_seen=Health.HEALTHY,
        window=seen.window,
        healthy=counted,
        bad=0,
        unknown_since=None,
        as_of=seen.as_of,
        parts=grouping.healthy(alert.parts),
    )
    if counted >= WINDOWS[alert.key.kind]:
        over = f"Healthy in {counted} windows in a row. " if counted > 1 else ""
        return Change(
            alert=replace(better, closed_at=now, snooze=None),
            happened=Happening.CLOSED,
            sentence=f"{over}{seen.sentence}",
        )
    return Change(alert=better)


def _not_known(alert: Alert, seen: Condition, *, now: datetime) -> Change | None:
    if alert.opened_at is None:
        if not seen.alarms_unknown:
            return None
        waiting = alert if alert.unknown_since is not None else replace(alert, unknown_since=now)
        waiting = replace(waiting, state_seen=Health.UNKNOWN, sentence=seen.sentence, as_of=seen.as_of)
        if _is_due(waiting, now=now):
            return _open(waiting, now=now)
        return None if waiting == alert else Change(alert=waiting)
    return None if alert.unknown_since is not None else _now_unknown(alert, seen.sentence, now=now)


def _now_unknown(alert: Alert, why: str, *, now: datetime) -> Change:
    blind = replace(alert, state_seen=Health.UNKNOWN, unknown_since=now, healthy=0)
    return Change(
        alert=blind, happened=Happening.UNKNOWN, sentence=f"It cannot be measured now and stays open. {why}".strip()
    )


# Telling


def late_at(alert: Alert, *, now: datetime) -> datetime | None:
    """Until when it has to be acknowledged; None where nobody has to: acknowledged, snoozed, over, or an incident."""
    if alert.state(now) is not AlertState.OPEN or alert.incident_id or alert.by_rule_only or alert.told_from is None:
        return None
    start = asked_from(alert) or alert.told_from
    return max(start, alert.heard_from or start) + ACKNOWLEDGE_WITHIN[alert.severity]


def asked_from(alert: Alert) -> datetime | None:
    """A snooze that ran out begins the time anew: nobody was asked in between."""
    if alert.told_from is None or alert.snooze is None:
        return alert.told_from
    return max(alert.told_from, alert.snooze.until)


# What people may do


def require_possible(alert: Alert, step: Happening, *, now: datetime) -> None:
    """Raises IllegalTransitionError, or AlreadyDecidedError when it was done already."""
    state = alert.state(now)
    if state in {AlertState.CLOSED, AlertState.WATCHED}:
        raise IllegalTransitionError(
            f"{alert.alert_id} is over; nothing is left to do about it.", hint="If it comes back, it opens by itself."
        )
    if step is Happening.ACKNOWLEDGED and alert.acknowledged is not None:
        raise AlreadyDecidedError(
            f"{alert.acknowledged.by.name} acknowledged {alert.alert_id} on {utc_text(alert.acknowledged.at)}.",
            hint="Nothing was changed.",
        )
    if step is Happening.UNSNOOZED and state is not AlertState.SNOOZED:
        raise AlreadyDecidedError(f"{alert.alert_id} is not snoozed.", hint="Nothing was changed.")
    if step is Happening.INCIDENT and alert.incident_id:
        raise AlreadyDecidedError(
            f"{alert.alert_id} belongs to {alert.incident_id} already.", hint="Open that incident."
        )
    if step is Happening.CLOSED and alert.unknown_since is None:
        raise IllegalTransitionError(
            f"{alert.alert_id} is being measured and closes by itself when its condition is healthy again.",
            hint="Acknowledge it, or snooze it with a reason.",
        )


def require_reason(text: str, what: str) -> None:
    """Raises MissingReasonError for too few words, InputError for too many."""
    if len(text.strip()) < _SHORTEST:
        raise MissingReasonError(f"{what} is not said yet.", hint="A sentence is enough.")
    require_fits(text)


def require_fits(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise InputError(f"The text is longer than {LONGEST_TEXT:,} characters.", hint="Shorten it.")


def snooze_at_most(alert: Alert, *, now: datetime) -> datetime:
    return now + SNOOZE_AT_MOST.get(alert.tier, SNOOZE_AT_MOST[1])


def require_snooze(alert: Alert, until: datetime, *, now: datetime) -> None:
    """Raises InputError for an end in the past, or later than the tier allows."""
    last = snooze_at_most(alert, now=now)
    if require_utc(until) < now + _SHORTEST_SNOOZE:
        raise InputError("A snooze ends at least five minutes from now.", hint="Choose a later end.")
    if until > last:
        longest = SNOOZE_AT_MOST.get(alert.tier, SNOOZE_AT_MOST[1])
        raise InputError(
            f"A model of tier {alert.tier} is snoozed for at most {_days(longest)}: until {utc_text(last)}.",
            hint="Choose an earlier end; it can be snoozed again with a new reason.",
        )


def follow(alert: Alert, thread: str) -> Alert:
    """Told together with the one that stands already."""
    return replace(alert, thread=thread or alert.alert_id)


def _days(span: timedelta) -> str:
    return "1 day" if span.days == 1 else f"{span.days} days"
