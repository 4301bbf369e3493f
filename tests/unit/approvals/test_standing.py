"""Stages, delegation, what voids a signature and what does not, approvals that end and are given again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from services.adapters.sql.schema.people import person
from services.approvals import upkeep
from services.approvals.models import Decision, Purpose, RequestState, SignOff, SubmitRequest
from services.inventory.models import SensitiveColumn
from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    DelegationError,
    DuplicateSignerError,
    GateNotPassedError,
    IllegalTransitionError,
    SelfApprovalError,
    StageError,
    StaleEvidenceError,
    StaleRequestError,
)
from services.kernel.identity import Role
from services.people.delegations import WithdrawDelegation
from tests.builders import MODEL, POLICIES, World, a_model, a_version, a_world
from tests.unit.approvals.acting import lend, sign_for


@pytest.fixture
def world(tmp_path: Path) -> World:
    return a_world(tmp_path)


def later(world: World, **delta: float) -> None:
    assert isinstance(world.clock, FrozenClock)
    world.clock.set(world.clock.now() + timedelta(**delta))


def asked(world: World, version: str = "3") -> str:
    world.submit(version)
    return world.request_of(version).request_id


def test_a_later_stage_waits_and_its_days_count_from_its_opening(world: World) -> None:
    request_id = asked(world)
    with pytest.raises(StageError, match="independent validator"):
        world.sign_off(request_id, "clara.compliance", Decision.APPROVE)
    later(world, days=4)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    view = world.approvals.get(request_id, actor=world.actor("clara.compliance"))
    first, second = view.stages
    assert (first.state, second.state) == ("done", "open")
    assert second.opened_at == world.clock.now()
    assert second.due_at == world.clock.now() + timedelta(days=5)
    later(world, days=6)
    late = world.approvals.get(request_id, actor=world.actor("clara.compliance"))
    assert late.stages[1].state == "overdue"
    assert late.row.overdue
    assert late.row.state is RequestState.OPEN, "time never decides"


def test_a_delegate_signs_for_the_delegator_and_the_entry_says_so(world: World) -> None:
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    lent = lend(world, "clara.compliance", "viktor.validator")
    sign_for(world, request_id, "viktor.validator", Role.COMPLIANCE.value, lent, Decision.APPROVE)
    view = world.approvals.get(request_id, actor=world.actor("otto.auditor"))
    signature = view.signatures[-1]
    assert (signature.signer, signature.role) == ("Viktor Halász", Role.COMPLIANCE.value)
    assert signature.delegation == "for Clara Whitfield by delegation"
    assert signature.zone == "Europe/Berlin"
    assert signature.method == "passphrase-key"
    assert signature.since_login_seconds is not None
    assert dict(signature.bound)["evidence"] == view.evidence_sha256
    assert signature.valid
    world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)
    assert world.approvals.approved(MODEL, "3").valid


def test_delegator_and_delegate_are_one_person_for_the_quorum(world: World) -> None:
    """Attack 13: the validator signs, then approves once more through somebody else's hand."""
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    lent = lend(world, "clara.compliance", "vera.validator")
    with pytest.raises(DuplicateSignerError):
        sign_for(world, request_id, "vera.validator", Role.COMPLIANCE.value, lent, Decision.APPROVE)


def test_requester_cannot_approve_through_a_delegation(world: World) -> None:
    """Attack 13: the requester is lent the role that would approve."""
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    lent = lend(world, "clara.compliance", "dana.datascience")
    with pytest.raises(SelfApprovalError):
        sign_for(world, request_id, "dana.datascience", Role.COMPLIANCE.value, lent, Decision.APPROVE)
    assert world.entries("event:sign-off-refused") == 1


