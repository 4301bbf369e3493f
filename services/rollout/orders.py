"""What the ledger last ordered for a model: read from signed entries, never from the rows that describe them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.kernel.errors import TrustError
from services.rollout.differences import Ordered, OrderedVersion
from services.rollout.models import Action
from services.rollout.ports import Attestations, RolloutStore

_REMEMBERED = 10_000


class Orders:
    """Verifying an entry costs signatures, and entries never change: an order is verified once, until a newer one."""

    def __init__(self, attestations: Attestations) -> None:
        self._attestations = attestations
        self._known: dict[tuple[object, ...], Ordered] = {}

    def last(self, rollouts: RolloutStore, model: str) -> Ordered | None:
        """None while nothing was ever carried out. `broken` says so when rows and signed entries disagree."""
        applied = rollouts.applied(model)
        if not applied:
            return None
        outcome = rollouts.last_outcome(model)
        key = (model, outcome, *((item.action_id, item.seq_intent, item.leaf_intent) for item in applied))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._read(applied, outcome)
        return known

    def _read(self, applied: tuple[Action, ...], outcome: int | None) -> Ordered:
        newest = applied[0]
        by_version = {item.to_version: item for item in applied}
        broken = ""
        routes, champion = newest.routes, newest.champion
        try:
            signed = self._attestations.require_valid(newest.seq_intent, newest.leaf_intent)
            routes = tuple((str(item["version"]), int(item["share"])) for item in signed.get("routes", ()))
            champion = str(signed.get("champion", ""))
            if signed.get("id") != newest.action_id or outcome != newest.seq_outcome:
                broken = f"The stored releases end with another order than the ledger (entry {outcome})."
        except TrustError as wrong:
            broken = f"The order behind what serves does not verify. {wrong.message}"
        wanted = dict.fromkeys([*(version for version, _ in routes), champion])
        try:
            versions = tuple(self._version(by_version[name]) for name in wanted if name in by_version)
        except TrustError as wrong:
            versions, broken = (), broken or f"An order behind what serves does not verify. {wrong.message}"
        return Ordered(
            routes=routes, champion=champion, versions=versions, outcome_seq=newest.seq_outcome or 0, broken=broken
        )

    def _version(self, action: Action) -> OrderedVersion:
        signed = self._attestations.require_valid(action.seq_intent, action.leaf_intent)
        facts = self._registered(signed.get("request"))
        return OrderedVersion(
            version=action.to_version,
            manifest_sha256=str(signed["to"].get("digest", {}).get("sha256", "")),
            tag=action.action_id,
            run_id=facts.get("runId", ""),
            created_at=facts.get("creationTime", ""),
            source=facts.get("source", ""),
        )

    def _registered(self, cited: Mapping[str, Any] | None) -> Mapping[str, str]:
        """What the signed request says about the version in the registry; nothing for an order without a request."""
        if not cited:
            return {}
        asked = self._attestations.require_cited(cited["entry"], cited["digest"]["sha256"])
        return dict(asked.subjects[0].annotations)
