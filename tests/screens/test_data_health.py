"""The data health screen: which rule of which table is broken, since when, and which models that hurts."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from services.kernel.errors import TelemetryUnavailableError
from services.kernel.identity import Permission
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


def test_a_broken_table_and_a_failed_pipeline_name_their_models_with_the_way(visit: Visit) -> None:
    said = words(visit(FakeRoom(), "data_health"))

    assert "3 tables: 1 healthy, 2 breach. 3 models hurt." in said
    assert "region is missing in 700 of" in said
    assert "route\\_features → delay\\_claim\\_score" in said
    assert "The last run failed: run\\_execution\\_error" in said
    assert "At risk:" in said
    assert "a day" in said.partition("At risk:")[2]


def test_the_address_chooses_table_state_and_model(visit: Visit) -> None:
    one = visit(FakeRoom(), "data_health", table="claims_features", days="14")
    assert "Who changed them" in " ".join(item.label for item in one.expander)
    assert "payout" not in words(one)

    none = words(visit(FakeRoom(), "data_health", table="claims_features", state="healthy"))
    assert "Nothing matches" in none

    mine = words(visit(FakeRoom(), "data_health", model="plan_utilisation"))
    assert "No model rests on a broken table" in mine


def test_a_rule_is_changed_with_a_reason_by_who_may(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "data_health", "dana.datascience", table="claims_features")
    app.button(key="change-rules").click().run()
    app.number_input(key="rules-hours").set_value(48.0)
    app.button(key="rules-go").click().run()
    assert "the reason stays in the ledger" in words(app)

    app.text_input(key="rules-reason").set_value("The nightly load moved to noon.")
    app.button(key="rules-go").click().run()

    assert crashed(app) == []
    assert [command.rules.fresh_hours for command in room.written] == [48.0]


def test_who_may_not_change_rules_is_told_who_may(visit: Visit) -> None:
    room = FakeRoom(forbidden=frozenset({Permission.EDIT_METADATA}))

    said = words(visit(room, "data_health", "sam.sre", table="claims_features"))

    assert "A data science lead can change these rules" in said


def test_months_and_endpoints_stand_on_the_reliability_screen(visit: Visit) -> None:
    app = visit(FakeRoom(), "reliability", model="delay_claim_score", version="4", days="30")

    tables = " ".join(str(item.value.to_numpy().tolist()) for item in app.table)
    assert "Missed" in tables
    assert "Kept" in tables
    assert "all versions" in tables
    assert "2 of 2 ended months kept" in words(app)


def test_the_model_says_what_its_data_says(visit: Visit) -> None:
    app = visit(FakeRoom(), "model", name="claims_triage")

    assert "region" in " ".join(str(item.value.to_numpy().tolist()) for item in app.table)


def test_columns_that_changed_are_told_with_model_and_day_and_can_be_taken_along(visit: Visit) -> None:
    app = visit(FakeRoom(), "data_health")
    said = words(app)

    assert "Changes of columns" in said
    assert "of the same kind is new: it looks renamed" in said
    assert "Ratcliff and Obershelp" in said
    assert {"column-changes-csv", "pipelines-json"} <= {
        str(item.proto.id).split("-", 2)[-1] for item in app.get("download_button")
    }
    assert "No column came, went" in words(visit(FakeRoom(), "data_health", model="plan_utilisation"))
    assert "No column came, went" in words(visit(FakeRoom("empty"), "data_health"))


def test_money_that_cannot_be_read_is_said_once_for_a_model_with_several_causes(visit: Visit) -> None:
    room = FakeRoom()
    hurt = room.data_health.hurt()
    room.data_health.hurt = lambda **_asked: (*hurt, *hurt)  # type: ignore[method-assign, assignment]

    def refused(_model: str) -> object:
        raise TelemetryUnavailableError("The usage log is away.")

    room.oversight.impact = refused  # type: ignore[method-assign, assignment]
    app = visit(room, "data_health")

    assert crashed(app) == []
    said = words(app)
    assert said.count("The usage log is away.") == len({item.model for item in hurt})
    assert "At risk:" not in said
