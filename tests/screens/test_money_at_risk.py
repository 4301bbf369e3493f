"""Money behind a level stands where the level fires; where nobody can say, the way to state it is one click."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from tests.fakes.room import FakeRoom
from tests.screens.conftest import words

Visit = Callable[..., AppTest]


def plain(app: AppTest) -> str:
    return words(app).replace("\\", "")


def test_drift_shows_both_levels_with_range_formula_and_weakest_assumption(visit: Visit) -> None:
    text = plain(visit(FakeRoom(), "drift", "ben.business", model="claims_triage"))

    assert "Money at risk" in text
    assert "Drift (PSI), watch: Benefit per day (" in text
    assert "x share affected (PSI 0.25: at most sqrt(PSI) / 2 of the rows moved)" in text
    assert "that the column shifted as a whole" in text


def test_a_model_nobody_stated_a_worth_for_is_unknown_and_links_to_where_to_state_it(visit: Visit) -> None:
    app = visit(FakeRoom(), "model", "ben.business", name="damage_photo_vendor", show="risk")
    where = {link.proto.label: link.proto.query_string for link in app.get("page_link")}

    assert "What a passed threshold costs is not known" in plain(app)
    assert where["State what a decision is worth"] == "model=damage_photo_vendor&show=statement"


def test_performance_says_what_a_breach_puts_at_risk(visit: Visit) -> None:
    text = plain(visit(FakeRoom(), "performance", "ben.business", model="claims_triage"))

    assert "no better than what was there before: the whole benefit" in text
