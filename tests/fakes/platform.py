"""A serving platform in one JSON file: traffic survives a killed process, stale generations are refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.kernel.errors import ArtifactMissingError, ConflictError, InputError, ServingUnavailableError
from services.rollout.models import Capabilities, Observed, Probe
from tests.fakes.serving import CAPABILITIES

_EMPTY: dict[str, Any] = {"generation": 0, "routes": [], "op": ""}


class FilePlatform:
    """Satisfies rollout.ports.ServingPlatform."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.away = False
        self.loading: set[str] = set()
        self.unloadable: set[str] = set()
        self.mute = False
        """Routed probes are not answered, whatever the routes say."""
        if not file.exists():
            self._write({})

    def deployments(self) -> tuple[str, ...]:
        return tuple(self._reachable())

    def capabilities(self, deployment: str) -> Capabilities:
        self._reachable()
        return CAPABILITIES

    def observe(self, deployment: str) -> Observed:
        state = self._reachable().get(deployment, {"generation": 0, "routes": [], "op": ""})
        routes = tuple((version, share) for version, share in state["routes"])
        mirror = state.get("mirror")
        return Observed(
            deployment=deployment,
            generation=state["generation"],
            routes=routes,
            ready=tuple(version for version, _ in routes),
            op=state["op"],
            at=datetime(2030, 1, 1, tzinfo=UTC),
            mirror=(mirror[0], mirror[1]) if mirror else None,
            mode=state.get("mode", "live"),
        )

    def ensure_ready(self, deployment: str, version: str, *, op: str) -> bool:
        self._reachable()
        if version in self.unloadable:
            raise ArtifactMissingError(f"Version {version} cannot be loaded.")
        return version not in self.loading

    def set_routes(
        self, deployment: str, routes: tuple[tuple[str, int], ...], *, expect_generation: int, op: str
    ) -> Observed:
        if sum(share for _, share in routes) != 100:
            raise InputError("Routes must sum to 100.")
        mirror = self._reachable().get(deployment, _EMPTY).get("mirror")
        kept = None if mirror and mirror[0] in dict(routes) else mirror
        return self._change(deployment, expect_generation, op, routes=routes, mirror=kept)

    def set_mirror(
        self, deployment: str, version: str | None, percent: int, *, expect_generation: int, op: str
    ) -> Observed:
        mirror = (version, percent) if version is not None else None
        return self._change(deployment, expect_generation, op, mirror=mirror)

    def set_mode(self, deployment: str, mode: str, *, expect_generation: int, op: str) -> Observed:
        return self._change(deployment, expect_generation, op, mode=mode)

    def _change(self, deployment: str, expect_generation: int, op: str, **fields: Any) -> Observed:
        state = self._reachable()
        current = state.get(deployment, _EMPTY)
        if current["op"] != op:
            if current["generation"] != expect_generation:
                raise ConflictError("Stale generation.")
            switches = [*current.get("switches", []), op]
            done = {"generation": expect_generation + 1, "op": op, "switches": switches}
            state[deployment] = current | done | fields
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
        if self.mute:
            return Probe(answered=(), failed=n)
        return Probe(answered=tuple((version, n * share // 100 or 1) for version, share in routes), failed=0)

    def probe_version(self, deployment: str, version: str) -> Probe:
        self._reachable()
        if version in self.unloadable | self.loading:
            return Probe(answered=(), failed=1)
        return Probe(answered=((version, 1),), failed=0)

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
