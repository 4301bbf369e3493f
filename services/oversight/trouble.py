"""Open incidents and the people on duty, as home pages show them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta

from services.incidents import rules
from services.incidents.models import Incident, IncidentState, OwedFollowUp
from services.incidents.on_call import OnCall
from services.inventory.models import GovernedModel
from services.kernel.health import Health
from services.kernel.identity import Actor, Role
from services.oversight.models import Tile, TodoItem

Trouble = tuple[Incident, GovernedModel | None]
"""An incident that is not closed, with its model; None when the registry no longer has it."""
_SOON = timedelta(days=7)
_OWNERS = {Role.BUSINESS_OWNER, Role.DATA_SCIENCE_LEAD}


def mine(found: Sequence[Trouble], actor: Actor, *, now: datetime) -> list[TodoItem]:
    """Engineers: what nobody has or what is theirs. Owners: everything about their models."""
    return [_item(incident, now) for incident, model in found if _concerns(incident, model, actor)]


def owed(found: Iterable[OwedFollowUp], actor: Actor, *, now: datetime) -> list[TodoItem]:
    """Follow-ups of this person that are overdue or due within a week."""
    return [
        TodoItem(
            title=f"Follow-up of {item.incident_id}: {item.text}",
            why=f"{item.model}; you own it since the post-mortem was signed. Say where it can be seen when it is done.",
            state=Health.BREACH if item.due < now.date() else Health.WATCH,
            due=datetime.combine(item.due, time(23, 59), UTC),
            target=f"incidents?incident={item.incident_id}",
        )
        for item in found
        if item.owner_subject == actor.subject and item.due <= now.date() + _SOON
    ]


def others(found: Sequence[Trouble], actor: Actor, *, now: datetime) -> list[TodoItem]:
    """What somebody else works on; everybody may see that it is taken care of."""
    return [_item(incident, now) for incident, model in found if not _concerns(incident, model, actor)]


def tile(found: Sequence[Trouble], actor: Actor) -> tuple[Tile, ...]:
    """For engineers and owners."""
    if actor.role is not Role.SRE and actor.role not in _OWNERS:
        return ()
    concerned = [incident for incident, model in found if actor.role is Role.SRE or _concerns(incident, model, actor)]
    waiting = sum(incident.state is IncidentState.OPEN for incident in concerned)
    running = sum(incident.times.mitigated is None for incident in concerned)
    state = Health.BREACH if running else Health.WATCH if concerned else Health.HEALTHY
    detail = f"{running} not mitigated, {waiting} not acknowledged" if concerned else "nothing is wrong that is known"
    title = "Incidents" if actor.role is Role.SRE else "Incidents of your models"
    return (Tile(title=title, value=str(len(concerned)), detail=detail, state=state, target="incidents"),)


def duty(found: Iterable[OnCall], actor: Actor) -> tuple[TodoItem, ...]:
    """Models with nobody on call first, in red; then who is on call for what, one line per person."""
    nobody, people = [], dict[str, list[OnCall]]()
    for item in found:
        if item.name is None:
            nobody.append(
                TodoItem(
                    title=f"Nobody is on call for {item.model}",
                    why=item.sentence.partition(": ")[2],
                    state=Health.BREACH,
                    due=None,
                    target=f"model?name={item.model}&show=metadata",
                )
            )
        else:
            people.setdefault(item.subject, []).append(item)
    lines = [_on_duty(items, is_me=subject == actor.subject) for subject, items in people.items()]
    return (*nobody, *lines)


def _on_duty(items: Sequence[OnCall], *, is_me: bool) -> TodoItem:
    names = ", ".join(item.model for item in items)
    who = "You are" if is_me else f"{items[0].name} is"
    lent = " ".join(dict.fromkeys(item.sentence for item in items if " until " in item.sentence))
    return TodoItem(
        title=f"{who} on call", why=lent or f"For {names}.", state=Health.HEALTHY, due=None, target="incidents"
    )


def _concerns(incident: Incident, model: GovernedModel | None, actor: Actor) -> bool:
    if actor.role is Role.SRE:
        return incident.assignee is None or incident.assignee.subject == actor.subject
    if actor.role not in _OWNERS or model is None:
        return False
    owner = model.owner_of(actor.role.value)
    return owner is None or owner.subject == actor.subject


def _item(incident: Incident, now: datetime) -> TodoItem:
    who = f"{incident.assignee.name} works on it" if incident.assignee else "Nobody works on it"
    since = f"detected {incident.times.detected:%d %b %H:%M} UTC"
    verb = {
        IncidentState.OPEN: "Acknowledge",
        IncidentState.ACKNOWLEDGED: "End the impact of",
        IncidentState.MITIGATED: "Write the post-mortem of",
    }.get(incident.state, "Look at")
    late = rules.unacknowledged_since(incident, now=now) is not None
    words = "; somebody else was told because nobody took it up in time" if late else ""
    return TodoItem(
        title=f"{verb} {incident.incident_id}: {incident.title}",
        why=f"{incident.model}, severity {incident.severity}, {since}. {who}{words}.",
        state=Health.WATCH if incident.state is IncidentState.MITIGATED and not late else Health.BREACH,
        due=None,
        target=f"incidents?incident={incident.incident_id}",
    )
