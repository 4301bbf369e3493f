"""A change made outside is adopted with sign-off, from the finding to its end."""

from __future__ import annotations

import pytest

from services.approvals.models import Decision, Purpose, RequestState, SubmitRequest
from services.kernel.errors import StaleEvidenceError
from services.rollout.models import ActionKind, ActionState
from tests.builders import MODEL, World
from tests.unit.approvals.acting import objections


def moved_outside(world: World, version: str) -> None:
    """Somebody sends all traffic to another version on the platform, and the sentinel sees it."""
    world.platform.move_by_hand(MODEL, ((version, 100),))
    world.rollout.reconcile()
    assert world.rollout.deployment(MODEL).finding_kind == "traffic"


def asked_to_adopt(world: World, version: str) -> str:
    dana = world.actor("dana.datascience")
    draft = world.approvals.draft(MODEL, version, actor=dana, purpose=Purpose.ADOPTION)
    assert draft.blocked_by == ()
    world.approvals.submit(
        SubmitRequest(
            command_id="adopt",
            model=MODEL,
            version=version,
            note="It has served well since Tuesday.",
            seen_evidence=draft.evidence_sha256,
            passphrase=world.secret("dana.datascience"),
            purpose=Purpose.ADOPTION,
        ),
        actor=dana,
    )
    return world.request_of(version).request_id


def signed_by_all(world: World, request_id: str) -> None:
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)
    world.sign_off(request_id, "clara.compliance", Decision.APPROVE)


def test_a_change_made_outside_is_adopted_and_its_finding_ends(world: World) -> None:
    world.release("2")
    moved_outside(world, "3")
    switches = world.platform.switches(MODEL)
    request_id = asked_to_adopt(world, "3")
    signed_by_all(world, request_id)
    assert world.runner.run_pending() == 1
    action = world.rollout.actions(MODEL)[0]
    assert (action.kind, action.state) == (ActionKind.ADOPT, ActionState.APPLIED)
    assert world.platform.switches(MODEL) == switches, "nothing was switched"
    world.rollout.reconcile()
    view = world.rollout.deployment(MODEL)
    assert (view.desired, view.champion, view.finding) == ((("3", 100),), "3", "")
    assert world.registry.alias_target(MODEL, "champion") == "3"
    assert world.request_of("3").state is RequestState.APPLIED
    assert world.approvals.approved(MODEL, "3").valid
    assert objections(world) == set()


def test_what_moved_again_before_it_was_carried_out_is_not_adopted(world: World) -> None:
    world.release("2")
    moved_outside(world, "3")
    signed_by_all(world, asked_to_adopt(world, "3"))
    world.platform.move_by_hand(MODEL, (("1", 100),))
    world.runner.run_pending()
    assert world.rollout.actions(MODEL)[0].state is ActionState.CONFLICT
    assert world.platform.observe(MODEL).routes == (("1", 100),)


def test_nothing_is_adopted_that_does_not_serve(world: World) -> None:
    world.release("2")
    dana = world.actor("dana.datascience")
    draft = world.approvals.draft(MODEL, "3", actor=dana, purpose=Purpose.ADOPTION)
    assert "There is no unsigned change with this version to adopt." in draft.blocked_by
    moved_outside(world, "3")
    draft = world.approvals.draft(MODEL, "1", actor=dana, purpose=Purpose.ADOPTION)
    assert "There is no unsigned change with this version to adopt." in draft.blocked_by


def test_another_promotion_is_not_signed_while_an_unsigned_change_stands(world: World) -> None:
    """Attack 4: what serves is part of what is signed; first it is put back or adopted."""
    world.release("2")
    world.submit("3")
    request_id = world.request_of("3").request_id
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    world.registry.set_alias(MODEL, "champion", "1")
    world.rollout.reconcile()
    view = world.approvals.get(request_id, actor=world.actor("clara.compliance"))
    assert "not what was signed last" in view.stale
    assert Decision.APPROVE not in view.allowed
    with pytest.raises(StaleEvidenceError, match="alias `champion` points at version 1"):
        world.sign_off(request_id, "clara.compliance", Decision.APPROVE)
    world.registry.set_alias(MODEL, "champion", "2")
    world.rollout.reconcile()
    world.sign_off(request_id, "clara.compliance", Decision.APPROVE)
