"""One alert as a person sees it: its history, until when it wants somebody, and what that person could do. Pure."""

from __future__ import annotations

from datetime import datetime

from services.alerts import rules
from services.alerts.models import Alert, AlertEvent, AlertView, Happening
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Permission

STEPS = (
    Happening.ACKNOWLEDGED,
    Happening.SNOOZED,
    Happening.UNSNOOZED,
    Happening.INCIDENT,
    Happening.CLOSED,
)


def needed(step: Happening) -> Permission:
    return Permission.OPEN_INCIDENT if step is Happening.INCIDENT else Permission.HANDLE_ALERT


def view(alert: Alert, history: tuple[AlertEvent, ...], *, may: frozenset[Permission], now: datetime) -> AlertView:
    return AlertView(
        alert=alert,
        state=alert.state(now),
        history=history,
        late_at=rules.late_at(alert, now=now),
        snooze_at_most=rules.snooze_at_most(alert, now=now),
        refusals=tuple((step, refusal(alert, step, may=may, now=now)) for step in STEPS),
    )


def refusal(alert: Alert, step: Happening, *, may: frozenset[Permission], now: datetime) -> str:
    """Why this person cannot take this step now; empty when nothing is in the way."""
    if needed(step) not in may:
        return "People who run or own models do this; ask one of them."
    try:
        rules.require_possible(alert, step, now=now)
    except ControlRoomError as refused:
        return str(refused)
    return ""
