"""Evidence about one version, collected from what the worker read, and its gate report.

Collecting never calls the registry: the same facts give the same digest, and a screen answers at once.
`refresh` is the worker's part: it reads files of versions that are new, live or under decision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from services.evaluation import detail, document, supplied
from services.evaluation.ports import DataFacts, FactStore, FileRegistry, VersionFacts
from services.inventory import metadata, tiering, vendors
from services.inventory.access import ColumnHandling
from services.inventory.handling import DataEvidence
from services.inventory.models import GovernedModel, ModelVersion
from services.inventory.service import InventoryService
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import (
    ArtifactMissingError,
    InvalidPolicyError,
    SwappedArtifactError,
    UnknownVersionError,
)
from services.policy import evaluation as policy_evaluation
from services.policy.evidence import DatasetFact, Evidence, OwnerFact, RiskFact, SensitiveFact
from services.policy.gates import SensitiveGate
from services.policy.models import GateReport
from services.policy.service import PolicyService

READ_AGAIN = timedelta(seconds=60)
OWN_REPORT = "evaluation.json"
"""What the training run logged about itself."""
HARNESS_REPORT = "countersign/evaluation.json"
"""What the harness measured; read in its place when there is one."""


class EvaluationService:
    def __init__(
        self,
        *,
        inventory: InventoryService,
        policy: PolicyService,
        facts: FactStore,
        registry: FileRegistry,
        clock: Clock,
        handling: DataFacts | None = None,
        vouches: Callable[[str, str, str], bool],
        active_people: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        """`vouches(model, version, sha256)`: this deployment's own harness wrote that report.

        `active_people()`: subjects of the people who are active and hold a role; any other owner counts as gone.
        """
        self._active_people = active_people
        self._vouches = vouches
        self._inventory = inventory
        self._policy = policy
        self._facts = facts
        self._registry = registry
        self._clock = clock
        self._handling = handling

    def collect(self, model: str, version: str, *, policy_sha256: str = "") -> Evidence:
        """`policy_sha256` pins a policy other than the newest. Raises UnknownModelError, UnknownVersionError."""
        return self._collect(model, version, self._facts.facts(model, version), policy_sha256=policy_sha256)

    def foresee(self, model: str, version: str, *, report: str, manifest_sha256: str) -> GateReport:
        """What the gates would say if this were the report of the version. Raises as `collect` does."""
        known = self._facts.facts(model, version)
        facts = VersionFacts(
            model=model,
            version=version,
            manifest=known.manifest if known else "",
            manifest_sha256=manifest_sha256 or (known.manifest_sha256 if known else ""),
            evaluation=report,
            evaluation_sha256=hashlib.sha256(report.encode()).hexdigest(),
            read_at=self._clock.now(),
        )
        return self.judge(self._collect(model, version, facts))

    def _collect(self, model: str, version: str, facts: VersionFacts | None, *, policy_sha256: str = "") -> Evidence:
        governed = self._inventory.model(model)
        candidate = self._inventory.version(model, version)
        base = self._base(model, version)
        report = document.parse(facts.evaluation if facts else "")
        problems = [
            candidate.missing,
            facts.problem if facts else "Its files were not read yet.",
            # A run without a report is known to have none; the gates that need one say so. A broken one is a problem.
            report.problem if facts and facts.evaluation else "",
        ]
        required = metadata.lint(governed)
        active = self._active_people()
        handled = self._handling.evidence(governed, candidate) if self._handling else DataEvidence()
        return Evidence(
            model=model,
            version=version,
            task=governed.task.value,
            base=base.version if base else None,
            run_id=candidate.run_id,
            created_at=utc_text(candidate.created_at),
            source=candidate.source,
            metrics=_overlaid(_metrics(candidate), report.metrics),
            base_metrics=_base_metrics(base, report) if base else (),
            base_on_same_rows=base is not None and report.champion == base.version,
            datasets=tuple(
                DatasetFact(name=data.name, digest=data.digest, context=data.context) for data in candidate.datasets
            ),
            inputs=tuple(name for name, _ in candidate.inputs),
            outputs=tuple(name for name, _ in candidate.outputs),
            has_input_example=candidate.has_input_example,
            documentation=_documentation(governed),
            sensitive=tuple(SensitiveFact(name=item.name, category=item.category) for item in governed.sensitive),
            manifest_sha256=facts.manifest_sha256 if facts else "",
            evaluation_sha256=facts.evaluation_sha256 if facts else "",
            policy_sha256=self._policy_sha256(governed, pinned=policy_sha256),
            slices=report.slices,
            suspects=report.suspects,
            availability=report.availability,
            latency_limit_ms=_limit_ms(governed),
            measured=report.measured,
            measured_manifest=report.manifest_sha256,
            intervals=report.intervals,
            paired=report.paired,
            fairness=report.fairness,
            checks=report.checks,
            metadata_percent=str(required.percent),
            metadata_missing=tuple(item.title for item in required.missing),
            owners=tuple(
                OwnerFact(role=owner.role, name=owner.name, active=owner.subject in active) for owner in governed.owners
            ),
            risk=_risk(governed, self._clock.now()),
            masked=handled.masked,
            readable=handled.readable,
            small_cells=handled.small_cells,
            tables=handled.tables,
            lineage_sha256=handled.lineage_sha256,
            missing=" ".join(dict.fromkeys(problem for problem in (*problems, handled.problem) if problem)),
        )

    def handling(self, evidence: Evidence) -> tuple[ColumnHandling, ...]:
        """Every input of the version as people and the serving identity read it; empty where no rules are kept."""
        if self._handling is None:
            return ()
        return self._handling.columns(self._inventory.model(evidence.model), evidence.inputs)

    def gates(self, model: str, version: str) -> GateReport:
        """The report under the policy of the model's tier. A broken policy gives one outcome: error."""
        return self.judge(self.collect(model, version))

    def judge(self, evidence: Evidence) -> GateReport:
        """The report for evidence already in hand, so that what is shown and what is digested are the same."""
        try:
            policy = self._policy.for_model(self._inventory.model(evidence.model), pinned=evidence.policy_sha256)
        except InvalidPolicyError as broken:
            return policy_evaluation.unreadable(evidence.sha256, problem=broken.message)
        report = policy_evaluation.evaluate(evidence, policy.document, ref=policy.ref)
        if vendors.is_supplied(self._inventory.model(evidence.model)):
            return supplied.of_supplier(report, policy.document)
        return report

    def without_tag(self, evidence: Evidence) -> tuple[str, ...]:
        """Inputs that look sensitive in the words of the policy and have no tag; a policy in error has no words."""
        try:
            document = self._policy.for_model(self._inventory.model(evidence.model)).document
        except InvalidPolicyError:
            return ()
        words = [word for gate in document.gates if isinstance(gate, SensitiveGate) for word in gate.words]
        return policy_evaluation.without_tag(evidence, words)

    def facts(self, model: str, version: str) -> VersionFacts | None:
        """What was last read of the version's files, for the screens that show groups and bins."""
        return self._facts.facts(model, version)

    def detail(self, model: str, version: str) -> detail.EvaluationDetail:
        """Calibration bins and groups as last read from the run's evaluation report; never raises for a bad report."""
        facts = self._facts.facts(model, version)
        if facts is None:
            return detail.EvaluationDetail(problem="Its evaluation report was not read yet.")
        return detail.parse(facts.evaluation, sha256=facts.evaluation_sha256, read_at=facts.read_at)

    def refresh(self, *, limit: int = 50) -> int:
        """Reads files of versions not read yet and again of those that matter now; the number read.

        Raises RegistryUnavailableError when the registry is away: known facts stay as they are.
        """
        now, read = self._clock.now(), 0
        for governed in self._inventory.models():
            known = self._facts.known(governed.name)
            watched = set(self._facts.watched(governed.name))
            for item in self._inventory.versions(governed.name):
                at = known.get(item.version)
                # The terms of a supplier are read again for ever: an approval rests on them as they are.
                again = item.version in watched or vendors.is_supplied(governed)
                due = at is None or (again and now - at >= READ_AGAIN)
                if due and read < limit:
                    self._facts.save(self._read(item))
                    read += 1
        return read

    def _read(self, item: ModelVersion) -> VersionFacts:
        manifest, problem, evaluation = "", "", ""
        governed = self._inventory.model(item.model)
        if vendors.is_supplied(governed):
            return self._terms(governed, item)
        try:
            manifest = self._registry.manifest(item.model, item.version).decode("utf-8")
        except (ArtifactMissingError, SwappedArtifactError) as gone:
            problem = gone.message
        try:
            evaluation, foreign = self._report_of(item)
            problem = f"{problem} {foreign}".strip()
        except ArtifactMissingError as gone:
            problem = f"{problem} {gone.message}".strip()
        return VersionFacts(
            model=item.model,
            version=item.version,
            manifest=manifest,
            manifest_sha256=hashlib.sha256(manifest.encode()).hexdigest() if manifest else "",
            evaluation=evaluation,
            evaluation_sha256=hashlib.sha256(evaluation.encode()).hexdigest() if evaluation else "",
            read_at=self._clock.now(),
            problem=problem,
        )

    def _terms(self, governed: GovernedModel, item: ModelVersion) -> VersionFacts:
        """A supplier's release has no files here: terms and documents stand in for them."""
        manifest = vendors.manifest(governed, item)
        return VersionFacts(
            model=item.model,
            version=item.version,
            manifest=manifest,
            manifest_sha256=hashlib.sha256(manifest.encode()).hexdigest(),
            evaluation="",
            evaluation_sha256="",
            read_at=self._clock.now(),
        )

    def read_again(self, model: str, version: str) -> None:
        """Reads the files of one version now. Raises UnknownVersionError, RegistryUnavailableError."""
        self._facts.save(self._read(self._inventory.version(model, version)))

    def _report_of(self, item: ModelVersion) -> tuple[str, str]:
        """The report that counts, and a sentence when another one was set aside.

        Whoever may write to the run may put a file there, so a harness report counts only when ours wrote it.
        """
        foreign = ""
        for path in (HARNESS_REPORT, OWN_REPORT):
            text = self._registry.artifact_text(item.model, item.version, path) or ""
            claims = path == HARNESS_REPORT or document.claims_harness(text)
            if text and (not claims or self._ours(item, text)):
                return text, foreign
            if text:
                foreign = "Its run carries an evaluation report that this deployment did not write; it does not count."
        return "", foreign

    def _ours(self, item: ModelVersion, text: str) -> bool:
        return self._vouches(item.model, item.version, hashlib.sha256(text.encode()).hexdigest())

    def _base(self, model: str, version: str) -> ModelVersion | None:
        champion = self._facts.champion(model)
        if champion is None or champion == version:
            return None
        try:
            return self._inventory.version(model, champion)
        except UnknownVersionError:
            return None

    def _policy_sha256(self, governed: GovernedModel, *, pinned: str) -> str:
        try:
            return self._policy.for_model(governed, pinned=pinned).ref.sha256
        except InvalidPolicyError:
            return ""


