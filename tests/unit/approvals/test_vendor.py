"""A supplier's model takes the same way: draft, request, quorum; the terms and documents stand in for the files."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from services.approvals.models import Decision, RequestState
from services.inventory.governance import VendorDocument, VendorTerms
from services.inventory.models import DeploymentKind, GovernedModel, ModelVersion
from services.kernel.errors import GateNotPassedError, SelfApprovalError
from services.policy.models import Verdict
from tests.builders import World, a_model, a_world

NAME = "damage_photo_vendor"
PAPER = VendorDocument(title="Validation report", reference="Read by Vera Lindholm", day=date(2029, 11, 5))
TERMS = VendorTerms(
    contract="KI-2024-0117", until=date(2031, 1, 1), audit_right="Yearly, on site", exit_plan="Monthly export",
    promise="99.5 % in 4 seconds", documents=(PAPER,),
)  # fmt: skip


def a_vendor(**changes: object) -> GovernedModel:
    facts: dict[str, object] = {"name": NAME, "kind": DeploymentKind.VENDOR, "vendor": "Kestrel", "supplier": TERMS}
    return a_model(**(facts | changes))


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = a_world(tmp_path)
    world.inventory.put_model(a_vendor())
    world.inventory.put_version(
        ModelVersion(
            model=NAME, version="1", created_at=datetime(2030, 1, 20, tzinfo=UTC), run_id="", model_id="",
            source="vendor:KI-2024-0117/2029.4", status="READY",
        )
    )  # fmt: skip
    world.evaluation.refresh()
    return world


def test_a_suppliers_release_is_approved_by_the_whole_quorum_and_nothing_of_ours_moves(world: World) -> None:
    request_id = world.approve("1", model=NAME)

    view = world.approvals.get(request_id, actor=world.actor("clara.compliance"))
    assert view.row.state is RequestState.APPLIED
    assert world.approvals.approved(NAME, "1").valid
    assert world.entries("event:vendor-approved") == 1
    assert world.runner.run_pending() == 0
    assert view.signatures[0].bound[-1]  # bound to the digest of the terms
    assert ("limitsOfUse", "Not for cancelled flights") in view.signatures[0].bound


def test_what_nobody_here_can_measure_is_set_aside_and_not_passed(world: World) -> None:
    report = world.evaluation.gates(NAME, "1")
    verdicts = {item.gate: item.verdict for item in report.outcomes}

    assert verdicts["discrimination"] is Verdict.SKIPPED
    assert verdicts["documentation"] is Verdict.PASSED
    assert verdicts["files"] is Verdict.PASSED
    assert report.passed


@pytest.mark.parametrize("field", ["contract", "audit_right", "exit_plan", "documents"])
def test_without_contract_audit_right_or_assessment_it_cannot_be_asked_for(world: World, field: str) -> None:
    empty: object = () if field == "documents" else ""
    world.inventory.put_model(a_vendor(supplier=replace(TERMS, **{field: empty})))  # type: ignore[arg-type]

    with pytest.raises(GateNotPassedError, match="metadata"):
        world.submit("1", model=NAME)


def test_a_changed_document_takes_the_approval_away(world: World) -> None:
    world.approve("1", model=NAME)
    newer = replace(PAPER, title="Validation withdrawn")
    world.inventory.put_model(a_vendor(supplier=replace(TERMS, documents=(newer,))))
    world.clock.set(world.clock.now() + timedelta(minutes=2))  # type: ignore[attr-defined]
    world.evaluation.refresh()

    assert "not the ones that were approved" in world.approvals.approved(NAME, "1").reason


def test_the_requester_cannot_approve_a_suppliers_release_either(world: World) -> None:
    world.submit("1", model=NAME)
    request_id = world.request_of("1", model=NAME).request_id

    with pytest.raises(SelfApprovalError):
        world.sign_off(request_id, "dana.datascience", Decision.APPROVE, challenge="x")


def test_a_model_of_ours_is_judged_in_full_whatever_its_source_says(world: World) -> None:
    version = world.inventory.version("delay_claim_score", "3")
    world.inventory.put_version(replace(version, source="vendor:KI-2024-0117/2029.4"))

    assert all(item.value != "not measured here" for item in world.evaluation.gates("delay_claim_score", "3").outcomes)
