"""Databricks Model Serving as rollout.ports.ServingPlatform: served entities, traffic routes, read back.

A candidate is added at 0 % and waited for before anybody gets its answers; from then on only shares change. The
version before stays at 0 % and awake, so the way back is a change of shares too. docs/databricks-serving.md says
which request is sent when, and what only a real workspace can prove.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from services.adapters.databricks.changes import Endpoints, ServedModel, busy, unknown
from services.adapters.databricks.client import Workspace
from services.adapters.databricks.endpoint import MAX_ENTITIES, NOTHING, Found
from services.adapters.databricks.marks import Marks
from services.adapters.databricks.probing import Probes
from services.adapters.databricks.rules import (
    claimed,
    defaults,
    require_addable,
    require_current,
    require_mirrorable,
    require_possible,
    stale,
    unloadable,
)
from services.kernel.errors import InputError
from services.rollout.models import Capabilities, Observed, Probe
from services.rollout.serving_ports import ConfigSnapshot, ConfigSnapshots, JobPins, ServedEntity

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
        self._probes = Probes(self._endpoints)
        self._snapshots = snapshots
        self._jobs = jobs
        self._now = now

    # The port -------------------------------------------------------------------------------------------------

    def deployments(self) -> tuple[str, ...]:
        """Those that were configured, whether or not their endpoint exists yet."""
        self._endpoints.names()
        return tuple(sorted({*self._targets, *self._batch()}))

    def entities(self) -> tuple[ServedEntity, ...]:
        """Of every endpoint of the workspace, also those that nobody configured here."""
        return self._endpoints.served()

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
            first = NOTHING.with_version(version, target.model, defaults(target))
            self._endpoints.create(target, first, Marks(loading=f"{version} {op}"))
            return False
        if found.active.entity(version):
            return self._is_serving(target, found, version)
        if found.pending and (coming := found.pending.entity(version)):
            if coming.is_broken:
                raise unloadable(deployment, version, coming.message)
            if found.update == "running":
                return False
        if found.update == "running":
            raise busy(target)
        require_addable(deployment, found, version, op)
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
        require_current(deployment, found, expect_generation)
        wanted = found.active.routed(routes)
        mirror = None if found.marks.mirror and found.marks.mirror[0] in dict(routes) else found.marks.mirror
        found = self._endpoints.claim(target, found, claimed(found, op, wanted=wanted.essence, mirror=mirror))
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
        require_current(deployment, found, expect_generation)
        if version is not None:
            require_mirrorable(deployment, found.active, version, percent)
        mirror = (version, percent) if version is not None else None
        marks = claimed(found, op, wanted=found.active.essence, mirror=mirror)
        return self._observed(deployment, self._endpoints.claim(target, found, marks))

    def set_mode(self, deployment: str, mode: str, *, expect_generation: int, op: str) -> Observed:
        """`live` only: the platform has no switch that makes an endpoint answer from a table, or stop answering."""
        del op
        observed = self.observe(deployment)
        if observed.generation != expect_generation:
            raise stale(deployment, observed.generation)
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
        return self._probes.routed(target, found, n) if found else Probe(answered=(), failed=n)

    def probe_version(self, deployment: str, version: str) -> Probe:
        if deployment in self._batch():
            return Probe(answered=(), failed=1)
        target = self._target(deployment)
        found = self._endpoints.find(target)
        entity = found.active.entity(version) if found else None
        if entity is None or not self._probes.answers(target, entity.name):
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
            raise unloadable(target.endpoint, version, entity.message)
        return entity.is_ready and self._probes.answers(target, entity.name)

    # Changing -------------------------------------------------------------------------------------------------

    def _add(self, deployment: str, target: ServedModel, found: Found, version: str, op: str) -> None:
        wanted = found.active.with_version(version, target.model, defaults(target))
        found = self._endpoints.claim(target, found, replace(found.marks, loading=f"{version} {op}"))
        try:
            self._endpoints.send(target, found, wanted, deployment=deployment, op=f"load-{version}-{op}")
        except InputError as refused:
            raise unloadable(deployment, version, refused.message) from refused
