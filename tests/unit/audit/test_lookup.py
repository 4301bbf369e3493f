"""Which version and whose signatures decided, and in words what cannot be known."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.audit.lookup import PredictionFact
from services.kernel.errors import InputError
from tests.unit.audit.room import MODEL, Room, a_room


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = a_room(tmp_path)
    room.register()
    room.world.release("1")
    room.later(days=2)
    return room


def a_prediction(room: Room, version: str, **changes: object) -> PredictionFact:
    values: dict[str, object] = {
        "prediction_id": "p-1",
        "model": MODEL,
        "version": version,
        "role": "live",
        "event_at": room.clock.now(),
        "score": 0.7,
    }
    fact = PredictionFact(**(values | changes))  # type: ignore[arg-type]
    room.predictions.facts.append(fact)
    return fact


def test_a_moment_names_version_policy_gates_and_signers(room: Room) -> None:
    found = room.reports.look_up(MODEL, room.clock.now())

    assert (found.routes, found.champion, found.unknown) == ((("1", 100),), "1", ())
    (approval,) = found.approvals
    assert [item.name for item in approval.signers] == ["Vera Lindholm", "Ben Okafor", "Clara Whitfield"]
    assert approval.requester == "Dana Petrov"
    assert (approval.policy_name, len(approval.policy_sha256)) == ("tier-1", 64)
    assert any(gate.rule and gate.observed for gate in approval.gates)
    assert "approve this version for production" in approval.signers[0].meaning


def test_during_a_canary_a_moment_names_both_versions_and_says_what_it_cannot_know(room: Room) -> None:
    room.world.approve("2")
    room.world.runner.run_pending()
    room.later(hours=1)

    found = room.reports.look_up(MODEL, room.clock.now())

    assert dict(found.routes) == {"1": 90, "2": 10}
    assert {item.version for item in found.approvals} == {"1", "2"}
    assert any("only its prediction id tells" in words for words in found.unknown)


def test_a_prediction_id_names_the_exact_version(room: Room) -> None:
    room.world.approve("2")
    room.world.runner.run_pending()
    room.later(hours=1)
    a_prediction(room, "2")

    (found,) = room.reports.look_up_prediction(" p-1 ")

    assert [item.version for item in found.approvals] == ["2"]
    assert (found.problems, found.unknown) == ((), ())


def test_a_version_that_had_no_traffic_is_a_contradiction_not_an_answer(room: Room) -> None:
    a_prediction(room, "3")

    (found,) = room.reports.look_up_prediction("p-1")

    assert "by the ledger it had no traffic" in found.problems[0]
    assert any("Who approved version 3" in words for words in found.unknown)


def test_before_the_first_release_nothing_is_claimed(room: Room) -> None:
    room.world.submit("2")
    first = room.reports.recorded()[0]
    at = room.clock.now().replace(day=first.day, month=first.month, hour=11)

    found = room.reports.look_up(MODEL, at)

    assert found.routes == ()
    assert "its first recorded release is of" in found.unknown[0]


def test_close_to_a_switch_the_second_is_said_to_be_unknown(room: Room) -> None:
    room.world.release("2")

    found = room.reports.look_up(MODEL, room.clock.now())

    assert any("The exact second of the switch" in words for words in found.unknown)


def test_what_nobody_recorded_is_refused_in_words(room: Room) -> None:
    with pytest.raises(InputError, match="holds no prediction 'p-9'"):
        room.reports.look_up_prediction("p-9")
    with pytest.raises(InputError, match="names no model"):
        room.reports.look_up("nobody", room.clock.now())
    with pytest.raises(InputError, match="future"):
        room.reports.look_up(MODEL, room.clock.now().replace(year=2031))
