"""A serving platform in one JSON file: traffic survives a killed process, stale generations are refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.kernel.errors import ArtifactMissingError, ConflictError, InputError, ServingUnavailableError
from services.rollout.models import Observed, Probe


class FilePlatform:
    """Satisfies rollout.ports.ServingPlatform."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.away = False
        self.loading: set[str] = set()
        self.unloadable: set[str] = set()
        if not file.exists():
            self._write({})

    def deployments(self) -> tuple[str, ...]:
        return tuple(self._reachable())

    def observe(self, deployment: str) -> Observed:
        state = self._reachable().get(deployment, {"generation": 0, "routes": [], "op": ""})
        routes = tuple((version, share) for version, share in state["routes"])
        return Observed(
            deployment=deployment,
            generation=state["generation"],
            routes=routes,
            ready=tuple(version for version, _ in routes),
            op=state["op"],
            at=datetime(2030, 1, 1, tzinfo=UTC),
        )

    def ensure_ready(self, deployment: str, version: str, *, op: str) -> bool:
        self._reachable()
        if version in self.unloadable:
            raise ArtifactMissingError(f"Version {version} cannot be loaded.")
        return version not in self.loading

    def set_routes(
        self, deployment: str, routes: tuple[tuple[str, int], ...], *, expect_generation: int, op: str
    ) -> Observed:
        state = self._reachable()
        current = state.get(deployment, {"generation": 0, "routes": [], "op": "", "switches": []})
        if current["op"] == op:
            return self.observe(deployment)
        if sum(share for _, share in routes) != 100:
            raise InputError("Routes must sum to 100.")
        if current["generation"] != expect_generation:
            raise ConflictError("Stale generation.")
        state[deployment] = {
            "generation": expect_generation + 1,
            "routes": routes,
            "op": op,
            "switches": [*current.get("switches", []), op],
        }
        self._write(state)
        return self.observe(deployment)

    def switches(self, deployment: str) -> list[str]:
        """Operations that changed traffic, in order."""
        return self._read().get(deployment, {}).get("switches", [])

    def move_by_hand(self, deployment: str, routes: tuple[tuple[str, int], ...]) -> None:
        state = self._read()
        state[deployment] = state[deployment] | {
            "routes": routes,
            "generation": state[deployment]["generation"] + 1,
            "op": "by-hand",
        }
        self._write(state)

    def probe_routed(self, deployment: str, n: int) -> Probe:
        routes = self.observe(deployment).routes
        return Probe(answered=tuple((version, n * share // 100 or 1) for version, share in routes), failed=0)

    def _reachable(self) -> dict[str, Any]:
        if self.away:
            raise ServingUnavailableError("The local endpoint does not answer.")
        return self._read()

    def _read(self) -> dict[str, Any]:
        return json.loads(self._file.read_text())

    def _write(self, state: dict[str, Any]) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(state))
        part.replace(self._file)
