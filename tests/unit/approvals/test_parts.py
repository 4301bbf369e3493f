"""Parts of the evidence: what is known to be absent is a fact, what was not read is not known."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete

from services.adapters.sql.schema.approvals import version_evidence
from services.approvals.models import Decision
from services.inventory.models import Tier
from services.kernel.errors import GateNotPassedError
from tests.builders import MODEL, World, a_model, a_world


@pytest.fixture
def planning(tmp_path: Path) -> World:
    """A planning aid of tier 3; nobody demands an evaluation report of it."""
    world = a_world(tmp_path)
    world.inventory.put_model(a_model(tier=Tier.THREE))
    return world


def without_report(world: World) -> None:
    world.registry.add_version(MODEL, "3", content="weights 3", report=None)
    read_again(world)


def read_again(world: World) -> None:
    with world.database.write() as connection:
        connection.execute(delete(version_evidence))
    world.evaluation.refresh()


def test_a_version_known_to_have_no_report_can_be_asked_for_and_signed(planning: World) -> None:
    without_report(planning)
    draft = planning.approvals.draft(MODEL, "3", actor=planning.actor("dana.datascience"))
    assert draft.blocked_by == ()
    assert all(sha256 for _, sha256 in draft.parts)
    planning.submit("3")
    planning.sign_off(planning.request_of("3").request_id, "clara.compliance", Decision.APPROVE)
    assert planning.approvals.approved(MODEL, "3").valid


def test_a_report_that_appears_later_is_a_change(planning: World) -> None:
    without_report(planning)
    planning.submit("3")
    planning.sign_off(planning.request_of("3").request_id, "clara.compliance", Decision.APPROVE)
    planning.registry.add_version(MODEL, "3", content="weights 3", report={"slices": []})
    read_again(planning)
    assert "evaluation report changed" in planning.approvals.approved(MODEL, "3").reason


def test_files_that_were_not_read_leave_the_report_unknown(planning: World) -> None:
    with planning.database.write() as connection:
        connection.execute(delete(version_evidence))
    draft = planning.approvals.draft(MODEL, "3", actor=planning.actor("dana.datascience"))
    assert dict(draft.parts)["evaluation"] == ""
    assert "Its files were not read yet." in draft.blocked_by


def test_a_model_of_tier_one_still_needs_its_report(world: World) -> None:
    without_report(world)
    with pytest.raises(GateNotPassedError, match="leakage"):
        world.submit("3")
