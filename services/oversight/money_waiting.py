"""Months that wait for finance, and retraining that is due, as the home page shows them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from services.feedback.retraining import Cause, Round
from services.inventory.models import GovernedModel
from services.kernel.health import Health
from services.oversight.models import TodoItem
from services.value.portfolio import PortfolioRow, WaitingMonth

DUE_WITHIN = timedelta(days=14)
"""What the calendar asks for later than this is told in one line for all models."""
LATE_AFTER = timedelta(days=14)
"""A month that waits longer than this for finance is late: the next one is about to be proposed."""


def months(rows: Sequence[PortfolioRow], *, now: datetime) -> list[TodoItem]:
    """One line for each month an owner proposed and nobody decided on, the longest waiting first."""
    waiting = [(row, month) for row in rows for month in row.waiting]
    return [_month(row, month, now) for row, month in sorted(waiting, key=lambda item: (item[1].at, item[0].model))]


def _month(row: PortfolioRow, month: WaitingMonth, now: datetime) -> TodoItem:
    days = max(0, (now - month.at).days)
    since = "since today" if not days else "1 day" if days == 1 else f"{days} days"
    return TodoItem(
        title=f"Attest or cut {month.period} of {row.model}: {month.amount:,.2f} {row.currency}",
        why=f"Claimed by {month.by_name} on {month.at:%d %b %Y}, waiting {since}. Until you decide it is only claimed.",
        state=Health.BREACH if now - month.at > LATE_AFTER else Health.WATCH,
        due=month.at + LATE_AFTER,
        target=f"value?model={row.model}&show=statement",
    )


def retraining(rounds: Sequence[tuple[Round, GovernedModel]], *, today: date) -> list[TodoItem]:
    """Rounds without a new version: each that drift asks for or that is due soon, the others in one line."""
    open_ones = sorted(
        ((item, model) for item, model in rounds if item.is_open and not item.version),
        key=lambda pair: (pair[0].due, pair[0].model),
    )
    soon = [pair for pair in open_ones if pair[0].cause is Cause.DRIFT or pair[0].due - today <= DUE_WITHIN]
    later = [pair for pair in open_ones if pair not in soon]
    items = [_round(item, model, today) for item, model in soon]
    if later:
        names = ", ".join(item.model for item, _ in later[:3])
        more = f" and {len(later) - 3} more" if len(later) > 3 else ""
        items.append(
            TodoItem(
                title=f"Retraining due later this period: {len(later)}",
                why=f"{names}{more}; the first one by {later[0][0].due:%d %b %Y}.",
                state=Health.UNKNOWN,
                due=_end_of(later[0][0].due),
                target=f"feedback?model={later[0][0].model}&show=retraining",
            )
        )
    return items


def _round(item: Round, model: GovernedModel, today: date) -> TodoItem:
    late = item.due < today
    if item.cause is Cause.DRIFT:
        why = f"{item.sentence.rstrip('.')}. Drift asks for an extra round; no new version is registered yet."
    else:
        why = f"No new version is registered for {item.subject}. Train one, or skip the period with a reason."
    return TodoItem(
        title=f"Retrain {model.title} by {item.due:%d %b %Y}",
        why=why,
        state=Health.BREACH if late else Health.WATCH,
        due=_end_of(item.due),
        target=f"feedback?model={item.model}&show=retraining",
    )


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59), UTC)
