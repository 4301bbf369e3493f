"""Conditions and looks in few words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.alerts import rules
from services.alerts.models import About, Alert, AlertKind, Change, Condition, Impact, Key
from services.kernel.health import Health
from services.people.persons import Account

NOON = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
MODEL = "delay_claim_score"
SAM = Account(issuer="countersign:demo", subject="sam.sre", name="Sam Lindqvist")
ABOUT = About(tier=1, impact=Impact.HIGH, owner=SAM, owner_role="sre")
KEY = Key(model=MODEL, kind=AlertKind.DRIFT, subject="distance")


def a_condition(state: Health = Health.BREACH, window: str = "1", **changes: Any) -> Condition:
    values: dict[str, Any] = {
        "key": KEY,
        "state": state,
        "title": "Drift of Distance",
        "sentence": f"PSI is {state.value} in window {window}.",
        "window": window,
        "target": "drift?model=delay_claim_score&feature=distance",
    }
    return Condition(**(values | changes))


class Course:
    """Looks one after the other, a window and six hours apart; keeps what a store would keep."""

    def __init__(self, about: About = ABOUT, **condition: Any) -> None:
        self.about = about
        self.condition = condition
        self.now = NOON
        self.window = 0
        self.alerts: list[Alert] = []
        self.changes: list[Change] = []

    @property
    def alert(self) -> Alert:
        return self.alerts[-1]

    def look(self, *states: Health, hours: float = 6, same_window: bool = False, **condition: Any) -> Course:
        for state in states:
            self.window += 0 if same_window else 1
            seen = a_condition(state, str(self.window), **(self.condition | condition))
            self._keep(rules.look(self.alerts[-1] if self.alerts else None, seen, self.about, now=self.now))
            self.now += timedelta(hours=hours)
        return self

    def silence(self, why: str = "Its folder cannot be read.") -> Course:
        self._keep(rules.not_reported(self.alert, now=self.now, why=why))
        self.now += timedelta(hours=6)
        return self

    def put(self, alert: Alert) -> None:
        self.alerts[-1] = alert

    def happened(self) -> list[str]:
        return [change.happened.value for change in self.changes if change.happened]

    def _keep(self, change: Change | None) -> None:
        if change is None:
            return
        self.changes.append(change)
        alert = change.alert
        if alert.opened_at is None and alert.closed_at is not None:
            self.alerts.pop()
        elif not alert.alert_id:
            number = sum(item.happened is not None and item.happened.value == "opened" for item in self.changes)
            self.alerts.append(rules.follow(replace(alert, alert_id=f"alr-{len(self.alerts) + 1}-{number}"), ""))
        else:
            self.alerts[-1] = alert
