"""Shadow runs in the log: who may be answered only after one, and which were closed under a person's signature.

What a request asked for was signed by its whole quorum, so no later entry can leave it out. Break-glass can, and owes
two reviews for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.attestation.statement import Statement
from services.kernel.identity import Permission
from services.ledger.keyring import VoidEntryError, Who
from services.ledger.law import permissions_of, require_permission, signed

CLOSED = "shadow-closed"


def is_asked(request: Mapping[str, Any]) -> bool:
    """The signed terms of a promotion that replaces a version ask for a shadow run."""
    promotes = request.get("purpose", "promotion") == "promotion" and request["from"] is not None
    return promotes and isinstance(request.get("terms", {}).get("shadow"), Mapping)


@dataclass(slots=True, kw_only=True)
class Shadows:
    _ordered: set[int] = field(default_factory=set)
    """Requests, by entry, for which copies were ordered."""
    _closed: dict[int, tuple[str, int, str]] = field(default_factory=dict)
    """By entry: (leaf, entry of the request, digest of the version's files)."""
    _started: set[int] = field(default_factory=set)
    """Requests, by entry, whose version was started after its shadow run."""

    def close(
        self, statement: Statement, who: Who | None, *, request: tuple[str, str] | None, seq: int, leaf: str
    ) -> None:
        """Takes over a closure. `request` is (id, digest) of the request it names; anything amiss closes nothing."""
        predicate = statement.predicate
        detail = predicate["detail"]
        if predicate["event"] != CLOSED or who is None or request is None:
            return
        entry = int(detail["entry"])
        may = Permission.ADVANCE_ROLLOUT in permissions_of(predicate["signer"]["role"])
        if may and entry in self._ordered and request == (detail.get("request"), detail.get("sha256")):
            self._closed[seq] = (leaf, entry, request[1])

    def require(self, statement: Statement, who: Who | None, *, asked: bool) -> None:
        """Raises VoidEntryError for an order of a whole quorum that skips what the quorum asked for."""
        predicate = statement.predicate
        entry = predicate["request"]["entry"]
        if predicate["kind"] == "shadow":
            signed(who)
            require_permission(predicate, Permission.ADVANCE_ROLLOUT)
            if any(route["version"] == predicate["to"]["version"] for route in predicate.get("routes", ())):
                raise VoidEntryError("a shadow run lets the version answer requests")
            self._ordered.add(entry)
            return
        if not asked or (predicate["kind"] == "advance" and entry in self._started):
            return
        cited = predicate.get("shadow")
        if cited is None:
            raise VoidEntryError("its request asks for a shadow run, and it cites no closed one")
        if self._closed.get(cited["entry"]) != (cited["sha256"], entry, statement.subjects[0].sha256):
            raise VoidEntryError("the closed shadow run it cites does not exist, or is of another version")
        self._started.add(entry)
