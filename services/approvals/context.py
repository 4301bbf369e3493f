"""What all use cases of deciding share: collaborators, guards, and how a refused attempt is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.approvals import rules
from services.approvals.drafting import Drafting
from services.approvals.models import Purpose
from services.approvals.ports import ApprovalUnit, ApprovalUnits
from services.approvals.records import PromotionRequest
from services.approvals.rules import Capacity
from services.attestation.canonical import sha256_hex
from services.attestation.ports import SigningDesk
from services.inventory.models import DeploymentKind
from services.kernel.clock import Clock
from services.kernel.errors import DelegationError, RefusalError, UnknownRequestError
from services.kernel.identity import Actor
from services.ledger.service import LedgerService
from services.people.models import Delegation
from services.people.passkey_gate import PasskeyGate
from services.people.service import PeopleService
from services.rollout.models import Deployment
from services.rollout.ports import Attestations


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    units: ApprovalUnits
    people: PeopleService
    ledger: LedgerService
    desk: SigningDesk
    attestations: Attestations
    clock: Clock
    drafting: Drafting
    passkeys: PasskeyGate
    hindrance: Callable[[str, str], str]
    """(model, version) -> what keeps it from starting right now, in a sentence; empty when nothing does."""

    def not_yet(self, request: PromotionRequest) -> str:
        """Why an approved promotion is only planned for now. A supplier's model is never started by us."""
        supplied = request.frozen.kind == DeploymentKind.VENDOR
        return "" if supplied else self.hindrance(request.model, request.version)

    def undecided(self, unit: ApprovalUnit, model: str, version: str) -> PromotionRequest | None:
        """The request for this version that still waits, if there is one."""
        found = unit.requests.latest(model, version)
        waits = found is not None and rules.is_undecided(found) and not rules.is_expired(found, self.clock.now())
        return found if waits else None

    def delegations(self, actor: Actor) -> tuple[Delegation, ...]:
        """Roles of others this person may fill now."""
        return self.people.active_delegations(now=self.clock.now(), to=(actor.issuer, actor.subject))

    def capacity(self, actor: Actor, role: str, delegation: str) -> Capacity:
        """In which role the person wants to act. Raises DelegationError for a delegation that is not in force."""
        if not delegation:
            return Capacity(actor=actor, role=role or actor.role.value)
        given = next((item for item in self.delegations(actor) if item.id == delegation), None)
        if given is None:
            raise DelegationError(
                "The delegation is not in force (any more).", hint="Sign in your own role, or ask for a new one."
            )
        return Capacity(actor=actor, role=role or given.role, delegation=given)

    @contextmanager
    def recording(
        self, event: str, actor: Actor, model: str, what: str, *, decision: str = "", request_id: str = ""
    ) -> Iterator[None]:
        """A refused attempt becomes a ledger entry, and a line of the request's trail, before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            detail = {"target": what, "code": refused.code, "reason": refused.message}
            if decision:
                detail["decision"] = decision
            receipt = self.ledger.record_event(event=event, actor=actor, model=model, detail=detail)
            if request_id:
                words = f"Refused: {actor.name} tried to {decision.replace('-', ' ') or 'sign'}. {refused.message}"
                with self.units.write() as unit:
                    unit.requests.add_event(request_id, words, seq=receipt.seq, at=self.clock.now())
            raise


def known(unit: ApprovalUnit, request_id: str) -> PromotionRequest:
    found = unit.requests.get(request_id)
    if found is None:
        raise UnknownRequestError(f"There is no request {request_id}.", hint="Choose one from the queue.")
    return found


def unsigned_change(request: PromotionRequest, deployment: Deployment | None) -> str:
    """The change made outside that stands on the model, in words; empty for the request that would adopt it."""
    if deployment is None or request.purpose is Purpose.ADOPTION:
        return ""
    return deployment.barring


def short_digest(*parts: str) -> str:
    return sha256_hex("\x1f".join(parts).encode("utf-8", "surrogatepass"))[:32]