def _metrics(version: ModelVersion) -> tuple[tuple[str, str], ...]:
    pairs = ((name, document.decimal_text(value)) for name, value in version.metrics)
    return tuple(sorted((name, text) for name, text in pairs if text))


def _overlaid(
    logged: tuple[tuple[str, str], ...], measured: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """The run's own metrics with what the harness measured in their place: a run that flatters itself is not heard."""
    return tuple(sorted((dict(logged) | {name: text for name, text in measured if text}).items()))


def _base_metrics(base: ModelVersion, report: document.EvaluationDocument) -> tuple[tuple[str, str], ...]:
    """On the candidate's own rows where they were measured; otherwise as the live version's run logged them."""
    known = dict(_metrics(base))
    if report.champion == base.version:
        known |= {name: text for name, text in report.champion_metrics if text}
    return tuple(sorted(known.items()))


def _documentation(governed: GovernedModel) -> tuple[tuple[str, str], ...]:
    def owner(role: str) -> str:
        found = governed.owner_of(role)
        return found.name if found else ""

    return (
        ("purpose", governed.purpose),
        ("use_case", governed.use_case),
        ("label", governed.label),
        ("limits_of_use", governed.limits_of_use),
        ("fallback", governed.fallback),
        ("owner_business", owner("business_owner")),
        ("owner_sre", owner("sre")),
        ("service_level", "stated" if governed.service_level else ""),
        ("lineage", "stated" if governed.lineage or governed.traced else ""),
    )


def _risk(governed: GovernedModel, now: datetime) -> RiskFact | None:
    standing = governed.risk
    if standing is None:
        return None
    found, override = tiering.assess(standing.levels), standing.override
    stands = override is not None and now < override.until
    return RiskFact(
        sheet=standing.sheet,
        score=tiering.tenths(found.score),
        exposure=tiering.tenths(found.exposure),
        purpose=tiering.tenths(found.purpose),
        computed=standing.computed,
        tier=standing.tier_at(now),
        until=utc_text(override.until) if override is not None and stands else "",
    )


def _limit_ms(governed: GovernedModel) -> str:
    level = governed.service_level
    return document.decimal_text(level.p95_ms) if level and level.p95_ms is not None else ""
