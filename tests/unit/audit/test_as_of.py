"""Any past day is rebuilt from the ledger, and what the ledger does not say is said to be unknown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from services.inventory.governance import TierOverride
from services.inventory.models import Owner
from services.kernel.errors import InputError
from tests.builders import a_model, a_standing
from tests.unit.audit.room import MODEL, Room, a_room, a_vendor

FIRST = date(2030, 1, 31)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return a_room(tmp_path)


def test_owners_tiers_and_live_versions_are_those_of_that_day(room: Room) -> None:
    ends = room.clock.now() + timedelta(days=2)
    override = TierOverride(tier=1, reason="Audit", until=ends, proposed_by="Dana", confirmed_by="Vera", seq=7)
    room.register(a_model(risk=a_standing(2, override=override)), a_vendor())
    room.world.release("1")
    room.later(days=5)
    owners = (Owner(role="business_owner", subject="x", name="Xenia Roth"),)
    room.register(a_model(owners=owners))
    room.world.release("2")

    then, now = room.reports.as_of(FIRST), room.reports.as_of(FIRST + timedelta(days=5))
    before, after = (next(item for item in view.models if item.name == MODEL) for view in (then, now))

    assert (before.tier, before.live, [owner.name for owner in before.owners]) == (
        1,
        (("1", 100),),
        [owner.name for owner in a_model().owners],
    )
    assert (after.tier, after.live, [owner.name for owner in after.owners]) == (2, (("2", 100),), ["Xenia Roth"])
    assert (len(then.models), then.in_production, then.vendors) == (2, 1, 1)
    assert then.by_tier == {1: 2}
    assert now.by_tier == {1: 1, 2: 1}


def test_a_canary_split_of_that_day_is_shown(room: Room) -> None:
    room.register()
    room.world.release("1")
    room.later(days=1)
    room.world.approve("2")
    room.world.runner.run_pending()
    room.later(days=1)

    model = next(item for item in room.reports.as_of(FIRST + timedelta(days=1)).models if item.name == MODEL)

    assert dict(model.live) == {"1": 90, "2": 10}


def test_days_outside_the_recorded_time_are_refused_in_words(room: Room) -> None:
    room.later(days=2)

    with pytest.raises(InputError, match="the ledger begins on 2030-01-31"):
        room.reports.as_of(FIRST - timedelta(days=1))
    with pytest.raises(InputError, match="lies in the future"):
        room.reports.as_of(FIRST + timedelta(days=3))


def test_a_model_without_registration_is_marked_not_invented(room: Room) -> None:
    room.world.release("1")

    (model,) = room.reports.as_of(FIRST).models

    assert (model.owners, model.review_every_days, model.seq_registered) == ((), None, None)
    assert model.tier == 1
    assert any("registration" in words for words in model.unknown)
    assert any("what request entry" in words for words in model.unknown)


def test_a_finding_of_that_day_is_open_until_it_was_seen_to_have_ended(room: Room) -> None:
    room.register()
    room.world.release("1")
    room.later(days=1)
    _point(room, "3")
    room.later(days=1)
    _point(room, "1")

    (finding,) = room.reports.as_of(FIRST + timedelta(days=1)).findings
    assert finding.model == MODEL
    assert "does not say that it had ended by itself" in finding.sentence
    assert room.reports.as_of(FIRST + timedelta(days=2)).findings == ()
    assert room.reports.as_of(FIRST).findings == ()


def _point(room: Room, version: str) -> None:
    """Somebody moves the alias in the registry; the copy and the worker's look follow."""
    room.world.registry.set_alias(MODEL, "champion", version)
    room.world.inventory.point_alias(MODEL, version)
    room.world.rollout.reconcile()


def test_an_approval_that_ran_out_while_live_is_a_finding(room: Room) -> None:
    room.register()
    room.world.release("1")
    room.later(days=200)

    (finding,) = room.reports.as_of(FIRST + timedelta(days=200)).findings

    assert "approval of version 1 ended" in finding.sentence


def test_void_and_tampered_entries_change_nothing(room: Room) -> None:
    room.register()
    room.world.release("1")
    seq = room.reports.as_of(FIRST).models[1].seq_live
    with room.world.database.writer_engine.begin() as connection:
        connection.execute(text("DROP TRIGGER log_entry_no_update"))
        connection.execute(text("UPDATE log_entry SET leaf_hash = zeroblob(32) WHERE seq = :seq"), {"seq": seq})

    fresh = a_room(Path(room.world.database.url.database or "").parent, room.world)
    view = fresh.reports.as_of(FIRST)

    assert next(item for item in view.models if item.name == MODEL).live == ()
    assert any(f"Void entries have no effect here: {seq}" in note for note in view.notes)


def test_many_readers_at_once_get_one_history(room: Room) -> None:
    room.register()
    room.world.release("1")

    with ThreadPoolExecutor(8) as readers:
        counts = list(readers.map(lambda _turn: room.reports.as_of(FIRST).entries, range(24)))

    assert set(counts) == {room.world.ledger.head().size}


def test_a_database_restored_from_an_older_copy_is_read_from_the_start(room: Room) -> None:
    room.register()
    room.world.submit("1")
    before = room.reports.as_of(FIRST).entries
    with room.world.database.writer_engine.begin() as connection:
        connection.execute(text("DROP TRIGGER log_entry_no_delete"))
        connection.execute(text("DELETE FROM log_entry WHERE seq = (SELECT MAX(seq) FROM log_entry)"))

    assert room.reports.as_of(FIRST).entries == before - 1


def test_only_new_entries_are_read_again(room: Room) -> None:
    room.register()
    first = room.reports.as_of(FIRST).entries

    room.world.submit("1")

    assert room.reports.as_of(FIRST).entries == first + 1
