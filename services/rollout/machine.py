"""The machine rolls back by itself, only ever back, and only as people signed beforehand.

Everything is asked of the signed request: the rule, its limit, its window, its target and the key of the machine.
Whatever does not match is refused and recorded; a number alone moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.service import InventoryService
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import ControlRoomError, InputError, RefusalError
from services.kernel.identity import MACHINE_ISSUER, MACHINE_NAME, MACHINE_ROLE, MACHINE_SUBJECT
from services.ledger.service import LedgerService
from services.policy.models import RollbackRule
from services.rollout import intents
from services.rollout.guards import basis, released
from services.rollout.models import Action, ActionKind, ActionState, Deployment, ServedVersion
from services.rollout.outbox import OutboxRunner
from services.rollout.ports import RolloutUnits
from services.rollout.rollback import Rollbacks, join, queue, running_rollback
from services.rollout.signed_plan import SignedPlan, SignedPlans

FRESH = timedelta(minutes=5)
"""A measurement older than this says nothing about what serves now."""
_A_THOUSAND, _A_MILLION = Decimal(1_000), Decimal(1_000_000)
_SIGNER = {"issuer": MACHINE_ISSUER, "sub": MACHINE_SUBJECT, "name": MACHINE_NAME, "role": MACHINE_ROLE}


class OutsidePlanError(RefusalError):
    """The machine was asked for something its signed plan does not say."""

    code = "outside-plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured about one version over a window that ended at a time."""

    version: str
    value: str
    """Decimal text, in the unit of the rule's measure."""
    window_minutes: int
    requests: int


class MachineRollbacks:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        ledger: LedgerService,
        inventory: InventoryService,
        desk: SigningDesk,
        rollbacks: Rollbacks,
        plans: SignedPlans,
        runner: OutboxRunner,
        clock: Clock,
    ) -> None:
        self._units = units
        self._ledger = ledger
        self._inventory = inventory
        self._desk = desk
        self._rollbacks = rollbacks
        self._plans = plans
        self._runner = runner
        self._clock = clock

    def roll_back_under_plan(self, model: str, rule: str, measured: Measured, at: datetime) -> Receipt:
        """Rolls the running release back to the target of its plan. `at` is the end of the measured window.

        Raises OutsidePlanError (recorded) when the plan does not say exactly this, RollbackTargetError when its target
        cannot serve any more, InputError for a model never released.
        """
        try:
            receipt, action_id = self._record(model, rule, measured, at)
        except RefusalError as refused:
            self._record_refusal(model, rule, measured, refused)
            raise
        self._runner.drive(action_id, timeout_seconds=0)
        return receipt

    def _record(self, model: str, rule_id: str, measured: Measured, at: datetime) -> tuple[Receipt, str]:
        governed = self._inventory.model(model)
        now = self._clock.now()
        with self._units.read() as unit:
            row = released(unit.rollouts, governed)
            joined = running_rollback(unit, model)
            if joined is not None:
                return join(unit, joined)
            plan = self._require_plan(self._plans.of(unit.rollouts, row))
            rule = _require_exceeded(plan, rule_id, measured)
            _require_fresh(at, now)
            target = self._rollbacks.eligible(unit.rollouts, row, plan.to)
            if target.manifest_sha256 != plan.sha256:
                raise OutsidePlanError(f"Version {plan.to} is not the one the plan was signed for.")
            allowed_by = basis(unit.rollouts, target.request_id)
            head = unit.ledger.head()
        action = _action(row, plan, rule, target, measured, at=now)
        payload = intents.action_statement(
            action, basis=allowed_by, at=now, head=head, cites=_cites(plan, rule, measured)
        )
        envelope = self._desk.sign_as_machine(payload)
        with self._units.write() as unit:
            current = unit.rollouts.deployment(model)
            joined = running_rollback(unit, model)
            if joined is not None:
                return join(unit, joined)
            if current is None or current.epoch != row.epoch:
                raise OutsidePlanError("Somebody acted on this model at the same moment; the plan is looked at again.")
            receipt = queue(unit, self._desk, action, envelope, at=now)
        return receipt, action.action_id

    def _require_plan(self, plan: SignedPlan | None) -> SignedPlan:
        if plan is None:
            raise OutsidePlanError("The running release carries no signed rollback plan.", hint="Roll back by hand.")
        machine = self._desk.machine_key
        if machine is None or machine.key_id != plan.machine:
            raise OutsidePlanError(
                "The plan was signed for another key of the machine than the one in use.", hint="Roll back by hand."
            )
        return plan

    def _record_refusal(self, model: str, rule: str, measured: Measured, refused: ControlRoomError) -> None:
        """Once per state of the model, rule and reason: a watcher that asks every few seconds is not a new fact."""
        with self._units.read() as unit:
            row = unit.rollouts.deployment(model)
        epoch = row.epoch if row else 0
        self._ledger.record_event(
            event="automatic-rollback-refused",
            actor=None,
            model=model,
            detail={
                "rule": rule,
                "measured": measured.value,
                "requests": str(measured.requests),
                "code": refused.code,
                "reason": refused.message,
            },
            idem=f"automatic-refused:{intents.action_id(model, rule, str(epoch), refused.message)}",
        )


