"""What needs a person now, by role: pure functions from the situation to lists, the most urgent first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from services.alerts.models import Alert
from services.approvals.models import EndingApproval, Purpose, QueueCounts, QueueRow, RequestState
from services.exceptions.models import ExceptionState, ExceptionView
from services.feedback.retraining import Round
from services.incidents.models import OwedFollowUp
from services.inventory.models import GovernedModel, InventoryCounts, InventoryRow, SyncState
from services.inventory.proposals import Proposal
from services.inventory.reviews import because
from services.kernel.health import Health
from services.kernel.identity import ROLE_TITLES, Actor, Role
from services.oversight import alarms, money_waiting, trouble, waiting
from services.oversight.models import OpenAction, ServedModel, TodoItem
from services.rollout.batch_models import BatchRun
from services.rollout.emergency_models import REVIEWERS_NEEDED, EmergencyMode, EmergencyReview, ReviewState
from services.rollout.fallback_models import FallbackView
from services.rollout.release_models import ReleaseView
from services.value.portfolio import Portfolio, PortfolioRow
from services.value.review_service import ReturnReview

_URGENCY = [Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY]
_WATCH_ROLES = {Role.SRE, Role.DATA_SCIENCE_LEAD, Role.BUSINESS_OWNER}
_FINDING_ROLES = {Role.SRE, Role.COMPLIANCE, Role.ADMIN}
_ENDING_ROLES = {Role.COMPLIANCE, Role.VALIDATOR, Role.BUSINESS_OWNER, Role.DATA_SCIENCE_LEAD}
_REVIEW_ROLES = {Role.COMPLIANCE, Role.VALIDATOR, Role.BUSINESS_OWNER}
_VERBS = {Role.BUSINESS_OWNER: "Acknowledge", Role.VALIDATOR: "Validate", Role.COMPLIANCE: "Approve"}
_WORDS = {
    Purpose.PROMOTION: "promotion of {}",
    Purpose.REATTESTATION: "re-attestation of {}",
    Purpose.ADOPTION: "adoption of {}",
    Purpose.RETIREMENT: "retirement of {}",
}
ENDING_WITHIN = timedelta(days=30)
"""How long before its end an approval is called ending; a re-attestation takes days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything a home page is made of, read once."""

    now: datetime
    counts: InventoryCounts
    requests: tuple[QueueRow, ...]
    """Undecided requests as this person sees them, those that wait for him first; not all when there are many."""
    open_requests: int
    waiting: QueueCounts
    endings: tuple[EndingApproval, ...]
    """Approvals of serving versions that end soon or have ended."""
    reviews: tuple[EmergencyReview, ...]
    """Break-glass releases that wait for their reviewers."""
    exceptions: tuple[ExceptionView, ...]
    """Exceptions that wait for a decision, end soon, or ran out without being closed."""
    excepted: int
    """Gates that may stay red at this moment, of all models."""
    served: tuple[ServedModel, ...]
    actions: tuple[OpenAction, ...]
    findings: tuple[TodoItem, ...]
    unsubmitted: tuple[tuple[str, str, datetime], ...]
    alarming: tuple[tuple[InventoryRow, GovernedModel], ...]
    """Models whose drift or promise is in watch or breach."""
    overdue: tuple[tuple[InventoryRow, GovernedModel], ...]
    due_soon: tuple[tuple[InventoryRow, GovernedModel], ...]
    """Periodic reviews of the next thirty days."""
    tiers: tuple[Proposal, ...]
    """Proposed risk tiers that this person may decide on."""
    portfolio: Portfolio | None
    """Totals, and the models whose value somebody should look at; read for who is asked about money."""
    syncs: tuple[SyncState, ...]
    worker_alive: bool
    waiting_months: tuple[PortfolioRow, ...] = ()
    """Models with a month that waits for finance; read for finance only."""
    retraining: tuple[tuple[Round, GovernedModel], ...] = ()
    """Retrainings that are asked for; read for data science leads only."""
    troubles: tuple[trouble.Trouble, ...] = ()
    """Incidents that are not closed."""
    owed: tuple[OwedFollowUp, ...] = ()
    """Follow-ups of incidents that this person owns and has not done."""
    alerts: tuple[Alert, ...] = ()
    """Alerts that stand."""
    returns: tuple[ReturnReview, ...] = ()
    """Reviews of returns that wait for an answer; read for business owners only."""
    releases: tuple[ReleaseView, ...] = ()
    """Releases that wait for an engineer; read for engineers only, as the two below."""
    runs: tuple[BatchRun, ...] = ()
    """Batch runs whose output nobody reads until somebody decides."""
    fallbacks: tuple[FallbackView, ...] = ()


def mine(situation: Situation, actor: Actor) -> tuple[TodoItem, ...]:
    """What this person can do something about now."""
    signing = [_request(request, actor, situation.now) for request in situation.requests if request.mine]
    items: list[TodoItem] = trouble.mine(situation.troubles, actor, now=situation.now)
    items += trouble.owed(situation.owed, actor, now=situation.now)
    items += alarms.mine(situation.alerts, actor, now=situation.now)
    if actor.role in _ENDING_ROLES:
        items += [ending(item, situation.now) for item in situation.endings]
    if actor.role in _REVIEW_ROLES:
        items += [_review(review) for review in situation.reviews if review.by_subject != actor.subject]
    items += [_exception(item, actor) for item in situation.exceptions if _concerns(item, actor)]
    if actor.role in _WATCH_ROLES:
        alarmed = alarms.told(situation.alerts) if actor.role is not Role.BUSINESS_OWNER else frozenset()
        owned = [row for row, model in situation.alarming if owns(model, actor)]
        items += [item for row in owned for item in _alarms(row, actor.role, alarmed)]
    if actor.role in _FINDING_ROLES:
        items += situation.findings
    if actor.role is Role.DATA_SCIENCE_LEAD:
        items += [_unsubmitted(*version) for version in situation.unsubmitted]
        due = [(item, model) for item, model in situation.retraining if owns(model, actor)]
        items += money_waiting.retraining(due, today=situation.now.date())
    if actor.role is Role.SRE:
        told = {view.release.model for view in situation.releases}
        items += [
            _canary(served)
            for served in situation.served
            if served.candidate and served.plan and served.model not in told
        ]
        items += waiting.releases(situation.releases, busy=_busy(situation.actions))
        items += waiting.batch_runs(situation.runs)
        items += waiting.drills(situation.fallbacks)
        items += [_moving(action) for action in situation.actions if action.state in {"pending", "running"}]
    items += _money(situation, actor)
    if actor.role in {Role.COMPLIANCE, Role.VALIDATOR}:
        items += [_overdue(row, model) for row, model in situation.overdue]
    items += [_tier(item) for item in situation.tiers]
    if actor.role in {Role.ADMIN, Role.SRE}:
        items += machinery(situation)
    # What waits for a signature comes first: only this person can do it.
    return (*urgent_first(signing), *urgent_first(items))


def _money(situation: Situation, actor: Actor) -> list[TodoItem]:
    """Owners look at what does not pay, finance decides on months."""
    if actor.role is Role.FINANCE:
        return money_waiting.months(situation.waiting_months, now=situation.now)
    if actor.role is not Role.BUSINESS_OWNER:
        return []
    asked = [_return(item) for item in situation.returns if item.review.owner_subject in {"", actor.subject}]
    rows = situation.portfolio.rows if situation.portfolio else ()
    return asked + [_value(row) for row in rows if row.value_state in {Health.BREACH, Health.WATCH}]


def _busy(actions: Sequence[OpenAction]) -> frozenset[str]:
    return frozenset(action.model for action in actions if action.state in {"pending", "running"})


def others(situation: Situation, actor: Actor) -> tuple[TodoItem, ...]:
    """Requests that wait on somebody else; an auditor also sees the findings here, to read and not to act."""
    items = [_elsewhere(request, situation.now) for request in situation.requests if not request.mine]
    items += trouble.others(situation.troubles, actor, now=situation.now)
    if actor.role is Role.AUDITOR:
        items += situation.findings
    if actor.role not in _REVIEW_ROLES:
        items += [_review(review) for review in situation.reviews]
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


def _request(request: QueueRow, actor: Actor, now: datetime) -> TodoItem:
    sent_back = request.state is RequestState.CHANGES_REQUESTED
    # A delegate acts in somebody else's role: the verb is that of the step, not of the own role.
    role = Role(request.opens_step) if request.opens_step else actor.role
    verb = "Answer the changes asked for in" if sent_back else f"{_VERBS.get(role, 'Decide on')} the"
    delegated = "" if role is actor.role else f", as {role.label.lower()} by delegation"
    at = request.stage_due_at or request.due_at
    step = f"&step={request.opens_step}" if request.opens_step else ""
    return TodoItem(
        title=f"{verb} {named(request)}",
        why=f"Tier {request.tier}, {request.signed} of {request.needed} signed, "
        f"asked by {request.requester}{delegated}, waiting {_days(request.age_days)}"
        + (", escalated." if request.escalated else "."),
        state=Health.BREACH if now > at else Health.WATCH,
        due=at,
        target=f"approvals?request={request.request_id}{step}",
    )


def _elsewhere(request: QueueRow, now: datetime) -> TodoItem:
    waiting = ", ".join(ROLE_TITLES[Role(role)].lower() for role in request.waiting_on)
    at = request.stage_due_at or request.due_at
    if request.state is RequestState.APPROVED:
        why = "Approved; the release is planned and waits for an engineer."
        why = why if request.planned else "Approved; waiting for the worker to act."
    elif request.state is RequestState.CHANGES_REQUESTED:
        why = f"Sent back for changes; waiting for {request.requester}."
    else:
        why = f"Waiting for {waiting or 'nobody'}; {request.signed} of {request.needed} signed."
    late = now > at and request.state is RequestState.OPEN
    return TodoItem(
        title=_first_up(named(request)),
        why=why,
        state=Health.BREACH if late else Health.WATCH,
        due=at,
        target=f"approvals?request={request.request_id}",
    )


def named(request: QueueRow) -> str:
    return _WORDS[request.purpose].format(f"{request.title} version {request.version}")


def _return(item: ReturnReview) -> TodoItem:
    """Whoever is named answers; where nobody is, every business owner reads it."""
    review = item.review
    return TodoItem(
        title=f"{review.model}: keep it or retire it",
        why=f"Its return stayed under the gate up to {review.period}. {item.problem or item.sentence}",
        state=Health.BREACH,
        due=datetime.combine(review.due, time(23, 59), UTC),
        target=f"value?model={review.model}&show=gate",
    )


def _days(number: int) -> str:
    return "since today" if number <= 0 else "1 day" if number == 1 else f"{number} days"


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def ending(item: EndingApproval, now: datetime) -> TodoItem:
    """An approval of a serving version that ends soon, or ended."""
    if item.ended:
        title = f"{item.model} version {item.version} serves without a valid approval"
        why = f"Its approval ended on {item.valid_until:%d %b %Y}. Ask for re-attestation, or release another version."
    else:
        title = f"{item.model}: the approval of version {item.version} ends soon"
        why = f"In {max((item.valid_until - now).days, 0)} days. Service goes on; ask for re-attestation in time."
    return TodoItem(
        title=title,
        why=why,
        state=Health.BREACH if item.ended else Health.WATCH,
        due=item.valid_until,
        target=f"model?name={item.model}",
    )


def _review(review: EmergencyReview) -> TodoItem:
    late = review.state is ReviewState.OVERDUE
    signed = f"{len(review.reviewers)} of {REVIEWERS_NEEDED} reviewers signed. " if review.reviewers else ""
    past = "without a complete approval" if review.mode is EmergencyMode.FORWARD else "past the steps of its plan"
    return TodoItem(
        title=f"Review the emergency release of {review.model} version {review.version}",
        why=f"{signed}{review.by_name} released it {past}. "
        + (
            "Promotions of this model are blocked until it is reviewed." if late else "Two uninvolved people review it."
        ),
        state=Health.BREACH,
        due=review.review_by,
        target=f"rollouts?model={review.model}&emergency={review.id}",
    )


def _concerns(item: ExceptionView, actor: Actor) -> bool:
    """The owner answers for it; compliance decides on it and closes what ran out."""
    return actor.role is Role.COMPLIANCE or (item.owner_subject == actor.subject and not _proposed(item))


def _proposed(item: ExceptionView) -> bool:
    return item.state is ExceptionState.PROPOSED


def _exception(item: ExceptionView, actor: Actor) -> TodoItem:
    if _proposed(item):
        title = f"Decide on an exception for {item.model}: {item.gate_title}"
        why = f"Asked for by {item.proposed_by}: {item.reason}"
    else:
        over = item.state is ExceptionState.EXPIRED
        title = f"{item.model}: the exception for {item.gate_title} {'has run out' if over else 'ends soon'}"
        owner = "you" if item.owner_subject == actor.subject else item.owner_name
        why = f"Owned by {owner}. {'Close it.' if over else 'Then the gate counts as failed again.'}"
    return TodoItem(
        title=title,
        why=why,
        state=Health.BREACH if item.late else Health.WATCH,
        due=item.until if not _proposed(item) else None,
        target=f"model?name={item.model}&exception={item.id}",
    )


def _alarms(row: InventoryRow, role: Role, told: frozenset[tuple[str, str]]) -> list[TodoItem]:
    """What no alert of this person says already."""
    items = []
    if (
        (row.name, "sla") not in told
        and row.sla.state in {Health.BREACH, Health.WATCH}
        and role is not Role.DATA_SCIENCE_LEAD
    ):
        items.append(
            TodoItem(
                title=f"{row.title}: service level", why=row.sla.sentence, state=row.sla.state, due=None,
                target=f"model?name={row.name}",
            )
        )  # fmt: skip
    if (row.name, "drift") not in told and row.drift.state in {Health.BREACH, Health.WATCH} and role is not Role.SRE:
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
        title=f"{served.model}: version {served.candidate} is in canary at {share} %",
        why=f"Read back from the platform; approved steps: {steps}. Compare, then advance or roll back.",
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


def _value(row: PortfolioRow) -> TodoItem:
    return TodoItem(
        title=f"{row.title}: value",
        why=row.value_sentence,
        state=row.value_state,
        due=None,
        target=f"value?model={row.model}",
    )


def reviews(situation: Situation) -> tuple[TodoItem, ...]:
    """Overdue ones first, then those of the next weeks."""
    coming = [
        TodoItem(
            title=f"{row.title}: periodic review",
            why=because(model),
            state=Health.UNKNOWN,
            due=datetime.combine(row.next_review, time(), UTC),
            target=f"model?name={row.name}&show=risk",
        )
        for row, model in situation.due_soon
    ]
    return urgent_first([*(_overdue(row, model) for row, model in situation.overdue), *coming])


def _overdue(row: InventoryRow, model: GovernedModel) -> TodoItem:
    return TodoItem(
        title=f"{row.title}: periodic review overdue",
        why=f"It was due on {row.next_review:%d %b %Y}. {because(model)}",
        state=Health.WATCH,
        due=datetime.combine(row.next_review, time(), UTC),
        target=f"model?name={row.name}&show=risk",
    )


def _tier(item: Proposal) -> TodoItem:
    return TodoItem(
        title=f"Decide on the risk tier of {item.model}",
        why=f"Proposed by {item.proposed.by.name}. {item.sentence}",
        state=Health.WATCH,
        due=None,
        target=f"model?name={item.model}&show=risk",
    )
