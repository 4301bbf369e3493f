"""Marked requests that find out who answers: along the routes, or straight to one version."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping

from services.adapters.databricks.changes import Endpoints, InvocationFailed, ServedModel
from services.adapters.databricks.endpoint import Found
from services.rollout.models import Probe


class Probes:
    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def routed(self, target: ServedModel, found: Found, n: int) -> Probe:
        answered: Counter[str] = Counter()
        failed = 0
        for _ in range(n):
            try:
                name, _answer = self._endpoints.invoke(target, _marked(target))
            except InvocationFailed:
                failed += 1
            else:
                answered[name] += 1
        return Probe(answered=self._by_version(target, found, answered), failed=failed)

    def answers(self, target: ServedModel, entity: str) -> bool:
        """Whether this entity itself answers, whatever its share."""
        try:
            self._endpoints.invoke(target, _marked(target), entity=entity)
        except InvocationFailed:
            return False
        return True

    def _by_version(
        self, target: ServedModel, found: Found, answered: Mapping[str, int]
    ) -> tuple[tuple[str, int], ...]:
        """An answer that does not name its entity counts for the one version that can have given it.

        Where several can have, each of them is asked directly instead.
        """
        total: Counter[str] = Counter()
        for name, count in answered.items():
            if name:
                total[found.active.version_of(name)] += count
            elif len(found.active.routes) == 1:
                total[found.active.routes[0][0]] += count
            else:
                routed = [item for item in found.active.entities if found.active.shares.get(item.name, 0)]
                total.update(item.version for item in routed if self.answers(target, item.name))
        return tuple(sorted(total.items()))


def _marked(target: ServedModel) -> dict[str, object]:
    """Telemetry leaves out what carries this id."""
    return {**target.probe, "client_request_id": f"countersign-probe-{secrets.token_hex(8)}"}
