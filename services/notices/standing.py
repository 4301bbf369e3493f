"""What stands now and should be known: announcements from the state, and the tokens that keep older ones open. Pure.

A notice with a token folds when its token no longer holds, so nobody is asked to do what was done already.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from services.kernel.identity import ROLE_PERMISSIONS, ROLE_TITLES, Permission, Role
from services.notices import alarms, troubles
from services.notices.entries import returned_token
from services.notices.facts import OpenReview, OpenStep, RequestFacts, RunningException, ServingApproval, Situation
from services.notices.models import Announcement, Audience, NoticeKind, Severity
from services.notices.reminders import Reminder, ending_step, overdue_since, remind
from services.notices.wording import target_of

APPROVAL_WARNINGS = (timedelta(days=14), timedelta(days=3))
EXCEPTION_WARNINGS = (timedelta(days=7), timedelta(days=1))
ACCESS_WARNINGS = (timedelta(days=7), timedelta(days=1))
_OWNERS = (Role.DATA_SCIENCE_LEAD, Role.COMPLIANCE)
_WATCHERS = (Role.SRE, Role.COMPLIANCE)
_REVIEWERS = tuple(role for role in Role if Permission.REVIEW_EMERGENCY in ROLE_PERMISSIONS[role])


def standing(situation: Situation) -> tuple[Announcement, ...]:
    return (
        *(item for step in situation.steps for item in _step(step, situation)),
        *_ended_requests(situation),
        *_void_signatures(situation),
        *(item for approval in situation.approvals for item in _approval(approval, situation)),
        *_changes(situation),
        *_jobs(situation),
        *_locked(situation),
        *(item for review in situation.reviews for item in _review(review, situation)),
        *(item for exception in situation.exceptions for item in _exception(exception, situation)),
        *_access(situation),
        *(item for incident in situation.incidents for item in troubles.announced(incident)),
        *(item for alert in situation.alerts for item in alarms.announced(alert)),
    )


def tokens(situation: Situation) -> frozenset[str]:
    """Everything that still holds: of what stands now, and of what was news in the ledger."""
    held = {item.stands_while for item in standing(situation) if item.stands_while}
    held |= {returned_token(request.request_id, request.revision) for request in situation.returned}
    return frozenset(held)


def family(token: str) -> str:
    """Which kind of fact a token speaks of; a family that could not be read closes nothing."""
    return token.partition("/")[0]


def _step(step: OpenStep, situation: Situation) -> Iterator[Announcement]:
    request, now = step.request, situation.now
    token = f"step/{request.request_id}/{request.revision}/{step.stage}/{step.role}"
    due = remind(now, opened_at=step.opened_at, due_at=step.due_at, escalate_at=step.escalate_at)
    role = _role(step.role)
    again = " again" if request.revision > 1 else ""
    yield _of_step(
        step,
        key=token,
        token=token,
        kind=NoticeKind.STEP_OPEN,
        severity=Severity.AMBER,
        at=step.opened_at,
        title=f"Your signature is asked for: {_name(request)}",
        why=f"{request.requester} asked{again} for it; the step of the {role} is open until {_when(step.due_at)}.",
    )
    if due.due_soon:
        yield _of_step(
            step,
            key=f"{token}/due-soon",
            token=f"{token}/due-soon",
            kind=NoticeKind.DUE_SOON,
            severity=Severity.AMBER,
            at=max(step.opened_at, step.due_at - timedelta(hours=24)),
            title=f"Due soon: {_name(request)}",
            why=f"The step of the {role} is due on {_when(step.due_at)}.",
        )
    yield from _late(step, due, token, role)


def _late(step: OpenStep, due: Reminder, token: str, role: str) -> Iterator[Announcement]:
    request = step.request
    if due.overdue_day is not None:
        late = "today" if due.overdue_day == 0 else f"for {_days(due.overdue_day)}"
        yield _of_step(
            step,
            key=f"{token}/overdue/{due.overdue_day}",
            # Yesterday's reminder folds when today's comes.
            token=f"{token}/overdue/{due.overdue_day}",
            kind=NoticeKind.OVERDUE,
            severity=Severity.RED,
            at=overdue_since(step.due_at, due.overdue_day),
            title=f"Overdue: {_name(request)}",
            why=f"The step of the {role} was due on {_when(step.due_at)}, overdue {late}. "
            "Time running out approves nothing.",
        )
    if due.escalated and step.escalate_to:
        yield _of_step(
            step,
            key=f"{token}/escalated",
            token=f"{token}/escalated",
            kind=NoticeKind.ESCALATED,
            severity=Severity.RED,
            at=max(step.escalate_at or step.due_at, step.due_at),
            title=f"Escalated to you: {_name(request)}",
            why=f"The {role} has not signed since it was due on {_when(step.due_at)}. "
            "Find out what holds it up, or have the role delegated; who may sign stays as it was.",
            role=step.escalate_to,
        )


def _of_step(step: OpenStep, *, key: str, token: str, role: str = "", **words: Any) -> Announcement:
    request = step.request
    return Announcement(
        key=f"{key}/{role or step.role}",
        audience=Audience(role=role or step.role),
        target=target_of("approvals", request=request.request_id, step=step.role),
        stands_while=token,
        not_for=None if role else (request.requester_issuer, request.requester_subject),
        **_about(request),
        **words,
    )


def _ended_requests(situation: Situation) -> Iterator[Announcement]:
    for item in situation.completed:
        request = item.request
        yield Announcement(
            key=f"complete/{request.request_id}/{request.revision}",
            kind=NoticeKind.COMPLETE,
            severity=Severity.INFO,
            at=item.at,
            audience=_requester(request),
            title=f"Approved: {_name(request)}",
            why="Everybody whose signature it needs has signed.",
            target=target_of("approvals", request=request.request_id),
            **_about(request),
        )
    for item in situation.fallen:
        request = item.request
        for audience in (_requester(request), *(Audience(role=role.value) for role in _WATCHERS)):
            yield Announcement(
                key=f"fallen/{request.request_id}/{request.revision}/{audience.word}",
                kind=NoticeKind.APPROVAL_VOID,
                severity=Severity.RED,
                at=item.at,
                audience=audience,
                title=f"Approval void: {_name(request)}",
                why=item.cause or "What was signed is no longer what is there.",
                target=target_of("approvals", request=request.request_id),
                **_about(request),
            )


def _void_signatures(situation: Situation) -> Iterator[Announcement]:
    for item in situation.voided:
        request = item.request
        signer = Audience(issuer=item.issuer, subject=item.subject)
        for audience, whose in ((signer, "Your signature"), (_requester(request), f"The signature of {item.signer}")):
            yield Announcement(
                key=f"void/{item.seq}/{audience.word}",
                kind=NoticeKind.SIGNATURE_VOID,
                severity=Severity.AMBER,
                at=item.at,
                audience=audience,
                title=f"{whose} became void: {_name(request)}",
                why=item.cause,
                target=target_of("approvals", request=request.request_id),
                seq=item.seq,
                **_about(request),
            )


def _approval(approval: ServingApproval, situation: Situation) -> Iterator[Announcement]:
    ended = situation.now >= approval.valid_until
    warned = ending_step(situation.now, approval.valid_until, within=APPROVAL_WARNINGS)
    if not ended and warned is None:
        return
    word = "ended" if ended else f"ending-{warned}"
    token = f"approval/{approval.model}/{approval.version}/{approval.valid_until:%Y%m%d%H%M}/{word}"
    name = f"{approval.model} version {approval.version}"
    for role in _OWNERS:
        yield Announcement(
            key=f"{token}/{role.value}",
            kind=NoticeKind.APPROVAL_ENDED if ended else NoticeKind.APPROVAL_ENDING,
            severity=Severity.RED if ended else Severity.AMBER,
            at=approval.valid_until if ended else situation.now,
            audience=Audience(role=role.value),
            title=f"Approval ended: {name}" if ended else f"Approval ends soon: {name}",
            why=(
                f"It was valid until {_when(approval.valid_until)}. The version goes on serving; "
                "renew the approval or release another version."
            )
            if ended
            else f"It is valid until {_when(approval.valid_until)}. Ask for a renewal in time; service does not stop.",
            target=target_of("model", name=approval.model, show="gates"),
            model=approval.model,
            version=approval.version,
            tier=approval.tier,
            stands_while=token,
        )


def _changes(situation: Situation) -> Iterator[Announcement]:
    for change in situation.changes:
        token = f"finding/{change.model}/{change.digest}"
        for role in _WATCHERS:
            yield Announcement(
                key=f"{token}/{role.value}",
                kind=NoticeKind.UNSIGNED_CHANGE,
                severity=Severity.RED,
                at=change.at,
                audience=Audience(role=role.value),
                title=f"Unsigned change: {change.model}",
                why=change.finding,
                target=target_of("rollouts", model=change.model),
                model=change.model,
                tier=change.tier,
                stands_while=token,
            )


def _jobs(situation: Situation) -> Iterator[Announcement]:
    for found in situation.jobs:
        name = f"{found.model} version {found.version}"
        token = f"job/{found.key}/{found.at:%Y%m%d%H%M%S}"
        for role in _WATCHERS:
            yield Announcement(
                key=f"{token}/{role.value}",
                kind=NoticeKind.NOT_APPLIED if found.stuck else NoticeKind.UNSIGNED_CHANGE,
                severity=Severity.AMBER if found.stuck else Severity.RED,
                at=found.at,
                audience=Audience(role=role.value),
                title=f"Not deployed: {name}" if found.stuck else f"Unsigned change: {name}",
                why=found.sentence,
                target=target_of("model", name=found.model),
                model=found.model,
                version=found.version,
                tier=found.tier,
                stands_while=token,
            )


def _locked(situation: Situation) -> Iterator[Announcement]:
    for key in situation.locked:
        if key.until <= situation.now:
            continue
        token = f"key/{key.issuer}/{key.subject}/{key.until:%Y%m%d%H%M%S}"
        person = Audience(issuer=key.issuer, subject=key.subject)
        for audience, whose in ((person, "Your signing key is"), (Audience(role="admin"), f"The key of {key.name} is")):
            yield Announcement(
                key=f"{token}/{audience.word}",
                kind=NoticeKind.KEY_LOCKED,
                severity=Severity.AMBER,
                at=situation.now,
                audience=audience,
                title=f"{whose} locked until {_when(key.until)}",
                why="The passphrase was wrong too often. If that was not its owner, revoke the key.",
                target=target_of("settings", show="people"),
                stands_while=token,
            )


def _review(review: OpenReview, situation: Situation) -> Iterator[Announcement]:
    overdue = situation.now >= review.review_by
    token = f"review/{review.review_id}"
    for role in _REVIEWERS:
        common: dict[str, Any] = {
            "audience": Audience(role=role.value),
            "target": target_of("rollouts", model=review.model, review=review.review_id),
            "model": review.model,
            "version": review.version,
            "seq": review.seq,
            "not_for": (review.by_issuer, review.by_subject),
        }
        yield Announcement(
            key=f"{token}/{role.value}",
            kind=NoticeKind.EMERGENCY,
            severity=Severity.RED,
            at=review.at,
            title=f"Emergency release: {review.model} version {review.version}",
            why=f"{review.by} released it without the usual signatures. Review it by {_when(review.review_by)}.",
            stands_while=token,
            **common,
        )
        if overdue:
            day = (situation.now - review.review_by) // timedelta(hours=24)
            yield Announcement(
                key=f"{token}/overdue/{day}/{role.value}",
                kind=NoticeKind.REVIEW_OVERDUE,
                severity=Severity.RED,
                at=overdue_since(review.review_by, day),
                title=f"Emergency review overdue: {review.model} version {review.version}",
                why=f"It was due on {_when(review.review_by)}. The next promotion of this model is blocked until then.",
                stands_while=f"{token}/overdue/{day}",
                **common,
            )


def _exception(exception: RunningException, situation: Situation) -> Iterator[Announcement]:
    token = f"exception/{exception.exception_id}/{exception.state}"
    if exception.state == "proposed":
        yield Announcement(
            key=f"{token}/{Role.COMPLIANCE.value}",
            kind=NoticeKind.EXCEPTION_PROPOSED,
            severity=Severity.AMBER,
            at=exception.at,
            audience=Audience(role=Role.COMPLIANCE.value),
            title=f"An exception is proposed: {exception.gate} for {exception.model}",
            why="Grant it with a control and an end date, or refuse it.",
            target=target_of("model", name=exception.model, show="gates", exception=exception.exception_id),
            model=exception.model,
            stands_while=token,
        )
        return
    warned = ending_step(situation.now, exception.until, within=EXCEPTION_WARNINGS)
    if warned is None:
        return
    owner = Audience(issuer=exception.owner_issuer, subject=exception.owner_subject)
    for audience in (owner, Audience(role=Role.COMPLIANCE.value)):
        yield Announcement(
            key=f"{token}/ending-{warned}/{audience.word}",
            kind=NoticeKind.EXCEPTION_ENDING,
            severity=Severity.AMBER,
            at=situation.now,
            audience=audience,
            title=f"An exception ends soon: {exception.gate} for {exception.model}",
            why=f"It ends on {_when(exception.until)}; from then on the gate blocks again.",
            target=target_of("model", name=exception.model, show="gates", exception=exception.exception_id),
            model=exception.model,
            stands_while=f"{token}/ending-{warned}",
        )


def _access(situation: Situation) -> Iterator[Announcement]:
    for access in situation.access:
        warned = ending_step(situation.now, access.until, within=ACCESS_WARNINGS)
        if warned is None:
            continue
        token = f"access/{access.issuer}/{access.subject}/{access.until:%Y%m%d%H%M}/{warned}"
        person = Audience(issuer=access.issuer, subject=access.subject)
        for audience, whose in ((person, "Your access"), (Audience(role="admin"), f"The access of {access.name}")):
            yield Announcement(
                key=f"{token}/{audience.word}",
                kind=NoticeKind.ACCESS_ENDING,
                severity=Severity.AMBER,
                at=situation.now,
                audience=audience,
                title=f"{whose} ends on {_when(access.until)}",
                why="After that nothing can be opened. An administrator can grant a longer time.",
                target=target_of("settings", show="people"),
                stands_while=token,
            )


def _requester(request: RequestFacts) -> Audience:
    return Audience(issuer=request.requester_issuer, subject=request.requester_subject)


def _name(request: RequestFacts) -> str:
    words = {"reattestation": "renewed approval of ", "adoption": "adoption of ", "retirement": "retirement of "}
    purpose = words.get(request.purpose, "")
    return f"{purpose}{request.title} version {request.version}"


def _about(request: RequestFacts) -> dict[str, Any]:
    return {
        "model": request.model,
        "version": request.version,
        "request_id": request.request_id,
        "tier": request.tier,
    }


def _role(word: str) -> str:
    try:
        return ROLE_TITLES[Role(word)].lower()
    except ValueError:
        return word.replace("_", " ")


def _when(at: Any) -> str:
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
