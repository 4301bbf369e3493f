"""The less ordinary things the demonstration people do: stand in, except, break the glass, review, hold records."""

from __future__ import annotations

from datetime import timedelta

from services.approvals.models import Decision, SignOff
from services.audit.keeping import PlaceHold
from services.exceptions.models import DecideException, ExceptionState, ProposeException
from services.inventory.proposals import DecideTier, ProposalKind, ProposeTier
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Role
from services.people.delegations import GrantDelegation
from services.rollout.emergency_models import BreakGlass, Conclusion, EmergencyMode, SignReview
from services.workspace.cast import CARL, CLARA, DANA, SAM, VERA, VIKTOR, Cast


def propose_exception(cast: Cast, model: str, gate: str, *, owner: str, days: int, reason: str, control: str) -> None:
    """Dana asks that a gate may stay red for some days, with an owner and something in its place."""
    actor = cast.actor(DANA)
    cast.room.exceptions.propose(
        ProposeException(
            command_id=cast.command(),
            model=model,
            gate=gate,
            reason=reason,
            control=control,
            owner_subject=owner,
            until=cast.clock.now() + timedelta(days=days),
            passphrase=cast.passphrase(DANA),
        ),
        actor=actor,
    )


def grant_exception(cast: Cast, model: str, reason: str) -> None:
    """Carl grants the newest proposal for the model."""
    proposed = cast.room.exceptions.all(model, (ExceptionState.PROPOSED,))
    if not proposed:
        raise ControlRoomError(f"No exception is proposed for {model} in the story.")
    cast.room.exceptions.decide(
        DecideException(
            command_id=cast.command(),
            exception_id=proposed[0].id,
            grant=True,
            reason=reason,
            passphrase=cast.passphrase(CARL),
        ),
        actor=cast.actor(CARL),
    )


def break_glass(cast: Cast, model: str, version: str, code: str, reason: str) -> None:
    """Sam puts a version into service on his own signature; the review is open from now on."""
    actor = cast.actor(SAM)
    plan = cast.room.emergency.plan(model, version, actor=actor)
    cast.room.emergency.release(
        BreakGlass(
            command_id=cast.command(),
            model=model,
            version=version,
            mode=EmergencyMode.FORWARD,
            reason_code=code,
            reason=reason,
            model_confirmation=model,
            challenge=plan.challenge,
            passphrase=cast.passphrase(SAM),
        ),
        actor=actor,
    )
    cast.settle()


def review(cast: Cast, subject: str, model: str, comment: str) -> None:
    """Somebody uninvolved accepts the newest open emergency release."""
    actor = cast.actor(subject)
    waiting = cast.room.emergency.reviews(model, open_only=True)
    if not waiting:
        raise ControlRoomError(f"No emergency release of {model} waits for review in the story.")
    opened = cast.room.emergency.open_review(waiting[0].id, actor=actor)
    cast.room.emergency.review(
        SignReview(
            command_id=cast.command(),
            review_id=waiting[0].id,
            conclusion=Conclusion.ACCEPTED,
            comment=comment,
            challenge=opened.challenge,
            passphrase=cast.passphrase(subject),
        ),
        actor=actor,
    )


def hold_records(cast: Cast, model: str, reason: str) -> None:
    """Clara keeps everything about a model from disposal."""
    cast.room.reports.retention.place_hold(
        PlaceHold(
            command_id=cast.command(),
            scope_kind="model",
            scope=model,
            reason=reason,
            passphrase=cast.passphrase(CLARA),
        ),
        actor=cast.actor(CLARA),
    )


def lend_role(cast: Cast, *, tier: int, days: int, reason: str) -> None:
    """Clara is away: Viktor may sign as compliance officer for models that are not riskier than `tier`."""
    actor, to, now = cast.actor(CLARA), cast.actor(VIKTOR), cast.clock.now()
    cast.room.delegations.grant(
        GrantDelegation(
            command_id=cast.command(),
            role=actor.role,
            to_issuer=to.issuer,
            to_subject=to.subject,
            tier=tier,
            since=now,
            until=now + timedelta(days=days),
            reason=reason,
            passphrase=cast.passphrase(CLARA),
        ),
        actor=actor,
    )


def approve_by_delegation(cast: Cast, model: str, version: str, comment: str) -> None:
    """Viktor signs for Clara; the signature says so."""
    actor = cast.actor(VIKTOR)
    request_id = cast.waiting_request(model, version).request_id
    lent = cast.room.people.active_delegations(now=cast.clock.now(), to=(actor.issuer, actor.subject))[0]
    role = Role.COMPLIANCE.value
    review = cast.room.approvals.open_review(request_id, actor=actor, role=role, delegation=lent.id)
    cast.room.approvals.sign_off(
        SignOff(
            command_id=cast.command(),
            request_id=request_id,
            decision=Decision.APPROVE,
            reason_code="",
            comment=comment,
            challenge=review.challenge,
            passphrase=cast.passphrase(VIKTOR),
            role=role,
            delegation=lent.id,
        ),
        actor=actor,
    )
    cast.settle()


def override_tier(cast: Cast, model: str, tier: int, *, days: int, reason: str) -> None:
    """Dana proposes another tier for some days; nothing changes by that."""
    cast.room.classification.propose(
        ProposeTier(
            command_id=cast.command(),
            model=model,
            kind=ProposalKind.OVERRIDE,
            reason=reason,
            tier=tier,
            until=cast.clock.now() + timedelta(days=days),
            passphrase=cast.passphrase(DANA),
        ),
        actor=cast.actor(DANA),
    )


def confirm_tier(cast: Cast, model: str, reason: str) -> None:
    """Vera, in another role, puts the proposed tier into force."""
    waiting = [item for item in cast.room.classification.undecided() if item.model == model]
    if not waiting:
        raise ControlRoomError(f"No tier is proposed for {model} in the story.")
    cast.room.classification.decide(
        DecideTier(
            command_id=cast.command(),
            proposal_id=waiting[0].proposal_id,
            confirm=True,
            reason=reason,
            passphrase=cast.passphrase(VERA),
        ),
        actor=cast.actor(VERA),
    )
