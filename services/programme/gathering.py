"""What is known of one model, gathered from every slice; what cannot be read stays unknown with its reason.

Each field is asked by itself: a source that is away takes one answer with it, never the whole board.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from services.approvals.models import RequestState
from services.approvals.service import ApprovalService
from services.data_health.service import DataHealthService
from services.evaluation.harness.models import RunState
from services.evaluation.harness.service import HarnessService
from services.feedback.correction_service import CorrectionService
from services.feedback.retraining_service import RetrainingService
from services.incidents.service import IncidentService
from services.inventory.handling import DataHandling
from services.inventory.models import DeploymentKind, GovernedModel, ModelVersion
from services.inventory.names import suspicion
from services.inventory.service import InventoryService
from services.inventory.stewardship import StewardshipService
from services.kernel.errors import ControlRoomError, UnavailableError
from services.kernel.health import Health
from services.monitoring.monitor_service import MonitorService
from services.monitoring.service import MonitoringService
from services.policy.service import PolicyService
from services.programme.tasks import Facts
from services.rollout.service import RolloutService
from services.value.service import ValueService

T = TypeVar("T")
_THROUGH = frozenset({RequestState.APPROVED, RequestState.APPLIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    inventory: InventoryService
    stewardship: StewardshipService
    handling: DataHandling
    data_health: DataHealthService
    policy: PolicyService
    harness: HarnessService
    rollout: RolloutService
    approvals: ApprovalService
    monitors: MonitorService
    monitoring: MonitoringService
    corrections: CorrectionService
    retraining: RetrainingService
    value: ValueService
    incidents: IncidentService


class Gatherer:
    def __init__(self, sources: Sources) -> None:
        self._of = sources

    def __call__(self, model: GovernedModel) -> Facts:
        name, of, problems = model.name, self._of, dict[str, str]()

        def ask(field: str, call: Callable[[], T]) -> T | None:
            try:
                return call()
            except UnavailableError as away:
                problems[field] = str(away)
            except ControlRoomError as refused:
                problems[field] = refused.message
            return None

        versions = ask("versions", lambda: of.inventory.versions(name))
        newest = versions[0] if versions else None
        tables = ask("tables", lambda: [item for item in of.data_health.tables() if name in item.models])
        policy = ask("policy", lambda: of.policy.for_model(model))
        monitor = ask("monitor", lambda: of.monitors.in_force(name))
        worth = ask("value", lambda: of.value.model(name))
        found = Facts(
            model=name,
            supplied=model.kind is DeploymentKind.VENDOR,
            tier=int(model.tier),
            batch=model.kind is DeploymentKind.BATCH,
            missing_metadata=ask(
                "metadata", lambda: tuple(item.title for item in of.stewardship.completeness(name).missing)
            ),
            orphans=ask("owners", lambda: len(of.stewardship.orphans(name))),
            duties=len(model.owners),
            versions=None if versions is None else len(versions),
            with_run=None if versions is None else sum(bool(item.run_id) for item in versions),
            newest=newest.version if newest else "",
            measured=None if versions is None else bool(versions) and _is_measured(_first(versions)),
            naming=suspicion(name),
            tables=None if tables is None else len(tables),
            broken_rules=None if tables is None else sum(_is_broken(item) for item in tables),
            policy=None if policy is None else f"{policy.ref.name} version {policy.ref.version}",
            lineage=ask("policy", lambda: newest is not None and of.handling.graph(name, newest.version) is not None),
            evaluated=ask("evaluated", lambda: newest is not None and self._evaluated(name, newest.version)),
            live=ask("live", lambda: of.rollout.deployment(name).champion or ""),
            promise=model.service_level is not None,
            falls_back=None if policy is None else bool(policy.terms.rollback or model.fallback.strip()),
            monitor=None if monitor is None else monitor.version or 0,
            drift_n=ask("monitor", lambda: of.monitoring.drift(name).signal.n or 0),
            reviewed=ask("reviewed", lambda: of.corrections.rework(name).override.n),
            drafts=ask(
                "drafts", lambda: sum(item.draft_at is not None for item in of.retraining.calendar(name).rounds)
            ),
            approved=ask("drafts", lambda: sum(row.state in _THROUGH for row in of.approvals.requests_of(name))),
            benefit=None if worth is None else worth.benefit is not None,
            cost_days=None if worth is None else len(worth.days),
            on_call=ask("on_call", lambda: of.incidents.on_call(name).name or ""),
        )
        return replace(found, problems=tuple(sorted(problems.items())))

    def _evaluated(self, model: str, version: str) -> bool:
        run = self._of.harness.latest(model, version)
        return run is not None and run.state is RunState.DONE


def _first(versions: tuple[ModelVersion, ...]) -> ModelVersion:
    return min(versions, key=lambda item: item.created_at)


def _is_measured(version: ModelVersion) -> bool:
    return bool(version.metrics) and bool(version.datasets)


def _is_broken(table: Any) -> bool:
    """A table without rules, or with one that is broken; what is not settled yet is no breach."""
    return not table.standings or any(item.result.state is Health.BREACH for item in table.standings)