def test_delegation_reaches_no_riskier_tier_and_ends_at_once_when_taken_back(world: World) -> None:
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    small = lend(world, "carl.compliance", "viktor.validator", tier=2)
    with pytest.raises(DelegationError):
        sign_for(world, request_id, "viktor.validator", Role.COMPLIANCE.value, small, Decision.APPROVE)
    lent = lend(world, "clara.compliance", "sam.sre")
    world.delegations.withdraw(
        WithdrawDelegation(command_id="w", delegation_id=lent, passphrase=world.secret("clara.compliance")),
        actor=world.actor("clara.compliance"),
    )
    with pytest.raises(DelegationError):
        sign_for(world, request_id, "sam.sre", Role.COMPLIANCE.value, lent, Decision.APPROVE)


def test_changed_evidence_voids_an_open_signature_once_with_its_cause(world: World) -> None:
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    changed = replace(a_version("3"), metrics=(*a_version("3").metrics, ("holdout_precision", 0.4)))
    world.inventory.put_version(changed)
    assert world.approvals.revalidate() == 1
    assert world.approvals.revalidate() == 0
    view = world.approvals.get(request_id, actor=world.actor("vera.validator"))
    assert not view.signatures[0].valid
    assert "The metrics of the run changed" in view.signatures[0].void_reason
    assert "submit it again" in view.stale
    assert Decision.APPROVE not in view.allowed
    assert world.entries("event:signatures-void") == 1
    with pytest.raises(StaleEvidenceError):
        world.sign_off(request_id, "viktor.validator", Decision.APPROVE)
    world.submit("3")
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)


def test_a_round_that_is_cut_short_goes_on_where_it_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "LONGEST_ROUND", 0.0)
    for version in ("2", "3"):
        world.sign_off(asked(world, version), "vera.validator", Decision.APPROVE)
        world.inventory.put_version(replace(a_version(version), metrics=(("holdout_auc", 0.4),)))
    assert [world.approvals.revalidate() for _ in range(3)] == [1, 1, 0]
    assert world.entries("event:signatures-void") == 2


def test_changed_files_void_a_complete_approval_and_stop_its_release(world: World) -> None:
    request_id = world.approve("3")
    world.registry.swap_files(MODEL, "3", "other weights")
    later(world, minutes=2)
    world.evaluation.refresh()
    assert world.approvals.revalidate() == 1
    status = world.approvals.approved(MODEL, "3")
    assert not status.valid
    assert "files changed" in status.reason
    assert "files changed" in status.void_cause
    assert world.approvals.get(request_id, actor=world.actor("otto.auditor")).row.state is RequestState.VOIDED
    assert world.entries("event:approval-void") == 1
    assert world.entries("outcome:superseded") == 1


def test_a_tag_on_a_column_of_the_version_voids_and_one_it_does_not_use_does_not(world: World) -> None:
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    tag = SensitiveColumn(name="unused", category="PII", basis="Not an input of this version.")
    world.inventory.put_model(replace(a_model(), sensitive=(*a_model().sensitive, tag)))
    assert world.approvals.revalidate() == 0
    used = SensitiveColumn(name="distance", category="quasi-identifier", basis="Singles out small airports.")
    world.inventory.put_model(replace(a_model(), sensitive=(*a_model().sensitive, used)))
    assert world.approvals.revalidate() == 1
    view = world.approvals.get(request_id, actor=world.actor("dana.datascience"))
    assert "tags of sensitive columns" in view.signatures[0].void_reason
    assert view.row.mine, "the requester has to submit again"


def test_what_cannot_be_found_out_voids_nothing_and_lets_nobody_sign(world: World) -> None:
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    world.inventory.put_version(replace(a_version("3"), missing="The run cannot be read."))
    assert world.approvals.revalidate() == 0
    assert world.approvals.get(request_id, actor=world.actor("otto.auditor")).signatures[0].valid
    with pytest.raises(StaleEvidenceError, match="could be found out"):
        world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)


