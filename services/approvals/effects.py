"""What each decision does to traffic, in words, stated before anybody clicks. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.approvals import rules
from services.approvals.models import Decision, Purpose
from services.approvals.records import DecisionRecord, PromotionRequest
from services.inventory.models import DeploymentKind


def effects(
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    role: str,
    *,
    now: datetime,
    not_yet: str = "",
    ahead: str = "",
) -> tuple[tuple[Decision, str], ...]:
    """`not_yet` is what keeps an approved version from starting now, `ahead` the other release in its way."""
    sign = _effect_of_signing(request, decisions, role, now=now, not_yet=not_yet, ahead=ahead)
    running = f"version {request.base}" if request.base else "the manual process"
    stays = f"Traffic stays on {running}." if request.purpose is Purpose.PROMOTION else "Traffic stays as it is."
    return (
        (Decision.APPROVE, sign),
        (Decision.ACKNOWLEDGE, sign),
        (Decision.REQUEST_CHANGES, f"{stays} Signatures given so far wait for the new evidence."),
        (Decision.REJECT, f"{stays} This request ends; a new one is needed."),
        (Decision.ABSTAIN, "Traffic stays as it is. Somebody else in your role has to decide."),
        (Decision.WITHDRAW, f"{stays} This request ends."),
        (
            Decision.REVOKE,
            f"Traffic stays until an SRE rolls back. Version {request.version} gets no further share.",
        ),
    )


def _effect_of_retiring(request: PromotionRequest, days: int) -> str:
    return (
        f"Traffic of {request.model} is taken to zero at once, and nothing of it is released any more. It closes "
        f"when nobody was answered for {days} {'day' if days == 1 else 'days'}, as counted."
    )


def _effect_of_signing(  # noqa: C901, PLR0911 - one sentence per case
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    role: str,
    *,
    now: datetime,
    not_yet: str,
    ahead: str,
) -> str:
    missing = {
        line.rule.role: line.rule.needed - line.have
        for line in rules.progress(request.frozen.quorum, decisions)
        if not line.complete
    }
    if role in missing:
        missing[role] -= 1
    others = [word for word, number in missing.items() if number > 0]
    if others:
        return f"Traffic stays as it is. Still needed after you: {', '.join(rules.title(word) for word in others)}."
    if request.frozen.retirement is not None:
        return _effect_of_retiring(request, request.frozen.retirement.quiet_days)
    if request.frozen.kind == DeploymentKind.VENDOR:
        days = request.frozen.terms.approval_days
        return f"Release {request.version} is approved for {days} days. The supplier serves it; nothing of ours moves."
    if request.purpose is Purpose.REATTESTATION:
        return f"Version {request.version} stays approved for {request.frozen.terms.approval_days} more days."
    if request.purpose is Purpose.ADOPTION:
        return f"What is served now, version {request.version}, becomes what was decided. Nothing is switched."
    if ahead:
        return f"This signature would be refused now. {ahead}"
    shadow = request.frozen.terms.shadow if request.base else None
    until = now + timedelta(days=request.frozen.terms.approval_days)
    planned = f"Approved until {until.day} {until:%b %Y}; production is unchanged."
    if shadow is not None:
        run = f"the shadow run, started by a site reliability engineer ({shadow.sentence})"
        return f"{planned} The next step is {run}."
    if not_yet:
        return f"{planned} The release is planned, and a site reliability engineer starts it. {not_yet}"
    share = request.frozen.terms.shares[0] if request.base else 100
    first = f"The release is queued: version {request.version} gets {share} % of traffic"
    if share == 100:
        return f"{first} and alias `champion` moves to it."
    return f"{first}, version {request.base} keeps {100 - share} %. Further steps are signed by an SRE."
