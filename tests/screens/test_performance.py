"""The performance screen keeps what labels confirm apart from what scores suggest, and can look back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


def charts_of(app: AppTest) -> dict[str, list[str]]:
    """Names of the traces of every chart, by the text that describes the chart."""
    found = {}
    for element in app.get("plotly_chart"):
        figure = json.loads(element.proto.spec or element.proto.figure.spec)
        found[str(len(found))] = [str(trace.get("name", "")) for trace in figure["data"]]
    return found


def test_confirmed_and_estimated_figures_are_never_in_one_chart(visit: Visit) -> None:
    app = visit(FakeRoom(), "performance", model="claims_triage")

    traces = list(charts_of(app).values())
    assert any("Confirmed" in names for names in traces)
    assert any("Estimated" in names for names in traces)
    assert not any("Confirmed" in names and "Estimated" in names for names in traces)


def test_the_method_and_what_it_assumes_stand_beside_the_estimate(visit: Visit) -> None:
    said = words(visit(FakeRoom(), "performance", model="claims_triage"))

    assert "CBPE on 1,000 score bins" in said
    assert "no concept drift" in said
    assert "Waiting for labels" in said
    assert "decided otherwise" in said
    assert "USD 840" in said


def test_young_cohorts_stand_beside_mature_ones_of_the_same_age(visit: Visit) -> None:
    app = visit(FakeRoom(), "performance", model="claims_triage")

    table = next(table.value for table in app.table if "Mature ones then" in table.value.columns)
    assert len(table) == 3
    assert "too few labels" in table.iloc[0]["So far"]


def test_a_past_day_is_announced_and_known_by_its_address(visit: Visit) -> None:
    app = visit(FakeRoom(), "performance", model="claims_triage", known="2030-10-01")

    assert "As known on 1 Oct 2030" in " ".join(item.value for item in app.info)
    assert crashed(app) == []


def test_changing_the_metric_changes_the_address(visit: Visit) -> None:
    app = visit(FakeRoom(), "performance", model="claims_triage")

    app.selectbox(key="at-metric").set_value("recall").run()

    assert app.query_params["metric"] in (["recall"], "recall")
    assert "Decay, recall" in words(app)


@pytest.mark.parametrize(
    "address",
    [{"known": "2099-01-01"}, {"known": "soon"}, {"range": "5"}, {"period": "9"}, {"metric": "beauty"}],
)
def test_what_the_address_cannot_mean_is_told_calmly(visit: Visit, address: dict[str, str]) -> None:
    app = visit(FakeRoom(), "performance", model="claims_triage", **address)

    assert "does not exist here; showing the default" in words(app)
    assert crashed(app) == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ({"version": "77"}, "no predictions of version"),
        ({"slice": "region=moon"}, "no predictions of slice"),
        ({"metric": "mae"}, "cannot be measured"),
    ],
)
def test_a_question_that_is_refused_shows_why_and_the_default(
    visit: Visit, address: dict[str, str], reason: str
) -> None:
    app = visit(FakeRoom(), "performance", model="claims_triage", **address)

    assert any(reason in item.value for item in app.warning)
    assert crashed(app) == []


def test_what_is_not_recorded_is_said_and_not_shown_as_zero(visit: Visit) -> None:
    said = words(visit(FakeRoom(), "performance", model="payout_forecast"))

    assert "no benefit is accounted" in said
    assert "no reviews by people are recorded" in said
    assert "The error of a forecast cannot be read" in said or "the error of a forecast cannot be read" in said


def test_a_slice_without_labels_has_not_enough_of_them(visit: Visit) -> None:
    said = words(visit(FakeRoom(), "performance", model="claims_triage", slice="region=north"))
    assert "Of the whole model: value is not accounted by slice or version." in said

    assert "Not enough labels" in said
    assert "reviews are not counted by slice" in said


def test_cohorts_that_wait_say_how_they_are_counted_and_can_be_taken_along(visit: Visit) -> None:
    app = visit(FakeRoom(), "performance", model="delay_claim_score")

    assert "counting only labels that were there at that age" in words(app)
    assert "export-waiting-csv" in {str(item.proto.id).split("-", 2)[-1] for item in app.get("download_button")}
