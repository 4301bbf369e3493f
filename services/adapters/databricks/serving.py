"""Databricks Model Serving as rollout.ports.ServingPlatform: served entities, traffic routes, read back.

A candidate is added at 0 % and waited for before anybody gets its answers; from then on only shares change. The
version before stays at 0 % and awake, so the way back is a change of shares too. docs/databricks-serving.md says
which request is sent when, and what only a real workspace can prove.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from services.adapters.databricks.changes import Endpoints, InvocationFailed, ServedModel, busy, unknown
from services.adapters.databricks.client import Workspace
from services.adapters.databricks.endpoint import MAX_ENTITIES, NOTHING, Config, Found
from services.adapters.databricks.marks import Marks
from services.kernel.errors import ArtifactMissingError, ConflictError, InputError, RefusalError
from services.rollout.models import Capabilities, Observed, Probe
from services.rollout.serving_ports import ConfigSnapshot, ConfigSnapshots, JobPins

_ENDPOINT = Capabilities(
    mirror="replay",
    cas=False,
    sticky=False,
    can_cancel_update=False,
    max_versions=MAX_ENTITIES,
    telemetry_lag_seconds=3600.0,
    granularity=1,
    modes=("live",),
)
_JOB = replace(_ENDPOINT, mirror="none", max_versions=1, granularity=100)
_BATCH = "It is a batch job: the next run uses the pinned version, and nothing answers in between."


class DatabricksServing:
    """`endpoints` and `jobs` name the deployments; everything about them is read from the workspace each time."""

    def __init__(
        self,
        workspace: Workspace,
        endpoints: Mapping[str, ServedModel],
        *,
        snapshots: ConfigSnapshots,
        now: Callable[[], datetime],
        jobs: JobPins | None = None,
    ) -> None:
        self._targets = dict(endpoints)
        self._endpoints = Endpoints(workspace, snapshots, now)
        self._snapshots = snapshots
        self._jobs = jobs
        self._now = now

    # The port -------------------------------------------------------------------------------------------------

    def deployments(self) -> tuple[str, ...]:
        """Those that were configured, whether or not their endpoint exists yet."""
        self._endpoints.names()
        return tuple(sorted({*self._targets, *self._batch()}))

    def capabilities(self, deployment: str) -> Capabilities:
        if deployment in self._batch():
            return _JOB
        self._target(deployment)
        return _ENDPOINT

    def observe(self, deployment: str) -> Observed:
        if self._jobs and deployment in self._batch():
            return self._jobs.pinned(deployment)
        return self._observed(deployment, self._endpoints.find(self._target(deployment)))

    def ensure_ready(self, deployment: str, version: str, *, op: str) -> bool:
        """Ready means: the platform says so, and the version's own address answers.

        Raises ConflictError when a person cancelled the update that was to add it.
        """
        if deployment in self._batch():
            return True
        target = self._target(deployment)
        found = self._endpoints.find(target)
        if found is None:
            first = NOTHING.with_version(version, target.model, _defaults(target))
            self._endpoints.create(target, first, Marks(loading=f"{version} {op}"))
            return False
        if found.active.entity(version):
            return self._is_serving(target, found, version)
        if found.pending and (coming := found.pending.entity(version)):
            if coming.is_broken:
                raise _unloadable(deployment, version, coming.message)
            if found.update == "running":
                return False
        if found.update == "running":
            raise busy(target)
        self._require_addable(deployment, found, version, op)
        self._add(deployment, target, found, version, op)
        return False

    def set_routes(
        self, deployment: str, routes: tuple[tuple[str, int], ...], *, expect_generation: int, op: str
    ) -> Observed:
        """Returns as soon as the platform accepted it; `update` says whether it is done."""
        require_possible(routes)
        if self._jobs and deployment in self._batch():
            if len(routes) != 1:
                raise InputError(f"{deployment} is a batch job: one version scores the whole run.")
            return self._jobs.pin(deployment, routes[0][0], expect_generation=expect_generation, op=op)
        target = self._target(deployment)
        found = self._existing(target)
        if self._is_done(found, op):
            return self._observed(deployment, found)
        if found.update == "running":
            raise busy(target)
        self._require_current(deployment, found, expect_generation)
        wanted = found.active.routed(routes)
        mirror = None if found.marks.mirror and found.marks.mirror[0] in dict(routes) else found.marks.mirror
        found = self._endpoints.claim(target, found, _claimed(found, op, wanted=wanted.essence, mirror=mirror))
        if found.active.essence != wanted.essence:
            found = self._endpoints.send(target, found, wanted, deployment=deployment, op=op)
        return self._observed(deployment, found)

    def set_mirror(
        self, deployment: str, version: str | None, percent: int, *, expect_generation: int, op: str
    ) -> Observed:
        """Records the wish; a replayer sends logged requests again. Nothing is copied while callers wait."""
        if deployment in self._batch():
            raise InputError(f"{deployment} has no requests to send again. {_BATCH}")
        target = self._target(deployment)
        found = self._existing(target)
        if found.marks.op == op:
            return self._observed(deployment, found)
        if found.update == "running":
            raise busy(target)
        self._require_current(deployment, found, expect_generation)
        if version is not None:
            _require_mirrorable(deployment, found.active, version, percent)
        mirror = (version, percent) if version is not None else None
        marks = _claimed(found, op, wanted=found.active.essence, mirror=mirror)
        return self._observed(deployment, self._endpoints.claim(target, found, marks))

    def set_mode(self, deployment: str, mode: str, *, expect_generation: int, op: str) -> Observed:
        """`live` only: the platform has no switch that makes an endpoint answer from a table, or stop answering."""
        del op
        observed = self.observe(deployment)
        if observed.generation != expect_generation:
            raise _stale(deployment, observed.generation)
        if mode != "live":
            raise InputError(
                f"A Databricks endpoint cannot be switched to {mode}: it answers, or it is deleted.",
                hint="Point the consumers of this model at the table of its last batch scores, or take CAN_QUERY "
                "away from them; docs/databricks-serving.md says how.",
            )
        return observed

    def probe_routed(self, deployment: str, n: int) -> Probe:
        if deployment in self._batch():
            return Probe(answered=(), failed=n)
        target = self._target(deployment)
        found = self._endpoints.find(target)
        answered: Counter[str] = Counter()
        failed = 0
        for _ in range(n if found else 0):
            try:
                name, _answer = self._endpoints.invoke(target, _marked(target))
            except InvocationFailed:
                failed += 1
            else:
                answered[name] += 1
        if found is None:
            return Probe(answered=(), failed=n)
        return Probe(answered=self._by_version(target, found, answered), failed=failed)

    def probe_version(self, deployment: str, version: str) -> Probe:
        if deployment in self._batch():
            return Probe(answered=(), failed=1)
        target = self._target(deployment)
        found = self._endpoints.find(target)
        entity = found.active.entity(version) if found else None
        if entity is None or not self._answers(target, entity.name):
            return Probe(answered=(), failed=1)
        return Probe(answered=((version, 1),), failed=0)

    # Beyond the port ------------------------------------------------------------------------------------------

    def snapshots(self, deployment: str) -> tuple[ConfigSnapshot, ...]:
        """The configurations before each change, newest first."""
        self._target(deployment)
        return self._snapshots.snapshots(deployment)

    def line_to(self, deployment: str, version: str) -> Callable[[Mapping[str, object]], Mapping[str, object]]:
        """Sends requests straight to a version, past the routes; each may raise InvocationFailed.

        Raises InputError when the version is not loaded, ServingUnavailableError.
        """
        target = self._target(deployment)
        entity = self._existing(target).active.entity(version)
        if entity is None:
            raise InputError(f"Version {version} is not loaded on endpoint {target.endpoint}.")
        name = entity.name
        return lambda body: self._endpoints.invoke(target, dict(body), entity=name)[1]

    # Reading --------------------------------------------------------------------------------------------------

    def _batch(self) -> tuple[str, ...]:
        return self._jobs.jobs() if self._jobs else ()

    def _target(self, deployment: str) -> ServedModel:
        if deployment not in self._targets:
            raise unknown(deployment)
        return self._targets[deployment]

    def _existing(self, target: ServedModel) -> Found:
        found = self._endpoints.find(target)
        if found is None:
            raise InputError(f"Endpoint {target.endpoint} does not exist yet.", hint="Load a version first.")
        return found

    def _observed(self, deployment: str, found: Found | None) -> Observed:
        if found is None:
            return Observed(deployment=deployment, generation=0, routes=(), ready=(), op="", at=self._now())
        return Observed(
            deployment=deployment,
            generation=found.generation,
            routes=found.active.routes,
            ready=tuple(sorted({item.version for item in found.active.entities if item.is_ready})),
            op=found.marks.op,
            at=self._now(),
            mirror=found.marks.mirror,
            update=found.update,
            pending=found.pending.routes if found.pending and found.update == "running" else (),
        )

    def _is_done(self, found: Found, op: str) -> bool:
        """The operation was accepted before, and what it wanted is there or on its way."""
        if found.marks.op != op or not found.marks.wanted:
            return False
        if found.update == "running":
            return found.pending is not None and found.pending.essence == found.marks.wanted
        return found.active.essence == found.marks.wanted

    def _is_serving(self, target: ServedModel, found: Found, version: str) -> bool:
        entity = found.active.entity(version)
        if entity is None:
            return False
        if entity.is_broken:
            raise _unloadable(target.endpoint, version, entity.message)
        return entity.is_ready and self._answers(target, entity.name)

    def _answers(self, target: ServedModel, entity: str) -> bool:
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
                total.update(item.version for item in routed if self._answers(target, item.name))
        return tuple(sorted(total.items()))

    # Changing -------------------------------------------------------------------------------------------------

    def _require_current(self, deployment: str, found: Found, expect_generation: int) -> None:
        if found.generation != expect_generation:
            raise _stale(deployment, found.generation)

    def _require_addable(self, deployment: str, found: Found, version: str, op: str) -> None:
        if found.marks.loading == f"{version} {op}" and found.update == "failed":
            raise _unloadable(deployment, version, "the platform gave the update up.")
        if found.marks.loading == f"{version} {op}" and found.update == "cancelled":
            raise ConflictError(
                f"The update that was to load version {version} on {found.name} was cancelled in the workspace.",
                hint="Nothing was sent again. Ask who cancelled it; a new release tries once more.",
            )
        if len(found.active.entities) >= MAX_ENTITIES:
            idle = ", ".join(item.version for item in found.active.entities if not found.active.shares[item.name])
            raise RefusalError(
                f"Endpoint {found.name} holds {MAX_ENTITIES} versions already, which is the most it can.",
                hint=f"Remove one that answers nobody and is no way back any more; at 0 % are: {idle or 'none'}.",
            )

    def _add(self, deployment: str, target: ServedModel, found: Found, version: str, op: str) -> None:
        wanted = found.active.with_version(version, target.model, _defaults(target))
        found = self._endpoints.claim(target, found, replace(found.marks, loading=f"{version} {op}"))
        try:
            self._endpoints.send(target, found, wanted, deployment=deployment, op=f"load-{version}-{op}")
        except InputError as refused:
            raise _unloadable(deployment, version, refused.message) from refused


def require_possible(routes: tuple[tuple[str, int], ...]) -> None:
    """Raises InputError unless the shares are whole percents of different versions that sum to 100."""
    shares = [share for _, share in routes]
    versions = [version for version, _ in routes]
    if sum(shares) != 100 or any(not 0 <= share <= 100 for share in shares) or len(set(versions)) != len(versions):
        raise InputError("Routes must be whole percents of different versions that sum to 100.")


def _require_mirrorable(deployment: str, active: Config, version: str, percent: int) -> None:
    entity = active.entity(version)
    if entity is None or not entity.is_ready:
        raise InputError(f"Version {version} is not loaded on {deployment}.")
    if active.shares[entity.name]:
        raise InputError(f"Version {version} of {deployment} answers callers already.")
    if not 0 < percent <= 100:
        raise InputError("Between 1 and 100 percent of the requests can be sent again.")


def _claimed(found: Found, op: str, *, wanted: str, mirror: tuple[str, int] | None) -> Marks:
    accepted = found.marks.accepted + (0 if found.marks.op == op else 1)
    return replace(found.marks, op=op, accepted=accepted, wanted=wanted, mirror=mirror)


def _marked(target: ServedModel) -> dict[str, object]:
    return {**target.probe, "client_request_id": f"countersign-probe-{secrets.token_hex(8)}"}


def _defaults(target: ServedModel) -> dict[str, str]:
    return {"workload_size": target.workload_size, "workload_type": target.workload_type}


def _stale(deployment: str, generation: int) -> ConflictError:
    return ConflictError(
        f"Traffic of {deployment} was changed meanwhile: generation {generation}.",
        hint="Read the current state and try again.",
    )


def _unloadable(deployment: str, version: str, why: str) -> ArtifactMissingError:
    return ArtifactMissingError(
        f"Version {version} of {deployment} cannot be loaded: {why or 'the platform gave no reason.'}",
        hint="The build logs of the served entity in the workspace say more.",
    )
