"""Break-glass, loud and bounded: release now on one signature, explain it, and have two others review it in time.

While a review is overdue nothing new of that model goes live; a rollback always stays possible.
"""

from __future__ import annotations

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.identity import Actor, Permission
from services.ledger.service import LedgerService
from services.people.service import PeopleService
from services.rollout.emergency_models import (
    BreakGlass,
    EmergencyPlan,
    EmergencyReview,
    EmergencyTarget,
    Reviewing,
    SignReview,
)
from services.rollout.emergency_ports import EmergencyUnits, ReviewTerms
from services.rollout.emergency_release import EmergencyReleases
from services.rollout.emergency_review import Delegates, EmergencyReviews
from services.rollout.guards import Guards
from services.rollout.outbox import OutboxRunner
from services.rollout.ports import ServingPlatform

_INLINE_SECONDS = 5.0


class EmergencyService:
    def __init__(
        self,
        *,
        units: EmergencyUnits,
        people: PeopleService,
        ledger: LedgerService,
        inventory: InventoryService,
        desk: SigningDesk,
        serving: ServingPlatform,
        runner: OutboxRunner,
        delegates: Delegates,
        review_days: ReviewTerms,
        clock: Clock,
        inline_seconds: float = _INLINE_SECONDS,
    ) -> None:
        self._people = people
        self._ledger = ledger
        self._runner = runner
        self._inline_seconds = inline_seconds
        self._guards = Guards(units=units, ledger=ledger, clock=clock)
        self._releases = EmergencyReleases(
            units=units,
            inventory=inventory,
            desk=desk,
            serving=serving,
            guards=self._guards,
            review_days=review_days,
            clock=clock,
        )
        self._reviews = EmergencyReviews(units=units, desk=desk, delegates=delegates, clock=clock)

    # breaking the glass

    def targets(self, model: str, *, actor: Actor) -> tuple[EmergencyTarget, ...]:
        """Every version with the reason why break-glass may not take it. Raises UnknownModelError."""
        self._people.require(actor, Permission.BREAK_GLASS)
        return self._releases.targets(model)

    def plan(self, model: str, version: str, *, actor: Actor) -> EmergencyPlan:
        """What will happen, with a single-use challenge for this person and this state. Nothing moves by looking.

        Raises UnknownVersionError, IllegalTransitionError (never by break-glass, and why), ReviewOverdueError,
        ConflictError while a rollback runs, InvalidPolicyError.
        """
        self._people.require(actor, Permission.BREAK_GLASS)
        with self._guards.recording("break-glass-refused", actor, model, f"version {version}"):
            return self._releases.plan(model, version, actor=actor)

    def release(self, command: BreakGlass, *, actor: Actor) -> Receipt:
        """Signs and records the order, opens its review, and switches within seconds if the platform answers.

        Raises what `plan` raises, MissingReasonError, InputError (name not repeated), StaleRequestError,
        PassphraseError, KeyLockedError.
        """
        self._people.require(actor, Permission.BREAK_GLASS)
        self._ledger.require_trustworthy()
        with self._guards.recording("break-glass-refused", actor, command.model, f"version {command.version}"):
            receipt, action_id = self._releases.record(command, actor)
        self._runner.drive(action_id, timeout_seconds=self._inline_seconds)
        return receipt

    # reviewing

    def reviews(self, model: str = "", *, open_only: bool = False) -> tuple[EmergencyReview, ...]:
        """Newest first; of every model when `model` is empty."""
        return self._reviews.all(model, open_only=open_only)

    def get(self, review_id: str) -> EmergencyReview:
        """Raises InputError for an unknown one."""
        return self._reviews.get(review_id)

    def refusal_to_review(self, review_id: str, *, actor: Actor) -> str:
        """Why this person may not review it, in words; empty when they may."""
        if not self._people.may(actor, Permission.REVIEW_EMERGENCY):
            return "A compliance officer, an independent validator or a business owner reviews it."
        return self._reviews.refusal(review_id, actor=actor)

    def open_review(self, review_id: str, *, actor: Actor) -> Reviewing:
        """The challenge of the form. Raises SelfApprovalError, AlreadyDecidedError, DelegationError."""
        self._people.require(actor, Permission.REVIEW_EMERGENCY)
        with self._guards.recording("review-refused", actor, self.get(review_id).model, review_id):
            return self._reviews.open(review_id, actor=actor)

    def review(self, command: SignReview, *, actor: Actor) -> Receipt:
        """One reviewer's signed conclusion; the second one closes the review, the stricter of the two stands.

        Raises SelfApprovalError, AlreadyDecidedError, DelegationError, IllegalTransitionError, MissingReasonError,
        StaleRequestError, PassphraseError, KeyLockedError.
        """
        self._people.require(actor, Permission.REVIEW_EMERGENCY)
        self._ledger.require_trustworthy()
        with self._guards.recording("review-refused", actor, self.get(command.review_id).model, command.review_id):
            return self._reviews.sign(command, actor)
