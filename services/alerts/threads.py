"""Alerts as they are told: those of one model and kind together, so that forty moved features are one message. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.alerts import rules, wording
from services.alerts.models import Alert, AlertState
from services.kernel.targets import target_of
from services.people.persons import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What somebody should hear now. Empty threads are not made: everything in it waits for an acknowledgement."""

    thread: str
    model: str
    tier: int
    severity: int
    """Of the gravest in it."""
    wakes: bool
    title: str
    sentence: str
    target: str
    since: datetime
    late_at: datetime | None
    """When somebody else has to hear of it; None while there is time."""
    owner: Account | None
    owner_role: str
    at_risk: str = ""
    """Money a day and who pays, of the gravest, without its formula; empty where money was never asked for."""


def threads(alerts: Iterable[Alert], *, now: datetime) -> tuple[Thread, ...]:
    """Of open alerts that no incident takes care of, in the order of their first alert."""
    groups: dict[str, list[Alert]] = {}
    for alert in alerts:
        if alert.state(now) is AlertState.OPEN and not alert.incident_id and not alert.by_rule_only:
            groups.setdefault(alert.thread, []).append(alert)
    return tuple(_thread(name, group, now) for name, group in groups.items())


def _thread(name: str, group: list[Alert], now: datetime) -> Thread:
    first = min(group, key=lambda alert: (alert.severity, alert.told_from or alert.first_seen, alert.alert_id))
    many = len(group) > 1
    kind = wording.KIND_WORDS[first.key.kind]
    limits = [limit for alert in group if (limit := rules.late_at(alert, now=now)) is not None and now >= limit]
    return Thread(
        thread=name,
        model=first.key.model,
        tier=first.tier,
        severity=first.severity,
        wakes=any(rules.wakes(alert) for alert in group),
        title=f"{kind} of {first.key.model}: {len(group)} alerts" if many else first.title,
        sentence=f"Gravest of {len(group)}: {first.title}. {first.sentence}" if many else first.sentence,
        target=target_of("alerts", model=first.key.model, kind=first.key.kind.value)
        if many
        else target_of("alerts", alert=first.alert_id),
        since=min(alert.told_from or alert.first_seen for alert in group),
        late_at=min(limits, default=None),
        owner=first.owner,
        owner_role=first.owner_role,
        at_risk=wording.amount(first.at_risk),
    )
