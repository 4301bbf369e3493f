"""Values to frames and column settings. Pure: no Streamlit import; column settings are plain dictionaries.

Text cells of long tables are shown as typed, so they are not escaped. Exports guard cells against formulas.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from pages.components import badges
from pages.components.format import measured, routes, utc, version, visible
from services.audit.models import LedgerRow
from services.inventory.models import DeploymentKind, InventoryRow, Tier
from services.kernel.health import Health, Signal

Config = dict[str, Any]


def text(label: str, *, width: Any = None, help_text: str | None = None) -> Config:
    return {"label": label, "width": width, "help": help_text, "type_config": {"type": "text"}}


def numeric(label: str, pattern: str, *, width: Any = None, help_text: str | None = None) -> Config:
    return {"label": label, "width": width, "help": help_text, "type_config": {"type": "number", "format": pattern}}


def dates(label: str, *, width: Any = None) -> Config:
    return {"label": label, "width": width, "type_config": {"type": "date", "format": "D MMM YYYY"}}


def moments(label: str, zone: str, *, width: Any = None) -> Config:
    settings = {"type": "datetime", "format": "D MMM YYYY, HH:mm", "timezone": zone}
    return {
        "label": f"{label} ({zone.rsplit('/', maxsplit=1)[-1].replace('_', ' ')} time)",
        "width": width,
        "type_config": settings,
    }


def chips(label: str, statuses: Sequence[tuple[str, str]], *, width: Any = None) -> Config:
    options = [{"value": word, "color": colour} for word, colour in statuses]
    return {
        "label": label,
        "width": width,
        "type_config": {"type": "multiselect", "options": options, "accept_new_options": None},
    }


def progress(label: str, *, width: Any = None) -> Config:
    settings = {"type": "progress", "format": "%d %%", "min_value": 0, "max_value": 100}
    return {"label": label, "width": width, "type_config": settings}


def sparkline(label: str, *, width: Any = None, low: float = 0.0, high: float | None = None) -> Config:
    return {"label": label, "width": width, "type_config": {"type": "line_chart", "y_min": low, "y_max": high}}


def inventory(rows: Sequence[InventoryRow]) -> tuple[pd.DataFrame, Mapping[str, Config]]:
    """The inventory as a sortable table: status as chips, drift as a sparkline, unknown left empty."""
    frame = pd.DataFrame(
        {
            "model": [visible(row.name) for row in rows],
            "live": [_live(row) for row in rows],
            "health": [[badges.word(row.health)] for row in rows],
            "tier": [[badges.word(row.tier)] for row in rows],
            "complete": pd.array([row.completeness for row in rows], dtype="Int64"),
            "owner": [row.owner for row in rows],
            "trend": [list(row.drift_trend) for row in rows],
            "psi": pd.array([row.drift.value for row in rows], dtype="Float64"),
            "sla": [_service_level(row.sla) for row in rows],
            "requests": [row.open_requests for row in rows],
            "review": [row.next_review for row in rows],
            "usecase": [visible(row.use_case) for row in rows],
        }
    )
    config = {
        "model": text("Model", width=175),
        "live": text("Live", width=125),
        "health": chips("Health", badges.chips(list(Health)), width=88),
        "tier": chips("Risk", badges.chips(list(Tier)), width=72),
        "complete": progress("Metadata", width=95),
        "owner": text("Owner", width=120),
        "trend": sparkline("Drift (PSI), 30 days", width=125, high=_ceiling(rows)),
        "psi": numeric("PSI", "%.2f", width=60),
        "sla": text("Service level", width=150),
        "requests": numeric("Requests", "%d", width=76),
        "review": dates("Next review", width=100),
        "usecase": text("Use case", width=170),
    }
    return frame, config


def _ceiling(rows: Sequence[InventoryRow]) -> float:
    """One scale for all sparklines, so that they compare; one extreme model must not flatten the others."""
    return max(0.3, min(1.0, max((value for row in rows for value in row.drift_trend), default=0.0)))


def _live(row: InventoryRow) -> str:
    if row.kind is DeploymentKind.VENDOR:
        return "at the supplier"
    return routes(row.live) if row.live else "nothing live"


def ledger(rows: Sequence[LedgerRow], zone: str) -> tuple[pd.DataFrame, Mapping[str, Config]]:
    # Arrow keeps the zone; a pandas column with a zone makes a slow copy on its way to the browser.
    instant: Any = pd.ArrowDtype(pa.timestamp("us", tz="UTC"))
    frame = pd.DataFrame(
        {
            "seq": [row.seq for row in rows],
            "at": pd.array([row.at for row in rows], dtype=instant),
            "event": [row.event for row in rows],
            "what": [row.sentence for row in rows],
            "actor": [row.actor or "Countersign" for row in rows],
            "subject": [row.subject for row in rows],
            "hash": [row.leaf_hash[:12] for row in rows],
        }
    )
    config = {
        "seq": numeric("Entry", "%d", width=64),
        "at": moments("When", zone, width=170),
        "event": text("Event", width=170),
        "what": text("What happened", width=420),
        "actor": text("Who", width=150),
        "subject": text("About", width=170),
        "hash": text("Leaf hash", width=110),
    }
    return frame, config


def inventory_export(rows: Iterable[InventoryRow]) -> list[dict[str, object]]:
    return [
        {
            "model": row.name,
            "title": row.title,
            "use_case": row.use_case,
            "tier": int(row.tier),
            "kind": row.kind.value,
            "team": row.team,
            "owner": row.owner,
            "health": row.health.value,
            "live": "; ".join(f"v{name} {share}%" for name, share in row.live),
            "live_as_of": utc(row.live_as_of) if row.live_as_of else "",
            "versions": row.versions,
            "newest_version": version(row.newest_version) if row.newest_version else "",
            "drift_psi": "" if row.drift.value is None else round(row.drift.value, 6),
            "drift_state": row.drift.state.value,
            "service_level": row.sla.sentence,
            "open_requests": row.open_requests,
            "findings": row.findings,
            "next_review": row.next_review.isoformat(),
            "review_overdue": row.review_overdue,
            "metadata_percent": "" if row.completeness is None else row.completeness,
        }
        for row in rows
    ]


def ledger_export(rows: Iterable[LedgerRow]) -> list[dict[str, object]]:
    return [
        {
            "entry": row.seq,
            "at": utc(row.at),
            "kind": row.kind,
            "event": row.event,
            "actor": row.actor,
            "role": row.role,
            "subject": row.subject,
            "sentence": row.sentence,
            "leaf_hash": row.leaf_hash,
        }
        for row in rows
    ]


def to_csv(rows: Sequence[Mapping[str, object]], *, note: str, as_of: datetime) -> str:
    """CSV with two leading remark lines: the filter that was set and the time of the data."""
    out = io.StringIO()
    out.write(f"# {note}\n# as of {utc(as_of)}, {len(rows)} rows\n")
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def to_json(rows: Sequence[Mapping[str, object]], *, note: str, as_of: datetime) -> str:
    document = {"filter": note, "as_of": utc(as_of), "count": len(rows), "rows": list(rows)}
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def _cell(value: object) -> object:
    """A spreadsheet would run text that begins like a formula; an apostrophe keeps it text."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return value


def _service_level(signal: Signal) -> str:
    """Short enough for a cell: `49 ms p95`, `98.81 % on time`."""
    if signal.value is None:
        return "not measured"
    return f"{measured(signal)} {signal.unit.lstrip('% ').removeprefix('ms').strip()}".strip()
