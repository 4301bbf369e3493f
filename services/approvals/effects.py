"""What each decision does to traffic, in words, stated before anybody clicks. Pure."""

from __future__ import annotations

from services.approvals import rules
from services.approvals.models import Decision, Purpose
from services.approvals.records import DecisionRecord, PromotionRequest
from services.inventory.models import DeploymentKind


def effects(
    request: PromotionRequest, decisions: tuple[DecisionRecord, ...], role: str
) -> tuple[tuple[Decision, str], ...]:
    sign = _effect_of_signing(request, decisions, role)
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


def _effect_of_signing(request: PromotionRequest, decisions: tuple[DecisionRecord, ...], role: str) -> str:
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
    if request.frozen.kind == DeploymentKind.VENDOR:
        days = request.frozen.terms.approval_days
        return f"Release {request.version} is approved for {days} days. The supplier serves it; nothing of ours moves."
    if request.purpose is Purpose.REATTESTATION:
        return f"Version {request.version} stays approved for {request.frozen.terms.approval_days} more days."
    if request.purpose is Purpose.ADOPTION:
        return f"What is served now, version {request.version}, becomes what was decided. Nothing is switched."
    share = request.frozen.terms.shares[0] if request.base else 100
    first = f"Version {request.version} gets {share} % of traffic at once"
    if share == 100:
        return f"{first} and alias `champion` moves to it."
    return f"{first}, version {request.base} keeps {100 - share} %. Further steps are signed by an SRE."
