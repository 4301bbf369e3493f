"""Requester against signers is computed from signed facts; refused attempts are listed with person and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.approvals.models import Decision
from services.audit import segregation
from services.audit.chronicle import Chronicle
from services.kernel.errors import PassphraseError, RefusalError
from services.kernel.secret import Secret
from tests.contract.deployment import founded
from tests.unit.audit.room import Room, a_room


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return a_room(tmp_path)


def test_each_promotion_names_requester_and_signers_and_has_no_breach(room: Room) -> None:
    room.world.release("1")
    room.world.release("2")

    report = room.reports.segregation()

    assert [(line.version, line.requester, line.applied) for line in report.promotions] == [
        ("2", "Dana Petrov", True),
        ("1", "Dana Petrov", True),
    ]
    assert [item.role for item in report.promotions[0].signers] == ["validator", "business_owner", "compliance_officer"]
    assert report.breaches == 0


def test_refused_attempts_are_listed_with_person_reason_and_entry(room: Room) -> None:
    room.refused_self_approval("1")
    request_id = room.world.request_of("1").request_id
    with pytest.raises(PassphraseError):
        room.world.sign_off(request_id, "vera.validator", Decision.APPROVE, passphrase=Secret("wrong"))
    with pytest.raises(RefusalError):
        room.world.sign_off(request_id, "otto.auditor", Decision.APPROVE)

    refused = room.reports.segregation().refused

    assert [(line.person, line.code) for line in refused] == [
        ("Otto Brandt", "permission"),
        ("Vera Lindholm", "passphrase"),
        ("Dana Petrov", "self-approval"),
    ]
    assert "may not decide" in refused[2].reason
    assert all(line.seq for line in refused)


def test_a_promotion_that_rests_on_the_requesters_own_signature_is_a_breach(tmp_path: Path) -> None:
    """Somebody with the application's keys wrote it: the log takes the bytes, the report names the breach."""
    log = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    _, cited = log.request(by="dana")
    decisions = [log.decide(cited, by="dana"), log.decide(cited, by="clara")]
    log.act(cited, decisions)
    log.outcome()

    report = segregation.report(Chronicle(log.book).history(), at=log.clock.now())

    (line,) = report.promotions
    assert report.breaches >= 2
    assert any("asked for it and signed it" in words for words in line.breaches)
    assert any("The order in entry" in words and "void" in words for words in line.breaches)
    log.database.dispose()


def test_an_order_without_a_request_is_a_breach(tmp_path: Path) -> None:
    log = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    log.act(None, [])

    (line,) = segregation.report(Chronicle(log.book).history(), at=log.clock.now()).promotions

    assert "rests on no request" in line.breaches[0]
    log.database.dispose()