def test_an_approval_that_ends_is_given_again_without_moving_traffic(world: World) -> None:
    world.release("3")
    later(world, days=80)
    now = world.clock.now()
    (ending,) = world.approvals.ending(now, timedelta(days=14))
    assert (ending.version, ending.ended, ending.serving) == ("3", False, True)
    dana = world.actor("dana.datascience")
    draft = world.approvals.draft(MODEL, "3", actor=dana, purpose=Purpose.REATTESTATION)
    assert draft.blocked_by == ()
    world.approvals.submit(
        SubmitRequest(
            command_id="again",
            model=MODEL,
            version="3",
            note="Still good.",
            seen_evidence=draft.evidence_sha256,
            passphrase=world.secret("dana.datascience"),
            purpose=Purpose.REATTESTATION,
        ),
        actor=dana,
    )
    request_id = world.request_of("3").request_id
    assert world.approvals.approved(MODEL, "3").valid, "the first approval stands meanwhile"
    before = len(world.rollout.actions(MODEL))
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)
    world.sign_off(request_id, "carl.compliance", Decision.APPROVE)
    assert len(world.rollout.actions(MODEL)) == before
    later(world, days=30)
    status = world.approvals.approved(MODEL, "3")
    assert status.valid
    assert status.request_id == request_id
    assert world.approvals.ending(world.clock.now(), timedelta(days=14)) == ()


def test_a_held_signature_waits_for_its_gate_while_others_may_sign(tmp_path: Path) -> None:
    """An untagged column withholds the compliance signature; asking and validating stay possible."""
    policies = tmp_path / "policies"
    shutil.copytree(POLICIES, policies)
    file = policies / "tier-1.yaml"
    file.write_text(file.read_text().replace("words: [", "words: [distance, "))
    world = a_world(tmp_path, policies=policies)
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    view = world.approvals.get(request_id, actor=world.actor("clara.compliance"))
    assert any("distance" in sentence for sentence in view.held_because)
    assert [item.name for item in view.columns if not item.tagged] == ["distance"]
    assert Decision.APPROVE not in view.allowed
    with pytest.raises(GateNotPassedError):
        world.sign_off(request_id, "clara.compliance", Decision.APPROVE)
    world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)
    assert not world.approvals.approved(MODEL, "3").valid


def test_what_changed_since_somebody_looked_is_named(world: World) -> None:
    request_id = asked(world)
    clara = world.actor("clara.compliance")
    view = world.approvals.get(request_id, actor=clara)
    assert set(view.unread) == {name for name, _ in view.parts}
    for name, _ in view.parts:
        world.approvals.mark_seen(request_id, name, actor=clara)
    assert world.approvals.get(request_id, actor=clara).unread == ()
    world.inventory.put_version(replace(a_version("3"), metrics=(*a_version("3").metrics, ("holdout_recall", 0.5))))
    world.approvals.revalidate()
    world.submit("3")
    again = world.approvals.get(request_id, actor=clara)
    assert again.changed_since_seen == ("The metrics of the run",)
    assert again.unread == ("metrics",)


def test_the_request_carries_the_rollback_plan_the_quorum_signs(world: World) -> None:
    world.release("2")
    request_id = asked(world)
    view = world.approvals.get(request_id, actor=world.actor("vera.validator"))
    assert view.rollback is not None
    assert view.rollback.to == "2"
    assert {rule.measure for rule in view.rollback.rules} == {
        "error_rate",
        "p95_ms",
        "error_evidence",
        "latency_evidence",
        "silence_minutes",
    }


def test_an_approval_whose_metrics_changed_falls_before_the_worker_looks(world: World) -> None:
    """Attack 2 on everything but the files: the answer compares each part of the version by itself."""
    world.approve("3")
    world.inventory.put_version(replace(a_version("3"), metrics=(*a_version("3").metrics, ("holdout_precision", 0.4))))
    status = world.approvals.approved(MODEL, "3")
    assert not status.valid
    assert "void: The metrics of the run changed" in status.reason
    assert "metrics of the run changed" in status.void_cause
    assert world.runner.run_pending() == 1
    assert world.platform.switches(MODEL) == [], "nothing moves on an approval that fell"


