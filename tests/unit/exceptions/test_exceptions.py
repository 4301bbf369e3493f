"""An exception lets one gate of one model stay red for a time; two people sign it, and it ends by itself."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from services.adapters.sql.schema.exceptions import exception_step, policy_exception
from services.adapters.sql.schema.ledger import log_entry
from services.attestation.free_text import digest_of
from services.exceptions.models import ExceptionState
from services.kernel.errors import (
    AlreadyDecidedError,
    ControlRoomError,
    ExceptionRefusedError,
    InputError,
    MissingReasonError,
    NotExceptableError,
    PassphraseError,
    RoleMissingError,
)
from services.kernel.secret import Secret
from services.policy.exceptions import apply_exceptions
from services.policy.models import Verdict
from tests.builders import GOOD_METRICS, MODEL, World, a_version
from tests.unit.exceptions.commands import (
    BEN,
    CARL,
    CLARA,
    DANA,
    GATE,
    SAM,
    a_proposal,
    decide,
    disable,
    end,
    granted,
    move,
    propose,
)


def a_red_version(world: World, number: str = "3") -> None:
    world.inventory.put_version(
        a_version(number, metrics=tuple((GOOD_METRICS | {"holdout_calibration_gap": 0.2}).items()))
    )


def test_a_proposal_alone_excepts_nothing(stored: World) -> None:
    exception_id = propose(stored)
    assert stored.exceptions.get(exception_id).state is ExceptionState.PROPOSED
    assert stored.exceptions.active(MODEL) == ()


def test_a_granted_exception_counts_until_its_day_and_not_one_second_longer(stored: World) -> None:
    exception_id = granted(stored)
    (active,) = stored.exceptions.active(MODEL)
    assert (active.id, active.gate, active.granted_by) == (exception_id, GATE, "Clara Whitfield")
    assert stored.exceptions.active("another_model") == ()

    move(stored, days=30, seconds=-1)
    assert stored.exceptions.active(MODEL) != ()
    move(stored, seconds=1)
    assert stored.exceptions.active(MODEL) == ()
    assert stored.exceptions.get(exception_id).state is ExceptionState.EXPIRED


def test_the_verdict_stays_red_and_the_exception_stands_beside_it(world: World) -> None:
    a_red_version(world)
    granted(world)
    report = apply_exceptions(world.evaluation.gates(MODEL, "3"), world.exceptions.active(MODEL))
    outcome = next(item for item in report.outcomes if item.gate == GATE)
    assert outcome.verdict is Verdict.FAILED
    assert outcome.exception == (
        "excepted until 02 Mar 2030 by Clara Whitfield: A claims handler checks every tenth score by hand."
    )
    assert not outcome.stands_in_the_way


def test_only_that_gate_is_excepted(world: World) -> None:
    metrics = GOOD_METRICS | {"holdout_calibration_gap": 0.2, "holdout_ece": 0.3}
    world.inventory.put_version(a_version("3", metrics=tuple(metrics.items())))
    granted(world)
    report = apply_exceptions(world.evaluation.gates(MODEL, "3"), world.exceptions.active(MODEL))
    assert [item.gate for item in report.outcomes if item.stands_in_the_way] == ["calibration-error"]


def test_the_person_who_proposed_or_owns_it_may_not_grant_it(world: World) -> None:
    exception_id = propose(world, owner_subject=CLARA)
    with pytest.raises(ExceptionRefusedError, match="owns this exception"):
        decide(world, exception_id, by=CLARA)
    with pytest.raises(RoleMissingError):
        decide(world, exception_id, by=DANA)
    assert world.entries("event:exception-refused") == 1
    decide(world, exception_id, by=CARL)
    assert world.exceptions.get(exception_id).granted_by == "Carl Nyström"


def test_only_a_data_science_lead_proposes(world: World) -> None:
    with pytest.raises(RoleMissingError):
        world.exceptions.propose(a_proposal(world, passphrase=world.secret(SAM)), actor=world.actor(SAM))
    assert world.entries("event:permission-refused") == 1


@pytest.mark.parametrize(("gate", "why"), [("files", "digest of its files"), ("signature", "inputs and outputs")])
def test_some_gates_can_never_be_excepted(world: World, gate: str, why: str) -> None:
    with pytest.raises(NotExceptableError, match=why):
        propose(world, gate=gate)
    assert world.exceptions.all() == ()
    assert world.entries("event:exception-refused") == 1


def test_a_gate_the_policy_keeps_closed_is_refused_in_words(world: World) -> None:
    with pytest.raises(NotExceptableError, match="The policy tier-1 does not allow it"):
        propose(world, gate="leakage")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"gate": "no-such-gate"}, InputError),
        ({"reason": "short"}, MissingReasonError),
        ({"control": " "}, MissingReasonError),
        ({"control": "x" * 2001}, InputError),
        ({"owner_subject": "nobody"}, InputError),
        ({"owner_subject": ""}, InputError),
    ],
)
def test_an_incomplete_proposal_is_sent_back(world: World, changes: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        propose(world, **changes)
    assert world.exceptions.all() == ()


def test_the_end_date_lies_ahead_and_within_what_the_policy_allows(world: World) -> None:
    now = world.clock.now()
    with pytest.raises(InputError, match="past"):
        propose(world, until=now)
    with pytest.raises(ExceptionRefusedError, match="at most 60 days"):
        propose(world, until=now + timedelta(days=60, seconds=1))
    propose(world, until=now + timedelta(days=60))


def test_a_second_exception_for_the_same_gate_waits_for_the_first(world: World) -> None:
    exception_id = granted(world)
    with pytest.raises(ExceptionRefusedError, match="active already"):
        propose(world)
    end(world, exception_id)
    propose(world)


def test_a_refusal_needs_a_reason_and_is_final(world: World) -> None:
    exception_id = propose(world)
    with pytest.raises(MissingReasonError):
        decide(world, exception_id, grant=False)
    decide(world, exception_id, grant=False, reason="Fix the calibration, it is one line.")
    view = world.exceptions.get(exception_id)
    assert (view.state, view.ended_why) == (
        ExceptionState.REFUSED,
        "Clara Whitfield: Fix the calibration, it is one line.",
    )
    with pytest.raises(AlreadyDecidedError):
        decide(world, exception_id, by=CARL)


@pytest.mark.parametrize("by", [CLARA, CARL, DANA])
def test_a_compliance_officer_or_the_proposer_may_end_it_early(world: World, by: str) -> None:
    exception_id = granted(world)
    end(world, exception_id, by=by)
    assert world.exceptions.active(MODEL) == ()
    assert world.exceptions.get(exception_id).state is ExceptionState.ENDED


def test_nobody_else_may_end_it_and_a_reason_is_needed(world: World) -> None:
    exception_id = granted(world)
    with pytest.raises(ExceptionRefusedError):
        end(world, exception_id, by=SAM)
    with pytest.raises(MissingReasonError):
        end(world, exception_id, reason="ok")
    assert world.exceptions.active(MODEL) != ()


def test_when_its_owner_leaves_it_stops_counting_and_says_so(stored: World) -> None:
    exception_id = granted(stored)
    disable(stored, BEN)
    assert stored.exceptions.active(MODEL) == ()
    assert stored.exceptions.expire_due() == 1
    view = stored.exceptions.get(exception_id)
    assert view.state is ExceptionState.EXPIRED
    assert view.ended_why == "Ben Okafor, who owned it, is no longer an active person here."
    assert view.late


def test_what_ran_out_is_recorded_once_and_stays_late_until_somebody_closes_it(stored: World) -> None:
    exception_id = granted(stored)
    assert stored.exceptions.expire_due() == 0
    move(stored, days=31)
    assert (stored.exceptions.expire_due(), stored.exceptions.expire_due()) == (1, 0)
    assert stored.entries("event:exception-expired") == 1
    assert stored.exceptions.get(exception_id).late
    end(stored, exception_id)
    assert not stored.exceptions.get(exception_id).late


def test_a_proposal_nobody_decides_is_late_after_three_days_and_void_after_its_day(world: World) -> None:
    exception_id = propose(world)
    move(world, days=3)
    assert not world.exceptions.get(exception_id).late
    move(world, seconds=1)
    assert world.exceptions.get(exception_id).late
    move(world, days=30)
    with pytest.raises(ControlRoomError, match="no longer active"):
        decide(world, exception_id)


def test_a_double_click_and_a_second_tab_sign_once(stored: World) -> None:
    command = a_proposal(stored)
    first = stored.exceptions.propose(command, actor=stored.actor(DANA))
    again = stored.exceptions.propose(command, actor=stored.actor(DANA))
    assert (again.seq, again.repeated) == (first.seq, True)
    exception_id = stored.exceptions.all()[0].id
    one, two = decide(stored, exception_id), decide(stored, exception_id)
    assert (two.seq, two.repeated) == (one.seq, True)
    assert stored.entries("exception:grant") == 1


def test_two_officers_at_once_decide_once(stored: World) -> None:
    exception_id = propose(stored)
    start, failures = threading.Barrier(2), list[ControlRoomError]()

    def sign(by: str, *, grant: bool) -> None:
        start.wait()
        try:
            decide(stored, exception_id, by=by, grant=grant, reason="Measured again, it is fine.")
        except ControlRoomError as refused:
            failures.append(refused)

    threads = [
        threading.Thread(target=sign, args=(CLARA,), kwargs={"grant": True}),
        threading.Thread(target=sign, args=(CARL,), kwargs={"grant": False}),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(item) for item in failures] == [AlreadyDecidedError]
    assert stored.entries("exception:grant") + stored.entries("exception:refuse") == 1


def test_a_wrong_passphrase_leaves_nothing_but_the_counted_attempt(world: World) -> None:
    exception_id = propose(world)
    with pytest.raises(PassphraseError):
        decide(world, exception_id, passphrase=Secret("not the right one"))
    assert world.exceptions.get(exception_id).state is ExceptionState.PROPOSED


def test_a_changed_row_excepts_nothing(stored: World) -> None:
    granted(stored)
    with stored.database.write() as connection:
        connection.execute(update(policy_exception).values(gate="leakage"))
    assert stored.exceptions.active(MODEL) == ()


def test_a_longer_end_date_written_into_the_row_excepts_nothing(stored: World) -> None:
    granted(stored)
    with stored.database.write() as connection:
        connection.execute(update(policy_exception).values(until=stored.clock.now() + timedelta(days=3000)))
    assert stored.exceptions.active(MODEL) == ()


def test_a_grant_nobody_signed_excepts_nothing(stored: World) -> None:
    exception_id = propose(stored)
    with stored.database.write() as connection:
        row = connection.execute(select(exception_step)).one()
        connection.execute(exception_step.insert().values(**{**row._mapping, "step": "decided"}))
        connection.execute(update(policy_exception).values(granted=True))
    assert stored.exceptions.get(exception_id).state is ExceptionState.ACTIVE
    assert stored.exceptions.active(MODEL) == ()


def test_the_words_stay_outside_the_ledger_and_only_their_salted_digest_is_signed(stored: World) -> None:
    granted(stored)
    with stored.database.read() as connection:
        envelopes = b"".join(connection.execute(select(log_entry.c.envelope)).scalars())
        step = connection.execute(select(exception_step).where(exception_step.c.step == "proposed")).one()
    assert b"strike" not in envelopes
    said = stored.ledger.require_valid(step.seq, step.leaf_hash)
    assert said["reason"] == {"sha256": digest_of(step.salt, step.reason)}
    assert said["owner"] == {"issuer": "countersign:demo", "sub": BEN, "name": "Ben Okafor"}


def test_a_grant_cites_the_proposal_that_was_read(world: World) -> None:
    exception_id = granted(world)
    view = world.exceptions.get(exception_id)
    with world.database.read() as connection:
        proposed = connection.execute(select(exception_step).where(exception_step.c.step == "proposed")).one()
        decided = connection.execute(select(exception_step).where(exception_step.c.step == "decided")).one()
    said = world.ledger.require_valid(view.seq, decided.leaf_hash)
    assert said["proposal"] == {"entry": proposed.seq, "sha256": proposed.leaf_hash}
    assert said["op"] == "grant"
