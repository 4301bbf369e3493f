"""A proposed change of a model's risk tier, and who may decide on it: pure.

    proposed ──confirm──▶ in force            assessment: a filled-in score sheet
    proposed ──refuse──▶ refused              override: another tier until a day; end: no override any more

Nothing changes by a proposal. The confirming person is another one, in another role.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.inventory import tiering
from services.inventory.governance import FactorLevel, RiskStanding, TierOverride
from services.inventory.models import GovernedModel
from services.kernel.errors import (
    AlreadyDecidedError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    RoleMissingError,
    SelfApprovalError,
)
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission
from services.kernel.secret import Secret
from services.people.persons import Account, same_person

LONGEST_OVERRIDE = timedelta(days=180)
REASON_MIN, REASON_MAX = 10, 2000


class ProposalKind(StrEnum):
    ASSESSMENT = "assessment"
    OVERRIDE = "override"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeTier:
    """Command. `levels` for an assessment, `tier` and `until` for an override, neither to end one."""

    command_id: str
    model: str
    kind: ProposalKind
    reason: str
    passphrase: Secret
    levels: tuple[FactorLevel, ...] = ()
    is_model: bool = True
    model_reason: str = ""
    tier: int = 0
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideTier:
    """Command: confirm or refuse a proposal. A refusal needs a reason."""

    command_id: str
    proposal_id: str
    confirm: bool
    reason: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One signed step: who in which role, when, why, and its entry."""

    by: Account
    role: str
    at: datetime
    reason: str
    salt: str
    seq: int
    leaf_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """As stored. `tier` is the one that will be in force when it is confirmed; `was` the one at proposing."""

    proposal_id: str
    model: str
    kind: ProposalKind
    tier: int
    was: int
    computed: int
    score: str
    proposed: Step
    levels: tuple[FactorLevel, ...] = ()
    is_model: bool = True
    model_reason: str = ""
    until: datetime | None = None
    confirmed: bool | None = None
    """None while nobody has decided."""
    decided: Step | None = None

    @property
    def sentence(self) -> str:
        """What confirming it does."""
        if self.kind is ProposalKind.ASSESSMENT:
            kept = "" if self.tier == self.computed else f", while an override keeps tier {self.tier}"
            decision = "" if self.is_model else " It is not a model in the sense of the policy."
            return f"Score sheet with {self.score} of 100: computed tier {self.computed}{kept}.{decision}"
        if self.kind is ProposalKind.END:
            return f"The override ends; the computed tier {self.tier} stands."
        until = f" until {self.until:%d %b %Y}" if self.until else ""
        return f"Tier {self.tier} instead of the computed tier {self.computed}{until}."


def require_reason(reason: str, what: str) -> None:
    words = reason.strip()
    if len(words) < REASON_MIN:
        raise MissingReasonError(f"{what} needs a reason.", hint=f"Write at least {REASON_MIN} characters.")
    if len(words) > REASON_MAX:
        raise InputError(f"The reason is longer than {REASON_MAX:,} characters.", hint="Shorten it.")


def proposed(command: ProposeTier, model: GovernedModel, *, proposal_id: str, step: Step, now: datetime) -> Proposal:
    """The proposal this command makes. Raises InputError, MissingReasonError, IllegalTransitionError."""
    require_reason(command.reason, "A change of the risk tier")
    standing = model.risk
    if command.kind is ProposalKind.ASSESSMENT:
        return _assessment(command, model, proposal_id=proposal_id, step=step, now=now)
    if standing is None:
        raise IllegalTransitionError(
            f"{model.name} has no confirmed score sheet to override.", hint="Fill in the score sheet first."
        )
    if command.kind is ProposalKind.END:
        if standing.override is None or now >= standing.override.until:
            raise IllegalTransitionError("No override is in force.", hint="Reload the page.")
        tier, until = standing.computed, None
    else:
        tier, until = command.tier, _until(command, now)
        if tier not in {1, 2, 3} or tier == standing.computed:
            raise InputError(
                f"An override names another tier than the computed {standing.computed}.", hint="Choose tier 1, 2 or 3."
            )
    return Proposal(
        proposal_id=proposal_id,
        model=model.name,
        kind=command.kind,
        tier=tier,
        was=int(model.tier),
        computed=standing.computed,
        score=tiering.tenths(tiering.assess(standing.levels).score),
        until=until,
        proposed=step,
    )


