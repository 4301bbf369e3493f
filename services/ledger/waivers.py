"""Exceptions from a gate as the log records them: proposed by one person, granted by another, ended by name or date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.attestation.statement import Statement
from services.kernel.identity import Permission
from services.ledger.keyring import VoidEntryError, Who
from services.ledger.law import require_permission

_PROPOSED = ("model", "gate", "until", "owner", "reason", "control")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proposal:
    entry: int
    leaf: str
    proposer: Who
    owner: Who


@dataclass(slots=True, kw_only=True)
class Waivers:
    _proposals: dict[str, _Proposal] = field(default_factory=dict)
    _decided: set[str] = field(default_factory=set)
    granted: set[str] = field(default_factory=set)

    def apply(self, statement: Statement, who: Who, *, seq: int, leaf: str) -> None:
        """Takes over one step of an exception. Raises VoidEntryError."""
        predicate = statement.predicate
        match predicate["op"]:
            case "propose":
                self._propose(predicate, who, seq, leaf)
            case "grant" | "refuse":
                self._decide(predicate, who)
            case "end":
                self._end(predicate, who)

    def _propose(self, predicate: Mapping[str, Any], who: Who, seq: int, leaf: str) -> None:
        require_permission(predicate, Permission.PROPOSE_EXCEPTION)
        lacking = [name for name in _PROPOSED if name not in predicate]
        if lacking:
            raise VoidEntryError(f"it lacks the field {lacking[0]}")
        if predicate["id"] in self._proposals:
            raise VoidEntryError("an exception of this id was proposed before")
        owner = (predicate["owner"]["issuer"], predicate["owner"]["sub"])
        self._proposals[predicate["id"]] = _Proposal(entry=seq, leaf=leaf, proposer=who, owner=owner)

    def _decide(self, predicate: Mapping[str, Any], who: Who) -> None:
        require_permission(predicate, Permission.GRANT_EXCEPTION)
        proposal, cited = self._proposals.get(predicate["id"]), predicate.get("proposal")
        if proposal is None or cited is None or (cited["entry"], cited["sha256"]) != (proposal.entry, proposal.leaf):
            raise VoidEntryError("the proposal it decides on does not exist or is void")
        if predicate["id"] in self._decided:
            raise VoidEntryError("this exception was decided on before")
        if predicate["op"] == "grant" and who in {proposal.proposer, proposal.owner}:
            raise VoidEntryError("nobody grants an exception he proposed or owns")
        self._decided.add(predicate["id"])
        if predicate["op"] == "grant":
            self.granted.add(predicate["id"])

    def _end(self, predicate: Mapping[str, Any], who: Who) -> None:
        proposal = self._proposals.get(predicate["id"])
        taken_back = predicate["id"] not in self._decided
        if proposal is None or (predicate["id"] not in self.granted and not taken_back):
            raise VoidEntryError("the exception it ends was never proposed, was refused, or ended before")
        if who not in {proposal.proposer, proposal.owner}:
            require_permission(predicate, Permission.GRANT_EXCEPTION)
        self._decided.add(predicate["id"])
        self.granted.discard(predicate["id"])
