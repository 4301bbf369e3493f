"""What needs a person now, by role: pure functions from the situation to lists, the most urgent first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from services.inventory.models import GovernedModel, InventoryCounts, InventoryRow, SyncState
from services.kernel.health import Health
from services.kernel.identity import ROLE_TITLES, Actor, Role
from services.oversight.models import OpenAction, ServedModel, TodoItem, WaitingRequest
from services.value.models import ModelValue

_URGENCY = [Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY]
_WATCH_ROLES = {Role.SRE, Role.DATA_SCIENCE_LEAD, Role.BUSINESS_OWNER}
_FINDING_ROLES = {Role.SRE, Role.COMPLIANCE, Role.ADMIN}
_VERBS = {Role.BUSINESS_OWNER: "Acknowledge", Role.VALIDATOR: "Validate", Role.COMPLIANCE: "Approve"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything a home page is made of, read once."""

    now: datetime
    counts: InventoryCounts
    requests: tuple[WaitingRequest, ...]
    served: tuple[ServedModel, ...]
    actions: tuple[OpenAction, ...]
    findings: tuple[TodoItem, ...]
    unsubmitted: tuple[tuple[str, str, datetime], ...]
    alarming: tuple[tuple[InventoryRow, GovernedModel], ...]
    """Models whose drift or promise is in watch or breach."""
    overdue: tuple[tuple[InventoryRow, GovernedModel], ...]
    values: tuple[ModelValue, ...]
    syncs: tuple[SyncState, ...]
    worker_alive: bool


def mine(situation: Situation, actor: Actor) -> tuple[TodoItem, ...]:
    """What this person can do something about now."""
    items = [_request(request, actor, situation.now) for request in situation.requests if _acts(request, actor)]
    if actor.role in _WATCH_ROLES:
        items += [item for row, model in situation.alarming if owns(model, actor) for item in _alarms(row, actor.role)]
    if actor.role in _FINDING_ROLES:
        items += situation.findings
    if actor.role is Role.DATA_SCIENCE_LEAD:
        items += [_unsubmitted(*version) for version in situation.unsubmitted]
    if actor.role is Role.SRE:
        items += [_canary(served) for served in situation.served if served.candidate and served.plan]
        items += [_moving(action) for action in situation.actions if action.state in {"pending", "running"}]
    if actor.role is Role.BUSINESS_OWNER:
        items += [_value(value) for value in situation.values if value.state in {Health.BREACH, Health.WATCH}]
    if actor.role in {Role.COMPLIANCE, Role.VALIDATOR}:
        items += [_overdue(row) for row, _ in situation.overdue]
    if actor.role in {Role.ADMIN, Role.SRE}:
        items += machinery(situation)
    return urgent_first(items)


def others(situation: Situation, actor: Actor) -> tuple[TodoItem, ...]:
    """Requests that wait on somebody else; an auditor also sees the findings here, to read and not to act."""
    items = [_elsewhere(request, situation.now) for request in situation.requests if not _acts(request, actor)]
    if actor.role is Role.AUDITOR:
        items += situation.findings
    return urgent_first(items)


def urgent_first(items: Sequence[TodoItem]) -> tuple[TodoItem, ...]:
    never = datetime.max.replace(tzinfo=UTC)
    return tuple(sorted(items, key=lambda item: (_URGENCY.index(item.state), item.due or never, item.title)))


def owns(model: GovernedModel, actor: Actor) -> bool:
    """Named for this role, or nobody is: an orphan is everybody's."""
    owner = model.owner_of(actor.role.value)
    return owner is None or owner.subject == actor.subject


def machinery(situation: Situation) -> list[TodoItem]:
    items = []
    if not situation.worker_alive:
        items.append(
            TodoItem(
                title="The worker is not running",
                why="Nothing is synchronised, no traffic change is carried out, and figures on screen grow old.",
                state=Health.BREACH,
                due=None,
                target="settings",
            )
        )
    for sync in situation.syncs:
        if sync.error:
            since = f"since {sync.last_success:%d %b %H:%M} UTC" if sync.last_success else "and never could be"
            items.append(
                TodoItem(
                    title=f"The copy of the {sync.source} is not up to date",
                    why=f"It cannot be read {since}: {sync.error}",
                    state=Health.WATCH,
                    due=None,
                    target="settings",
                )
            )
    return items