def test_an_approval_whose_evidence_cannot_be_read_is_no_yes(world: World) -> None:
    world.approve("3")
    world.inventory.put_version(replace(a_version("3"), missing="The run cannot be read."))
    status = world.approvals.approved(MODEL, "3")
    assert not status.valid
    assert "could not be read" in status.reason
    assert status.void_cause == "", "it has not fallen either"
    world.inventory.put_version(a_version("3"))
    assert world.approvals.approved(MODEL, "3").valid


def test_a_review_opened_for_the_own_role_signs_no_step_of_somebody_else(world: World) -> None:
    """Attack 9: the page shows in which capacity one signs, and the challenge is bound to it."""
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    lent = lend(world, "clara.compliance", "viktor.validator")
    viktor = world.actor("viktor.validator")
    own = world.approvals.open_review(request_id, actor=viktor)
    for_clara = world.approvals.open_review(request_id, actor=viktor, role="compliance_officer", delegation=lent)
    assert own.shown_sha256 != for_clara.shown_sha256
    command = SignOff(
        command_id="c",
        request_id=request_id,
        decision=Decision.APPROVE,
        reason_code="",
        comment="",
        challenge=own.challenge,
        passphrase=world.secret("viktor.validator"),
        role="compliance_officer",
        delegation=lent,
    )
    with pytest.raises(IllegalTransitionError, match="not opened by you for this step"):
        world.approvals.sign_off(command, actor=viktor)
    reject = replace(command, decision=Decision.REJECT, reason_code="DATA", comment="The holdout is too small.")
    with pytest.raises(IllegalTransitionError, match="not opened by you for this step"):
        world.approvals.sign_off(reject, actor=viktor)
    world.approvals.sign_off(replace(command, challenge=for_clara.challenge), actor=viktor)


def test_a_page_that_was_stale_once_stays_dead_when_the_evidence_changes_back(world: World) -> None:
    """Attack 1: review again, whatever happened in between."""
    request_id = asked(world)
    page = world.approvals.open_review(request_id, actor=world.actor("vera.validator"))
    world.inventory.put_version(replace(a_version("3"), metrics=(*a_version("3").metrics, ("holdout_recall", 0.5))))
    with pytest.raises(StaleEvidenceError):
        world.sign_off(request_id, "vera.validator", Decision.APPROVE, challenge=page.challenge)
    world.inventory.put_version(a_version("3"))
    with pytest.raises(StaleRequestError, match="used already"):
        world.sign_off(request_id, "vera.validator", Decision.APPROVE, challenge=page.challenge)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)


def test_a_step_that_is_complete_takes_no_further_signature(world: World) -> None:
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    with pytest.raises(IllegalTransitionError, match="This step is complete: Vera"):
        world.sign_off(request_id, "viktor.validator", Decision.APPROVE)
    view = world.approvals.get(request_id, actor=world.actor("viktor.validator"))
    assert Decision.APPROVE not in view.allowed
    assert "This step is complete" in view.stages[0].steps[0].refusal
    assert world.entries("decision:approve") == 1


def test_the_days_of_a_stage_start_again_when_a_signature_in_it_fell(world: World) -> None:
    request_id = asked(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    later(world, days=4)
    with world.database.write() as connection:
        connection.execute(update(person).where(person.c.subject == "vera.validator").values(active=False))
    assert world.approvals.revalidate() == 1
    fell = world.clock.now()
    view = world.approvals.get(request_id, actor=world.actor("viktor.validator"))
    first, second = view.stages
    assert (first.state, first.opened_at) == ("open", fell)
    assert first.due_at == fell + timedelta(days=5)
    assert (second.state, second.opened_at) == ("later", None)
    assert view.row.stage_due_at == first.due_at
