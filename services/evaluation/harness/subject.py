"""What is known about a version before it is measured, gathered from inventory, policy, gates and past incidents."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from services.evaluation.harness.assembling import Subject
from services.evaluation.harness.models import HarnessRun, Incident
from services.evaluation.service import EvaluationService
from services.inventory.models import GovernedModel
from services.inventory.service import InventoryService
from services.kernel.errors import InvalidPolicyError
from services.policy.gates import HarnessGate
from services.policy.models import Verdict
from services.policy.service import PolicyService

_EARLIER_VERSIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    inventory: InventoryService
    evaluation: EvaluationService
    policy: PolicyService
    incidents: Callable[[str], tuple[Incident, ...]]

    def of(self, run: HarnessRun) -> Subject:
        governed = self.inventory.model(run.model)
        item = self.inventory.version(run.model, run.version)
        older = [other for other in self.inventory.versions(run.model) if int(other.version) < int(run.version)]
        others = tuple(other.version for other in older[:_EARLIER_VERSIONS])
        evidence = self.evaluation.collect(run.model, run.version)
        refused, kinds = self._refused_before(run.model, others)
        ref, limited, demanded = self._limits(governed)
        return Subject(
            model=run.model,
            version=run.version,
            run_id=item.run_id,
            task=governed.task.value,
            kind=governed.kind.value,
            tier=int(governed.tier),
            created_day=item.created_at.date().isoformat(),
            champion=evidence.base,
            others=others,
            logged=dict(item.metrics),
            tagged=tuple(sensitive.name for sensitive in evidence.sensitive if sensitive.is_personal),
            p95_ms=governed.service_level.p95_ms if governed.service_level else None,
            policy=ref,
            limited=limited,
            demanded=demanded,
            incidents=self.incidents(run.model),
            earlier_refused=refused,
            earlier_groups=kinds,
        )

    def _limits(self, governed: GovernedModel) -> tuple[dict[str, str], frozenset[str], frozenset[str]]:
        """The policy; every word its gates use, because a metric that is named has a limit; the checks it demands."""
        try:
            policy = self.policy.for_model(governed)
        except InvalidPolicyError:
            return {"name": "", "version": "", "sha256": ""}, frozenset(), frozenset()
        gates = policy.document.gates
        text = json.dumps([gate.model_dump(mode="json") for gate in gates])
        named = "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text)
        demanded = frozenset(check for gate in gates if isinstance(gate, HarnessGate) for check in gate.checks)
        ref = {"name": policy.ref.name, "version": policy.ref.version, "sha256": policy.ref.sha256}
        return ref, frozenset(named.split()), demanded

    def _refused_before(self, model: str, others: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]]:
        """What the gates refuse at the version before, with the groups and metrics of those gates."""
        for version in others[:1]:
            report = self.evaluation.gates(model, version)
            failed = [item for item in report.outcomes if item.verdict is Verdict.FAILED]
            names = list(dict.fromkeys(item.gate.partition(":")[0] for item in failed))
            if names:
                said = (f"version {version}: {', '.join(names[:4])}",)
                return said, frozenset(item.group for item in failed) | self._metrics_of(model, names)
        return (), frozenset()

    def _metrics_of(self, model: str, gates: list[str]) -> frozenset[str]:
        try:
            document = self.policy.for_model(self.inventory.model(model)).document
        except InvalidPolicyError:
            return frozenset()
        return frozenset(str(getattr(gate, "metric", "")) for gate in document.gates if gate.id in gates) - {""}
