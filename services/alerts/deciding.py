"""From everything that was reported to what changes: one pass over conditions, and over alerts nobody reported. Pure.

Deciding twice on the same state decides the same: the worker decides once to see whether anything is to be written,
and again inside the unit of work in which it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.alerts import rules
from services.alerts.models import Alert, AlertKind, Change, Condition
from services.alerts.ports import AboutModel
from services.kernel.errors import UnknownModelError
from services.kernel.health import Health

_GONE = "Its source does not report it any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """All reports of one round. `silent` names kinds whose source could not be read at all, with the reason."""

    conditions: tuple[Condition, ...]
    silent: Mapping[AlertKind, str]
    failed: Mapping[tuple[AlertKind, str], str]
    """(kind, model) that could not be read, with the reason."""
    reported: frozenset[AlertKind]
    """Kinds that some source was asked about."""


def changes(current: Mapping[str, Alert], heard: Heard, *, about: AboutModel, now: datetime) -> tuple[Change, ...]:
    """In the order of the conditions; alerts of unheard conditions last. Each alert is named at most once."""
    seen = {condition.key.text: condition for condition in heard.conditions}
    return (
        *_of_conditions(current, tuple(seen.values()), about=about, now=now),
        *_of_silence(current, seen, heard, now=now),
    )


def _of_conditions(
    current: Mapping[str, Alert], conditions: Sequence[Condition], *, about: AboutModel, now: datetime
) -> Iterator[Change]:
    for condition in conditions:
        alert = current.get(condition.key.text)
        if alert is None and condition.state is Health.HEALTHY:
            continue
        try:
            facts = about(condition)
        except UnknownModelError:
            continue
        change = rules.look(alert, condition, facts, now=now)
        if change is not None:
            yield change


def _of_silence(
    current: Mapping[str, Alert], seen: Mapping[str, Condition], heard: Heard, *, now: datetime
) -> Iterator[Change]:
    for text, alert in current.items():
        if text in seen:
            continue
        why = heard.silent.get(alert.key.kind) or heard.failed.get((alert.key.kind, alert.key.model))
        if why is None and alert.key.kind in heard.reported:
            why = _GONE
        change = rules.not_reported(alert, now=now, why=why) if why else None
        if change is not None:
            yield change
