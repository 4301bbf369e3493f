"""An incident: something went wrong in production, from the first sign to the signed post-mortem.

Every step is an entry of the ledger; an incident is what its steps, in the order of the ledger, add up to. Text that
people wrote is kept beside them, so that it can be erased; the entries hold its salted digest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from services.kernel.secret import Secret
from services.people.persons import Account
from services.rollout.models import ActionKind, ActionState

SEVERITIES = {
    1: "People are harmed or money is lost right now",
    2: "Many decisions are wrong, late or missing",
    3: "Few decisions are affected, or a promise is broken",
    4: "Nobody is affected yet",
}


class IncidentState(StrEnum):
    OPEN = "open"
    """Nobody has taken notice of it yet."""
    ACKNOWLEDGED = "acknowledged"
    """Somebody works on it."""
    MITIGATED = "mitigated"
    """Traffic is back, verified; the post-mortem is missing."""
    CLOSED = "closed"


class Step(StrEnum):
    """What can happen to an incident; the ledger knows each as `incident-<step>`."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    SEVERITY = "severity"
    IMPACT = "impact"
    """When the impact began was stated, or corrected."""
    NOTE = "note"
    LINKED = "linked"
    """A traffic change belongs to it."""
    MITIGATED = "mitigated"
    RECURRED = "recurred"
    """The same rule was broken again after it had been mitigated."""
    POST_MORTEM = "post-mortem"
    CLOSED = "closed"
    FOLLOW_UP = "follow-up"
    """One of the signed follow-ups is done; the only step after the closing."""

    @property
    def event(self) -> str:
        return f"incident-{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One step as recorded. `facts` are exactly what the entry says; `text` is what a person wrote, erasable."""

    step: Step
    at: datetime
    by: Account | None
    """None: a rule, recorded by the service."""
    sentence: str
    facts: tuple[tuple[str, str], ...]
    text: str = ""
    salt: str = ""
    seq: int = 0
    leaf_hash: str = ""

    def fact(self, name: str) -> str:
        return dict(self.facts).get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When it began, was noticed, taken up, over and done with; None is not known or not yet."""

    impact_start: datetime | None
    detected: datetime
    acknowledged: datetime | None = None
    mitigated: datetime | None = None
    closed: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """What is done so that it does not happen again, by whom and until when."""

    text: str
    owner_subject: str
    owner_name: str
    due: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpDone:
    """Who did a follow-up, and where that can be seen. The signed post-mortem itself stays as it is."""

    number: int
    """Counted from 1, in the order of the post-mortem."""
    at: datetime
    by: Account
    evidence: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedFollowUp:
    """A follow-up of a closed incident that is not done."""

    incident_id: str
    model: str
    number: int
    text: str
    owner_subject: str
    owner_name: str
    due: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PostMortem:
    impact: str = ""
    cause: str = ""
    went_well: str = ""
    went_wrong: str = ""
    follow_ups: tuple[FollowUp, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    incident_id: str
    """`inc-7`: counted in the order of opening."""
    key: str
    """What a rule joins by: one open incident per key. Empty for one that a person opened."""
    model: str
    version: str
    severity: int
    title: str
    text: str
    """What happened, in the words of the person or the rule that opened it."""
    rule: str
    measured: str
    times: Times
    opened_seq: int
    assignee: Account | None = None
    actions: tuple[str, ...] = ()
    """Traffic changes that belong to it, in the order in which they were linked."""
    release_id: str = ""
    earlier: str = ""
    """The closed incident with the same key before it."""
    cause: str = ""
    """What a person opened it from, such as one occurrence of an alert: there is never a second incident of it."""
    mitigated_seq: int | None = None
    """Entry of the traffic change that was verified, or of the person's word."""
    recurred_seq: int | None = None
    post_mortem: PostMortem = field(default_factory=PostMortem)
    revision: int = 0

    @property
    def state(self) -> IncidentState:
        if self.times.closed:
            return IncidentState.CLOSED
        if self.times.mitigated:
            return IncidentState.MITIGATED
        return IncidentState.ACKNOWLEDGED if self.times.acknowledged else IncidentState.OPEN

    @property
    def by_rule(self) -> bool:
        return bool(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentQuery:
    states: tuple[IncidentState, ...] = ()
    severities: tuple[int, ...] = ()
    model: str = ""
    text: str = ""
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A mean with what it rests on. `mean` is None when nothing could be measured."""

    n: int
    mean: timedelta | None = None
    low: timedelta | None = None
    high: timedelta | None = None
    no_start: int = 0
    """Left out: nobody has stated when the impact began."""
    clock_moved: int = 0
    """Left out: the later step carries the earlier time, so a clock was moved in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Incidents detected in one window."""

    since: datetime | None
    until: datetime | None
    count: int
    open: int
    detect: Spread
    """Detected minus start of the impact."""
    restore: Spread
    """Mitigated minus start of the impact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Figures for the top of a screen: all recorded, the last thirty days, and the thirty before."""

    model: str
    all: Figures
    recent: Figures
    before: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentLine:
    """One line of what happened, in the order of the ledger."""

    at: datetime
    title: str
    who: str
    seq: int | None
    text: str = ""
    details: tuple[str, ...] = ()
    step: str = ""
    """Word of the step, or `action`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedChange:
    """A traffic change that belongs to the incident, as it stands now."""

    action_id: str
    kind: ActionKind
    state: ActionState
    from_version: str
    to_version: str
    requested_by: str
    reason_code: str
    asked_at: datetime
    verified_at: datetime | None
    seq_intent: int
    seq_outcome: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A step this person could take now, or the sentence why not."""

    step: Step
    enabled: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    incident: Incident
    time_to_detect: timedelta | None
    time_to_restore: timedelta | None
    clock_since: datetime | None
    """The clock of the time to restore runs since then; None once it stands."""
    timeline: tuple[IncidentLine, ...]
    changes: tuple[LinkedChange, ...]
    linkable: tuple[LinkedChange, ...]
    """Changes of the model that could be linked."""
    offers: tuple[Offer, ...]
    missing: tuple[str, ...]
    """What the post-mortem still lacks, in words."""
    on_call: str
    """Who is on call for the model now, or why nobody is."""
    done: tuple[FollowUpDone, ...] = ()
    finishable: tuple[int, ...] = ()
    """Numbers of the follow-ups that this person can call done."""

    def offer(self, step: Step) -> Offer:
        return next(item for item in self.offers if item.step is step)


# What people ask for


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """Command."""

    command_id: str
    model: str
    severity: int
    title: str
    text: str
    impact_start: datetime
    version: str = ""
    cause: str = ""
    """What it is opened from. Whoever opens another one from the same cause is given the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStep:
    """Command: acknowledge, mitigated (with the words how that was verified), or a note."""

    command_id: str
    incident_id: str
    step: Step
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """Command. Taking over is assigning to oneself."""

    command_id: str
    incident_id: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSeverity:
    """Command."""

    command_id: str
    incident_id: str
    severity: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateImpact:
    """Command: when the impact began, as found out by looking at what was recorded."""

    command_id: str
    incident_id: str
    impact_start: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChange:
    """Command."""

    command_id: str
    incident_id: str
    action_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavePostMortem:
    """Command: keeps what is written so far; nothing is required yet."""

    command_id: str
    incident_id: str
    post_mortem: PostMortem


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseIncident:
    """Command: signs the post-mortem and ends the incident."""

    command_id: str
    incident_id: str
    post_mortem: PostMortem
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishFollowUp:
    """Command: a follow-up of a closed incident is done; `evidence` is an address where that can be seen."""

    command_id: str
    incident_id: str
    number: int
    evidence: str
