"""What is refused before anything is sent to an endpoint, and with which words. No requests."""

from __future__ import annotations

from dataclasses import replace

from services.adapters.databricks.changes import ServedModel
from services.adapters.databricks.endpoint import MAX_ENTITIES, Config, Found
from services.adapters.databricks.marks import Marks
from services.kernel.errors import ArtifactMissingError, ConflictError, InputError, RefusalError


def require_current(deployment: str, found: Found, expect_generation: int) -> None:
    if found.generation != expect_generation:
        raise stale(deployment, found.generation)


def require_addable(deployment: str, found: Found, version: str, op: str) -> None:
    if found.marks.loading == f"{version} {op}" and found.update == "failed":
        raise unloadable(deployment, version, "the platform gave the update up.")
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


def require_possible(routes: tuple[tuple[str, int], ...]) -> None:
    """Raises InputError unless the shares are whole percents of different versions that sum to 100."""
    shares = [share for _, share in routes]
    versions = [version for version, _ in routes]
    if sum(shares) != 100 or any(not 0 <= share <= 100 for share in shares) or len(set(versions)) != len(versions):
        raise InputError("Routes must be whole percents of different versions that sum to 100.")


def require_mirrorable(deployment: str, active: Config, version: str, percent: int) -> None:
    entity = active.entity(version)
    if entity is None or not entity.is_ready:
        raise InputError(f"Version {version} is not loaded on {deployment}.")
    if active.shares[entity.name]:
        raise InputError(f"Version {version} of {deployment} answers callers already.")
    if not 0 < percent <= 100:
        raise InputError("Between 1 and 100 percent of the requests can be sent again.")


def claimed(found: Found, op: str, *, wanted: str, mirror: tuple[str, int] | None) -> Marks:
    accepted = found.marks.accepted + (0 if found.marks.op == op else 1)
    return replace(found.marks, op=op, accepted=accepted, wanted=wanted, mirror=mirror)


def defaults(target: ServedModel) -> dict[str, str]:
    return {"workload_size": target.workload_size, "workload_type": target.workload_type}


def stale(deployment: str, generation: int) -> ConflictError:
    return ConflictError(
        f"Traffic of {deployment} was changed meanwhile: generation {generation}.",
        hint="Read the current state and try again.",
    )


def unloadable(deployment: str, version: str, why: str) -> ArtifactMissingError:
    return ArtifactMissingError(
        f"Version {version} of {deployment} cannot be loaded: {why or 'the platform gave no reason.'}",
        hint="The build logs of the served entity in the workspace say more.",
    )
