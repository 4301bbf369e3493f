"""Alerts in the governance database; works on the caller's connection. Implements alerts.ports.AlertStore."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from services.adapters.sql.schema.alerts import alert as _alerts
from services.adapters.sql.schema.alerts import alert_event, alert_look
from services.alerts.models import (
    LONGEST_SUBJECT,
    Acknowledgement,
    Alert,
    AlertEvent,
    AlertKind,
    AlertQuery,
    AlertState,
    Counts,
    Happening,
    Impact,
    Key,
    Look,
    Part,
    Snooze,
)
from services.kernel.clock import from_utc_text, utc_text
from services.kernel.errors import StaleRequestError
from services.kernel.health import Health
from services.kernel.page import Page
from services.people.persons import Account

_IMPACTS = {Impact.HIGH: 0, Impact.MEDIUM: 1, Impact.LOW: 2}
_LONGEST = 500
_WINDOW = 80


class SqlAlerts:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # writing

    def next_id(self) -> str:
        newest = self._connection.execute(select(func.max(_alerts.c.number))).scalar()
        return f"alr-{(newest or 0) + 1}"

    def add(self, alert: Alert, event: AlertEvent | None) -> None:
        number = int(alert.alert_id.removeprefix("alr-"))
        self._connection.execute(insert(_alerts).values(alert_id=alert.alert_id, number=number, **_values(alert)))
        self._note(event)

    def save(self, alert: Alert, event: AlertEvent | None) -> None:
        done = self._connection.execute(
            update(_alerts)
            .where(_alerts.c.alert_id == alert.alert_id, _alerts.c.revision == alert.revision - 1)
            .values(**_values(alert))
        )
        if done.rowcount != 1:
            raise StaleRequestError(f"Somebody was faster with {alert.alert_id}.", hint="Look at it again.")
        self._note(event)

    def drop(self, alert: Alert) -> None:
        never_told = and_(_alerts.c.alert_id == alert.alert_id, _alerts.c.opened_at.is_(None))
        self._connection.execute(delete(_alerts).where(never_told))

    def _note(self, event: AlertEvent | None) -> None:
        if event is None:
            return
        last = select(func.max(alert_event.c.number)).where(alert_event.c.alert_id == event.alert_id)
        self._connection.execute(
            insert(alert_event).values(
                alert_id=event.alert_id,
                number=(self._connection.execute(last).scalar() or 0) + 1,
                happening=event.happening.value,
                at=event.at,
                by_issuer=event.by.issuer if event.by else "",
                by_subject=event.by.subject if event.by else "",
                by_name=event.by.name if event.by else "",
                sentence=event.sentence,
                text=event.text,
                salt=event.salt,
                seq=event.seq,
                window_name=event.window[:_WINDOW],
            )
        )

    def looked(self, look: Look) -> None:
        values: dict[str, Any] = {"at": look.at, "error": look.error}
        if look.last_success is not None:
            values["last_success"] = look.last_success
        done = self._connection.execute(update(alert_look).where(alert_look.c.source == look.source).values(**values))
        if not done.rowcount:
            self._connection.execute(
                insert(alert_look).values(
                    source=look.source, at=look.at, last_success=look.last_success, error=look.error
                )
            )

    # reading

    def current(self, since: datetime) -> Mapping[str, Alert]:
        query = (
            select(_alerts)
            .where(or_(_alerts.c.closed_at.is_(None), _alerts.c.closed_at >= since))
            .order_by(_alerts.c.number)
        )
        return {found.key.text: found for found in self._read(query)}

    def get(self, alert_id: str) -> Alert | None:
        return next(iter(self._read(select(_alerts).where(_alerts.c.alert_id == alert_id))), None)

    def history(self, alert_id: str) -> tuple[AlertEvent, ...]:
        query = select(alert_event).where(alert_event.c.alert_id == alert_id).order_by(alert_event.c.number.desc())
        return tuple(_event(row) for row in self._connection.execute(query))

    def find(self, query: AlertQuery, now: datetime) -> Page[Alert]:
        conditions = _conditions(query, now)
        total = self._connection.execute(select(func.count()).select_from(_alerts).where(*conditions)).scalar_one()
        limit = max(1, min(query.limit, _LONGEST))
        page = select(_alerts).where(*conditions).order_by(*_order()).offset(max(0, query.offset)).limit(limit)
        return Page(items=tuple(self._read(page)), total=int(total), offset=query.offset, limit=limit)

    def standing(self, model: str = "") -> tuple[Alert, ...]:
        query = select(_alerts).where(_alerts.c.opened_at.is_not(None), _alerts.c.closed_at.is_(None))
        if model:
            query = query.where(_alerts.c.model == model)
        return tuple(self._read(query.order_by(*_order())))

    def counts(self, now: datetime) -> Counts:
        table = _alerts.c
        query = select(
            *(
                func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
                for condition in (
                    _is(AlertState.OPEN, now),
                    _is(AlertState.ACKNOWLEDGED, now),
                    _is(AlertState.SNOOZED, now),
                    table.unknown_since.is_not(None),
                )
            )
        ).where(table.opened_at.is_not(None), table.closed_at.is_(None))
        found = self._connection.execute(query).one()
        return Counts(open=int(found[0]), acknowledged=int(found[1]), snoozed=int(found[2]), unknown=int(found[3]))

    def looks(self) -> tuple[Look, ...]:
        query = select(alert_look).order_by(alert_look.c.source)
        return tuple(
            Look(source=row.source, at=row.at, last_success=row.last_success, error=row.error)
            for row in self._connection.execute(query)
        )

    def _read(self, query: Select[Any]) -> Iterable[Alert]:
        return [_alert(row) for row in self._connection.execute(query)]


def _order() -> tuple[Any, ...]:
    over = case((_alerts.c.closed_at.is_(None), 0), else_=1)
    impact = case({item.value: rank for item, rank in _IMPACTS.items()}, value=_alerts.c.impact, else_=9)
    # Among those that are over the newest is the first: nobody waits for them.
    first = case((_alerts.c.closed_at.is_(None), _alerts.c.number), else_=-_alerts.c.number)
    grave = case((_alerts.c.closed_at.is_(None), _alerts.c.severity), else_=0)
    return (over, grave, case((_alerts.c.closed_at.is_(None), impact), else_=0), first)


def _is(state: AlertState, now: datetime) -> ColumnElement[bool]:
    """The same five states as `Alert.state`."""
    table = _alerts.c
    stands = and_(table.opened_at.is_not(None), table.closed_at.is_(None))
    awake = or_(table.snoozed_until.is_(None), table.snoozed_until <= now)
    return {
        AlertState.WATCHED: and_(table.opened_at.is_(None), table.closed_at.is_(None)),
        AlertState.OPEN: and_(stands, awake, table.acknowledged_at.is_(None)),
        AlertState.ACKNOWLEDGED: and_(stands, awake, table.acknowledged_at.is_not(None)),
        AlertState.SNOOZED: and_(stands, table.snoozed_until > now),
        AlertState.CLOSED: table.closed_at.is_not(None),
    }[state]


def _conditions(query: AlertQuery, now: datetime) -> list[ColumnElement[bool]]:
    table = _alerts.c
    found: list[ColumnElement[bool]] = [table.opened_at.is_not(None)]
    if query.states:
        found.append(or_(*(_is(state, now) for state in query.states)))
    if query.kinds:
        found.append(table.kind.in_([kind.value for kind in query.kinds]))
    if query.model:
        found.append(table.model == query.model)
    if query.mine:
        found.append(table.owner_subject == query.mine)
    return found


def _values(item: Alert) -> dict[str, Any]:
    return {
        "model": item.key.model,
        "kind": item.key.kind.value,
        "subject": item.key.subject[:LONGEST_SUBJECT],
        "standing_key": item.key.text if item.closed_at is None else None,
        "thread": item.thread,
        "tier": item.tier,
        "impact": item.impact.value,
        "severity": item.severity,
        "urgent": item.urgent,
        "state_seen": item.state_seen.value,
        "title": item.title,
        "sentence": item.sentence,
        "target": item.target,
        "value": item.value,
        "unit": item.unit,
        "window_name": item.window[:_WINDOW],
        "first_seen": item.first_seen,
        "last_seen": item.last_seen,
        "as_of": item.as_of,
        "repeats": item.repeats,
        "healthy": item.healthy,
        "bad": item.bad,
        "unknown_since": item.unknown_since,
        "opened_at": item.opened_at,
        "told_from": item.told_from,
        "closed_at": item.closed_at,
        "reopened": item.reopened,
        **_who("owner", item.owner),
        "owner_role": item.owner_role,
        "acknowledged_at": item.acknowledged.at if item.acknowledged else None,
        **_who("acknowledged", item.acknowledged.by if item.acknowledged else None),
        "snoozed_until": item.snooze.until if item.snooze else None,
        **_who("snoozed", item.snooze.by if item.snooze else None),
        "incident_id": item.incident_id,
        "incident_key": item.incident_key,
        "at_risk": item.at_risk,
        "parts": json.dumps([_part_document(part) for part in item.parts]),
        "revision": item.revision,
    }


def _who(name: str, who: Account | None) -> dict[str, str]:
    return {
        f"{name}_issuer": who.issuer if who else "",
        f"{name}_subject": who.subject if who else "",
        f"{name}_name": who.name if who else "",
    }


def _alert(row: Row[Any]) -> Alert:
    owner = Account(issuer=row.owner_issuer, subject=row.owner_subject, name=row.owner_name)
    taken = Account(issuer=row.acknowledged_issuer, subject=row.acknowledged_subject, name=row.acknowledged_name)
    quiet = Account(issuer=row.snoozed_issuer, subject=row.snoozed_subject, name=row.snoozed_name)
    return Alert(
        alert_id=row.alert_id,
        key=Key(model=row.model, kind=AlertKind(row.kind), subject=row.subject),
        thread=row.thread,
        tier=row.tier,
        impact=Impact(row.impact),
        severity=row.severity,
        urgent=row.urgent,
        state_seen=Health(row.state_seen),
        title=row.title,
        sentence=row.sentence,
        target=row.target,
        value=row.value,
        unit=row.unit,
        window=row.window_name,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        as_of=row.as_of,
        repeats=row.repeats,
        healthy=row.healthy,
        bad=row.bad,
        unknown_since=row.unknown_since,
        opened_at=row.opened_at,
        told_from=row.told_from,
        closed_at=row.closed_at,
        reopened=row.reopened,
        owner=owner if row.owner_subject else None,
        owner_role=row.owner_role,
        acknowledged=Acknowledgement(at=row.acknowledged_at, by=taken) if row.acknowledged_at else None,
        snooze=Snooze(until=row.snoozed_until, by=quiet) if row.snoozed_until else None,
        incident_id=row.incident_id,
        incident_key=row.incident_key,
        at_risk=row.at_risk,
        parts=tuple(_part(given) for given in json.loads(row.parts)),
        revision=row.revision,
    )


def _part_document(part: Part) -> dict[str, Any]:
    return {**asdict(part), "since": None if part.since is None else utc_text(part.since)}


def _part(given: dict[str, Any]) -> Part:
    since = given["since"]
    return Part(**{**given, "state": Health(given["state"]), "since": None if since is None else from_utc_text(since)})


def _event(row: Row[Any]) -> AlertEvent:
    by = Account(issuer=row.by_issuer, subject=row.by_subject, name=row.by_name)
    return AlertEvent(
        alert_id=row.alert_id,
        number=row.number,
        happening=Happening(row.happening),
        at=row.at,
        by=by if row.by_subject else None,
        sentence=row.sentence,
        text=row.text,
        salt=row.salt,
        seq=row.seq,
        window=row.window_name,
    )
