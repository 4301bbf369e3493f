"""Alerts on the home page: those this person should take up, told together where they belong together. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.alerts.models import Alert, AlertKind
from services.alerts.threads import Thread, threads
from services.kernel.health import Health
from services.kernel.identity import Actor, Role
from services.oversight.models import TodoItem

_GRAVE = 2
_PROMISES = frozenset({AlertKind.SERVICE_LEVEL, AlertKind.PIPELINE, AlertKind.BURN_RATE})


def mine(alerts: Iterable[Alert], actor: Actor, *, now: datetime) -> list[TodoItem]:
    """Of the owner; of everybody of the role where nobody is named; the grave ones of every engineer."""
    return [_item(thread, now) for thread in threads(alerts, now=now) if _concerns(thread, actor)]


def told(alerts: Iterable[Alert]) -> frozenset[tuple[str, str]]:
    """(model, `drift` or `sla`) with an alert that stands: what it says is not said a second time beside it."""
    words = {AlertKind.DRIFT: "drift", **dict.fromkeys(_PROMISES, "sla")}
    return frozenset(
        (alert.key.model, words[alert.key.kind]) for alert in alerts if alert.stands and alert.key.kind in words
    )


def _concerns(thread: Thread, actor: Actor) -> bool:
    if thread.owner is not None and (thread.owner.issuer, thread.owner.subject) == (actor.issuer, actor.subject):
        return True
    if thread.owner is None and thread.owner_role == actor.role.value:
        return True
    return actor.role is Role.SRE and thread.severity <= _GRAVE


def _item(thread: Thread, now: datetime) -> TodoItem:
    late = thread.late_at is not None and now >= thread.late_at
    who = f"{thread.owner.name} answers for it" if thread.owner else "Nobody is named for it"
    words = "; somebody else was told because nobody took it up in time" if late else ""
    return TodoItem(
        title=f"Alert: {thread.title}",
        why=f"Severity {thread.severity}, since {thread.since:%d %b %H:%M} UTC. {thread.sentence.rstrip('.')}. "
        f"{who}{words}.",
        state=Health.BREACH if thread.severity <= _GRAVE or late else Health.WATCH,
        due=None,
        target=thread.target,
    )
