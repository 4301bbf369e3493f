"""Who hears of an incident, and who hears that nobody took it up. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from services.kernel.identity import Role
from services.notices.facts import OpenIncident
from services.notices.models import Announcement, Audience, NoticeKind, Severity
from services.notices.wording import target_of

ESCALATED_TO = (Role.SRE, Role.BUSINESS_OWNER, Role.ADMIN)
_GRAVE = 2
"""Severities 1 and 2 concern more people than engineers, also at night."""


def announced(incident: OpenIncident) -> Iterator[Announcement]:
    """Engineers and whoever is on call hear at once; the graver ones also those who answer for the model."""
    token = f"incident/{incident.incident_id}"
    name = f"{incident.model} version {incident.version}" if incident.version else incident.model
    roles = (Role.SRE, Role.BUSINESS_OWNER, Role.COMPLIANCE) if incident.severity <= _GRAVE else (Role.SRE,)
    common: dict[str, Any] = {
        "target": target_of("incidents", incident=incident.incident_id),
        "model": incident.model,
        "version": incident.version,
        "seq": incident.seq,
    }
    audiences = [Audience(role=role.value) for role in roles]
    if incident.on_call is not None:
        audiences.append(Audience(issuer=incident.on_call[0], subject=incident.on_call[1]))
    for audience in audiences:
        yield Announcement(
            key=f"{token}/{incident.severity}/{audience.word}",
            kind=NoticeKind.INCIDENT,
            severity=Severity.RED if incident.severity <= _GRAVE else Severity.AMBER,
            at=incident.detected_at,
            audience=audience,
            title=f"Incident, severity {incident.severity}: {name}",
            why=f"Detected on {_when(incident.detected_at)}. Acknowledge it, so that others know that you have it."
            if not audience.role or audience.role == Role.SRE.value
            else f"Detected on {_when(incident.detected_at)}. Engineers were told at the same time.",
            stands_while=token,
            **common,
        )
    if incident.late_at is None:
        return
    for role in ESCALATED_TO:
        yield Announcement(
            key=f"{token}/unattended/{role.value}",
            kind=NoticeKind.INCIDENT_UNATTENDED,
            severity=Severity.RED,
            at=incident.late_at,
            audience=Audience(role=role.value),
            title=f"Nobody has taken up {incident.incident_id}: {name}",
            why=f"Severity {incident.severity}; it should have been acknowledged by {_when(incident.late_at)}. "
            "Find out who can; an administrator may take it over.",
            stands_while=f"{token}/unattended",
            **common,
        )


def _when(at: datetime) -> str:
    return f"{at.day} {at:%b %Y, %H:%M} UTC"
