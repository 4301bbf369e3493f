"""Who may do what. Deny by default: a permission that no role names belongs to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    COMPLIANCE = "compliance_officer"
    BUSINESS_OWNER = "business_owner"
    SRE = "sre"
    DATA_SCIENCE_LEAD = "data_science_lead"
    VALIDATOR = "validator"
    AUDITOR = "auditor"
    ADMIN = "admin"

    @property
    def label(self) -> str:
        return ROLE_TITLES[self]


ROLE_TITLES = {
    Role.COMPLIANCE: "Compliance officer",
    Role.BUSINESS_OWNER: "Business owner",
    Role.SRE: "Site reliability engineer",
    Role.DATA_SCIENCE_LEAD: "Data science lead",
    Role.VALIDATOR: "Independent validator",
    Role.AUDITOR: "Auditor",
    Role.ADMIN: "Administrator",
}


class Permission(StrEnum):
    VIEW = "view"
    VIEW_VALUE = "view_value"
    VIEW_LEDGER = "view_ledger"
    EXPORT = "export"
    REQUEST_PROMOTION = "request_promotion"
    VALIDATE = "validate"
    ACKNOWLEDGE = "acknowledge"
    APPROVE = "approve"
    WITHDRAW = "withdraw"
    ADVANCE_ROLLOUT = "advance_rollout"
    ROLL_BACK = "roll_back"
    RECORD_CORRECTION = "record_correction"
    TAG_COLUMN = "tag_column"
    MANAGE_PEOPLE = "manage_people"


_READ = frozenset({Permission.VIEW, Permission.VIEW_VALUE, Permission.VIEW_LEDGER, Permission.EXPORT})

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.COMPLIANCE: _READ | {Permission.APPROVE},
    Role.BUSINESS_OWNER: _READ | {Permission.ACKNOWLEDGE, Permission.RECORD_CORRECTION},
    Role.SRE: _READ | {Permission.ROLL_BACK, Permission.ADVANCE_ROLLOUT},
    Role.DATA_SCIENCE_LEAD: _READ
    | {
        Permission.REQUEST_PROMOTION,
        Permission.WITHDRAW,
        Permission.RECORD_CORRECTION,
        Permission.TAG_COLUMN,
    },
    Role.VALIDATOR: _READ | {Permission.VALIDATE},
    Role.AUDITOR: _READ,
    Role.ADMIN: _READ | {Permission.MANAGE_PEOPLE},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person whose sign-in was verified by the people service, or the machine acting under its own key.

    Holding one proves nothing: every write asks the people service again whether the person is active and
    still holds the role. `subject` with `issuer` is the identity; name and e-mail are display data.
    """

    issuer: str
    subject: str
    name: str
    role: Role
    session_id: str
    signed_in_at: datetime
    method: str = "local"
    """How the session began: `local` (embedded), `oidc` or `platform-proxy`."""
