"""The state of a release follows what was ordered and what was verified, in the transaction that records it.

Nothing here decides: an order that was carried out, ended or began moves the release where its table says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from services.kernel.errors import StaleRequestError
from services.kernel.identity import MACHINE_SUBJECT
from services.rollout import lifecycle
from services.rollout.lifecycle import Move, allows, is_exposed
from services.rollout.models import Action, ActionKind, ActionState
from services.rollout.ports import RolloutUnit
from services.rollout.release_models import Release, ReleaseEvent, ReleaseState, ShadowTerms

_GOING_BACK = {ReleaseState.ROLLING_BACK, ReleaseState.FAILED}
UNVERIFIED = timedelta(minutes=2)
"""A rollback that is not verified after this long is a failure people hear about; it is tried on all the same."""


def planned(
    unit: RolloutUnit,
    *,
    request_id: str,
    model: str,
    deployment: str,
    kind: str,
    candidate: str,
    candidate_sha256: str,
    base: str | None,
    plan: tuple[int, ...],
    shadow: ShadowTerms | None,
    actor: str,
    sentence: str,
    seq: int | None,
    at: datetime,
) -> Release:
    """Records an approved version as a release that has not begun. Raises StaleRequestError while another one moves."""
    release = Release(
        release_id="rel-" + hashlib.sha256(request_id.encode()).hexdigest()[:20],
        model=model,
        deployment=deployment,
        kind=kind,
        request_id=request_id,
        candidate=candidate,
        candidate_sha256=candidate_sha256,
        base=base,
        base_sha256=_digest_of(unit, model, base),
        state=ReleaseState.PLANNED,
        share=0,
        plan=plan,
        shadow=shadow,
        stage_since=at,
        created_at=at,
        updated_at=at,
    )
    # A rollback may take several releases back at once, so no index can say this for those that are going back.
    if any(item.state in _GOING_BACK for item in unit.releases.running_releases(model)):
        raise StaleRequestError(f"Another release of {model} is being taken back.", hint="Look again when it is.")
    unit.releases.save_release(release)
    _note(unit, release, sentence, actor=actor, seq=seq, at=at)
    return release


def after_outcome(unit: RolloutUnit, action: Action, *, at: datetime) -> None:
    """`action` has just ended, applied or not."""
    if action.state is ActionState.APPLIED:
        _APPLIED.get(action.kind, _nothing)(unit, action, at)
    elif action.state in {ActionState.FAILED, ActionState.CONFLICT}:
        _not_applied(unit, action, at)


def at_rollback(unit: RolloutUnit, action: Action, *, at: datetime) -> None:
    """A rollback was ordered: what answers somebody goes back, what answers nobody ends. The target stays as it is."""
    for release in unit.releases.running_releases(action.model):
        if release.candidate == action.to_version:
            continue
        if allows(release, Move.ROLL_BACK):
            moved = lifecycle.rolling_back(release, at=at, latch=action.subject == MACHINE_SUBJECT)
            sentence = f"Rolling back to version {action.to_version}. {action.reason}"
        elif allows(release, Move.ABORT):
            moved = lifecycle.aborted(release, at=at)
            sentence = f"Ended: version {action.from_version} it should replace is rolled back."
        else:
            continue
        _save(unit, moved, sentence, action, seq=action.seq_intent, at=at)


def while_unverified(unit: RolloutUnit, action: Action, *, at: datetime) -> None:
    """A rollback that is still not verified: the release says so, and the order stays in the queue."""
    if action.kind is not ActionKind.ROLLBACK or at - action.created_at < UNVERIFIED:
        return
    for release in unit.releases.running_releases(action.model):
        if release.state is ReleaseState.ROLLING_BACK:
            sentence = f"Not verified after {UNVERIFIED.seconds // 60} minutes; it is tried on. {action.detail}"
            _save(unit, lifecycle.failed(release, at=at), sentence, action, seq=None, at=at)


def retired(unit: RolloutUnit, release: Release, sentence: str, *, seq: int | None, at: datetime) -> None:
    moved = lifecycle.retired(release, at=at)
    unit.releases.save_release(moved)
    _note(unit, moved, sentence, actor="Countersign", seq=seq, at=at)


def replaced_by(unit: RolloutUnit, release: Release, request_id: str, *, at: datetime) -> None:
    """A release that has not begun ends, because the same version was approved again."""
    moved = lifecycle.aborted(release, at=at)
    unit.releases.save_release(moved)
    _note(unit, moved, f"Replaced by request {request_id}.", actor="Countersign", seq=None, at=at)


def _shadow(unit: RolloutUnit, action: Action, at: datetime) -> None:
    release = _of(unit, action)
    if release is not None and allows(release, Move.SHADOW):
        moved = lifecycle.shadowed(release, at=action.switched_at or at)
        _save(unit, moved, f"Shadow runs: version {release.candidate} gets copies of live requests.", action, at=at)


def _forward(unit: RolloutUnit, action: Action, at: datetime) -> None:
    release = _of(unit, action)
    if release is None or release.state.is_final:
        return
    share = dict(action.routes).get(release.candidate, 0)
    moved = lifecycle.exposed(release, share, at=action.switched_at or at)
    _save(unit, moved, f"Version {release.candidate} answers {share} %, read back.", action, at=at)
    if moved.state is ReleaseState.FULL:
        _retire_others(unit, action, at)


def _abort(unit: RolloutUnit, action: Action, at: datetime) -> None:
    release = _of(unit, action)
    if release is None or not allows(release, Move.ABORT):
        return
    _save(unit, lifecycle.aborted(release, at=at), f"Aborted. {action.reason}", action, at=at)
    unit.rollouts.finish_request(
        release.request_id,
        applied=False,
        sentence=f"The release was aborted. {action.reason}",
        seq=action.seq_outcome or action.seq_intent,
        at=at,
    )


def _back(unit: RolloutUnit, action: Action, at: datetime) -> None:
    for release in unit.releases.running_releases(action.model):
        if release.candidate != action.to_version and allows(release, Move.RETURNED):
            sentence = (
                f"Rolled back: version {action.to_version} answers, read back. These files of version "
                f"{release.candidate} come again only with a new release."
            )
            _save(unit, lifecycle.returned(release, at=at), sentence, action, at=at)


def _replaced(unit: RolloutUnit, action: Action, at: datetime) -> None:
    """Break-glass or adoption: one version has everything, whatever the plans of running releases said."""
    why = "break-glass" if action.kind is ActionKind.EMERGENCY else "an adopted change"
    for release in unit.releases.running_releases(action.model):
        if release.candidate == action.to_version and release.state is not ReleaseState.FULL:
            moved = lifecycle.overridden(release, at=at)
            _save(unit, moved, f"Version {release.candidate} answers everything by {why}.", action, at=at)
        elif release.candidate == action.to_version:
            continue
        elif release.state is ReleaseState.FULL:
            retired(unit, release, f"Version {action.to_version} took its place by {why}.", seq=None, at=at)
        elif is_exposed(release):
            going = release if release.state is ReleaseState.ROLLING_BACK else lifecycle.rolling_back(release, at=at)
            if going is not release:
                unit.releases.save_release(going)
            sentence = f"Ended: version {action.to_version} took its place by {why}."
            _save(unit, lifecycle.returned(going, at=at), sentence, action, at=at)
        else:
            sentence = f"Ended: version {action.to_version} took the place of its base by {why}."
            _save(unit, lifecycle.aborted(release, at=at), sentence, action, at=at)


def _nothing(_unit: RolloutUnit, _action: Action, _at: datetime) -> None:
    """Putting back what was signed moves no release."""


_APPLIED: dict[ActionKind, Callable[[RolloutUnit, Action, datetime], None]] = {
    ActionKind.SHADOW: _shadow,
    ActionKind.START: _forward,
    ActionKind.ADVANCE: _forward,
    ActionKind.ABORT: _abort,
    ActionKind.ROLLBACK: _back,
    ActionKind.EMERGENCY: _replaced,
    ActionKind.ADOPT: _replaced,
}


def _not_applied(unit: RolloutUnit, action: Action, at: datetime) -> None:
    """Traffic that may have been touched makes the release fail; otherwise it stays where it was and says why."""
    release = _of(unit, action) if action.kind in {ActionKind.START, ActionKind.ADVANCE, ActionKind.SHADOW} else None
    if release is None or release.state.is_final:
        return
    begun = "switched" in dict(unit.rollouts.steps(action.action_id))
    if begun and action.kind is not ActionKind.SHADOW and allows(release, Move.FAIL):
        moved = lifecycle.failed(release, at=at)
        if release.base is None:
            moved = lifecycle.without_way_back(moved, at=at)
        _save(unit, moved, f"What is served could not be verified. {action.detail}", action, at=at)
        return
    _save(unit, lifecycle.touched(release, at=at), f"It stays where it was. {action.detail}", action, at=at)


def _retire_others(unit: RolloutUnit, action: Action, at: datetime) -> None:
    for other in unit.releases.running_releases(action.model):
        if other.candidate != action.to_version and allows(other, Move.RETIRE):
            retired(unit, other, f"Version {action.to_version} took its place.", seq=action.seq_outcome, at=at)


def _of(unit: RolloutUnit, action: Action) -> Release | None:
    return unit.releases.release_of_request(action.request_id) if action.request_id else None


def _save(
    unit: RolloutUnit, release: Release, sentence: str, action: Action, *, at: datetime, seq: int | None = None
) -> None:
    unit.releases.save_release(release)
    _note(unit, release, sentence, actor=action.requested_by, seq=seq or action.seq_outcome, at=at)


def _note(unit: RolloutUnit, release: Release, sentence: str, *, actor: str, seq: int | None, at: datetime) -> None:
    event = ReleaseEvent(at=at, state=release.state, sentence=sentence.strip(), actor=actor, seq=seq)
    unit.releases.add_release_event(release.release_id, event)


def _digest_of(unit: RolloutUnit, model: str, version: str | None) -> str:
    if version is None:
        return ""
    served = next((item.manifest_sha256 for item in unit.rollouts.served(model) if item.version == version), "")
    return served or unit.rollouts.manifests(model).get(version, "")
