"""A list of entries is checked as each of them alone, and asks the database no more often when it is longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from services.adapters.sql.public_keys import SqlPublicKeys
from services.kernel.errors import BrokenChainError, SignatureMismatchError, TrustError
from services.ledger import events
from services.ledger.merkle import leaf_hash
from services.people.ceremonies import CeremonyKind, ProposeChange
from services.rollout.attested import CheckedEntries
from tests.builders import MODEL, World, a_world

ADA, BEN = "ada.admin", "ben.business"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = a_world(tmp_path)
    yield made
    made.database.dispose()


def checks(world: World) -> CheckedEntries:
    return CheckedEntries(
        reader=world.book,
        service_key=world.desk.service_key,
        person_keys=SqlPublicKeys(world.database),
        machine_key=world.desk.machine_key,
    )


def said(entries: CheckedEntries, seq: int, leaf: str) -> Any:
    try:
        return entries.require_valid(seq, leaf)
    except TrustError as refused:
        return type(refused), str(refused)


def forged(world: World) -> int:
    """An entry in the name of a person who never signed it."""
    payload = events.payload(
        "value-review-kept",
        actor=world.actor(BEN),
        model=MODEL,
        detail={},
        at=world.clock.now(),
        head=world.ledger.head(),
        signed=True,
    )
    with world.book.writing() as ledger:
        return ledger.append(world.desk.sign_as_service(payload), idem="forged").seq


def test_entries_checked_together_are_judged_as_each_alone(world: World) -> None:
    """Of people, of a replaced and of the present key of the service; forged; with a wrong hash; not there."""
    world.submit("3")
    world.keys.propose(
        ProposeChange(command_id="turn", kind=CeremonyKind.ROTATE_SERVICE, subject="", passphrase=world.secret(ADA)),
        actor=world.actor(ADA),
    )
    world.ledger.record_event(event="afterwards", actor=None, detail={})
    bad = forged(world)
    asked = [(entry.seq, leaf_hash(entry.envelope).hex()) for entry in world.book.entries()]
    earlier, later, wrong, absent = asked[1], asked[-2], (asked[1][0], asked[2][1]), (len(asked) + 7, asked[0][1])
    asked += [wrong, absent]

    alone = checks(world)
    together = alone.ahead([seq for seq, _ in asked])

    answers = {one: said(together, *one) for one in asked}
    assert answers == {one: said(alone, *one) for one in asked}
    assert answers[asked[bad]][0] is SignatureMismatchError
    assert answers[wrong][0] is answers[absent][0] is BrokenChainError
    # Signed with the replaced key of the service, and with the present one.
    assert not isinstance(answers[earlier], tuple)
    assert answers[later]["event"] == "afterwards"


def test_what_was_not_read_ahead_is_not_vouched_for(world: World) -> None:
    entry = next(iter(world.book.entries(start=1)))
    with pytest.raises(BrokenChainError):
        checks(world).ahead([0]).require_valid(entry.seq, leaf_hash(entry.envelope).hex())


@pytest.mark.parametrize("number", [1, 60])
def test_a_list_costs_a_fixed_number_of_statements(world: World, number: int) -> None:
    for index in range(number):
        world.ledger.record_event(event="noted", actor=world.actor(BEN), detail={"number": str(index)})
    entries = list(world.book.entries())[-number:]
    asked = list[str]()
    with world.database.read() as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", lambda _c, _k, statement, *_rest: asked.append(statement))

    together = checks(world).ahead([entry.seq for entry in entries])
    for entry in entries:
        together.require_valid(entry.seq, leaf_hash(entry.envelope).hex())

    assert sum("log_entry" in statement for statement in asked) == 1
    assert sum("deployment_key" in statement for statement in asked) == 1
