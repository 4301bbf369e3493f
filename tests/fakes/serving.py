"""An in-memory serving platform with the port's signature, fault switches, and state a test may read afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.kernel.errors import ArtifactMissingError, ConflictError, InputError, ServingUnavailableError
from services.rollout.models import Observed, Probe

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@dataclass
class FakeDeployment:
    generation: int = 0
    routes: tuple[tuple[str, int], ...] = ()
    ready: set[str] = field(default_factory=set)
    ops: list[str] = field(default_factory=list)


class FakeServing:
    """`away` makes every call fail; `missing` versions can never be loaded; `slow` ones need a second call."""

    def __init__(self, *names: str, now: Callable[[], datetime] = lambda: NOON) -> None:
        self.state = {name: FakeDeployment() for name in names}
        self.away = False
        self.missing: set[tuple[str, str]] = set()
        self.slow: set[tuple[str, str]] = set()
        self._now = now

    def deployments(self) -> tuple[str, ...]:
        self._answer()
        return tuple(self.state)

    def observe(self, deployment: str) -> Observed:
        found = self._find(deployment)
        return Observed(
            deployment=deployment,
            generation=found.generation,
            routes=found.routes,
            ready=tuple(sorted(found.ready)),
            op=found.ops[-1] if found.ops else "",
            at=self._now(),
        )

    def ensure_ready(self, deployment: str, version: str, *, op: str) -> bool:
        found = self._find(deployment)
        if (deployment, version) in self.missing:
            raise ArtifactMissingError(f"Version {version} of {deployment} cannot be loaded: its files are gone.")
        if (deployment, version) in self.slow:
            self.slow.discard((deployment, version))
            return False
        found.ready.add(version)
        return True

    def set_routes(
        self, deployment: str, routes: tuple[tuple[str, int], ...], *, expect_generation: int, op: str
    ) -> Observed:
        found = self._find(deployment)
        if op in found.ops:
            return self.observe(deployment)
        if expect_generation != found.generation:
            raise ConflictError(f"Traffic of {deployment} was changed meanwhile: generation {found.generation}.")
        if sum(share for _, share in routes) != 100 or any(share < 0 for _, share in routes):
            raise InputError("Routes must be whole percents that sum to 100.")
        unknown = [version for version, share in routes if share and version not in found.ready]
        if unknown:
            raise InputError(f"Version {unknown[0]} of {deployment} was never loaded here.")
        found.routes = tuple((version, share) for version, share in routes if share)
        found.generation += 1
        found.ops.append(op)
        return self.observe(deployment)

    def probe_routed(self, deployment: str, n: int) -> Probe:
        found = self._find(deployment)
        if not found.routes:
            return Probe(answered=(), failed=n)
        shares = sorted(found.routes, key=lambda route: -route[1])
        first = max(1, round(n * shares[0][1] / 100))
        counts = [(shares[0][0], first), *((version, n - first) for version, _ in shares[1:])]
        return Probe(answered=tuple(sorted((version, count) for version, count in counts if count)), failed=0)

    def _find(self, deployment: str) -> FakeDeployment:
        self._answer()
        if deployment not in self.state:
            raise InputError(f"There is no deployment named {deployment}.")
        return self.state[deployment]

    def _answer(self) -> None:
        if self.away:
            raise ServingUnavailableError("The endpoint is not reachable.", hint="Start it with `make run`.")
