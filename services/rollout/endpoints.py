"""All endpoints as the platform serves them now. What could not be read is shown as last known, with its age."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Protocol

from services.kernel.errors import ControlRoomError, ServingUnavailableError
from services.rollout.endpoint_models import EndpointReading, EndpointVersion, EndpointView
from services.rollout.models import Deployment, Observed
from services.rollout.ports import RolloutUnits, ServingPlatform

_OURS = 200


class EndpointSight(Protocol):
    """The part of a platform that shows; it never changes anything."""

    def readings(self) -> tuple[EndpointReading, ...]:
        """Every deployment there is. Raises ServingUnavailableError."""
        ...


class PlainSight:
    """For a platform that tells routes and readiness only."""

    def __init__(self, serving: ServingPlatform) -> None:
        self._serving = serving

    def readings(self) -> tuple[EndpointReading, ...]:
        return tuple(plain(self._serving.observe(name)) for name in self._serving.deployments())


def plain(observed: Observed) -> EndpointReading:
    """A reading without figures: versions that are routed, copied to, or ready."""
    named = [*(version for version, _ in observed.routes), *([observed.mirror[0]] if observed.mirror else [])]
    versions = dict.fromkeys([*named, *observed.ready])
    return EndpointReading(observed=observed, versions=tuple(_version(observed, name) for name in versions))


def role_of(observed: Observed, version: str) -> str:
    if observed.share(version):
        return "live"
    if observed.mirror is not None and observed.mirror[0] == version:
        return "mirror"
    return "warm" if version in observed.ready else ""


def _version(observed: Observed, version: str) -> EndpointVersion:
    state = "ready" if version in observed.ready else "absent"
    return EndpointVersion(version=version, state=state, role=role_of(observed, version), share=observed.share(version))


class EndpointService:
    """Keeps the last reading in memory, so that an endpoint that went away still shows what it was."""

    def __init__(self, *, units: RolloutUnits, sight: EndpointSight, serving: ServingPlatform) -> None:
        self._units = units
        self._sight = sight
        self._serving = serving
        self._last: Mapping[str, EndpointReading] = {}
        self._writing = Lock()

    def list(self) -> tuple[EndpointView, ...]:
        """By model name; deployments that belong to no model come last. Never raises for a platform that is away."""
        with self._units.read() as unit:
            rows = unit.rollouts.deployments()
            ours = {
                action.action_id: f"{action.kind.value} of version {action.to_version}"
                for row in rows
                for action in unit.rollouts.actions(row.model, _OURS)
            }
        known, problem = self._read()
        mirror_kind = "" if problem else self._mirror_kind(known)
        owned = {row.deployment for row in rows}
        views = [_view(row, known.get(row.deployment), problem, ours, mirror_kind) for row in rows]
        strangers = [
            _view(Deployment(model="", deployment=name, kind=""), reading, problem, ours, mirror_kind)
            for name, reading in sorted(known.items())
            if name not in owned
        ]
        return (*sorted(views, key=lambda view: view.model), *strangers)

    def _read(self) -> tuple[Mapping[str, EndpointReading], str]:
        try:
            found = {reading.observed.deployment: reading for reading in self._sight.readings()}
        except ServingUnavailableError as away:
            return self._last, away.message
        with self._writing:
            self._last = found
        return found, ""

    def _mirror_kind(self, known: Mapping[str, EndpointReading]) -> str:
        try:
            return self._serving.capabilities(next(iter(known))).mirror if known else ""
        except ControlRoomError:
            return ""


def _view(
    row: Deployment, reading: EndpointReading | None, problem: str, ours: Mapping[str, str], mirror_kind: str
) -> EndpointView:
    """The newest of what we know: the reading of now, the last one, or what the worker last read back."""
    stored = plain(row.observed) if row.observed is not None else None
    gone = "" if problem or reading is not None else "The platform has no such deployment."
    if problem and stored is not None and (reading is None or stored.observed.at > reading.observed.at):
        reading = stored
    seen = reading.observed if reading else None
    return EndpointView(
        model=row.model,
        deployment=row.deployment,
        kind=row.kind,
        desired=row.desired,
        routes=seen.routes if seen else (),
        mode=seen.mode if seen else "",
        mirror=seen.mirror if seen else None,
        update=seen.update if seen else "",
        pending=seen.pending if seen else (),
        versions=reading.versions if reading else (),
        generation=seen.generation if seen else None,
        last_op=seen.op if seen else "",
        last_op_words=_words(seen, ours),
        read_at=seen.at if seen else None,
        problem=problem or gone,
        differs=bool(row.model) and seen is not None and dict(seen.routes) != dict(row.desired),
        mirror_kind=mirror_kind,
        copies=reading.copies if reading else None,
        copies_dropped=reading.copies_dropped if reading else None,
        stored_entities=reading.stored_entities if reading else None,
        stored_newest=reading.stored_newest if reading else None,
    )


def _words(seen: Observed | None, ours: Mapping[str, str]) -> str:
    if seen is None or not seen.op:
        return "nothing was changed yet" if seen else ""
    return ours.get(seen.op, "not an action of Countersign, or an old one")
