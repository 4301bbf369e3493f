"""An in-memory serving platform with the port's signature, fault switches, and state a test may read afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.kernel.errors import ArtifactMissingError, ConflictError, InputError, ServingUnavailableError
from services.rollout.models import Capabilities, Observed, Probe

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


CAPABILITIES = Capabilities(
    mirror="live",
    cas=True,
    sticky=True,
    can_cancel_update=False,
    max_versions=10,
    telemetry_lag_seconds=2.0,
    granularity=1,
)


@dataclass
class FakeDeployment:
    generation: int = 0
    routes: tuple[tuple[str, int], ...] = ()
    ready: set[str] = field(default_factory=set)
    ops: list[str] = field(default_factory=list)
    mirror: tuple[str, int] | None = None
    mode: str = "live"
    update: str = "idle"
    pending: tuple[tuple[str, int], ...] = ()


class FakeServing:
    """`away` makes every call fail; `missing` versions can never be loaded; `slow` ones need a second call.

    `silent` versions are loaded and do not answer; `can` says what the platform can do, for every deployment.
    """

    def __init__(self, *names: str, now: Callable[[], datetime] = lambda: NOON) -> None:
        self.state = {name: FakeDeployment() for name in names}
        self.away = False
        self.missing: set[tuple[str, str]] = set()
        self.slow: set[tuple[str, str]] = set()
        self.silent: set[tuple[str, str]] = set()
        self.can = CAPABILITIES
        self._now = now

    def deployments(self) -> tuple[str, ...]:
        self._answer()
        return tuple(self.state)

    def capabilities(self, deployment: str) -> Capabilities:
        self._find(deployment)
        return self.can

    def observe(self, deployment: str) -> Observed:
        found = self._find(deployment)
        return Observed(
            deployment=deployment,
            generation=found.generation,
            routes=found.routes,
            ready=tuple(sorted(found.ready)),
            op=found.ops[-1] if found.ops else "",
            at=self._now(),
            mirror=found.mirror,
            mode=found.mode,
            update=found.update,
            pending=found.pending,
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
        self._require_current(deployment, expect_generation)
        if sum(share for _, share in routes) != 100 or any(share < 0 for _, share in routes):
            raise InputError("Routes must be whole percents that sum to 100.")
        unknown = [version for version, share in routes if share and version not in found.ready]
        if unknown:
            raise InputError(f"Version {unknown[0]} of {deployment} was never loaded here.")
        found.routes = tuple((version, share) for version, share in routes if share)
        if found.mirror and found.mirror[0] in dict(found.routes):
            found.mirror = None
        return self._accepted(deployment, op)

    def set_mirror(
        self, deployment: str, version: str | None, percent: int, *, expect_generation: int, op: str
    ) -> Observed:
        found = self._find(deployment)
        if op in found.ops:
            return self.observe(deployment)
        self._require_current(deployment, expect_generation)
        if version is not None:
            if self.can.mirror != "live":
                raise InputError("This platform has no copies of live requests.")
            if version not in found.ready or not 0 < percent <= 100:
                raise InputError(f"Version {version} of {deployment} was never loaded here.")
            if version in dict(found.routes):
                raise InputError(f"Version {version} of {deployment} answers callers already.")
        found.mirror = (version, percent) if version is not None else None
        return self._accepted(deployment, op)

    def set_mode(self, deployment: str, mode: str, *, expect_generation: int, op: str) -> Observed:
        found = self._find(deployment)
        if op in found.ops:
            return self.observe(deployment)
        self._require_current(deployment, expect_generation)
        if mode not in {"live", "batch_only", "off"}:
            raise InputError(f"A mode is live, batch_only or off, not {mode}.")
        if mode == "live" and any((deployment, version) in self.silent for version, _ in found.routes):
            raise ServingUnavailableError(f"A routed version of {deployment} is not ready.")
        found.mode = mode
        return self._accepted(deployment, op)

    def _accepted(self, deployment: str, op: str) -> Observed:
        self.state[deployment].generation += 1
        self.state[deployment].ops.append(op)
        return self.observe(deployment)

    def _require_current(self, deployment: str, expect_generation: int) -> None:
        generation = self.state[deployment].generation
        if expect_generation != generation:
            raise ConflictError(f"Traffic of {deployment} was changed meanwhile: generation {generation}.")

    def probe_routed(self, deployment: str, n: int) -> Probe:
        found = self._find(deployment)
        if not found.routes:
            return Probe(answered=(), failed=n)
        shares = sorted(found.routes, key=lambda route: -route[1])
        first = max(1, round(n * shares[0][1] / 100))
        counts = [(shares[0][0], first), *((version, n - first) for version, _ in shares[1:])]
        return Probe(answered=tuple(sorted((version, count) for version, count in counts if count)), failed=0)

    def probe_version(self, deployment: str, version: str) -> Probe:
        if version in self._find(deployment).ready and (deployment, version) not in self.silent:
            return Probe(answered=((version, 1),), failed=0)
        return Probe(answered=(), failed=1)

    def _find(self, deployment: str) -> FakeDeployment:
        self._answer()
        if deployment not in self.state:
            raise InputError(f"There is no deployment named {deployment}.")
        return self.state[deployment]

    def _answer(self) -> None:
        if self.away:
            raise ServingUnavailableError("The endpoint is not reachable.", hint="Start it with `make run`.")
