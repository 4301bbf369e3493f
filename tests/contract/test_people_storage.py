"""Delegations, ends of roles and views of auditors are kept alike on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.attestation.models import Kind
from services.kernel.clock import utc_text
from services.kernel.errors import RefusalError, StorageUnavailableError
from tests.contract.deployment import ACCOUNTS, BYTES, STARTED, Deployment


def a_person(name: str) -> dict[str, str]:
    account = ACCOUNTS[name]
    return {"issuer": "countersign:demo", "sub": account.subject, "name": account.name}


def test_views_can_only_be_added(deployment: Deployment) -> None:
    otto = deployment.people.sign_in_demo("otto.auditor")
    deployment.people.record_view(otto, screen="audit", about="entry=3")
    statements = ["UPDATE access_view SET screen = 'x'", "DELETE FROM access_view"]
    if deployment.database.dialect == "postgresql":
        statements.append("TRUNCATE access_view")

    for statement in statements:
        with pytest.raises(StorageUnavailableError), deployment.database.write() as connection:
            connection.exec_driver_sql(statement)

    (view,) = deployment.people.views(actor=otto).items
    assert (view.at, view.screen, view.about) == (STARTED, "audit", "entry=3")
    assert deployment.book.missing_triggers() == ()


def test_delegation_is_read_from_the_entry_and_an_unlawful_one_is_never_added(deployment: Deployment) -> None:
    grant = {
        "op": "grant",
        "id": "dlg-1",
        "role": "compliance_officer",
        "to": a_person("vera"),
        "tier": "2",
        "since": utc_text(STARTED),
        "until": utc_text(STARTED + timedelta(days=10)),
        "reason": {"sha256": BYTES},
    }
    receipt = deployment.record(Kind.DELEGATION, grant, by="clara")

    (found,) = deployment.people.active_delegations(now=STARTED)
    assert (found.seq, found.leaf_hash, found.tier) == (receipt.seq, receipt.leaf_hash, 2)
    with pytest.raises(RefusalError, match="without holding it"):
        deployment.record(Kind.DELEGATION, {**grant, "id": "dlg-2"}, by="dana")
    deployment.record(Kind.DELEGATION, {"op": "withdraw", "id": "dlg-1"}, by="ada")
    assert deployment.people.active_delegations(now=STARTED) == ()


def test_delegation_of_somebody_disabled_is_not_in_force(deployment: Deployment) -> None:
    grant = {
        "op": "grant",
        "id": "dlg-1",
        "role": "validator",
        "to": a_person("carl"),
        "tier": "1",
        "since": utc_text(STARTED),
        "until": utc_text(STARTED + timedelta(days=10)),
    }
    deployment.record(Kind.DELEGATION, grant, by="vera")
    assert len(deployment.people.active_delegations(now=STARTED)) == 1

    deployment.record(Kind.KEYRING, {"op": "disable", "person": a_person("vera"), "reason": "left"}, by="ada")

    assert deployment.people.active_delegations(now=STARTED) == ()
