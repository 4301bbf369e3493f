"""Whom the machine tells about an output that consumers do not read."""

from __future__ import annotations

import pytest

from services.attestation import statement
from services.attestation.models import LogHead
from services.kernel.identity import Actor, Role
from services.ledger import events
from services.notices.machinery import news
from services.notices.models import Announcement, NoticeKind, Severity
from tests.builders import NOON

SENTENCE = "The run of m version 4 for 2030-06-01 02:00 UTC is held."


def told(event: str, *, actor: Actor | None = None) -> tuple[Announcement, ...]:
    detail = {"version": "4", "window": "2030-06-01 02:00 UTC", "sentence": SENTENCE}
    head = LogHead(origin="test", size=0, root="0" * 64)
    payload = events.payload(event, actor=actor, model="m", detail=detail, at=NOON, head=head)
    said = statement.read(payload)
    return tuple(news(said, said.predicate, 7))


@pytest.mark.parametrize(
    ("event", "kind", "severity"),
    [
        ("batch-run-held", NoticeKind.BATCH_HELD, Severity.AMBER),
        ("batch-run-quarantined", NoticeKind.BATCH_WITHHELD, Severity.RED),
    ],
)
def test_engineers_and_the_lead_hear_of_an_output_that_waits(event: str, kind: NoticeKind, severity: Severity) -> None:
    found = told(event)

    assert {item.audience.role for item in found} == {Role.SRE.value, Role.DATA_SCIENCE_LEAD.value}
    assert {(item.kind, item.severity, item.why, item.seq) for item in found} == {(kind, severity, SENTENCE, 7)}
    assert {item.target for item in found} == {"rollouts?model=m"}


def test_what_a_person_decided_about_a_run_is_no_news_of_the_machine() -> None:
    sam = Actor(issuer="i", subject="sam", name="Sam", role=Role.SRE, session_id="s", signed_in_at=NOON)

    assert told("batch-run-quarantined", actor=sam) == ()
