"""Break-glass releases on one signature, never what nobody could have bound, and waits for two uninvolved reviewers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from services.adapters.sql.schema.rollout import rollout_action
from services.approvals.models import Decision
from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    AlreadyDecidedError,
    ConflictError,
    ControlRoomError,
    DelegationError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    PassphraseError,
    ReviewOverdueError,
    RoleMissingError,
    SelfApprovalError,
    StaleRequestError,
    UnknownVersionError,
)
from services.kernel.secret import Secret
from services.rollout import intents
from services.rollout.emergency_models import Conclusion, EmergencyMode, ReviewState
from services.rollout.emergency_rules import require_reviewable
from services.rollout.models import ActionKind, ActionState, Basis
from tests.builders import MODEL, NOON, World, a_world
from tests.unit.exceptions.commands import (
    BEN,
    CLARA,
    DANA,
    SAM,
    VERA,
    a_break_glass,
    a_review,
    break_glass,
    move,
    review,
)

ROOT = Path(__file__).resolve().parents[3]


def test_a_version_without_approval_gets_all_traffic_and_a_review_opens(stored: World) -> None:
    stored.release("1")
    break_glass(stored, "2")

    assert stored.platform.observe(MODEL).routes == (("2", 100),)
    assert stored.registry.alias_target(MODEL, "champion") == "2"
    (open_one,) = stored.emergency.reviews(open_only=True)
    assert (open_one.state, open_one.by_name, open_one.mode) == (
        ReviewState.OPEN,
        "Sam Lindqvist",
        EmergencyMode.FORWARD,
    )
    assert (open_one.review_by - NOON).days == 2
    assert stored.entries("action:emergency") == 1
    assert stored.rollout.actions(MODEL)[0].kind is ActionKind.EMERGENCY


def test_the_order_is_signed_by_the_person_and_says_what_it_is(world: World) -> None:
    world.release("1")
    break_glass(world, "2")
    row = world.rollout.actions(MODEL)[0]
    with world.units.read() as unit:
        action = unit.rollouts.action(row.action_id)
    assert action is not None
    said = world.ledger.require_valid(action.seq_intent, action.leaf_intent)
    assert said["signer"]["sub"] == SAM
    assert (said["request"], said["decisions"]) == (None, [])
    assert {"mode": "forward", "reasonCode": "HARM", "reviewBy": "2030-02-02T12:00:00Z"}.items() <= said[
        "emergency"
    ].items()


def test_nothing_served_before_is_no_obstacle(world: World) -> None:
    break_glass(world, "1")
    assert world.platform.observe(MODEL).routes == (("1", 100),)


def test_it_skips_the_remaining_steps_of_a_running_approved_plan(stored: World) -> None:
    stored.release("1")
    stored.approve("2")
    stored.runner.run_pending()
    plan = stored.emergency.plan(MODEL, "2", actor=stored.actor(SAM))
    assert plan.mode is EmergencyMode.SKIP
    assert any("100 %" in line for line in plan.effect)

    break_glass(stored, "2")
    view = stored.rollout.deployment(MODEL)
    assert (view.champion, view.candidate, view.observed.routes if view.observed else ()) == ("2", None, (("2", 100),))
    assert stored.request_of("2").state.value == "applied"


def test_looking_moves_nothing_and_states_the_effect(world: World) -> None:
    world.release("1")
    before = world.platform.switches(MODEL)
    plan = world.emergency.plan(MODEL, "2", actor=world.actor(SAM))
    assert world.platform.switches(MODEL) == before
    assert plan.effect[0] == "Version 2 gets all traffic at once without a complete approval."
    assert "Nobody has asked for its approval." in plan.effect
    assert plan.effect[-1].startswith("2 uninvolved people have to review this by 02 Feb 2030 12:00 UTC.")


def test_files_that_changed_since_they_were_hashed_never_go_live(world: World) -> None:
    world.release("1")
    command = a_break_glass(world, "2")
    world.registry.swap_files(MODEL, "2", "poison")
    world.emergency.release(command, actor=world.actor(SAM))
    assert world.rollout.actions(MODEL)[0].state is ActionState.FAILED
    assert world.platform.observe(MODEL).routes == (("1", 100),)


def test_files_that_differ_from_those_of_the_request_are_refused_before_signing(world: World) -> None:
    world.release("1")
    world.submit("2")
    world.registry.swap_files(MODEL, "2", "poison")
    move(world, seconds=61)
    world.evaluation.refresh()
    with pytest.raises(IllegalTransitionError, match="files changed"):
        world.emergency.plan(MODEL, "2", actor=world.actor(SAM))
    assert world.entries("event:break-glass-refused") == 1


def test_a_revoked_version_never_comes_back_this_way(world: World) -> None:
    world.release("1")
    request_id = world.approve("2")
    world.sign_off(request_id, CLARA, Decision.REVOKE, reason="OTHER", comment="It harms people.")
    with pytest.raises(IllegalTransitionError, match="revoked"):
        world.emergency.plan(MODEL, "2", actor=world.actor(SAM))


def test_a_version_that_was_never_hashed_or_does_not_exist_is_refused(world: World) -> None:
    from tests.builders import a_version

    world.release("1")
    world.inventory.put_version(a_version("9"))
    with pytest.raises(IllegalTransitionError, match="could not be hashed"):
        world.emergency.plan(MODEL, "9", actor=world.actor(SAM))
    with pytest.raises(UnknownVersionError):
        world.emergency.plan(MODEL, "77", actor=world.actor(SAM))
    refusals = {item.version: item.refusal for item in world.emergency.targets(MODEL, actor=world.actor(SAM))}
    assert refusals["1"] == "it has all traffic already"
    assert refusals["2"] == ""


@pytest.mark.parametrize("who", [CLARA, DANA, VERA, BEN])
def test_only_the_engineer_on_call_breaks_the_glass(world: World, who: str) -> None:
    world.release("1")
    command = a_break_glass(world, "2")
    with pytest.raises(RoleMissingError):
        world.emergency.release(command, actor=world.actor(who))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"reason_code": ""}, MissingReasonError),
        ({"reason_code": "BECAUSE"}, MissingReasonError),
        ({"reason": "now"}, MissingReasonError),
        ({"reason": "x" * 2001}, InputError),
        ({"model_confirmation": "delay"}, InputError),
        ({"passphrase": Secret("wrong passphrase")}, PassphraseError),
    ],
)
def test_it_needs_reason_typed_name_and_passphrase(
    world: World, changes: dict[str, object], error: type[Exception]
) -> None:
    world.release("1")
    with pytest.raises(error):
        break_glass(world, "2", **changes)
    assert world.platform.observe(MODEL).routes == (("1", 100),)
    assert world.emergency.reviews() == ()


def test_a_double_click_releases_once(stored: World) -> None:
    stored.release("1")
    command = a_break_glass(stored, "2")
    first = stored.emergency.release(command, actor=stored.actor(SAM))
    again = stored.emergency.release(command, actor=stored.actor(SAM))
    assert (again.seq, again.repeated) == (first.seq, True)
    assert len(stored.emergency.reviews()) == 1
    assert stored.entries("action:emergency") == 1


def test_two_tabs_release_once(stored: World) -> None:
    stored.release("1")
    one, two = a_break_glass(stored, "2"), a_break_glass(stored, "3")
    start, failures = threading.Barrier(2), list[ControlRoomError]()

    def press(command: object) -> None:
        start.wait()
        try:
            stored.emergency.release(command, actor=stored.actor(SAM))  # type: ignore[arg-type]
        except ControlRoomError as refused:
            failures.append(refused)

    threads = [threading.Thread(target=press, args=(command,)) for command in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(item) for item in failures] == [StaleRequestError]
    assert stored.entries("action:emergency") == 1


def test_a_form_opened_before_traffic_moved_is_stale(world: World) -> None:
    world.release("1")
    old = a_break_glass(world, "3")
    world.approve("2")
    world.runner.run_pending()
    break_glass(world, "2")
    review_id = world.emergency.reviews(MODEL)[0].id
    assert review_id
    with pytest.raises(StaleRequestError):
        world.emergency.release(old, actor=world.actor(SAM))


def test_the_form_of_another_person_or_model_is_refused(world: World) -> None:
    world.release("1")
    command = a_break_glass(world, "2", challenge="0" * 32, mode=EmergencyMode.FORWARD)
    with pytest.raises(ControlRoomError, match="not opened by you"):
        world.emergency.release(command, actor=world.actor(SAM))


def test_a_running_rollback_is_never_overtaken(world: World) -> None:
    world.release("1")
    world.release("2")
    command = a_break_glass(world, "3")
    world.platform.loading.add("1")
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor(SAM))
    with pytest.raises(ConflictError, match="rollback"):
        world.emergency.release(command, actor=world.actor(SAM))


def test_a_rollback_overtakes_a_queued_break_glass(world: World) -> None:
    world.release("1")
    world.release("2")
    world.platform.loading.add("3")
    break_glass(world, "3")
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor(SAM))
    states = {action.kind: action.state for action in world.rollout.actions(MODEL, 2)}
    assert states == {ActionKind.ROLLBACK: ActionState.APPLIED, ActionKind.EMERGENCY: ActionState.SUPERSEDED}


def test_rolling_back_an_emergency_release_is_possible_at_once(world: World) -> None:
    world.release("1")
    break_glass(world, "2")
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor(SAM))
    assert world.platform.observe(MODEL).routes == (("1", 100),)
    targets = {
        item.version: item.eligible for item in world.rollout.plan_rollback(MODEL, actor=world.actor(SAM)).targets
    }
    assert not targets["2"], "a version that nobody approved is no rollback target because it once served"


def test_a_changed_queue_row_moves_no_traffic(world: World) -> None:
    world.release("1")
    world.platform.loading.add("2")
    break_glass(world, "2")
    with world.database.write() as connection:
        connection.execute(
            update(rollout_action)
            .where(rollout_action.c.kind == "emergency")
            .values(to_version="3", routes='[["3", 100]]')
        )
    move(world, minutes=1)
    world.runner.run_pending()
    assert world.rollout.actions(MODEL)[0].state is ActionState.FAILED
    assert world.platform.observe(MODEL).routes == (("1", 100),)


def test_the_service_key_alone_breaks_no_glass(world: World) -> None:
    """Attack 29: an order that no person signed is queued and never carried out."""
    world.release("1")
    with world.units.read() as unit:
        served = unit.rollouts.action(world.rollout.actions(MODEL)[0].action_id)
        manifest = unit.rollouts.manifests(MODEL)["2"]
        head = unit.ledger.head()
    assert served is not None
    forged = replace(
        served,
        action_id="act-forged",
        kind=ActionKind.EMERGENCY,
        state=ActionState.PENDING,
        from_version="1",
        to_version="2",
        routes=(("2", 100),),
        champion="2",
        request_id=None,
        manifest_sha256=manifest,
        decisions=(),
        finished_at=None,
        switched_at=None,
    )
    basis = Basis(request_id="req-x", request_sha256="0" * 64, request_seq=1, policy_sha256="0" * 64, decisions=())
    payload = intents.action_statement(forged, basis=basis, at=world.clock.now(), head=head)
    with world.units.write() as unit:
        intents.record(unit, forged, world.desk.sign_as_service(payload))
    world.runner.run_pending()
    assert world.rollout.actions(MODEL)[0].detail.startswith("Nobody on call signed this release")
    assert world.platform.observe(MODEL).routes == (("1", 100),)


# reviewing


def test_two_uninvolved_people_close_the_review(stored: World) -> None:
    stored.release("1")
    review_id = break_glass(stored, "2")
    review(stored, review_id, by=CLARA)
    assert stored.emergency.get(review_id).state is ReviewState.OPEN
    review(stored, review_id, by=VERA)
    closed = stored.emergency.get(review_id)
    assert closed.state is ReviewState.ACCEPTED
    assert [(name, role) for name, role, *_ in closed.reviewers] == [
        ("Clara Whitfield", "compliance_officer"),
        ("Vera Lindholm", "validator"),
    ]
    assert stored.emergency.reviews(open_only=True) == ()


def test_who_acted_asked_or_signed_already_may_not_review(world: World) -> None:
    world.release("1")
    world.submit("2")
    review_id = break_glass(world, "2")
    with pytest.raises(RoleMissingError):
        world.emergency.open_review(review_id, actor=world.actor(SAM))
    with pytest.raises(RoleMissingError):
        world.emergency.open_review(review_id, actor=world.actor(DANA))
    review(world, review_id, by=CLARA)
    with pytest.raises(AlreadyDecidedError):
        world.emergency.open_review(review_id, actor=world.actor(CLARA))
    assert "reviewed this release already" in world.emergency.refusal_to_review(review_id, actor=world.actor(CLARA))


def test_the_requester_in_a_reviewing_role_may_not_review(world: World) -> None:
    from services.adapters.sql.schema.exceptions import emergency_review

    world.release("1")
    review_id = break_glass(world, "2")
    with world.database.write() as connection:
        connection.execute(update(emergency_review).values(requester_issuer="countersign:demo", requester_subject=VERA))
    with pytest.raises(SelfApprovalError):
        world.emergency.open_review(review_id, actor=world.actor(VERA))
    assert world.entries("event:review-refused") == 1


@pytest.mark.parametrize("pair", [{CLARA, VERA}, {SAM, VERA}])
def test_nobody_reviews_beside_or_after_whom_he_may_sign_for(world: World, pair: set[str]) -> None:
    world.release("1")
    review_id = break_glass(world, "2")
    review(world, review_id, by=CLARA)
    with world.units.read() as unit:
        emergency = unit.emergencies.get(review_id)
    assert emergency is not None
    delegates = [frozenset(("countersign:demo", subject) for subject in pair)]
    with pytest.raises(DelegationError, match="A delegation stands between you and"):
        require_reviewable(emergency, world.actor(VERA), delegates=delegates)
    require_reviewable(emergency, world.actor(BEN), delegates=delegates)


def test_two_reviewers_at_once_both_sign_and_the_review_closes_once(stored: World) -> None:
    stored.release("1")
    review_id = break_glass(stored, "2")
    commands = [(by, a_review(stored, review_id, by=by)) for by in (CLARA, VERA)]
    start, failures = threading.Barrier(2), list[ControlRoomError]()

    def sign(by: str, command: object) -> None:
        start.wait()
        try:
            stored.emergency.review(command, actor=stored.actor(by))  # type: ignore[arg-type]
        except ControlRoomError as refused:
            failures.append(refused)

    threads = [threading.Thread(target=sign, args=pair) for pair in commands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert stored.emergency.get(review_id).state is ReviewState.ACCEPTED


def test_three_reviewers_at_once_sign_twice(stored: World) -> None:
    stored.release("1")
    review_id = break_glass(stored, "2")
    commands = [(by, a_review(stored, review_id, by=by)) for by in (CLARA, VERA, BEN)]
    start, failures = threading.Barrier(3), list[ControlRoomError]()

    def sign(by: str, command: object) -> None:
        start.wait()
        try:
            stored.emergency.review(command, actor=stored.actor(by))  # type: ignore[arg-type]
        except ControlRoomError as refused:
            failures.append(refused)

    threads = [threading.Thread(target=sign, args=pair) for pair in commands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(item) for item in failures] == [IllegalTransitionError]
    assert len(stored.emergency.get(review_id).reviewers) == 2


def test_a_review_signed_twice_is_one_signature(stored: World) -> None:
    stored.release("1")
    review_id = break_glass(stored, "2")
    command = a_review(stored, review_id, by=CLARA)
    first = stored.emergency.review(command, actor=stored.actor(CLARA))
    again = stored.emergency.review(command, actor=stored.actor(CLARA))
    assert (again.seq, again.repeated) == (first.seq, True)
    assert len(stored.emergency.get(review_id).reviewers) == 1


def test_a_review_needs_words_and_a_form_of_the_reviewer(world: World) -> None:
    world.release("1")
    review_id = break_glass(world, "2")
    with pytest.raises(MissingReasonError):
        review(world, review_id, by=CLARA, comment="ok")
    stolen = a_review(world, review_id, by=CLARA).challenge
    with pytest.raises(ControlRoomError, match="not opened by you"):
        review(world, review_id, by=VERA, challenge=stolen)
    late = a_review(world, review_id, by=VERA)
    move(world, minutes=16)
    with pytest.raises(StaleRequestError):
        world.emergency.review(late, actor=world.actor(VERA))


def test_the_stricter_conclusion_stands_and_a_demanded_rollback_holds_up_the_next_release(world: World) -> None:
    world.release("1")
    review_id = break_glass(world, "2")
    review(world, review_id, by=CLARA, conclusion=Conclusion.ROLL_BACK)
    review(world, review_id, by=VERA)
    assert world.emergency.get(review_id).state is ReviewState.ROLL_BACK
    with pytest.raises(ReviewOverdueError, match="asks for a rollback"):
        world.emergency.plan(MODEL, "3", actor=world.actor(SAM))
    move(world, minutes=1)
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor(SAM))
    assert world.emergency.get(review_id).blocks == ""
    world.emergency.plan(MODEL, "3", actor=world.actor(SAM))


# overdue


def an_overdue_review(world: World) -> str:
    world.release("1")
    review_id = break_glass(world, "2")
    move(world, days=2, seconds=1)
    return review_id


def test_an_overdue_review_is_red_and_stops_another_break_glass_until_it_is_done(stored: World) -> None:
    """Attack 62."""
    review_id = an_overdue_review(stored)
    assert stored.emergency.get(review_id).state is ReviewState.OVERDUE
    with pytest.raises(ReviewOverdueError, match="2 of 2 reviewers have not signed"):
        stored.emergency.plan(MODEL, "3", actor=stored.actor(SAM))
    review(stored, review_id, by=CLARA)
    with pytest.raises(ReviewOverdueError, match="1 of 2 reviewers"):
        stored.emergency.plan(MODEL, "3", actor=stored.actor(SAM))
    review(stored, review_id, by=VERA)
    stored.emergency.plan(MODEL, "3", actor=stored.actor(SAM))


def test_an_overdue_review_of_one_model_holds_up_no_other(world: World) -> None:
    an_overdue_review(world)
    with world.units.read() as unit:
        assert unit.rollouts.overdue_reviews(MODEL, now=world.clock.now()) != ()
        assert unit.rollouts.overdue_reviews("another_model", now=world.clock.now()) == ()


def test_a_rollback_stays_possible_while_a_review_is_overdue(world: World) -> None:
    """Attack 62: nothing may stand between people and the last good version."""
    an_overdue_review(world)
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor(SAM))
    assert world.platform.observe(MODEL).routes == (("1", 100),)


# crashes

SCRIPT = """
import os, signal, sys
from pathlib import Path
from tests.builders import a_world

