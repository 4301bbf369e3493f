"""Alerts as an export. Pure: no Streamlit import."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pages.components.format import utc
from services.alerts.models import Alert


def export(rows: Iterable[Alert], now: datetime) -> list[dict[str, object]]:
    return [
        {
            "alert": row.alert_id,
            "state": row.state(now).value,
            "severity": row.severity,
            "measured": row.state_seen.value,
            "model": row.key.model,
            "kind": row.key.kind.value,
            "subject": row.key.subject,
            "title": row.title,
            "sentence": row.sentence,
            "value": "" if row.value is None else row.value,
            "unit": row.unit,
            "tier": row.tier,
            "impact": row.impact.value,
            "at_risk": row.at_risk,
            "parts": "; ".join(f"{part.title}: {part.state.value}" for part in row.parts),
            "owner": row.owner.name if row.owner else "",
            "first_seen": utc(row.first_seen),
            "last_seen": utc(row.last_seen),
            "windows": row.repeats,
            "came_back": row.reopened,
            "not_measured_since": utc(row.unknown_since) if row.unknown_since else "",
            "acknowledged": utc(row.acknowledged.at) if row.acknowledged else "",
            "acknowledged_by": row.acknowledged.by.name if row.acknowledged else "",
            "snoozed_until": utc(row.snooze.until) if row.snooze else "",
            "closed": utc(row.closed_at) if row.closed_at else "",
            "incident": row.incident_id,
            "thread": row.thread,
        }
        for row in rows
    ]
