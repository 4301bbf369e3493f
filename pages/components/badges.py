"""One word, one icon and one colour per status, everywhere. Status is never told by colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pages.components.format import md
from services.alerts.models import AlertState
from services.approvals.models import Decision, Purpose, RequestState
from services.evaluation.harness.models import RunState
from services.evaluation.harness.models import Status as CheckStatus
from services.exceptions.models import ExceptionState
from services.incidents.models import IncidentState
from services.inventory.models import DeploymentKind, Tier
from services.kernel.health import Health
from services.notices.models import Severity
from services.policy.models import Verdict
from services.policy.rehearsal import Effect
from services.rollout.batch_models import Crossing
from services.rollout.batch_models import RunState as BatchRunState
from services.rollout.emergency_models import ReviewState
from services.rollout.models import ActionKind, ActionState
from services.rollout.release_models import ReleaseState
from services.rollout.release_models import Verdict as Look
from services.rollout.retirement_models import RetirementState


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    word: str
    icon: str
    colour: str


def _status(word: str, icon: str, colour: str) -> Status:
    return Status(word=word, icon=icon, colour=colour)


_ROWS: tuple[tuple[Enum, Status], ...] = (
    (Health.HEALTHY, _status("Healthy", "check_circle", "green")),
    (Health.WATCH, _status("Watch", "warning", "orange")),
    (Health.BREACH, _status("Breach", "error", "red")),
    (Health.UNKNOWN, _status("Unknown", "help", "gray")),
    (Verdict.PASSED, _status("Pass", "check_circle", "green")),
    (Verdict.FAILED, _status("Fail", "cancel", "red")),
    (Verdict.INCONCLUSIVE, _status("Inconclusive", "help", "violet")),
    (Verdict.ERROR, _status("Could not check", "error", "orange")),
    (Verdict.SKIPPED, _status("Not applicable", "remove_circle", "gray")),
    (CheckStatus.DONE, _status("Measured", "check", "blue")),
    (CheckStatus.SKIPPED, _status("Left out", "remove_circle", "gray")),
    (CheckStatus.INCONCLUSIVE, _status("Inconclusive", "help", "violet")),
    (CheckStatus.ERROR, _status("Could not check", "error", "orange")),
    (RunState.QUEUED, _status("Queued", "schedule", "gray")),
    (RunState.RUNNING, _status("Running", "sync", "blue")),
    (RunState.DONE, _status("Finished", "task_alt", "blue")),
    (RunState.CANCELLED, _status("Cancelled", "undo", "gray")),
    (RunState.FAILED, _status("Failed", "error", "red")),
    (Effect.SAME, _status("Same", "check", "gray")),
    (Effect.STOPPED, _status("Would be stopped", "block", "red")),
    (Effect.HELD, _status("A signature would be held", "front_hand", "orange")),
    (Effect.LET_THROUGH, _status("One obstacle less", "lock_open", "orange")),
    (Effect.UNKNOWN, _status("Cannot be said", "help", "violet")),
    (RequestState.OPEN, _status("Open", "schedule", "blue")),
    (RequestState.CHANGES_REQUESTED, _status("Changes requested", "edit_note", "orange")),
    (RequestState.APPROVED, _status("Approved, being carried out", "hourglass_top", "violet")),
    (RequestState.APPLIED, _status("Applied", "check_circle", "green")),
    (RequestState.APPLY_FAILED, _status("Could not be applied", "error", "red")),
    (RequestState.REJECTED, _status("Rejected", "cancel", "red")),
    (RequestState.WITHDRAWN, _status("Withdrawn", "undo", "gray")),
    (RequestState.EXPIRED, _status("Expired", "event_busy", "gray")),
    (RequestState.REVOKED, _status("Revoked", "cancel", "red")),
    (RequestState.VOIDED, _status("Void", "contract_delete", "red")),
    (Purpose.PROMOTION, _status("Promotion", "rocket_launch", "blue")),
    (Purpose.REATTESTATION, _status("Re-attestation", "autorenew", "violet")),
    (Purpose.ADOPTION, _status("Adoption", "move_to_inbox", "orange")),
    (Purpose.RETIREMENT, _status("Retirement", "archive", "red")),
    (ActionState.PENDING, _status("Waiting", "schedule", "gray")),
    (ActionState.RUNNING, _status("Running", "sync", "blue")),
    (ActionState.APPLIED, _status("Done", "check_circle", "green")),
    (ActionState.CONFLICT, _status("Conflict", "warning", "orange")),
    (ActionState.FAILED, _status("Failed", "error", "red")),
    (ActionState.SUPERSEDED, _status("Superseded", "remove_circle", "gray")),
    (Tier.ONE, _status("Tier 1", "keyboard_double_arrow_up", "red")),
    (Tier.TWO, _status("Tier 2", "keyboard_arrow_up", "orange")),
    (Tier.THREE, _status("Tier 3", "drag_handle", "gray")),
    (DeploymentKind.REALTIME, _status("Real time", "bolt", "blue")),
    (DeploymentKind.BATCH, _status("Batch", "calendar_clock", "blue")),
    (DeploymentKind.VENDOR, _status("Vendor", "storefront", "violet")),
    (ActionKind.START, _status("Release started", "rocket_launch", "blue")),
    (ActionKind.SHADOW, _status("Shadow started", "content_copy", "blue")),
    (ActionKind.ABORT, _status("Stopped", "cancel", "orange")),
    (ActionKind.ADVANCE, _status("Traffic raised", "trending_up", "blue")),
    (ActionKind.ROLLBACK, _status("Rolled back", "undo", "orange")),
    (ActionKind.EMERGENCY, _status("Break-glass", "emergency", "red")),
    (ActionKind.REVERT, _status("Reverted", "settings_backup_restore", "orange")),
    (ActionKind.ADOPT, _status("Adopted", "assignment_turned_in", "blue")),
    (ReleaseState.PLANNED, _status("Approved, not started", "schedule", "blue")),
    (ReleaseState.SHADOW, _status("Shadow", "content_copy", "violet")),
    (ReleaseState.CANARY, _status("Canary", "rocket_launch", "blue")),
    (ReleaseState.FULL, _status("All traffic", "check_circle", "green")),
    (ReleaseState.PAUSED, _status("Held", "pause_circle", "orange")),
    (ReleaseState.ABORTED, _status("Stopped", "cancel", "gray")),
    (ReleaseState.ROLLING_BACK, _status("Rolling back", "undo", "orange")),
    (ReleaseState.ROLLED_BACK, _status("Rolled back", "undo", "orange")),
    (ReleaseState.FAILED, _status("Traffic not verified", "error", "red")),
    (ReleaseState.RETIRED, _status("Retired", "done_all", "gray")),
    (RetirementState.ORDERED, _status("Leaving", "move_down", "orange")),
    (RetirementState.QUIET, _status("Switched off", "power_off", "orange")),
    (RetirementState.RETIRED, _status("Retired", "archive", "gray")),
    (RetirementState.STOPPED, _status("Stopped", "block", "gray")),
    (Look.BREACH, _status("Stop", "error", "red")),
    (Look.GO, _status("Good to go", "check_circle", "green")),
    (Look.UNDECIDED, _status("Too early to say", "hourglass_top", "gray")),
    (Look.NO_DATA, _status("No data", "help", "orange")),
    (Look.INVALID, _status("Split is wrong", "warning", "orange")),
    (BatchRunState.HELD, _status("Held", "pause_circle", "orange")),
    (BatchRunState.PUBLISHED, _status("Published", "check_circle", "green")),
    (BatchRunState.QUARANTINED, _status("Withheld", "report", "red")),
    (BatchRunState.REPLACED, _status("Replaced", "swap_horiz", "gray")),
    (BatchRunState.FAILED, _status("Failed", "error", "red")),
    (BatchRunState.ORDERED, _status("Being scored again", "autorenew", "blue")),
    (Crossing.CLEAR, _status("Clear", "check_circle", "green")),
    (Crossing.WATCH, _status("Unusual", "warning", "orange")),
    (Crossing.TOO_FEW, _status("Too few", "help", "gray")),
    (Crossing.UNMEASURED, _status("Not measured", "help", "gray")),
    (Crossing.CROSSED, _status("Crossed", "error", "red")),
    (ExceptionState.PROPOSED, _status("Asked for", "schedule", "blue")),
    (ExceptionState.ACTIVE, _status("Excepted", "rule", "orange")),
    (ExceptionState.REFUSED, _status("Refused", "cancel", "gray")),
    (ExceptionState.ENDED, _status("Ended", "done_all", "gray")),
    (ExceptionState.EXPIRED, _status("Ran out", "event_busy", "red")),
    (ReviewState.OPEN, _status("Break-glass, under review", "emergency", "red")),
    (ReviewState.OVERDUE, _status("Break-glass, review overdue", "event_busy", "red")),
    (ReviewState.ACCEPTED, _status("Reviewed, accepted", "verified", "green")),
    (ReviewState.CORRECTED, _status("Reviewed, corrected", "build", "orange")),
    (ReviewState.ROLL_BACK, _status("Reviewed, to be rolled back", "undo", "red")),
    (IncidentState.OPEN, _status("Not acknowledged", "notification_important", "red")),
    (IncidentState.ACKNOWLEDGED, _status("Being worked on", "engineering", "orange")),
    (IncidentState.MITIGATED, _status("Mitigated", "healing", "violet")),
    (IncidentState.CLOSED, _status("Closed", "task_alt", "gray")),
    (AlertState.WATCHED, _status("Watched", "visibility", "gray")),
    (AlertState.OPEN, _status("Open", "notification_important", "red")),
    (AlertState.ACKNOWLEDGED, _status("Acknowledged", "engineering", "orange")),
    (AlertState.SNOOZED, _status("Snoozed", "snooze", "violet")),
    (AlertState.CLOSED, _status("Closed", "task_alt", "gray")),
    (Severity.RED, _status("Urgent", "priority_high", "red")),
    (Severity.AMBER, _status("To do", "pending_actions", "orange")),
    (Severity.INFO, _status("News", "info", "blue")),
    (Decision.APPROVE, _status("Approved", "verified", "green")),
    (Decision.ACKNOWLEDGE, _status("Acknowledged", "verified", "green")),
    (Decision.REQUEST_CHANGES, _status("Asked for changes", "edit_note", "orange")),
    (Decision.REJECT, _status("Rejected", "cancel", "red")),
    (Decision.ABSTAIN, _status("Abstained", "remove_circle", "gray")),
    (Decision.WITHDRAW, _status("Withdrew", "undo", "gray")),
    (Decision.REVOKE, _status("Revoked", "cancel", "red")),
)

# Two string enums with the same word are equal, so the kind of status is part of the key.
STATUSES: dict[tuple[type[Enum], object], Status] = {(type(value), value.value): shown for value, shown in _ROWS}

SEVERITIES = {
    1: _status("Severity 1", "counter_1", "red"),
    2: _status("Severity 2", "counter_2", "orange"),
    3: _status("Severity 3", "counter_3", "blue"),
    4: _status("Severity 4", "counter_4", "gray"),
}
OVERDUE = _status("Overdue", "event_busy", "red")
PRODUCTION = _status("Production", "public", "blue")
FINDING = _status("Finding", "flag", "red")
ESCALATED = _status("Escalated", "campaign", "orange")
PLANNED = _status("Approved; release planned", "event_upcoming", "violet")
UNREAD = _status("New to you", "fiber_new", "blue")
VOID = _status("Void", "contract_delete", "red")
ENDING = _status("Ends soon", "event_upcoming", "orange")
TOO_FEW = _status("Too few", "help", "gray")
"""A group too small to judge: grey beside its size, apart from a check that ran and stayed open."""
EXCEPTION = _status("Excepted", "rule_settings", "orange")


def status(value: Enum) -> Status:
    return STATUSES[type(value), value.value]


def word(value: Enum) -> str:
    return status(value).word


def icon(value: Enum) -> str:
    return f":material/{status(value).icon}:"


def badge(value: Enum | Status, text: str = "") -> str:
    """Markdown of a coloured badge with icon and word; `text` replaces the word, never the icon."""
    shown = value if isinstance(value, Status) else status(value)
    return f":{shown.colour}-badge[:material/{shown.icon}: {md(text) if text else shown.word}]"


def mark(value: Enum | Status) -> str:
    """The icon alone, coloured; always placed beside words."""
    shown = value if isinstance(value, Status) else status(value)
    return f":{shown.colour}[:material/{shown.icon}:]"


def plain(text: str, colour: str = "gray", icon_name: str = "") -> str:
    """A neutral badge for a fact such as an alias."""
    return f":{colour}-badge[{f':material/{icon_name}: ' if icon_name else ''}{md(text)}]"


def chips(values: list[Enum]) -> list[tuple[str, str]]:
    """(word, colour) pairs for coloured chips in long tables."""
    return [(status(value).word, status(value).colour) for value in values]
