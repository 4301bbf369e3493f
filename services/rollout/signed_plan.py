"""The rollback plan a quorum signed with its promotion: when, and to what, the machine may roll back by itself.

It is read from the signed request, never from a row, and only while the release it was signed for serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.kernel.errors import TrustError
from services.policy.models import UNITS, RollbackRule
from services.rollout.models import Action, ActionKind, ActionState, Basis, Deployment
from services.rollout.ports import Attestations, RolloutStore

_FORWARD = {ActionKind.START, ActionKind.ADVANCE, ActionKind.ADOPT, ActionKind.EMERGENCY}
_MOVES_NOTHING = {ActionKind.REVERT, ActionKind.SHADOW, ActionKind.ABORT}
_LOOKED_AT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPlan:
    request: Basis
    version: str
    """The version it was signed for."""
    to: str
    sha256: str
    rules: tuple[RollbackRule, ...]
    machine: str
    """Key id of the machine it was signed for."""
    signers: tuple[str, ...]

    def rule(self, rule_id: str) -> RollbackRule | None:
        return next((item for item in self.rules if item.id == rule_id), None)


class SignedPlans:
    def __init__(self, attestations: Attestations) -> None:
        self._attestations = attestations
        self._known: dict[tuple[int, str], SignedPlan | None] = {}

    def of(self, rollouts: RolloutStore, row: Deployment) -> SignedPlan | None:
        """The plan of the release that serves now; None when it carries none, or when its record does not verify."""
        version = row.candidate or row.champion
        brought = _brought_by(rollouts, row.model, version) if version else None
        if brought is None or brought.request_id is None:
            return None
        return self.of_request(rollouts, brought.request_id, version)

    def of_request(self, rollouts: RolloutStore, request_id: str, version: str) -> SignedPlan | None:
        """The plan that was signed with this request for this version, whether it serves or not."""
        request = rollouts.basis(request_id)
        if request is None:
            return None
        key = (request.request_seq, request.request_sha256)
        if key not in self._known:
            self._known[key] = self._read(request, version)
        return self._known[key]

    def _read(self, request: Basis, version: str) -> SignedPlan | None:
        try:
            said = self._attestations.require_cited(request.request_seq, request.request_sha256).predicate
            signers = [self._attestations.require_valid(seq, leaf)["signer"]["name"] for seq, leaf in request.decisions]
        except TrustError:
            return None  # what does not verify allows the machine nothing
        stated = said.get("rollback")
        if not stated or said.get("to", {}).get("version") != version or stated["to"] == version:
            return None
        return SignedPlan(
            request=request,
            version=version,
            to=str(stated["to"]),
            sha256=str(stated["digest"]["sha256"]),
            rules=tuple(_rule(item) for item in stated["rules"]),
            machine=str(stated.get("machine") or ""),
            signers=tuple(dict.fromkeys(signers)),
        )


def plan_words(signed: SignedPlan | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(one sentence per rule, names of those who signed); both empty without a plan."""
    if signed is None:
        return (), ()
    return tuple(f"{rule.sentence}: back to version {signed.to}." for rule in signed.rules), signed.signers


def _brought_by(rollouts: RolloutStore, model: str, version: str) -> Action | None:
    """The action that brought the version to where it is; putting back, copying and ending a shadow are not."""
    for action in rollouts.actions(model, _LOOKED_AT):
        if action.state is ActionState.APPLIED and action.kind not in _MOVES_NOTHING:
            return action if action.to_version == version and action.kind in _FORWARD else None
    return None


def _rule(stated: Mapping[str, Any]) -> RollbackRule:
    return RollbackRule(
        id=str(stated["id"]),
        measure=str(stated["measure"]),
        above=str(stated["above"]),
        unit=UNITS.get(str(stated["measure"]), ""),
        window_minutes=int(stated["windowMinutes"]),
        min_requests=int(stated["minRequests"]),
    )
