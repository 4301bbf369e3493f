"""The sentences of an incident, as they stand in the ledger. Names and codes only: what people wrote is not in them."""

from __future__ import annotations

from services.incidents.models import SEVERITIES, Incident, Step
from services.kernel.clock import utc_text
from services.rollout.models import ROLLBACK_REASONS, Action, ActionKind

_KINDS = {
    ActionKind.ROLLBACK: "was rolled back to",
    ActionKind.EMERGENCY: "got an emergency release of",
    ActionKind.REVERT: "was put back to",
    ActionKind.ABORT: "had its release stopped before",
}
STEP_TITLES = {
    Step.OPENED: "Opened",
    Step.ACKNOWLEDGED: "Acknowledged",
    Step.ASSIGNED: "Assigned",
    Step.SEVERITY: "Severity changed",
    Step.IMPACT: "Start of the impact stated",
    Step.NOTE: "Note",
    Step.LINKED: "Traffic change linked",
    Step.MITIGATED: "Mitigated",
    Step.RECURRED: "Came back",
    Step.POST_MORTEM: "Post-mortem saved",
    Step.CLOSED: "Closed",
    Step.FOLLOW_UP: "Follow-up done",
}


def opened_by_rule(incident: Incident) -> str:
    about = f" version {incident.version}" if incident.version else ""
    again = f" {incident.earlier} with the same cause was closed before." if incident.earlier else ""
    return (
        f"A rule opened an incident for {incident.model}{about}, severity {incident.severity}: {incident.title}. "
        f"{incident.text}{again}"
    )


def opened_by_person(incident: Incident, who: str) -> str:
    about = f" version {incident.version}" if incident.version else ""
    return (
        f"{who} opened an incident for {incident.model}{about}, severity {incident.severity} "
        f"({SEVERITIES[incident.severity].lower()})."
    )


def recurred(incident: Incident, measured: str) -> str:
    found = f": {measured}" if measured else ""
    return f"{incident.incident_id} came back after it had been mitigated{found}. The clock runs again."


def of_action(action: Action) -> str:
    """Title of an incident that a change of traffic opens."""
    reason = ROLLBACK_REASONS.get(action.reason_code, "")
    words = f" ({reason[0].lower()}{reason[1:]})" if reason else ""
    return f"{action.model} {_KINDS.get(action.kind, 'was moved to')} version {action.to_version}{words}"


def why_action(action: Action) -> str:
    """The typed reason stays with the change of traffic; here is only where it is found."""
    code = f" with reason {action.reason_code}" if action.reason_code else ""
    return f"{action.requested_by} asked for it{code} in entry {action.seq_intent}."


def verified(action: Action) -> str:
    where = f", recorded in entry {action.seq_outcome}" if action.seq_outcome is not None else ""
    return f"Traffic was verified on version {action.champion or action.to_version} of {action.model}{where}."


def by_person(step: Step, incident: Incident, who: str) -> str:
    name = incident.incident_id
    return {
        Step.ACKNOWLEDGED: f"{who} acknowledged {name}.",
        Step.NOTE: f"{who} added a note to {name}.",
        Step.MITIGATED: f"{who} stated that the impact of {name} is over, and how that was verified.",
        Step.POST_MORTEM: f"{who} saved the post-mortem of {name} without closing it.",
        Step.CLOSED: f"{who} signed the post-mortem of {name} and closed it.",
    }[step]


def assigned(incident: Incident, who: str, to: str) -> str:
    return (
        f"{who} took over {incident.incident_id}." if who == to else f"{who} assigned {incident.incident_id} to {to}."
    )


def linked(incident: Incident, who: str, action: Action) -> str:
    return f"{who} linked the change of traffic of entry {action.seq_intent} to {incident.incident_id}."


def severity(incident: Incident, who: str, to: int) -> str:
    return (
        f"{who} changed the severity of {incident.incident_id} from {incident.severity} to {to} "
        f"({SEVERITIES[to].lower()})."
    )


def impact(incident: Incident, who: str, at: str) -> str:
    before = incident.times.impact_start
    was = f"; until now {utc_text(before)} was stated" if before else ""
    return f"{who} stated that the impact of {incident.incident_id} began at {at}{was}."


def follow_up(incident: Incident, who: str, number: int) -> str:
    return f"{who} stated that follow-up {number} of {incident.incident_id} is done, and where that can be seen."
