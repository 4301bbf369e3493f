"""Text that would be a command somewhere else: stored as text, shown as text, and the tables are still there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Text, inspect, select
from sqlalchemy.types import String

from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.schema.base import metadata
from services.approvals.models import Decision
from services.attestation.canonical import parse, to_bytes
from services.container import ControlRoom, open_control_room
from services.inventory.models import RegistrySnapshot
from services.kernel.errors import ControlRoomError, ForeignStatementError, InputError
from services.ledger.verify import verify_log
from services.rollout.emergency_models import Conclusion
from services.settings import Settings
from tests.attacks.fuzzing import calls
from tests.builders import MODEL, World, a_model, a_version, a_world
from tests.contract.conftest import database_url, postgres
from tests.unit.exceptions.commands import (
    BEN,
    CLARA,
    DANA,
    SAM,
    VERA,
    a_review,
    break_glass,
    decide,
    end,
    propose,
)

__all__ = ["database_url", "postgres"]

INJECTION = (
    "'; DROP TABLE log_entry; -- \"; DROP TABLE person; --') OR 1=1; DELETE FROM promotion_request; /* "
    "$$; TRUNCATE log_entry; $$ \\'; %s %(x)s :name {0} ? @p1 */ UNION SELECT envelope FROM log_entry"
)
ODD = "\x00\ud800\ufeff\u202e\x1b[2J" + "x" * 5000
ACTORS = (DANA, CLARA, SAM, VERA, BEN, "ada.admin", "otto.auditor")
NO_SERVICES = {"clock", "settings", "database"}


@dataclass
class Attacked:
    world: World
    room: ControlRoom


@pytest.fixture
def attacked(database_url: str, tmp_path: Path) -> Iterator[Attacked]:
    """A whole control room on a founded database of each kind, with one model released and one request open."""
    world = a_world(tmp_path, url=database_url)
    store = SqlInventory(world.database)
    store.put_catalog((a_model(),))
    store.apply(RegistrySnapshot(versions=tuple(map(a_version, "123")), aliases=()), world.clock.now())
    settings = Settings(home=tmp_path, database_url=database_url)
    room = open_control_room(settings, clock=world.clock, registry=world.registry, serving=world.platform)  # type: ignore[arg-type]
    world.release("1")
    world.submit("3")
    yield Attacked(world, room)
    room.database.dispose()
    world.database.dispose()


def state(world: World) -> dict[str, int]:
    """Rows by table. An injected DROP, DELETE or TRUNCATE cannot hide from it."""
    with world.database.read() as connection:
        names = inspect(connection).get_table_names()
        return {name: connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one() for name in names}


def stored_as(world: World, text: str) -> list[str]:
    """Columns of any table that hold exactly this text."""
    found = []
    with world.database.read() as connection:
        for table in metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, (String, Text)):
                    hit = connection.execute(select(column).where(column == text).limit(1)).first()
                    found += [f"{table.name}.{column.name}"] if hit else []
    return found


def assert_untouched(world: World, before: dict[str, int]) -> None:
    after = state(world)
    assert set(after) == set(before)
    assert {name: (before[name], after[name]) for name in before if after[name] < before[name]} == {}
    # A pack that was asked for may still be built, and adds its entry: the log is read in the order for a growing one.
    newest = list(world.book.checkpoints())[-1]
    entries = list(world.book.entries())
    report = verify_log(entries, checkpoints=world.book.checkpoints(), growing_from=newest)
    assert [problem.sentence for problem in report.problems if problem.severity not in {"note", "finding"}] == []


@pytest.mark.parametrize("text", [INJECTION, ODD, ""], ids=["injection", "odd", "empty"])
def test_every_method_of_every_service_takes_hostile_text_as_text_or_refuses_it(attacked: Attacked, text: str) -> None:
    """Attack 45 and attack 54: by the annotations of the services, so that new commands are attacked too."""
    world, room = attacked.world, attacked.room
    before, unexpected, called = state(world), list[str](), 0
    for service in (getattr(room, name) for name in room.__dataclass_fields__ if name not in NO_SERVICES):
        for call in calls(service):
            for subject in ACTORS:
                called += 1
                ask = call.make(text, world.actor(subject), world.secret(subject))
                try:
                    ask()
                except ControlRoomError:
                    pass
                except Exception as fault:  # noqa: BLE001 - every other error is what this test looks for
                    unexpected.append(f"{call.name} as {subject}: {type(fault).__name__}: {str(fault)[:200]}")
    assert list(dict.fromkeys(unexpected)) == []
    assert called > 300
    assert_untouched(world, before)


def test_every_text_that_people_may_write_is_kept_letter_by_letter(attacked: Attacked) -> None:
    """Attack 54: notes, comments, reasons, controls, on requests, decisions, exceptions, releases and reviews."""
    world = attacked.world
    before = state(world)

    world.submit("2", note=INJECTION)
    assert "promotion_request.note" in stored_as(world, INJECTION)
    request_id = world.request_of("3").request_id
    world.sign_off(request_id, VERA, Decision.APPROVE, comment=INJECTION)
    assert "request_decision.comment" in stored_as(world, INJECTION)

    exception_id = propose(world, reason=INJECTION, control=INJECTION)
    decide(world, exception_id, reason=INJECTION)
    end(world, exception_id, reason=INJECTION)
    assert {"policy_exception.control", "exception_step.reason"} <= set(stored_as(world, INJECTION))
    view = world.exceptions.get(exception_id)
    assert (view.reason, view.control, view.ended_why) == (INJECTION, INJECTION, f"Clara Whitfield: {INJECTION}")

    review_id = break_glass(world, "2", reason=INJECTION)
    command = a_review(world, review_id, by=CLARA, comment=INJECTION, conclusion=Conclusion.CORRECTED)
    world.emergency.review(command, actor=world.actor(CLARA))
    assert {"emergency_review.reason", "review_signature.comment"} <= set(stored_as(world, INJECTION))
    assert world.emergency.get(review_id).comments == (INJECTION,)

    world.rollout.roll_back(world.a_rollback("1", reason=INJECTION), actor=world.actor(SAM))
    assert INJECTION in world.rollout.history(MODEL)[0].reason
    assert_untouched(world, before)


def test_a_search_for_hostile_text_finds_nothing_and_changes_nothing(attacked: Attacked) -> None:
    """Attack 54: wildcards and quotes in filters are letters."""
    from services.approvals.models import QueueQuery
    from services.audit.models import LedgerQuery
    from services.inventory.models import InventoryQuery

    world, room = attacked.world, attacked.room
    before = state(world)
    for text in (INJECTION, "%", "_", "'", "\\", "' OR '1'='1"):
        assert room.audit.entries(LedgerQuery(text=text)).total == 0 or text in {"%", "_", "'", "\\"}
        assert world.approvals.queue(QueueQuery(text=text), actor=world.actor(CLARA)).total in {0, 1}
        assert room.inventory.search(InventoryQuery(text=text)).total in {0, 1}
    assert world.approvals.queue(QueueQuery(text="%"), actor=world.actor(CLARA)).total == 0
    assert world.approvals.queue(QueueQuery(model=INJECTION), actor=world.actor(CLARA)).total == 0
    assert state(world) == before


# canonical form of what is signed

MALFORMED = {
    "duplicate key": b'{"a":1,"a":2}',
    "float": b'{"a":1.5}',
    "exponent": b'{"a":1e2}',
    "NaN": b'{"a":NaN}',
    "infinity": b'{"a":-Infinity}',
    "beyond 2^53": b'{"a":9007199254740993}',
    "surrogate": b'{"a":"\\ud800"}',
    "BOM": b'\xef\xbb\xbf{"a":1}',
    "trailing": b'{"a":1} ',
    "trailing document": b'{"a":1}{"a":1}',
    "nested": b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "not UTF-8": b'{"a":"\xff"}',
    "utf-16": '{"a":1}'.encode("utf-16"),
    "order": b'{"b":1,"a":1}',
    "space": b'{"a": 1}',
    "escaped": b'{"\\u0061":1}',
    "list": b"[1]",
    "empty": b"",
    "huge integer": b'{"a":' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_bytes_in_any_other_form_are_refused_and_crash_nothing(data: bytes) -> None:
    """Attack 45."""
    with pytest.raises(ForeignStatementError):
        parse(data)


@pytest.mark.parametrize(
    "document",
    [{"a": 1.5}, {"a": float("nan")}, {"a": 2**53}, {"a": "\ud800"}, {1: "a"}, {"a": object()}],
    ids=["float", "NaN", "2^53", "surrogate", "key", "object"],
)
def test_nothing_is_signed_that_could_not_be_read_back(document: dict[str, object]) -> None:
    """Attack 45."""
    with pytest.raises(InputError):
        to_bytes(document)


def test_a_lone_surrogate_in_a_note_is_refused_before_anything_is_recorded(attacked: Attacked) -> None:
    """Attack 45: it could be typed, but neither stored nor signed."""
    world = attacked.world
    before = state(world)
    with contextlib.suppress(ControlRoomError):
        propose(world, reason="half a letter \ud800 here", until=world.clock.now() + timedelta(days=5))
    assert state(world).get("policy_exception", 0) == before.get("policy_exception", 0)
