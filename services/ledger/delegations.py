"""Who may sign in whose place: delegations as the log records them, and when one covers a decision.

The delegator holds the role when he gives it and when it is used; nothing of it can be passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.attestation.statement import Statement
from services.kernel.clock import from_utc_text
from services.kernel.identity import Permission, Role
from services.ledger.keyring import Keyring, VoidEntryError, Who
from services.ledger.law import permissions_of

LONGEST = timedelta(days=90)
RISKIEST = 1
_NEEDED = ("role", "to", "tier", "since", "until")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated:
    id: str
    leaf: str
    by: Who
    to: Who
    role: str
    tier: int
    """The riskiest tier it covers: 1 covers all, 2 covers tiers 2 and 3."""
    since: datetime
    until: datetime


@dataclass(slots=True, kw_only=True)
class Delegations:
    by_entry: dict[int, Delegated] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)

    def apply(self, statement: Statement, who: Who, *, keyring: Keyring, seq: int, leaf: str) -> None:
        """Takes over a delegation or its end. Raises VoidEntryError."""
        if statement.predicate["op"] == "withdraw":
            self._withdraw(statement.predicate, who)
        else:
            self.by_entry[seq] = self._granted(statement, who, keyring=keyring, leaf=leaf)

    def _granted(self, statement: Statement, who: Who, *, keyring: Keyring, leaf: str) -> Delegated:
        predicate = statement.predicate
        lacking = [name for name in _NEEDED if name not in predicate]
        if lacking:
            raise VoidEntryError(f"it lacks the field {lacking[0]}")
        if any(item.id == predicate["id"] for item in self.by_entry.values()):
            raise VoidEntryError("a delegation of this id was recorded before")
        role, to = predicate["role"], (predicate["to"]["issuer"], predicate["to"]["sub"])
        since, until = from_utc_text(predicate["since"]), from_utc_text(predicate["until"])
        if not keyring.holds(who, role, at=statement.at):
            raise VoidEntryError(f"nobody delegates the role {role} without holding it")
        if Permission.DELEGATE not in permissions_of(role):
            raise VoidEntryError(f"the role {role} is not delegated")
        if to == who:
            raise VoidEntryError("nobody delegates to himself")
        if to in keyring.disabled or not keyring.roles.get(to):
            raise VoidEntryError("the person it names is not known or was disabled")
        if keyring.holds(to, Role.AUDITOR.value, at=statement.at):
            raise VoidEntryError("nobody delegates to an auditor")
        if not since < until <= since + LONGEST:
            raise VoidEntryError(f"a delegation lasts at most {LONGEST.days} days")
        return Delegated(
            id=predicate["id"],
            leaf=leaf,
            by=who,
            to=to,
            role=role,
            tier=_tier(predicate["tier"]),
            since=since,
            until=until,
        )

    def _withdraw(self, predicate: Mapping[str, Any], who: Who) -> None:
        found = next((item for item in self.by_entry.values() if item.id == predicate["id"]), None)
        if found is None or found.id in self.withdrawn:
            raise VoidEntryError("the delegation it ends does not exist, or ended before")
        if who != found.by and predicate["signer"]["role"] != Role.ADMIN.value:
            raise VoidEntryError("a delegation is ended by the one who gave it, or by an administrator")
        self.withdrawn.add(found.id)

    def covering(self, statement: Statement, who: Who, *, keyring: Keyring, tier: int) -> Delegated | None:
        """The delegation a decision rests on; None when the signer acts for himself. Raises VoidEntryError."""
        predicate = statement.predicate
        cited = predicate.get("delegation")
        if cited is None:
            if predicate.get("role", predicate["signer"]["role"]) != predicate["signer"]["role"]:
                raise VoidEntryError("it fills a role that is not the signer's, without a delegation")
            if "onBehalfOf" in predicate:
                raise VoidEntryError("it is made for somebody else without a delegation")
            return None
        found = self.by_entry.get(cited["entry"])
        if found is None or found.leaf != cited["sha256"]:
            raise VoidEntryError("the delegation it cites does not exist or is void")
        instead = predicate.get("onBehalfOf", {})
        if found.to != who or (instead.get("issuer"), instead.get("sub")) != found.by:
            raise VoidEntryError("the delegation it cites is between other people")
        if predicate.get("role") != found.role:
            raise VoidEntryError("the delegation it cites is for another role")
        if found.id in self.withdrawn or not found.since <= statement.at < found.until:
            raise VoidEntryError("the delegation it cites was not in force")
        if tier < found.tier:
            raise VoidEntryError(f"the delegation it cites does not reach tier {tier}")
        if not keyring.holds(found.by, found.role, at=statement.at):
            raise VoidEntryError("the person it is made for no longer held the role")
        return found


def _tier(text: str) -> int:
    if text not in {"1", "2", "3"}:
        raise VoidEntryError("it names no tier it reaches")
    return int(text)
