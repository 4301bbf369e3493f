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
    FINANCE = "finance"
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
    Role.FINANCE: "Finance controller",
    Role.ADMIN: "Administrator",
}


ROLE_DOES = {
    Role.COMPLIANCE: "Approves versions for production, grants exceptions, publishes policies, keeps records.",
    Role.BUSINESS_OWNER: "Acknowledges benefit, cost and limits, signs their baseline; reviews emergencies.",
    Role.SRE: "Moves traffic and brings it back, also by break-glass; handles incidents.",
    Role.DATA_SCIENCE_LEAD: "Asks for promotions and exceptions, and answers for the evidence.",
    Role.VALIDATOR: "Validates the evidence independently; reviews emergencies.",
    Role.FINANCE: "Attests the benefit that owners claim for a month, or cuts it; owns no model.",
    Role.AUDITOR: "Reads everything until the access ends, draws samples and packs; every view is recorded.",
    Role.ADMIN: "Enrols people and keys, with a second administrator; never for himself.",
}
"""What each role comes to do, in one line; Settings shows it beside the permissions."""

MACHINE_ISSUER = "countersign:machine"
MACHINE_SUBJECT = "machine"
MACHINE_NAME = "Countersign machine"
MACHINE_ROLE = "machine"
"""The machine's own identity: it signs what it does under a plan that people signed, and nothing else."""


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
    EDIT_METADATA = "edit_metadata"
    ASSIGN_OWNER = "assign_owner"
    PROPOSE_TIER = "propose_tier"
    CONFIRM_TIER = "confirm_tier"
    REVIEW_MODEL = "review_model"
    MANAGE_PEOPLE = "manage_people"
    DELEGATE = "delegate"
    PROPOSE_EXCEPTION = "propose_exception"
    GRANT_EXCEPTION = "grant_exception"
    MANAGE_BATCH_RUN = "manage_batch_run"
    SWITCH_FALLBACK = "switch_fallback"
    BREAK_GLASS = "break_glass"
    REVIEW_EMERGENCY = "review_emergency"
    REVERT = "revert"
    ADOPT = "adopt"
    PUBLISH_POLICY = "publish_policy"
    MANAGE_RETENTION = "manage_retention"
    DRAW_SAMPLE = "draw_sample"
    BUILD_PACK = "build_pack"
    VIEW_ACCESS_LOG = "view_access_log"
    RUN_EVALUATION = "run_evaluation"
    OPEN_INCIDENT = "open_incident"
    """Opening one, and adding notes to it."""
    MANAGE_INCIDENT = "manage_incident"
    HANDLE_ALERT = "handle_alert"
    """Acknowledging, snoozing and waking alerts."""
    MANAGE_MONITOR = "manage_monitor"
    """Saying how a model is watched: a new version of its monitor."""
    STATE_VALUE = "state_value"
    """Signing what a model costs and is measured against, and proposing the benefit of a month."""
    REQUEST_RETIREMENT = "request_retirement"
    """Asking that a model is taken out of service."""
    ATTEST_VALUE = "attest_value"
    """Standing for the benefit that somebody else proposed, or for less of it."""


_READ = frozenset({Permission.VIEW, Permission.VIEW_VALUE, Permission.VIEW_LEDGER, Permission.EXPORT})

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.COMPLIANCE: _READ
    | {
        Permission.APPROVE,
        Permission.DELEGATE,
        Permission.GRANT_EXCEPTION,
        Permission.REVIEW_EMERGENCY,
        Permission.PUBLISH_POLICY,
        Permission.MANAGE_RETENTION,
        Permission.DRAW_SAMPLE,
        Permission.BUILD_PACK,
        Permission.VIEW_ACCESS_LOG,
        Permission.ASSIGN_OWNER,
        Permission.PROPOSE_TIER,
        Permission.CONFIRM_TIER,
        Permission.REVIEW_MODEL,
        Permission.OPEN_INCIDENT,
    },
    Role.BUSINESS_OWNER: _READ
    | {
        Permission.OPEN_INCIDENT,
        Permission.HANDLE_ALERT,
        Permission.ASSIGN_OWNER,
        Permission.PROPOSE_TIER,
        Permission.ACKNOWLEDGE,
        Permission.STATE_VALUE,
        Permission.REQUEST_RETIREMENT,
        Permission.WITHDRAW,
        Permission.RECORD_CORRECTION,
        Permission.DELEGATE,
        Permission.REVIEW_EMERGENCY,
    },
    Role.SRE: _READ
    | {
        Permission.ROLL_BACK,
        Permission.ADVANCE_ROLLOUT,
        Permission.DELEGATE,
        Permission.MANAGE_BATCH_RUN,
        Permission.SWITCH_FALLBACK,
        Permission.BREAK_GLASS,
        Permission.REVERT,
        Permission.ADOPT,
        Permission.OPEN_INCIDENT,
        Permission.MANAGE_INCIDENT,
        Permission.HANDLE_ALERT,
    },
    Role.DATA_SCIENCE_LEAD: _READ
    | {
        Permission.REQUEST_PROMOTION,
        Permission.WITHDRAW,
        Permission.RECORD_CORRECTION,
        Permission.TAG_COLUMN,
        Permission.EDIT_METADATA,
        Permission.ASSIGN_OWNER,
        Permission.PROPOSE_TIER,
        Permission.DELEGATE,
        Permission.PROPOSE_EXCEPTION,
        Permission.ADOPT,
        Permission.RUN_EVALUATION,
        Permission.OPEN_INCIDENT,
        Permission.HANDLE_ALERT,
        Permission.MANAGE_MONITOR,
    },
    Role.VALIDATOR: _READ
    | {
        Permission.VALIDATE,
        Permission.DELEGATE,
        Permission.REVIEW_EMERGENCY,
        Permission.CONFIRM_TIER,
        Permission.REVIEW_MODEL,
        Permission.RUN_EVALUATION,
    },
    Role.FINANCE: _READ | {Permission.ATTEST_VALUE, Permission.DELEGATE},
    # Reading and what reading needs: nothing here may ever change a model, a person or a decision.
    Role.AUDITOR: _READ | {Permission.DRAW_SAMPLE, Permission.BUILD_PACK, Permission.VIEW_ACCESS_LOG},
    Role.ADMIN: _READ
    | {
        Permission.MANAGE_PEOPLE,
        Permission.BUILD_PACK,
        Permission.VIEW_ACCESS_LOG,
        Permission.OPEN_INCIDENT,
        Permission.MANAGE_INCIDENT,
        Permission.HANDLE_ALERT,
        Permission.MANAGE_MONITOR,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What an identity provider said about one login, in a token whose signature was verified."""

    issued_at: datetime
    auth_time: datetime | None
    """When the person typed a password or touched a key there; None when the provider does not say."""
    acr: str = ""
    """Strength of that login in the provider's own words."""
    token_sha256: str = ""
    """Of the ID token, where the app may see it: proof that this deployment could not have made up."""

    @property
    def since(self) -> datetime:
        """The earliest moment the login is known for: its own time, else that of the token."""
        return self.auth_time or self.issued_at

    def is_newer_than(self, other: Login | None) -> bool:
        """The provider itself says that the person logged in after `other`; without its word nothing is newer."""
        earlier = other.auth_time if other is not None else None
        return self.auth_time is not None and (earlier is None or self.auth_time > earlier)


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
    login: Login | None = None
    """Of sessions that began at an identity provider; `signed_in_at` is then the time of that login."""
