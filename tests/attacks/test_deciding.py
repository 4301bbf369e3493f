"""Attacks on the moment of deciding: several people at once, a form for something else, a wrong clock, a crash."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from services.adapters.sql.approvals import SqlRequests
from services.approvals.models import Decision, RequestState, SignOff
from services.attestation import envelope
from services.kernel.clock import FrozenClock
from services.kernel.errors import ClockMovedError, ControlRoomError, IllegalTransitionError, RoleMissingError
from tests.builders import MODEL, POLICIES, World, a_world
from tests.contract.conftest import database_url, postgres  # noqa: F401 - fixtures
from tests.unit.approvals.acting import objections

BEN, CARL, CLARA, VERA = "ben.business", "carl.compliance", "clara.compliance", "vera.validator"
FOUR = ((VERA, Decision.APPROVE), (BEN, Decision.ACKNOWLEDGE), (CLARA, Decision.APPROVE), (CARL, Decision.APPROVE))


def asked(world: World, version: str = "3") -> str:
    world.submit(version)
    return world.request_of(version).request_id


def one_stage_of_four(folder: Path) -> Path:
    """The policy of tier 1 with four signatures that may all be given at once."""
    policies = folder / "policies"
    shutil.copytree(POLICIES, policies)
    file = policies / "tier-1.yaml"
    lines = (
        file.read_text()
        .replace("stage: 2}", "stage: 1}")
        .replace("{role: compliance_officer, needed: 1,", "{role: compliance_officer, needed: 2,")
    )
    file.write_text("\n".join(line for line in lines.splitlines() if 'title: "Business and compliance"' not in line))
    return policies


def test_four_approvers_at_the_same_instant_make_exactly_one_action(tmp_path: Path, database_url: str) -> None:  # noqa: F811
    """Attack 10: every signature is kept, and the last of them alone queues the release."""
    policies = one_stage_of_four(tmp_path)
    world = a_world(tmp_path, url=database_url, policies=policies)
    request_id = asked(world)
    pages = {who: world.approvals.open_review(request_id, actor=world.actor(who)).challenge for who, _ in FOUR}
    failures: list[ControlRoomError] = []
    start = threading.Barrier(len(FOUR))

    def sign(who: str, decision: Decision) -> None:
        start.wait()
        try:
            world.sign_off(request_id, who, decision, challenge=pages[who])
        except ControlRoomError as refused:
            failures.append(refused)

    threads = [threading.Thread(target=sign, args=pair) for pair in FOUR]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert world.entries("action:start") == 1
    assert world.request_of("3").state is RequestState.APPROVED
    assert len(world.approvals.approved(MODEL, "3").decision_entries) == len(FOUR)
    assert objections(world) == set()
    world.database.dispose()


def test_two_tabs_of_one_person_are_one_entry(world: World) -> None:
    """Attack 8: each tab opened its own review."""
    request_id = asked(world)
    tabs = [world.approvals.open_review(request_id, actor=world.actor(VERA)).challenge for _ in range(2)]
    first, second = (world.sign_off(request_id, VERA, Decision.APPROVE, challenge=tab) for tab in tabs)
    assert (second.seq, second.repeated) == (first.seq, True)
    assert world.entries("decision:approve") == 1


def test_a_page_of_one_version_signs_no_other(world: World) -> None:
    """Attack 16: the form of version 3 posts the request of version 2."""
    shown, posted = asked(world, "3"), asked(world, "2")
    page = world.approvals.open_review(shown, actor=world.actor(VERA))
    with pytest.raises(IllegalTransitionError, match="not opened by you for this step of this request"):
        world.sign_off(posted, VERA, Decision.APPROVE, challenge=page.challenge)
    assert world.entries("decision:approve") == 0
    assert world.entries("event:sign-off-refused") == 1


def test_the_role_counts_at_the_moment_of_signing(world: World) -> None:
    """Attack 22: whoever opened the page in time and lost the role since signs nothing."""
    from sqlalchemy import delete

    from services.adapters.sql.schema.people import person_role

    request_id = asked(world)
    vera = world.actor(VERA)
    page = world.approvals.open_review(request_id, actor=vera)
    with world.database.write() as connection:
        connection.execute(delete(person_role).where(person_role.c.subject == VERA))
    command = SignOff(
        command_id="c",
        request_id=request_id,
        decision=Decision.APPROVE,
        reason_code="",
        comment="",
        challenge=page.challenge,
        passphrase=world.secret(VERA),
    )
    with pytest.raises(RoleMissingError):
        world.approvals.sign_off(command, actor=vera)
    assert world.entries("decision:approve") == 0


def test_a_clock_set_back_signs_nothing_and_leaves_nothing(world: World) -> None:
    """Attack 41: a signature dated before what it answers to is refused with words, and the page stays usable."""
    request_id = asked(world)
    page = world.approvals.open_review(request_id, actor=world.actor(VERA))
    assert isinstance(world.clock, FrozenClock)
    right = world.clock.now()
    world.clock.set(right - timedelta(minutes=11))
    before = world.ledger.head().size
    with pytest.raises(ClockMovedError, match="Not signed"):
        world.sign_off(request_id, VERA, Decision.APPROVE, challenge=page.challenge)
    assert world.ledger.head().size == before
    with world.units.read() as unit:
        assert unit.requests.decisions(request_id) == ()
        assert len(unit.requests.trail(request_id)) == 1
    world.clock.set(right)
    world.sign_off(request_id, VERA, Decision.APPROVE, challenge=page.challenge)
    assert world.entries("decision:approve") == 1


def test_a_zone_changes_nothing_of_the_signed_time(world: World) -> None:
    """Attack 42: the zone of the reader is text beside a time in UTC."""
    request_id = asked(world)
    vera = world.actor(VERA)
    page = world.approvals.open_review(request_id, actor=vera)
    command = SignOff(
        command_id="c",
        request_id=request_id,
        decision=Decision.APPROVE,
        reason_code="",
        comment="",
        challenge=page.challenge,
        passphrase=world.secret(VERA),
        zone="America/New_York",
    )
    seq = world.approvals.sign_off(command, actor=vera).seq
    data = next(entry.envelope for entry in world.book.entries() if entry.seq == seq)
    said = json.loads(envelope.read(data).payload)["predicate"]
    assert said["at"] == f"{world.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    assert said["zone"] == "America/New_York"


def test_killed_before_the_commit_nothing_is_recorded_and_the_page_still_signs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack 56: the entry was made and the transaction was not finished."""
    request_id = asked(world)
    page = world.approvals.open_review(request_id, actor=world.actor(VERA))
    before = world.ledger.head().size

    def killed(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SqlRequests, "add_decision", killed)
        with pytest.raises(KeyboardInterrupt):
            world.sign_off(request_id, VERA, Decision.APPROVE, challenge=page.challenge)
    assert world.ledger.head().size == before
    assert not world.sign_off(request_id, VERA, Decision.APPROVE, challenge=page.challenge).repeated


def test_killed_after_the_commit_the_same_form_gives_the_same_receipt(world: World) -> None:
    """Attack 57: also after the last signature, and without a second release."""
    request_id = asked(world)
    world.sign_off(request_id, VERA, Decision.APPROVE)
    world.sign_off(request_id, BEN, Decision.ACKNOWLEDGE)
    page = world.approvals.open_review(request_id, actor=world.actor(CLARA))
    lost = world.sign_off(request_id, CLARA, Decision.APPROVE, challenge=page.challenge)
    again = world.sign_off(request_id, CLARA, Decision.APPROVE, challenge=page.challenge)
    assert again.repeated
    assert (again.seq, again.leaf_hash) == (lost.seq, lost.leaf_hash)
    assert world.entries("action:start") == 1
