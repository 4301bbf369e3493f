"""The queue of requests as a frame and as an export. Pure: no Streamlit import.

What is late is said in words and in red; what a request is for is said by word and sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import pandas as pd

from pages.components import badges
from pages.components.format import ago, asked, due, role, utc, visible
from pages.components.tables import Config, chips, progress, text
from services.approvals.models import Purpose, QueueRow, RequestState
from services.inventory.models import Tier

SIGNS = {
    Purpose.PROMOTION: "\u2191",
    Purpose.REATTESTATION: "\u21bb",
    Purpose.ADOPTION: "\u21e5",
    Purpose.RETIREMENT: "\u2193",
}
_LATE, _ESCALATED = "red", "orange"


def queue(rows: Sequence[QueueRow], now: datetime) -> tuple[pd.DataFrame, Mapping[str, Config]]:
    frame = pd.DataFrame(
        {
            "mine": ["Your turn" if row.mine else "" for row in rows],
            "due": [due_chips(row, now) for row in rows],
            "what": [visible(asked(row.purpose, row.title, row.version)) for row in rows],
            "purpose": [f"{SIGNS[row.purpose]} {badges.word(row.purpose)}" for row in rows],
            "tier": [[badges.word(Tier(row.tier))] for row in rows],
            "state": [[state_word(row)] for row in rows],
            "waiting": [", ".join(role(word) for word in row.waiting_on) or "nobody" for row in rows],
            "signed": [round(100 * row.signed / row.needed) if row.needed else 0 for row in rows],
            "age": [ago(row.age_days) for row in rows],
            "requester": [visible(row.requester) for row in rows],
            "request": [row.request_id for row in rows],
        }
    )
    config = {
        "mine": text("Turn", width=68),
        "due": chips("Due", _due_options(frame["due"], rows, now), width=185),
        "what": text("What", width=225),
        "purpose": text("For", width=110),
        "tier": chips("Risk", badges.chips(list(Tier)), width=62),
        "state": chips("State", _state_options(rows), width=128),
        "waiting": text("Waits for", width=150),
        "signed": progress("Signed", width=76),
        "age": text("Age", width=58),
        "requester": text("Asked by", width=96),
        "request": text("Request", width=80),
    }
    return frame, config


def due_chips(row: QueueRow, now: datetime) -> list[str]:
    """When the stage that is open now is due, and whether somebody was told; empty once nothing is waited for."""
    if row.state not in {RequestState.OPEN, RequestState.CHANGES_REQUESTED}:
        return []
    return [due(row.stage_due_at or row.due_at, now), *(["Escalated"] if row.escalated else [])]


def state_word(row: QueueRow) -> str:
    return _shown(row).word


def export(rows: Iterable[QueueRow]) -> list[dict[str, object]]:
    return [
        {
            "request": row.request_id,
            "purpose": row.purpose.value,
            "model": row.model,
            "title": row.title,
            "version": row.version,
            "replaces": row.base or "",
            "tier": row.tier,
            "state": row.state.value,
            "requested_by": row.requester,
            "requested_at": utc(row.created_at),
            "age_days": row.age_days,
            "due_at": utc(row.stage_due_at or row.due_at),
            "overdue": row.overdue,
            "escalated": row.escalated,
            "waits_for": "; ".join(row.waiting_on),
            "signed": row.signed,
            "needed": row.needed,
            "waits_for_me": row.mine,
        }
        for row in rows
    ]


def _due_options(cells: Iterable[list[str]], rows: Sequence[QueueRow], now: datetime) -> list[tuple[str, str]]:
    late = {due_chips(row, now)[0] for row in rows if row.overdue and due_chips(row, now)}
    words = dict.fromkeys(word for cell in cells for word in cell)
    return [(word, _LATE if word in late else _ESCALATED if word == "Escalated" else "gray") for word in words]


def _state_options(rows: Sequence[QueueRow]) -> list[tuple[str, str]]:
    shown = dict.fromkeys(_shown(row) for row in rows)
    return [(item.word, item.colour) for item in shown]


def _shown(row: QueueRow) -> badges.Status:
    return badges.PLANNED if row.planned else badges.status(row.state)
