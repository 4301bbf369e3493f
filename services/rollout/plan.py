"""Traffic arithmetic, pure: the next routes of an approved plan, where a rollback may go, what differs.

Routes are whole percents that sum to 100 and name at most two versions: the base and one candidate.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from services.kernel.errors import IllegalTransitionError, InputError
from services.rollout.models import Deployment, RollbackTarget, ServedVersion

Routes = tuple[tuple[str, int], ...]


def require_valid(routes: Routes) -> Routes:
    """The same routes. Raises InputError unless shares are positive, versions differ and the sum is 100."""
    versions = [version for version, _ in routes]
    if not routes or len(set(versions)) != len(versions) or len(versions) > 2:
        raise InputError(f"Routes must name one or two different versions, not {words(routes)}.")
    if any(share < 1 for _, share in routes) or sum(share for _, share in routes) != 100:
        raise InputError(f"Routes must be whole percents that sum to 100, not {words(routes)}.")
    return routes


def routes_for(*, base: str | None, candidate: str, share: int) -> Routes:
    """`share` percent to the candidate, the rest to the base. Without a base the candidate gets everything."""
    if base is None or base == candidate or share == 100:
        return require_valid(((candidate, 100),))
    return require_valid(((base, 100 - share), (candidate, share)))


def next_share(plan: tuple[int, ...], current: int) -> int | None:
    """The first share of the plan above `current`; None when the candidate already has everything."""
    return next((share for share in plan if share > current), None)


def require_next(deployment: Deployment, share: int) -> Routes:
    """Routes of the next step. Raises IllegalTransitionError unless `share` is exactly the plan's next one."""
    if deployment.candidate is None:
        raise IllegalTransitionError(
            f"No release of {deployment.model} is running.", hint="Approve a version first; its plan starts by itself."
        )
    allowed = next_share(deployment.plan, deployment.candidate_share)
    if share != allowed:
        raise IllegalTransitionError(
            f"The approved plan continues with {allowed} %, not with {share} %.", hint="Choose the next step."
        )
    return routes_for(base=deployment.base, candidate=deployment.candidate, share=share)


def adopted_routes(deployment: Deployment, version: str) -> Routes:
    """What is served now, to be taken over. Raises IllegalTransitionError unless `version` answers everything."""
    observed = deployment.observed
    if deployment.problem or observed is None:
        raise IllegalTransitionError(
            f"What {deployment.model} serves cannot be read back just now.", hint="Try again when the platform answers."
        )
    if observed.routes != ((version, 100),):
        raise IllegalTransitionError(
            f"Version {version} does not serve all traffic of {deployment.model}: {words(observed.routes)}.",
            hint="Only what is served can be adopted; revert the change, or ask for a promotion.",
        )
    return observed.routes


def rollback_targets(
    *,
    versions: Collection[str],
    served: Collection[ServedVersion],
    deployment: Deployment,
    approved: Collection[str],
    revoked: Collection[str],
    manifests: Mapping[str, str],
    unsure: bool = False,
) -> tuple[RollbackTarget, ...]:
    """Every known version with the reason why it may be chosen or not, the proposed one first.

    `unsure`: a change of traffic was begun and never verified, so what should serve is a target too.

    `manifests` holds the file digests as last read; a version whose files changed since is not eligible.
    """
    by_version = {item.version: item for item in served}
    names = sorted({*versions, *by_version}, key=_number, reverse=True)
    targets = []
    for name in names:
        item = by_version.get(name)
        known = replace(deployment, desired=()) if unsure else deployment
        refusal = _refusal(name, item, known, versions, approved, revoked, manifests)
        targets.append(
            RollbackTarget(
                version=name,
                eligible=not refusal,
                reason=refusal or "approved, and served before",
                last_served=item.last_served if item else None,
            )
        )
    ranked = sorted(
        targets, key=lambda target: target.last_served.timestamp() if target.last_served else 0.0, reverse=True
    )
    base = deployment.base if deployment.candidate else None
    return tuple(sorted(ranked, key=lambda target: (not target.eligible, target.version != base)))


def _refusal(  # noqa: PLR0911, PLR0917 - one line per reason; one caller, just above
    name: str,
    item: ServedVersion | None,
    deployment: Deployment,
    versions: Collection[str],
    approved: Collection[str],
    revoked: Collection[str],
    manifests: Mapping[str, str],
) -> str:
    if deployment.desired == ((name, 100),):
        return "serving now"
    if name == deployment.candidate:
        return "the release that would be taken back"
    if name in revoked:
        return "approval was revoked"
    if item is None:
        return "approved, never served" if name in approved else "never approved"
    if name not in versions:
        return "deleted in the registry"
    if item.rolled_back:
        return "rolled back before; only a new release brings it back"
    now = manifests.get(name)
    if now and item.manifest_sha256 and now != item.manifest_sha256:
        return "its files changed since it was approved"
    return ""


def words(routes: Routes) -> str:
    return ", ".join(f"version {version} {share} %" for version, share in routes) or "nothing"


def _number(version: str) -> tuple[int, str]:
    return (int(version), version) if version.isdecimal() else (0, version)
