"""The address carries objects and filters; what it cannot mean is told calmly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


def test_filters_in_the_address_choose_the_rows(visit: Visit) -> None:
    app = visit(FakeRoom(), "inventory", health="breach")

    assert list(app.dataframe[0].value["model"]) == ["claims_triage"]


def test_changing_a_filter_changes_the_address(visit: Visit) -> None:
    app = visit(FakeRoom(), "inventory")

    app.text_input(key="at-q").set_value("payout").run()

    assert app.query_params["q"] in (["payout"], "payout")
    assert list(app.dataframe[0].value["model"]) == ["payout_forecast"]


@pytest.mark.parametrize(
    ("screen", "address"),
    [
        ("inventory", {"health": "splendid"}),
        ("inventory", {"page": "0"}),
        ("approvals", {"mine": "theirs"}),
        ("rollouts", {"model": "nobody"}),
        ("drift", {"model": "nobody"}),
        ("performance", {"model": "nobody"}),
        ("monitors", {"model": "delay_claim_score", "show": "everything"}),
        ("evaluation", {"model": "nobody"}),
        ("evaluation", {"model": "claims_triage", "version": "99"}),
        ("value", {"model": "nobody"}),
        ("settings", {"show": "secrets"}),
        ("alerts", {"state": "broken"}),
        ("alerts", {"kind": "weather"}),
        ("audit", {"entry": "first"}),
    ],
)
def test_unknown_value_gives_a_calm_notice_and_the_default(visit: Visit, screen: str, address: dict[str, str]) -> None:
    app = visit(FakeRoom(), screen, **address)

    assert crashed(app) == []
    assert "does not exist here; showing the default" in words(app)


@pytest.mark.parametrize(
    ("screen", "address", "sentence"),
    [
        ("model", {"name": "nobody"}, "There is no model named nobody"),
        ("approvals", {"request": "req-9"}, "There is no request req"),
        ("audit", {"entry": "4711"}, "There is no entry 4711"),
        ("alerts", {"alert": "alr-99"}, "There is no alert"),
    ],
)
def test_address_of_a_missing_object_says_so_and_leads_back(
    visit: Visit, screen: str, address: dict[str, str], sentence: str
) -> None:
    app = visit(FakeRoom(), screen, **address)

    assert sentence in words(app)
    assert crashed(app) == []


def test_no_match_offers_to_clear_the_filters(visit: Visit) -> None:
    app = visit(FakeRoom(), "inventory", q="zzz")

    assert "No model matches these filters" in words(app)
    app.button(key="clear-filters").click().run()
    assert len(app.dataframe[0].value) == 5


def test_selected_row_shows_its_facts_and_drift(visit: Visit) -> None:
    app = visit(FakeRoom(), "inventory")

    app.session_state["models"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.run()

    assert "claims\\_triage" in [header.value for header in app.header]
    assert len(app.get("plotly_chart")) == 1


def test_times_are_in_the_zone_of_the_reader_and_name_it(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001")
    app.context = {"timezone": "Asia/Tokyo"}
    app.run()

    assert "JST" in words(app)
