"""Use cases of deciding: draft, submit, look, sign. Every decision is a person's signature in the ledger.

What is shown is what is signed: evidence is collected again at the moment of signing. The transaction that
completes a quorum also records the intended action and queues it. Refused attempts are recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from services.approvals.asking import Asking
from services.approvals.context import Context
from services.approvals.deciding import CHALLENGE_LIFETIME as CHALLENGE_LIFETIME  # noqa: PLC0414 - part of the service
from services.approvals.deciding import Deciding
from services.approvals.drafting import Drafting
from services.approvals.excepted import Exceptions
from services.approvals.looking import Looking
from services.approvals.models import (
    ApprovalStatus,
    EndingApproval,
    Purpose,
    QueueCounts,
    QueueQuery,
    QueueRow,
    RequestDraft,
    RequestView,
    Review,
    SignOff,
    SubmitRequest,
)
from services.approvals.ports import ApprovalUnits
from services.approvals.records import DecisionRecord
from services.approvals.retiring import QUIET_DAYS, Quiet
from services.approvals.upkeep import Upkeep
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.evaluation.service import EvaluationService
from services.inventory.models import GovernedModel
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.identity import Actor, Permission
from services.kernel.page import Page
from services.ledger.service import LedgerService
from services.people.passkey_gate import PasskeyGate
from services.people.passkeys import Demand
from services.people.service import PeopleService
from services.policy.service import PolicyService
from services.rollout.job_evidence import JobPart
from services.rollout.ports import Attestations


class ApprovalService:
    def __init__(
        self,
        *,
        units: ApprovalUnits,
        people: PeopleService,
        ledger: LedgerService,
        inventory: InventoryService,
        evaluation: EvaluationService,
        policy: PolicyService,
        desk: SigningDesk,
        attestations: Attestations,
        passkeys: PasskeyGate,
        clock: Clock,
        exceptions: Exceptions,
        benefit: Callable[[str], str] = lambda _model: "",
        cost: Callable[[str], str] = lambda _model: "",
        is_suspect: Callable[[DecisionRecord], bool] = lambda _decision: False,
        hindrance: Callable[[str, str], str] = lambda _model, _version: "",
        quiet: Quiet = lambda _model: QUIET_DAYS,
        job: Callable[[GovernedModel], JobPart | None] = lambda _model: None,
    ) -> None:
        """`cost` states agreed figures only. `hindrance` says what keeps a version from starting right now.

        `job` gives the settings of the deployment job that an approval lets go on, None where it lets none go on.
        """
        context = Context(
            units=units,
            people=people,
            ledger=ledger,
            desk=desk,
            attestations=attestations,
            passkeys=passkeys,
            clock=clock,
            hindrance=hindrance,
            drafting=Drafting(
                inventory=inventory,
                evaluation=evaluation,
                policy=policy,
                benefit=benefit,
                cost=cost,
                exceptions=exceptions,
                clock=clock,
                quiet=quiet,
                job=job,
            ),
        )
        self._with = context
        self._asking = Asking(context)
        self._deciding = Deciding(context)
        self._looking = Looking(context, exceptions)
        self._upkeep = Upkeep(context, is_suspect=is_suspect)

    # asking

    def draft(self, model: str, version: str, *, actor: Actor, purpose: Purpose = Purpose.PROMOTION) -> RequestDraft:
        """What would be submitted. Writes nothing. Raises UnknownModelError, UnknownVersionError."""
        return self._asking.draft(model, version, actor=actor, purpose=purpose)

    def prepared(self, model: str, version: str) -> RequestDraft:
        """The worker's: what a promotion request for this version would rest on now; nothing is asked for yet."""
        return self._asking.prepared(model, version, purpose=Purpose.PROMOTION)

    def submit(self, command: SubmitRequest, *, actor: Actor) -> Receipt:
        """Signs the request; submitting again after changes voids the signatures given before.

        Raises StaleEvidenceError when the draft that was looked at is no longer true, GateNotPassedError,
        ReviewOverdueError.
        """
        retires = command.purpose is Purpose.RETIREMENT
        self._with.people.require(actor, Permission.REQUEST_RETIREMENT if retires else Permission.REQUEST_PROMOTION)
        self._with.ledger.require_trustworthy()
        with self._with.recording("request-refused", actor, command.model, f"version {command.version}"):
            return self._asking.submit(command, actor)

    # looking

    def queue(self, query: QueueQuery, *, actor: Actor) -> Page[QueueRow]:
        """What waits for this person first, then by due date, tier and age."""
        return self._looking.queue(query, actor=actor)

    def counts(self, actor: Actor) -> QueueCounts:
        """The headline: what waits for this person, how much of it is late, and what waits for each role."""
        return self._looking.counts(actor)

    def requests_of(self, model: str) -> tuple[QueueRow, ...]:
        """All requests of a model, newest first."""
        return self._looking.requests_of(model)

    def get(self, request_id: str, *, actor: Actor) -> RequestView:
        """Raises UnknownRequestError."""
        return self._looking.get(request_id, actor=actor)

    def mark_seen(self, request_id: str, part: str, *, actor: Actor) -> None:
        """Remembers that this person looked at a part of the evidence as it is now."""
        self._looking.mark_seen(request_id, part, actor=actor)

    def ending(self, now: datetime, within: timedelta) -> tuple[EndingApproval, ...]:
        """Approvals that end within this time or have ended, earliest first; `serving` says whether it matters."""
        return self._looking.ending(now, within)

    def approved(self, model: str, version: str) -> ApprovalStatus:
        """Whether a complete, unexpired, unvoided approval stands for exactly these files, checked entry by entry."""
        return self._looking.approved(model, version)

    def signed_parts(self, model: str, version: str) -> Mapping[str, str]:
        """Worker: the parts of the evidence, each with its digest, as signed with the approval that stands.

        A request of an earlier release has fewer. Raises StaleRequestError when none stands, TrustError.
        """
        return self._looking.signed_parts(model, version)

    # deciding

    def open_review(self, request_id: str, *, actor: Actor, role: str = "", delegation: str = "") -> Review:
        """A single-use challenge, bound to this person, this revision and what is shown now; 15 minutes.

        `role` is the step that would be filled. Raises DuplicateSignerError for a step of somebody else, recorded.
        """
        return self._deciding.open_review(request_id, actor=actor, role=role, delegation=delegation)

    def sign_off(self, command: SignOff, *, actor: Actor) -> Receipt:
        """Records this person's signed decision; the one that completes the quorum also queues the release.

        Raises MissingReasonError, StaleEvidenceError, StaleRequestError, SelfApprovalError, RoleMissingError,
        DuplicateSignerError, DelegationError, StageError, AlreadyDecidedError, GateNotPassedError,
        IllegalTransitionError, FreshLoginNeededError, PasskeyNeededError, PasskeyRefusedError, PassphraseError.
        """
        return self._deciding.sign_off(command, actor=actor)

    def confirm_with_passkey(self, command: SignOff, *, actor: Actor) -> Demand:
        """Where the policy asks for a passkey: what the browser has to ask it for, over exactly this decision.

        Its answer goes into `SignOff.passkey` of the same command. Raises as `sign_off`, but for the passphrase.
        """
        return self._deciding.confirm_with_passkey(command, actor=actor)

    # upkeep

    def expire_due(self) -> int:
        """Worker: requests nobody decided in time end as expired. Time running out never approves."""
        return self._upkeep.expire_due()

    def revalidate(self) -> int:
        """Worker: voids what no longer rests on what was signed; the number of requests voided in this round."""
        return self._upkeep.revalidate()
