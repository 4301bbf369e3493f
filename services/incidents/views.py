"""One incident as a person sees it: its line of events, what belongs to it, and what that person could do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.incidents import rules, times
from services.incidents.models import (
    FollowUpDone,
    Incident,
    IncidentEvent,
    IncidentLine,
    IncidentView,
    LinkedChange,
    Offer,
    Step,
)
from services.incidents.wording import STEP_TITLES
from services.kernel.identity import Permission, Role
from services.rollout.models import Action

_NEEDS_OPEN = frozenset({Step.NOTE})
_OFFERED = (
    Step.ACKNOWLEDGED,
    Step.ASSIGNED,
    Step.MITIGATED,
    Step.LINKED,
    Step.NOTE,
    Step.SEVERITY,
    Step.IMPACT,
    Step.POST_MORTEM,
    Step.CLOSED,
)
_SYSTEM = "Countersign"
_KIND_WORDS = {
    "start": "Start",
    "advance": "Next share",
    "rollback": "Rollback",
    "revert": "Putting back",
    "adopt": "Adoption",
    "emergency": "Emergency release",
    "abort": "End of the release",
    "shadow": "Shadow run",
}


def view(
    incident: Incident,
    events: Sequence[IncidentEvent],
    *,
    named: Sequence[Action],
    recent: Sequence[Action],
    steps: Mapping[str, tuple[tuple[str, str], ...]],
    may: frozenset[Permission],
    on_call: str,
    subject: str = "",
) -> IncidentView:
    done = finished(events)
    return IncidentView(
        incident=incident,
        time_to_detect=times.to_detect(incident.times),
        time_to_restore=times.to_restore(incident.times),
        clock_since=times.clock_since(incident.times),
        timeline=timeline(incident, events, named, steps),
        changes=tuple(_change(action) for action in named),
        linkable=tuple(_change(action) for action in recent if action.action_id not in incident.actions),
        offers=tuple(offer(incident, step, may=may) for step in _OFFERED),
        missing=rules.missing(incident, incident.post_mortem),
        on_call=on_call,
        done=done,
        finishable=_finishable(incident, done, subject, manages=Permission.MANAGE_INCIDENT in may),
    )


def finished(events: Sequence[IncidentEvent]) -> tuple[FollowUpDone, ...]:
    """Follow-ups that somebody called done, in the order of the ledger."""
    return tuple(
        FollowUpDone(number=int(event.fact("followUp")), at=event.at, by=event.by, evidence=event.text, seq=event.seq)
        for event in events
        if event.step is Step.FOLLOW_UP and event.by is not None
    )


def _finishable(incident: Incident, done: Sequence[FollowUpDone], subject: str, *, manages: bool) -> tuple[int, ...]:
    if incident.times.closed is None:
        return ()
    over = {item.number for item in done}
    return tuple(
        number
        for number, item in enumerate(incident.post_mortem.follow_ups, start=1)
        if number not in over and rules.may_finish(item, subject=subject, manages=manages)
    )


def offer(incident: Incident, step: Step, *, may: frozenset[Permission]) -> Offer:
    needed = Permission.OPEN_INCIDENT if step in _NEEDS_OPEN else Permission.MANAGE_INCIDENT
    if needed not in may:
        return Offer(step=step, enabled=False, reason=_who_may(needed))
    reason = rules.refusal(incident, step)
    return Offer(step=step, enabled=not reason, reason=reason)


def timeline(
    incident: Incident,
    events: Sequence[IncidentEvent],
    named: Sequence[Action],
    steps: Mapping[str, tuple[tuple[str, str], ...]],
) -> tuple[IncidentLine, ...]:
    """In the order of the ledger: a clock that was moved changes no order. The start of the impact comes first."""
    lines = [_of_event(event) for event in events]
    for action in named:
        lines += _of_action(action, steps.get(action.action_id, ()))
    lines.sort(key=lambda line: -1 if line.seq is None else line.seq)
    start = incident.times.impact_start
    if start is None:
        return tuple(lines)
    return (IncidentLine(at=start, title="Impact began", who="", seq=None, step="start"), *lines)


def _of_event(event: IncidentEvent) -> IncidentLine:
    # The text of a post-mortem has a place of its own.
    text = "" if event.step in {Step.POST_MORTEM, Step.CLOSED} else event.text
    return IncidentLine(
        at=event.at,
        title=STEP_TITLES[event.step],
        who=event.by.name if event.by else _SYSTEM,
        seq=event.seq,
        text=text,
        details=(event.sentence,),
        step=event.step.value,
    )


def _of_action(action: Action, steps: tuple[tuple[str, str], ...]) -> list[IncidentLine]:
    word = _KIND_WORDS.get(action.kind.value, action.kind.value)
    asked = IncidentLine(
        at=action.created_at,
        title=f"{word} to version {action.to_version} asked for",
        who=action.requested_by,
        seq=action.seq_intent,
        text=action.reason,
        step="action",
    )
    if action.seq_outcome is None or action.finished_at is None:
        return [asked]
    done = IncidentLine(
        at=action.switched_at or action.finished_at,
        title=f"{word} {action.state.value}",
        who=_SYSTEM,
        seq=action.seq_outcome,
        details=tuple(sentence for _, sentence in steps) or ((action.detail,) if action.detail else ()),
        step="action",
    )
    return [asked, done]


def _change(action: Action) -> LinkedChange:
    return LinkedChange(
        action_id=action.action_id,
        kind=action.kind,
        state=action.state,
        from_version=action.from_version or "",
        to_version=action.to_version,
        requested_by=action.requested_by,
        reason_code=action.reason_code,
        asked_at=action.created_at,
        verified_at=(action.switched_at or action.finished_at) if action.seq_outcome is not None else None,
        seq_intent=action.seq_intent,
        seq_outcome=action.seq_outcome,
        detail=action.detail,
    )


def _who_may(permission: Permission) -> str:
    if permission is Permission.OPEN_INCIDENT:
        return "Notes are written by people who may open incidents."
    return f"A {Role.SRE.label.lower()} or an administrator does this."
