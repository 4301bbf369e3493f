"""The retraining calendar, its rounds and the sets made of corrections, as frames. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd

from pages.components import badges
from pages.components.format import NOTHING, code, count, day, digest, md, plural, when
from services.feedback.retraining import Calendar, Cause, Period, PeriodState, Round
from services.feedback.training_sets import TrainingSet

_STATES = {
    PeriodState.KEPT: ("Retrained", "green", "check_circle"),
    PeriodState.SKIPPED: ("Skipped", "gray", "event_busy"),
    PeriodState.MISSED: ("Missed", "red", "error"),
    PeriodState.DUE: ("Due", "orange", "schedule"),
}
_CAUSES = {Cause.CALENDAR: "Calendar", Cause.DRIFT: "Drift"}


def summary(found: Calendar, today: date) -> str:
    """Our Markdown."""
    if found.next_due is None:
        return ":gray[No version was ever registered, so nothing is due.]"
    often = "every month" if found.cadence.months == 1 else f"every {found.cadence.months} months"
    missed = f" :red[{plural(found.missed, 'period')} missed without a reason.]" if found.missed else ""
    left = (found.next_due - today).days
    due = f"Next version due by {day(found.next_due)}, in {plural(left, 'day')}"
    return f":gray[{due}; {often} by {md(found.cadence.stated)}.]{missed}"


def state(period: Period) -> str:
    return badges.plain(*_STATES[period.state])


def periods(found: Calendar) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Period": [item.month for item in found.periods],
            "State": [state(item) for item in found.periods],
            "Until": [day(item.due) for item in found.periods],
            "What happened": [md(item.sentence) for item in found.periods],
        }
    )


def rounds(found: Sequence[Round], zone: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Asked for": [f"{_CAUSES[item.cause]} {md(item.subject)}" for item in found],
            "Since": [when(item.opened_at, zone) for item in found],
            "Until": [day(item.due) for item in found],
            "Version": [md(item.version) or NOTHING for item in found],
            "State": [_round_state(item) for item in found],
            "Why": [md(item.sentence) for item in found],
        }
    )


def _round_state(item: Round) -> str:
    if item.draft_at is not None:
        return badges.plain("Draft open" if not item.blocked else "Draft blocked", "blue", "draft")
    if item.closed_at is not None:
        return f":gray[{md(item.closed_why)}]"
    if item.version:
        return badges.plain("Being evaluated", "blue", "fact_check")
    return badges.plain("Waits for a version", "orange", "schedule")


def sets(found: Sequence[TrainingSet], zone: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Set": [count(item.number) for item in found],
            "When": [when(item.at, zone) for item in found],
            "By": [md(item.by_name) for item in found],
            "Reviews": [count(item.rows) for item in found],
            "From": [plural(len(item.lineage), "source") for item in found],
            "Digest": [code(digest(item.sha256)) for item in found],
            "In the registry": [_logged(item) for item in found],
            "For": [md(item.reason) for item in found],
        }
    )


def _logged(item: TrainingSet) -> str:
    if item.logged_at is not None:
        return f":green[run] {code(item.run_id[:12])}"
    return f":orange[waits: {md(item.error)}]" if item.error else ":gray[within a minute]"


def set_export(found: Sequence[TrainingSet]) -> list[dict[str, object]]:
    return [
        {
            "model": item.model,
            "set": item.number,
            "sha256": item.sha256,
            "rows": item.rows,
            "source": origin.source,
            "source_rows": origin.rows,
            "source_sha256": origin.sha256,
            "run": item.run_id,
            "ledger_entry": item.seq,
        }
        for item in found
        for origin in item.lineage
    ]
