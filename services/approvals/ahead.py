"""Another release of the same model that the last signature would meet: named before anybody signs for nothing."""

from __future__ import annotations

from services.approvals.ports import ApprovalUnit
from services.rollout.release_models import Release, ReleaseState

_WHERE = {
    ReleaseState.PLANNED: "is approved and planned",
    ReleaseState.SHADOW: "is in shadow",
    ReleaseState.PAUSED: "is held",
    ReleaseState.ROLLING_BACK: "is being rolled back",
    ReleaseState.FAILED: "has traffic that could not be verified",
}


def in_the_way(unit: ApprovalUnit, model: str, version: str) -> Release | None:
    """One version at a time is on its way; the same one, approved again before it began, only takes its own place."""
    for running in unit.releases.running_releases(model):
        if running.state is ReleaseState.FULL or is_replaceable(unit, running, version):
            continue
        return running
    return None


def is_replaceable(unit: ApprovalUnit, running: Release, version: str) -> bool:
    begun = running.state is not ReleaseState.PLANNED or bool(unit.rollouts.open_actions(running.model))
    return running.candidate == version and not begun


def sentence(running: Release | None) -> str:
    """`Version 6 is in shadow since 3 May 2026. ...`; empty when nothing is in the way."""
    if running is None:
        return ""
    where = _WHERE.get(running.state, f"answers {running.share} % of the requests")
    since = running.stage_since
    return (
        f"Version {running.candidate} {where} since {since.day} {since:%b %Y}. Finish or stop it first; "
        "the last signature is refused until then."
    )
