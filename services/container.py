"""The only wiring: which adapter fills which port. Eager, frozen, shared by all sessions and threads.

Production choices by default; any outside port may be given by name, so a test replaces a part, not a patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.kernel.clock import Clock, SystemClock
from services.settings import Settings

if TYPE_CHECKING:
    from services.adapters.sql.database import Database
    from services.approvals.service import ApprovalService
    from services.audit.service import AuditService
    from services.evaluation.service import EvaluationService
    from services.feedback.service import FeedbackService
    from services.inventory.ports import ModelRegistry
    from services.inventory.service import InventoryService
    from services.ledger.service import LedgerService
    from services.monitoring.service import MonitoringService
    from services.oversight.service import OversightService
    from services.people.service import PeopleService
    from services.policy.service import PolicyService
    from services.reliability.service import ReliabilityService
    from services.rollout.outbox import OutboxRunner
    from services.rollout.ports import ServingPlatform
    from services.rollout.service import RolloutService
    from services.value.service import ValueService


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRoom:
    """One field per service; keeps ports and factories only, never a session, a person or a cursor."""

    people: PeopleService
    ledger: LedgerService
    policy: PolicyService
    inventory: InventoryService
    evaluation: EvaluationService
    monitoring: MonitoringService
    reliability: ReliabilityService
    value: ValueService
    feedback: FeedbackService
    approvals: ApprovalService
    rollout: RolloutService
    oversight: OversightService
    audit: AuditService
    runner: OutboxRunner
    """Drives queued registry and traffic actions; the worker and one inline call use it."""
    clock: Clock
    settings: Settings
    database: Database


def open_control_room(
    settings: Settings,
    *,
    clock: Clock | None = None,
    registry: ModelRegistry | None = None,
    serving: ServingPlatform | None = None,
) -> ControlRoom:
    """Everything plugged together. Raises UnavailableError or TrustError when the workspace cannot be trusted."""
    clock = clock or SystemClock()
    raise NotImplementedError