def _acts(request: WaitingRequest, actor: Actor) -> bool:
    if request.state == "changes_requested":
        return actor.role is Role.DATA_SCIENCE_LEAD
    return (
        request.state == "open"
        and actor.role.value in request.waiting_on
        and request.requester_subject != actor.subject
    )


def _request(request: WaitingRequest, actor: Actor, now: datetime) -> TodoItem:
    sent_back = request.state == "changes_requested"
    verb = "Answer the changes asked for in" if sent_back else _VERBS.get(actor.role, "Decide on")
    late = now > request.due_at
    return TodoItem(
        title=f"{verb} {request.title} version {request.version}",
        why=f"Tier {request.tier}, {request.signed} of {request.needed} signed, asked by {request.requester}"
        + (f"; overdue since {request.due_at:%d %b}." if late else "."),
        state=Health.BREACH if late else Health.WATCH,
        due=request.due_at,
        target=f"approvals?request={request.request_id}",
    )


def _elsewhere(request: WaitingRequest, now: datetime) -> TodoItem:
    waiting = ", ".join(ROLE_TITLES[Role(role)].lower() for role in request.waiting_on)
    if request.state == "approved":
        why = "Approved; waiting for the worker to act."
    elif request.state == "changes_requested":
        why = "Sent back for changes; waiting for the data science lead."
    else:
        why = f"Waiting for {waiting}; {request.signed} of {request.needed} signed."
    return TodoItem(
        title=f"{request.title} version {request.version}",
        why=why,
        state=Health.BREACH if now > request.due_at and request.state == "open" else Health.WATCH,
        due=request.due_at,
        target=f"approvals?request={request.request_id}",
    )


def _alarms(row: InventoryRow, role: Role) -> list[TodoItem]:
    items = []
    if row.sla.state in {Health.BREACH, Health.WATCH} and role is not Role.DATA_SCIENCE_LEAD:
        items.append(
            TodoItem(
                title=f"{row.title}: service level", why=row.sla.sentence, state=row.sla.state, due=None,
                target=f"model?name={row.name}",
            )
        )  # fmt: skip
    if row.drift.state in {Health.BREACH, Health.WATCH} and role is not Role.SRE:
        items.append(
            TodoItem(
                title=f"{row.title}: drift", why=row.drift.sentence, state=row.drift.state, due=None,
                target=f"drift?model={row.name}",
            )
        )  # fmt: skip
    return items


def _unsubmitted(model: str, version: str, made_at: datetime) -> TodoItem:
    return TodoItem(
        title=f"{model} version {version} is not submitted",
        why=f"Registered on {made_at:%d %b %Y}; nobody has asked for its release. Evaluate it, or leave it.",
        state=Health.WATCH,
        due=None,
        target=f"model?name={model}",
    )


def _canary(served: ServedModel) -> TodoItem:
    share = dict(served.observed).get(served.candidate or "", 0)
    steps = ", ".join(f"{step} %" for step in served.plan)
    return TodoItem(
        title=f"{served.model}: version {served.candidate} is being released",
        why=f"It serves {share} % as last read back; approved steps: {steps}. Compare, then advance or roll back.",
        state=Health.WATCH,
        due=None,
        target=f"rollouts?model={served.model}",
    )


def _moving(action: OpenAction) -> TodoItem:
    return TodoItem(
        title=f"{action.model}: {action.kind} to version {action.to_version} is {action.state}",
        why=f"Asked by {action.requested_by} at {action.at:%d %b %H:%M} UTC.",
        state=Health.WATCH,
        due=None,
        target=f"rollouts?model={action.model}",
    )


def _value(value: ModelValue) -> TodoItem:
    return TodoItem(
        title=f"{value.title}: value",
        why=value.sentence,
        state=value.state,
        due=None,
        target=f"value?model={value.model}",
    )


def _overdue(row: InventoryRow) -> TodoItem:
    return TodoItem(
        title=f"{row.title}: periodic review overdue",
        why=f"It was due on {row.next_review:%d %b %Y}.",
        state=Health.WATCH,
        due=datetime.combine(row.next_review, time(), UTC),
        target=f"model?name={row.name}",
    )
