"""Emergency actions and the reviews they owe, and automatic rollbacks under a plan that people signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from services.attestation.statement import Statement
from services.kernel.clock import from_utc_text, utc_text
from services.kernel.identity import Permission
from services.ledger.keyring import VoidEntryError, Who
from services.ledger.law import require_permission

REVIEWERS = 2


@dataclass(slots=True, kw_only=True)
class _Emergency:
    leaf: str
    involved: frozenset[Who]
    review_by: datetime
    reviewed_by: set[Who] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Emergencies:
    _by_entry: dict[int, _Emergency] = field(default_factory=dict)

    def open(self, statement: Statement, involved: frozenset[Who], *, seq: int, leaf: str) -> None:
        review_by = from_utc_text(statement.predicate["emergency"]["reviewBy"])
        self._by_entry[seq] = _Emergency(leaf=leaf, involved=involved, review_by=review_by)

    def review(self, statement: Statement, who: Who) -> None:
        """Raises VoidEntryError unless somebody uninvolved reviews an emergency action for the first time."""
        require_permission(statement.predicate, Permission.REVIEW_EMERGENCY)
        cited = statement.predicate["of"]
        found = self._by_entry.get(cited["entry"])
        if found is None or found.leaf != cited["sha256"]:
            raise VoidEntryError("the emergency action it reviews does not exist or is void")
        if who in found.involved:
            raise VoidEntryError("nobody reviews an emergency he had a part in")
        if who in found.reviewed_by:
            raise VoidEntryError("this person reviewed it before")
        if len(found.reviewed_by) >= REVIEWERS:
            raise VoidEntryError("its review was complete before")
        found.reviewed_by.add(who)

    def overdue(self, now: datetime) -> tuple[tuple[int, str], ...]:
        """(entry, sentence) of emergency actions whose two reviews are missing although their time is over."""
        return tuple(
            (seq, f"The review of the emergency action at entry {seq} was due {utc_text(item.review_by)}.")
            for seq, item in self._by_entry.items()
            if len(item.reviewed_by) < REVIEWERS and item.review_by < now
        )


def require_obedience(statement: Statement, plan: Mapping[str, Any] | None) -> None:
    """The automatic rollback does what the signed plan says, because what the plan names was measured."""
    predicate = statement.predicate
    obeys = predicate["obeys"]
    if plan is None:
        raise VoidEntryError("the request it obeys carries no rollback plan")
    sha256 = plan.get("digest", {}).get("sha256")
    if predicate["to"]["version"] != plan.get("to") or statement.subjects[0].sha256 != sha256:
        raise VoidEntryError("it goes to another version than the plan it obeys")
    rule = next((line for line in plan.get("rules", ()) if line.get("id") == obeys["rule"]), None)
    if rule is None or rule.get("above") != obeys["above"] or rule.get("windowMinutes") != obeys["windowMinutes"]:
        raise VoidEntryError("the rule it names is not in the plan it obeys")
    if obeys["requests"] < int(rule.get("minRequests", 0)):
        raise VoidEntryError("fewer requests were measured than its rule asks for")
    if not _decimal(obeys["measured"]) > _decimal(obeys["above"]):
        raise VoidEntryError("what was measured is not above the limit of its rule")


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as broken:
        raise VoidEntryError("a measurement is not a number") from broken
    if not number.is_finite():
        raise VoidEntryError("a measurement is not a number")
    return number
