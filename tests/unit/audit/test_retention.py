"""How long records are kept, what a hold keeps longer, and that disposal never touches the ledger."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from services.approvals.models import Decision
from services.audit import retention
from services.audit.keeping import Dispose, PlaceHold, ReleaseHold
from services.kernel.errors import ConflictError, InputError, MissingReasonError, PassphraseError, RefusalError
from services.kernel.identity import Permission
from services.kernel.secret import Secret
from tests.unit.audit.room import MODEL, Room, a_command, a_room


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = a_room(tmp_path)
    room.register()
    room.world.submit("1", note="Text of the requester.")
    request_id = room.world.request_of("1").request_id
    room.world.sign_off(request_id, "vera.validator", Decision.APPROVE, comment="Text of the validator.")
    return room


def a_dispose(room: Room, class_id: str = "decisions", expected: int = 2, **changes: object) -> Dispose:
    values: dict[str, object] = {
        "command_id": a_command(),
        "class_id": class_id,
        "expected": expected,
        "passphrase": room.world.secret("clara.compliance"),
    }
    return Dispose(**(values | changes))  # type: ignore[arg-type]


def a_hold(room: Room, scope: str = MODEL, kind: str = "model", **changes: object) -> PlaceHold:
    values: dict[str, object] = {
        "command_id": a_command(),
        "scope_kind": kind,
        "scope": scope,
        "reason": "Matter 2030-17, preservation notice.",
        "passphrase": room.world.secret("clara.compliance"),
    }
    return PlaceHold(**(values | changes))  # type: ignore[arg-type]


def retire(room: Room, years: int = 8) -> None:
    room.world.ledger.record_event(event=retention.RETIRED, actor=None, model=MODEL, detail={"reason": "replaced"})
    room.clock.set(room.clock.now() + timedelta(days=366 * years))


def texts(room: Room) -> list[str]:
    from sqlalchemy import text

    with room.world.database.read() as connection:
        notes = connection.execute(text("SELECT note FROM promotion_request")).scalars()
        comments = connection.execute(text("SELECT comment || salt FROM request_decision")).scalars()
        return [*notes, *comments]


def test_the_longest_applicable_profile_wins() -> None:
    rule = retention.load().rule("decisions")
    machine = retention.load().rule("machine")
    assert rule is not None
    assert machine is not None

    assert rule.period(frozenset()) == 7
    assert rule.period(frozenset({"hipaa"})) == 7
    assert rule.period(frozenset({"hipaa", "eu"})) == 10
    assert (machine.period(frozenset()), machine.period(frozenset({"hipaa"}))) == (5, 6)
    support = retention.load().rule("support")
    assert support is not None
    assert not support.applies(frozenset({"hipaa"}))
    assert retention.years_after(date(2028, 2, 29), 7) == date(2035, 3, 1)


def test_while_the_model_is_in_use_nothing_of_a_decision_is_due(room: Room) -> None:
    state = next(item for item in room.reports.retention.classes() if item.rule.id == "decisions")

    assert (state.due_now, state.next_due, state.erasable) == (0, None, 2)
    assert "no model is recorded as retired" in state.due_words
    assert state.records > 10
    with pytest.raises(RefusalError, match="is due"):
        room.reports.retention.dispose(a_dispose(room), actor=room.world.actor("clara.compliance"))
    assert texts(room)[0] == "Text of the requester."


def test_disposal_erases_text_and_salt_keeps_the_ledger_and_leaves_a_signed_certificate(room: Room) -> None:
    retire(room)
    before = room.world.ledger.head().size
    entries = [entry.envelope for entry in room.world.book.entries()]

    receipt = room.reports.retention.dispose(a_dispose(room), actor=room.world.actor("clara.compliance"))

    assert all(text.startswith("[erased on 2038") for text in texts(room))
    assert f"ledger entry {receipt.seq}" in texts(room)[0]
    assert room.world.ledger.head().size == before + 1
    assert [entry.envelope for entry in room.world.book.entries()][:before] == entries
    (certificate,) = room.reports.retention.certificates()
    assert (certificate.items, certificate.by, certificate.seq) == (2, "Clara Whitfield", receipt.seq)
    state = next(item for item in room.reports.retention.classes() if item.rule.id == "decisions")
    assert (state.due_now, state.erasable) == (0, 0)


def test_a_double_click_disposes_once(room: Room) -> None:
    retire(room)
    command, clara = a_dispose(room), room.world.actor("clara.compliance")

    first, second = (room.reports.retention.dispose(command, actor=clara) for _ in range(2))

    assert first.seq == second.seq
    assert len(room.reports.retention.certificates()) == 1


@pytest.mark.parametrize(("scope", "kind"), [(MODEL, "model"), ("decisions", "class")])
def test_a_hold_stops_disposal_until_it_is_released(room: Room, scope: str, kind: str) -> None:
    clara, kept = room.world.actor("clara.compliance"), room.reports.retention
    kept.place_hold(a_hold(room, scope, kind), actor=clara)
    retire(room)

    with pytest.raises(RefusalError, match="a legal hold keeps all of them"):
        kept.dispose(a_dispose(room), actor=clara)
    assert next(item for item in kept.classes() if item.rule.id == "decisions").held == 2
    (hold,) = kept.holds()
    kept.release_hold(
        ReleaseHold(
            command_id=a_command(),
            hold_id=hold.id,
            reason="The matter was closed by order.",
            passphrase=room.world.secret("clara.compliance"),
        ),
        actor=clara,
    )
    kept.dispose(a_dispose(room), actor=clara)

    assert [item.stands for item in kept.holds()] == [False]
    assert len(kept.certificates()) == 1


def test_only_compliance_manages_retention_and_refusals_are_recorded(room: Room) -> None:
    retire(room)
    for subject in ("otto.auditor", "ada.admin", "sam.sre"):
        actor = room.world.actor(subject)
        with pytest.raises(RefusalError):
            room.reports.retention.dispose(a_dispose(room, passphrase=room.world.secret(subject)), actor=actor)
        with pytest.raises(RefusalError):
            room.reports.retention.place_hold(a_hold(room), actor=actor)
        assert not room.world.people.may(actor, Permission.MANAGE_RETENTION)
    with pytest.raises(PassphraseError):
        room.reports.retention.dispose(
            a_dispose(room, passphrase=Secret("wrong")), actor=room.world.actor("clara.compliance")
        )

    assert room.world.entries("event:permission-refused") == 6
    assert room.world.entries("event:disposal-refused") == 1
    assert room.reports.retention.certificates() == ()
    assert texts(room)[0] == "Text of the requester."


def test_what_was_shown_is_what_is_erased(room: Room) -> None:
    retire(room)

    with pytest.raises(ConflictError, match="2 texts are due now, not the 9 you saw"):
        room.reports.retention.dispose(a_dispose(room, expected=9), actor=room.world.actor("clara.compliance"))


def test_unused_forms_of_last_year_are_drafts_and_may_go(room: Room) -> None:
    request_id = room.world.request_of("1").request_id
    room.world.approvals.open_review(request_id, actor=room.world.actor("clara.compliance"))
    room.later(days=400)

    room.reports.retention.dispose(a_dispose(room, "drafts", 1), actor=room.world.actor("clara.compliance"))

    state = next(item for item in room.reports.retention.classes() if item.rule.id == "drafts")
    assert (state.records, state.due_now) == (0, 0)
    assert texts(room)[0] == "Text of the requester."


def test_a_hold_needs_scope_and_reason(room: Room) -> None:
    clara = room.world.actor("clara.compliance")
    with pytest.raises(MissingReasonError):
        room.reports.retention.place_hold(a_hold(room, reason="short"), actor=clara)
    with pytest.raises(InputError):
        room.reports.retention.place_hold(a_hold(room, "nothing", "class"), actor=clara)
    with pytest.raises(InputError):
        room.reports.retention.place_hold(a_hold(room, MODEL, "galaxy"), actor=clara)
    assert room.reports.retention.holds() == ()
