"""The words of alerts: titles for people and the sentences in the ledger. Names and codes, no typed text. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from services.alerts.models import Alert, AlertKind, Happening
from services.kernel.clock import utc_text

KIND_WORDS: Mapping[AlertKind, str] = {
    AlertKind.DRIFT: "Drift",
    AlertKind.PERFORMANCE: "Performance",
    AlertKind.DATA: "Data health",
    AlertKind.PIPELINE: "Pipeline",
    AlertKind.SERVICE_LEVEL: "Service level",
    AlertKind.BURN_RATE: "Error budget",
    AlertKind.BUDGET: "Budget",
    AlertKind.ROLLBACK: "Rollback waiting",
    AlertKind.OWNERSHIP: "Ownership",
}
HAPPENED: Mapping[Happening, str] = {
    Happening.OPENED: "Opened",
    Happening.WORSENED: "Became graver",
    Happening.UNKNOWN: "Not measured any more; stays open",
    Happening.KNOWN: "Measured again",
    Happening.CLOSED: "Closed",
    Happening.REOPENED: "Came back",
    Happening.ACKNOWLEDGED: "Acknowledged",
    Happening.SNOOZED: "Snoozed",
    Happening.UNSNOOZED: "Snooze ended",
    Happening.CHANGED: "Other parts than before",
    Happening.INCIDENT: "Belongs to an incident",
}


def about(alert: Alert) -> str:
    return f"{alert.alert_id} ({KIND_WORDS[alert.key.kind].lower()}, {alert.title}, {alert.key.model})"


def acknowledged(alert: Alert, who: str) -> str:
    return f"{who} acknowledged {about(alert)}."


def snoozed(alert: Alert, who: str, until: str) -> str:
    return f"{who} snoozed {about(alert)} until {until}, with a reason."


def unsnoozed(alert: Alert, who: str) -> str:
    until = f", which was to last until {utc_text(alert.snooze.until)}" if alert.snooze else ""
    return f"{who} ended the snooze of {about(alert)}{until}."


def closed(alert: Alert, who: str) -> str:
    since = f" since {utc_text(alert.unknown_since)}" if alert.unknown_since else ""
    return f"{who} closed {about(alert)}, which was not measured{since}."


def incident(alert: Alert, who: str, incident_id: str) -> str:
    return f"{who} opened {incident_id} from {about(alert)}."


def linked(incident_id: str) -> str:
    return f"A rule opened {incident_id} about the same thing; it is followed there."


def amount(at_risk: str) -> str:
    """What stands on an alert about money without its formula, or that it is not known."""
    return at_risk.partition(" (")[0].partition(": ")[0]
