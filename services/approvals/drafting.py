"""What would be asked, computed fresh: evidence in named parts, gates, changes, rollback plan, obstacles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from services.approvals import changes, parts, retiring
from services.approvals.excepted import Exceptions, documents, in_use, judged, sentences
from services.approvals.models import Comparison, Purpose, RequestDraft, RequestState, RollbackTerms, StagePlan
from services.approvals.records import Frozen, PromotionRequest
from services.approvals.retiring import QUIET_DAYS, Quiet
from services.evaluation.comparison import compare
from services.evaluation.service import EvaluationService
from services.exceptions.models import ActiveException
from services.inventory import tiering, vendors
from services.inventory.models import GovernedModel
from services.inventory.names import suspicion
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import InvalidPolicyError
from services.policy.evaluation import without_tag
from services.policy.evidence import Evidence
from services.policy.freeze import active_freeze
from services.policy.gates import SensitiveGate
from services.policy.models import QuorumRule, ReleaseTerms
from services.policy.sentences import freeze_words
from services.policy.service import Policy, PolicyService
from services.rollout.differences import adoptable
from services.rollout.job_evidence import JobPart
from services.rollout.models import Deployment

_NO_TERMS = ReleaseTerms(shares=(), approval_days=0, request_days=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    governed: GovernedModel
    evidence: Evidence
    frozen: Frozen
    problem: str
    """Why the policy cannot be used, or empty."""
    freeze: str = ""
    """The freeze window the model is in now, in a sentence, or empty."""
    resting_on: tuple[ActiveException, ...] = ()
    """Exceptions without which a gate would stand in the way."""
    job_unknown: str = ""
    """Why it is not known what the deployment job would do, or empty."""

    @property
    def unknown(self) -> str:
        """Why some part of the evidence is not known, or empty."""
        return " ".join(why for why in (self.evidence.missing, self.job_unknown) if why)


class Drafting:
    def __init__(
        self,
        *,
        inventory: InventoryService,
        evaluation: EvaluationService,
        policy: PolicyService,
        benefit: Callable[[str], str],
        cost: Callable[[str], str],
        exceptions: Exceptions,
        clock: Clock,
        quiet: Quiet = lambda _model: QUIET_DAYS,
        job: Callable[[GovernedModel], JobPart | None] = lambda _model: None,
    ) -> None:
        """`benefit` is the sentence shown now; `cost` states only agreed figures, so that it changes by decision.

        `quiet` gives the days without traffic that a retirement needs; `job` the settings of the deployment job that
        the approval would let go on, None where it lets none go on.
        """
        self._inventory = inventory
        self._evaluation = evaluation
        self._policy = policy
        self._benefit = benefit
        self._cost = cost
        self._exceptions = exceptions
        self._clock = clock
        self._quiet = quiet
        self._job = job

    def collect(
        self,
        model: str,
        version: str,
        *,
        purpose: Purpose = Purpose.PROMOTION,
        base_manifest: str = "",
        earlier: Frozen | None = None,
        policy_sha256: str = "",
    ) -> Drafted:
        """`earlier` is what was frozen for the live version; `policy_sha256` pins a policy other than the newest.

        Raises UnknownModelError, UnknownVersionError.
        """
        governed = self._inventory.model(model)
        evidence = self._evaluation.collect(model, version, policy_sha256=policy_sha256)
        base = self._evaluation.collect(model, evidence.base) if evidence.base else None
        quorum: tuple[QuorumRule, ...] = ()
        terms, problem = _NO_TERMS, ""
        policy: Policy | None = None
        try:
            policy = self._policy.for_model(governed, pinned=policy_sha256)
            quorum, terms = policy.quorum, policy.terms
            if vendors.is_supplied(governed):
                terms = replace(terms, shares=())  # the supplier serves it; no traffic of ours moves
            if purpose is not Purpose.PROMOTION or evidence.base is None:
                terms = replace(terms, shadow=None)  # there is nothing to run beside, or it serves already
        except InvalidPolicyError as broken:
            problem = broken.message
        if purpose is Purpose.RETIREMENT:
            return self._retirement(governed, evidence, quorum, terms, problem)
        active = self._exceptions.active(model)
        report = judged(self._evaluation.judge(evidence), active)
        resting = in_use(report, active)
        lines = tuple(
            Comparison(
                title=line.title,
                champion=line.champion,
                candidate=line.candidate,
                change=line.change,
                better=line.better,
            )
            for line in compare(evidence, base)
        )
        rollback = _rollback(terms, evidence.base, base_manifest, purpose)
        handling = self._evaluation.handling(evidence)
        facts = changes.columns(evidence.inputs, governed.sensitive, _untagged(policy, evidence), handling)
        cost, job = self._cost(model), self._job(governed)
        frozen = Frozen(
            report=report,
            changes=lines,
            quorum=quorum,
            terms=terms,
            sensitive=_sensitive(evidence),
            benefit=self._benefit(model),
            limits=governed.limits_of_use,
            fallback=governed.fallback,
            kind=governed.kind.value,
            purpose=purpose,
            parts=parts.parts_of(
                evidence,
                cost=cost,
                rollback=rollback,
                exceptions=documents(resting),
                job=job.sha256 if job else None,
            ),
            diff=changes.groups(
                lines,
                evidence=evidence,
                base=base,
                facts=facts,
                policy=(earlier.report.policy if earlier else None, report.policy),
                cost=(_sentence_of(earlier, "cost"), cost),
                rollback=(earlier.rollback if earlier else None, rollback),
            ),
            columns=facts,
            rollback=rollback,
            exceptions=sentences(report),
            risk=tiering.standing_words(governed),
        )
        window = active_freeze(policy.document, governed, self._clock.now()) if policy else None
        return Drafted(
            governed=governed,
            evidence=evidence,
            frozen=frozen,
            problem=problem,
            freeze=f"{freeze_words(window)}." if window else "",
            resting_on=resting,
            job_unknown=job.sentence if job and not job.sha256 else "",
        )

    def _retirement(
        self,
        governed: GovernedModel,
        evidence: Evidence,
        quorum: tuple[QuorumRule, ...],
        terms: ReleaseTerms,
        problem: str,
    ) -> Drafted:
        """Judged is whether it may go, not whether it is good: the gates of a release have no say."""
        asked = retiring.terms_of(governed, self._quiet(governed))
        signing, stages = retiring.quorum_of(quorum, terms.stages)
        everything = parts.parts_of(evidence, cost="", rollback=None)
        kept = tuple(pair for pair in everything if pair[0] in {"files", "live", "policy"})
        frozen = Frozen(
            report=retiring.report(
                self._evaluation.judge(evidence).policy, governed, asked, digest=parts.digest((*kept,))
            ),
            changes=(),
            quorum=signing,
            terms=retiring.release_terms(terms, stages),
            sensitive=(),
            benefit=self._benefit(governed.name),
            limits=governed.limits_of_use,
            fallback=governed.fallback,
            kind=governed.kind.value,
            purpose=Purpose.RETIREMENT,
            parts=(*kept, retiring.part(asked)),
            risk=tiering.standing_words(governed),
            retirement=asked,
        )
        return Drafted(governed=governed, evidence=evidence, frozen=frozen, problem=problem)

    def again(self, request: PromotionRequest) -> Drafted:
        """The same request judged now: it stays under its policy, and its rollback target keeps its files."""
        pinned = request.frozen.rollback.manifest_sha256 if request.frozen.rollback else ""
        return self.collect(
            request.model,
            request.version,
            purpose=request.purpose,
            base_manifest=pinned,
            policy_sha256=request.policy_sha256,
        )


def as_draft(
    drafted: Drafted, *, open_request: PromotionRequest | None, deployment: Deployment | None, out: str = ""
) -> RequestDraft:
    evidence, frozen = drafted.evidence, drafted.frozen
    return RequestDraft(
        model=evidence.model,
        version=evidence.version,
        base=evidence.base,
        report=frozen.report,
        changes=frozen.changes,
        quorum=frozen.quorum,
        terms=frozen.terms,
        blocked_by=blocked_by(drafted, open_request=open_request, deployment=deployment, out=out),
        evidence_sha256=parts.digest(frozen.parts),
        manifest_sha256=evidence.manifest_sha256,
        purpose=frozen.purpose,
        parts=frozen.parts,
        diff=frozen.diff,
        rollback=frozen.rollback,
        stages=tuple(
            StagePlan(
                number=stage.number,
                title=stage.title,
                due_days=stage.due_days,
                escalate_to=stage.escalate_to,
                roles=tuple(rule for rule in frozen.quorum if rule.stage == stage.number),
            )
            for stage in frozen.terms.stages
        ),
        exceptions=frozen.exceptions,
        freeze=drafted.freeze,
        retirement=frozen.retirement,
    )


def blocked_by(
    drafted: Drafted, *, open_request: PromotionRequest | None, deployment: Deployment | None, out: str = ""
) -> tuple[str, ...]:
    """Sentences that say why this version cannot be submitted now. `out`: why nothing of the model is released."""
    evidence = drafted.evidence
    found = [suspicion(evidence.model)] if suspicion(evidence.model) else []
    if drafted.frozen.purpose is Purpose.RETIREMENT:
        found += retiring.obstacles(drafted.governed, evidence.version, deployment, out)
        if not drafted.frozen.quorum and not drafted.problem:
            found.append("The policy names nobody but the business owner; nobody retires a model alone.")
    elif out:
        found.append(out)
    else:
        found += _traffic(drafted, deployment)
    if open_request is not None and not _may_resubmit(open_request, drafted):
        found.append(f"Request {open_request.request_id} for this version is waiting already.")
    if drafted.problem:
        found.append(drafted.problem)
    if drafted.unknown:
        found.append(drafted.unknown)
    found += [f"{item.title}: {item.sentence}" for item in drafted.frozen.report.blocking]
    return tuple(found)


def _traffic(drafted: Drafted, deployment: Deployment | None) -> list[str]:
    version, purpose = drafted.evidence.version, drafted.frozen.purpose
    serving = deployment is not None and version in {deployment.champion, deployment.candidate}
    if purpose is Purpose.REATTESTATION:
        return [] if serving else [f"Version {version} does not serve; only a serving version is approved again."]
    if purpose is Purpose.ADOPTION:
        served = deployment.observed.routes if deployment and deployment.observed else None
        found = adoptable(deployment.changes, served=served) if deployment else None
        if found == version:
            return []
        why = "There is no unsigned change with this version to adopt."
        if deployment and deployment.finding_kind == "alias" and not deployment.was_ordered:
            why += " Only the alias names it, and nothing of ours serves it: ask for its promotion."
        return [why]
    if serving:
        return [f"Version {version} is serving already."]
    if deployment is not None and deployment.candidate:
        words = f"Version {deployment.candidate} is being released ({deployment.candidate_share} %)."
        return [f"{words} Finish that release or roll it back first."]
    return []


def _may_resubmit(request: PromotionRequest, drafted: Drafted) -> bool:
    if Purpose.RETIREMENT in {request.purpose, drafted.frozen.purpose} and request.purpose != drafted.frozen.purpose:
        return False  # nobody's request to release becomes one to retire, nor the other way round
    if request.state is RequestState.CHANGES_REQUESTED or request.void_cause:
        return True
    return request.state is RequestState.OPEN and request.evidence_sha256 != parts.digest(drafted.frozen.parts)


def _rollback(terms: ReleaseTerms, base: str | None, manifest: str, purpose: Purpose) -> RollbackTerms | None:
    if purpose is not Purpose.PROMOTION or base is None or not manifest or not terms.rollback:
        return None
    return RollbackTerms(to=base, manifest_sha256=manifest, rules=terms.rollback)


def _untagged(policy: Policy | None, evidence: Evidence) -> tuple[str, ...]:
    gates = policy.document.gates if policy else ()
    words = sorted({word for gate in gates if isinstance(gate, SensitiveGate) for word in gate.words})
    return without_tag(evidence, words)


def _sentence_of(earlier: Frozen | None, key: str) -> str:
    if earlier is None:
        return ""
    return next((group.sentence for group in earlier.diff if group.key == key), "")


def _sensitive(evidence: Evidence) -> tuple[str, ...]:
    used = [fact for fact in evidence.sensitive if fact.is_personal and fact.name in evidence.inputs]
    if not used:
        return ("No sensitive input is used.",)
    words = ", ".join(f"{fact.name} ({fact.category})" for fact in used)
    return (f"{len(used)} sensitive inputs with a tag: {words}.",)