def _require_exceeded(plan: SignedPlan, rule_id: str, measured: Measured) -> RollbackRule:
    rule = plan.rule(rule_id)
    if rule is None:
        raise OutsidePlanError(f"The signed plan has no rule {rule_id}.")
    if measured.version != plan.version:
        raise OutsidePlanError(
            f"Version {measured.version} was measured; the plan is about version {plan.version}.",
        )
    if measured.window_minutes != rule.window_minutes:
        raise OutsidePlanError(
            f"It was measured over {measured.window_minutes} minutes; the rule says {rule.window_minutes}."
        )
    if measured.requests < rule.min_requests:
        raise OutsidePlanError(
            f"Only {measured.requests} requests were measured; the rule asks for at least {rule.min_requests}."
        )
    if not _number(measured.value) > _number(rule.above):
        raise OutsidePlanError(f"{measured.value} is not above the signed limit of {rule.above}.")
    return rule


def _require_fresh(at: datetime, now: datetime) -> None:
    if not timedelta(0) <= now - at <= FRESH:
        raise OutsidePlanError(f"The measurement ends at {utc_text(at)}, which is not now.")


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as broken:
        raise InputError(f"{text!r} is not a number.") from broken
    if not number.is_finite():
        raise OutsidePlanError(f"{text} is not a measurement.")
    return number


def shown(value: str) -> str:
    """A measurement for people. Evidence grows without end; beyond a million its size says nothing more."""
    number = _number(value)
    if number > _A_MILLION:
        return "over a million"
    return f"{number:,.0f}" if number >= _A_THOUSAND else value


def _action(
    row: Deployment, plan: SignedPlan, rule: RollbackRule, target: ServedVersion, measured: Measured, *, at: datetime
) -> Action:
    return Action(
        action_id=intents.action_id("automatic", plan.request.request_id, rule.id, row.model, str(row.epoch)),
        model=row.model,
        deployment=row.deployment,
        kind=ActionKind.ROLLBACK,
        state=ActionState.PENDING,
        from_version=row.champion,
        to_version=target.version,
        routes=((target.version, 100),),
        champion=target.version,
        plan=(),
        request_id=None,
        requested_by=MACHINE_NAME,
        subject=MACHINE_SUBJECT,
        reason_code="PLAN",
        reason=f"{rule.sentence}; measured {shown(measured.value)} over {measured.requests} requests",
        manifest_sha256=target.manifest_sha256,
        decisions=target.decisions,
        created_at=at,
        seq_intent=0,
        leaf_intent="",
        next_try_at=at,
    )


def _cites(plan: SignedPlan, rule: RollbackRule, measured: Measured) -> dict[str, Any]:
    _, reason = salted(rule.sentence)
    return {
        "rollback": {"mode": "automatic", "reasonCode": "PLAN", "reason": {"sha256": reason}},
        "obeys": {
            "request": intents.cited_request(plan.request),
            "rule": rule.id,
            "above": rule.above,
            "measured": measured.value,
            "windowMinutes": rule.window_minutes,
            "requests": measured.requests,
        },
        "signer": _SIGNER,
        "authentication": {"component1": {"kind": "machine-key"}, "level": "L1"},
    }