def die(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

world = a_world(Path(sys.argv[1]), after_step=die)
world.clock.set(world.clock.now().replace(minute=1))
world.runner.run_pending()
"""


@pytest.mark.parametrize("step", ["claimed", "switched", "alias-written", "closed"])
def test_killed_after_the_signature_the_release_happens_once_and_its_review_is_open(tmp_path: Path, step: str) -> None:
    world = a_world(tmp_path)
    world.release("1")
    world.platform.away = True
    review_id = break_glass(world, "2", challenge=_challenge(world), mode=EmergencyMode.FORWARD)
    world.database.dispose()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), step],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr

    again = a_world(tmp_path, clock=FrozenClock(NOON.replace(minute=2)))
    again.runner.run_pending()
    assert again.platform.observe(MODEL).routes == (("2", 100),)
    assert again.entries("action:emergency") == 1
    assert again.emergency.get(review_id).state is ReviewState.OPEN
    assert again.rollout.actions(MODEL)[0].state is ActionState.APPLIED
    again.database.dispose()


def _challenge(world: World) -> str:
    return world.emergency.plan(MODEL, "2", actor=world.actor(SAM)).challenge


def test_nothing_of_an_order_that_could_not_be_committed_remains(stored: World) -> None:
    """The review opens in the same transaction as the order: neither exists without the other."""
    from services.adapters.sql.emergency import SqlEmergencies

    stored.release("1")
    command = a_break_glass(stored, "2")
    kept = SqlEmergencies.add

    def broken(self: SqlEmergencies, emergency: object) -> None:
        raise RuntimeError

    SqlEmergencies.add = broken  # type: ignore[method-assign,assignment]
    try:
        with pytest.raises(RuntimeError):
            stored.emergency.release(command, actor=stored.actor(SAM))
    finally:
        SqlEmergencies.add = kept  # type: ignore[method-assign]
    assert stored.entries("action:emergency") == 0
    assert stored.rollout.actions(MODEL)[0].kind is ActionKind.START
    stored.emergency.release(command, actor=stored.actor(SAM))
    assert stored.entries("action:emergency") == 1
