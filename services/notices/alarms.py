"""Who hears of an alert, and who hears that nobody took it up. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from services.kernel.identity import Role
from services.notices.facts import OpenAlert
from services.notices.models import Announcement, Audience, NoticeKind, Severity

ESCALATED_TO = (Role.SRE, Role.ADMIN)
_GRAVE = 2
"""Severities 1 and 2 also concern the engineers, whoever owns the model."""


def announced(alert: OpenAlert) -> Iterator[Announcement]:
    """The owner, or everybody of the role that answers where nobody is named; the graver ones also the engineers.

    The token carries the severity: one that becomes graver is told anew, one that swings around a limit is not.
    """
    token = f"alert/{alert.thread}/{alert.severity}"
    audiences = [Audience(issuer=alert.owner[0], subject=alert.owner[1])] if alert.owner else []
    roles = [] if alert.owner else [alert.owner_role]
    roles += [Role.SRE.value] if alert.severity <= _GRAVE else []
    audiences += [Audience(role=role) for role in dict.fromkeys(roles) if role]
    common: dict[str, Any] = {
        "severity": Severity.RED if alert.wakes else Severity.AMBER if alert.severity <= _GRAVE + 1 else Severity.INFO,
        "target": alert.target,
        "model": alert.model,
        "tier": alert.tier,
    }
    for audience in audiences:
        yield Announcement(
            key=f"{token}/{audience.word}",
            kind=NoticeKind.ALERT,
            at=alert.since,
            audience=audience,
            title=f"Alert, severity {alert.severity}: {alert.title}",
            why=f"{alert.sentence}{_at_risk(alert)} Acknowledge it, so that others know that you have it.",
            stands_while=token,
            **common,
        )
    if alert.late_at is None:
        return
    for role in ESCALATED_TO:
        yield Announcement(
            key=f"{token}/unattended/{role.value}",
            kind=NoticeKind.ALERT_UNATTENDED,
            at=alert.late_at,
            audience=Audience(role=role.value),
            title=f"Nobody has taken up an alert: {alert.title}",
            why=f"Severity {alert.severity}; it should have been acknowledged by {_when(alert.late_at)}."
            f"{_at_risk(alert)} Find out who can, or acknowledge it yourself.",
            stands_while=f"{token}/unattended",
            **common,
        )


def _at_risk(alert: OpenAlert) -> str:
    return f" Money at risk: {alert.at_risk}." if alert.at_risk else ""


def _when(at: datetime) -> str:
    return f"{at.day} {at:%b %Y, %H:%M} UTC"
