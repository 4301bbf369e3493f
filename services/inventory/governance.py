"""What people decide about a model: its use case, its supplier, its risk tier, and when it is looked at again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    role: str
    """A word of `owners.DUTIES`, for system roles the same word as `kernel.identity.Role`."""
    subject: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """What a business wants decided or estimated. Several models may serve it, in real time and in batch at once."""

    id: str
    title: str
    purpose: str
    owner: Owner | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorDocument:
    """Something the supplier or an assessor wrote. `sha256` is the digest of the file that was read, where one was."""

    title: str
    reference: str
    day: date
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorTerms:
    """What is agreed with the supplier of a model that runs outside. Empty texts were never agreed or written down."""

    contract: str
    until: date | None
    audit_right: str
    """What we may inspect or have inspected, in words."""
    exit_plan: str
    promise: str
    """The supplier's service level in the words of the contract."""
    documents: tuple[VendorDocument, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorLevel:
    """One line of a filled-in score sheet: the level chosen, 1 to 4, and what it rests on."""

    factor: str
    level: int
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TierOverride:
    """A tier that stands instead of the computed one until a day, proposed by one person and confirmed by another."""

    tier: int
    reason: str
    until: datetime
    proposed_by: str
    confirmed_by: str
    seq: int
    """Entry of the confirmation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskStanding:
    """The score sheet of a model as confirmed, and the override that stands beside it."""

    sheet: str
    """Version of the score sheet."""
    levels: tuple[FactorLevel, ...]
    computed: int
    """Tier that the sheet gives."""
    assessed_by: str
    assessed_at: datetime | None
    """None where the sheet came with the catalog."""
    is_model: bool = True
    """The decision whether this is a model at all (SR 26-2) or a calculation without estimates."""
    model_reason: str = ""
    override: TierOverride | None = None

    def tier_at(self, now: datetime) -> int:
        """The override while its time lasts, the computed tier otherwise: running out needs nobody."""
        if self.override is not None and now < self.override.until:
            return self.override.tier
        return self.computed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCall:
    """An event after which a model is looked at before its regular day."""

    kind: str
    """`change`, `breach` or `drift`."""
    at: datetime
    due: date
    sentence: str
