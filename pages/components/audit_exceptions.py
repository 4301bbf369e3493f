"""Exceptions and emergency releases: owner, end, compensating control, and reviews that came late or not at all."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.components import asof, audit_ledger, exporting, notices, parts, session
from pages.components.format import NOTHING, md, plural, utc, when
from services.audit.overrides import EmergencyLine, ExceptionLine

if TYPE_CHECKING:
    from services.container import ControlRoom

_STATES = {
    "proposed": ":gray-badge[:material/schedule: proposed]",
    "active": ":orange-badge[:material/warning: active]",
    "refused": ":gray-badge[:material/cancel: refused]",
    "ended": ":gray-badge[:material/check_circle: ended]",
    "expired": ":gray-badge[:material/event_busy: expired]",
    "open": ":orange-badge[:material/schedule: review open]",
    "overdue": ":red-badge[:material/event_busy: review overdue]",
    "reviewed": ":green-badge[:material/check_circle: reviewed]",
    "reviewed late": ":red-badge[:material/event_busy: reviewed late]",
}


def section(room: ControlRoom, chosen: date | None) -> None:
    lines = room.reports.exceptions(chosen)
    emergencies = room.reports.emergencies(chosen)
    at = room.reports.moment(chosen)
    with st.container(horizontal=True, vertical_alignment="bottom", key="asof-bar"):
        asof.picker(room, chosen)
        exporting.popover(
            "exceptions",
            lambda: [*map(_exception_row, lines), *map(_emergency_row, emergencies)],
            note=f"filter: every exception and emergency release; {asof.words(chosen)}",
            as_of=at,
        )
    _emergencies(emergencies)
    _exceptions(lines)


def _emergencies(lines: tuple[EmergencyLine, ...]) -> None:
    st.header("Emergency releases", anchor=False)
    if not lines:
        notices.remark("No emergency release is recorded up to this moment.", "done_all")
        return
    late = sum(line.late for line in lines)
    if late:
        st.error(
            f"**{plural(late, 'review')} late.** An emergency release is reviewed by two uninvolved people in time.",
            icon=":material/event_busy:",
        )
    for line in lines:
        with st.container(border=True, key=f"emergency-{line.seq}"):
            st.markdown(f"**{md(line.model)} v{md(line.version)}** {_STATES[line.state]}")
            due = when(line.review_by, session.zone()) if line.review_by else "not stated"
            reviews = "; ".join(
                f"{md(name)}: {md(conclusion)}, {when(at, session.zone())}" for name, conclusion, at, _ in line.reviews
            )
            parts.facts(
                [
                    ("Signed by", f"{md(line.by)} :gray[{md(line.role.replace('_', ' '))}]"),
                    ("When", f"{when(line.at, session.zone())} :gray[{utc(line.at)}]"),
                    ("Reason code", md(line.reason_code) or NOTHING),
                    ("Review due", f":red[{due}]" if line.late else due),
                    ("Reviews", reviews or (":red[none]" if line.late else "none yet")),
                    *([("Void", f":red[{md(line.void)}]")] if line.void else []),
                ],
                alt=f"Emergency release of {line.model}",
            )
            with st.container(horizontal=True):
                audit_ledger.open_entry(line.seq, f"Order, entry {line.seq}")
                for name, _, _, seq in line.reviews:
                    audit_ledger.open_entry(seq, f"Review by {md(name)}, entry {seq}")


def _exceptions(lines: tuple[ExceptionLine, ...]) -> None:
    st.header("Exceptions", anchor=False)
    if not lines:
        notices.remark("No exception was ever proposed up to this moment.", "done_all")
        return
    parts.table(
        pd.DataFrame(
            [
                {
                    "Model and check": f"**{md(line.model)}** {md(line.gate)}",
                    "State": _STATES[line.state],
                    "Owner": md(line.owner) or NOTHING,
                    "Ends": when(line.until, session.zone()) if line.until else NOTHING,
                    "Compensating control": md(line.control),
                    "Reason": md(line.reason),
                    "Proposed by": md(line.proposed_by),
                    "Decided by": md(line.decided_by) or "nobody yet",
                    "Entry": str(line.seq),
                }
                for line in lines
            ]
        ),
        alt="Exceptions with owner, end and compensating control",
    )


def _exception_row(line: ExceptionLine) -> dict[str, object]:
    return {
        "what": "exception",
        "model": line.model,
        "subject": line.gate,
        "state": line.state,
        "owner": line.owner,
        "until": utc(line.until) if line.until else "",
        "control": line.control,
        "reason": line.reason,
        "by": line.proposed_by,
        "decided_by": line.decided_by,
        "at": utc(line.proposed_at),
        "entry": line.seq,
    }


def _emergency_row(line: EmergencyLine) -> dict[str, object]:
    return {
        "what": "emergency release",
        "model": line.model,
        "subject": f"version {line.version}",
        "state": line.state,
        "owner": line.by,
        "until": utc(line.review_by) if line.review_by else "",
        "control": "; ".join(f"{name}: {conclusion}" for name, conclusion, _, _ in line.reviews),
        "reason": line.reason_code,
        "by": line.by,
        "decided_by": "",
        "at": utc(line.at),
        "entry": line.seq,
    }
