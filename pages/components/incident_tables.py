"""Incidents as a frame and as an export. Pure: no Streamlit import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import pandas as pd

from pages.components import badges
from pages.components.format import age, took, utc, version, visible
from pages.components.tables import Config, chips, text
from services.incidents import times
from services.incidents.models import Incident, IncidentState


def incidents(rows: Sequence[Incident], now: datetime) -> tuple[pd.DataFrame, Mapping[str, Config]]:
    """The list; a clock that still runs says so in words."""
    frame = pd.DataFrame(
        {
            "incident": [row.incident_id for row in rows],
            "severity": [[badges.SEVERITIES[row.severity].word] for row in rows],
            "state": [[badges.word(row.state)] for row in rows],
            "title": [visible(row.title) for row in rows],
            "model": [visible(row.model) for row in rows],
            "version": [version(row.version) for row in rows],
            "detected": [age(row.times.detected, now) for row in rows],
            "detect": [took(times.to_detect(row.times)) for row in rows],
            "restore": [restored(row, now) for row in rows],
            "who": [visible(row.assignee.name) if row.assignee else "nobody" for row in rows],
        }
    )
    severities = [(item.word, item.colour) for item in badges.SEVERITIES.values()]
    config = {
        "incident": text("Incident", width=64),
        "severity": chips("Severity", severities, width=90),
        "state": chips("State", badges.chips(list(IncidentState)), width=132),
        "title": text("What", width=228),
        "model": text("Model", width=135),
        "version": text("Version", width=56),
        "detected": text("Detected", width=88),
        "detect": text("To detect", width=78),
        "restore": text("To restore", width=116),
        "who": text("With", width=100),
    }
    return frame, config


def restored(row: Incident, now: datetime) -> str:
    since = times.clock_since(row.times)
    if since is not None:
        return f"running, {took(max(now - since, timedelta()))}"
    return took(times.to_restore(row.times))


def export(rows: Iterable[Incident]) -> list[dict[str, object]]:
    return [
        {
            "incident": row.incident_id,
            "state": row.state.value,
            "severity": row.severity,
            "model": row.model,
            "version": row.version,
            "title": row.title,
            "opened_by": "rule" if row.by_rule else "person",
            "rule": row.rule,
            "measured": row.measured,
            "release": row.release_id,
            "traffic_changes": "; ".join(row.actions),
            "with": row.assignee.name if row.assignee else "",
            "impact_start": _utc(row.times.impact_start),
            "detected": _utc(row.times.detected),
            "acknowledged": _utc(row.times.acknowledged),
            "mitigated": _utc(row.times.mitigated),
            "closed": _utc(row.times.closed),
            "seconds_to_detect": _seconds(times.to_detect(row.times)),
            "seconds_to_restore": _seconds(times.to_restore(row.times)),
            "entry": row.opened_seq,
        }
        for row in rows
    ]


def _utc(at: datetime | None) -> str:
    return utc(at) if at else ""


def _seconds(delta: timedelta | None) -> object:
    return "" if delta is None else round(delta.total_seconds())
