"""The ledger speaks in sentences people can read, and never claims more than an entry says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.attestation.models import Kind
from services.audit.models import LedgerQuery
from services.kernel.errors import InputError
from services.people.accounts import DEMO_ACCOUNTS
from tests.contract.deployment import BYTES, Deployment, founded


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Deployment]:
    made = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    yield made
    made.database.dispose()


FOUNDED = 2 * len(DEMO_ACCOUNTS) - 1
"""Genesis, which names the first administrator, then a key and a role for everybody else."""


def sentences(log: Deployment, first: int = FOUNDED) -> list[str]:
    rows = log.audit.entries(LedgerQuery(limit=100)).items
    return [row.sentence for row in reversed(rows) if row.seq >= first]


def test_a_promotion_and_a_rollback_read_as_a_story(log: Deployment) -> None:
    log.promote()
    log.act(None, [], id_="act-2", by="sam", rollback={"mode": "planned"})

    assert sentences(log) == [
        "Dana Petrov asked to promote claims_triage version 4.",
        "Vera Lindholm approved claims_triage version 4.",
        "Clara Whitfield approved claims_triage version 4.",
        "Countersign ordered claims_triage version 4 into full service.",
        "The change of claims_triage version 4 is done.",
        "Sam Lindqvist ordered the rollback of claims_triage from version 3 to version 4.",
    ]


def test_founding_events_policies_and_observations(log: Deployment) -> None:
    dana = log.people.sign_in_demo("dana.datascience")
    log.people.open_session(dana)
    log.ledger.record_event(event="gate-refused", actor=dana, model="claims_triage", detail={"reason": "AUC is low"})
    log.ledger.record_event(event="told", actor=None, detail={"sentence": "A sentence of its own."})
    log.record(Kind.POLICY, {"name": "tier-1", "version": "2", "digest": {"sha256": BYTES}}, by="ada")
    log.record(Kind.OBSERVATION, {"model": "claims_triage", "finding": "Alias moved outside."})
    log.record(Kind.OBSERVATION, {})

    assert sentences(log, 0)[:3] == [
        "The log tests/countersign/log-1 was founded.",
        "Ada Moreau enrolled the signing key of Clara Whitfield.",
        "Ada Moreau gave Clara Whitfield the role compliance officer.",
    ]
    assert sentences(log) == [
        "Dana Petrov signed in.",
        "Dana Petrov: gate refused for claims_triage: AUC is low",
        "A sentence of its own.",
        "Ada Moreau put policy tier-1 version 2 into force.",
        "claims_triage: Alias moved outside.",
        "claims_triage: Registry and traffic were compared with the ledger.",
    ]


def test_unknown_entry_is_said_to_be_unknown(log: Deployment) -> None:
    with pytest.raises(InputError, match="no entry 99"):
        log.audit.entry(99)
    with pytest.raises(InputError):
        log.audit.envelope(99)


def test_verification_tells_its_progress(log: Deployment) -> None:
    seen: list[int] = []

    result = log.audit.verify(lambda done, _total: seen.append(done))

    assert seen[-1] == result.entries == FOUNDED
    assert result.origin == "tests/countersign/log-1"
    assert log.audit.envelope(0).startswith(b'{"payload"')
