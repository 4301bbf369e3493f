"""Lineage as it was signed, against the version before, and what serves without any signature, as people see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from services.inventory.lineage import FrozenGraph, LineageGraph
from services.rollout.models import DeploymentView, UnsignedChange
from tests.fakes.room import FakeRoom
from tests.fakes.room_sample import NOW
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


def graph_of(room: FakeRoom, model: str, version: str) -> LineageGraph:
    found = room.handling.graph(model, version)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("5", "The same lineage as v4, the last version approved before it."),
        ("3", "The same lineage as v2, the version before it, which nobody approved."),
        ("1", "v1 is the first version: there is nothing to compare."),
    ],
)
def test_a_version_is_compared_with_the_one_before_also_when_it_is_the_live_one(
    visit: Visit, number: str, said: str
) -> None:
    app = visit(FakeRoom(), "model", name="delay_claim_score", show="lineage", v=number)

    assert said in words(app)
    assert crashed(app) == []


def cited(room: FakeRoom, sha256: str) -> None:
    read = room.approvals.get

    def with_lineage(request_id: str, **given: Any) -> Any:
        view = read(request_id, **given)
        return replace(view, parts=(*view.parts, ("lineage", sha256)))

    room.approvals.get = with_lineage  # type: ignore[method-assign]


def test_a_request_draws_the_graph_that_is_signed_with_its_date_and_what_differs_today(visit: Visit) -> None:
    room = FakeRoom()
    now = graph_of(room, "claims_triage", "4")
    signed = replace(now, edges=tuple(edge for edge in now.edges if edge[0] != "raw.flights"))
    room.handling.kept = FrozenGraph(graph=signed, kept_at=NOW - timedelta(days=9))
    cited(room, signed.sha256)

    app = visit(room, "approvals", request="req-0001", part="data")

    text = words(app)
    assert "as frozen for this request on" in text
    assert "The lineage is another one today: 1 difference." in text
    assert "way **raw.flights → features.routes**" in text
    assert crashed(app) == []


def test_a_signed_graph_that_is_still_that_of_today_says_nothing_of_differences(visit: Visit) -> None:
    room = FakeRoom()
    now = graph_of(room, "claims_triage", "4")
    room.handling.kept = FrozenGraph(graph=now, kept_at=NOW - timedelta(days=9))
    cited(room, now.sha256)

    text = words(visit(room, "approvals", request="req-0001", part="data"))

    assert "as frozen for this request on" in text
    assert "another one today" not in text


@pytest.mark.parametrize(("kind", "way"), [("alias", "Ask for the promotion of v3"), ("traffic", "Adopt v3")])
def test_what_serves_without_any_signature_offers_the_way_in_and_nothing_to_put_back(
    visit: Visit, kind: str, way: str
) -> None:
    room = FakeRoom()
    read = room.rollout.deployment
    change = UnsignedChange(kind=kind, there="Serves without any signed approval.", signed="Nothing.", version="3")

    def unsigned(model: str) -> DeploymentView:
        return replace(
            read(model), desired=(), champion="", candidate=None, plan=(), next_share=None, finding="Serves.",
            finding_kind=kind, changes=(change,), adoptable_version="3" if kind == "traffic" else None,
        )  # fmt: skip

    room.rollout.deployment = unsigned  # type: ignore[method-assign]

    app = visit(room, "rollouts", "dana.datascience", model="payout_forecast")

    assert "there is nothing to put back" in words(app)
    assert [link.label for link in app.get("page_link") if way in link.label]
    assert "revert" not in {button.key for button in app.button}
    assert crashed(app) == []
