"""A policy exception: one gate of one model that may stay red until a day, with an owner and something in its place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.kernel.secret import Secret


class ExceptionState(StrEnum):
    PROPOSED = "proposed"
    ACTIVE = "active"
    REFUSED = "refused"
    ENDED = "ended"
    """Closed by a person's signature, early or after its end date."""
    EXPIRED = "expired"
    """Its time is over, or its owner left; nobody has closed it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeException:
    """Command. `until` is the moment from which the gate counts as failed again."""

    command_id: str
    model: str
    gate: str
    reason: str
    control: str
    """The compensating control: what is done instead while the gate is red."""
    owner_subject: str
    until: datetime
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideException:
    """Command: grant or refuse a proposal. A refusal needs a reason."""

    command_id: str
    exception_id: str
    grant: bool
    reason: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class EndException:
    """Command: end an active exception early, withdraw a proposal, or close one that ran out."""

    command_id: str
    exception_id: str
    reason: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A person as text: identity with the name shown."""

    issuer: str
    subject: str
    name: str

    def is_same(self, other: Who) -> bool:
        return (self.issuer, self.subject) == (other.issuer, other.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One signed step of an exception: who, when, the words with the salt of their digest, and its entry."""

    by: Who
    at: datetime
    reason: str
    salt: str
    seq: int
    leaf_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyException:
    """An exception as stored. `reason` and `control` are erasable text; the ledger holds their salted digests."""

    exception_id: str
    model: str
    gate: str
    gate_title: str
    control: str
    control_salt: str
    owner: Who
    until: datetime
    proposed: Signed
    granted: bool | None = None
    """None while nobody has decided."""
    decided: Signed | None = None
    ended: Signed | None = None
    noticed_at: datetime | None = None
    """When the service recorded that it no longer counts although nobody ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveException:
    """What a gate report needs: `gate` of the model counts as excepted until `until`."""

    id: str
    gate: str
    until: datetime
    granted_by: str
    control: str
    seq: int
    leaf_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionView:
    id: str
    model: str
    gate: str
    gate_title: str
    reason: str
    control: str
    owner_subject: str
    owner_name: str
    proposed_by: str
    granted_by: str
    """Who granted or refused it; empty while nobody has."""
    state: ExceptionState
    proposed_at: datetime
    granted_at: datetime | None
    until: datetime
    ended_at: datetime | None
    ended_why: str
    seq: int
    """Entry of the newest signed step."""
    late: bool
    """Ran out and nobody closed it, or waits for a decision for more than three days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTerms:
    """A gate of a model's policy as far as exceptions go."""

    gate: str
    title: str
    refusal: str = ""
    """Why it can never be excepted, in words; empty when it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionTerms:
    """What the policy of one model allows."""

    gates: tuple[GateTerms, ...]
    longest_days: int

    def of(self, gate: str) -> GateTerms | None:
        """The gate itself, or the one whose single comparison (`selection:carrier=HA`) is meant."""
        by_id = {item.gate: item for item in self.gates}
        return by_id.get(gate) or by_id.get(gate.partition(":")[0])
