"""Deciding on real SQLite with real keys: what is signed, what is refused, what is recorded."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from services.approvals.models import Decision, QueueQuery, RequestState, SubmitRequest
from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    ControlRoomError,
    DuplicateSignerError,
    GateNotPassedError,
    IllegalTransitionError,
    MissingReasonError,
    PassphraseError,
    RefusalError,
    RoleMissingError,
    SelfApprovalError,
    StaleEvidenceError,
    StaleRequestError,
    UnknownRequestError,
)
from services.kernel.identity import Role
from services.kernel.secret import Secret
from tests.builders import MODEL, World, a_model, a_version


def an_open_request(world: World, version: str = "3") -> str:
    world.submit(version)
    return world.request_of(version).request_id


def later(world: World, **delta: float) -> None:
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    clock.set(clock.now() + timedelta(**delta))


def test_a_request_freezes_evidence_and_waits_for_every_role(world: World) -> None:
    request_id = an_open_request(world)
    view = world.approvals.get(request_id, actor=world.actor("clara.compliance"))
    assert view.row.state is RequestState.OPEN
    assert view.row.waiting_on == ("validator",), "the first stage alone is open"
    assert {step.role for stage in view.stages for step in stage.steps} == {
        "validator",
        "business_owner",
        "compliance_officer",
    }
    assert view.report.passed
    assert Decision.APPROVE not in view.allowed
    assert not view.row.mine
    vera = world.approvals.get(request_id, actor=world.actor("vera.validator"))
    assert vera.allowed[0] is Decision.APPROVE
    assert vera.row.mine
    assert len(view.manifest_sha256) == 64


def test_a_failing_gate_keeps_a_version_from_being_submitted(world: World) -> None:
    bad = a_version("3")
    world.inventory.put_version(replace(bad, metrics=(("holdout_auc", 0.74), ("baseline_auc", 0.6))))
    draft = world.approvals.draft(MODEL, "3", actor=world.actor("dana.datascience"))
    assert any("calibration" in sentence.lower() for sentence in draft.blocked_by)
    with pytest.raises(GateNotPassedError):
        world.submit("3")
    assert world.approvals.requests_of(MODEL) == ()
    assert world.entries("event:request-refused") == 1


def test_the_last_signature_approves_and_queues_exactly_one_action(world: World) -> None:
    request_id = world.approve("3")
    view = world.approvals.get(request_id, actor=world.actor("otto.auditor"))
    assert view.row.state is RequestState.APPROVED
    assert [item.valid for item in view.signatures] == [True, True, True]
    assert [action.to_version for action in world.rollout.actions(MODEL)] == ["3"]
    assert world.approvals.approved(MODEL, "3").valid
    assert world.entries("action:start") == 1


def test_the_requester_never_decides_and_the_attempt_is_recorded(world: World) -> None:
    request_id = an_open_request(world)
    with pytest.raises(SelfApprovalError):
        world.sign_off(request_id, "dana.datascience", Decision.APPROVE)
    assert world.entries("event:sign-off-refused") == 1


def test_an_auditor_decides_nothing(world: World) -> None:
    request_id = an_open_request(world)
    with pytest.raises(RoleMissingError):
        world.sign_off(request_id, "otto.auditor", Decision.APPROVE)
    view = world.approvals.get(request_id, actor=world.actor("otto.auditor"))
    assert view.allowed == ()
    assert "auditor" in view.refused_because


def test_a_business_owner_acknowledges_and_cannot_approve(world: World) -> None:
    request_id = an_open_request(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    with pytest.raises(RoleMissingError):
        world.sign_off(request_id, "ben.business", Decision.APPROVE)
    world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)


def test_a_second_click_returns_the_first_receipt(world: World) -> None:
    request_id = an_open_request(world)
    first = world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    second = world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    assert second.seq == first.seq
    assert second.repeated
    assert world.entries("decision:approve") == 1


def test_one_person_does_not_sign_in_a_second_role(world: World) -> None:
    request_id = an_open_request(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    vera = replace(world.actor("vera.validator"), role=Role.COMPLIANCE)
    with world.units.read() as unit:
        request, decisions = unit.requests.get(request_id), unit.requests.decisions(request_id)
    from services.approvals import rules

    assert request is not None
    with pytest.raises(DuplicateSignerError):
        rules.require_allowed(request, decisions, Decision.APPROVE, acting=rules.own(vera), now=world.clock.now())


def test_a_wrong_passphrase_signs_nothing_and_is_recorded(world: World) -> None:
    request_id = an_open_request(world)
    with pytest.raises(PassphraseError):
        world.sign_off(request_id, "vera.validator", Decision.APPROVE, passphrase=Secret("not this one at all"))
    assert world.entries("decision:approve") == 0
    assert world.entries("event:sign-off-refused") == 1


def test_changed_evidence_voids_the_page_that_was_shown(world: World) -> None:
    request_id = an_open_request(world)
    review = world.approvals.open_review(request_id, actor=world.actor("vera.validator"))
    world.inventory.put_model(a_model(limits_of_use="Only for flights within Europe"))
    with pytest.raises(StaleEvidenceError):
        world.sign_off(request_id, "vera.validator", Decision.APPROVE, challenge=review.challenge)


def test_submitting_again_voids_earlier_signatures_and_names_the_cause(world: World) -> None:
    request_id = an_open_request(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    world.sign_off(
        request_id,
        "clara.compliance",
        Decision.REQUEST_CHANGES,
        reason="DOCS",
        comment="Say where it must not be used.",
    )
    assert world.request_of("3").state is RequestState.CHANGES_REQUESTED
    world.inventory.put_model(a_model(limits_of_use="Only for flights within Europe"))
    world.submit("3")
    view = world.approvals.get(request_id, actor=world.actor("vera.validator"))
    assert view.row.state is RequestState.OPEN
    assert view.revision == 2
    assert "new evidence" in view.signatures[0].void_reason
    assert not view.signatures[0].valid
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)


def test_a_challenge_belongs_to_one_person_and_fifteen_minutes(world: World) -> None:
    request_id = an_open_request(world)
    review = world.approvals.open_review(request_id, actor=world.actor("vera.validator"))
    with pytest.raises(RefusalError):
        world.sign_off(request_id, "viktor.validator", Decision.APPROVE, challenge=review.challenge)
    later(world, minutes=16)
    with pytest.raises(StaleRequestError):
        world.sign_off(request_id, "vera.validator", Decision.APPROVE, challenge=review.challenge)


def test_rejecting_needs_a_reason_and_ends_the_request(world: World) -> None:
    request_id = an_open_request(world)
    with pytest.raises(MissingReasonError):
        world.sign_off(request_id, "clara.compliance", Decision.REJECT)
    world.sign_off(request_id, "clara.compliance", Decision.REJECT, reason="METRICS", comment="Too weak.")
    with pytest.raises(IllegalTransitionError):
        world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    assert world.request_of("3").state is RequestState.REJECTED


def test_only_the_requester_withdraws(world: World) -> None:
    request_id = an_open_request(world)
    with pytest.raises(RoleMissingError):
        world.sign_off(request_id, "clara.compliance", Decision.WITHDRAW, reason="OTHER", comment="Not needed.")
    world.sign_off(request_id, "dana.datascience", Decision.WITHDRAW, reason="SUPERSEDED", comment="v4 is better.")
    assert world.request_of("3").state is RequestState.WITHDRAWN


def test_time_running_out_never_approves(world: World) -> None:
    request_id = an_open_request(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    later(world, days=15)
    assert world.request_of("3").state is RequestState.EXPIRED
    with pytest.raises(IllegalTransitionError):
        world.sign_off(request_id, "clara.compliance", Decision.APPROVE)
    assert world.approvals.expire_due() == 1
    assert world.approvals.expire_due() == 0


def test_an_approval_ends_with_its_lifetime(world: World) -> None:
    world.approve("3")
    later(world, days=91)
    status = world.approvals.approved(MODEL, "3")
    assert not status.valid
    assert "expired" in status.reason


def test_other_files_than_the_approved_ones_are_not_approved(world: World) -> None:
    world.approve("3")
    world.registry.swap_files(MODEL, "3", "other weights")
    later(world, minutes=2)
    world.evaluation.refresh()
    assert "not the ones that were approved" in world.approvals.approved(MODEL, "3").reason


def test_revoking_stops_a_queued_release_and_ends_the_approval(world: World) -> None:
    request_id = world.approve("3")
    world.sign_off(request_id, "clara.compliance", Decision.REVOKE, reason="FAIRNESS", comment="New finding.")
    assert world.runner.run_pending() == 0
    assert world.platform.switches(MODEL) == []
    assert not world.approvals.approved(MODEL, "3").valid
    assert world.request_of("3").state is RequestState.REVOKED


def test_a_changed_decision_row_is_noticed(world: World) -> None:
    world.approve("3")
    from sqlalchemy import update

    from services.adapters.sql.schema.approvals import request_decision

    with world.database.write() as connection:
        connection.execute(
            update(request_decision).where(request_decision.c.role == "validator").values(subject="ada.admin")
        )
    assert "does not say what is stored" in world.approvals.approved(MODEL, "3").reason


def test_two_last_approvers_at_once_make_exactly_one_action(world: World) -> None:
    request_id = an_open_request(world)
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    failures: list[ControlRoomError] = []
    start = threading.Barrier(2)

    def sign(subject: str, decision: Decision) -> None:
        start.wait()
        try:
            world.sign_off(request_id, subject, decision)
        except ControlRoomError as refused:
            failures.append(refused)

    threads = [
        threading.Thread(target=sign, args=pair)
        for pair in (("ben.business", Decision.ACKNOWLEDGE), ("clara.compliance", Decision.APPROVE))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert world.entries("action:start") == 1
    assert world.request_of("3").state is RequestState.APPROVED


def test_a_double_click_from_two_threads_is_one_entry(world: World) -> None:
    request_id = an_open_request(world)
    receipts: list[int] = []
    start = threading.Barrier(4)

    def click() -> None:
        start.wait()
        receipts.append(world.sign_off(request_id, "vera.validator", Decision.APPROVE).seq)

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receipts) == 4
    assert len(set(receipts)) == 1
    assert world.entries("decision:approve") == 1


def test_submitting_the_same_command_twice_is_one_request(world: World) -> None:
    dana = world.actor("dana.datascience")
    draft = world.approvals.draft(MODEL, "3", actor=dana)
    command = SubmitRequest(
        command_id="one",
        model=MODEL,
        version="3",
        note="",
        seen_evidence=draft.evidence_sha256,
        passphrase=world.secret("dana.datascience"),
    )
    first = world.approvals.submit(command, actor=dana)
    assert world.approvals.submit(command, actor=dana).seq == first.seq
    with pytest.raises(GateNotPassedError):
        world.submit("3")


def test_the_queue_filters_in_the_database_and_knows_what_is_mine(world: World) -> None:
    request_id = an_open_request(world)
    vera, dana = world.actor("vera.validator"), world.actor("dana.datascience")
    assert world.approvals.queue(QueueQuery(mine_only=True), actor=vera).total == 1
    assert world.approvals.queue(QueueQuery(mine_only=True), actor=dana).total == 0
    assert world.approvals.queue(QueueQuery(text="DELAY"), actor=vera).total == 1
    assert world.approvals.queue(QueueQuery(text="100%"), actor=vera).total == 0
    assert world.approvals.queue(QueueQuery(tiers=(2,)), actor=vera).items == ()
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    assert world.approvals.queue(QueueQuery(mine_only=True), actor=vera).total == 0


def test_an_unknown_request_is_named(world: World) -> None:
    with pytest.raises(UnknownRequestError):
        world.approvals.get("req-none", actor=world.actor("vera.validator"))
