"""An alert: one thing about one model that is not as it should be, from the first window that showed it to its end.

A condition is what somebody measured just now; an alert is what the conditions of one subject, window after window,
add up to. There is one alert per model, kind and subject while it stands, however often it is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.kernel.health import Health
from services.people.persons import Account

LONGEST_SUBJECT = 300


class AlertKind(StrEnum):
    DRIFT = "drift"
    PERFORMANCE = "performance"
    DATA = "data"
    PIPELINE = "pipeline"
    SERVICE_LEVEL = "service-level"
    BURN_RATE = "burn-rate"
    BUDGET = "budget"
    """What a model costs this month, as forecast, against its budget."""
    ROLLBACK = "rollback"
    """A rollback that was asked for and is not carried out."""
    OWNERSHIP = "ownership"
    """A duty of the model whose person is no longer active."""


class Impact(StrEnum):
    """What the business loses while the model is wrong or away."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class AlertState(StrEnum):
    WATCHED = "watched"
    """Seen, but not often or long enough to tell anybody."""
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    CLOSED = "closed"


STANDING = (AlertState.OPEN, AlertState.ACKNOWLEDGED, AlertState.SNOOZED)


class Happening(StrEnum):
    """What can happen to an alert, by itself or by a person; the ledger knows a person's acts as `alert-<word>`."""

    OPENED = "opened"
    WORSENED = "worsened"
    UNKNOWN = "unknown"
    """Its condition could not be measured any more; it stays open."""
    KNOWN = "known"
    CLOSED = "closed"
    REOPENED = "reopened"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    UNSNOOZED = "unsnoozed"
    CHANGED = "changed"
    """Other parts of it than before: a column joined, or is back within its limits."""
    INCIDENT = "incident"
    """An incident was opened from it, or one that a rule opened belongs to it."""

    @property
    def event(self) -> str:
        return f"alert-{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    model: str
    kind: AlertKind
    subject: str
    """A metric, a table, a promise, all columns together; whatever the source tells apart."""

    @property
    def text(self) -> str:
        """The same for the same subject, also when it is read back from where long names are cut."""
        return f"{self.model}\x1f{self.kind.value}\x1f{self.subject[:LONGEST_SUBJECT]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of several things with one cause: a column of a model that drifts, a rule of a table that is broken."""

    name: str
    title: str
    state: Health
    sentence: str
    target: str
    value: float | None = None
    since: datetime | None = None
    """When it joined the alert."""
    measure: str = ""
    """The statistic or promise whose limit it passed, where it has several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One subject as just measured. `window` names the evidence: the same window seen twice is one observation."""

    key: Key
    state: Health
    title: str
    """What it is about, without the model: `Drift of Claim amount`."""
    sentence: str
    window: str
    target: str
    """The screen and the chart that shows it, with its parameters."""
    as_of: datetime | None = None
    value: float | None = None
    unit: str = ""
    n: int | None = None
    urgent: bool = False
    """Cannot wait for the morning, whatever the state says: a budget that burns, a rollback that does not happen."""
    alarms_unknown: bool = False
    """Not being measured for long is itself worth an alert; said of a whole measurement, not of each of its parts."""
    incident_key: str = ""
    """The key by which a rule opens an incident about the same thing; the alert is linked to it, not told twice."""
    parts: tuple[Part, ...] = ()
    """Everything that was measured for it, the healthy ones too; what they add up to is decided with the alert."""
    noun: str = "part"
    """What one of them is called."""
    measure: str = ""
    """The statistic or promise whose limit was passed; of a group, its parts say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """What a condition costs a day: a range from the value statement, and what a monitor states, an assumption."""

    per_day: Decimal | None
    """At the base of the range; None where nobody can say."""
    currency: str
    payer: str
    source: str
    """The formula of the range with its weakest assumption, in words."""
    low: Decimal | None = None
    high: Decimal | None = None
    level: str = "breach"
    """The level of the limit that the amounts are about: `watch` or `breach`."""
    problem: str = ""
    """Why nobody can say, and where to state it."""
    stated: Decimal | None = None
    """What a person typed into the monitor; None where nobody did."""
    stated_currency: str = ""
    stated_by: str = ""
    """Where, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Facts of the model that decide how grave a condition is and who answers for it."""

    tier: int
    impact: Impact
    """The greater of what the tier says and what the money says that a monitor states."""
    at_risk: str = ""
    """The money a day at risk in a breach, in words, or that nobody can say; empty where money was never asked for."""
    owner: Account | None = None
    owner_role: str = ""
    """Who answers when nobody is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze:
    until: datetime
    by: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    at: datetime
    by: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    alert_id: str
    """`alr-7`: counted in the order of first sight."""
    key: Key
    thread: str
    """The alert whose notices also speak for this one: alerts of one model and kind are told together."""
    tier: int
    impact: Impact
    severity: int
    """1 to 4 as of incidents; the gravest since it opened, so that swinging around a limit is not news."""
    urgent: bool
    state_seen: Health
    """Of the last look: UNKNOWN while it cannot be measured."""
    title: str
    sentence: str
    target: str
    value: float | None
    unit: str
    window: str
    """The last window that was counted."""
    first_seen: datetime
    last_seen: datetime
    """When the last window that showed it was seen."""
    as_of: datetime | None = None
    repeats: int = 1
    """Windows that showed it."""
    healthy: int = 0
    """Healthy windows in a row since."""
    bad: int = 1
    """Windows in a row that showed it, before it opens."""
    unknown_since: datetime | None = None
    opened_at: datetime | None = None
    """None while it is only watched. A reopened one keeps the first opening."""
    told_from: datetime | None = None
    """Since when somebody should act: opened, reopened or worsened, whichever came last."""
    heard_from: datetime | None = None
    """When messages about it may go out, where quiet hours hold them back; not stored, since those hours may change."""
    closed_at: datetime | None = None
    reopened: int = 0
    owner: Account | None = None
    owner_role: str = ""
    acknowledged: Acknowledgement | None = None
    snooze: Snooze | None = None
    incident_id: str = ""
    incident_key: str = ""
    at_risk: str = ""
    """The money a day at risk, in words, or that it is not known."""
    parts: tuple[Part, ...] = ()
    """What is not as it should be now, and what was not and cannot be measured any more."""
    revision: int = 0

    def state(self, now: datetime) -> AlertState:
        if self.closed_at is not None:
            return AlertState.CLOSED
        if self.opened_at is None:
            return AlertState.WATCHED
        if self.snooze is not None and now < self.snooze.until:
            return AlertState.SNOOZED
        return AlertState.ACKNOWLEDGED if self.acknowledged is not None else AlertState.OPEN

    @property
    def stands(self) -> bool:
        return self.opened_at is not None and self.closed_at is None

    @property
    def by_rule_only(self) -> bool:
        """A rule opens an incident for it; the incident is what people are called by."""
        return bool(self.incident_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An alert after a look, with what happened in one sentence; `happened` is empty for a mere count."""

    alert: Alert
    happened: Happening | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """One line of the history. `text` is what a person wrote, erasable; `seq` the entry of the ledger, if any."""

    alert_id: str
    number: int
    happening: Happening
    at: datetime
    by: Account | None
    sentence: str
    text: str = ""
    salt: str = ""
    seq: int | None = None
    window: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertQuery:
    """Filters; empty means all. `mine` is a subject: its owner."""

    model: str = ""
    kinds: tuple[AlertKind, ...] = ()
    states: tuple[AlertState, ...] = STANDING
    mine: str = ""
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of everything that stands."""

    open: int
    acknowledged: int
    snoozed: int
    unknown: int
    """Standing ones whose condition cannot be measured now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When a source was last asked and what went wrong, if anything."""

    source: str
    at: datetime
    last_success: datetime | None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    alert: Alert
    state: AlertState
    history: tuple[AlertEvent, ...]
    """Newest first."""
    late_at: datetime | None
    """Until when somebody has to acknowledge it; None when nobody needs to."""
    snooze_at_most: datetime
    refusals: tuple[tuple[Happening, str], ...]
    """Steps this person cannot take now, each with the sentence why."""

    def refusal(self, step: Happening) -> str:
        return dict(self.refusals).get(step, "")


# What people ask for


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """Command."""

    command_id: str
    alert_id: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnoozeAlert:
    """Command."""

    command_id: str
    alert_id: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeAlert:
    """Command: ends a snooze before its time."""

    command_id: str
    alert_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAlert:
    """Command: ends an alert whose condition nobody measures any more."""

    command_id: str
    alert_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseIncident:
    """Command: opens an incident with the words of the alert."""

    command_id: str
    alert_id: str
