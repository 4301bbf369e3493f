"""A request to take a model out of service: what its signers judge, and what follows from the last signature.

The business owner asks, so the signature of that role is under the request itself: one signature less of that role is
needed, and never of another. What is judged is not whether the version is good, but whether it may go: who reads its
answers, that it is what serves, and that the window in which nobody is answered is stated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from services.approvals.models import RetirementTerms
from services.approvals.records import PromotionRequest
from services.attestation.canonical import sha256_hex, to_bytes
from services.inventory.models import DeploymentKind, GovernedModel
from services.kernel.errors import IllegalTransitionError
from services.kernel.identity import Role
from services.policy.models import GateOutcome, GateReport, PolicyRef, QuorumRule, ReleaseTerms, StageTerms, Verdict
from services.rollout.models import Deployment
from services.rollout.retirement_models import Retirement, RetirementState
from services.rollout.rollback import consumers_of

PART = "retirement"
QUIET_DAYS = 7
"""Where the policy says nothing: a whole week, so that a weekly reader would be seen."""
Quiet = Callable[[GovernedModel], int]


def terms_of(governed: GovernedModel, quiet_days: int, *, reason_code: str = "", review: str = "") -> RetirementTerms:
    consumers = consumers_of(governed)
    note = (
        f"{len(consumers)} recorded downstream of the model; who else reads its answers is not known."
        if consumers
        else "None is recorded. Who reads its answers is not known, which does not mean nobody does."
    )
    return RetirementTerms(
        reason_code=reason_code, consumers=consumers, consumers_note=note, quiet_days=quiet_days, review=review
    )


def part(terms: RetirementTerms) -> tuple[str, str]:
    """Consumers and window by digest: a consumer recorded later voids the signatures that did not know of it."""
    document = {"part": PART, "consumers": list(terms.consumers), "quietDays": terms.quiet_days}
    return PART, sha256_hex(to_bytes(document))


def quorum_of(
    quorum: tuple[QuorumRule, ...], stages: tuple[StageTerms, ...]
) -> tuple[tuple[QuorumRule, ...], tuple[StageTerms, ...]]:
    """Everybody a promotion needs, but one business owner: that one asks. Stages that are left empty close up."""
    needed = tuple(
        kept
        for rule in quorum
        if (kept := replace(rule, needed=rule.needed - 1) if rule.role == Role.BUSINESS_OWNER.value else rule).needed
    )
    used = sorted({rule.stage for rule in needed})
    place = {number: new for new, number in enumerate(used, 1)}
    return (
        tuple(replace(rule, stage=place[rule.stage]) for rule in needed),
        tuple(replace(stage, number=place[stage.number]) for stage in stages if stage.number in place),
    )


def release_terms(terms: ReleaseTerms, stages: tuple[StageTerms, ...]) -> ReleaseTerms:
    return replace(terms, shares=(), shadow=None, rollback=(), stages=stages)


def report(policy: PolicyRef, governed: GovernedModel, terms: RetirementTerms, *, digest: str) -> GateReport:
    """What is known about letting it go. Unknown consumers stop nobody: they are said, and signed with."""
    days = "1 day" if terms.quiet_days == 1 else f"{terms.quiet_days} days"
    known = ", ".join(terms.consumers) or "nobody on record"
    return GateReport(
        policy=policy,
        outcomes=(
            _outcome("consumers", "Consumers listed", known, "everything downstream is named", terms.consumers_note),
            _outcome(
                "fallback", "What is done without it", governed.fallback or "not stated", "said before it goes",
                governed.fallback or "Nobody stated a fallback.",
            ),
            _outcome(
                "zero", "Traffic proven zero before it closes", days, "nobody answered for a whole window",
                f"It closes only after {days} in which nobody was answered, as counted in the log.",
            ),
        ),
        evidence_sha256=digest,
    )  # fmt: skip


def _outcome(gate: str, title: str, value: str, rule: str, sentence: str) -> GateOutcome:
    return GateOutcome(
        gate=gate, title=title, group="documentation", verdict=Verdict.PASSED, value=value, rule=rule, sentence=sentence
    )


def obstacles(governed: GovernedModel, version: str, deployment: Deployment | None, retiring: str) -> list[str]:
    """Sentences that say why it cannot be retired now."""
    if retiring:
        return [retiring]
    if governed.kind is DeploymentKind.VENDOR:
        return ["Its supplier serves it: traffic cannot be taken to zero, nor counted, from here. End the contract."]
    if deployment is None or not deployment.champion:
        return [f"{governed.name} does not serve, so there is nothing to take out of service."]
    if deployment.candidate:
        return [f"Version {deployment.candidate} is being released. Finish that release or roll it back first."]
    if deployment.champion != version:
        return [f"Version {deployment.champion} serves, not version {version}."]
    return []


def ordered(request: PromotionRequest, deployment: Deployment, *, seq: int, at: datetime) -> Retirement:
    """What the last signature begins. Raises IllegalTransitionError when something else serves by now."""
    terms = request.frozen.retirement
    if terms is None:
        raise IllegalTransitionError("This request says nothing about a retirement.", hint="Ask again.")
    if deployment.champion != request.version or deployment.candidate:
        raise IllegalTransitionError(
            f"Version {deployment.champion or 'none'} serves by now, not version {request.version}.",
            hint="Finish or roll back what is on its way, and ask again.",
        )
    return Retirement(
        retirement_id=f"rtm-{sha256(request.request_id.encode()).hexdigest()[:20]}",
        request_id=request.request_id,
        model=request.model,
        deployment=deployment.deployment,
        kind=deployment.kind,
        version=request.version,
        state=RetirementState.ORDERED,
        reason_code=terms.reason_code,
        consumers=terms.consumers,
        quiet_days=terms.quiet_days,
        ordered_at=at,
        ordered_seq=seq,
        detail="All have signed; the platform is asked next.",
    )
