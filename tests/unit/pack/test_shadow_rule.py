"""Where a quorum signed that a shadow run comes first, both verifiers hold every later order to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.attestation.models import Kind, Receipt
from tests.contract.deployment import ACCOUNTS, BYTES, Deployment, founded
from tests.unit.pack.agreeing import require_agreement

OTHER = "ab" * 32


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Deployment]:
    made = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    yield made
    made.database.dispose()


def asked(log: Deployment, **changes: Any) -> tuple[dict[str, Any], list[Receipt]]:
    """A request that asks for a shadow run, with its whole quorum: how it is cited, and its decisions."""
    terms = {"shares": [5, 100], "approvalDays": 90, "shadow": {"minDays": 3, "minRecords": 5000}}
    _, cited = log.request(terms=terms, purpose="promotion", **changes)
    return cited, [log.decide(cited, by="vera"), log.decide(cited, by="clara")]


def copies(log: Deployment, cited: dict[str, Any], decisions: list[Receipt], **changes: Any) -> Receipt:
    given: dict[str, Any] = {
        "id_": "act-shadow",
        "by": "sam",
        "kind": "shadow",
        "routes": [{"version": "3", "share": 100}],
        "mirror": {"version": "4", "share": 100},
    }
    return log.act(cited, decisions, **(given | changes))


def closure(log: Deployment, cited: dict[str, Any], *, by: str = "sam", **changes: str) -> Receipt:
    detail = {"request": cited["id"], "entry": str(cited["entry"]), "version": "4", "sha256": BYTES}
    account = ACCOUNTS[by or "sam"]
    actor = {
        "issuer": "countersign:demo",
        "sub": account.subject,
        "name": account.name,
        "role": account.role.value,
    }
    predicate = {
        "event": "shadow-closed",
        "model": "claims_triage",
        "detail": detail | changes,
        "actor": actor if by else None,
    }
    return log.record(Kind.EVENT, predicate, by=by)


def start(log: Deployment, cited: dict[str, Any], decisions: list[Receipt], closed: Receipt | None) -> Receipt:
    cites = {"shadow": {"entry": closed.seq, "sha256": closed.leaf_hash}} if closed else {}
    return log.act(cited, decisions, id_="act-start", by="sam", kind="start", **cites)


def void(log: Deployment) -> set[int]:
    """Entries both verifiers give no effect."""
    return {seq for severity, seq in require_agreement(e.envelope for e in log.book.entries()) if severity != "note"}


def test_a_start_that_cites_the_closed_run_of_these_files_counts_and_so_do_its_next_shares(log: Deployment) -> None:
    cited, decisions = asked(log)
    copies(log, cited, decisions)
    first = start(log, cited, decisions, closure(log, cited))
    further = log.act(cited, decisions, id_="act-next", by="sam", kind="advance")
    assert not void(log) & {first.seq, further.seq}


@pytest.mark.parametrize("kind", ["start", "advance"])
def test_an_order_without_a_closed_run_is_void(log: Deployment, kind: str) -> None:
    cited, decisions = asked(log)
    copies(log, cited, decisions)
    skipped = log.act(cited, decisions, id_="act-2", by="sam", kind=kind)
    assert skipped.seq in void(log)


def test_a_closure_of_a_run_that_was_never_ordered_closes_nothing(log: Deployment) -> None:
    cited, decisions = asked(log)
    assert start(log, cited, decisions, closure(log, cited)).seq in void(log)


@pytest.mark.parametrize("changes", [{"by": ""}, {"by": "dana"}, {"sha256": OTHER}, {"request": "req-2"}])
def test_a_closure_by_nobody_by_the_wrong_role_or_of_other_files_closes_nothing(
    log: Deployment, changes: dict[str, str]
) -> None:
    cited, decisions = asked(log)
    copies(log, cited, decisions)
    assert start(log, cited, decisions, closure(log, cited, **changes)).seq in void(log)


def test_a_closure_of_another_request_is_no_closure_of_this_one(log: Deployment) -> None:
    earlier, before = asked(log)
    copies(log, earlier, before)
    closed = closure(log, earlier)
    later, decisions = asked(log, id_="req-2")
    copies(log, later, decisions, id_="act-shadow-2")
    assert start(log, later, decisions, closed).seq in void(log)


@pytest.mark.parametrize("changes", [{"by": ""}, {"by": "vera"}, {"routes": [{"version": "4", "share": 5}]}])
def test_copies_are_ordered_by_an_engineer_and_give_nobody_answers(log: Deployment, changes: dict[str, Any]) -> None:
    cited, decisions = asked(log)
    assert copies(log, cited, decisions, **changes).seq in void(log)


def test_a_request_without_shadow_terms_starts_as_before(log: Deployment) -> None:
    _, cited = log.request()
    decisions = [log.decide(cited, by="vera"), log.decide(cited, by="clara")]
    assert log.act(cited, decisions).seq not in void(log)
