"""Where traffic goes and how it got there. Routes are whole percents that sum to 100."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.kernel.secret import Secret


class ActionKind(StrEnum):
    START = "start"
    """First exposure of an approved version: canary share or everything, as the approved plan says."""
    SHADOW = "shadow"
    """Copies of live requests to an approved version; the answers of callers stay those of the base."""
    ADVANCE = "advance"
    """The next share of the approved plan."""
    ABORT = "abort"
    """Ends a release that nobody was answered by: no more copies."""
    ROLLBACK = "rollback"
    REVERT = "revert"
    """Undoes a change made outside Countersign: what was last signed is put back."""
    ADOPT = "adopt"
    """Takes over what is served, after a complete approval of exactly that; traffic does not move."""
    EMERGENCY = "emergency"
    """Break-glass: all traffic on one signature, reviewed by two others afterwards."""


class ActionState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    APPLIED = "applied"
    CONFLICT = "conflict"
    FAILED = "failed"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the platform really serves, read back from it."""

    deployment: str
    generation: int
    routes: tuple[tuple[str, int], ...]
    ready: tuple[str, ...]
    """Versions loaded and answering a direct probe."""
    op: str
    """Identifier of the last operation the platform accepted, or empty."""
    at: datetime
    mirror: tuple[str, int] | None = None
    """(version, percent) that gets copies of live requests."""
    mode: str = "live"
    """`live`, `batch_only` (callers get the last batch scores) or `off` (callers are refused)."""
    update: str = "idle"
    """Of the platform's own update: `idle`, `running`, `failed` or `cancelled`."""
    pending: tuple[tuple[str, int], ...] = ()
    """Routes of an update on its way; a wish until it is done."""

    def share(self, version: str) -> int:
        return dict(self.routes).get(version, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a platform can do for one deployment: decides which steps are offered and how they are labelled."""

    mirror: str
    """`live` (copies while callers are answered), `replay` (logged requests sent again later) or `none`."""
    cas: bool
    """A change is refused when somebody else was faster."""
    sticky: bool
    """The split can follow an entity: the same caller stays with the same version."""
    can_cancel_update: bool
    max_versions: int
    """Versions of one deployment that can be kept ready at once."""
    telemetry_lag_seconds: float
    granularity: int
    """Smallest step of traffic in percent."""
    modes: tuple[str, ...] = ("live", "batch_only", "off")
    """Modes the platform can really be switched to; another one is refused with what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Answers to probe requests, by version that answered."""

    answered: tuple[tuple[str, int], ...]
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedChange:
    """One difference between what was signed and what is there, in words for people."""

    kind: str
    """`traffic`, `pin` (of a batch job), `mirror` (copies of requests), `alias`, `tag`, `files`, `deleted`,
    `recreated`, or `record` (our tables)."""
    signed: str
    there: str
    by: str = ""
    """Who did it as far as registry or platform say, or that they do not."""
    version: str = ""
    """The version it is about."""

    @property
    def sentence(self) -> str:
        return f"{self.there} {self.signed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficChange:
    """One line of the production timeline."""

    at: datetime
    model: str
    kind: ActionKind
    routes: tuple[tuple[str, int], ...]
    champion: str
    actor: str
    reason: str
    seq: int | None
    """Ledger entry of the outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """Desired and actual side by side. `observed` is None when the platform could not be asked, `problem` says why."""

    model: str
    deployment: str
    kind: str
    desired: tuple[tuple[str, int], ...]
    champion: str
    observed: Observed | None
    observed_at: datetime | None
    problem: str
    alias_champion: str | None
    plan: tuple[int, ...]
    """Shares of the running release, for example (10, 100); empty when none is running."""
    candidate: str | None
    next_share: int | None
    finding: str
    """A difference between what we asked for and what is served, in words, or empty."""
    live_since: datetime | None
    finding_kind: str = ""
    """`UnsignedChange.kind` of the gravest difference; empty when there is none or an action of ours failed."""
    finding_since: datetime | None = None
    """When the difference was first seen; it may be older."""
    finding_seq: int | None = None
    """Ledger entry of the observation."""
    changes: tuple[UnsignedChange, ...] = ()
    adoptable_version: str | None = None
    """The version a sign-off could adopt, or None when there is nothing to adopt."""
    rollback_plan: tuple[str, ...] = ()
    """What the machine may do by itself under the plan signed with the running release, in words."""
    plan_signers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackTarget:
    version: str
    eligible: bool
    reason: str
    """Why it may be chosen, or why not ("never approved", "approved, never served", "serving now")."""
    last_served: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPlan:
    """What will happen, shown before the button. Requests per minute are the mean of the last one to two hours."""

    model: str
    deployment: str
    current: tuple[tuple[str, int], ...]
    targets: tuple[RollbackTarget, ...]
    proposed: str | None
    requests_per_minute: float | None
    consumers: tuple[str, ...]
    unchecked: tuple[str, ...]
    """What could not be checked just now (for example the registry), in words."""
    challenge: str
    """Single-use nonce bound to the person and this plan."""
    next_batch: str = ""
    """For batch models: when the change takes effect, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """Command. `model_confirmation` must repeat the model's name."""

    command_id: str
    model: str
    target: str
    reason_code: str
    reason: str
    model_confirmation: str
    challenge: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Command: give the candidate the next share of its approved plan."""

    command_id: str
    model: str
    share: int
    challenge: str
    passphrase: Secret
    reason: str = ""
    """Only where the analysis has not decided by the stage limit: why this evidence is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionView:
    action_id: str
    model: str
    kind: ActionKind
    state: ActionState
    from_version: str | None
    to_version: str
    routes: tuple[tuple[str, int], ...]
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    steps: tuple[tuple[str, str], ...]
    """Progress lines: (step word, what happened), in order."""
    detail: str
    seq_intent: int
    seq_outcome: int | None
    restored_seconds: float | None = None
    """Rollback only: from the recorded intent to the verified switch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What one model should serve and what was last read back. Routes change only when an action was verified."""

    model: str
    deployment: str
    kind: str
    desired: tuple[tuple[str, int], ...] = ()
    champion: str = ""
    alias_pending: bool = False
    candidate: str | None = None
    base: str | None = None
    plan: tuple[int, ...] = ()
    release_action: str | None = None
    epoch: int = 0
    observed: Observed | None = None
    observed_at: datetime | None = None
    problem: str = ""
    alias_champion: str | None = None
    alias_read_at: datetime | None = None
    finding: str = ""
    finding_digest: str = ""
    finding_kind: str = ""
    finding_since: datetime | None = None
    finding_seq: int | None = None
    finding_leaf: str = ""
    finding_round: int = 0
    """How many findings ended before: the same change made again is a new observation."""
    changes: tuple[UnsignedChange, ...] = ()
    live_since: datetime | None = None

    @property
    def candidate_share(self) -> int:
        return dict(self.desired).get(self.candidate or "", 0)

    @property
    def was_ordered(self) -> bool:
        """Whether anything signed was ever carried out for the model."""
        return bool(self.desired or self.champion)

    @property
    def barring(self) -> str:
        """The change made outside that keeps anything but its adoption from being signed, or empty.

        An alias on a model for which nothing was ever signed bars nothing: a promotion is the way to make it right.
        """
        alone = self.finding_kind == "alias" and not self.was_ordered
        return self.finding if self.finding_digest and not alone else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A signed intention with what is needed to carry it out, exactly once."""

    action_id: str
    model: str
    deployment: str
    kind: ActionKind
    state: ActionState
    from_version: str | None
    to_version: str
    routes: tuple[tuple[str, int], ...]
    champion: str
    """The version that answers for the model once this is done; the alias follows it."""
    plan: tuple[int, ...]
    request_id: str | None
    requested_by: str
    subject: str
    reason_code: str
    reason: str
    manifest_sha256: str
    decisions: tuple[tuple[int, str], ...]
    """(entry, leaf hash) of the decisions that allow this."""
    created_at: datetime
    seq_intent: int
    leaf_intent: str
    next_try_at: datetime
    finished_at: datetime | None = None
    switched_at: datetime | None = None
    restored_seconds: float | None = None
    seq_outcome: int | None = None
    attempts: int = 0
    lease_owner: str = ""
    lease_until: datetime | None = None
    alias_done: bool = False
    detail: str = ""

    @property
    def is_open(self) -> bool:
        return self.state in {ActionState.PENDING, ActionState.RUNNING}

    @property
    def decides_request(self) -> bool:
        """True when the request it rests on is done with it; going back, putting back and a shadow run finish none."""
        return self.kind not in {ActionKind.ROLLBACK, ActionKind.REVERT, ActionKind.SHADOW, ActionKind.ABORT}

    @property
    def moves_traffic(self) -> bool:
        """False for copies that begin or end: whoever asks is answered as before."""
        return self.kind not in {ActionKind.SHADOW, ActionKind.ABORT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What allows an action: the approved request with the entries of its decisions, under one policy."""

    request_id: str
    request_sha256: str
    request_seq: int
    policy_sha256: str
    decisions: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """A version that carried traffic under an action, with the approval that allowed it."""

    version: str
    last_served: datetime
    still_serving: bool
    manifest_sha256: str
    request_id: str | None
    decisions: tuple[tuple[int, str], ...]
    rolled_back: bool = False
    """Traffic was taken away from it by a rollback; only a new release brings it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A single-use nonce bound to person, purpose and what was shown."""

    nonce: str
    purpose: str
    subject: str
    about: str
    revision: int
    shown_sha256: str
    expires_at: datetime
    used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an action ended: `applied`, `conflict`, `failed` or `superseded`, with the sentence for people."""

    state: ActionState
    detail: str
    alias_pending: bool = False


ROLLBACK_REASONS = {
    "ERRORS": "Error rate too high",
    "LATENCY": "Too slow",
    "QUALITY": "Predictions are wrong or harmful",
    "DATA": "Input data is broken",
    "COMPLIANCE": "Compliance or legal concern",
    "DRILL": "Rehearsal",
    "OTHER": "Other, explained in the text",
}
