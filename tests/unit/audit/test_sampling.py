"""The same seed over the same entries gives the same list, and every item says what its record lacks."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from services.audit.completeness import TITLES, Part
from services.audit.samples import DrawSample
from services.audit.sampling import Population, rank
from services.kernel.errors import InputError, RoleMissingError
from tests.unit.audit.room import Room, a_command, a_room

FIRST = date(2030, 1, 31)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = a_room(tmp_path)
    room.register()
    for version in ("1", "2", "3"):
        room.world.release(version)
        room.later(days=2)
    return room


def a_draw(**changes: object) -> DrawSample:
    values: dict[str, object] = {
        "command_id": a_command(),
        "population": Population.PROMOTIONS,
        "since": FIRST,
        "until": FIRST + timedelta(days=30),
        "seed": 7,
        "wanted": 2,
    }
    return DrawSample(**(values | changes))  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_list_and_another_seed_another_order(room: Room) -> None:
    otto = room.world.actor("otto.auditor")
    samples = room.reports.samples
    lists = {}
    for seed in (7, 7, 8, 9, 10):
        seq = samples.draw(a_draw(seed=seed, wanted=3), actor=otto).seq
        lists.setdefault(seed, set()).add(samples.sample(seq).sample.entries)

    assert all(len(found) == 1 for found in lists.values())
    assert len({next(iter(found)) for found in lists.values()}) > 1


def test_a_draw_is_recorded_and_found_again_after_the_ledger_grew(room: Room) -> None:
    otto = room.world.actor("otto.auditor")
    receipt = room.reports.samples.draw(a_draw(), actor=otto)
    room.later(days=1)
    room.roll_back("2")
    room.world.release("3")

    view = room.reports.samples.sample(receipt.seq)

    assert view.problem == ""
    assert view.sample.population_count == 3
    assert [item.fact.seq for item in view.items] == list(view.sample.entries)
    ranks = [rank(7, item.fact.leaf_hash) for item in view.items]
    assert ranks == sorted(ranks)
    assert [sample.seq for sample in room.reports.samples.samples()] == [receipt.seq]


def test_a_double_click_draws_once(room: Room) -> None:
    otto = room.world.actor("otto.auditor")
    command = a_draw()

    first, second = (room.reports.samples.draw(command, actor=otto) for _ in range(2))

    assert (second.seq, second.repeated) == (first.seq, True)


def test_completeness_counts_fourteen_parts_and_names_what_is_missing(room: Room) -> None:
    otto = room.world.actor("otto.auditor")
    receipt = room.reports.samples.draw(a_draw(wanted=3), actor=otto)

    items = room.reports.samples.sample(receipt.seq).items

    for item in items:
        assert [part.key for part in item.items] == list(TITLES)
        states = {part.key: part.state for part in item.items}
        for key in ("request", "run", "dataset", "policy", "gates", "signatures", "quorum", "action", "outcome"):
            assert states[key] is Part.PRESENT, (key, item)
        assert states["readback"] is Part.PRESENT
        assert states["receipt"] is Part.PRESENT
        assert item.present + len(item.missing) == item.applicable
    first = next(item for item in items if item.fact.version == "1")
    assert next(part for part in first.items if part.key == "rollback").state is Part.NOT_APPLICABLE


def test_a_swapped_report_is_missing_not_present(room: Room) -> None:
    from sqlalchemy import text

    with room.world.database.writer_engine.begin() as connection:
        connection.execute(text("UPDATE version_evidence SET evaluation_sha256 = :other"), {"other": "9" * 64})
    receipt = room.reports.samples.draw(a_draw(wanted=1), actor=room.world.actor("otto.auditor"))

    (item,) = room.reports.samples.sample(receipt.seq).items

    assert "Evaluation report" in item.missing
    assert "is not the signed one" in next(part.sentence for part in item.items if part.key == "evaluation")


def test_a_refused_attempt_has_few_parts_and_says_so(room: Room) -> None:
    with pytest.raises(RoleMissingError):
        room.reports.samples.draw(a_draw(), actor=room.world.actor("sam.sre"))
    otto = room.world.actor("otto.auditor")
    receipt = room.reports.samples.draw(a_draw(population=Population.REFUSED), actor=otto)

    (item,) = room.reports.samples.sample(receipt.seq).items

    assert (item.present, item.applicable, item.missing) == (1, 1, ())


def test_a_rollback_is_drawn_from_its_own_population(room: Room) -> None:
    room.roll_back("2")
    receipt = room.reports.samples.draw(a_draw(population=Population.ROLLBACKS), actor=room.world.actor("otto.auditor"))

    (item,) = room.reports.samples.sample(receipt.seq).items

    assert item.fact.said["rollback"] is not None
    assert next(part for part in item.items if part.key == "quorum").state is Part.NOT_APPLICABLE


@pytest.mark.parametrize(
    "wrong",
    [{"wanted": 0}, {"seed": -1}, {"until": FIRST - timedelta(days=1)}, {"population": Population.OVERRIDES}],
)
def test_a_draw_without_sense_is_refused_and_leaves_no_entry(room: Room, wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        room.reports.samples.draw(a_draw(**wrong), actor=room.world.actor("otto.auditor"))

    assert room.reports.samples.samples() == ()
    with pytest.raises(InputError, match="is not a sample"):
        room.reports.samples.sample(0)