def require_decidable(item: Proposal, actor: Actor, *, now: datetime) -> None:
    """Raises RoleMissingError, SelfApprovalError, AlreadyDecidedError, IllegalTransitionError."""
    if Permission.CONFIRM_TIER not in ROLE_PERMISSIONS[actor.role]:
        raise RoleMissingError(
            f"The role {actor.role.label.lower()} may not decide on a risk tier.",
            hint="A compliance officer or an independent validator decides.",
        )
    me = Account(issuer=actor.issuer, subject=actor.subject, name=actor.name)
    if same_person(me, item.proposed.by):
        raise SelfApprovalError(
            f"{item.proposed.by.name} proposed this tier and may not decide on it.", hint="Another person decides."
        )
    if actor.role.value == item.proposed.role:
        raise SelfApprovalError(
            f"It was proposed by a {actor.role.label.lower()}; somebody in another role decides.",
            hint="Ask an independent validator or a compliance officer.",
        )
    if item.decided is not None:
        raise AlreadyDecidedError(
            f"{item.decided.by.name} decided on this proposal already.", hint=f"See entry {item.decided.seq}."
        )
    if item.until is not None and now >= item.until:
        raise IllegalTransitionError("The end date of the override has passed.", hint="Propose a new one.")


def standing_after(item: Proposal, model: GovernedModel, *, confirmed: Step) -> RiskStanding:
    """What is in force once the proposal is confirmed. Raises IllegalTransitionError when the sheet changed since."""
    if item.kind is ProposalKind.ASSESSMENT:
        return RiskStanding(
            sheet=tiering.SHEET,
            levels=item.levels,
            computed=item.computed,
            assessed_by=item.proposed.by.name,
            assessed_at=item.proposed.at,
            is_model=item.is_model,
            model_reason=item.model_reason,
            override=model.risk.override if model.risk else None,
        )
    standing = model.risk
    if standing is None or standing.computed != item.computed:
        raise IllegalTransitionError(
            "The score sheet changed since this was proposed.", hint="Refuse it, and propose again on the new sheet."
        )
    override = None
    if item.kind is ProposalKind.OVERRIDE and item.until is not None:
        override = TierOverride(
            tier=item.tier,
            reason=item.proposed.reason,
            until=item.until,
            proposed_by=item.proposed.by.name,
            confirmed_by=confirmed.by.name,
            seq=confirmed.seq,
        )
    return RiskStanding(
        sheet=standing.sheet,
        levels=standing.levels,
        computed=standing.computed,
        assessed_by=standing.assessed_by,
        assessed_at=standing.assessed_at,
        is_model=standing.is_model,
        model_reason=standing.model_reason,
        override=override,
    )


def _assessment(command: ProposeTier, model: GovernedModel, *, proposal_id: str, step: Step, now: datetime) -> Proposal:
    tiering.require_founded(command.levels, model=model)
    found = tiering.assess(command.levels)
    if not command.is_model:
        require_reason(command.model_reason, "The decision that this is not a model")
    override = model.risk.override if model.risk else None
    return Proposal(
        proposal_id=proposal_id,
        model=model.name,
        kind=command.kind,
        tier=override.tier if override is not None and now < override.until else found.tier,
        was=int(model.tier),
        computed=found.tier,
        score=tiering.tenths(found.score),
        levels=tuple(command.levels),
        is_model=command.is_model,
        model_reason=command.model_reason.strip(),
        proposed=step,
    )


def _until(command: ProposeTier, now: datetime) -> datetime:
    if command.until is None:
        raise InputError("An override needs an end date.", hint="Choose a day.")
    if command.until <= now:
        raise InputError("The end date lies in the past.", hint="Choose a later day.")
    if command.until > now + LONGEST_OVERRIDE:
        raise InputError(
            f"An override lasts at most {LONGEST_OVERRIDE.days} days.",
            hint=f"Choose a day up to {now + LONGEST_OVERRIDE:%d %b %Y}; it can be proposed again then.",
        )
    return command.until.replace(microsecond=0)
