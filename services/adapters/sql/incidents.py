"""Incidents in the governance database; works on the caller's connection."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, delete, func, insert, select, update

from services.adapters.sql.schema.incidents import incident as _incidents
from services.adapters.sql.schema.incidents import incident_action, incident_event, incident_owed
from services.incidents.models import (
    FollowUp,
    Incident,
    IncidentEvent,
    IncidentQuery,
    IncidentState,
    OwedFollowUp,
    PostMortem,
    Step,
    Times,
)
from services.kernel.errors import StaleRequestError
from services.kernel.page import Page
from services.people.persons import Account

_CLOSED = IncidentState.CLOSED.value


class SqlIncidents:
    """Implements incidents.ports.IncidentStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # writing

    def next_id(self) -> str:
        newest = self._connection.execute(select(func.max(_incidents.c.number))).scalar()
        return f"inc-{(newest or 0) + 1}"

    def add(self, incident: Incident, event: IncidentEvent) -> None:
        number = int(incident.incident_id.removeprefix("inc-"))
        self._connection.execute(
            insert(_incidents).values(incident_id=incident.incident_id, number=number, **_values(incident))
        )
        self._keep(incident, event)

    def save(self, incident: Incident, event: IncidentEvent) -> None:
        done = self._connection.execute(
            update(_incidents)
            .where(_incidents.c.incident_id == incident.incident_id, _incidents.c.revision == incident.revision - 1)
            .values(**_values(incident))
        )
        if done.rowcount != 1:
            raise StaleRequestError(f"Somebody was faster with {incident.incident_id}.", hint="Look at it again.")
        self._keep(incident, event)

    def _keep(self, incident: Incident, event: IncidentEvent) -> None:
        self._connection.execute(
            insert(incident_event).values(
                incident_id=incident.incident_id,
                seq=event.seq,
                leaf_hash=event.leaf_hash,
                step=event.step.value,
                at=event.at,
                by_issuer=event.by.issuer if event.by else "",
                by_subject=event.by.subject if event.by else "",
                by_name=event.by.name if event.by else "",
                sentence=event.sentence,
                facts=json.dumps(dict(event.facts), ensure_ascii=False, sort_keys=True),
                text=event.text,
                salt=event.salt,
            )
        )
        self._keep_owed(incident, event)
        known = set(self._actions([incident.incident_id]).get(incident.incident_id, ()))
        for position, action_id in enumerate(incident.actions):
            if action_id not in known:
                self._connection.execute(
                    insert(incident_action).values(
                        incident_id=incident.incident_id, action_id=action_id, position=position
                    )
                )

    def _keep_owed(self, incident: Incident, event: IncidentEvent) -> None:
        if event.step is Step.CLOSED:
            rows = owed_rows(incident.incident_id, incident.post_mortem)
            if rows:
                self._connection.execute(insert(incident_owed), rows)
        elif event.step is Step.FOLLOW_UP:
            table = incident_owed.c
            self._connection.execute(
                delete(incident_owed).where(
                    table.incident_id == incident.incident_id, table.number == int(event.fact("followUp"))
                )
            )

    # reading

    def owed(self, subject: str = "") -> tuple[OwedFollowUp, ...]:
        query = (
            select(incident_owed, _incidents.c.model, _incidents.c.post_mortem)
            .join(_incidents, _incidents.c.incident_id == incident_owed.c.incident_id)
            .order_by(incident_owed.c.due, incident_owed.c.incident_id, incident_owed.c.number)
        )
        if subject:
            query = query.where(incident_owed.c.owner_subject == subject)
        return tuple(_owed(row) for row in self._connection.execute(query))

    def get(self, incident_id: str) -> Incident | None:
        found = self._read(select(_incidents).where(_incidents.c.incident_id == incident_id))
        return found[0] if found else None

    def opened_in(self, seq: int) -> str:
        query = select(_incidents.c.incident_id).where(_incidents.c.opened_seq == seq)
        return str(self._connection.execute(query).scalar_one())

    def events(self, incident_id: str) -> tuple[IncidentEvent, ...]:
        query = select(incident_event).where(incident_event.c.incident_id == incident_id)
        return tuple(_event(row) for row in self._connection.execute(query.order_by(incident_event.c.seq)))

    def of_key(self, key: str) -> Incident | None:
        query = select(_incidents).where(_incidents.c.key == key).order_by(_incidents.c.number.desc()).limit(1)
        found = self._read(query) if key else []
        return found[0] if found else None

    def naming(self, action_id: str) -> tuple[Incident, ...]:
        named = select(incident_action.c.incident_id).where(incident_action.c.action_id == action_id)
        return tuple(
            self._read(select(_incidents).where(_incidents.c.incident_id.in_(named)).order_by(_incidents.c.number))
        )

    def find(self, query: IncidentQuery) -> Page[Incident]:
        conditions = _conditions(query)
        total = self._connection.execute(select(func.count()).select_from(_incidents).where(*conditions)).scalar_one()
        page = (
            select(_incidents)
            .where(*conditions)
            .order_by(case((_incidents.c.state == _CLOSED, 1), else_=0), _incidents.c.number.desc())
            .offset(query.offset)
            .limit(query.limit)
        )
        return Page(items=tuple(self._read(page)), total=int(total), offset=query.offset, limit=query.limit)

    def open(self, model: str = "") -> tuple[Incident, ...]:
        query = select(_incidents).where(_incidents.c.state != _CLOSED)
        if model:
            query = query.where(_incidents.c.model == model)
        return tuple(self._read(query.order_by(_incidents.c.severity, _incidents.c.number)))

    def all(self, model: str = "") -> tuple[Incident, ...]:
        query = select(_incidents).order_by(_incidents.c.number)
        return tuple(self._read(query.where(_incidents.c.model == model) if model else query))

    def _read(self, query: Select[Any]) -> list[Incident]:
        rows = list(self._connection.execute(query))
        actions = self._actions([row.incident_id for row in rows])
        return [_incident(row, actions.get(row.incident_id, ())) for row in rows]

    def _actions(self, ids: list[str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        table = incident_action.c
        query = select(incident_action).where(table.incident_id.in_(ids)).order_by(table.position)
        for row in self._connection.execute(query) if ids else ():
            found[row.incident_id] = (*found.get(row.incident_id, ()), row.action_id)
        return found


def _conditions(query: IncidentQuery) -> list[ColumnElement[bool]]:
    table, found = _incidents.c, list[ColumnElement[bool]]()
    if query.states:
        found.append(table.state.in_([state.value for state in query.states]))
    if query.severities:
        found.append(table.severity.in_(query.severities))
    if query.model:
        found.append(table.model == query.model)
    # Every word, wherever it stands; a percent sign that was typed is a percent sign.
    found += [table.search_text.contains(word, autoescape=True) for word in query.text.casefold().split()]
    return found


def _values(item: Incident) -> dict[str, Any]:
    who = item.assignee
    words = (item.incident_id, item.model, item.title, item.text, item.rule, who.name if who else "")
    return {
        "key": item.key,
        "model": item.model,
        "version": item.version,
        "severity": item.severity,
        "state": item.state.value,
        "title": item.title,
        "text": item.text,
        "search_text": " ".join(word.casefold() for word in words if word),
        "rule": item.rule,
        "measured": item.measured,
        "release_id": item.release_id,
        "earlier": item.earlier,
        "cause": item.cause or None,
        "assignee_issuer": who.issuer if who else "",
        "assignee_subject": who.subject if who else "",
        "assignee_name": who.name if who else "",
        "impact_start": item.times.impact_start,
        "detected_at": item.times.detected,
        "acknowledged_at": item.times.acknowledged,
        "mitigated_at": item.times.mitigated,
        "closed_at": item.times.closed,
        "opened_seq": item.opened_seq,
        "mitigated_seq": item.mitigated_seq,
        "recurred_seq": item.recurred_seq,
        "post_mortem": _written(item.post_mortem),
        "revision": item.revision,
    }


def _incident(row: Row[Any], actions: tuple[str, ...]) -> Incident:
    who = Account(issuer=row.assignee_issuer, subject=row.assignee_subject, name=row.assignee_name)
    return Incident(
        incident_id=row.incident_id,
        key=row.key,
        cause=row.cause or "",
        model=row.model,
        version=row.version,
        severity=row.severity,
        title=row.title,
        text=row.text,
        rule=row.rule,
        measured=row.measured,
        times=Times(
            impact_start=row.impact_start,
            detected=row.detected_at,
            acknowledged=row.acknowledged_at,
            mitigated=row.mitigated_at,
            closed=row.closed_at,
        ),
        opened_seq=row.opened_seq,
        assignee=who if row.assignee_subject else None,
        actions=actions,
        release_id=row.release_id,
        earlier=row.earlier,
        mitigated_seq=row.mitigated_seq,
        recurred_seq=row.recurred_seq,
        post_mortem=_post_mortem(row.post_mortem),
        revision=row.revision,
    )


def _written(post_mortem: PostMortem) -> str:
    return json.dumps(asdict(post_mortem), default=date.isoformat, ensure_ascii=False)


NO_POST_MORTEM = _written(PostMortem())
"""How an incident is kept whose post-mortem nobody has begun."""


def _post_mortem(text: str) -> PostMortem:
    if not text.startswith("{"):
        return PostMortem(impact=text)  # erased: the words that say so stand in its place
    given = json.loads(text)
    follow_ups = tuple(
        FollowUp(**{**item, "due": date.fromisoformat(item["due"]) if item["due"] else None})
        for item in given["follow_ups"]
    )
    return PostMortem(**{**given, "follow_ups": follow_ups})


def owed_rows(incident_id: str, post_mortem: PostMortem) -> list[dict[str, Any]]:
    """What is owed once an incident is closed."""
    return [
        {"incident_id": incident_id, "number": number, "owner_subject": item.owner_subject, "due": item.due}
        for number, item in enumerate(post_mortem.follow_ups, start=1)
        if item.due is not None
    ]


def _owed(row: Row[Any]) -> OwedFollowUp:
    # Erased words leave the duty: somebody still owes it, and the incident says so.
    known = _post_mortem(row.post_mortem).follow_ups
    item = known[row.number - 1] if row.number <= len(known) else None
    return OwedFollowUp(
        incident_id=row.incident_id,
        model=row.model,
        number=row.number,
        text=item.text if item else "Its text was erased.",
        owner_subject=row.owner_subject,
        owner_name=item.owner_name if item else "",
        due=row.due,
    )


def _event(row: Row[Any]) -> IncidentEvent:
    by = Account(issuer=row.by_issuer, subject=row.by_subject, name=row.by_name)
    return IncidentEvent(
        step=Step(row.step),
        at=row.at,
        by=by if row.by_subject else None,
        sentence=row.sentence,
        facts=tuple(sorted(json.loads(row.facts).items())),
        text=row.text,
        salt=row.salt,
        seq=row.seq,
        leaf_hash=row.leaf_hash,
    )
