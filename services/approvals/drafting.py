"""What would be asked, computed fresh: evidence, gates, changes against the live version, obstacles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.approvals.excepted import Exceptions, in_use, judged, sentences
from services.approvals.models import ColumnFact, Comparison, RequestDraft, RequestState
from services.approvals.records import Frozen, PromotionRequest
from services.evaluation.comparison import compare
from services.evaluation.service import EvaluationService
from services.exceptions.models import ActiveException
from services.inventory.models import DeploymentKind, GovernedModel
from services.inventory.names import suspicion
from services.inventory.service import InventoryService
from services.kernel.errors import InvalidPolicyError
from services.policy.evidence import Evidence
from services.policy.models import GateReport, QuorumRule, ReleaseTerms
from services.policy.service import PolicyService
from services.rollout.models import Deployment

_NO_TERMS = ReleaseTerms(shares=(), approval_days=0, request_days=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    governed: GovernedModel
    evidence: Evidence
    frozen: Frozen
    problem: str
    """Why the policy cannot be used, or empty."""
    resting_on: tuple[ActiveException, ...]
    """Exceptions without which a gate would stand in the way."""

    @property
    def sha256(self) -> str:
        """Digest of everything that was judged: the evidence, with the exceptions it rests on."""
        return self.frozen.report.evidence_sha256


class Drafting:
    def __init__(
        self,
        *,
        inventory: InventoryService,
        evaluation: EvaluationService,
        policy: PolicyService,
        benefit: Callable[[str], str],
        exceptions: Exceptions,
    ) -> None:
        self._inventory = inventory
        self._evaluation = evaluation
        self._policy = policy
        self._benefit = benefit
        self._exceptions = exceptions

    def collect(self, model: str, version: str) -> Drafted:
        """Raises UnknownModelError, UnknownVersionError."""
        governed = self._inventory.model(model)
        evidence = self._evaluation.collect(model, version)
        base = self._evaluation.collect(model, evidence.base) if evidence.base else None
        quorum: tuple[QuorumRule, ...] = ()
        terms, problem = _NO_TERMS, ""
        try:
            policy = self._policy.for_model(governed)
            quorum, terms = policy.quorum, policy.terms
        except InvalidPolicyError as broken:
            problem = broken.message
        changes = tuple(
            Comparison(
                title=line.title,
                champion=line.champion,
                candidate=line.candidate,
                change=line.change,
                better=line.better,
            )
            for line in compare(evidence, base)
        )
        active = self._exceptions.active(model)
        report = judged(self._evaluation.judge(evidence), active)
        frozen = Frozen(
            report=report,
            changes=changes,
            quorum=quorum,
            terms=terms,
            sensitive=_sensitive(evidence),
            benefit=self._benefit(model),
            limits=governed.limits_of_use,
            fallback=governed.fallback,
            kind=governed.kind.value,
            exceptions=sentences(report),
        )
        return Drafted(
            governed=governed,
            evidence=evidence,
            frozen=frozen,
            problem=problem,
            resting_on=in_use(report, active),
        )

    def columns(self, request: PromotionRequest) -> tuple[ColumnFact, ...]:
        """The sensitive inputs of the version as tagged now, then those that look sensitive and have no tag."""
        governed = self._inventory.model(request.model)
        evidence = self._evaluation.collect(request.model, request.version)
        used = [item for item in governed.sensitive if item.name in evidence.inputs and item.category != "not personal"]
        facts = [
            ColumnFact(
                name=item.name,
                category=item.category,
                tagged=True,
                masked=item.masked,
                tagged_by=item.tagged_by,
                basis=item.basis,
                problem="",
            )
            for item in used
        ]
        return (*facts, *(_untagged(name) for name in self._evaluation.without_tag(evidence)))

    def report(self, request: PromotionRequest) -> GateReport:
        """Judged now, for the version of an existing request."""
        return judged(self._evaluation.gates(request.model, request.version), self._exceptions.active(request.model))


def _untagged(name: str) -> ColumnFact:
    return ColumnFact(
        name=name,
        category="",
        tagged=False,
        masked=False,
        tagged_by="",
        basis="",
        problem="The name looks sensitive and nobody has tagged it.",
    )


def as_draft(drafted: Drafted, *, open_request: PromotionRequest | None, deployment: Deployment | None) -> RequestDraft:
    evidence, frozen = drafted.evidence, drafted.frozen
    return RequestDraft(
        model=evidence.model,
        version=evidence.version,
        base=evidence.base,
        report=frozen.report,
        changes=frozen.changes,
        quorum=frozen.quorum,
        terms=frozen.terms,
        blocked_by=blocked_by(drafted, open_request=open_request, deployment=deployment),
        evidence_sha256=drafted.sha256,
        manifest_sha256=evidence.manifest_sha256,
        exceptions=frozen.exceptions,
    )


def blocked_by(
    drafted: Drafted, *, open_request: PromotionRequest | None, deployment: Deployment | None
) -> tuple[str, ...]:
    """Sentences that say why this version cannot be submitted now."""
    version = drafted.evidence.version
    found = [suspicion(drafted.evidence.model)] if suspicion(drafted.evidence.model) else []
    if drafted.governed.kind is DeploymentKind.VENDOR:
        found.append("A vendor model has no version in our registry to promote.")
    if deployment is not None and version in {deployment.champion, deployment.candidate}:
        found.append(f"Version {version} is serving already.")
    elif deployment is not None and deployment.candidate:
        found.append(
            f"Version {deployment.candidate} is being released ({deployment.candidate_share} %). "
            "Finish that release or roll it back first."
        )
    if open_request is not None and not _may_resubmit(open_request, drafted):
        found.append(f"Request {open_request.request_id} for this version is waiting already.")
    if drafted.problem:
        found.append(drafted.problem)
    found += [f"{item.title}: {item.sentence}" for item in drafted.frozen.report.blocking]
    return tuple(found)


def _may_resubmit(request: PromotionRequest, drafted: Drafted) -> bool:
    if request.state is RequestState.CHANGES_REQUESTED:
        return True
    return request.state is RequestState.OPEN and request.evidence_sha256 != drafted.sha256


def _sensitive(evidence: Evidence) -> tuple[str, ...]:
    used = [fact for fact in evidence.sensitive if fact.is_personal and fact.name in evidence.inputs]
    if not used:
        return ("No sensitive input is used.",)
    words = ", ".join(f"{fact.name} ({fact.category})" for fact in used)
    return (f"{len(used)} sensitive inputs, all tagged: {words}.",)
