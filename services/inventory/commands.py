"""What people ask the inventory to change about a model."""

from __future__ import annotations

from dataclasses import dataclass

from services.inventory.governance import VendorTerms
from services.inventory.models import ServiceLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class FillIn:
    """Command: give one metadata field its value. Texts as `text`, the latency contract as `level`, a supplier's
    terms as `supplier`. An empty value takes the field back and needs a reason.
    """

    command_id: str
    model: str
    field: str
    """A word of `metadata.REQUIREMENTS`."""
    text: str = ""
    level: ServiceLevel | None = None
    supplier: VendorTerms | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignOwner:
    """Command: from now on this person carries that duty."""

    command_id: str
    model: str
    role: str
    subject: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkReviewed:
    """Command: the periodic review was done today; the note says what was looked at and found."""

    command_id: str
    model: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveUseCase:
    """Command: write down a use case, or change its words or owner."""

    command_id: str
    id: str
    title: str
    purpose: str
    owner_subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRelease:
    """Command: the supplier announced a release; from now on it can be asked for like any version."""

    command_id: str
    model: str
    label: str
    """The supplier's own name for it."""
    note: str = ""
